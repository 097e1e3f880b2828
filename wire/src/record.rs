//! Records: how a unidirectional stream of a transfer is cut.
//!
//! The stream begins with one byte, its [`Protection`]. Then come records: a 32-bit big-endian header,
//! whose top bit marks the last record and whose other bits are the length of what follows. A sealed
//! record is its content and a 16-byte tag; the header is authenticated with it. Truncation shows,
//! because the last record is marked; reordering shows, because the nonce counts.

use thiserror::Error;

use crate::limits::RECORD_BYTES_MAX;
use crate::seal::{BrokenSeal, SealKey, TAG_BYTES};

/// Bytes of a record's header.
pub const HEADER_BYTES: usize = 4;
/// Longest record after its header.
pub const BODY_BYTES_MAX: usize = RECORD_BYTES_MAX + TAG_BYTES;

const LAST: u32 = 1 << 31;

/// First byte of a stream: how its records are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Protection {
    /// By QUIC alone.
    AsIs = 0,
    /// Sealed with the stream's own key, inside QUIC.
    Sealed = 1,
}

/// Why a record could not be read. The stream is stopped with
/// [`StreamClose::BadRecord`](crate::close::StreamClose::BadRecord).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// The first byte is neither 0 nor 1.
    #[error("the stream begins with {0}, which names no protection")]
    Protection(u8),
    /// A record is longer than the protocol allows, or too short for its tag.
    #[error("a record of {0} bytes is not allowed")]
    Length(usize),
    /// It was not sealed with this stream's key in this place.
    #[error(transparent)]
    Seal(#[from] BrokenSeal),
}

impl TryFrom<u8> for Protection {
    type Error = RecordError;
    fn try_from(byte: u8) -> Result<Self, RecordError> {
        match byte {
            0 => Ok(Self::AsIs),
            1 => Ok(Self::Sealed),
            other => Err(RecordError::Protection(other)),
        }
    }
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// Bytes that follow, tag included.
    pub len: usize,
    /// Whether it is the stream's last.
    pub last: bool,
}

impl RecordHeader {
    /// Reads a header, so that the caller may allocate `len` bytes.
    ///
    /// # Errors
    /// [`RecordError::Length`].
    pub fn decode(bytes: [u8; HEADER_BYTES], protection: Protection) -> Result<Self, RecordError> {
        let word = u32::from_be_bytes(bytes);
        let len = (word & !LAST) as usize;
        let (min, max) = match protection {
            Protection::AsIs => (0, RECORD_BYTES_MAX),
            Protection::Sealed => (TAG_BYTES, BODY_BYTES_MAX),
        };
        if !(min..=max).contains(&len) {
            return Err(RecordError::Length(len));
        }
        Ok(Self { len, last: word & LAST != 0 })
    }

    fn encode(self) -> [u8; HEADER_BYTES] {
        let len = u32::try_from(self.len).unwrap_or(LAST - 1) & !LAST;
        (len | if self.last { LAST } else { 0 }).to_be_bytes()
    }
}

/// Cuts and protects what one side of a stream writes.
#[derive(Debug)]
pub struct RecordWriter(Option<SealKey>);

/// Opens what the other side reads.
#[derive(Debug)]
pub struct RecordReader(Option<SealKey>);

impl RecordWriter {
    /// With a key the stream is [`Protection::Sealed`], else [`Protection::AsIs`].
    #[must_use]
    pub const fn new(key: Option<SealKey>) -> Self {
        Self(key)
    }

    /// The first byte of the stream.
    #[must_use]
    pub const fn protection(&self) -> Protection {
        if self.0.is_some() { Protection::Sealed } else { Protection::AsIs }
    }

    /// Turns `buffer` into a record. Its first [`HEADER_BYTES`] are room for the header, the rest is the
    /// content, so the bytes of a file are sealed where they were read.
    ///
    /// # Errors
    /// [`RecordError::Length`] when the content is over [`RECORD_BYTES_MAX`] or the room is missing.
    pub fn finish(&mut self, buffer: &mut Vec<u8>, last: bool) -> Result<(), RecordError> {
        let content = buffer.len().checked_sub(HEADER_BYTES).ok_or(RecordError::Length(buffer.len()))?;
        if content > RECORD_BYTES_MAX {
            return Err(RecordError::Length(content));
        }
        let len = content + if self.0.is_some() { TAG_BYTES } else { 0 };
        let header = RecordHeader { len, last }.encode();
        let (room, body) = buffer.split_at_mut(HEADER_BYTES);
        room.copy_from_slice(&header);
        if let Some(key) = &mut self.0 {
            let tag = key.seal_detached(&header, body)?;
            buffer.extend_from_slice(&tag);
        }
        Ok(())
    }
}

