//! Frames: how values become bytes and come back.
//!
//! A frame is one postcard value behind a 32-bit big-endian length. Each stream kind has one frame type,
//! and [`decode`] is the only way in: it refuses frames over the type's limit before reading them, bytes
//! left over, values over their limits, and every encoding but the shortest, so a value has exactly one
//! form on the wire.

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Bytes of the length prefix before each frame on a stream.
pub const LENGTH_BYTES: usize = 4;

/// A value that stands alone on a stream, as a Noise payload, or as the content of a letter.
pub trait Frame: Serialize + DeserializeOwned {
    /// What the frame is called in errors and logs.
    const NAME: &'static str;
    /// Longest encoding, without the length prefix.
    const BYTES_MAX: usize;
}

/// Why bytes were not a frame. On a connection it is answered by closing with
/// [`close::SessionClose::BadFrame`](crate::close::SessionClose::BadFrame) or
/// [`close::LinkClose::BadFrame`](crate::close::LinkClose::BadFrame).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The length is over the limit of this kind of frame.
    #[error("`{frame}` is {len} bytes; the limit is {max}")]
    TooLong {
        /// Kind of frame.
        frame: &'static str,
        /// Its length.
        len: usize,
        /// Longest length allowed.
        max: usize,
    },
    /// The bytes end early, name an unknown variant, or hold a value over its limit.
    #[error("`{frame}` is malformed or holds a value over its limit")]
    Malformed {
        /// Kind of frame.
        frame: &'static str,
    },
    /// Bytes remain after the value.
    #[error("`{frame}` is followed by {len} bytes that belong to nothing")]
    Trailing {
        /// Kind of frame.
        frame: &'static str,
        /// How many bytes remain.
        len: usize,
    },
    /// The same value has a shorter encoding.
    #[error("`{frame}` is not in its shortest form")]
    NotCanonical {
        /// Kind of frame.
        frame: &'static str,
    },
}

/// The value is longer than its frame may be. The sender's own fault: limits of the parts do not always
/// add up to less than the limit of the whole.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("`{frame}` would be longer than {max} bytes")]
pub struct EncodeError {
    /// Kind of frame.
    pub frame: &'static str,
    /// Longest length allowed.
    pub max: usize,
}

/// Encodes a value without its length prefix.
///
/// # Errors
/// [`EncodeError`] when the encoding is longer than [`Frame::BYTES_MAX`].
pub fn encode<F: Frame>(value: &F) -> Result<Vec<u8>, EncodeError> {
    let too_long = EncodeError { frame: F::NAME, max: F::BYTES_MAX };
    let bytes = postcard::to_stdvec(value).map_err(|_| too_long)?;
    if bytes.len() > F::BYTES_MAX {
        return Err(too_long);
    }
    Ok(bytes)
}

/// Encodes a value behind its length prefix, ready for a stream.
///
/// # Errors
/// [`EncodeError`] when the encoding is longer than [`Frame::BYTES_MAX`].
pub fn encode_prefixed<F: Frame>(value: &F) -> Result<Vec<u8>, EncodeError> {
    let body = encode(value)?;
    prefix(&body).ok_or(EncodeError { frame: F::NAME, max: F::BYTES_MAX })
}

/// Puts a length prefix before `body`; `None` when its length needs more than 32 bits.
#[must_use]
pub fn prefix(body: &[u8]) -> Option<Vec<u8>> {
    let len = u32::try_from(body.len()).ok()?;
    let mut bytes = Vec::with_capacity(LENGTH_BYTES + body.len());
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(body);
    Some(bytes)
}

/// Length of the frame that follows this prefix, checked against `max` so that the caller may allocate it.
///
/// # Errors
/// [`DecodeError::TooLong`] over `max`.
pub fn prefixed_len(
    prefix: [u8; LENGTH_BYTES],
    frame: &'static str,
    max: usize,
) -> Result<usize, DecodeError> {
    let len = u32::from_be_bytes(prefix) as usize;
    if len > max { Err(DecodeError::TooLong { frame, len, max }) } else { Ok(len) }
}

