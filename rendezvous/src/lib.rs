//! The Hobnob rendezvous: who is who, who is online, what must wait, and introductions. It cannot read what people say.
//!
//! The program is `hobnob-rendezvous`; this library is the same thing for tests and for programs that embed one:
//!
//! ```no_run
//! # async fn example() -> Result<(), hobnob_rendezvous::ServeError> {
//! use hobnob_rendezvous::{Config, Server};
//!
//! let server = Server::start(Config::default(), "/srv/hobnob".as_ref()).await?;
//! println!("{}", server.invite());
//! let tally = server.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! | module | what it does |
//! | --- | --- |
//! | [`core`] | decides everything; pure |
//! | [`store`] | keeps everything, in SQLite |
//! | `engine` | the thread that owns both: one transaction per batch, effects after the commit |
//! | `connection`, `outbox` | one connection's reader and writer, and their bounds |
//! | [`server`] | starts, listens, stops |
//! | `relay` | the relay and its reflectors |
//! | `tunnels` | where to listen for sessions over TCP |
//! | `overlay` | a node of its own in the overlay of devices |
//! | [`home`], [`config`] | the folder and the settings |

pub mod config;
mod connection;
pub mod core;
mod engine;
pub mod home;
mod invite;
mod outbox;
mod overlay;
pub mod random;
mod relay;
pub mod server;
pub mod store;
mod tunnels;

pub use crate::config::{Config, ConfigError};
pub use crate::core::Tally;
pub use crate::server::{ServeError, Server};
