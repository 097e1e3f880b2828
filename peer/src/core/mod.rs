//! Every decision of the app, pure.
//!
//! The driver gives [`Input`](input::Input)s with the time and a source of randomness to the engine
//! inside one transaction, commits, and only then performs the [`Effect`](effect::Effect)s. Nothing here
//! reads a clock, draws a random number, or touches a socket or a file.

pub mod chat;
pub mod check;
pub mod command;
pub mod contact;
pub mod devices;
pub mod effect;
pub mod engine;
pub mod event;
pub mod history;
pub mod input;
pub mod keys;
pub mod letters;
pub mod reconnect;
pub mod settings;
pub mod store;
pub mod time;
pub mod transfer;
pub mod view;

pub(crate) mod link;
pub(crate) mod overlay;
mod relaying;
pub(crate) mod session;
#[cfg(test)]
pub(crate) mod testing;
mod turn;
