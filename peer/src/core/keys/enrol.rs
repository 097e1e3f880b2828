//! How an account and a device come to be: what is sent to the rendezvous, and what is kept.
//!
//! Nothing is kept before the rendezvous has answered, because only its answer completes the address.

use hobnob_wire::account::WrappedKey;
use hobnob_wire::bounded::Text;
use hobnob_wire::device::{
    Device, DeviceEntry, DeviceList, DeviceOperation, ListError, RootCertificate, SignedEntry, VerifiedList,
};
use hobnob_wire::invite::Invite;
use hobnob_wire::keys::{SigningKey, VerifyKey};
use hobnob_wire::noise::NoiseKeypair;
use hobnob_wire::{Address, EncodeError};
use thiserror::Error;
use zeroize::Zeroizing;

use super::identity::Identity;
use super::olm::{NewPrekeys, OlmAccount, OlmError, PREKEYS_PUBLISHED};
use super::recovery::RecoveryCode;
use super::trust::Pinned;
use super::wrap::{WrapError, unwrap, wrap};
use crate::core::devices::extended;
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

impl Place {
    /// The end of a list.
    fn after(list: &VerifiedList, at_unix_s: u64) -> Self {
        let (seq, previous) = list.next();
        Self { root: list.root(), seq, previous, at_unix_s }
    }
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

impl LoggedIn<'_> {
    /// The list, checked, and S, which belongs to it.
    ///
    /// # Errors
    /// [`EnrolError`] when what the rendezvous gave does not hang together.
    pub fn open(&self) -> Result<(VerifiedList, SigningKey), EnrolError> {
        let verified = self.list.verify()?;
        let self_signing = unwrap(self.wrapped, self.export_key)?;
        if self_signing.verify_key() != verified.self_signing() {
            return Err(EnrolError::Foreign);
        }
        Ok((verified, self_signing))
    }
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
    let (verified, self_signing) = login.open()?;
    device(name, &Place::after(&verified, at_unix_s), &self_signing, entropy)
}

/// An entry that changes what is in a list: a revocation or a new name, signed with S.
///
/// # Errors
/// [`EnrolError::Foreign`] when S is not the list's, or another when it cannot be encoded, which does not happen.
pub fn change(
    list: &VerifiedList,
    self_signing: &SigningKey,
    operation: DeviceOperation,
    at_unix_s: u64,
) -> Result<SignedEntry, EnrolError> {
    if self_signing.verify_key() != list.self_signing() {
        return Err(EnrolError::Foreign);
    }
    let (seq, previous) = list.next();
    let entry = DeviceEntry { seq, previous, at_unix_s, operation };
    Ok(SignedEntry::sign(&entry, self_signing, None)?)
}

/// An account whose password was lost, with a new S and a further device, not yet kept.
#[derive(Debug)]
pub struct RecoveredAccount {
    /// The root A names the new S.
    pub renewal: SignedEntry,
    /// The new S for later devices.
    pub wrapped: WrappedKey,
    /// The new S.
    pub self_signing: SigningKey,
    /// The device.
    pub device: NewDevice,
}

/// Makes a new S and a further device, called `name`, of the account whose root is `root`. `export_key` is what
/// OPAQUE's registration of the new password yielded.
///
/// # Errors
/// [`EnrolError`] when the list is not that account's.
pub fn recovered_account(
    name: &str,
    (root, list): (&SigningKey, &DeviceList),
    export_key: &[u8],
    at_unix_s: u64,
    entropy: &mut impl Entropy,
) -> Result<RecoveredAccount, EnrolError> {
    let verified = list.verify()?;
    if verified.root() != root.verify_key() {
        return Err(EnrolError::Foreign);
    }
    let self_signing = SigningKey::from_seed(&seed(entropy));
    let renewal = SignedEntry::renew(root, verified.next(), at_unix_s, self_signing.verify_key())?;
    let renewed = extended(list, renewal.clone()).ok_or(EnrolError::List(ListError::Size))?.verify()?;
    let device = device(name, &Place::after(&renewed, at_unix_s), &self_signing, entropy)?;
    let wrapped = wrap(&self_signing, export_key, entropy)?;
    Ok(RecoveredAccount { renewal, wrapped, self_signing, device })
}

impl NewDevice {
    /// Prekeys to be published once the device is kept, so that what others write meanwhile can be sealed to it.
    ///
    /// # Errors
    /// [`EnrolError::Olm`].
    pub fn prekeys(&mut self) -> Result<NewPrekeys, EnrolError> {
        Ok(self.olm.prekeys(&self.signing, PREKEYS_PUBLISHED)?)
    }

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

/// Notes that the rendezvous has the prekeys of the device that a store holds.
///
/// # Errors
/// [`KeepError`]; the transaction must not be committed then.
pub fn published<S: Store>(store: &mut S) -> Result<(), KeepError<S::Error>> {
    let Some(account) = store.olm_account().map_err(KeepError::Store)? else {
        return Ok(());
    };
    let mut account = OlmAccount::from_pickle(&account).map_err(EnrolError::from)?;
    account.mark_published();
    let account = account.pickle().map_err(EnrolError::from)?;
    store.set_olm_account(&account).map_err(KeepError::Store)
}
