//! A manifest on disk: what a transfer consists of, too long to hold in memory.
//!
//! A spool begins with a [`SpoolHead`] as JSON, then come the parts of the manifest as they travel; each is preceded by its
//! length in 32 bits. It is written under another name and renamed when it is complete, so that a spool is whole or absent.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hobnob_wire::codec;
use hobnob_wire::layout::Layout;
use hobnob_wire::limits::{MANIFEST_PART_BYTES_MAX, MANIFEST_PART_ENTRIES_MAX, TRANSFER_ENTRIES_MAX};
use hobnob_wire::transfer::{EntryKind, ManifestEntry, ManifestHasher, ManifestPart};
use hobnob_wire::{List, TransferId};
use serde::{Deserialize, Serialize};

use super::calls::Disk;
use super::room;
use super::trouble::DiskError;

/// Longest head: a thousand paths.
const HEAD_BYTES_MAX: usize = 16 << 20;
/// Longest spool: a million entries with paths of a kilobyte each. The home's disk holds one for each transfer that is not over.
pub const SPOOL_BYTES_MAX: u64 = 1 << 30;
/// Parts between two looks at the room that the home's disk has.
const LOOK_EVERY: u64 = 256;
/// Encoded bytes of an entry beside its paths: two bytes of length for each, kind, size, time, flags.
const ENTRY_BYTES: usize = 2 + 2 + 1 + 8 + 8 + 2;
/// Parts that are held in memory: two for each of the ranges of a transfer that are on their way.
const RECENT_PARTS_MAX: usize = 16;
/// Encoded bytes of a part beside its entries.
const PART_BYTES: usize = 2;

/// What this device alone knows about a transfer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolHead {
    /// What is offered: names at the top of the manifest, and where they are.
    pub roots: Vec<(String, PathBuf)>,
    /// Where to put what arrives.
    pub folder: Option<PathBuf>,
}

/// What a finished spool holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolSum {
    /// Files and folders.
    pub entries: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// Digest of the manifest.
    pub digest: [u8; 32],
}

/// Where the spool of a transfer is.
#[must_use]
pub fn spool_path(disk: &Disk, transfer: TransferId) -> PathBuf {
    disk.transfers().join(format!("{transfer}.manifest"))
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("manifest.new")
}

/// A spool that is being written; removed when it is dropped, unless it has got its name by then.
#[derive(Debug)]
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is not there any more when all went well; else the next start tries again.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes a spool, entry after entry. What is not finished leaves nothing behind.
#[derive(Debug)]
pub struct SpoolWriter {
    disk: Disk,
    path: PathBuf,
    new: Unfinished,
    file: BufWriter<File>,
    hasher: ManifestHasher,
    part: Vec<ManifestEntry>,
    part_bytes: usize,
    entries: u64,
    bytes: u64,
    frames: u64,
    spooled: u64,
}

impl SpoolWriter {
    /// Begins a spool that will be at `path`.
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn create(disk: &Disk, path: PathBuf, head: &SpoolHead) -> Result<Self, DiskError> {
        let new = unfinished(&path);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = disk
            .call("create", || options.open(&new))
            .map_err(|cause| DiskError::system("create", &new, cause))?;
        let mut this = Self {
            disk: disk.clone(),
            path,
            new: Unfinished(new),
            file: BufWriter::new(file),
            hasher: ManifestHasher::default(),
            part: Vec::new(),
            part_bytes: PART_BYTES,
            entries: 0,
            bytes: 0,
            frames: 0,
            spooled: 0,
        };
        let head = serde_json::to_vec(head).map_err(|cause| DiskError::system("write", &this.path, cause))?;
        this.write(&head)?;
        Ok(this)
    }

