//! The local API: JSON over HTTP on loopback, events over a WebSocket.
//!
//! Whatever the app can do, this API can ask for; the command line knows nothing else. It translates
//! requests to [`Command`](crate::core::command::Command)s and decides nothing but who may ask.
//!
//! | module | job |
//! | --- | --- |
//! | [`server`] | listens, and applies the guard to every request |
//! | [`guard`] | decides who may ask |
//! | [`access`] | tells this user's programs where the API is, and the token |
//! | `routes`, `handlers` | what can be asked; described by `/v1/openapi.json` |
//! | [`bodies`], [`kind`] | the JSON that both sides share |
//! | [`client`] | the other side: what the command line uses |

pub mod access;
pub mod bodies;
pub mod client;
mod error;
mod extract;
pub mod guard;
mod handlers;
pub mod kind;
mod routes;
pub mod server;
mod state;
pub mod token;
