//! A folder for temporary files that only this user can read.

use std::env;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use crate::cli::Stop;

/// A new folder. Removed with all that is in it when dropped, unless it is kept.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    kept: bool,
}

impl Folder {
    pub(super) fn create() -> Result<Self, Stop> {
        let mut random = [0; 6];
        getrandom::fill(&mut random).map_err(|error| Stop::failure(format!("no randomness: {error}")))?;
        let path = env::temp_dir().join(format!("hobnob-demo-{}", HEXLOWER.encode(&random)));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| {
            Stop::failure(format!("cannot make {}: {error}; is TMPDIR right?", path.display()))
        })?;
        Ok(Self { path, kept: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the folder to the user.
    pub(super) fn keep(mut self) -> PathBuf {
        self.kept = true;
        self.path.clone()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed is left to the system, which empties this place now and then.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
