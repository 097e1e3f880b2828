//! Files of transfers, inside the folders that the user chose.
//!
//! Everything here blocks; `net::streams` calls it on threads made for that. Memory does not grow with files: only the sizes
//! of entries are held, their names stand in a spool file.
//!
//! | module | job |
//! | --- | --- |
//! | [`calls`] | how the file system is called |
//! | [`scan`] | walks what is offered and writes its manifest |
//! | [`spool`] | a manifest on disk |
//! | [`selection`] | which entries of a manifest are taken |
//! | [`source`] | reads what is offered, and notices when it changes |
//! | [`holes`] | finds and makes holes in sparse files |
//! | [`room`] | whether the folder of a transfer has room |
//! | [`staging`] | writes what arrives beside its place, then puts it there |
//! | [`leftovers`] | removes what nobody needs any more |
//! | [`tally`] | which ranges have been written or read, over restarts |
//! | [`trouble`] | what to tell the user when the disk refuses |

pub mod calls;
pub mod holes;
pub mod leftovers;
pub mod room;
pub mod scan;
pub mod selection;
pub mod source;
pub mod spool;
pub mod staging;
pub mod tally;
pub mod trouble;
