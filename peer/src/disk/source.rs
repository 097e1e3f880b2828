//! Reads what is offered, and notices when it changes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hobnob_wire::TransferId;
use hobnob_wire::layout::{Piece, Range};
use hobnob_wire::limits::RECORD_BYTES_MAX;
use hobnob_wire::transfer::ManifestEntry;
use hobnob_wire::tree::{RangeHash, RangeHasher};
use rustix::fs::{Mode, OFlags};

use super::holes;
use super::scan::modified_unix_ms;
use super::spool::{Spool, spool_path};
use super::tally::{Tally, tally_path};
use super::trouble::DiskError;

/// What is offered.
#[derive(Debug)]
pub struct Source {
    spool: Spool,
    tally: Tally,
    /// The file that was opened last: ranges of a long file follow one another.
    recent: Mutex<Option<(u32, Arc<OpenFile>)>>,
}

/// A file that is being read.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    path: PathBuf,
    entry: ManifestEntry,
}

impl Source {
    /// From the spool of a scan, and what earlier runs noted as sent.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn open(transfers: &Path, transfer: TransferId) -> Result<Self, DiskError> {
        let spool = Spool::open(spool_path(transfers, transfer))?;
        let tally = Tally::open(tally_path(transfers, transfer), spool.digest(), spool.layout())?;
        Ok(Self { spool, tally, recent: Mutex::default() })
    }

    /// The manifest.
    #[must_use]
    pub const fn spool(&self) -> &Spool {
        &self.spool
    }

    /// The ranges that were sent, and their hashes.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Notes a range that was read.
    ///
    /// # Errors
    /// [`DiskError::Changed`] when its bytes were others when it was sent before.
    pub fn note(&self, number: u64, range: &Range, hash: &RangeHash) -> Result<(), DiskError> {
        match self.tally.hash(number)? {
            None => self.tally.note(number, range, hash),
            Some(known) if known == hash.hash => Ok(()),
            Some(_) => {
                let entry = range.pieces().first().map_or(0, |piece| piece.entry);
                Err(DiskError::Changed { path: self.path(&self.spool.entry(entry)?)? })
            }
        }
    }

    /// The digest over everything that is offered. What was noted is not read again, but no long file may have changed since.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn digest(&self) -> Result<[u8; 32], DiskError> {
        let layout = self.spool.layout();
        let mut buffer = vec![0; RECORD_BYTES_MAX];
        for number in 0..layout.ranges() {
            let Some(range) = layout.range(number) else { break };
            if let Range::Slice(Piece { entry, offset: 0, .. }) = range {
                self.file(entry)?.check()?;
            }
            if self.tally.has(number) {
                continue;
            }
            let mut hasher = RangeHasher::new(&range);
            for piece in range.pieces() {
                let file = self.file(piece.entry)?;
                let mut left = piece.len;
                while left > 0 {
                    let len = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                    file.read(piece.offset + piece.len - left, &mut buffer[..len])?;
                    hasher.update(&buffer[..len]);
                    left -= len as u64;
                }
                file.check()?;
            }
            self.tally.note(number, &range, &hasher.finish())?;
        }
        self.tally.digest(layout)
    }

    /// Opens the file of an entry, unless it was opened last.
    ///
    /// # Errors
    /// [`DiskError::Changed`] when it is not the file that was offered.
    pub fn file(&self, number: u32) -> Result<Arc<OpenFile>, DiskError> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, file)) = &*recent
            && *known == number
        {
            return Ok(Arc::clone(file));
        }
        let entry = self.spool.entry(number)?;
        let path = self.path(&entry)?;
        // A link that took the file's place, or a pipe that would block, is not what was offered.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = rustix::fs::open(&path, flags, Mode::empty())
            .map_err(|cause| DiskError::system("read", &path, cause))?;
        let file = OpenFile { file: file.into(), path, entry };
        file.check()?;
        let file = Arc::new(file);
        *recent = Some((number, Arc::clone(&file)));
        Ok(file)
    }

    fn path(&self, entry: &ManifestEntry) -> Result<PathBuf, DiskError> {
        let relative = entry.path.as_str();
        let (top, rest) = relative.split_once('/').map_or((relative, None), |(top, rest)| (top, Some(rest)));
        let root = self.spool.head().roots.iter().find(|(name, _)| name == top);
        let (_, root) = root.ok_or_else(|| DiskError::Spool { path: relative.into() })?;
        Ok(rest.map_or_else(|| root.clone(), |rest| root.join(rest)))
    }
}

impl OpenFile {
    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        self.file.read_exact_at(buffer, offset).map_err(|cause| {
            if cause.kind() == std::io::ErrorKind::UnexpectedEof {
                return DiskError::Changed { path: self.path.clone() };
            }
            DiskError::system("read", &self.path, cause)
        })
    }

    /// Whether nothing but a hole stands in these bytes.
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn is_hole(&self, offset: u64, len: u64) -> Result<bool, DiskError> {
        if !self.entry.sparse {
            return Ok(false);
        }
        holes::is_hole(&self.file, offset, len).map_err(|cause| DiskError::system("read", &self.path, cause))
    }

    /// Whether the file has holes.
    #[must_use]
    pub const fn is_sparse(&self) -> bool {
        self.entry.sparse
    }

    /// Checks, after reading, that what was read is what was offered.
    ///
    /// # Errors
    /// [`DiskError::Changed`].
    pub fn check(&self) -> Result<(), DiskError> {
        let refused = |cause| DiskError::system("read", &self.path, cause);
        let metadata = self.file.metadata().map_err(refused)?;
        let is_same = metadata.is_file()
            && metadata.len() == self.entry.size
            && modified_unix_ms(&metadata) == self.entry.modified_unix_ms;
        if is_same { Ok(()) } else { Err(DiskError::Changed { path: self.path.clone() }) }
    }
}
