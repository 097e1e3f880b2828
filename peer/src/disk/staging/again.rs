//! Reads again what an earlier run wrote.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

use hobnob_wire::layout::Range;
use hobnob_wire::tree::RangeHasher;

use super::Staging;

impl Staging {
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
        self.left.fetch_add(self.plan.selection.bytes_of(&range), Ordering::Relaxed);
        false
    }

    /// The hash of what is on disk of a range, with what was noted of files that are not taken. A file that is too short or cannot be
    /// read is as bad as one with other bytes: it is written again, and if that fails, too, it is told.
    fn read(&self, range: &Range, buffer: &mut Vec<u8>) -> io::Result<[u8; 32]> {
        if let Range::Slice(_) = range {
            let mut hasher = RangeHasher::new(range);
            hasher.update(self.read_piece(range, 0, buffer)?);
            return Ok(hasher.finish().hash);
        }
        let mut pack = blake3::Hasher::new();
        for (at, piece) in range.pieces().iter().enumerate() {
            if self.plan.selection.has(piece.entry) {
                pack.update(blake3::hash(self.read_piece(range, at, buffer)?).as_bytes());
            } else {
                pack.update(&self.tally.file_hash(piece.entry).map_err(io::Error::other)?);
            }
        }
        Ok(*pack.finalize().as_bytes())
    }

    fn read_piece<'a>(&self, range: &Range, at: usize, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        let piece = range.pieces().get(at).ok_or(io::ErrorKind::InvalidInput)?;
        let len = usize::try_from(piece.len).unwrap_or(usize::MAX);
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        let entry = self.entry(piece.entry).map_err(io::Error::other)?;
        let file = self.disk.call("open", || self.staging.open(entry.path.as_str()))?.into_std();
        let is_short = matches!(range, Range::Pack(_));
        if is_short && self.disk.call("look at", || file.metadata())?.len() != piece.len {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.disk.call("read", || file.read_exact_at(&mut buffer[..len], piece.offset))?;
        Ok(&buffer[..len])
    }
}
