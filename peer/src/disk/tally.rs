//! Which ranges of a transfer have been written, or read to be sent, and their hashes: what a later run knows of this one.
//!
//! The receiver notes a range here after it has written it, the sender after it has read it. Nothing is flushed meanwhile: what
//! the system has been given outlasts this process, however it ends, and what a power cut takes away is found out, because a receiver believes
//! no note of an earlier run before it has read the range again and compared its hash. So resuming costs one pass over what is there,
//! while bytes flow again already, and receiving costs no flush.
//!
//! | bytes | hold |
//! | --- | --- |
//! | 16 | `FORMAT` |
//! | 32 | the key: digest of the list of files that the ranges belong to |
//! | 16 | the mark of a transfer that is being put in place |
//! | 40 for each range | its hash, and a mark that tells a note from a hole or a torn write |
//! | 32 for each entry | the hash of a short file |
//! | 16 for each entry | which file a long one is that is being sent: device and number |
//!
//! Holes take no room: a file system keeps only what is written.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use hobnob_wire::TransferId;
use hobnob_wire::layout::{Layout, Range};
use hobnob_wire::tree::{RangeHash, SliceMerger, TransferHasher};

use super::calls::Disk;
use super::selection::Selection;
use super::spool::{Spool, spool_path};
use super::trouble::DiskError;
use crate::core::transfer::SpanSet;

/// What a tally begins with; another number when the table above changes.
const FORMAT: &[u8; 16] = b"hobnob tally 2\r\n";
const WHOLE_AT: u64 = 48;
const RANGES_AT: u64 = 64;
const NOTE_BYTES: u64 = 40;
const HASH_BYTES: u64 = 32;
const IDENTITY_BYTES: u64 = 16;

/// Where the tally of a transfer is.
#[must_use]
pub fn tally_path(disk: &Disk, transfer: TransferId) -> PathBuf {
    disk.transfers().join(format!("{transfer}.tally"))
}

/// Which file it is that is being sent: its device and its number there. All zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileIdentity([u8; IDENTITY_BYTES as usize]);

impl FileIdentity {
    /// Of a file on a device.
    #[must_use]
    pub fn new(device: u64, inode: u64) -> Self {
        let mut bytes = [0; IDENTITY_BYTES as usize];
        bytes[..8].copy_from_slice(&device.to_be_bytes());
        bytes[8..].copy_from_slice(&inode.to_be_bytes());
        Self(bytes)
    }
}

/// Makes the list of files of a transfer and its notes those of others of the same, too, each of which is forgotten by itself.
///
/// # Errors
/// [`DiskError`].
pub fn share(disk: &Disk, of: TransferId, also: &[TransferId]) -> Result<(), DiskError> {
    if also.is_empty() {
        return Ok(());
    }
    let (spool, tally) = (spool_path(disk, of), tally_path(disk, of));
    let list = Spool::open(disk, spool.clone())?;
    drop(Tally::open(disk, tally.clone(), list.digest(), list.layout())?);
    for other in also {
        for (from, to) in [(&spool, spool_path(disk, *other)), (&tally, tally_path(disk, *other))] {
            // A disk without links costs only that what is sent to one is read again for another.
            let linked = disk.call("link", || std::fs::hard_link(from, &to));
            let shared = linked.or_else(|_| disk.call("copy", || std::fs::copy(from, &to)).map(drop));
            shared.map_err(|cause| DiskError::system("write", &to, cause))?;
        }
    }
    Ok(())
}

/// The notes of one transfer.
#[derive(Debug)]
pub struct Tally {
    disk: Disk,
    path: PathBuf,
    file: File,
    key: [u8; 32],
    ranges: u64,
    entries: u64,
    noted: Mutex<SpanSet>,
}

