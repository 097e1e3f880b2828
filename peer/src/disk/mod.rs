//! Files of transfers, inside the folders that the user chose.
//!
//! Everything here blocks; `net::streams` calls it on threads made for that. Memory does not grow with files: only the sizes
//! of entries are held, their names stand in a spool file.
//!
//! | module | job |
//! | --- | --- |
//! | [`scan`] | walks what is offered and writes its manifest |
//! | [`spool`] | a manifest on disk |
//! | [`source`] | reads what is offered, and notices when it changes |
//! | [`holes`] | finds and makes holes in sparse files |
//! | [`staging`] | writes what arrives beside its place, then puts it there |
//! | [`trouble`] | what to tell the user when the disk refuses |

pub mod holes;
pub mod scan;
pub mod source;
pub mod spool;
pub mod staging;
pub mod trouble;
