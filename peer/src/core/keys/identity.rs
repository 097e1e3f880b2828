//! Who this device is.

use hobnob_wire::invite::Invite;
use hobnob_wire::keys::{SigningKey, VerifyKey};
use hobnob_wire::noise::NoiseKeypair;
use hobnob_wire::{Address, DeviceId};

/// What this device knows of itself for good. Secrets inside are wiped when dropped and never shown.
#[derive(Debug)]
pub struct Identity {
    /// The account.
    pub address: Address,
    /// The device.
    pub device: DeviceId,
    /// D: signs, and proves the device to the rendezvous.
    pub signing: SigningKey,
    /// N: Noise only.
    pub noise: NoiseKeypair,
    /// A, the account's root, public half.
    pub root: VerifyKey,
    /// Where the rendezvous is and which certificate it has.
    pub rendezvous: Invite,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            address: self.address.clone(),
            device: self.device,
            signing: SigningKey::from_seed(&self.signing.seed()),
            noise: self.noise.clone(),
            root: self.root,
            rendezvous: self.rendezvous.clone(),
        }
    }
}
