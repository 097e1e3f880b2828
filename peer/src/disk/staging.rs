//! Writes what arrives beside its place, then puts it there.
//!
//! Everything is built in a folder `.hobnob-ID.part` inside the folder that the user chose: only this user may enter it, and
//! `cap-std` keeps every path inside. What is there outlasts the process; its [`Tally`] says which ranges it is. When all is there, what stands at its top is renamed into place, one atomic step for a file or a
//! whole folder, and never over something that is there already: then the name gets a number.

mod again;
mod attributes;
mod finish;
mod lend;
mod update;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use hobnob_wire::TransferId;
use hobnob_wire::layout::{Layout, Piece, Range};
use hobnob_wire::transfer::{EntryKind, ManifestEntry};
use hobnob_wire::tree::RangeHash;

use self::attributes::set_attributes;
use super::calls::Disk;
use super::selection::Selection;
use super::spool::Spool;
use super::tally::{Tally, tally_path};
use super::trouble::DiskError;
use super::{holes, room};

/// Files that are kept open while they arrive: more than one transfer has ranges in flight.
const OPEN_FILES_MAX: usize = 16;
/// The room is looked at again each time that so many ranges have been written.
const LOOK_EVERY: u64 = 16;

/// What is to be received, and where.
#[derive(Debug)]
pub struct Plan {
    /// The folder that the user chose.
    pub folder: PathBuf,
    /// Whether files that are there already are brought up to date.
    pub update: bool,
    /// The list of files, whose names are fit for this disk already.
    pub spool: Spool,
    /// Which of them are taken.
    pub selection: Selection,
    /// Whether what is put in place may be executed.
    pub programs: bool,
}

/// A transfer on its way to its folder.
#[derive(Debug)]
pub struct Staging {
    disk: Disk,
    plan: Plan,
    tally: Tally,
    /// Bytes that are not here.
    left: AtomicU64,
    target: Dir,
    name: String,
    staging: Dir,
    /// Long files that are open, the one used last at the end.
    open: Mutex<Vec<(u32, Arc<LongFile>)>>,
    /// Whether it has been given up; held for reading while something is written.
    closed: RwLock<bool>,
    /// Names at the top that got another one in the folder.
    renamed: Mutex<BTreeMap<String, String>>,
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
pub fn discard(disk: &Disk, folder: &Path, transfer: TransferId) -> Result<(), DiskError> {
    let refused = |cause| DiskError::system("clean", folder, cause);
    let target = match disk.call("open", || Dir::open_ambient_dir(folder, ambient_authority())) {
        Ok(target) => target,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(refused(cause)),
    };
    match disk.call("remove", || target.remove_dir_all(staging_name(transfer))) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(refused(cause)),
        Ok(()) | Err(_) => Ok(()),
    }
}

impl Staging {
    /// Makes ready to write what is planned, and finds what an earlier run left there.
    ///
    /// # Errors
    /// [`DiskError::NoRoom`] when the rest does not fit, [`DiskError::Gone`] and [`DiskError::System`].
    pub fn open(disk: &Disk, transfer: TransferId, plan: Plan) -> Result<Self, DiskError> {
        let Plan { folder, spool, selection, .. } = &plan;
        let layout = spool.layout();
        let tally = Tally::open(disk, tally_path(disk, transfer), spool.digest(), layout)?;
        let name = staging_name(transfer);
        let noted = tally.noted();
        let (is_begun, is_whole) = (!noted.is_empty(), tally.is_whole()?);
        if is_begun && !is_whole && !is_folder(disk, &folder.join(&name))? {
            return Err(DiskError::Gone { folder: folder.join(name) });
        }
        let target = room::open(disk, folder)?;
        if !is_begun && !is_whole {
            discard(disk, folder, transfer)?;
        }
        let bytes = |number| layout.range(number).map_or(0, |range| selection.bytes_of(&range));
        let here: u64 =
            noted.spans(usize::MAX).into_iter().flat_map(|span| span.start..span.end).map(bytes).sum();
        let left = selection.sum(layout).map_or(layout.bytes(), |sum| sum.bytes).saturating_sub(here);
        room::check(disk, &target, folder, left)?;
        let refused = |cause| DiskError::system("write to", folder, cause);
        let mut builder = cap_std::fs::DirBuilder::new();
        cap_std::fs::DirBuilderExt::mode(&mut builder, 0o700);
        made(disk.call("make a folder", || target.create_dir_with(&name, &builder))).map_err(refused)?;
        let staging = disk.call("open", || target.open_dir(&name)).map_err(refused)?;
        let this = Self {
            disk: disk.clone(),
            plan,
            tally,
            left: left.into(),
            target,
            name,
            staging,
            open: Mutex::default(),
            closed: RwLock::default(),
            renamed: Mutex::default(),
        };
        if !is_whole {
            this.make_folders()?;
        }
        Ok(this)
    }