impl RecordReader {
    /// For a stream with this protection; `key` opens sealed ones.
    #[must_use]
    pub fn new(protection: Protection, key: SealKey) -> Self {
        Self((protection == Protection::Sealed).then_some(key))
    }

    /// Opens the record behind `header` in place and returns its content.
    ///
    /// # Errors
    /// [`RecordError::Seal`]; [`RecordError::Length`] when `body` is not as long as the header says.
    pub fn open<'a>(&mut self, header: RecordHeader, body: &'a mut [u8]) -> Result<&'a [u8], RecordError> {
        if body.len() != header.len {
            return Err(RecordError::Length(body.len()));
        }
        match &mut self.0 {
            Some(key) => Ok(key.open(&header.encode(), body)?),
            None => Ok(body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{Direction, LinkSecret};
    use zeroize::Zeroizing;

    fn key() -> SealKey {
        LinkSecret::new(&Zeroizing::new([1; 64]), b"handshake").stream(2, Direction::FromInitiator)
    }

    fn record(writer: &mut RecordWriter, content: &[u8], last: bool) -> Vec<u8> {
        let mut buffer = vec![0; HEADER_BYTES];
        buffer.extend_from_slice(content);
        writer.finish(&mut buffer, last).unwrap();
        buffer
    }

    fn open(
        reader: &mut RecordReader,
        protection: Protection,
        record: &[u8],
    ) -> Result<(Vec<u8>, bool), RecordError> {
        let (header, body) = record.split_at(HEADER_BYTES);
        let header = RecordHeader::decode(header.try_into().unwrap(), protection)?;
        Ok((reader.open(header, &mut body.to_vec())?.to_vec(), header.last))
    }

    #[test]
    fn records_come_back_in_order_and_the_last_is_known_as_such() {
        for key_of in [Some as fn(SealKey) -> Option<SealKey>, |_| None] {
            let mut writer = RecordWriter::new(key_of(key()));
            let protection = writer.protection();
            let mut reader = RecordReader::new(protection, key());
            let records = [record(&mut writer, b"one", false), record(&mut writer, b"", true)];
            assert_eq!(open(&mut reader, protection, &records[0]), Ok((b"one".to_vec(), false)));
            assert_eq!(open(&mut reader, protection, &records[1]), Ok((Vec::new(), true)));
        }
    }

    #[test]
    fn a_sealed_record_that_was_reordered_or_marked_last_by_another_does_not_open() {
        let mut writer = RecordWriter::new(Some(key()));
        let (first, second) = (record(&mut writer, b"one", false), record(&mut writer, b"two", false));
        let fresh = || RecordReader::new(Protection::Sealed, key());
        assert_eq!(open(&mut fresh(), Protection::Sealed, &second), Err(RecordError::Seal(BrokenSeal)));
        let mut cut = first;
        cut[0] |= 0x80;
        assert_eq!(open(&mut fresh(), Protection::Sealed, &cut), Err(RecordError::Seal(BrokenSeal)));
    }

    #[test]
    fn lengths_are_checked_before_a_record_is_read() {
        let decode = |len: u32, protection| RecordHeader::decode(len.to_be_bytes(), protection);
        assert_eq!(decode(15, Protection::Sealed), Err(RecordError::Length(15)));
        assert_eq!(decode(65_552, Protection::Sealed), Ok(RecordHeader { len: 65_552, last: false }));
        assert_eq!(decode(65_553, Protection::Sealed), Err(RecordError::Length(65_553)));
        assert_eq!(decode(65_537, Protection::AsIs), Err(RecordError::Length(65_537)));
        assert_eq!(Protection::try_from(2), Err(RecordError::Protection(2)));
    }
}
