//! Every decision of the rendezvous, and nothing else.
//!
//! [`Rendezvous::handle`] takes one input, the store inside an open transaction, the time and a source of
//! randomness, and gives back effects. The shell commits, and only then performs the effects; so nothing is
//! acknowledged that is not on disk.
//!
//! | module | what it decides |
//! | --- | --- |
//! | `rendezvous` | who may ask what at which stage of a session; routes to the others |
//! | `account`, `device` | registration, login, proof of a device, the device list |
//! | [`contact`], `roster` | who sees whom, and how both sides learn of it |
//! | `presence` | what others see of an account |
//! | `mailbox`, `prekey` | letters that wait, keys to begin with |
//! | `signal` | introductions |
//! | `relay` | places and channels at the relay |
//! | [`quota`] | how much and how often |
//! | `online` | who has a session now |
//! | [`store`] | what must last, as verbs |

mod account;
pub mod contact;
mod device;
mod effect;
mod mailbox;
mod online;
mod password;
mod prekey;
mod presence;
pub mod quota;
mod relay;
mod rendezvous;
mod roster;
mod session;
mod signal;
pub mod store;
#[cfg(test)]
mod tests;
mod turn;

pub use self::effect::Effect;
pub use self::quota::Limits;
pub use self::relay::RelayOffer;
pub use self::rendezvous::{Input, Rendezvous, Tally};
pub use self::session::SessionId;
pub use self::turn::Now;
