//! Keys: who this device is, how an account and a device come to be, and whom to trust.

pub mod enrol;
pub mod identity;
pub mod olm;
pub mod recovery;
pub mod trust;
pub mod verification;
pub mod wrap;

use self::olm::OlmAccount;
use self::trust::Trust;

/// The keys of this device, and what it knows of the keys of others.
#[derive(Debug)]
pub(crate) struct Keyring {
    pub(crate) identity: Identity,
    pub(crate) olm: OlmAccount,
    pub(crate) trust: Trust,
}

pub use identity::Identity;
pub use recovery::RecoveryCode;
