//! Session, links and their streams on QUIC.

mod handle;

pub use handle::LinkHandle;
