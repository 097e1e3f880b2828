//! Hashes of ranges, files and transfers, all from one pass over the bytes.
//!
//! A slice of a long file is hashed to its BLAKE3 chaining value; the chaining values of all slices
//! merge into the BLAKE3 hash of the file (BLAKE3 §2.1). A short file is hashed whole. So each range is
//! verified when it arrives, and the hash of every file follows without reading it again.

use blake3::Hasher;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use crate::layout::Range;
use crate::limits::RANGE_BYTES;

/// Hashes the content of one range as it passes by.
#[derive(Debug)]
pub struct RangeHasher {
    slice: bool,
    hasher: Hasher,
    /// Bytes left of each short file, the current one last.
    left: Vec<u64>,
    files: Vec<[u8; 32]>,
}

/// The hashes that a range yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeHash {
    /// What travels in the [`RangeTrailer`](crate::transfer::RangeTrailer): for a slice its chaining
    /// value, for a pack the BLAKE3 hash of its files' hashes.
    pub hash: [u8; 32],
    /// The BLAKE3 hash of each file of a pack, in order; empty for a slice.
    pub files: Vec<[u8; 32]>,
}

impl RangeHasher {
    /// A hasher for the content of `range`, piece after piece.
    #[must_use]
    pub fn new(range: &Range) -> Self {
        let mut hasher = Hasher::new();
        let mut left = Vec::new();
        match range {
            Range::Slice(piece) => {
                hasher.set_input_offset(piece.offset);
            }
            Range::Pack(pieces) => left = pieces.iter().rev().map(|piece| piece.len).collect(),
        }
        let mut this = Self { slice: matches!(range, Range::Slice(_)), hasher, left, files: Vec::new() };
        this.end_files();
        this
    }

    /// Takes the next bytes of the range. Bytes past its end are ignored.
    pub fn update(&mut self, mut bytes: &[u8]) {
        if self.slice {
            self.hasher.update(bytes);
            return;
        }
        while let Some(left) = self.left.last_mut()
            && !bytes.is_empty()
        {
            let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
            self.hasher.update(&bytes[..take]);
            *left -= take as u64;
            bytes = &bytes[take..];
            self.end_files();
        }
    }

    fn end_files(&mut self) {
        while self.left.last() == Some(&0) {
            self.files.push(*self.hasher.finalize().as_bytes());
            self.hasher.reset();
            self.left.pop();
        }
    }

    /// The hashes, once all bytes have passed.
    #[must_use]
    pub fn finish(self) -> RangeHash {
        if self.slice {
            return RangeHash { hash: self.hasher.finalize_non_root(), files: Vec::new() };
        }
        let hash = *blake3::hash(self.files.as_flattened()).as_bytes();
        RangeHash { hash, files: self.files }
    }
}

/// Merges the chaining values of a long file's slices, in order, into the BLAKE3 hash of the file. Memory grows with the
/// logarithm of their number.
#[derive(Clone, Debug, Default)]
pub struct SliceMerger {
    /// Subtrees that are complete, the largest first; and the newest slice.
    subtrees: Vec<[u8; 32]>,
    slices: u64,
}

impl SliceMerger {
    /// Adds the chaining value of the next slice.
    pub fn push(&mut self, slice: [u8; 32]) {
        // Only now is it known that what came before is not the whole file, so that no merge of it is the root. As many
        // complete subtrees stay as the number of slices has bits (BLAKE3 §5.1.2).
        while self.subtrees.len() > self.slices.count_ones() as usize {
            self.merge(|left, right| merge_subtrees_non_root(left, right, Mode::Hash));
        }
        self.subtrees.push(slice);
        self.slices += 1;
    }

    fn merge(&mut self, merged: impl FnOnce(&[u8; 32], &[u8; 32]) -> [u8; 32]) {
        if let Some((right, left)) = self.subtrees.pop().zip(self.subtrees.pop()) {
            self.subtrees.push(merged(&left, &right));
        }
    }

    /// The hash of the file, once all slices are here. `None` when there are fewer than two: such a file is short and has
    /// no chaining values.
    #[must_use]
    pub fn finish(mut self) -> Option<[u8; 32]> {
        while self.subtrees.len() > 2 {
            self.merge(|left, right| merge_subtrees_non_root(left, right, Mode::Hash));
        }
        let [left, right] = self.subtrees.as_slice() else { return None };
        Some(*merge_subtrees_root(left, right, Mode::Hash).as_bytes())
    }
}

/// One digest for all of a transfer: BLAKE3 over the places and the hashes of its files in the order of the manifest.
#[derive(Clone, Debug)]
pub struct TransferHasher(Hasher);

impl Default for TransferHasher {
    fn default() -> Self {
        Self(Hasher::new_derive_key("hobnob 1 transfer"))
    }
}

impl TransferHasher {
    /// Adds the file at the place `entry` of the manifest.
    pub fn add(&mut self, entry: u32, hash: &[u8; 32]) {
        self.0.update(&entry.to_be_bytes()).update(hash);
    }

    /// The digest of all files.
    #[must_use]
    pub fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

const _: () = assert!(RANGE_BYTES.is_power_of_two() && RANGE_BYTES >= 1024, "a range is a BLAKE3 subtree");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Piece;

    #[test]
    fn file_hashes_from_ranges_equal_blake3_of_the_whole_file() {
        for slices in 2..20u8 {
            let len = u64::from(slices - 1) * RANGE_BYTES + 1 + u64::from(slices) * 1_000;
            let content: Vec<u8> =
                (0..len).map(|i| (i as u8).wrapping_mul(slices) ^ (i >> 8) as u8).collect();
            let mut merger = SliceMerger::default();
            for (number, slice) in (0..).zip(content.chunks(RANGE_BYTES as usize)) {
                let piece = Piece { entry: 0, offset: number * RANGE_BYTES, len: slice.len() as u64 };
                let mut hasher = RangeHasher::new(&Range::Slice(piece));
                slice.chunks(1_000).for_each(|chunk| hasher.update(chunk));
                merger.push(hasher.finish().hash);
            }
            assert_eq!(merger.finish(), Some(*blake3::hash(&content).as_bytes()), "{slices} slices");
        }
        assert_eq!(SliceMerger::default().finish(), None);
        let mut one = SliceMerger::default();
        one.push([1; 32]);
        assert_eq!(one.finish(), None);
    }

    #[test]
    fn a_pack_yields_the_hash_of_each_of_its_files() {
        let sizes = [0, 1, 1_000, 0, 7];
        let content: Vec<Vec<u8>> = (1u8..).zip(sizes).map(|(seed, size)| vec![seed; size]).collect();
        let pieces = (0..).zip(sizes).map(|(entry, size)| Piece { entry, offset: 0, len: size as u64 });
        let mut hasher = RangeHasher::new(&Range::Pack(pieces.collect()));
        content.concat().chunks(300).for_each(|chunk| hasher.update(chunk));
        let expected: Vec<[u8; 32]> = content.iter().map(|file| *blake3::hash(file).as_bytes()).collect();
        let hash = *blake3::hash(expected.as_flattened()).as_bytes();
        assert_eq!(hasher.finish(), RangeHash { hash, files: expected });
    }
}