impl Tally {
    /// Opens the notes on the list of files that has the digest `key`. Notes on another list, or in a format of another version,
    /// are forgotten.
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn open(disk: &Disk, path: PathBuf, key: [u8; 32], layout: &Layout) -> Result<Self, DiskError> {
        let refused = |cause| DiskError::system("open", &path, cause);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = disk.call("open", || options.open(&path)).map_err(refused)?;
        let (ranges, entries) = (layout.ranges(), u64::from(layout.entries()));
        let end = RANGES_AT + ranges * NOTE_BYTES + entries * (HASH_BYTES + IDENTITY_BYTES);
        let start = [FORMAT.as_slice(), &key].concat();
        let len = disk.call("look at", || file.metadata()).map_err(refused)?.len();
        let mut found = vec![0; start.len()];
        if len == end {
            disk.call("read", || file.read_exact_at(&mut found, 0)).map_err(refused)?;
        }
        if found != start {
            let renew = || {
                disk.call("cut", || file.set_len(0))?;
                disk.call("stretch", || file.set_len(end))?;
                disk.call("write", || file.write_all_at(&start, 0))
            };
            renew().map_err(refused)?;
        }
        let disk = disk.clone();
        let this = Self { disk, file, key, ranges, entries, noted: Mutex::default(), path };
        let noted = this.read_notes().map_err(|cause| DiskError::system("read", &this.path, cause))?;
        *this.noted.lock().unwrap_or_else(PoisonError::into_inner) = noted;
        Ok(this)
    }

    fn read_notes(&self) -> io::Result<SpanSet> {
        let mut reader = BufReader::with_capacity(1 << 16, &self.file);
        self.disk.call("seek", || reader.seek(SeekFrom::Start(RANGES_AT)))?;
        let mut noted = SpanSet::default();
        for number in 0..self.ranges {
            let mut note = [0; NOTE_BYTES as usize];
            self.disk.call("read", || reader.read_exact(&mut note))?;
            if self.hash_in(number, &note).is_some() {
                noted.insert(number);
            }
        }
        Ok(noted)
    }

