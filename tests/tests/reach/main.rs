//! Reaching peers through every kind of NAT, on an Internet in memory and under virtual time.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test itself")]

mod agents;
mod duel;
mod hostile;
mod matrix;
mod moves;
mod seeds;
mod world;
