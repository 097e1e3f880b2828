//! What tests of the core share.

mod entropy;

pub(crate) use entropy::Counted;
