//! How far a session has come.

use hobnob_wire::account::WrappedKey;
use hobnob_wire::opaque::Suite;
use hobnob_wire::{Address, DeviceId, Name};
use opaque_ke::ServerLogin;

use super::quota::Block;
use super::store::AccountId;

/// A session, numbered by the shell; a number is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// A session that has said something.
#[derive(Debug)]
pub(super) struct Session {
    /// The TLS exporter value that a device must sign.
    pub(super) exporter: [u8; 32],
    /// Where it comes from.
    pub(super) from: Block,
    /// Failed attempts to prove who it is.
    pub(super) failures: u32,
    pub(super) stage: Stage,
}

/// What a session has shown of itself.
#[derive(Debug)]
pub(super) enum Stage {
    /// Nothing.
    Greeted,
    /// It may finish a registration.
    Registering { name: Name },
    /// It may finish a login.
    LoggingIn(Box<Login>),
    /// It has the account's root and may set a new password, a new S and a new device.
    Recovering { account: AccountId, name: Name },
    /// It knows the password and may add one device, or change the password.
    LoggedIn { account: AccountId, name: Name },
    /// It is a device of an account.
    Proved(Proof),
}

/// A login between its two steps.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) state: ServerLogin<Suite>,
    pub(super) name: Name,
    /// Absent for a name that nobody has.
    pub(super) account: Option<(AccountId, WrappedKey)>,
}

/// Who a session is.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    pub(super) session: SessionId,
    pub(super) account: AccountId,
    pub(super) name: Name,
    pub(super) address: Address,
    pub(super) device: DeviceId,
}
