//! How a request is refused: one wording and one number each.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a request was refused. The first fourteen are the error conditions that a failed letter may name
/// (after RFC 6120 §8.3.3); the number is the variant's place and never changes.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// The other side does not allow it.
    #[error("the other side does not allow it")]
    Forbidden,
    /// The rendezvous failed; trying again may help.
    #[error("the rendezvous failed; try again")]
    InternalServerError,
    /// There is no such thing.
    #[error("there is no such thing")]
    ItemNotFound,
    /// The address is not an address.
    #[error("the address is not valid")]
    AddressMalformed,
    /// The content breaks a rule of the place.
    #[error("the content is not acceptable here")]
    NotAcceptable,
    /// Nobody may do this here.
    #[error("this is not allowed")]
    NotAllowed,
    /// A quota of the account is used up.
    #[error("a quota is used up")]
    QuotaRequired,
    /// The recipient has no session, or takes nothing while away.
    #[error("the recipient is not available")]
    RecipientUnavailable,
    /// The account lives elsewhere now.
    #[error("the account has moved")]
    Redirect,
    /// The other rendezvous cannot be found.
    #[error("the other rendezvous cannot be found")]
    RemoteServerNotFound,
    /// The other rendezvous does not answer.
    #[error("the other rendezvous does not answer")]
    RemoteServerTimeout,
    /// The rendezvous or the mailbox is full.
    #[error("there is no room left for it")]
    ResourceConstraint,
    /// The rendezvous does not offer this now.
    #[error("the service is not available now")]
    ServiceUnavailable,
    /// None of the others.
    #[error("the request failed")]
    UndefinedCondition,
    /// Name or password is wrong; which of them is not said.
    #[error("name or password is wrong")]
    WrongCredentials,
    /// The name belongs to somebody.
    #[error("the name is taken")]
    NameTaken,
    /// The session is not authenticated.
    #[error("the session is not authenticated")]
    SessionRequired,
    /// The device has been revoked or was never part of the account.
    #[error("the device does not belong to the account")]
    UnknownDevice,
    /// The device list entry does not continue the list; fetch it and try again.
    #[error("the device list has changed meanwhile")]
    StaleDeviceList,
    /// The request does not fit the state of things: already contacts, nothing to accept.
    #[error("this does not fit the present state")]
    Conflict,
    /// Too many requests; wait.
    #[error("too many requests; wait a little")]
    TooManyRequests,
    /// The protocol or parameter version is not supported.
    #[error("this version is not supported; update")]
    UnsupportedVersion,
}
