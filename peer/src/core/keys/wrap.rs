//! The self-signing key S, wrapped for its owner's later devices under OPAQUE's `export_key`, which only
//! the password yields.
//!
//! One version byte, a random nonce, S sealed with AES-256-GCM under a key that HKDF derives.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use hobnob_wire::account::WrappedKey;
use hobnob_wire::keys::SigningKey;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::core::time::Entropy;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const SEED_BYTES: usize = 32;
const CONTEXT: &[u8] = b"hobnob/1 self-signing key";

/// The wrapped key does not open: it was wrapped under another password, by a newer version, or changed
/// on the way.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the account's signing key does not open with this password")]
pub struct WrapError;

fn key(export_key: &[u8]) -> Result<LessSafeKey, WrapError> {
    let secret = Salt::new(HKDF_SHA256, CONTEXT).extract(export_key);
    let okm = secret.expand(&[CONTEXT], &AES_256_GCM).map_err(|_| WrapError)?;
    Ok(LessSafeKey::new(UnboundKey::from(okm)))
}

/// Wraps S.
///
/// # Errors
/// [`WrapError`] when the cipher fails, which it does not for 32 bytes.
pub fn wrap(
    self_signing: &SigningKey,
    export_key: &[u8],
    entropy: &mut impl Entropy,
) -> Result<WrappedKey, WrapError> {
    let nonce: [u8; NONCE_BYTES] = entropy.array();
    // Sealed in place, so no copy of the seed stays behind in a buffer that grew.
    let mut seed = self_signing.seed();
    let tag = key(export_key)?
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(CONTEXT),
            seed.as_mut_slice(),
        )
        .map_err(|_| WrapError)?;
    let wrapped = [&[VERSION], nonce.as_slice(), seed.as_slice(), tag.as_ref()].concat();
    WrappedKey::new(wrapped).map_err(|_| WrapError)
}

/// Opens a wrapped S.
///
/// # Errors
/// [`WrapError`].
pub fn unwrap(wrapped: &WrappedKey, export_key: &[u8]) -> Result<SigningKey, WrapError> {
    let (version, rest) = wrapped.as_slice().split_first().ok_or(WrapError)?;
    if *version != VERSION {
        return Err(WrapError);
    }
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(WrapError)?;
    let mut sealed = Zeroizing::new(sealed.to_vec());
    let seed = key(export_key)?
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(CONTEXT), sealed.as_mut_slice())
        .map_err(|_| WrapError)?;
    let seed: &[u8; SEED_BYTES] = (&*seed).try_into().map_err(|_| WrapError)?;
    Ok(SigningKey::from_seed(seed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::Counted;

    #[test]
    fn only_the_same_password_opens_a_wrapped_key() {
        let key = SigningKey::from_seed(&[7; 32]);
        let wrapped = wrap(&key, &[1; 64], &mut Counted::default()).unwrap();
        assert_eq!(wrapped.as_slice().len(), 61);
        assert_eq!(unwrap(&wrapped, &[1; 64]).unwrap().verify_key(), key.verify_key());
        assert_eq!(unwrap(&wrapped, &[2; 64]).unwrap_err(), WrapError);
        let mut changed = wrapped.as_slice().to_vec();
        changed[20] ^= 1;
        assert_eq!(unwrap(&WrappedKey::new(changed).unwrap(), &[1; 64]).unwrap_err(), WrapError);
        assert_eq!(unwrap(&WrappedKey::default(), &[1; 64]).unwrap_err(), WrapError);
    }
}
