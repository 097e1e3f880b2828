//! Identifiers of things that machines refer to.
//!
//! People see and type them as 26 letters and digits (RFC 4648 base32, lower case): a double click
//! selects one whole, and no shell needs quotes.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The text is not an identifier.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("an id is 26 letters a-z and digits 2-7")]
pub struct NotAnId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Bytes in the identifier.
            pub const LEN: usize = 16;

            /// An identifier from its bytes, which the caller drew at random or derived.
            #[must_use]
            pub const fn new(bytes: [u8; Self::LEN]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
                &self.0
            }

            /// An identifier from a slice; `None` unless it is 16 bytes.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                // The length is checked first: an identifier's text never makes us allocate more.
                if text.len() != 26 {
                    return Err(NotAnId);
                }
                let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| NotAnId)?;
                Self::from_slice(&bytes).ok_or(NotAnId)
            }
        }
    };
}

id! {
    /// A device: the first 16 bytes of the BLAKE3 hash of its signing key, so that nobody can choose
    /// another device's. See [`DeviceId::of`].
    DeviceId
}
id! {
    /// A letter: random, the same in every copy to every device, so that a letter that arrives twice is
    /// shown once.
    LetterId
}
id! {
    /// A transfer: random, chosen by the side that offers.
    TransferId
}
id! {
    /// A send to several people: random, chosen by the side that offers, known to those who got the offer and to
    /// nobody else.
    SwarmId
}
id! {
    /// One attempt to link two devices: random, chosen by the device that signals first.
    AttemptId
}

/// A request of a session, counted from 0 by the peer; the answer repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u32);
