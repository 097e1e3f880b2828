//! Public keys and signatures as they travel, and the one place where signatures are made and checked.
//!
//! Every signature covers a domain-separation tag and the exact bytes that travelled, and is verified
//! strictly (no small-order keys, no malleable signatures).

use std::fmt;

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey as DalekKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

/// What a signature is for. The tag is signed before the message, so a signature made for one purpose
/// never passes for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The account root certifies the self-signing key.
    SelfSigning,
    /// The self-signing key, or a new device, signs a device list entry.
    DeviceEntry,
    /// A device proves itself to the rendezvous: signs the session's TLS exporter.
    Session,
    /// A device vouches for one of its prekeys.
    Prekey,
    /// The account root signs the device list entry that names another self-signing key.
    Renewal,
    /// The account root proves itself to the rendezvous: signs the session's TLS exporter.
    Recovery,
}

impl Purpose {
    const fn tag(self) -> &'static [u8] {
        match self {
            Self::SelfSigning => b"hobnob/1 self-signing\0",
            Self::DeviceEntry => b"hobnob/1 device entry\0",
            Self::Session => b"hobnob/1 session\0",
            Self::Prekey => b"hobnob/1 prekey\0",
            Self::Renewal => b"hobnob/1 renewal\0",
            Self::Recovery => b"hobnob/1 recovery\0",
        }
    }

    fn message(self, bytes: &[u8]) -> Vec<u8> {
        [self.tag(), bytes].concat()
    }
}

/// The signature does not belong to this key and message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the signature is not valid")]
pub struct BadSignature;

/// An Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VerifyKey([u8; 32]);

/// An X25519 public key: a device's Noise key or an Olm key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AgreementKey([u8; 32]);

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature([u8; 32], [u8; 32]);

/// An Ed25519 secret key. Wiped when dropped, never shown.
pub struct SigningKey(DalekKey);

impl VerifyKey {
    /// A key from its bytes; whether they are a point of the curve shows when it is used.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks a signature over `message` for one purpose.
    ///
    /// # Errors
    /// [`BadSignature`], also when the key is not a usable point.
    pub fn verify(
        &self,
        purpose: Purpose,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| BadSignature)?;
        let signature = ed25519_dalek::Signature::from_components(signature.0, signature.1);
        key.verify_strict(&purpose.message(message), &signature).map_err(|_| BadSignature)
    }
}

impl AgreementKey {
    /// A key from its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Signature {
    /// A signature from its 64 bytes (R, then s; RFC 8032 §5.1.6).
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 64]) -> Self {
        let (mut r, mut s) = ([0; 32], [0; 32]);
        r.copy_from_slice(&bytes[..32]);
        s.copy_from_slice(&bytes[32..]);
        Self(r, s)
    }
}

impl SigningKey {
    /// A key from its seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(DalekKey::from_bytes(seed))
    }

    /// The seed, to be stored where only its owner reads.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn verify_key(&self) -> VerifyKey {
        VerifyKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` for one purpose.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, message: &[u8]) -> Signature {
        Signature::from_bytes(&self.0.sign(&purpose.message(message)).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.verify_key())
    }
}

macro_rules! short_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({}…)", stringify!($name), HEXLOWER.encode(&self.0[..4]))
            }
        }
    )*};
}
short_debug!(VerifyKey, AgreementKey, Signature);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_for_one_purpose_is_refused_for_another() {
        let key = SigningKey::from_seed(&[1; 32]);
        let signature = key.sign(Purpose::Session, b"exporter");
        assert_eq!(key.verify_key().verify(Purpose::Session, b"exporter", &signature), Ok(()));
        assert_eq!(key.verify_key().verify(Purpose::Prekey, b"exporter", &signature), Err(BadSignature));
        assert_eq!(key.verify_key().verify(Purpose::Session, b"another", &signature), Err(BadSignature));
    }

    #[test]
    fn a_small_order_key_verifies_nothing() {
        let identity = VerifyKey::new(std::array::from_fn(|i| u8::from(i == 0)));
        let forged = Signature::from_bytes(&std::array::from_fn(|i| u8::from(i == 0)));
        assert_eq!(identity.verify(Purpose::Session, b"", &forged), Err(BadSignature));
    }
}