    fn make_folders(&self) -> Result<(), DiskError> {
        for number in 0..self.layout().entries() {
            let entry = self.plan.spool.entry(number)?;
            if entry.kind == EntryKind::Folder && self.plan.selection.has(number) {
                made(self.disk.call("make a folder", || self.staging.create_dir(entry.path.as_str())))
                    .map_err(|cause| self.refused("make", &entry, cause))?;
            }
        }
        Ok(())
    }

    /// Which bytes are which range.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        self.plan.spool.layout()
    }

    /// Which entries are taken.
    #[must_use]
    pub const fn selection(&self) -> &Selection {
        &self.plan.selection
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
        let entry = entry.and_then(|entry| self.plan.spool.entry(entry).ok());
        entry.map_or_else(String::new, |entry| entry.path.as_str().to_owned())
    }

    fn refused(&self, doing: &'static str, entry: &ManifestEntry, cause: impl Into<io::Error>) -> DiskError {
        DiskError::system(doing, &self.plan.folder.join(entry.path.as_str()), cause)
    }

    /// Gives it up: waits until nothing is being written, and lets nothing be written any more.
    pub fn close(&self) {
        *self.closed.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Writes the verified content of a range, and notes it; returns the bytes of it that are taken.
    ///
    /// # Errors
    /// [`DiskError::NoRoom`] when the rest of the transfer does not fit any more, [`DiskError::Gone`] when the folder is not
    /// where it was, [`DiskError::System`], naming the file; always after [`Staging::close`].
    pub fn write(&self, number: u64, content: &[u8], hash: &RangeHash) -> Result<u64, DiskError> {
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        let range = self.begin(*closed, number)?;
        match &range {
            Range::Slice(piece) => {
                let long = self.long_file(piece.entry)?;
                let written = match long.sparse {
                    true => holes::write_around(&self.disk, &long.file, content, piece.offset),
                    false => self.disk.call("write", || long.file.write_all_at(content, piece.offset)),
                };
                written.or_else(|cause| Err(self.refused("write", &self.entry(piece.entry)?, cause)))?;
            }
            Range::Pack(pieces) => {
                let mut rest = content;
                for piece in pieces {
                    let len = usize::try_from(piece.len).unwrap_or(usize::MAX).min(rest.len());
                    let (own, others) = rest.split_at(len);
                    rest = others;
                    if self.plan.selection.has(piece.entry) {
                        let entry = self.entry(piece.entry)?;
                        self.write_short(&entry, own)
                            .map_err(|cause| self.refused("write", &entry, cause))?;
                    }
                }
            }
        }
        self.note(number, &range, hash)
    }

    /// Makes a slice of a long file a hole, and notes it; returns its bytes.
    ///
    /// # Errors
    /// As [`Staging::write`].
    pub fn write_hole(&self, number: u64, slice: &Piece, hash: &RangeHash) -> Result<u64, DiskError> {
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        let range = self.begin(*closed, number)?;
        let punched = holes::punch(&self.disk, &self.long_file(slice.entry)?.file, slice.offset, slice.len);
        punched.or_else(|cause| Err(self.refused("write", &self.entry(slice.entry)?, cause)))?;
        self.note(number, &range, hash)
    }

    fn entry(&self, number: u32) -> Result<ManifestEntry, DiskError> {
        self.plan.spool.entry(number)
    }

    /// The range that may be written now.
    fn begin(&self, closed: bool, number: u64) -> Result<Range, DiskError> {
        let refused = |kind: io::ErrorKind| DiskError::system("write to", &self.plan.folder, kind);
        if closed {
            return Err(refused(io::ErrorKind::Interrupted));
        }
        self.still_there()?;
        if number.is_multiple_of(LOOK_EVERY) {
            room::check(&self.disk, &self.target, &self.plan.folder, self.left.load(Ordering::Relaxed))?;
        }
        self.layout().range(number).ok_or_else(|| refused(io::ErrorKind::InvalidInput))
    }

    /// Sees that the folder is where it was when it was opened: what is written into one whose disk was taken away is nowhere.
    fn still_there(&self) -> Result<(), DiskError> {
        let folder = &self.plan.folder;
        let refused = |cause: io::Error| DiskError::system("write to", folder, cause);
        let gone = || DiskError::Gone { folder: folder.join(&self.name) };
        let open = self.disk.call("look at", || rustix::fs::fstat(&self.target)).map_err(refused)?;
        let named = match self.disk.call("look at", || std::fs::metadata(folder)) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Err(gone()),
            named => named.map_err(refused)?,
        };
        if (open.st_dev, open.st_ino) == (named.dev(), named.ino()) { Ok(()) } else { Err(gone()) }
    }

    fn note(&self, number: u64, range: &Range, hash: &RangeHash) -> Result<u64, DiskError> {
        self.tally.note(number, range, hash)?;
        let taken = self.plan.selection.bytes_of(range);
        self.left.fetch_sub(taken, Ordering::Relaxed);
        Ok(taken)
    }

    fn write_short(&self, entry: &ManifestEntry, content: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let path = entry.path.as_str();
        let create = || self.disk.call("create", || self.staging.open_with(path, &options));
        let file = match create() {
            // An earlier run did not come to note it.
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                self.disk.call("remove", || self.staging.remove_file(path))?;
                create()?
            }
            opened => opened?,
        };
        let file = file.into_std();
        if entry.sparse {
            holes::write_around(&self.disk, &file, content, 0)?;
            self.disk.call("stretch", || file.set_len(entry.size))?;
        } else {
            self.disk.call("write", || file.write_all_at(content, 0))?;
        }
        set_attributes(&self.disk, &file, entry, self.plan.programs)
    }

    fn long_file(&self, number: u32) -> Result<Arc<LongFile>, DiskError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = open.iter().position(|(known, _)| *known == number) {
            let found = open.remove(at);
            let file = Arc::clone(&found.1);
            open.push(found);
            return Ok(file);
        }
        let entry = self.entry(number)?;
        let refused = |cause| self.refused("write", &entry, cause);
        let mut options = OpenOptions::new();
        options.write(true).create(true);
        let file = self.disk.call("create", || self.staging.open_with(entry.path.as_str(), &options));
        let file = file.map_err(refused)?.into_std();
        if entry.sparse {
            // What ends in a hole is as long as it will be, so that it can be read again.
            self.disk.call("stretch", || file.set_len(entry.size)).map_err(refused)?;
        }
        let file = Arc::new(LongFile { file, sparse: entry.sparse });
        if open.len() == OPEN_FILES_MAX {
            open.remove(0);
        }
        open.push((number, Arc::clone(&file)));
        Ok(file)
    }
}

fn is_folder(disk: &Disk, path: &Path) -> Result<bool, DiskError> {
    match disk.call("look at", || std::fs::symlink_metadata(path)) {
        Ok(found) => Ok(found.is_dir()),
        Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(cause) => Err(DiskError::system("write to", path, cause)),
    }
}

/// What is there already is as good as what was made.
fn made(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}
