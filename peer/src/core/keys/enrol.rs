//! How an account and a device come to be: what is sent to the rendezvous, and what is kept.
//!
//! Nothing is kept before the rendezvous has answered, because only its answer completes the address.

use hobnob_wire::account::WrappedKey;
use hobnob_wire::bounded::Text;
use hobnob_wire::device::{
    Device, DeviceEntry, DeviceList, DeviceOperation, ListError, RootCertificate, SignedEntry,
};
use hobnob_wire::invite::Invite;
use hobnob_wire::keys::{SigningKey, VerifyKey};
use hobnob_wire::noise::NoiseKeypair;
use hobnob_wire::{Address, EncodeError};
use thiserror::Error;
use zeroize::Zeroizing;

use super::identity::Identity;
use super::olm::{OlmAccount, OlmError};
use super::recovery::RecoveryCode;
use super::trust::Pinned;
use super::wrap::{WrapError, unwrap, wrap};
use crate::core::store::Store;
use crate::core::time::Entropy;

/// Why an account or a device could not be made.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnrolError {
    /// The signing key S does not open.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The account's device list cannot be trusted.
    #[error("the rendezvous gave a device list for this account that cannot be trusted: {0}")]
    List(#[from] ListError),
    /// S does not belong to the list, or this device is not in it.
    #[error("the rendezvous gave a device list that does not belong to this account and device")]
    Foreign,
    /// A part is over its limit.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The Olm account could not be stored.
    #[error(transparent)]
    Olm(#[from] OlmError),
}

/// Why new keys could not be kept.
#[derive(Debug, Error)]
pub enum KeepError<E> {
    /// They do not fit what the rendezvous answered.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(E),
}

/// Keys of a new device, not yet kept.
#[derive(Debug)]
pub struct NewDevice {
    /// The entry that adds it to the device list.
    pub entry: SignedEntry,
    /// D. Signs the session once the device is known to the rendezvous.
    pub signing: SigningKey,
    noise: NoiseKeypair,
    olm: OlmAccount,
    root: VerifyKey,
    /// A, which only the first device keeps.
    root_key: Option<SigningKey>,
}

/// A new account with its first device, not yet kept.
#[derive(Debug)]
pub struct NewAccount {
    /// Root A certifies S.
    pub certificate: RootCertificate,
    /// S for later devices.
    pub wrapped: WrappedKey,
    /// To be shown once.
    pub recovery: RecoveryCode,
    /// The first device.
    pub device: NewDevice,
}

fn seed(entropy: &mut impl Entropy) -> Zeroizing<[u8; 32]> {
    let mut seed = Zeroizing::new([0; 32]);
    entropy.fill(seed.as_mut_slice());
    seed
}

/// What a device is made for.
struct Place {
    root: VerifyKey,
    seq: u32,
    previous: [u8; 32],
    at_unix_s: u64,
}

fn device(
    name: &str,
    place: &Place,
    self_signing: &SigningKey,
    entropy: &mut impl Entropy,
) -> Result<NewDevice, EnrolError> {
    let signing = SigningKey::from_seed(&seed(entropy));
    let noise = NoiseKeypair::from_secret(seed(entropy));
    let olm = OlmAccount::new();
    let device = Device {
        signing: signing.verify_key(),
        noise: noise.public(),
        olm: olm.key(),
        name: Text::truncated(name),
    };
    let entry = DeviceEntry {
        seq: place.seq,
        previous: place.previous,
        at_unix_s: place.at_unix_s,
        operation: DeviceOperation::Add(device),
    };
    let entry = SignedEntry::sign(&entry, self_signing, Some(&signing))?;
    Ok(NewDevice { entry, signing, noise, olm, root: place.root, root_key: None })
}

/// Makes an account and its first device, called `name`. `export_key` is what OPAQUE's registration
/// yielded.
///
/// # Errors
/// [`EnrolError::Wrap`] or [`EnrolError::Encode`], which do not happen for a name within its limit.
pub fn new_account(
    name: &str,
    export_key: &[u8],
    at_unix_s: u64,
    entropy: &mut impl Entropy,
) -> Result<NewAccount, EnrolError> {
    let recovery = RecoveryCode::new(entropy);
    let root = recovery.root();
    let self_signing = SigningKey::from_seed(&seed(entropy));
    let certificate = RootCertificate::issue(&root, self_signing.verify_key());
    let place = Place { root: certificate.root, seq: 0, previous: certificate.hash(), at_unix_s };
    let mut device = device(name, &place, &self_signing, entropy)?;
    device.root_key = Some(root);
    let wrapped = wrap(&self_signing, export_key, entropy)?;
    Ok(NewAccount { certificate, wrapped, recovery, device })
}

/// What the rendezvous gives to a device that knows the password.
#[derive(Clone, Debug)]
pub struct LoggedIn<'a> {
    /// S, wrapped.
    pub wrapped: &'a WrappedKey,
    /// The account's devices so far.
    pub list: &'a DeviceList,
    /// What OPAQUE's login yielded.
    pub export_key: &'a [u8],
}

/// Makes a further device, called `name`, of an account.
///
/// # Errors
/// [`EnrolError`] when what the rendezvous gave does not hang together.
pub fn new_device(
    name: &str,
    login: &LoggedIn<'_>,
    at_unix_s: u64,
    entropy: &mut impl Entropy,
) -> Result<NewDevice, EnrolError> {
    let verified = login.list.verify()?;
    let self_signing = unwrap(login.wrapped, login.export_key)?;
    if self_signing.verify_key() != login.list.certificate.self_signing {
        return Err(EnrolError::Foreign);
    }
    let (seq, previous) = verified.next();
    device(name, &Place { root: verified.root(), seq, previous, at_unix_s }, &self_signing, entropy)
}

impl NewDevice {
    /// Keeps the device in a store that has none, once the rendezvous has welcomed it with `address` and
    /// `list`.
    ///
    /// # Errors
    /// [`KeepError`]; the transaction must not be committed then.
    pub fn keep<S: Store>(
        self,
        store: &mut S,
        address: Address,
        list: &DeviceList,
        rendezvous: Invite,
    ) -> Result<(), KeepError<S::Error>> {
        let verified = list.verify().map_err(EnrolError::from)?;
        let device = hobnob_wire::DeviceId::of(&self.signing.verify_key());
        if verified.root() != self.root || verified.device(device).is_none() {
            return Err(EnrolError::Foreign.into());
        }
        let olm = self.olm.pickle().map_err(EnrolError::from)?;
        let identity = Identity {
            address,
            device,
            signing: self.signing,
            noise: self.noise,
            root: self.root,
            rendezvous,
        };
        let pin = Pinned::first(list, &verified);
        store.set_identity(&identity, self.root_key.as_ref()).map_err(KeepError::Store)?;
        store.set_olm_account(&olm).map_err(KeepError::Store)?;
        store.put_pin(&identity.address, &pin).map_err(KeepError::Store)
    }
}
