//! The Hobnob app as a library: everything the daemon does, for other programs to embed.
//!
//! | room | job |
//! | --- | --- |
//! | [`core`] | every decision, pure: inputs and time in, effects out |
//! | `store` | the core's storage traits on SQLite |
//! | `net` | session, links and their streams on QUIC |
//! | `disk` | files of transfers, inside the folder the user chose |
//! | `driver`, [`client`] | the thread that owns core and store; its face to programs |
//! | `api`, `daemon`, `cli` | the local API, the daemon that serves it, the command line that uses it |

pub mod api;
pub mod cli;
pub mod client;
pub mod core;
mod daemon;
mod demo;
pub mod disk;
mod driver;
pub mod enrol;
pub mod events;
pub mod net;
pub mod store;
mod wall;

pub use crate::client::{Client, OpenError, Options};
pub use crate::core::command::{Command, CommandError, ErrorKind, Reply};
pub use crate::core::event::Event;
pub use crate::core::view::{LetterState, SessionState, TransferState};
pub use crate::events::{Cursor, Events, Missed};
