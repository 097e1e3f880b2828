//! Dialing: how long it may take, and why it fails.

use std::time::Duration;

use hobnob_wire::invite::Pin;
use quinn::{ConnectError, ConnectionError, TransportErrorCode};
use thiserror::Error;

/// How long a dial may take. Ten round trips of a satellite path.
pub const DIAL_WITHIN: Duration = Duration::from_secs(5);

/// Why there is no connection to an address.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialError {
    /// The rendezvous shows another certificate than the pinned one. Never retry by itself: somebody may be in between.
    #[error("the rendezvous has another identity: expected pin {expected}, got {presented}")]
    PinMismatch {
        /// The pin that was asked for.
        expected: Pin,
        /// The pin of the certificate that was shown.
        presented: Pin,
    },
    /// Nobody answered in time: wrong address, firewall, or the other side is off.
    #[error("nobody answered within {} s", DIAL_WITHIN.as_secs())]
    TimedOut,
    /// The other side has too many newcomers at the moment; try again later.
    #[error("the other side is too busy for new connections")]
    Refused,
    /// What answers there does not speak this protocol, or another version of it.
    #[error("what answers there does not speak this protocol")]
    Incompatible,
    /// This socket cannot send to that address: port 0, or IPv6 from a machine without it.
    #[error("this machine cannot send to that address")]
    Unroutable,
    /// The connection was lost while it was being made.
    #[error("the connection was lost: {0}")]
    Lost(ConnectionError),
    /// This endpoint has been closed.
    #[error("this endpoint is closed")]
    EndpointClosed,
}

impl From<ConnectError> for DialError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::EndpointStopping | ConnectError::CidsExhausted => Self::EndpointClosed,
            ConnectError::UnsupportedVersion => Self::Incompatible,
            // The name and the configuration are ours and constant; what remains is the address.
            ConnectError::InvalidRemoteAddress(_)
            | ConnectError::InvalidServerName(_)
            | ConnectError::NoDefaultClientConfig => Self::Unroutable,
        }
    }
}

impl From<ConnectionError> for DialError {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::VersionMismatch => Self::Incompatible,
            ConnectionError::LocallyClosed => Self::EndpointClosed,
            ConnectionError::ConnectionClosed(ref close)
                if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
            {
                Self::Refused
            }
            ConnectionError::ConnectionClosed(ref close) if is_tls_alert(close.error_code) => {
                Self::Incompatible
            }
            ConnectionError::TransportError(ref fault) if is_tls_alert(fault.code) => Self::Incompatible,
            ConnectionError::ConnectionClosed(_)
            | ConnectionError::TransportError(_)
            | ConnectionError::ApplicationClosed(_)
            | ConnectionError::Reset
            | ConnectionError::CidsExhausted => Self::Lost(error),
        }
    }
}

/// Whether a transport error carries a TLS alert (RFC 9001 §4.8).
fn is_tls_alert(code: TransportErrorCode) -> bool {
    (0x100..0x200).contains(&u64::from(code))
}
