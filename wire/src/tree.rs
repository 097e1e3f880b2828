//! Hashes of ranges, files and transfers, all from one pass over the bytes.
//!
//! A slice of a long file is hashed to its BLAKE3 chaining value; the chaining values of all slices
//! merge into the BLAKE3 hash of the file (BLAKE3 §2.1). A short file is hashed whole. So each range is
//! verified when it arrives, and the hash of every file follows without reading it again.

use blake3::Hasher;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use crate::layout::{Layout, Range};
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

/// The BLAKE3 hash of a long file from the chaining values of its ranges, in order. `None` when there
/// are fewer than two: such a file is short and has no chaining values.
#[must_use]
pub fn merge_slices(slices: &[[u8; 32]]) -> Option<[u8; 32]> {
    if slices.len() < 2 {
        return None;
    }
    let (left, right) = slices.split_at(left_len(slices));
    Some(*merge_subtrees_root(&subtree(left)?, &subtree(right)?, Mode::Hash).as_bytes())
}

/// Slices of the left subtree: the largest power of two that leaves something for the right (BLAKE3 §2.1).
fn left_len(slices: &[[u8; 32]]) -> usize {
    slices.len().next_power_of_two() / 2
}

fn subtree(slices: &[[u8; 32]]) -> Option<[u8; 32]> {
    match slices {
        [one] => Some(*one),
        [] => None,
        more => {
            let (left, right) = more.split_at(left_len(more));
            Some(merge_subtrees_non_root(&subtree(left)?, &subtree(right)?, Mode::Hash))
        }
    }
}

/// Collects the hashes of a transfer's ranges, in any order, into the hashes of its files.
#[derive(Debug, Default)]
pub struct TransferHasher {
    /// Chaining value or pack hashes by range number.
    ranges: std::collections::BTreeMap<u64, RangeHash>,
}

impl TransferHasher {
    /// Adds a range's hashes.
    pub fn add(&mut self, number: u64, hash: RangeHash) {
        self.ranges.insert(number, hash);
    }

    /// Whether the range has been added.
    #[must_use]
    pub fn has(&self, number: u64) -> bool {
        self.ranges.contains_key(&number)
    }

    /// The hash of every file in the order of the manifest; `None` while ranges are missing.
    #[must_use]
    pub fn files(&self, layout: &Layout) -> Option<Vec<(u32, [u8; 32])>> {
        let mut files = Vec::new();
        let mut slices: Vec<[u8; 32]> = Vec::new();
        for number in 0..layout.ranges() {
            let hash = self.ranges.get(&number)?;
            match layout.range(number)? {
                Range::Slice(piece) => {
                    slices.push(hash.hash);
                    if piece.offset + piece.len == layout.size(piece.entry)? {
                        files.push((piece.entry, merge_slices(&slices)?));
                        slices.clear();
                    }
                }
                Range::Pack(pieces) => {
                    files.extend(pieces.iter().map(|piece| piece.entry).zip(hash.files.iter().copied()));
                }
            }
        }
        Some(files)
    }
}

/// One digest for all of a transfer: BLAKE3 over the hashes of its files in the order of the manifest.
#[must_use]
pub fn transfer_digest(files: &[(u32, [u8; 32])]) -> [u8; 32] {
    let mut hasher = Hasher::new_derive_key("hobnob 1 transfer");
    for (entry, hash) in files {
        hasher.update(&entry.to_be_bytes()).update(hash);
    }
    *hasher.finalize().as_bytes()
}

const _: () = assert!(RANGE_BYTES.is_power_of_two() && RANGE_BYTES >= 1024, "a range is a BLAKE3 subtree");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_hashes_from_ranges_equal_blake3_of_the_whole_file() {
        let mib = RANGE_BYTES;
        let sizes = [0, 1, 1000, mib, mib + 1, 2 * mib, 3 * mib, 5 * mib + 77, 7];
        let content: Vec<Vec<u8>> = (1u8..)
            .zip(sizes)
            .map(|(seed, size)| (0..size).map(|i| (i as u8).wrapping_mul(seed) ^ (i >> 8) as u8).collect())
            .collect();
        let layout = Layout::new(sizes.iter().map(|size| Some(*size)));
        let mut transfer = TransferHasher::default();
        for number in (0..layout.ranges()).rev() {
            let range = layout.range(number).unwrap();
            let mut hasher = RangeHasher::new(&range);
            for piece in range.pieces() {
                let bytes = &content[piece.entry as usize][piece.offset as usize..][..piece.len as usize];
                bytes.chunks(1000).for_each(|chunk| hasher.update(chunk));
            }
            assert_eq!(transfer.files(&layout), None);
            transfer.add(number, hasher.finish());
        }
        let expected: Vec<_> = (0..).zip(content.iter().map(|c| *blake3::hash(c).as_bytes())).collect();
        assert_eq!(transfer.files(&layout), Some(expected));
    }
}
