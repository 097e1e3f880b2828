//! How an account comes to be and how a device proves that it belongs to it.
//!
//! Registration and a login on a new device run OPAQUE; afterwards a device signs the session's TLS
//! exporter. Unknown and known names get answers of the same form and length. Who has lost the password
//! proves the account by its root A, which signs the exporter too, and sets another one.

use serde::{Deserialize, Serialize};

use crate::address::{Address, Domain, Name};
use crate::bounded::{List, Opaque, Text};
use crate::device::{DeviceList, RootCertificate, SignedEntry};
use crate::ids::DeviceId;
use crate::keys::Signature;
use crate::limits::{DEVICES_MAX, NETWORK_BYTES_MAX, OPAQUE_MESSAGE_BYTES_MAX, WRAPPED_KEY_BYTES_MAX};

/// An OPAQUE message, serialized by `opaque-ke`.
pub type OpaqueMessage = Opaque<OPAQUE_MESSAGE_BYTES_MAX>;

/// The self-signing key S, sealed under OPAQUE's `export_key`; only the owner's devices open it.
pub type WrappedKey = Opaque<WRAPPED_KEY_BYTES_MAX>;

/// Where a session comes from, as the rendezvous sees it and no finer than a network: an address prefix, or
/// `loopback`. For people, never for decisions.
pub type Place = Text<NETWORK_BYTES_MAX>;

/// When a device of one's own was last there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Which.
    pub device: DeviceId,
    /// When its last session began or ended, in Unix seconds by the clock of the rendezvous.
    pub seen_at_unix_s: u64,
    /// Where it is, if it has a session now.
    pub here: Option<Place>,
}

/// A device of one's own has a session now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Which.
    pub device: DeviceId,
    /// Where from.
    pub place: Place,
    /// When, in Unix seconds by the clock of the rendezvous.
    pub at_unix_s: u64,
}

/// What a peer asks about accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountRequest {
    /// Begins a registration. Answer: [`AccountAnswer::Challenge`].
    RegisterStart {
        /// The name wanted.
        name: Name,
        /// [`crate::opaque::VERSION`].
        opaque_version: u8,
        /// OPAQUE `RegistrationRequest`.
        message: OpaqueMessage,
    },
    /// Ends a registration with the first device; the session is then authenticated as that device.
    /// Answer: [`AccountAnswer::Welcome`].
    RegisterFinish {
        /// OPAQUE `RegistrationUpload`.
        message: OpaqueMessage,
        /// Root and self-signing key.
        certificate: RootCertificate,
        /// The first entry of the device list.
        entry: SignedEntry,
        /// S for the owner's later devices.
        wrapped: WrappedKey,
    },
    /// Begins a login with the password. Answer: [`AccountAnswer::Challenge`], for unknown names too.
    LoginStart {
        /// The account's name.
        name: Name,
        /// [`crate::opaque::VERSION`].
        opaque_version: u8,
        /// OPAQUE `CredentialRequest`.
        message: OpaqueMessage,
    },
    /// Ends a login. The session may then add one device, or change the password. Answer: [`AccountAnswer::LoggedIn`].
    LoginFinish {
        /// OPAQUE `CredentialFinalization`.
        message: OpaqueMessage,
    },
    /// Appends an entry to the own device list. Answer after a login: [`AccountAnswer::Welcome`], the
    /// session is then authenticated as the added device; else [`AccountAnswer::Done`].
    AppendEntry {
        /// The signed entry.
        entry: SignedEntry,
    },
    /// A known device proves itself. Answer: [`AccountAnswer::Welcome`].
    Authenticate {
        /// The account.
        address: Address,
        /// The device.
        device: DeviceId,
        /// By D over the session's TLS exporter.
        signature: Signature,
    },
    /// Asks for the device list of oneself or a contact. Answer: [`AccountAnswer::Devices`].
    Devices {
        /// Whose.
        address: Address,
    },
    /// Who has lost the password begins to set another one. Answer: [`AccountAnswer::Recovering`].
    RecoverStart {
        /// The account's name.
        name: Name,
        /// [`crate::opaque::VERSION`].
        opaque_version: u8,
        /// OPAQUE `RegistrationRequest`.
        message: OpaqueMessage,
        /// By A over the session's TLS exporter, for [`Purpose::Recovery`](crate::keys::Purpose::Recovery).
        signature: Signature,
    },
    /// Ends that with a new password, a new S and a new device; the session is then authenticated as that
    /// device. Answer: [`AccountAnswer::Welcome`].
    RecoverFinish {
        /// OPAQUE `RegistrationUpload`.
        message: OpaqueMessage,
        /// The entry that renews S.
        renewal: Box<SignedEntry>,
        /// The entry after it, which adds the device.
        entry: SignedEntry,
        /// The new S for the owner's later devices.
        wrapped: WrappedKey,
    },
    /// After a login: begins to set another password. Answer: [`AccountAnswer::Challenge`].
    PasswordStart {
        /// [`crate::opaque::VERSION`].
        opaque_version: u8,
        /// OPAQUE `RegistrationRequest`.
        message: OpaqueMessage,
    },
    /// Ends that. Answer: [`AccountAnswer::Done`]; the old password is worth nothing from then on.
    PasswordFinish {
        /// OPAQUE `RegistrationUpload`.
        message: OpaqueMessage,
        /// S, for who knows the new password.
        wrapped: WrappedKey,
    },
    /// Asks when one's own devices were there. Answer: [`AccountAnswer::Sightings`].
    Sightings,
}

/// What the rendezvous answers about accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountAnswer {
    /// OPAQUE `RegistrationResponse` or `CredentialResponse`.
    Challenge {
        /// The message.
        message: OpaqueMessage,
    },
    /// The password was right.
    LoggedIn {
        /// S, to be opened with OPAQUE's `export_key`.
        wrapped: WrappedKey,
        /// The account's devices so far.
        list: DeviceList,
    },
    /// The session is authenticated; what waits follows as pushes.
    Welcome {
        /// The account's complete address.
        address: Address,
        /// Domain that completes addresses without one.
        domain: Domain,
        /// The account's own device list.
        list: DeviceList,
    },
    /// A device list.
    Devices {
        /// Whose.
        address: Address,
        /// The list, to be verified by the reader.
        list: DeviceList,
    },
    /// It is done.
    Done,
    /// The root is the account's.
    Recovering {
        /// OPAQUE `RegistrationResponse`.
        message: OpaqueMessage,
        /// The account's devices so far.
        list: DeviceList,
    },
    /// When one's own devices were there.
    Sightings {
        /// One for each device in use.
        sightings: List<Sighting, DEVICES_MAX>,
    },
}
