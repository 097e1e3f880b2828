//! Session, links and their streams on QUIC.

pub mod connect;
mod frames;
mod handle;
mod handshake;
mod link;
mod links;
mod measured;
mod overlay;
mod paths;
mod port;
mod session;
pub mod streams;
mod surroundings;
#[cfg(test)]
mod tests;

pub(crate) use frames::read_frame;
pub use handle::LinkHandle;
pub(crate) use link::{Dial, LinkRoom};
pub(crate) use links::{LinkControl, LinkTable, Order};
pub(crate) use overlay::OverlayShell;
pub(crate) use paths::{order, watch_paths};
pub(crate) use port::Port;
pub(crate) use session::Session;
pub(crate) use surroundings::Surroundings;