    /// What tells a note on `number` from anything else.
    fn mark(&self, number: u64, hash: &[u8]) -> [u8; 8] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&number.to_be_bytes()).update(hash);
        let mut mark = [0; 8];
        hasher.finalize_xof().fill(&mut mark);
        mark
    }

    fn hash_in(&self, number: u64, note: &[u8; NOTE_BYTES as usize]) -> Option<[u8; 32]> {
        let (hash, mark) = note.split_first_chunk()?;
        (self.mark(number, hash) == mark).then_some(*hash)
    }

    fn refused(&self, doing: &'static str, cause: impl Into<io::Error>) -> DiskError {
        DiskError::system(doing, &self.path, cause)
    }

    /// Ranges that are noted.
    #[must_use]
    pub fn noted(&self) -> SpanSet {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a range is noted.
    #[must_use]
    pub fn has(&self, number: u64) -> bool {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).contains(number)
    }

    /// Notes a range.
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn note(&self, number: u64, range: &Range, hash: &RangeHash) -> Result<(), DiskError> {
        let note = [hash.hash.as_slice(), &self.mark(number, &hash.hash)].concat();
        let write = || {
            // Files of a pack that follow one another are noted in one go.
            let mut pieces = range.pieces();
            let mut hashes = hash.files.as_slice();
            while let Some(first) = pieces.first() {
                let run = (first.entry..).zip(pieces).take_while(|(entry, piece)| *entry == piece.entry);
                let len = run.count().min(hashes.len());
                let Some((own, others)) = hashes.split_at_checked(len).filter(|_| len > 0) else { break };
                let at = self.file_at(first.entry);
                self.disk.call("write", || self.file.write_all_at(own.as_flattened(), at))?;
                (pieces, hashes) = (&pieces[len..], others);
            }
            self.disk.call("write", || self.file.write_all_at(&note, RANGES_AT + number * NOTE_BYTES))
        };
        write().map_err(|cause| self.refused("write", cause))?;
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        Ok(())
    }

    fn file_at(&self, entry: u32) -> u64 {
        RANGES_AT + self.ranges * NOTE_BYTES + u64::from(entry) * HASH_BYTES
    }

    /// The hash that a short file is noted with.
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn file_hash(&self, entry: u32) -> Result<[u8; 32], DiskError> {
        let mut hash = [0; HASH_BYTES as usize];
        let read = self.disk.call("read", || self.file.read_exact_at(&mut hash, self.file_at(entry)));
        read.map_err(|cause| self.refused("read", cause))?;
        Ok(hash)
    }

    fn identity_at(&self, entry: u32) -> u64 {
        self.file_at(0) + self.entries * HASH_BYTES + u64::from(entry) * IDENTITY_BYTES
    }

    /// Which file was noted for an entry; all zero when none was.
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn identity(&self, entry: u32) -> Result<FileIdentity, DiskError> {
        let mut found = [0; IDENTITY_BYTES as usize];
        let read = self.disk.call("read", || self.file.read_exact_at(&mut found, self.identity_at(entry)));
        read.map_err(|cause| self.refused("read", cause))?;
        Ok(FileIdentity(found))
    }

    /// Notes which file an entry is.
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn note_identity(&self, entry: u32, identity: FileIdentity) -> Result<(), DiskError> {
        let at = self.identity_at(entry);
        let written = self.disk.call("write", || self.file.write_all_at(&identity.0, at));
        written.map_err(|cause| self.refused("write", cause))
    }

    /// Takes a note back.
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn forget(&self, number: u64) -> Result<(), DiskError> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).remove(number);
        let nothing = [0; NOTE_BYTES as usize];
        let at = RANGES_AT + number * NOTE_BYTES;
        let wiped = self.disk.call("write", || self.file.write_all_at(&nothing, at));
        wiped.map_err(|cause| self.refused("write", cause))
    }

    /// The hash that a range is noted with, perhaps by another transfer of the same ([`share`]).
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn hash(&self, number: u64) -> Result<Option<[u8; 32]>, DiskError> {
        if number >= self.ranges {
            return Ok(None);
        }
        let mut note = [0; NOTE_BYTES as usize];
        let at = RANGES_AT + number * NOTE_BYTES;
        let read = self.disk.call("read", || self.file.read_exact_at(&mut note, at));
        read.map_err(|cause| self.refused("read", cause))?;
        let hash = self.hash_in(number, &note);
        if hash.is_some() {
            self.noted.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        }
        Ok(hash)
    }

    /// Notes, for good, that everything is on disk and is being put in place from now on.
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn note_whole(&self) -> Result<(), DiskError> {
        let write = || {
            let mark = self.mark(u64::MAX, b"whole");
            self.disk.call("write", || self.file.write_all_at(&mark, WHOLE_AT))?;
            self.disk.call("flush", || self.file.sync_all())
        };
        write().map_err(|cause| self.refused("write", cause))
    }

    /// Whether [`Tally::note_whole`] was called, in this run or an earlier one.
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn is_whole(&self) -> Result<bool, DiskError> {
        let mut mark = [0; 8];
        let read = self.disk.call("read", || self.file.read_exact_at(&mut mark, WHOLE_AT));
        read.map_err(|cause| self.refused("read", cause))?;
        Ok(mark == self.mark(u64::MAX, b"whole"))
    }

    /// The digest over all files that are selected, when every range that holds some is noted.
    ///
    /// # Errors
    /// [`DiskError::System`], also when a note is missing or damaged; that one is taken back.
    pub fn digest(&self, layout: &Layout, selection: &Selection) -> Result<[u8; 32], DiskError> {
        let mut transfer = TransferHasher::default();
        let mut slices = SliceMerger::default();
        for number in 0..layout.ranges() {
            let Some(range) = layout.range(number).filter(|range| selection.needs(range)) else { continue };
            let added = match (range, self.hash(number)?) {
                (Range::Slice(piece), Some(hash)) => {
                    slices.push(hash);
                    if layout.size(piece.entry) == Some(piece.offset + piece.len) {
                        let file = std::mem::take(&mut slices).finish();
                        file.inspect(|file| transfer.add(piece.entry, file)).is_some()
                    } else {
                        true
                    }
                }
                (Range::Pack(pieces), Some(hash)) => {
                    let mut pack = blake3::Hasher::new();
                    for piece in pieces {
                        let file = self.file_hash(piece.entry)?;
                        pack.update(&file);
                        if selection.has(piece.entry) {
                            transfer.add(piece.entry, &file);
                        }
                    }
                    *pack.finalize().as_bytes() == hash
                }
                (_, None) => false,
            };
            if !added {
                self.forget(number)?;
                return Err(self.refused("read", io::ErrorKind::InvalidData));
            }
        }
        Ok(transfer.finish())
    }
}

