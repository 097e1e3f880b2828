//! Sealing on a link: AES-256-GCM with counter nonces under keys that HKDF derives from the Noise
//! handshake. Letters and files never share a key, and no key is used by both sides.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use thiserror::Error;
use zeroize::Zeroizing;

/// Bytes that sealing adds.
pub const TAG_BYTES: usize = 16;

/// Messages under one key. AES-GCM's bound for random attacks is far higher (RFC 9001 §6.6 allows 2^23
/// packets of any size with full confidentiality margins for QUIC's); a control stream never gets there.
const MESSAGES_MAX: u64 = 1 << 32;

/// The bytes were not sealed with this key in this place, or the key is used up.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the seal is broken")]
pub struct BrokenSeal;

/// Which way something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the side that dialed.
    FromInitiator,
    /// From the side that was dialed.
    FromResponder,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::FromInitiator => Self::FromResponder,
            Self::FromResponder => Self::FromInitiator,
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::FromInitiator => 0,
            Self::FromResponder => 1,
        }
    }
}

/// Secret of one link, from which every key is derived.
pub struct LinkSecret(Prk);

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSecret")
    }
}

impl LinkSecret {
    /// From the two halves of the Noise split and the handshake hash.
    pub(crate) fn new(split: &Zeroizing<[u8; 64]>, handshake_hash: &[u8]) -> Self {
        Self(Salt::new(HKDF_SHA256, handshake_hash).extract(split.as_slice()))
    }

    /// Key of the control stream, one per direction.
    pub(crate) fn control(&self, direction: Direction) -> SealKey {
        self.derive(&[b"hobnob/1 control", &[direction.byte()]])
    }

    /// Key of one unidirectional stream. The epoch is 0 until links can change keys.
    #[must_use]
    pub fn stream(&self, stream: u64, direction: Direction) -> SealKey {
        let epoch = 0u32;
        self.derive(&[b"hobnob/1 stream", &stream.to_be_bytes(), &[direction.byte()], &epoch.to_be_bytes()])
    }

    fn derive(&self, info: &[&[u8]]) -> SealKey {
        let okm = self
            .0
            .expand(info, &AES_256_GCM)
            .expect("HKDF-SHA-256 yields up to 8160 bytes; this asks for 32");
        SealKey { key: LessSafeKey::new(UnboundKey::from(okm)), next: 0 }
    }
}

/// A key and its counter. One value seals or opens one direction of one stream, strictly in order.
pub struct SealKey {
    key: LessSafeKey,
    next: u64,
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey(next {})", self.next)
    }
}

impl SealKey {
    fn nonce(&mut self) -> Result<Nonce, BrokenSeal> {
        if self.next >= MESSAGES_MAX {
            return Err(BrokenSeal);
        }
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.next.to_be_bytes());
        self.next += 1;
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    /// Seals `buffer` in place and appends the tag. `context` is authenticated, not sent.
    ///
    /// # Errors
    /// [`BrokenSeal`] when the key is used up.
    pub fn seal(&mut self, context: &[u8], buffer: &mut Vec<u8>) -> Result<(), BrokenSeal> {
        let nonce = self.nonce()?;
        self.key.seal_in_place_append_tag(nonce, Aad::from(context), buffer).map_err(|_| BrokenSeal)
    }

    /// Seals `content` in place and returns the tag, for callers that place it themselves.
    ///
    /// # Errors
    /// [`BrokenSeal`] when the key is used up.
    pub fn seal_detached(
        &mut self,
        context: &[u8],
        content: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], BrokenSeal> {
        let nonce = self.nonce()?;
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(context), content)
            .map_err(|_| BrokenSeal)?;
        tag.as_ref().try_into().map_err(|_| BrokenSeal)
    }

    /// Opens `buffer` in place and returns what was sealed.
    ///
    /// # Errors
    /// [`BrokenSeal`]; the stream or link must end then.
    pub fn open<'a>(&mut self, context: &[u8], buffer: &'a mut [u8]) -> Result<&'a mut [u8], BrokenSeal> {
        let nonce = self.nonce()?;
        self.key.open_in_place(nonce, Aad::from(context), buffer).map_err(|_| BrokenSeal)
    }
}
