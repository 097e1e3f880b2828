//! Databases that fail on command.
//!
//! The stores are the real ones on real SQLite. What fails is SQLite itself, at any step of any statement, so that every
//! place in the cores that uses the store meets every failure.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::Connection;

/// Steps of SQLite's machine between two looks at [`Disk`].
const STEPS: i32 = 4;

/// Never.
const NEVER: u64 = u64::MAX;

/// What will go wrong with one database.
#[derive(Debug)]
pub(super) struct Disk {
    /// Looks until a statement fails.
    fails_in: AtomicU64,
    /// Whether nothing can be committed.
    full: AtomicBool,
}

/// Where databases are.
#[derive(Clone, Debug)]
pub(super) enum Medium {
    /// In memory.
    Memory,
    /// In files in this folder.
    Folder(PathBuf),
}

impl Medium {
    /// Where the database of this name is; `None` for memory.
    pub(super) fn named(&self, name: &str) -> Option<PathBuf> {
        match self {
            Self::Memory => None,
            Self::Folder(folder) => Some(folder.join(name).with_extension("db")),
        }
    }
}

impl Disk {
    pub(super) fn new() -> Arc<Self> {
        let fails_in = AtomicU64::new(NEVER);
        Arc::new(Self { fails_in, full: AtomicBool::new(false) })
    }

    /// Lets a statement fail after so many looks, once.
    pub(super) fn fail_in(&self, looks: u64) {
        self.fails_in.store(looks, Ordering::Relaxed);
    }

    /// Takes back what was ordered and did not happen. How many looks were left, if so.
    pub(super) fn relent(&self) -> Option<u64> {
        Some(self.fails_in.swap(NEVER, Ordering::Relaxed)).filter(|left| *left != NEVER)
    }

    /// Lets every commit fail, or no more.
    pub(super) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// A look: whether the statement fails now.
    fn steps(&self) -> bool {
        match self.fails_in.load(Ordering::Relaxed) {
            NEVER => false,
            0 => {
                self.fails_in.store(NEVER, Ordering::Relaxed);
                true
            }
            left => {
                self.fails_in.store(left - 1, Ordering::Relaxed);
                false
            }
        }
    }

    /// Whether a commit fails.
    fn commits(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// A connection that fails as ordered, to a file or in memory.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open(self: &Arc<Self>, file: Option<&Path>) -> rusqlite::Result<Connection> {
        let mut connection = match file {
            None => Connection::open_in_memory()?,
            Some(file) => Connection::open(file)?,
        };
        let disk = Arc::clone(self);
        connection.progress_handler(STEPS, Some(move || disk.steps()))?;
        let disk = Arc::clone(self);
        connection.commit_hook(Some(move || disk.commits()))?;
        Ok(connection)
    }
}
