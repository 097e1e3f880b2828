//! The device list: which devices speak for an account.
//!
//! A chain of entries, each signed by the account's self-signing key S and, when it adds a device, by
//! that device too. S is certified by the account root A, which contacts pin. Clients keep the head they
//! saw last and refuse a list that does not continue it, so a rendezvous can neither slip in a device nor
//! take back a revocation unnoticed.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bounded::{List, Opaque, Text};
use crate::codec::{DecodeError, EncodeError, Frame, decode, encode};
use crate::ids::DeviceId;
use crate::keys::{AgreementKey, BadSignature, Purpose, Signature, SigningKey, VerifyKey};
use crate::limits::{DEVICE_ENTRIES_MAX, DEVICE_ENTRY_BYTES_MAX, DEVICE_NAME_BYTES_MAX, DEVICES_MAX};

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
    pub name: Text<DEVICE_NAME_BYTES_MAX>,
}

/// What an entry does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceOperation {
    /// A device joins.
    Add(Device),
    /// A device leaves for good.
    Revoke(DeviceId),
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
    /// By S.
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

/// Why a device list cannot be trusted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListError {
    /// An entry's bytes are not an entry.
    #[error("entry {seq} of the device list is malformed")]
    Entry {
        /// Position of the entry.
        seq: u32,
    },
    /// A signature is missing, superfluous or wrong.
    #[error("a signature in the device list is not valid")]
    Signature,
    /// An entry does not continue the one before it.
    #[error("entry {seq} of the device list does not continue the chain")]
    Chain {
        /// Position of the entry.
        seq: u32,
    },
    /// An entry adds a device twice or revokes one that is not there.
    #[error("entry {seq} of the device list contradicts the entries before it")]
    Operation {
        /// Position of the entry.
        seq: u32,
    },
    /// There are no entries, or more devices than one account may have.
    #[error("the device list has no entry or too many devices")]
    Size,
    /// The root is not the one that was pinned.
    #[error("the account's root key is not the one known before")]
    Root,
    /// The list ends before the entry that was seen last.
    #[error("the device list was rolled back from entry {known} to {offered}")]
    Rollback {
        /// Sequence number known.
        known: u32,
        /// Sequence number offered.
        offered: u32,
    },
    /// The list has another entry where one was seen before.
    #[error("the device list was forked at or before entry {seq}")]
    Fork {
        /// Sequence number of the entry that differs.
        seq: u32,
    },
}

impl From<BadSignature> for ListError {
    fn from(_: BadSignature) -> Self {
        Self::Signature
    }
}

/// A device list whose signatures and chain were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedList {
    root: VerifyKey,
    devices: Vec<(DeviceId, Device)>,
    hashes: Vec<[u8; 32]>,
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

impl DeviceList {
    /// Checks every signature and the chain.
    ///
    /// # Errors
    /// [`ListError`]; the list is then worth nothing as a whole.
    pub fn verify(&self) -> Result<VerifiedList, ListError> {
        self.certificate.verify()?;
        let mut verified =
            VerifiedList { root: self.certificate.root, devices: Vec::new(), hashes: Vec::new() };
        let mut previous = self.certificate.hash();
        for (seq, signed) in (0..).zip(self.entries.iter()) {
            let entry = signed.entry().map_err(|_| ListError::Entry { seq })?;
            self.certificate.self_signing.verify(
                Purpose::DeviceEntry,
                signed.body.as_slice(),
                &signed.by_account,
            )?;
            if entry.seq != seq || entry.previous != previous {
                return Err(ListError::Chain { seq });
            }
            verified.apply(seq, entry.operation, signed)?;
            previous = signed.hash();
            verified.hashes.push(previous);
        }
        if verified.hashes.is_empty() {
            return Err(ListError::Size);
        }
        Ok(verified)
    }
}

impl VerifiedList {
    fn apply(&mut self, seq: u32, operation: DeviceOperation, signed: &SignedEntry) -> Result<(), ListError> {
        match operation {
            DeviceOperation::Add(device) => {
                let own = signed.by_device.as_ref().ok_or(ListError::Signature)?;
                device.signing.verify(Purpose::DeviceEntry, signed.body.as_slice(), own)?;
                let id = device.id();
                if self.device(id).is_some() {
                    return Err(ListError::Operation { seq });
                }
                if self.devices.len() == DEVICES_MAX {
                    return Err(ListError::Size);
                }
                self.devices.push((id, device));
            }
            DeviceOperation::Revoke(id) => {
                if signed.by_device.is_some() {
                    return Err(ListError::Signature);
                }
                let at = self.devices.iter().position(|(known, _)| *known == id);
                self.devices.remove(at.ok_or(ListError::Operation { seq })?);
            }
        }
        Ok(())
    }

    /// The account root that vouches for the list.
    #[must_use]
    pub const fn root(&self) -> VerifyKey {
        self.root
    }

    /// Devices in use, in the order they joined.
    #[must_use]
    pub fn devices(&self) -> &[(DeviceId, Device)] {
        &self.devices
    }

