//! Device lists that were checked.

use thiserror::Error;

use super::{Device, DeviceList, DeviceOperation, ListHead, SignedEntry};
use crate::ids::DeviceId;
use crate::keys::{BadSignature, Purpose, VerifyKey};
use crate::limits::DEVICES_MAX;

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
    self_signing: VerifyKey,
    devices: Vec<(DeviceId, Device)>,
    revoked: Vec<DeviceId>,
    hashes: Vec<[u8; 32]>,
}

impl DeviceList {
    /// Checks every signature and the chain.
    ///
    /// # Errors
    /// [`ListError`]; the list is then worth nothing as a whole.
    pub fn verify(&self) -> Result<VerifiedList, ListError> {
        self.certificate.verify()?;
        let mut verified = VerifiedList {
            root: self.certificate.root,
            self_signing: self.certificate.self_signing,
            devices: Vec::new(),
            revoked: Vec::new(),
            hashes: Vec::new(),
        };
        let mut previous = self.certificate.hash();
        for (seq, signed) in (0..).zip(self.entries.iter()) {
            let entry = signed.entry().map_err(|_| ListError::Entry { seq })?;
            verified.check_signer(&entry.operation, signed)?;
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
    /// Who must have signed an entry: the root when it renews S, else S as it is before the entry.
    fn check_signer(&self, operation: &DeviceOperation, signed: &SignedEntry) -> Result<(), BadSignature> {
        let (signer, purpose) = match operation {
            DeviceOperation::Renew(_) => (&self.root, Purpose::Renewal),
            DeviceOperation::Add(_) | DeviceOperation::Revoke(_) | DeviceOperation::Rename { .. } => {
                (&self.self_signing, Purpose::DeviceEntry)
            }
        };
        signer.verify(purpose, signed.body.as_slice(), &signed.by_account)
    }

    fn apply(&mut self, seq: u32, operation: DeviceOperation, signed: &SignedEntry) -> Result<(), ListError> {
        if let DeviceOperation::Add(device) = operation {
            return self.add(seq, device, signed);
        }
        if signed.by_device.is_some() {
            return Err(ListError::Signature);
        }
        match operation {
            DeviceOperation::Revoke(id) => {
                let at = self.devices.iter().position(|(known, _)| *known == id);
                self.devices.remove(at.ok_or(ListError::Operation { seq })?);
                self.revoked.push(id);
            }
            DeviceOperation::Rename { device, name } => {
                let known = self.devices.iter_mut().find(|(known, _)| *known == device);
                known.ok_or(ListError::Operation { seq })?.1.name = name;
            }
            DeviceOperation::Renew(self_signing) => self.self_signing = self_signing,
            DeviceOperation::Add(_) => {}
        }
        Ok(())
    }

    fn add(&mut self, seq: u32, device: Device, signed: &SignedEntry) -> Result<(), ListError> {
        let own = signed.by_device.as_ref().ok_or(ListError::Signature)?;
        device.signing.verify(Purpose::DeviceEntry, signed.body.as_slice(), own)?;
        let id = device.id();
        if self.device(id).is_some() || self.was_revoked(id) {
            return Err(ListError::Operation { seq });
        }
        if self.devices.len() == DEVICES_MAX {
            return Err(ListError::Size);
        }
        self.devices.push((id, device));
        Ok(())
    }

    /// The account root that vouches for the list.
    #[must_use]
    pub const fn root(&self) -> VerifyKey {
        self.root
    }

    /// S as it is after the last entry: what signs the next one.
    #[must_use]
    pub const fn self_signing(&self) -> VerifyKey {
        self.self_signing
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

    /// Devices that were in use once and are not any more.
    #[must_use]
    pub fn revoked(&self) -> &[DeviceId] {
        &self.revoked
    }

    /// Whether a device was in use once and is not any more.
    #[must_use]
    pub fn was_revoked(&self, id: DeviceId) -> bool {
        self.revoked.contains(&id)
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
