//! Transfers: who may send which ranges when. The shell moves and hashes the bytes of a granted range.

pub mod job;

pub use job::{TransferJob, TransferReport};