    /// A device in use.
    #[must_use]
    pub fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.iter().find(|(known, _)| *known == id).map(|(_, device)| device)
    }

    /// The last entry.
    #[must_use]
    pub fn head(&self) -> ListHead {
        let last = self.hashes.len().saturating_sub(1);
        ListHead {
            seq: u32::try_from(last).unwrap_or(u32::MAX),
            hash: self.hashes.last().copied().unwrap_or_default(),
        }
    }

    /// What the next entry names as its predecessor, and its sequence number.
    #[must_use]
    pub fn next(&self) -> (u32, [u8; 32]) {
        let head = self.head();
        (head.seq.saturating_add(1), head.hash)
    }

    /// Checks that this list belongs to the same account as before and continues the list seen before.
    ///
    /// # Errors
    /// [`ListError::Root`], [`ListError::Rollback`] or [`ListError::Fork`]: stop and ask the user.
    pub fn continues(&self, root: &VerifyKey, known: &ListHead) -> Result<(), ListError> {
        if self.root != *root {
            return Err(ListError::Root);
        }
        let offered = self.head().seq;
        match usize::try_from(known.seq).ok().and_then(|seq| self.hashes.get(seq)) {
            None => Err(ListError::Rollback { known: known.seq, offered }),
            Some(hash) if *hash != known.hash => Err(ListError::Fork { seq: known.seq }),
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Account {
        root: SigningKey,
        self_signing: SigningKey,
        list: DeviceList,
    }

    fn device(seed: u8) -> (SigningKey, Device) {
        let key = SigningKey::from_seed(&[seed; 32]);
        let device = Device {
            signing: key.verify_key(),
            noise: AgreementKey::new([seed; 32]),
            olm: AgreementKey::new([seed; 32]),
            name: Text::new("laptop").unwrap(),
        };
        (key, device)
    }

    impl Account {
        fn new() -> Self {
            let (root, self_signing) = (SigningKey::from_seed(&[200; 32]), SigningKey::from_seed(&[201; 32]));
            let certificate = RootCertificate::issue(&root, self_signing.verify_key());
            let list = DeviceList { certificate, entries: List::default() };
            let mut account = Self { root, self_signing, list };
            account.add(1);
            account
        }

        fn push(&mut self, operation: DeviceOperation, device: Option<&SigningKey>) {
            let (seq, previous) =
                self.list.verify().map_or((0, self.list.certificate.hash()), |verified| verified.next());
            let entry = DeviceEntry { seq, previous, at_unix_s: 1, operation };
            let mut entries = self.list.entries.clone().into_vec();
            entries.push(SignedEntry::sign(&entry, &self.self_signing, device).unwrap());
            self.list.entries = List::new(entries).unwrap();
        }

        fn add(&mut self, seed: u8) {
            let (key, device) = device(seed);
            self.push(DeviceOperation::Add(device), Some(&key));
        }
    }

    #[test]
    fn a_revoked_device_is_no_longer_in_use() {
        let mut account = Account::new();
        account.add(2);
        account.push(DeviceOperation::Revoke(device(1).1.id()), None);
        let verified = account.list.verify().unwrap();
        assert_eq!(verified.devices().iter().map(|(id, _)| *id).collect::<Vec<_>>(), [device(2).1.id()]);
        assert_eq!(verified.head().seq, 2);
        assert_eq!(verified.root(), account.root.verify_key());
    }

    #[test]
    fn a_device_key_that_was_swapped_on_the_way_is_refused() {
        let account = Account::new();
        let mut entry = account.list.entries[0].entry().unwrap();
        let DeviceOperation::Add(device) = &mut entry.operation else { unreachable!("the first entry adds") };
        device.noise = AgreementKey::new([9; 32]);
        let mut forged = account.list;
        let mut signed = forged.entries[0].clone();
        signed.body = Opaque::new(encode(&entry).unwrap()).unwrap();
        forged.entries = List::new(vec![signed]).unwrap();
        assert_eq!(forged.verify(), Err(ListError::Signature));
    }

    #[test]
    fn a_device_must_consent_to_being_added() {
        let mut account = Account::new();
        account.push(DeviceOperation::Add(device(2).1), None);
        assert_eq!(account.list.verify(), Err(ListError::Signature));
    }

    #[test]
    fn a_rolled_back_or_forked_list_does_not_continue_the_known_one() {
        let mut account = Account::new();
        let short = account.list.clone();
        let root = account.root.verify_key();
        let first = short.verify().unwrap();
        account.add(2);
        let known = account.list.verify().unwrap();
        assert_eq!(known.continues(&root, &first.head()), Ok(()));
        assert_eq!(first.continues(&root, &known.head()), Err(ListError::Rollback { known: 1, offered: 0 }));

        let mut fork = Account { list: short, ..Account::new() };
        fork.add(3);
        let forked = fork.list.verify().unwrap();
        assert_eq!(forked.continues(&root, &known.head()), Err(ListError::Fork { seq: 1 }));
        let stranger = SigningKey::from_seed(&[77; 32]).verify_key();
        assert_eq!(known.continues(&stranger, &first.head()), Err(ListError::Root));
    }
}
