//! Values as they stand in columns, and back. What cannot be read back is damage, never a panic.

use hobnob_wire::codec::{self, Frame};
use hobnob_wire::contact::{Pending, Subscription};
use hobnob_wire::mailbox::Prekey;
use hobnob_wire::presence::Availability;
use serde::{Deserialize, Serialize};

use crate::core::store::{StoreError, Stored};

pub(super) const fn damaged(what: &'static str) -> StoreError {
    StoreError::Damaged { what }
}

/// Sequence numbers, versions and sizes stay far below 2⁶³; what a peer names beyond that is beyond everything.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The way back; a negative number was never written.
pub(super) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn encode<F: Frame>(value: &F) -> Stored<Vec<u8>> {
    codec::encode(value).map_err(|error| StoreError::Failed(Box::new(error)))
}

pub(super) fn decode<F: Frame>(bytes: &[u8]) -> Stored<F> {
    codec::decode(bytes).map_err(|_| damaged(F::NAME))
}

/// A prekey on disk. It never travels alone, so the protocol has no frame for it.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredPrekey(pub(super) Prekey);

impl Frame for StoredPrekey {
    const NAME: &'static str = "stored prekey";
    const BYTES_MAX: usize = 96;
}

pub(super) const fn subscription(value: Subscription) -> i64 {
    match value {
        Subscription::None => 0,
        Subscription::To => 1,
        Subscription::From => 2,
        Subscription::Both => 3,
    }
}

pub(super) fn to_subscription(value: i64) -> Stored<Subscription> {
    match value {
        0 => Ok(Subscription::None),
        1 => Ok(Subscription::To),
        2 => Ok(Subscription::From),
        3 => Ok(Subscription::Both),
        _ => Err(damaged("contact.subscription")),
    }
}

pub(super) const fn pending(value: Pending) -> i64 {
    match value {
        Pending::None => 0,
        Pending::Out => 1,
        Pending::In => 2,
    }
}

pub(super) fn to_pending(value: i64) -> Stored<Pending> {
    match value {
        0 => Ok(Pending::None),
        1 => Ok(Pending::Out),
        2 => Ok(Pending::In),
        _ => Err(damaged("contact.pending")),
    }
}

pub(super) const fn availability(value: Availability) -> i64 {
    match value {
        Availability::Offline => 0,
        Availability::Online => 1,
        Availability::Away => 2,
        Availability::Busy => 3,
    }
}

pub(super) fn to_availability(value: i64) -> Stored<Availability> {
    match value {
        0 => Ok(Availability::Offline),
        1 => Ok(Availability::Online),
        2 => Ok(Availability::Away),
        3 => Ok(Availability::Busy),
        _ => Err(damaged("account.availability")),
    }
}
