//! Writes what arrives beside its place, then puts it there.
//!
//! Everything is built in a folder `.hobnob-ID.part` inside the folder that the user chose: only this user may enter it, and
//! `cap-std` keeps every path inside. What is there outlasts the process; its [`Tally`] says which ranges it is. When all is there, what stands at its top is renamed into place, one atomic step for a file or a
//! whole folder, and never over something that is there already: then the name gets a number.

mod update;

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use hobnob_wire::TransferId;
use hobnob_wire::layout::{Layout, Piece, Range};
use hobnob_wire::limits::RANGE_BYTES;
use hobnob_wire::transfer::{EntryKind, ManifestEntry, RelativePath};
use hobnob_wire::tree::{RangeHash, RangeHasher};
use rustix::fs::{Mode, OFlags, RenameFlags};

use super::spool::Spool;
use super::tally::{Tally, tally_path};
use super::trouble::DiskError;
use super::{holes, room};
use crate::core::transfer::names::numbered;

/// Files that are kept open while they arrive: more than one transfer has ranges in flight.
const OPEN_FILES_MAX: usize = 16;
/// Up to so many files are flushed one by one; more are flushed with their whole file system, which is faster then.
const FLUSHED_ALONE_MAX: u32 = 64;
/// Numbers that are tried for a name that is taken.
const NUMBER_MAX: u32 = 10_000;
/// The room is looked at again each time that so many ranges have been written.
const LOOK_EVERY: u64 = 16;

/// A transfer on its way to its folder.
#[derive(Debug)]
pub struct Staging {
    spool: Spool,
    tally: Tally,
    /// Bytes that are not here.
    left: AtomicU64,
    /// The folder that the user chose.
    folder: PathBuf,
    /// Whether files that are there already are brought up to date.
    update: bool,
    target: Dir,
    name: String,
    staging: Dir,
    /// Long files that are open, the one used last at the end.
    open: Mutex<Vec<(u32, Arc<LongFile>)>>,
    /// Whether it has been given up; held for reading while something is written.
    closed: RwLock<bool>,
}

/// A file of several ranges that is being written.
#[derive(Debug)]
struct LongFile {
    file: File,
    sparse: bool,
}

/// Name of a transfer's staging folder.
fn staging_name(transfer: TransferId) -> String {
    format!(".hobnob-{transfer}.part")
}

/// Removes the staging folder of a transfer, if there is one.
///
/// # Errors
/// [`DiskError::System`].
pub fn discard(folder: &Path, transfer: TransferId) -> Result<(), DiskError> {
    let refused = |cause| DiskError::system("clean", folder, cause);
    let target = match Dir::open_ambient_dir(folder, ambient_authority()) {
        Ok(target) => target,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(refused(cause)),
    };
    match target.remove_dir_all(staging_name(transfer)) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(refused(cause)),
        Ok(()) | Err(_) => Ok(()),
    }
}

impl Staging {
    /// Makes ready to write into `folder` what `spool` lists, whose names are fit for this disk already, and finds what an
    /// earlier run left there; notes are kept in `transfers`. With `update`, files of the same path in `folder` are replaced where
    /// they differ.
    ///
    /// # Errors
    /// [`DiskError::NoRoom`] when the rest does not fit, [`DiskError::Gone`] and [`DiskError::System`].
    pub fn open(
        transfers: &Path,
        (folder, update): (PathBuf, bool),
        transfer: TransferId,
        spool: Spool,
    ) -> Result<Self, DiskError> {
        let tally = Tally::open(tally_path(transfers, transfer), spool.digest(), spool.layout())?;
        let name = staging_name(transfer);
        let noted = tally.noted();
        let is_begun = !noted.is_empty();
        let is_here = folder.join(&name).is_dir();
        if is_begun && !is_here && !tally.is_whole() {
            return Err(DiskError::Gone { folder: folder.join(name) });
        }
        let target = room::open(&folder)?;
        if !is_begun && !tally.is_whole() {
            discard(&folder, transfer)?;
        }
        let ranges = noted.spans(usize::MAX).into_iter().flat_map(|span| span.start..span.end);
        let here: u64 =
            ranges.filter_map(|number| spool.layout().range(number)).map(|range| range.bytes()).sum();
        let left = spool.layout().bytes() - here;
        room::check(&target, &folder, left)?;
        let refused = |cause| DiskError::system("write to", &folder, cause);
        let mut builder = cap_std::fs::DirBuilder::new();
        cap_std::fs::DirBuilderExt::mode(&mut builder, 0o700);
        made(target.create_dir_with(&name, &builder)).map_err(refused)?;
        let staging = target.open_dir(&name).map_err(refused)?;
        let this = Self {
            spool,
            tally,
            left: left.into(),
            folder,
            update,
            target,
            name,
            staging,
            open: Mutex::default(),
            closed: RwLock::default(),
        };
        if !this.tally.is_whole() {
            this.make_folders()?;
        }
        Ok(this)
    }

