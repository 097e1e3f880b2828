//! What happens to people whose network, or whose rendezvous, is against them.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

mod crowd;
mod lying_rendezvous;
mod middle;
