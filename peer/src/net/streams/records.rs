//! Reads records from a stream.

use std::time::Duration;

use hobnob_wire::close::StreamClose;
use hobnob_wire::codec;
use hobnob_wire::record::{
    BODY_BYTES_MAX, HEADER_BYTES, Protection, RecordError, RecordHeader, RecordReader,
};
use hobnob_wire::transfer::StreamHeader;
use quinn::{RecvStream, VarInt};
use thiserror::Error;
use tokio::time::timeout;

use super::super::handle::LinkHandle;

/// A stream that does not say what it is within this time is stopped.
const HEADER_WITHIN: Duration = Duration::from_secs(10);
/// A stream on which nothing arrives within this time is stopped. Less than the silence after which the core asks again, so that a
/// range is not kept from coming on another stream.
const MOVES_WITHIN: Duration = Duration::from_secs(20);

/// Why a stream gave no more records.
#[derive(Debug, Error)]
pub(super) enum StreamError {
    /// The stream or the link is gone.
    #[error("the stream is gone")]
    Lost,
    /// Nothing arrives.
    #[error("nothing arrives any more")]
    Stalled,
    /// The other side broke the rules.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What a record holds is no frame.
    #[error(transparent)]
    Frame(#[from] codec::DecodeError),
    /// Compressed bytes are not those of the range.
    #[error("what was compressed does not open to as many bytes as the list of files says")]
    Packed,
}

/// A stream of the other side.
#[derive(Debug)]
pub(super) struct Records {
    stream: RecvStream,
    reader: RecordReader,
    protection: Protection,
}

impl Records {
    /// Reads what the stream is.
    pub(super) async fn open(
        mut stream: RecvStream,
        link: &LinkHandle,
    ) -> Result<(Self, StreamHeader), StreamError> {
        let key = link.secret.stream(VarInt::from(stream.id()).into_inner(), link.direction.reversed());
        let read = async {
            let mut protection = [0];
            stream.read_exact(&mut protection).await.map_err(|_| StreamError::Lost)?;
            let protection = Protection::try_from(protection[0])?;
            let reader = RecordReader::new(protection, key);
            let mut this = Self { stream, reader, protection };
            let mut buffer = [0; 128];
            let (len, _) = this.next(&mut buffer).await?;
            let header = codec::decode(&buffer[..len])?;
            Ok((this, header))
        };
        timeout(HEADER_WITHIN, read).await.map_err(|_| StreamError::Lost)?
    }

    /// Whether records are sealed.
    pub(super) fn is_sealed(&self) -> bool {
        self.protection == Protection::Sealed
    }

    /// Reads the next record to the start of `room`; returns the length of its content, and whether it is the last. The room
    /// must hold a tag beyond the content.
    pub(super) async fn next(&mut self, room: &mut [u8]) -> Result<(usize, bool), StreamError> {
        let mut header = [0; HEADER_BYTES];
        self.fill(&mut header).await?;
        let header = RecordHeader::decode(header, self.protection)?;
        let body = room.get_mut(..header.len).ok_or(RecordError::Length(header.len))?;
        self.fill(body).await?;
        Ok((self.reader.open(header, body)?.len(), header.last))
    }

    async fn fill(&mut self, mut room: &mut [u8]) -> Result<(), StreamError> {
        while !room.is_empty() {
            let read = timeout(MOVES_WITHIN, self.stream.read(room)).await;
            let read = read.map_err(|_| StreamError::Stalled)?.map_err(|_| StreamError::Lost)?;
            room = &mut room[read.ok_or(StreamError::Lost)?..];
        }
        Ok(())
    }

    /// Room for any record.
    pub(super) fn room() -> Vec<u8> {
        vec![0; BODY_BYTES_MAX]
    }

    /// Tells the other side to stop.
    pub(super) fn stop(mut self, code: StreamClose) {
        stop(&mut self.stream, code);
    }
}

/// Tells the other side to stop.
pub(super) fn stop(stream: &mut RecvStream, code: StreamClose) {
    // It fails only when the stream has ended.
    let _ = stream.stop(VarInt::from_u32(code.code()));
}