    fn write(&mut self, frame: &[u8]) -> Result<(), DiskError> {
        let len = u32::try_from(frame.len()).map_err(|_| DiskError::Spool { path: self.path.clone() })?;
        self.spooled += 4 + u64::from(len);
        if self.spooled > SPOOL_BYTES_MAX {
            return Err(DiskError::TooMuch { what: "the bytes in the list of files", max: SPOOL_BYTES_MAX });
        }
        if self.frames.is_multiple_of(LOOK_EVERY) {
            room::check_home(&self.disk)?;
        }
        self.frames += 1;
        let file = &mut self.file;
        let write = || {
            file.write_all(&len.to_be_bytes())?;
            file.write_all(frame)
        };
        self.disk.call("write", write).map_err(|cause| DiskError::system("write", &self.path, cause))
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// [`DiskError::System`], [`DiskError::NoRoom`]; [`DiskError::TooMuch`] over [`SPOOL_BYTES_MAX`].
    pub fn push(&mut self, entry: ManifestEntry) -> Result<(), DiskError> {
        let target = if let EntryKind::Link { target } = &entry.kind { target.as_str().len() } else { 0 };
        let bytes = ENTRY_BYTES + entry.path.as_str().len() + target;
        if self.part.len() == MANIFEST_PART_ENTRIES_MAX || self.part_bytes + bytes > MANIFEST_PART_BYTES_MAX {
            self.flush_part()?;
        }
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(entry.size);
        self.part_bytes += bytes;
        self.part.push(entry);
        Ok(())
    }

    fn flush_part(&mut self) -> Result<(), DiskError> {
        if self.part.is_empty() {
            return Ok(());
        }
        let damaged = || DiskError::Spool { path: self.path.clone() };
        let entries = List::new(std::mem::take(&mut self.part)).map_err(|_| damaged())?;
        let part = codec::encode(&ManifestPart { entries }).map_err(|_| damaged())?;
        self.part_bytes = PART_BYTES;
        self.hasher.update(&part);
        self.write(&part)
    }

    /// Entries so far.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// Bytes of files so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts the spool in its place.
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn finish(mut self) -> Result<SpoolSum, DiskError> {
        self.flush_part()?;
        let Self { disk, path, new, file, hasher, entries, bytes, .. } = self;
        let put = || {
            let file =
                disk.call("write", || file.into_inner().map_err(std::io::IntoInnerError::into_error))?;
            disk.call("flush", || file.sync_all())?;
            disk.call("rename", || std::fs::rename(&new.0, &path))
        };
        put().map_err(|cause| DiskError::system("write", &path, cause))?;
        Ok(SpoolSum { entries, bytes, digest: hasher.finish() })
    }
}

#[derive(Clone, Copy, Debug)]
struct PartPlace {
    first: u32,
    offset: u64,
    len: u32,
}

/// A manifest that is read piece by piece.
#[derive(Debug)]
pub struct Spool {
    disk: Disk,
    path: PathBuf,
    file: File,
    head: SpoolHead,
    digest: [u8; 32],
    parts: Vec<PartPlace>,
    layout: Layout,
    /// The parts that were read last, the latest at the end: neighbors are asked for together, by each range on its way.
    recent: Mutex<Vec<(usize, Arc<ManifestPart>)>>,
}

impl Spool {
    /// Opens a spool and reads it once, for the sizes of its entries.
    ///
    /// # Errors
    /// [`DiskError::System`]; [`DiskError::Spool`] when it is damaged.
    pub fn open(disk: &Disk, path: PathBuf) -> Result<Self, DiskError> {
        let refused = |cause| unreadable(&path, cause);
        let damaged = || DiskError::Spool { path: path.clone() };
        let file = disk.call("open", || File::open(&path)).map_err(refused)?;
        let mut reader = BufReader::new(&file);
        let head = read_frame(disk, &mut reader, HEAD_BYTES_MAX);
        let head = head.map_err(refused)?.ok_or_else(damaged)?;
        let mut offset = 4 + head.len() as u64;
        let head = serde_json::from_slice(&head).map_err(|_| damaged())?;
        let (mut parts, mut sizes) = (Vec::new(), Vec::new());
        let mut hasher = ManifestHasher::default();
        while let Some(frame) = read_frame(disk, &mut reader, MANIFEST_PART_BYTES_MAX).map_err(refused)? {
            let part: ManifestPart = codec::decode(&frame).map_err(|_| damaged())?;
            hasher.update(&frame);
            let len = u32::try_from(frame.len()).map_err(|_| damaged())?;
            let first = u32::try_from(sizes.len()).map_err(|_| damaged())?;
            parts.push(PartPlace { first, offset: offset + 4, len });
            offset += 4 + u64::from(len);
            sizes.extend(
                part.entries.iter().map(|entry| (entry.kind == EntryKind::File).then_some(entry.size)),
            );
            if sizes.len() as u64 > TRANSFER_ENTRIES_MAX {
                return Err(damaged());
            }
        }
        let layout = Layout::new(sizes);
        let digest = hasher.finish();
        Ok(Self { disk: disk.clone(), path, file, head, digest, parts, layout, recent: Mutex::default() })
    }

    /// Reads only the head of a spool.
    ///
    /// # Errors
    /// As [`Spool::open`].
    pub fn open_head(disk: &Disk, path: &Path) -> Result<SpoolHead, DiskError> {
        let refused = |cause| unreadable(path, cause);
        let damaged = || DiskError::Spool { path: path.to_owned() };
        let mut file = disk.call("open", || File::open(path)).map_err(refused)?;
        let head = read_frame(disk, &mut file, HEAD_BYTES_MAX).map_err(refused)?.ok_or_else(damaged)?;
        serde_json::from_slice(&head).map_err(|_| damaged())
    }

    /// What this device alone knows.
    #[must_use]
    pub const fn head(&self) -> &SpoolHead {
        &self.head
    }

