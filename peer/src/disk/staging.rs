//! Writes what arrives beside its place, then puts it there.
//!
//! Everything is built in a folder `.hobnob-ID.part` inside the folder that the user chose: only this user may enter it, and
//! `cap-std` keeps every path inside. When all is there, what stands at its top is renamed into place, one atomic step for a file or a
//! whole folder, and never over something that is there already: then the name gets a number.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use hobnob_wire::TransferId;
use hobnob_wire::layout::{Layout, Piece, Range};
use hobnob_wire::limits::RANGE_BYTES;
use hobnob_wire::transfer::{EntryKind, ManifestEntry, RelativePath};
use rustix::fs::{Mode, OFlags, RenameFlags};

use super::holes;
use super::spool::Spool;
use super::trouble::DiskError;
use crate::core::transfer::names::numbered;

/// Files that are kept open while they arrive: more than one transfer has ranges in flight.
const OPEN_FILES_MAX: usize = 16;
/// Up to so many files are flushed one by one; more are flushed with their whole file system, which is faster then.
const FLUSHED_ALONE_MAX: u32 = 64;
/// Numbers that are tried for a name that is taken.
const NUMBER_MAX: u32 = 10_000;
/// Room that is left on the disk beside the transfer, so that the rest of the system can breathe.
const ROOM_LEFT: u64 = 16 << 20;

/// A transfer on its way to its folder.
#[derive(Debug)]
pub struct Staging {
    spool: Spool,
    /// The folder that the user chose.
    folder: PathBuf,
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
    /// Prepares `folder` for what `spool` lists, whose names are fit for this disk already. What an earlier run left is
    /// removed; the folder is made when it is not there.
    ///
    /// # Errors
    /// [`DiskError::NoRoom`] and [`DiskError::System`].
    pub fn create(folder: PathBuf, transfer: TransferId, spool: Spool) -> Result<Self, DiskError> {
        let refused = |cause| DiskError::system("write to", &folder, cause);
        std::fs::create_dir_all(&folder).map_err(refused)?;
        let target = Dir::open_ambient_dir(&folder, ambient_authority()).map_err(refused)?;
        discard(&folder, transfer)?;
        check_room(&target, &folder, spool.layout().bytes())?;
        let name = staging_name(transfer);
        let mut builder = cap_std::fs::DirBuilder::new();
        cap_std::fs::DirBuilderExt::mode(&mut builder, 0o700);
        target.create_dir_with(&name, &builder).map_err(refused)?;
        let staging = target.open_dir(&name).map_err(refused)?;
        let this =
            Self { spool, folder, target, name, staging, open: Mutex::default(), closed: RwLock::default() };
        this.make_folders()?;
        Ok(this)
    }

    fn make_folders(&self) -> Result<(), DiskError> {
        for number in 0..self.layout().entries() {
            let entry = self.spool.entry(number)?;
            if entry.kind == EntryKind::Folder {
                let made = self.staging.create_dir(entry.path.as_str());
                made.map_err(|cause| self.refused("make", &entry, cause))?;
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
            let made = self.staging.symlink(text, entry.path.as_str());
            made.map_err(|cause| self.refused("make", &entry, cause))?;
        }
        Ok(())
    }

    /// Which bytes are which range.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        self.spool.layout()
    }

    /// Path of the first file of a range, as it will be called here, for people.
    #[must_use]
    pub fn file_of(&self, range: u64) -> String {
        let entry =
            self.layout().range(range).and_then(|range| range.pieces().first().map(|piece| piece.entry));
        let entry = entry.and_then(|entry| self.spool.entry(entry).ok());
        entry.map_or_else(String::new, |entry| self.folder.join(entry.path.as_str()).display().to_string())
    }

    fn refused(&self, doing: &'static str, entry: &ManifestEntry, cause: impl Into<io::Error>) -> DiskError {
        DiskError::system(doing, &self.folder.join(entry.path.as_str()), cause)
    }

    /// Gives it up: waits until nothing is being written, and lets nothing be written any more.
    pub fn close(&self) {
        *self.closed.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Writes the verified content of a range.
    ///
    /// # Errors
    /// [`DiskError::System`], naming the file; always after [`Staging::close`].
    pub fn write(&self, range: &Range, content: &[u8]) -> Result<(), DiskError> {
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Err(DiskError::system("write to", &self.folder, io::ErrorKind::Interrupted));
        }
        match range {
            Range::Slice(piece) => {
                let long = self.long_file(piece.entry)?;
                let written = match long.sparse {
                    true => holes::write_around(&long.file, content, piece.offset),
                    false => long.file.write_all_at(content, piece.offset),
                };
                written.or_else(|cause| Err(self.refused("write", &self.spool.entry(piece.entry)?, cause)))
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
                Ok(())
            }
        }
    }

    /// Makes a slice of a long file a hole.
    ///
    /// # Errors
    /// As [`Staging::write`].
    pub fn write_hole(&self, slice: &Piece) -> Result<(), DiskError> {
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Err(DiskError::system("write to", &self.folder, io::ErrorKind::Interrupted));
        }
        let punched = holes::punch(&self.long_file(slice.entry)?.file, slice.offset, slice.len);
        punched.or_else(|cause| Err(self.refused("write", &self.spool.entry(slice.entry)?, cause)))
    }

    fn write_short(&self, entry: &ManifestEntry, content: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let file = self.staging.open_with(entry.path.as_str(), &options)?.into_std();
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
        let file = Arc::new(LongFile { file, sparse: entry.sparse });
        if open.len() == OPEN_FILES_MAX {
            open.remove(0);
        }
        open.push((number, Arc::clone(&file)));
        Ok(file)
    }

    /// Flushes everything and puts it in place; the staging folder is gone then.
    ///
    /// # Errors
    /// [`DiskError::System`], naming the file. What was put in place already stays there.
    pub fn finish(&self) -> Result<(), DiskError> {
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
        let refused = |cause| DiskError::system("write to", &self.folder, cause);
        if !each {
            let staging = readable(&self.staging).map_err(refused)?;
            rustix::fs::syncfs(&staging).map_err(|cause| refused(cause.into()))?;
        }
        for number in 0..self.layout().entries() {
            let entry = self.spool.entry(number)?;
            if !entry.path.as_str().contains('/') {
                self.put(entry.path.as_str()).map_err(|cause| self.refused("put in place", &entry, cause))?;
            }
        }
        readable(&self.target).and_then(|target| target.sync_all()).map_err(refused)?;
        self.target.remove_dir_all(&self.name).map_err(refused)
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

fn check_room(target: &Dir, folder: &Path, needed: u64) -> Result<(), DiskError> {
    let disk = rustix::fs::fstatvfs(target).map_err(|cause| DiskError::system("write to", folder, cause))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if needed > free.saturating_sub(ROOM_LEFT.min(free / 16)) {
        return Err(DiskError::NoRoom { folder: folder.to_owned(), needed, free });
    }
    Ok(())
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
