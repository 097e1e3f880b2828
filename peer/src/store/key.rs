//! The key of a store that a passphrase guards.
//!
//! The store is encrypted with a key drawn at random, which stands in the file `key` beside it, sealed under what
//! Argon2id (RFC 9106) makes of the passphrase. So another passphrase rewrites this file and nothing else. Whether there is
//! such a file also says which of two databases counts, so that setting and taking off a passphrase happen in one
//! step: see [`super::passphrase`].
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | version: 1 |
//! | 4 | memory of Argon2id in KiB, big endian |
//! | 4 | its passes |
//! | 16 | its salt |
//! | 12 | nonce |
//! | 48 | the key, sealed with AES-256-GCM; what stands before is authenticated |

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use opaque_ke::argon2::{Algorithm, Argon2, Params, Version};
use thiserror::Error;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::core::time::Entropy;

const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const SALT: std::ops::Range<usize> = 9..25;
const NONCE: std::ops::Range<usize> = 25..37;
/// Bytes of the file.
pub(super) const FILE_BYTES: usize = 85;

/// What a guess costs, too: memory in KiB, and passes. About a quarter of a second on a laptop of 2024.
const MEMORY_KIB: u32 = 128 * 1024;
const PASSES: u32 = 3;
/// A file that asks for more was not written by us.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 64;

/// The key of a store.
#[derive(ZeroizeOnDrop)]
pub(super) struct StoreKey([u8; KEY_BYTES]);

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(…)")
    }
}

/// Why a sealed key gives none.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum KeyError {
    /// The passphrase is another one.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// It was not written by this version, or not whole.
    #[error("the sealed key is damaged")]
    Damaged,
}

impl StoreKey {
    /// A new key.
    pub(super) fn draw(entropy: &mut impl Entropy) -> Self {
        Self(entropy.array())
    }

    /// Its digits, as SQLCipher takes them.
    #[cfg(feature = "passphrase")]
    pub(super) fn hex(&self) -> Zeroizing<String> {
        Zeroizing::new(data_encoding::HEXLOWER.encode(&self.0))
    }

    /// Seals it under a passphrase.
    pub(super) fn seal(&self, passphrase: &str, entropy: &mut impl Entropy) -> Result<Vec<u8>, KeyError> {
        let (salt, nonce): ([u8; 16], [u8; 12]) = (entropy.array(), entropy.array());
        let head = [&[VERSION][..], &MEMORY_KIB.to_be_bytes(), &PASSES.to_be_bytes(), &salt, &nonce].concat();
        let mut key = Zeroizing::new(self.0);
        let tag = guard(passphrase, &head)?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(&head),
                key.as_mut_slice(),
            )
            .map_err(|_| KeyError::Damaged)?;
        Ok([head.as_slice(), key.as_slice(), tag.as_ref()].concat())
    }

    /// Opens what [`StoreKey::seal`] made.
    pub(super) fn open(sealed: &[u8], passphrase: &str) -> Result<Self, KeyError> {
        if sealed.len() != FILE_BYTES || sealed[0] != VERSION {
            return Err(KeyError::Damaged);
        }
        let (head, key) = sealed.split_at(NONCE.end);
        let nonce = head[NONCE].try_into().map_err(|_| KeyError::Damaged)?;
        let mut key = Zeroizing::new(key.to_vec());
        let opened = guard(passphrase, head)?
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(head), &mut key)
            .map_err(|_| KeyError::WrongPassphrase)?;
        Ok(Self(opened[..].try_into().map_err(|_| KeyError::Damaged)?))
    }
}

/// What a passphrase makes of the head of a file.
fn guard(passphrase: &str, head: &[u8]) -> Result<LessSafeKey, KeyError> {
    let number =
        |at: usize| head[at..at + 4].try_into().map(u32::from_be_bytes).map_err(|_| KeyError::Damaged);
    let (memory_kib, passes) = (number(1)?, number(5)?);
    if memory_kib > MEMORY_KIB_MAX || passes > PASSES_MAX {
        return Err(KeyError::Damaged);
    }
    let params = Params::new(memory_kib, passes, 1, Some(KEY_BYTES)).map_err(|_| KeyError::Damaged)?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), &head[SALT], key.as_mut_slice())
        .map_err(|_| KeyError::Damaged)?;
    UnboundKey::new(&AES_256_GCM, key.as_slice()).map(LessSafeKey::new).map_err(|_| KeyError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::SystemEntropy;

    #[test]
    fn only_the_passphrase_opens_the_key_and_nothing_of_the_file_can_be_changed() {
        let key = StoreKey::draw(&mut SystemEntropy);
        let sealed = key.seal("correct horse", &mut SystemEntropy).unwrap();
        assert_eq!(sealed.len(), FILE_BYTES);
        assert_eq!(StoreKey::open(&sealed, "correct horse").unwrap().0, key.0);
        assert_eq!(StoreKey::open(&sealed, "wrong horse").unwrap_err(), KeyError::WrongPassphrase);
        assert_eq!(StoreKey::open(&sealed[..84], "correct horse").unwrap_err(), KeyError::Damaged);
        for at in [0, 12, 30, 50, 84] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(StoreKey::open(&changed, "correct horse").is_err(), "{at}");
        }
        // Not even a damaged file makes us take all memory there is.
        let mut greedy = sealed;
        greedy[1] = 0xff;
        assert_eq!(StoreKey::open(&greedy, "correct horse").unwrap_err(), KeyError::Damaged);
    }
}