    /// Digest of the manifest as it is here.
    #[must_use]
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Which bytes are which range.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Parts of the manifest.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// One encoded part, as it travels; `None` past the end.
    ///
    /// # Errors
    /// [`DiskError::System`].
    pub fn part_bytes(&self, number: usize) -> Result<Option<Vec<u8>>, DiskError> {
        let Some(place) = self.parts.get(number) else { return Ok(None) };
        let mut bytes = vec![0; place.len as usize];
        self.disk
            .call("read", || self.file.read_exact_at(&mut bytes, place.offset))
            .map_err(|cause| DiskError::system("read", &self.path, cause))?;
        Ok(Some(bytes))
    }

    fn part(&self, number: usize) -> Result<Option<Arc<ManifestPart>>, DiskError> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = recent.iter().position(|(known, _)| *known == number) {
            let found = recent.remove(at);
            let part = Arc::clone(&found.1);
            recent.push(found);
            return Ok(Some(part));
        }
        let Some(bytes) = self.part_bytes(number)? else { return Ok(None) };
        let part = codec::decode(&bytes).map_err(|_| DiskError::Spool { path: self.path.clone() })?;
        let part = Arc::new(part);
        if recent.len() == RECENT_PARTS_MAX {
            recent.remove(0);
        }
        recent.push((number, Arc::clone(&part)));
        Ok(Some(part))
    }

    /// One entry.
    ///
    /// # Errors
    /// [`DiskError::System`]; [`DiskError::Spool`] when there is none.
    pub fn entry(&self, number: u32) -> Result<ManifestEntry, DiskError> {
        let damaged = || DiskError::Spool { path: self.path.clone() };
        let at =
            self.parts.partition_point(|part| part.first <= number).checked_sub(1).ok_or_else(damaged)?;
        let part = self.part(at)?.ok_or_else(damaged)?;
        part.entries.get((number - self.parts[at].first) as usize).cloned().ok_or_else(damaged)
    }
}

/// What is cut off or nonsense is damaged; anything else may be better another time.
fn unreadable(path: &Path, cause: std::io::Error) -> DiskError {
    if matches!(cause.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData) {
        return DiskError::Spool { path: path.to_owned() };
    }
    DiskError::system("read", path, cause)
}

/// Reads a frame; `None` at the end.
fn read_frame(disk: &Disk, reader: &mut impl Read, max: usize) -> std::io::Result<Option<Vec<u8>>> {
    let mut prefix = [0; 4];
    let mut filled = 0;
    while filled < prefix.len() {
        match disk.call("read", || reader.read(&mut prefix[filled..]))? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
    }
    let len = u32::from_be_bytes(prefix) as usize;
    if len > max {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; len];
    disk.call("read", || reader.read_exact(&mut frame))?;
    Ok(Some(frame))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hobnob_wire::transfer::RelativePath;

    #[test]
    fn entries_come_back_in_any_order_and_parts_keep_their_limits() {
        let home = tempfile::tempdir().unwrap();
        let (disk, path) = (Disk::new(home.path().to_owned()), home.path().join("x.manifest"));
        let head = SpoolHead { roots: vec![("top".into(), "/somewhere/top".into())], folder: None };
        let mut writer = SpoolWriter::create(&disk, path.clone(), &head).unwrap();
        let entry = |number: u64| ManifestEntry {
            path: RelativePath::new(&format!("{}/{number}", "d".repeat(200))).unwrap(),
            kind: if number.is_multiple_of(7) { EntryKind::Folder } else { EntryKind::File },
            size: if number.is_multiple_of(7) { 0 } else { number },
            modified_unix_ms: 5,
            executable: false,
            sparse: false,
        };
        for number in 0..2_000 {
            writer.push(entry(number)).unwrap();
        }
        assert!(!path.exists());
        let sum = writer.finish().unwrap();
        let spool = Spool::open(&disk, path.clone()).unwrap();
        assert_eq!(spool.head(), &head);
        assert_eq!((sum.entries, sum.bytes), (2_000, spool.layout().bytes()));
        assert!(spool.parts() > 6);
        for number in [0, 1_999, 500, 501, 12] {
            assert_eq!(spool.entry(number).unwrap(), entry(number.into()));
        }
        assert!(spool.entry(2_000).is_err());
        let mut hasher = ManifestHasher::default();
        for number in 0..spool.parts() {
            hasher.update(&spool.part_bytes(number).unwrap().unwrap());
        }
        assert_eq!(hasher.finish(), sum.digest);
        OpenOptions::new().write(true).open(&path).unwrap().set_len(1_000).unwrap();
        assert!(Spool::open(&disk, path).is_err());
    }

    #[test]
    fn a_spool_that_is_not_finished_leaves_nothing_behind() {
        let home = tempfile::tempdir().unwrap();
        let files = || std::fs::read_dir(home.path()).unwrap().count();
        let (disk, path) = (Disk::new(home.path().to_owned()), home.path().join("x.manifest"));
        let writer = SpoolWriter::create(&disk, path, &SpoolHead::default()).unwrap();
        assert_eq!(files(), 1);
        drop(writer);
        assert_eq!(files(), 0);
    }
}
