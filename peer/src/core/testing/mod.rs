//! A world in memory for tests of the core: engines on real stores, a rendezvous, links between devices,
//! and virtual time. Everything that is said takes [`world::LATENCY`]; nothing else takes time.

mod entropy;
mod overlay;
pub(crate) mod rendezvous;
pub(crate) mod world;

pub(crate) use entropy::Counted;
pub(crate) use world::World;
