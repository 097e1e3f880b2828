//! Where transfers keep what they know, and how they call the file system.
//!
//! Each call of this room to the file system goes through `Disk::call`: so there is one place where it can be made to fail, and
//! a test lets each of them fail in turn.

use std::fmt;
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Decides, before a call to the file system, whether it fails.
pub trait Faults: fmt::Debug + Send + Sync {
    /// Called before each call; `doing` says what it does, `site` where in this room it is made.
    ///
    /// # Errors
    /// What the call shall fail with instead of being made.
    fn before(&self, doing: &'static str, site: &'static Location<'static>) -> io::Result<()>;
}

/// The disk as transfers see it. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk {
    transfers: Arc<Path>,
    faults: Option<Arc<dyn Faults>>,
}

impl Disk {
    /// A disk on which spools and notes are kept in the folder `transfers`.
    #[must_use]
    pub fn new(transfers: PathBuf) -> Self {
        Self { transfers: transfers.into(), faults: None }
    }

    /// The same disk, with calls that fail when `faults` wants it.
    #[must_use]
    pub fn with_faults(self, faults: Arc<dyn Faults>) -> Self {
        Self { faults: Some(faults), ..self }
    }

    /// Where spools and notes are kept.
    #[must_use]
    pub fn transfers(&self) -> &Path {
        &self.transfers
    }

    /// Makes one call to the file system.
    #[track_caller]
    pub(super) fn call<T, E: Into<io::Error>>(
        &self,
        doing: &'static str,
        call: impl FnOnce() -> Result<T, E>,
    ) -> io::Result<T> {
        if let Some(faults) = &self.faults {
            faults.before(doing, Location::caller())?;
        }
        call().map_err(Into::into)
    }
}
