//! Which entries of a manifest are taken, when not all are.
//!
//! The receiver keeps it beside the spool, because its spool calls things as they are called here, and patterns are about what
//! the sender calls them.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use hobnob_wire::TransferId;
use hobnob_wire::choice::Choice;
use hobnob_wire::layout::{Layout, Range};
use hobnob_wire::transfer::EntryKind;

use super::calls::Disk;
use super::spool::Spool;
use super::trouble::DiskError;
use crate::core::transfer::SpanSet;
use crate::core::view::Chosen;

/// What the file of a selection begins with; another number when its format changes.
const FORMAT: &[u8; 16] = b"hobnob choice 1\n";

/// Where the selection of a transfer is.
#[must_use]
pub fn selection_path(disk: &Disk, transfer: TransferId) -> PathBuf {
    disk.transfers().join(format!("{transfer}.choice"))
}

/// A set of entries: a bit for each, or all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection(Option<Vec<u8>>);

impl Selection {
    /// Everything.
    #[must_use]
    pub const fn everything() -> Self {
        Self(None)
    }

    /// Nothing so far.
    #[must_use]
    pub const fn nothing() -> Self {
        Self(Some(Vec::new()))
    }

    /// What a choice takes of a manifest with the sender's own names.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn of(spool: &Spool, choice: &Choice) -> Result<Self, DiskError> {
        let mut this = Self::nothing();
        let chooser = choice.chooser();
        for number in 0..spool.layout().entries() {
            if chooser.takes(&spool.entry(number)?.path) {
                this.insert(number);
            }
        }
        Ok(this)
    }

    /// Takes an entry in.
    pub fn insert(&mut self, entry: u32) {
        let Some(bits) = &mut self.0 else { return };
        let at = entry as usize / 8;
        if bits.len() <= at {
            bits.resize(at + 1, 0);
        }
        bits[at] |= 1 << (entry % 8);
    }

    /// Whether an entry is taken.
    #[must_use]
    pub fn has(&self, entry: u32) -> bool {
        let Some(bits) = &self.0 else { return true };
        bits.get(entry as usize / 8).is_some_and(|byte| byte & 1 << (entry % 8) != 0)
    }

    /// Whether not all is taken.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a range holds anything that is taken.
    #[must_use]
    pub fn needs(&self, range: &Range) -> bool {
        range.pieces().iter().any(|piece| self.has(piece.entry))
    }

    /// Bytes of a range that are taken.
    #[must_use]
    pub fn bytes_of(&self, range: &Range) -> u64 {
        range.pieces().iter().filter(|piece| self.has(piece.entry)).map(|piece| piece.len).sum()
    }

    /// Ranges that hold anything that is taken.
    #[must_use]
    pub fn ranges(&self, layout: &Layout) -> SpanSet {
        if !self.is_partial() {
            return SpanSet::below(layout.ranges());
        }
        let mut needed = SpanSet::default();
        for number in 0..layout.ranges() {
            if layout.range(number).is_some_and(|range| self.needs(&range)) {
                needed.insert(number);
            }
        }
        needed
    }

    /// How much is taken, of how much; `None` when it is all.
    #[must_use]
    pub fn sum(&self, layout: &Layout) -> Option<Chosen> {
        if !self.is_partial() {
            return None;
        }
        let mut sum = Chosen::default();
        for (number, size) in (0..layout.entries()).filter_map(|number| Some((number, layout.size(number)?)))
        {
            sum.of += 1;
            if self.has(number) {
                sum.files += 1;
                sum.bytes += size;
            }
        }
        Some(sum)
    }

    /// Takes in the folders that lead to what is taken. The names are those of this disk.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn add_folders(&mut self, spool: &Spool) -> Result<(), DiskError> {
        let mut needed: BTreeSet<String> = BTreeSet::new();
        // A folder is listed before what is in it.
        for number in (0..spool.layout().entries()).rev() {
            let entry = spool.entry(number)?;
            let is_needed = entry.kind == EntryKind::Folder && needed.remove(entry.path.as_str());
            if is_needed {
                self.insert(number);
            }
            if self.has(number)
                && let Some((folder, _)) = entry.path.as_str().rsplit_once('/')
                && !needed.contains(folder)
            {
                needed.insert(folder.to_owned());
            }
        }
        Ok(())
    }

    /// Keeps it for later runs, for the spool with this digest.
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn save(&self, disk: &Disk, transfer: TransferId, digest: &[u8; 32]) -> Result<(), DiskError> {
        let Some(bits) = &self.0 else { return Ok(()) };
        let path = selection_path(disk, transfer);
        let refused = |cause| DiskError::system("write", &path, cause);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = disk.call("create", || options.open(&path)).map_err(refused)?;
        let content = [FORMAT.as_slice(), digest, bits].concat();
        let sealed = [content.as_slice(), blake3::hash(&content).as_bytes()].concat();
        disk.call("write", || file.write_all(&sealed)).map_err(refused)
    }

    /// What an earlier run kept for the spool with this digest; `None` when that is not whole.
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn load(disk: &Disk, transfer: TransferId, digest: &[u8; 32]) -> Result<Option<Self>, DiskError> {
        let path = selection_path(disk, transfer);
        let refused = |cause| DiskError::system("read", &path, cause);
        let mut file = match disk.call("open", || File::open(&path)) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(refused)?,
        };
        let mut found = Vec::new();
        disk.call("read", || file.read_to_end(&mut found)).map_err(refused)?;
        let start = [FORMAT.as_slice(), digest].concat();
        let bits = found.split_last_chunk::<32>().and_then(|(content, hash)| {
            let is_whole = blake3::hash(content).as_bytes() == hash;
            content.strip_prefix(start.as_slice()).filter(|_| is_whole)
        });
        Ok(bits.map(|bits| Self(Some(bits.to_vec()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_comes_back_and_what_is_torn_does_not() {
        let home = tempfile::tempdir().unwrap();
        let disk = Disk::new(home.path().to_owned());
        let transfer = TransferId::new([1; 16]);
        let mut selection = Selection::nothing();
        [0, 9, 700].into_iter().for_each(|entry| selection.insert(entry));
        assert_eq!(Selection::load(&disk, transfer, &[2; 32]).unwrap(), None);
        selection.save(&disk, transfer, &[2; 32]).unwrap();
        assert_eq!(Selection::load(&disk, transfer, &[2; 32]).unwrap(), Some(selection.clone()));
        assert_eq!(Selection::load(&disk, transfer, &[3; 32]).unwrap(), None);
        assert!(selection.has(700) && !selection.has(701) && !selection.has(70_000));
        let path = selection_path(&disk, transfer);
        let whole = std::fs::read(&path).unwrap();
        for len in 0..whole.len() {
            std::fs::write(&path, &whole[..len]).unwrap();
            assert_eq!(Selection::load(&disk, transfer, &[2; 32]).unwrap(), None, "{len} bytes");
        }
    }

    #[test]
    fn only_ranges_with_something_that_is_taken_are_needed() {
        let mib = hobnob_wire::limits::RANGE_BYTES;
        let layout = Layout::new([None, Some(3), Some(5), Some(2 * mib + 1), Some(7), Some(3 * mib)]);
        let mut selection = Selection::nothing();
        selection.insert(2);
        selection.insert(5);
        let spans: Vec<_> = selection.ranges(&layout).spans(9).iter().map(|it| (it.start, it.end)).collect();
        assert_eq!(spans, [(0, 1), (5, 8)]);
        assert_eq!(selection.sum(&layout), Some(Chosen { files: 2, of: 5, bytes: 5 + 3 * mib }));
        assert_eq!(selection.bytes_of(&layout.range(0).unwrap()), 5);
        assert_eq!(Selection::everything().ranges(&layout), SpanSet::below(8));
    }
}
