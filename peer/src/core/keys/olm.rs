//! The device's Olm account O and its sessions with other devices.
//!
//! vodozemac draws its own randomness for keys it makes; that is accepted here and nowhere else in the
//! core. Everything is stored as vodozemac's pickles, in clear inside the store, which only its owner
//! reads.

use std::fmt;

use hobnob_wire::bounded::Opaque;
use hobnob_wire::codec::{decode, encode};
use hobnob_wire::keys::{AgreementKey, Purpose, SigningKey};
use hobnob_wire::letter::{OlmKind, SealedLetter};
use hobnob_wire::mailbox::{Prekey, Sealed};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use vodozemac::Curve25519PublicKey;
use vodozemac::olm::{Account, OlmMessage, PreKeyMessage, Session, SessionConfig};
use zeroize::Zeroizing;

/// One-time prekeys that are kept published. vodozemac makes no more than this many at a time.
pub const PREKEYS_PUBLISHED: u16 = 50;

/// State of an account or a session, as it is stored. Secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Pickle(Zeroizing<Vec<u8>>);

/// Why Olm could not do what was asked.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OlmError {
    /// Bytes in the store are no pickle.
    #[error("the stored keys cannot be read")]
    Pickle,
    /// The other device's keys cannot begin a session.
    #[error("the other device's keys are not usable")]
    Keys,
    /// The letter is too long, or the ratchet failed.
    #[error("the letter cannot be sealed")]
    Seal,
    /// The letter was not sealed for us in any session that we have.
    #[error("the letter cannot be opened")]
    Open,
}

impl fmt::Debug for Pickle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pickle")
    }
}

impl Pickle {
    /// From the store.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// For the store.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    fn pack(value: &impl Serialize) -> Result<Self, OlmError> {
        serde_json::to_vec(value).map(Self::new).map_err(|_| OlmError::Pickle)
    }

    fn unpack<T: DeserializeOwned>(&self) -> Result<T, OlmError> {
        serde_json::from_slice(&self.0).map_err(|_| OlmError::Pickle)
    }
}

/// The device's Olm account.
pub struct OlmAccount(Account);

impl fmt::Debug for OlmAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OlmAccount({:?})", self.key())
    }
}

/// A session with another device.
pub struct OlmSession(Session);

impl fmt::Debug for OlmSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OlmSession({})", self.id())
    }
}

/// Prekeys to publish, signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPrekeys {
    /// Used when no one-time key is left.
    pub fallback: Prekey,
    /// Each is used once.
    pub one_time: Vec<Prekey>,
}

fn curve(key: &AgreementKey) -> Curve25519PublicKey {
    Curve25519PublicKey::from_bytes(*key.as_bytes())
}

fn prekey(signing: &SigningKey, key: Curve25519PublicKey) -> Prekey {
    Prekey {
        key: AgreementKey::new(key.to_bytes()),
        signature: signing.sign(Purpose::Prekey, key.as_bytes()),
    }
}

impl OlmAccount {
    /// A new account. vodozemac draws its keys.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each call makes other keys")]
    pub fn new() -> Self {
        Self(Account::new())
    }

    /// From the store.
    ///
    /// # Errors
    /// [`OlmError::Pickle`].
    pub fn from_pickle(pickle: &Pickle) -> Result<Self, OlmError> {
        Ok(Self(Account::from_pickle(pickle.unpack()?)))
    }

    /// For the store.
    ///
    /// # Errors
    /// [`OlmError::Pickle`], which does not happen for an account.
    pub fn pickle(&self) -> Result<Pickle, OlmError> {
        Pickle::pack(&self.0.pickle())
    }

    /// O, public half.
    #[must_use]
    pub fn key(&self) -> AgreementKey {
        AgreementKey::new(self.0.curve25519_key().to_bytes())
    }

    /// One-time keys whose use we still wait for.
    #[must_use]
    pub fn has_one_time_keys(&self) -> bool {
        self.0.stored_one_time_key_count() > 0
    }

    /// Whether prekeys wait to be published.
    #[must_use]
    pub fn has_unpublished(&self) -> bool {
        !self.0.one_time_keys().is_empty() || !self.0.fallback_key().is_empty()
    }

