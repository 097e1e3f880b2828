//! The decisions of this crate, free of clocks, sockets and tasks.

pub mod admission;
pub mod agent;
pub mod binding;
pub mod candidate;
pub mod congestion;
pub mod gateway;
pub mod mapping;
pub mod overlay;
pub mod proxy;
pub mod relay;
pub mod road;