/// Decodes exactly one value from exactly these bytes.
///
/// # Errors
/// [`DecodeError`]; allocates at most four times `bytes.len()` either way.
pub fn decode<F: Frame>(bytes: &[u8]) -> Result<F, DecodeError> {
    let frame = F::NAME;
    if bytes.len() > F::BYTES_MAX {
        return Err(DecodeError::TooLong { frame, len: bytes.len(), max: F::BYTES_MAX });
    }
    let (value, rest) =
        postcard::take_from_bytes::<F>(bytes).map_err(|_| DecodeError::Malformed { frame })?;
    if !rest.is_empty() {
        return Err(DecodeError::Trailing { frame, len: rest.len() });
    }
    postcard::serialize_with_flavor(&value, SameBytes(bytes))
        .map_err(|_| DecodeError::NotCanonical { frame })?;
    Ok(value)
}

/// A serializer that writes nothing and fails at the first byte that differs from the original.
struct SameBytes<'a>(&'a [u8]);

impl Flavor for SameBytes<'_> {
    type Output = ();

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0 = self.0.strip_prefix(data).ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn finalize(self) -> postcard::Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(postcard::Error::SerializeBufferFull) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounded::{List, Opaque, Text};
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        number: u32,
        text: Text<4>,
        bytes: Opaque<3>,
        list: List<u8, 2>,
    }

    impl Frame for Sample {
        const NAME: &'static str = "sample";
        const BYTES_MAX: usize = 12;
    }

    const MALFORMED: DecodeError = DecodeError::Malformed { frame: "sample" };

    #[test]
    fn a_value_comes_back_as_it_went() {
        let sample = Sample {
            number: 300,
            text: Text::new("\u{e4}b").unwrap(),
            bytes: Opaque::new([1, 2, 3]).unwrap(),
            list: List::new(vec![7]).unwrap(),
        };
        let bytes = encode(&sample).unwrap();
        assert_eq!(bytes, [0xac, 0x02, 3, 0xc3, 0xa4, b'b', 3, 1, 2, 3, 1, 7]);
        assert_eq!(decode(&bytes), Ok(sample));
    }

    #[test]
    fn every_limit_is_checked_on_the_way_in() {
        assert_eq!(
            decode::<Sample>(&[0; 13]),
            Err(DecodeError::TooLong { frame: "sample", len: 13, max: 12 })
        );
        assert_eq!(decode::<Sample>(&[0, 5, 1, 2, 3, 4, 5, 0, 0]), Err(MALFORMED));
        assert_eq!(decode::<Sample>(&[0, 0, 4, 1, 2, 3, 4, 0]), Err(MALFORMED));
        assert_eq!(decode::<Sample>(&[0, 0, 0, 3, 1, 2, 3]), Err(MALFORMED));
        assert_eq!(decode::<Sample>(&[0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]), Err(MALFORMED));
    }

    #[test]
    fn left_over_early_ending_and_long_winded_bytes_are_refused() {
        assert_eq!(
            decode::<Sample>(&[0, 0, 0, 0, 9]),
            Err(DecodeError::Trailing { frame: "sample", len: 1 })
        );
        assert_eq!(decode::<Sample>(&[0, 0, 0]), Err(MALFORMED));
        assert_eq!(
            decode::<Sample>(&[0x80, 0x00, 0, 0, 0]),
            Err(DecodeError::NotCanonical { frame: "sample" })
        );
        assert_eq!(decode::<Sample>(&[0, 1, 0xff, 0, 0]), Err(MALFORMED));
    }

    #[test]
    fn a_prefix_over_the_limit_is_refused_before_the_frame_is_read() {
        assert_eq!(prefixed_len([0, 0, 0, 12], "sample", 12), Ok(12));
        assert_eq!(
            prefixed_len([0xff; 4], "sample", 12),
            Err(DecodeError::TooLong { frame: "sample", len: 0xffff_ffff, max: 12 })
        );
    }
}
