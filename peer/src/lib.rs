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

pub mod core;
pub mod net;
pub mod store;
