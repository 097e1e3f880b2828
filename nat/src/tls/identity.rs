//! What a rendezvous shows to its peers: a certificate chain and the key that belongs to it.

use std::fmt;
use std::sync::Arc;

use hobnob_wire::invite::Pin;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ED25519};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use super::provider;

/// The most certificates in a chain. Real chains have two or three; each costs every handshake a packet.
const CHAIN_MAX: usize = 8;

/// Why there is no identity.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A name cannot stand in a certificate, or the system has no randomness to give.
    #[error("cannot make a certificate: {0}")]
    Generate(#[from] rcgen::Error),
    /// The certificate file is not PEM.
    #[error("the certificate chain is not PEM: {0}")]
    CertificatePem(#[source] rustls::pki_types::pem::Error),
    /// The certificate file holds no certificate, or more than eight.
    #[error("the certificate chain has {count} certificates; it needs 1 to {CHAIN_MAX}")]
    ChainLength {
        /// How many there are.
        count: usize,
    },
    /// The key file is not PEM or holds no private key.
    #[error("there is no private key in PEM form: {0}")]
    KeyPem(#[source] rustls::pki_types::pem::Error),
    /// The private key is of an unknown kind or does not belong to the first certificate.
    #[error("the private key does not fit the certificate: {0}")]
    Key(#[source] rustls::Error),
}

/// The certificate chain and private key of a rendezvous. Whoever holds it *is* that rendezvous to every peer that pinned it.
#[derive(Clone)]
pub struct ServerIdentity {
    key: Arc<CertifiedKey>,
    pin: Pin,
    certificates_pem: String,
    key_pem: Zeroizing<String>,
}

impl ServerIdentity {
    /// Makes a new self-signed identity (Ed25519) for `names`, which are host names or IP addresses.
    ///
    /// It does not expire within a lifetime: peers know it by its pin, and an expiry would only lock them out.
    ///
    /// # Errors
    /// [`IdentityError::Generate`] if a name cannot stand in a certificate or there is no randomness.
    pub fn generate(names: &[String]) -> Result<Self, IdentityError> {
        let mut key = KeyPair::generate_for(&PKCS_ED25519)?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "hobnob");
        let certificate = params.self_signed(&key);
        let key_pem = Zeroizing::new(key.serialize_pem());
        key.zeroize();
        Self::from_pem(&certificate?.pem(), &key_pem)
    }

    /// Reads an identity from a PEM certificate chain, end-entity certificate first, and the PEM private key that belongs to
    /// it (PKCS#8, SEC1 or PKCS#1).
    ///
    /// # Errors
    /// [`IdentityError`] tells which of the two files is at fault.
    pub fn from_pem(certificates: &str, key: &str) -> Result<Self, IdentityError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(IdentityError::CertificatePem)?;
        let Some(end_entity) = chain.first().filter(|_| chain.len() <= CHAIN_MAX) else {
            return Err(IdentityError::ChainLength { count: chain.len() });
        };
        let pin = pin_of(end_entity);
        let private = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(IdentityError::KeyPem)?;
        let certified = CertifiedKey::from_der(chain, private, &provider()).map_err(IdentityError::Key)?;
        Ok(Self {
            key: Arc::new(certified),
            pin,
            certificates_pem: certificates.to_owned(),
            key_pem: Zeroizing::new(key.to_owned()),
        })
    }

    /// The certificate chain and the private key as PEM texts. Keep the second in a file that only its owner can read.
    pub fn to_pem(&self) -> (String, Zeroizing<String>) {
        (self.certificates_pem.clone(), self.key_pem.clone())
    }

    /// The pin by which peers know this rendezvous: BLAKE3 over the DER form of the end-entity certificate. A new certificate
    /// is a new pin, also for the same key.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    pub(super) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

impl fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerIdentity").field("pin", &self.pin).finish_non_exhaustive()
    }
}

/// The pin of an end-entity certificate.
pub(super) fn pin_of(end_entity: &CertificateDer<'_>) -> Pin {
    Pin::new(blake3::hash(end_entity).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generate() -> ServerIdentity {
        ServerIdentity::generate(&["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap()
    }

    #[test]
    fn an_identity_survives_its_pem_form() {
        let made = generate();
        let (certificates, key) = made.to_pem();
        let read = ServerIdentity::from_pem(&certificates, &key).unwrap();
        assert_eq!(read.pin(), made.pin());
        assert_eq!(read.to_pem(), made.to_pem());
    }

    #[test]
    fn two_identities_have_two_pins() {
        assert_ne!(generate().pin(), generate().pin());
    }

    #[test]
    fn the_key_of_another_certificate_is_refused() {
        let (certificates, _) = generate().to_pem();
        let (_, key) = generate().to_pem();
        assert!(matches!(ServerIdentity::from_pem(&certificates, &key), Err(IdentityError::Key(_))));
    }

    #[test]
    fn each_file_is_blamed_for_its_own_fault() {
        let (certificates, key) = generate().to_pem();
        let empty = ServerIdentity::from_pem("", &key);
        assert!(matches!(empty, Err(IdentityError::ChainLength { count: 0 })));
        let endless = ServerIdentity::from_pem(&certificates.repeat(9), &key);
        assert!(matches!(endless, Err(IdentityError::ChainLength { count: 9 })));
        let broken = ServerIdentity::from_pem("-----BEGIN CERTIFICATE-----\n!\n", &key);
        assert!(matches!(broken, Err(IdentityError::CertificatePem(_))));
        let keyless = ServerIdentity::from_pem(&certificates, &certificates);
        assert!(matches!(keyless, Err(IdentityError::KeyPem(_))));
    }

    #[test]
    fn debug_shows_the_pin_and_no_key() {
        let identity = generate();
        let pin = identity.pin();
        assert_eq!(format!("{identity:?}"), format!("ServerIdentity {{ pin: Pin({pin}), .. }}"));
    }
}
