//! Frames on QUIC streams: a length, checked, then so many bytes.

use hobnob_wire::codec::{self, DecodeError, Frame, LENGTH_BYTES};
use quinn::{ReadExactError, RecvStream};
use thiserror::Error;

/// Why no frame could be read.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    /// The other side ended the stream or the connection.
    #[error("the connection ended")]
    Ended,
    /// The bytes are no frame; the other side's fault.
    #[error(transparent)]
    Bad(#[from] DecodeError),
}

impl From<ReadExactError> for ReadError {
    fn from(_: ReadExactError) -> Self {
        Self::Ended
    }
}

/// Reads one length-prefixed body of at most `max` bytes; `name` is what errors call it. Not cancel safe.
pub(crate) async fn read_body(
    stream: &mut RecvStream,
    name: &'static str,
    max: usize,
) -> Result<([u8; LENGTH_BYTES], Vec<u8>), ReadError> {
    let mut prefix = [0; LENGTH_BYTES];
    stream.read_exact(&mut prefix).await?;
    let mut body = vec![0; codec::prefixed_len(prefix, name, max)?];
    stream.read_exact(&mut body).await?;
    Ok((prefix, body))
}

/// Reads one frame. Not cancel safe.
pub(crate) async fn read_frame<F: Frame>(stream: &mut RecvStream) -> Result<F, ReadError> {
    let (_, body) = read_body(stream, F::NAME, F::BYTES_MAX).await?;
    Ok(codec::decode(&body)?)
}
