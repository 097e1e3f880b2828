//! The rendezvous as peers, operators and strangers meet it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod abuse;
mod program;
mod relayed;
mod sessions;
mod support;