    /// Makes a fallback key and `count` one-time keys, unless some still wait to be published, and signs
    /// all that wait. The account must be stored before they are published.
    ///
    /// # Errors
    /// [`OlmError::Keys`] when vodozemac made no fallback key.
    pub fn prekeys(&mut self, signing: &SigningKey, count: u16) -> Result<NewPrekeys, OlmError> {
        if self.0.fallback_key().is_empty() {
            self.0.generate_fallback_key();
        }
        if self.0.one_time_keys().is_empty() {
            self.0.generate_one_time_keys(usize::from(count.min(PREKEYS_PUBLISHED)));
        }
        let fallback = self.0.fallback_key().into_values().next().ok_or(OlmError::Keys)?;
        let mut one_time: Vec<_> = self.0.one_time_keys().into_values().collect();
        one_time.sort_unstable_by_key(|key| key.to_bytes());
        Ok(NewPrekeys {
            fallback: prekey(signing, fallback),
            one_time: one_time.into_iter().map(|key| prekey(signing, key)).collect(),
        })
    }

    /// The rendezvous has the prekeys. The account must be stored.
    pub fn mark_published(&mut self) {
        self.0.mark_keys_as_published();
    }

    /// Begins a session with a device whose Olm key is `device`, using one of its prekeys, whose
    /// signature the caller checked.
    ///
    /// # Errors
    /// [`OlmError::Keys`].
    pub fn begin(&self, device: &AgreementKey, prekey: &AgreementKey) -> Result<OlmSession, OlmError> {
        self.0
            .create_outbound_session(SessionConfig::version_1(), curve(device), curve(prekey))
            .map(OlmSession)
            .map_err(|_| OlmError::Keys)
    }

    /// Opens a letter that begins a session, and joins that session. The account must be stored.
    ///
    /// # Errors
    /// [`OlmError::Open`].
    pub fn join(
        &mut self,
        device: &AgreementKey,
        message: &PreKeyMessage,
    ) -> Result<(OlmSession, Zeroizing<Vec<u8>>), OlmError> {
        let created = self
            .0
            .create_inbound_session(SessionConfig::version_1(), curve(device), message)
            .map_err(|_| OlmError::Open)?;
        Ok((OlmSession(created.session), Zeroizing::new(created.plaintext)))
    }
}

impl OlmSession {
    /// From the store.
    ///
    /// # Errors
    /// [`OlmError::Pickle`].
    pub fn from_pickle(pickle: &Pickle) -> Result<Self, OlmError> {
        Ok(Self(Session::from_pickle(pickle.unpack()?)))
    }

    /// For the store.
    ///
    /// # Errors
    /// [`OlmError::Pickle`], which does not happen for a session.
    pub fn pickle(&self) -> Result<Pickle, OlmError> {
        Pickle::pack(&self.0.pickle())
    }

    /// Name of the session, the same on both sides.
    #[must_use]
    pub fn id(&self) -> String {
        self.0.session_id()
    }

    /// Seals an encoded letter. The session must be stored with the result before it is sent.
    ///
    /// # Errors
    /// [`OlmError::Seal`].
    pub fn seal(&mut self, sender: AgreementKey, letter: &[u8]) -> Result<Sealed, OlmError> {
        let message = self.0.encrypt(letter).map_err(|_| OlmError::Seal)?;
        let kind = match &message {
            OlmMessage::PreKey(_) => OlmKind::PreKey,
            OlmMessage::Normal(_) => OlmKind::Normal,
        };
        let message = Opaque::new(message.to_parts().1).map_err(|_| OlmError::Seal)?;
        let sealed = encode(&SealedLetter { sender, kind, message }).map_err(|_| OlmError::Seal)?;
        Sealed::new(sealed).map_err(|_| OlmError::Seal)
    }

    /// Opens a letter of this session. The session must be stored afterwards.
    ///
    /// # Errors
    /// [`OlmError::Open`]; the session is unchanged then.
    pub fn open(&mut self, message: &OlmMessage) -> Result<Zeroizing<Vec<u8>>, OlmError> {
        self.0.decrypt(message).map(Zeroizing::new).map_err(|_| OlmError::Open)
    }
}

/// Reads the outside of a letter.
///
/// # Errors
/// [`OlmError::Open`] when the bytes are no sealed letter.
pub fn parse(sealed: &Sealed) -> Result<(AgreementKey, OlmMessage), OlmError> {
    let outside: SealedLetter = decode(sealed.as_slice()).map_err(|_| OlmError::Open)?;
    let kind = match outside.kind {
        OlmKind::PreKey => 0,
        OlmKind::Normal => 1,
    };
    let message = OlmMessage::from_parts(kind, outside.message.as_slice()).map_err(|_| OlmError::Open)?;
    Ok((outside.sender, message))
}