#[cfg(test)]
mod tests {
    use hobnob_wire::limits::RANGE_BYTES;
    use hobnob_wire::transfer::Span;
    use hobnob_wire::tree::RangeHasher;

    use super::*;

    const SIZES: [Option<u64>; 6] =
        [Some(3), None, Some(5), Some(2 * RANGE_BYTES + 5), Some(7), Some(RANGE_BYTES + 1)];

    fn hash_of(range: &Range) -> RangeHash {
        let mut hasher = RangeHasher::new(range);
        hasher.update(&vec![9; usize::try_from(range.bytes()).unwrap()]);
        hasher.finish()
    }

    #[test]
    fn notes_come_back_in_a_later_run_and_give_the_digest_of_all_files() {
        let home = tempfile::tempdir().unwrap();
        let disk = Disk::new(home.path().to_owned());
        let layout = Layout::new(SIZES);
        let open = || Tally::open(&disk, home.path().join("x.tally"), [1; 32], &layout).unwrap();
        for number in [6, 0, 3, 5] {
            let range = layout.range(number).unwrap();
            open().note(number, &range, &hash_of(&range)).unwrap();
        }
        let spans = [(0, 1), (3, 4), (5, 7)].map(|(start, end)| Span { start, end });
        assert_eq!(open().noted().spans(9), spans);
        assert!(open().digest(&layout, &Selection::everything()).is_err());
        for number in [1, 2, 4] {
            let range = layout.range(number).unwrap();
            open().note(number, &range, &hash_of(&range)).unwrap();
        }
        let mut expected = TransferHasher::default();
        for (entry, size) in (0..).zip(SIZES) {
            if let Some(size) = size {
                let bytes = vec![9; usize::try_from(size).unwrap()];
                expected.add(entry, blake3::hash(&bytes).as_bytes());
            }
        }
        assert_eq!(open().digest(&layout, &Selection::everything()).unwrap(), expected.finish());
        open().forget(4).unwrap();
        assert!(!open().has(4) && open().has(5));
        assert!(!open().is_whole().unwrap());
        open().note_whole().unwrap();
        assert!(open().is_whole().unwrap());
    }

    #[test]
    fn a_note_that_is_torn_or_of_another_list_is_none() {
        let home = tempfile::tempdir().unwrap();
        let disk = Disk::new(home.path().to_owned());
        let path = home.path().join("x.tally");
        let layout = Layout::new(SIZES);
        let range = layout.range(0).unwrap();
        let tally = Tally::open(&disk, path.clone(), [1; 32], &layout).unwrap();
        for number in 0..7 {
            tally.note(number, &range, &hash_of(&range)).unwrap();
        }
        for at in 0..NOTE_BYTES {
            let tally = Tally::open(&disk, path.clone(), [1; 32], &layout).unwrap();
            let mut byte = [0];
            tally.file.read_exact_at(&mut byte, RANGES_AT + NOTE_BYTES + at).unwrap();
            tally.file.write_all_at(&[byte[0] ^ 1], RANGES_AT + NOTE_BYTES + at).unwrap();
            assert!(!Tally::open(&disk, path.clone(), [1; 32], &layout).unwrap().has(1), "byte {at}");
            tally.file.write_all_at(&byte, RANGES_AT + NOTE_BYTES + at).unwrap();
        }
        assert!(Tally::open(&disk, path.clone(), [1; 32], &layout).unwrap().has(1));
        assert!(Tally::open(&disk, path, [2; 32], &layout).unwrap().noted().is_empty());
    }
}
