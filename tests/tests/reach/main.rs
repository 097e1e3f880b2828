//! Reaching peers through every kind of NAT, on an Internet in memory and under virtual time.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test itself")]

mod agents;
mod duel;
mod hostile;
mod idle;
mod matrix;
mod moves;
mod seeds;
mod survey;
mod world;
