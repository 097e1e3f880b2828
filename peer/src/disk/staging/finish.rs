//! Puts what is complete in place.

use std::fs::File;
use std::io;
use std::sync::PoisonError;

use cap_std::fs::{Dir, OpenOptions};
use hobnob_wire::layout::Range;
use hobnob_wire::limits::RANGE_BYTES;
use hobnob_wire::transfer::{EntryKind, ManifestEntry, RelativePath};
use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::attributes::{set_attributes, set_modified};
use super::{Staging, made};
use crate::core::transfer::names::numbered;
use crate::disk::calls::Disk;
use crate::disk::trouble::DiskError;

/// Up to so many files are flushed one by one; more are flushed with their whole file system, which is faster then.
const FLUSHED_ALONE_MAX: u32 = 64;
/// Numbers that are tried for a name that is taken.
const NUMBER_MAX: u32 = 10_000;

impl Staging {
    /// Flushes everything and puts it in place, or ends what an earlier run began of that; the staging folder is gone then.
    /// Returns the digest over all files.
    ///
    /// # Errors
    /// [`DiskError::Gone`] and [`DiskError::System`], naming the file. What was put in place already stays there.
    pub fn finish(&self) -> Result<[u8; 32], DiskError> {
        let digest = self.tally.digest(self.layout(), &self.plan.selection)?;
        self.still_there()?;
        if !self.tally.is_whole()? {
            self.flush()?;
            self.tally.note_whole()?;
        }
        let folder = &self.plan.folder;
        let refused = |cause| DiskError::system("write to", folder, cause);
        if self.plan.update {
            self.merge()?;
        }
        for number in 0..self.layout().entries() {
            let entry = self.entry(number)?;
            let name = entry.path.as_str();
            if name.contains('/') {
                continue;
            }
            match self.disk.call("look at", || self.staging.symlink_metadata(name)) {
                Ok(_) => self.put(name).map_err(|cause| self.refused("put in place", &entry, cause))?,
                // It was not taken, or an earlier run has put it in place.
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                Err(cause) => return Err(self.refused("put in place", &entry, cause)),
            }
        }
        let target = readable(&self.disk, &self.target).map_err(refused)?;
        self.disk.call("flush", || target.sync_all()).map_err(refused)?;
        self.disk.call("remove", || self.target.remove_dir_all(&self.name)).map_err(refused)?;
        Ok(digest)
    }

