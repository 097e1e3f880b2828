//! Reads what is offered, and notices when it changes.
//!
//! A file is what was offered while its size and its time of modification are what the manifest says. A long file is read in parts,
//! perhaps over days: when another one stands in its place, made to look alike, then what was sent of it before is compared by hash,
//! so that no parts of two files are ever taken for one.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hobnob_wire::TransferId;
use hobnob_wire::choice::Choice;
use hobnob_wire::layout::{Piece, Range};
use hobnob_wire::limits::{RANGE_BYTES, RECORD_BYTES_MAX};
use hobnob_wire::transfer::ManifestEntry;
use hobnob_wire::tree::{RangeHash, RangeHasher};
use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags};

use super::calls::Disk;
use super::holes;
use super::scan::modified_unix_ms;
use super::selection::Selection;
use super::spool::{Spool, spool_path};
use super::tally::{FileIdentity, Tally, tally_path};
use super::trouble::DiskError;

/// What is offered.
#[derive(Debug)]
pub struct Source {
    disk: Disk,
    spool: Spool,
    tally: Tally,
    /// The file that was opened last: ranges of a long file follow one another.
    recent: Mutex<Option<(u32, Arc<OpenFile>)>>,
}

/// A file that is being read.
#[derive(Debug)]
pub struct OpenFile {
    disk: Disk,
    file: File,
    path: PathBuf,
    entry: ManifestEntry,
}

impl Source {
    /// From the spool of a scan, and what earlier runs noted as sent.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn open(disk: &Disk, transfer: TransferId) -> Result<Self, DiskError> {
        let spool = Spool::open(disk, spool_path(disk, transfer))?;
        let tally = Tally::open(disk, tally_path(disk, transfer), spool.digest(), spool.layout())?;
        Ok(Self { disk: disk.clone(), spool, tally, recent: Mutex::default() })
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

    /// The digest over what is chosen of all that is offered; over all without a choice. What was noted is not read again, but no
    /// long file may have changed since.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn digest(&self, choice: Option<&Choice>) -> Result<[u8; 32], DiskError> {
        let selection = self.selection(choice)?;
        let layout = self.spool.layout();
        let mut buffer = vec![0; RECORD_BYTES_MAX];
        for number in 0..layout.ranges() {
            let Some(range) = layout.range(number) else { break };
            if !selection.needs(&range) {
                continue;
            }
            if let Range::Slice(Piece { entry, offset: 0, .. }) = range {
                self.file(entry)?.check()?;
            }
            if self.tally.hash(number)?.is_none() {
                self.tally.note(number, &range, &self.hash(&range, &mut buffer)?)?;
            }
        }
        self.tally.digest(layout, &selection)
    }

    /// What a choice takes of what is offered.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn selection(&self, choice: Option<&Choice>) -> Result<Selection, DiskError> {
        choice.map_or_else(|| Ok(Selection::everything()), |choice| Selection::of(&self.spool, choice))
    }

    /// Reads a range and hashes it.
    fn hash(&self, range: &Range, buffer: &mut [u8]) -> Result<RangeHash, DiskError> {
        let mut hasher = RangeHasher::new(range);
        for piece in range.pieces() {
            let file = self.file(piece.entry)?;
            file.hash(piece, &mut hasher, buffer)?;
            file.check()?;
        }
        Ok(hasher.finish())
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
        let file = self.disk.call("open", || rustix::fs::open(&path, flags, Mode::empty()));
        let file = file.map_err(|cause| DiskError::system("read", &path, cause))?.into();
        let file = OpenFile { disk: self.disk.clone(), file, path, entry };
        let identity = file.check()?;
        if file.entry.size > RANGE_BYTES {
            self.recognize(number, &file, identity)?;
        }
        let file = Arc::new(file);
        *recent = Some((number, Arc::clone(&file)));
        Ok(file)
    }

    /// Sees that a long file is the one that was read before, or holds what was sent of that one.
    fn recognize(&self, entry: u32, file: &OpenFile, identity: FileIdentity) -> Result<(), DiskError> {
        let known = self.tally.identity(entry)?;
        if known == identity {
            return Ok(());
        }
        if known != FileIdentity::default() {
            let mut buffer = vec![0; RECORD_BYTES_MAX];
            for (number, range) in self.spool.layout().slices_of(entry) {
                let Some(sent) = self.tally.hash(number)? else { continue };
                let mut hasher = RangeHasher::new(&range);
                range.pieces().iter().try_for_each(|piece| file.hash(piece, &mut hasher, &mut buffer))?;
                if hasher.finish().hash != sent {
                    return Err(DiskError::Changed { path: file.path.clone() });
                }
            }
        }
        self.tally.note_identity(entry, identity)
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
        let read = self.disk.call("read", || self.file.read_exact_at(buffer, offset));
        read.map_err(|cause| self.unread(cause))
    }

    /// Adds `len` bytes from `offset` on to `bytes`, which had better have room for them: what is read is never zeroed before.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn append(&self, offset: u64, len: usize, bytes: &mut Vec<u8>) -> Result<(), DiskError> {
        let (start, end) = (bytes.len(), bytes.len() + len);
        bytes.reserve(len);
        while bytes.len() < end {
            let at = offset + (bytes.len() - start) as u64;
            let read =
                self.disk.call("read", || match rustix::io::pread(&self.file, spare_capacity(bytes), at) {
                    Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
                    Ok(read) => Ok(read),
                    Err(error) => Err(std::io::Error::from(error)),
                });
            match read {
                Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
                read => drop(read.map_err(|cause| self.unread(cause))?),
            }
        }
        // There was room for more, so more may have been read.
        bytes.truncate(end);
        Ok(())
    }

    fn unread(&self, cause: std::io::Error) -> DiskError {
        if cause.kind() == std::io::ErrorKind::UnexpectedEof {
            return DiskError::Changed { path: self.path.clone() };
        }
        DiskError::system("read", &self.path, cause)
    }

    /// Hashes a piece of it.
    fn hash(&self, piece: &Piece, hasher: &mut RangeHasher, buffer: &mut [u8]) -> Result<(), DiskError> {
        let mut left = piece.len;
        while left > 0 {
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            self.read(piece.offset + piece.len - left, &mut buffer[..len])?;
            hasher.update(&buffer[..len]);
            left -= len as u64;
        }
        Ok(())
    }

    /// Whether nothing but a hole stands in these bytes.
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn is_hole(&self, offset: u64, len: u64) -> Result<bool, DiskError> {
        if !self.entry.sparse {
            return Ok(false);
        }
        let found = self.disk.call("look for holes", || holes::is_hole(&self.file, offset, len));
        found.map_err(|cause| DiskError::system("read", &self.path, cause))
    }

    /// Whether the file has holes.
    #[must_use]
    pub const fn is_sparse(&self) -> bool {
        self.entry.sparse
    }

    /// Checks, after reading, that what was read is what was offered, as far as size and time tell.
    ///
    /// # Errors
    /// [`DiskError::Changed`].
    pub fn check(&self) -> Result<FileIdentity, DiskError> {
        let metadata = self.disk.call("look at", || self.file.metadata());
        let metadata = metadata.map_err(|cause| DiskError::system("read", &self.path, cause))?;
        let is_same = metadata.is_file()
            && metadata.len() == self.entry.size
            && modified_unix_ms(&metadata) == self.entry.modified_unix_ms;
        if !is_same {
            return Err(DiskError::Changed { path: self.path.clone() });
        }
        Ok(FileIdentity::new(metadata.dev(), metadata.ino()))
    }
}