    fn make_folders(&self) -> Result<(), DiskError> {
        for number in 0..self.layout().entries() {
            let entry = self.spool.entry(number)?;
            if entry.kind == EntryKind::Folder {
                made(self.staging.create_dir(entry.path.as_str()))
                    .map_err(|cause| self.refused("make", &entry, cause))?;
            }
        }
        Ok(())
    }

    fn make_links(&self) -> Result<(), DiskError> {
        for number in (0..self.layout().entries()).rev() {
            let entry = self.spool.entry(number)?;
            // Links are listed last.
            let EntryKind::Link { target } = &entry.kind else { break };
            let text = link_text(&entry.path, target);
            made(self.staging.symlink(text, entry.path.as_str()))
                .map_err(|cause| self.refused("make", &entry, cause))?;
        }
        Ok(())
    }

    /// Which bytes are which range.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        self.spool.layout()
    }

    /// What an earlier run noted as written, and this one.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Path of the first file of a range, inside the folder, for people on both sides.
    #[must_use]
    pub fn file_of(&self, range: u64) -> String {
        let entry =
            self.layout().range(range).and_then(|range| range.pieces().first().map(|piece| piece.entry));
        let entry = entry.and_then(|entry| self.spool.entry(entry).ok());
        entry.map_or_else(String::new, |entry| entry.path.as_str().to_owned())
    }

    fn refused(&self, doing: &'static str, entry: &ManifestEntry, cause: impl Into<io::Error>) -> DiskError {
        DiskError::system(doing, &self.folder.join(entry.path.as_str()), cause)
    }

    /// Gives it up: waits until nothing is being written, and lets nothing be written any more.
    pub fn close(&self) {
        *self.closed.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Writes the verified content of a range, and notes it.
    ///
    /// # Errors
    /// [`DiskError::NoRoom`] when the rest of the transfer does not fit any more, [`DiskError::System`], naming the file; always
    /// after [`Staging::close`].
    pub fn write(&self, number: u64, content: &[u8], hash: &RangeHash) -> Result<(), DiskError> {
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        let range = self.begin(*closed, number)?;
        match &range {
            Range::Slice(piece) => {
                let long = self.long_file(piece.entry)?;
                let written = match long.sparse {
                    true => holes::write_around(&long.file, content, piece.offset),
                    false => long.file.write_all_at(content, piece.offset),
                };
                written
                    .or_else(|cause| Err(self.refused("write", &self.spool.entry(piece.entry)?, cause)))?;
            }
            Range::Pack(pieces) => {
                let mut rest = content;
                for piece in pieces {
                    let entry = self.spool.entry(piece.entry)?;
                    let len = usize::try_from(piece.len).unwrap_or(usize::MAX).min(rest.len());
                    let (own, others) = rest.split_at(len);
                    self.write_short(&entry, own).map_err(|cause| self.refused("write", &entry, cause))?;
                    rest = others;
                }
            }
        }
        self.note(number, &range, hash)
    }

    /// Makes a slice of a long file a hole, and notes it.
    ///
    /// # Errors
    /// As [`Staging::write`].
    pub fn write_hole(&self, number: u64, slice: &Piece, hash: &RangeHash) -> Result<(), DiskError> {
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        let range = self.begin(*closed, number)?;
        let punched = holes::punch(&self.long_file(slice.entry)?.file, slice.offset, slice.len);
        punched.or_else(|cause| Err(self.refused("write", &self.spool.entry(slice.entry)?, cause)))?;
        self.note(number, &range, hash)
    }

    /// The range that may be written now.
    fn begin(&self, closed: bool, number: u64) -> Result<Range, DiskError> {
        let refused = |kind: io::ErrorKind| DiskError::system("write to", &self.folder, kind);
        if closed {
            return Err(refused(io::ErrorKind::Interrupted));
        }
        if number.is_multiple_of(LOOK_EVERY) {
            room::check(&self.target, &self.folder, self.left.load(Ordering::Relaxed))?;
        }
        self.layout().range(number).ok_or_else(|| refused(io::ErrorKind::InvalidInput))
    }

    fn note(&self, number: u64, range: &Range, hash: &RangeHash) -> Result<(), DiskError> {
        self.tally.note(number, range, hash)?;
        self.left.fetch_sub(range.bytes(), Ordering::Relaxed);
        Ok(())
    }

    /// Reads a range again that an earlier run noted, and takes the note back unless it is true; whether it is.
    pub fn check(&self, number: u64, buffer: &mut Vec<u8>) -> bool {
        let Some(range) = self.layout().range(number) else { return false };
        let known = self.tally.hash(number).ok().flatten();
        let found = self.read(&range, buffer).ok();
        if known.is_some() && found == known {
            return true;
        }
        if let Err(error) = self.tally.forget(number) {
            // It does not count in this run, and the next one will doubt it again.
            tracing::warn!(%error, "a note could not be taken back");
        }
        self.left.fetch_add(range.bytes(), Ordering::Relaxed);
        false
    }

    /// The hash of what is on disk of a range. A file that is too short or cannot be read is as bad as one with other bytes: it is
    /// written again, and if that fails, too, it is told.
    fn read(&self, range: &Range, buffer: &mut Vec<u8>) -> io::Result<[u8; 32]> {
        let mut hasher = RangeHasher::new(range);
        for piece in range.pieces() {
            let len = usize::try_from(piece.len).unwrap_or(usize::MAX);
            if buffer.len() < len {
                buffer.resize(len, 0);
            }
            let entry = self.spool.entry(piece.entry).map_err(io::Error::other)?;
            let file = self.staging.open(entry.path.as_str())?.into_std();
            if matches!(range, Range::Pack(_)) && file.metadata()?.len() != piece.len {
                return Err(io::ErrorKind::InvalidData.into());
            }
            file.read_exact_at(&mut buffer[..len], piece.offset)?;
            hasher.update(&buffer[..len]);
        }
        Ok(hasher.finish().hash)
    }

    fn write_short(&self, entry: &ManifestEntry, content: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let path = entry.path.as_str();
        let file = match self.staging.open_with(path, &options) {
            // An earlier run did not come to note it.
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                self.staging.remove_file(path)?;
                self.staging.open_with(path, &options)?
            }
            opened => opened?,
        };
        let file = file.into_std();
        if entry.sparse {
            holes::write_around(&file, content, 0)?;
            file.set_len(entry.size)?;
        } else {
            file.write_all_at(content, 0)?;
        }
        set_attributes(&file, entry)
    }

    fn long_file(&self, number: u32) -> Result<Arc<LongFile>, DiskError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = open.iter().position(|(known, _)| *known == number) {
            let found = open.remove(at);
            let file = Arc::clone(&found.1);
            open.push(found);
            return Ok(file);
        }
        let entry = self.spool.entry(number)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true);
        let file = self.staging.open_with(entry.path.as_str(), &options);
        let file = file.map_err(|cause| self.refused("write", &entry, cause))?.into_std();
        if entry.sparse {
            // What ends in a hole is as long as it will be, so that it can be read again.
            file.set_len(entry.size).map_err(|cause| self.refused("write", &entry, cause))?;
        }
        let file = Arc::new(LongFile { file, sparse: entry.sparse });
        if open.len() == OPEN_FILES_MAX {
            open.remove(0);
        }
        open.push((number, Arc::clone(&file)));
        Ok(file)
    }

    /// Flushes everything and puts it in place, or ends what an earlier run began of that; the staging folder is gone then.
    /// Returns the digest over all files.
    ///
    /// # Errors
    /// [`DiskError::System`], naming the file. What was put in place already stays there.
    pub fn finish(&self) -> Result<[u8; 32], DiskError> {
        let digest = self.tally.digest(self.layout())?;
        if !self.tally.is_whole() {
            self.flush()?;
            self.tally.note_whole()?;
        }
        let refused = |cause| DiskError::system("write to", &self.folder, cause);
        if self.update {
            self.merge()?;
        }
        for number in 0..self.layout().entries() {
            let entry = self.spool.entry(number)?;
            let name = entry.path.as_str();
            // What is not here any more was put in place by an earlier run.
            if !name.contains('/') && self.staging.symlink_metadata(name).is_ok() {
                self.put(name).map_err(|cause| self.refused("put in place", &entry, cause))?;
            }
        }
        readable(&self.target).and_then(|target| target.sync_all()).map_err(refused)?;
        self.target.remove_dir_all(&self.name).map_err(refused)?;
        Ok(digest)
    }

    fn flush(&self) -> Result<(), DiskError> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // Last of all that is made, so that nothing was ever written through a link, and before folders get their times.
        self.make_links()?;
        let files = (0..self.layout().entries()).filter(|entry| self.layout().size(*entry).is_some());
        let each = files.take(FLUSHED_ALONE_MAX as usize + 1).count() <= FLUSHED_ALONE_MAX as usize;
        for number in 0..self.layout().entries() {
            let is_long = self.layout().size(number).is_some_and(|size| size > RANGE_BYTES);
            let is_file = self.layout().size(number).is_some();
            if is_long || !is_file || each {
                let entry = self.spool.entry(number)?;
                self.complete(&entry, each).map_err(|cause| self.refused("write", &entry, cause))?;
            }
        }
        if each {
            return Ok(());
        }
        let refused = |cause| DiskError::system("write to", &self.folder, cause);
        let staging = readable(&self.staging).map_err(refused)?;
        rustix::fs::syncfs(&staging).map_err(|cause| refused(cause.into()))
    }

    /// Sets what is set last, and flushes the entry.
    fn complete(&self, entry: &ManifestEntry, flush: bool) -> io::Result<()> {
        let path = entry.path.as_str();
        match &entry.kind {
            EntryKind::File => {
                let file = self.staging.open_with(path, OpenOptions::new().write(true))?.into_std();
                if entry.size > RANGE_BYTES {
                    file.set_len(entry.size)?;
                    set_attributes(&file, entry)?;
                }
                if flush { file.sync_all() } else { Ok(()) }
            }
            EntryKind::Folder => {
                let folder = readable(&self.staging.open_dir(path)?)?;
                set_modified(&folder, entry)?;
                if flush { folder.sync_all() } else { Ok(()) }
            }
            EntryKind::Link { .. } => Ok(()),
        }
    }

    /// Renames what stands at the top of the staging folder into place, under a name that is free.
    fn put(&self, name: &str) -> io::Result<()> {
        for number in 1..NUMBER_MAX {
            let free = if number == 1 { name.to_owned() } else { numbered(name, number) };
            match rename_without_overwriting(&self.staging, name, &self.target, &free) {
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                result => return result,
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// What a link at `path` says to lead to `target`: up as often as it is below the top, which both have in common, then down.
fn link_text(path: &RelativePath, target: &RelativePath) -> String {
    let ups = path.parts().count().saturating_sub(2);
    let text: Vec<&str> = std::iter::repeat_n("..", ups).chain(target.parts().skip(1)).collect();
    if text.is_empty() { ".".to_owned() } else { text.join("/") }
}

/// The folder as a file that can be flushed and dated; the handle of a [`Dir`] only names it (`O_PATH`).
fn readable(folder: &Dir) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(folder, ".", flags, Mode::empty())?.into())
}

fn rename_without_overwriting(from: &Dir, name: &str, to: &Dir, free: &str) -> io::Result<()> {
    match rustix::fs::renameat_with(from, name, to, free, RenameFlags::NOREPLACE) {
        // Some network file systems cannot rename without overwriting.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            if to.symlink_metadata(free).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            from.rename(name, to, free)
        }
        result => Ok(result?),
    }
}

/// What is there already is as good as what was made.
fn made(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

fn set_attributes(file: &File, entry: &ManifestEntry) -> io::Result<()> {
    set_modified(file, entry)?;
    if entry.executable {
        let mut permissions = file.metadata()?.permissions();
        // Whoever may read it may execute it.
        permissions.set_mode(permissions.mode() | (permissions.mode() & 0o444) >> 2);
        file.set_permissions(permissions)?;
    }
    Ok(())
}

fn set_modified(file: &File, entry: &ManifestEntry) -> io::Result<()> {
    let ms = Duration::from_millis(entry.modified_unix_ms.unsigned_abs());
    let modified: Option<SystemTime> =
        if entry.modified_unix_ms < 0 { UNIX_EPOCH.checked_sub(ms) } else { UNIX_EPOCH.checked_add(ms) };
    match modified.map(|modified| file.set_modified(modified)) {
        // A time that this disk cannot hold is no reason to refuse the file.
        Some(Err(cause)) if cause.kind() != io::ErrorKind::InvalidInput => Err(cause),
        Some(_) | None => Ok(()),
    }
}