    fn flush(&self) -> Result<(), DiskError> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // Last of all that is made, so that nothing was ever written through a link, and before folders get their times.
        self.make_links()?;
        let taken = |number: &u32| self.plan.selection.has(*number);
        let files = (0..self.layout().entries()).filter(|entry| self.layout().size(*entry).is_some());
        let few = FLUSHED_ALONE_MAX as usize;
        let each = files.filter(taken).take(few + 1).count() <= few;
        for number in (0..self.layout().entries()).filter(taken) {
            let is_long = self.layout().size(number).is_some_and(|size| size > RANGE_BYTES);
            let is_file = self.layout().size(number).is_some();
            if is_long || !is_file || each {
                let entry = self.entry(number)?;
                self.complete(&entry, each).map_err(|cause| {
                    self.distrust(each.then_some(number));
                    self.refused("write", &entry, cause)
                })?;
            }
        }
        if each {
            return Ok(());
        }
        let refused = |cause| DiskError::system("write to", &self.plan.folder, cause);
        let staging = readable(&self.disk, &self.staging).map_err(refused)?;
        self.disk.call("flush", || rustix::fs::syncfs(&staging)).map_err(|cause| {
            self.distrust(None);
            refused(cause)
        })
    }

    /// Takes back what was noted of an entry, or of all: what could not be flushed may be gone although it can still be read.
    fn distrust(&self, entry: Option<u32>) {
        for number in 0..self.layout().ranges() {
            let is_of = |range: &Range| range.pieces().iter().any(|piece| Some(piece.entry) == entry);
            if self.tally.has(number)
                && (entry.is_none() || self.layout().range(number).is_some_and(|range| is_of(&range)))
                && let Err(error) = self.tally.forget(number)
            {
                tracing::warn!(%error, "a note could not be taken back");
            }
        }
    }

    fn make_links(&self) -> Result<(), DiskError> {
        for number in (0..self.layout().entries()).rev() {
            let entry = self.entry(number)?;
            // Links are listed last.
            let EntryKind::Link { target } = &entry.kind else { break };
            if self.plan.selection.has(number) {
                let text = link_text(&entry.path, target);
                made(self.disk.call("link", || self.staging.symlink(text, entry.path.as_str())))
                    .map_err(|cause| self.refused("make", &entry, cause))?;
            }
        }
        Ok(())
    }

    /// Sets what is set last, and flushes the entry.
    fn complete(&self, entry: &ManifestEntry, flush: bool) -> io::Result<()> {
        let (disk, path) = (&self.disk, entry.path.as_str());
        let flushed = |file: File| if flush { disk.call("flush", || file.sync_all()) } else { Ok(()) };
        match &entry.kind {
            EntryKind::File => {
                let mut options = OpenOptions::new();
                options.write(true);
                let file = disk.call("open", || self.staging.open_with(path, &options))?.into_std();
                if entry.size > RANGE_BYTES {
                    disk.call("stretch", || file.set_len(entry.size))?;
                    set_attributes(disk, &file, entry, self.plan.programs)?;
                }
                flushed(file)
            }
            EntryKind::Folder => {
                let folder = disk.call("open", || self.staging.open_dir(path))?;
                let folder = readable(disk, &folder)?;
                set_modified(disk, &folder, entry)?;
                flushed(folder)
            }
            EntryKind::Link { .. } => Ok(()),
        }
    }

    /// Renames what stands at the top of the staging folder into place, under a name that is free.
    fn put(&self, name: &str) -> io::Result<()> {
        for number in 1..NUMBER_MAX {
            let free = if number == 1 { name.to_owned() } else { numbered(name, number) };
            match self.rename_without_overwriting(name, &free) {
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Ok(()) if number > 1 => {
                    let mut renamed = self.renamed.lock().unwrap_or_else(PoisonError::into_inner);
                    renamed.insert(name.to_owned(), free);
                    return Ok(());
                }
                result => return result,
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn rename_without_overwriting(&self, name: &str, free: &str) -> io::Result<()> {
        let (disk, from, to) = (&self.disk, &self.staging, &self.target);
        let rename = || rustix::fs::renameat_with(from, name, to, free, RenameFlags::NOREPLACE);
        match disk.call("rename", rename) {
            // Some network file systems cannot rename without overwriting.
            Err(cause) if matches!(Errno::from_io_error(&cause), Some(Errno::INVAL | Errno::NOSYS)) => {
                match disk.call("look at", || to.symlink_metadata(free)) {
                    Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                    Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                        disk.call("rename", || from.rename(name, to, free))
                    }
                    Err(cause) => Err(cause),
                }
            }
            result => result,
        }
    }
}

/// What a link at `path` says to lead to `target`: up as often as it is below the top, which both have in common, then down.
fn link_text(path: &RelativePath, target: &RelativePath) -> String {
    let ups = path.parts().count().saturating_sub(2);
    let text: Vec<&str> = std::iter::repeat_n("..", ups).chain(target.parts().skip(1)).collect();
    if text.is_empty() { ".".to_owned() } else { text.join("/") }
}

/// The folder as a file that can be flushed and dated; the handle of a [`Dir`] only names it (`O_PATH`).
pub(super) fn readable(disk: &Disk, folder: &Dir) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(disk.call("open", || rustix::fs::openat(folder, ".", flags, Mode::empty()))?.into())
}
