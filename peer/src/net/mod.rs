//! Session, links and their streams on QUIC.

mod candidates;
pub mod connect;
mod frames;
mod handle;
mod handshake;
mod link;
mod links;
mod session;
pub mod streams;
#[cfg(test)]
mod tests;

pub(crate) use candidates::watch_candidates;
pub(crate) use frames::read_frame;
pub use handle::LinkHandle;
pub(crate) use link::{Dial, LinkRoom};
pub(crate) use links::{LinkControl, LinkTable, Order};
pub(crate) use session::Session;
