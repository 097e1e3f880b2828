//! Swarms: one send to several people, who get ranges from each other.
//!
//! | module | decides |
//! | --- | --- |
//! | `sharing` | the sender: which range goes to whom |
//! | `member` | a receiver: who else is there, what they know of each other, who helps |
//! | `borrowing` | a receiver: which ranges to take from whom, and whom to take none from |
//! | `lending` | a receiver: what others get from it |
//! | `routes` | which member a frame, a report or a link concerns |
//! | `rarest` | which range comes first |
//!
//! What another receiver sends counts only when it has the hash that the sender of the offer told, over its own link. So a
//! receiver that lies costs what it sent, and is asked no more.

mod borrowing;
mod lending;
mod member;
mod rarest;
mod routes;
mod sharing;
#[cfg(test)]
mod story;

pub(super) use member::{Member, Own};
pub(super) use routes::found;
pub(super) use sharing::Sharing;
