//! Brings what is in the folder already up to date, instead of putting everything beside it.
//!
//! What is there is read, compared and, where it is what is offered, taken from there instead of from the link. In the end each
//! file that differs is replaced in one atomic step; one that does not differ is not touched, and nothing is removed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use cap_std::fs::{OpenOptions, OpenOptionsExt};
use hobnob_wire::layout::Range;
use hobnob_wire::transfer::{EntryKind, ManifestEntry};
use hobnob_wire::tree::{RangeHash, RangeHasher};
use rustix::fs::OFlags;

use super::Staging;
use super::attributes::{set_attributes, set_modified};
use super::finish::readable;
use crate::core::transfer::SpanSet;
use crate::disk::trouble::DiskError;

/// What is compared at a time.
const BLOCK_BYTES: usize = 1 << 16;

impl Staging {
    /// Ranges whose files may be in the folder already: path and size are the same. None without `update`.
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn known_ranges(&self) -> Result<SpanSet, DiskError> {
        let mut known = SpanSet::default();
        if !self.plan.update || self.tally.is_whole()? {
            return Ok(known);
        }
        let mut recent = None;
        for number in 0..self.layout().ranges() {
            let Some(range) = self.layout().range(number) else { break };
            if self.tally.has(number) || !self.plan.selection.needs(&range) {
                continue;
            }
            let is_here = range.pieces().iter().all(|piece| match recent {
                // Ranges of a long file follow one another.
                Some((entry, is_here)) if entry == piece.entry => is_here,
                _ => {
                    let is_here = self.entry(piece.entry).is_ok_and(|entry| self.there(&entry).is_ok());
                    recent = Some((piece.entry, is_here));
                    is_here
                }
            });
            if is_here {
                known.insert(number);
            }
        }
        Ok(known)
    }

    /// The file in the folder that has the path and size of an entry.
    fn there(&self, entry: &ManifestEntry) -> io::Result<File> {
        let mut options = OpenOptions::new();
        // Neither a link elsewhere nor a pipe that would block.
        options.read(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        let file = self.disk.call("open", || self.target.open_with(entry.path.as_str(), &options))?;
        let file = file.into_std();
        let metadata = self.disk.call("look at", || file.metadata())?;
        let is_it = metadata.is_file() && metadata.len() == entry.size;
        is_it.then_some(file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Fills `content` with what is in the folder of a range, and hashes it; `None` when it is not there.
    pub fn known(&self, range: &Range, content: &mut [u8]) -> Option<RangeHash> {
        let mut hasher = RangeHasher::new(range);
        let mut rest = content;
        for piece in range.pieces() {
            let file = self.there(&self.entry(piece.entry).ok()?).ok()?;
            let own = rest.split_off_mut(..usize::try_from(piece.len).ok()?)?;
            self.disk.call("read", || file.read_exact_at(own, piece.offset)).ok()?;
            hasher.update(own);
        }
        Some(hasher.finish())
    }

    /// Moves what differs to its place; what is left in the staging folder then has its like in the folder. Done again after
    /// a crash it goes on where it was.
    pub(super) fn merge(&self) -> Result<(), DiskError> {
        let taken = |number: &u32| self.plan.selection.has(*number);
        for number in (0..self.layout().entries()).filter(taken) {
            let entry = self.entry(number)?;
            let merged = match entry.kind {
                EntryKind::Folder => self.merge_folder(&entry),
                EntryKind::File | EntryKind::Link { .. } => self.merge_file(&entry),
            };
            merged.map_err(|cause| self.refused("put in place", &entry, cause))?;
        }
        for number in (0..self.layout().entries()).rev().filter(taken) {
            let entry = self.entry(number)?;
            if entry.kind == EntryKind::Folder {
                self.end_folder(&entry).map_err(|cause| self.refused("put in place", &entry, cause))?;
            }
        }
        // What was moved lies in many folders.
        let refused = |cause| DiskError::system("write to", &self.plan.folder, cause);
        let target = readable(&self.disk, &self.target).map_err(refused)?;
        self.disk.call("flush", || rustix::fs::syncfs(&target)).map_err(refused)
    }

    /// Everything in a folder has been moved: dates it, and removes what it was moved from.
    fn end_folder(&self, entry: &ManifestEntry) -> io::Result<()> {
        let (disk, path) = (&self.disk, entry.path.as_str());
        let folder = disk.call("open", || self.target.open_dir(path))?;
        set_modified(disk, &readable(disk, &folder)?, entry)?;
        if path.contains('/') {
            return Ok(());
        }
        match disk.call("remove", || self.staging.remove_dir_all(path)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn merge_folder(&self, entry: &ManifestEntry) -> io::Result<()> {
        let (disk, path) = (&self.disk, entry.path.as_str());
        match disk.call("make a folder", || self.target.create_dir(path)) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                disk.call("open", || self.target.open_dir(path)).map(drop)
            }
            made => made,
        }
    }

    fn merge_file(&self, entry: &ManifestEntry) -> io::Result<()> {
        let (disk, path) = (&self.disk, entry.path.as_str());
        match disk.call("look at", || self.staging.symlink_metadata(path)) {
            // An earlier run has moved it.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(cause) => return Err(cause),
            Ok(_) => {}
        }
        if entry.kind == EntryKind::File && self.is_same(entry)? {
            set_attributes(disk, &self.there(entry)?, entry, self.plan.programs)?;
            return disk.call("remove", || self.staging.remove_file(path));
        }
        disk.call("rename", || self.staging.rename(path, &self.target, path))
    }

    /// Whether the file in the folder holds the same bytes as the one that was received.
    fn is_same(&self, entry: &ManifestEntry) -> io::Result<bool> {
        let Ok(there) = self.there(entry) else { return Ok(false) };
        let here = self.disk.call("open", || self.staging.open(entry.path.as_str()))?.into_std();
        let (mut ours, mut theirs) = (vec![0; BLOCK_BYTES], vec![0; BLOCK_BYTES]);
        let mut at = 0;
        while at < entry.size {
            let len = usize::try_from(entry.size - at).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
            self.disk.call("read", || here.read_exact_at(&mut ours[..len], at))?;
            self.disk.call("read", || there.read_exact_at(&mut theirs[..len], at))?;
            if ours[..len] != theirs[..len] {
                return Ok(false);
            }
            at += len as u64;
        }
        Ok(true)
    }
}
