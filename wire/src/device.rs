//! The device list: which devices speak for an account.
//!
//! A chain of entries, each signed by the account's self-signing key S and, when it adds a device, by
//! that device too. S is certified by the account root A, which contacts pin. Clients keep the head they
//! saw last and refuse a list that does not continue it, so a rendezvous can neither slip in a device nor
//! take back a revocation unnoticed. When the password is lost, A vouches for another S in the same chain, so
//! contacts see no other account.

mod verified;

use serde::{Deserialize, Serialize};

pub use self::verified::{ListError, VerifiedList};
use crate::bounded::{List, Opaque, Text};
use crate::codec::{DecodeError, EncodeError, Frame, decode, encode};
use crate::ids::DeviceId;
use crate::keys::{AgreementKey, BadSignature, Purpose, Signature, SigningKey, VerifyKey};
use crate::limits::{DEVICE_ENTRIES_MAX, DEVICE_ENTRY_BYTES_MAX, DEVICE_NAME_BYTES_MAX};

/// What its owner calls a device.
pub type DeviceName = Text<DEVICE_NAME_BYTES_MAX>;

/// The account root A vouches for the self-signing key S.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootCertificate {
    /// A: what contacts pin, and what a safety number is made from.
    pub root: VerifyKey,
    /// S: what signs device list entries.
    pub self_signing: VerifyKey,
    /// A's signature over S.
    pub signature: Signature,
}

/// One device and its public keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// D: signs, and proves the device to the rendezvous.
    pub signing: VerifyKey,
    /// N: Noise only.
    pub noise: AgreementKey,
    /// O: the device's Olm identity key.
    pub olm: AgreementKey,
    /// What its owner calls it.
    pub name: DeviceName,
}

/// What an entry does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceOperation {
    /// A device joins.
    Add(Device),
    /// A device leaves for good: it is never added again.
    Revoke(DeviceId),
    /// A device is called something else.
    Rename {
        /// Which.
        device: DeviceId,
        /// What.
        name: DeviceName,
    },
    /// The root vouches for another self-signing key, which signs all later entries. Signed by A.
    Renew(VerifyKey),
}

/// One step of the chain, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceEntry {
    /// Position, from 0.
    pub seq: u32,
    /// [`ListHead::hash`] of the entry before; for the first entry [`RootCertificate::hash`].
    pub previous: [u8; 32],
    /// When it was made, in Unix seconds, by its maker's clock. For people, never for decisions.
    pub at_unix_s: u64,
    /// What it does.
    pub operation: DeviceOperation,
}

impl Frame for DeviceEntry {
    const NAME: &'static str = "device entry";
    const BYTES_MAX: usize = DEVICE_ENTRY_BYTES_MAX;
}

/// An entry as it travels: the signatures cover exactly these bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedEntry {
    /// An encoded [`DeviceEntry`].
    pub body: Opaque<DEVICE_ENTRY_BYTES_MAX>,
    /// By S as it is before the entry; by A, for [`Purpose::Renewal`], when the entry renews S.
    pub by_account: Signature,
    /// By the device's own D when the entry adds one, else absent.
    pub by_device: Option<Signature>,
}

/// An account's devices as they travel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceList {
    /// Who vouches for the chain.
    pub certificate: RootCertificate,
    /// The chain, oldest first.
    pub entries: List<SignedEntry, DEVICE_ENTRIES_MAX>,
}

impl Frame for DeviceList {
    const NAME: &'static str = "device list";
    const BYTES_MAX: usize = 128 + DEVICE_ENTRIES_MAX * (DEVICE_ENTRY_BYTES_MAX + 131);
}

/// The last entry of a list, as one short value to keep and compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListHead {
    /// Sequence number of the last entry.
    pub seq: u32,
    /// Hash of its bytes.
    pub hash: [u8; 32],
}

impl DeviceId {
    /// The identifier that belongs to a device's signing key.
    #[must_use]
    pub fn of(signing: &VerifyKey) -> Self {
        let hash = blake3::hash(signing.as_bytes());
        let mut id = [0; Self::LEN];
        id.copy_from_slice(&hash.as_bytes()[..Self::LEN]);
        Self::new(id)
    }
}

impl Device {
    /// The device's identifier.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        DeviceId::of(&self.signing)
    }
}

impl RootCertificate {
    /// The root vouches for `self_signing`.
    #[must_use]
    pub fn issue(root: &SigningKey, self_signing: VerifyKey) -> Self {
        let signature = root.sign(Purpose::SelfSigning, self_signing.as_bytes());
        Self { root: root.verify_key(), self_signing, signature }
    }

    /// What the first entry of the chain names as its predecessor.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("hobnob 1 device list root");
        hasher.update(self.root.as_bytes()).update(self.self_signing.as_bytes());
        *hasher.finalize().as_bytes()
    }

    fn verify(&self) -> Result<(), BadSignature> {
        self.root.verify(Purpose::SelfSigning, self.self_signing.as_bytes(), &self.signature)
    }
}

impl SignedEntry {
    /// Signs an entry; `device` signs too when the entry adds it.
    ///
    /// # Errors
    /// [`EncodeError`] when the entry is over its limit; a device name within its own limit never is.
    pub fn sign(
        entry: &DeviceEntry,
        account: &SigningKey,
        device: Option<&SigningKey>,
    ) -> Result<Self, EncodeError> {
        let body = encode(entry)?;
        let by_account = account.sign(Purpose::DeviceEntry, &body);
        let by_device = device.map(|device| device.sign(Purpose::DeviceEntry, &body));
        Self::of(body, by_account, by_device)
    }

    /// Signs an entry that renews S; `root` is A.
    ///
    /// # Errors
    /// [`EncodeError`], which does not happen: such an entry is short.
    pub fn renew(
        root: &SigningKey,
        (seq, previous): (u32, [u8; 32]),
        at_unix_s: u64,
        self_signing: VerifyKey,
    ) -> Result<Self, EncodeError> {
        let operation = DeviceOperation::Renew(self_signing);
        let body = encode(&DeviceEntry { seq, previous, at_unix_s, operation })?;
        let by_account = root.sign(Purpose::Renewal, &body);
        Self::of(body, by_account, None)
    }

    fn of(body: Vec<u8>, by_account: Signature, by_device: Option<Signature>) -> Result<Self, EncodeError> {
        let too_long = EncodeError { frame: DeviceEntry::NAME, max: DEVICE_ENTRY_BYTES_MAX };
        Ok(Self { body: Opaque::new(body).map_err(|_| too_long)?, by_account, by_device })
    }

    /// The entry inside, unverified.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn entry(&self) -> Result<DeviceEntry, DecodeError> {
        decode(self.body.as_slice())
    }

    fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("hobnob 1 device list entry");
        *hasher.update(self.body.as_slice()).finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests;
