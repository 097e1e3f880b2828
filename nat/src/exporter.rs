//! The value that binds an authentication to one TLS connection (TLS exporter, RFC 8446 §7.5; used like RFC 9266).

use thiserror::Error;

/// The TLS layer did not export a value, which it owes for every established connection.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the TLS connection exports no keying material")]
pub struct ExporterError;

/// 32 bytes that exactly the two ends of this TLS connection can compute, for `label`, which is
/// [`hobnob_wire::session::EXPORTER_LABEL`] or [`hobnob_wire::link::EXPORTER_LABEL`]. They are a secret.
///
/// # Errors
/// [`ExporterError`] when the TLS layer refuses.
pub fn exporter(connection: &quinn::Connection, label: &[u8]) -> Result<[u8; 32], ExporterError> {
    let mut value = [0; 32];
    connection.export_keying_material(&mut value, label, b"").map_err(|_| ExporterError)?;
    Ok(value)
}
