//! Strings, bytes and lists that know their longest length.
//!
//! Deserializing checks the limit before anything is allocated, and lists grow with what has really been
//! read, never with what a length field promises.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A value is longer than its limit.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{len} is over the limit of {max}")]
pub struct TooLong {
    /// Length that was given.
    pub len: usize,
    /// Longest length allowed.
    pub max: usize,
}

const fn within(len: usize, max: usize) -> Result<(), TooLong> {
    if len <= max { Ok(()) } else { Err(TooLong { len, max }) }
}

/// UTF-8 text of at most `MAX` bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const MAX: usize>(Box<str>);

impl<const MAX: usize> Text<MAX> {
    /// # Errors
    /// [`TooLong`] over `MAX` bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, TooLong> {
        let text = text.into();
        within(text.len(), MAX)?;
        Ok(Self(text.into_boxed_str()))
    }

    /// The longest prefix of `text` that fits and ends between characters.
    #[must_use]
    pub fn truncated(text: &str) -> Self {
        let end = (0..=MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        Self(text[..end].into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> Serialize for Text<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bounded_str::<D, MAX>(deserializer).map(Self)
    }
}

/// Reads a string of at most `max` bytes; the check comes before the copy.
pub(crate) fn bounded_str<'de, D: Deserializer<'de>, const MAX: usize>(
    deserializer: D,
) -> Result<Box<str>, D::Error> {
    struct BoundedStr<const MAX: usize>;
    impl<const MAX: usize> Visitor<'_> for BoundedStr<MAX> {
        type Value = Box<str>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX} bytes of UTF-8")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            within(text.len(), MAX).map_err(E::custom)?;
            Ok(text.into())
        }
    }
    deserializer.deserialize_str(BoundedStr::<MAX>)
}

/// Bytes whose meaning belongs to another layer, at most `MAX` of them.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Opaque<const MAX: usize>(Box<[u8]>);

impl<const MAX: usize> Opaque<MAX> {
    /// # Errors
    /// [`TooLong`] over `MAX` bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, TooLong> {
        let bytes = bytes.into();
        within(bytes.len(), MAX)?;
        Ok(Self(bytes.into_boxed_slice()))
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, owned.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0.into_vec()
    }
}

impl<const MAX: usize> fmt::Debug for Opaque<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opaque({} bytes)", self.0.len())
    }
}

impl<const MAX: usize> Serialize for Opaque<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Opaque<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BoundedBytes<const MAX: usize>;
        impl<const MAX: usize> Visitor<'_> for BoundedBytes<MAX> {
            type Value = Box<[u8]>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX} bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                within(bytes.len(), MAX).map_err(E::custom)?;
                Ok(bytes.into())
            }
        }
        deserializer.deserialize_bytes(BoundedBytes::<MAX>).map(Self)
    }
}

/// At most `MAX` values of one kind.
///
/// An element must take at most three times its shortest encoding in memory: growth adds a quarter on
/// top, and decoding must stay within four times its input. Lists of at most 32 values of at most 32 bytes may
/// break that, because what they add is little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// # Errors
    /// [`TooLong`] over `MAX` values.
    pub fn new(values: Vec<T>) -> Result<Self, TooLong> {
        within(values.len(), MAX)?;
        Ok(Self(values))
    }

    /// The values.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The values, owned.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> std::ops::Deref for List<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Serialize, const MAX: usize> Serialize for List<T, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BoundedSeq<T, const MAX: usize>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for BoundedSeq<T, MAX> {
            type Value = Vec<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX} values")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
                if let Some(len) = seq.size_hint() {
                    within(len, MAX).map_err(A::Error::custom)?;
                }
                let mut values = Vec::new();
                while let Some(value) = seq.next_element()? {
                    within(values.len() + 1, MAX).map_err(A::Error::custom)?;
                    if values.len() == values.capacity() {
                        values.reserve_exact((values.len() / 4).max(1));
                    }
                    values.push(value);
                }
                Ok(values)
            }
        }
        deserializer.deserialize_seq(BoundedSeq::<T, MAX>(std::marker::PhantomData)).map(Self)
    }
}
