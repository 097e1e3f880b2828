//! Which bytes a range is.
//!
//! Both sides compute the same layout from the sizes in the manifest. A file longer than
//! [`RANGE_BYTES`] is cut into ranges of that length, so each range is a subtree of the file's BLAKE3
//! tree; shorter files are packed, in order, as many to a range as fit and as [`PACK_FILES_MAX`] allows.
//! Folders and links take no place.

use crate::limits::{PACK_FILES_MAX, RANGE_BYTES};

/// A run of bytes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Place of the file in the manifest.
    pub entry: u32,
    /// First byte.
    pub offset: u64,
    /// Bytes; 0 only for an empty file.
    pub len: u64,
}

/// What one range holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Range {
    /// A slice of a long file.
    Slice(Piece),
    /// Whole short files, in order.
    Pack(Vec<Piece>),
}

impl Range {
    /// The runs of bytes, in order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        match self {
            Self::Slice(piece) => std::slice::from_ref(piece),
            Self::Pack(pieces) => pieces,
        }
    }

    /// Bytes of content.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.pieces().iter().map(|piece| piece.len).sum()
    }
}

/// Consecutive ranges of one kind. `first` is the number of the first of them.
#[derive(Clone, Copy, Debug)]
enum Run {
    Long { first: u64, entry: u32 },
    Pack { first: u64, start: u32, end: u32 },
}

impl Run {
    const fn first(&self) -> u64 {
        match self {
            Self::Long { first, .. } | Self::Pack { first, .. } => *first,
        }
    }

    const fn entry(&self) -> u32 {
        match self {
            Self::Long { entry, .. } | Self::Pack { start: entry, .. } => *entry,
        }
    }
}

/// A pack that may take more files.
#[derive(Clone, Copy, Debug)]
struct Pack {
    start: u32,
    files: u32,
    bytes: u64,
}

/// The layout of one transfer.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Size of each entry; `None` for a folder.
    sizes: Vec<Option<u64>>,
    runs: Vec<Run>,
    ranges: u64,
    bytes: u64,
}

impl Layout {
    /// Lays out entries in the order of the manifest: the size of a file, or `None` for a folder.
    /// The caller has checked the limits on entries and bytes.
    #[must_use]
    pub fn new(sizes: impl IntoIterator<Item = Option<u64>>) -> Self {
        let mut layout = Self { sizes: sizes.into_iter().collect(), runs: Vec::new(), ranges: 0, bytes: 0 };
        let mut pack: Option<Pack> = None;
        for entry in 0..layout.entries() {
            let Some(size) = layout.sizes[entry as usize] else { continue };
            layout.bytes = layout.bytes.saturating_add(size);
            if size > RANGE_BYTES {
                layout.close_pack(pack.take(), entry);
                layout.runs.push(Run::Long { first: layout.ranges, entry });
                layout.ranges += size.div_ceil(RANGE_BYTES);
                continue;
            }
            match &mut pack {
                Some(pack) if pack.bytes + size <= RANGE_BYTES && pack.files < PACK_FILES_MAX => {
                    pack.bytes += size;
                    pack.files += 1;
                }
                full => {
                    layout.close_pack(full.take(), entry);
                    *full = Some(Pack { start: entry, files: 1, bytes: size });
                }
            }
        }
        layout.close_pack(pack, layout.entries());
        layout
    }

    fn close_pack(&mut self, pack: Option<Pack>, end: u32) {
        if let Some(Pack { start, .. }) = pack {
            self.runs.push(Run::Pack { first: self.ranges, start, end });
            self.ranges += 1;
        }
    }

    /// Entries, folders included.
    #[must_use]
    pub fn entries(&self) -> u32 {
        u32::try_from(self.sizes.len()).unwrap_or(u32::MAX)
    }

    /// Size of a file; `None` for a folder.
    #[must_use]
    pub fn size(&self, entry: u32) -> Option<u64> {
        self.sizes.get(entry as usize).copied().flatten()
    }

    /// Ranges in all; they are numbered from 0.
    #[must_use]
    pub const fn ranges(&self) -> u64 {
        self.ranges
    }

    /// Bytes of content in all.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The slices of a long file, with the numbers of their ranges; none of anything else.
    pub fn slices_of(&self, entry: u32) -> impl Iterator<Item = (u64, Range)> {
        let at = self.runs.partition_point(|run| run.entry() <= entry).checked_sub(1);
        let numbers = match at.and_then(|at| self.runs.get(at)) {
            Some(Run::Long { first, entry: long }) if *long == entry => {
                *first..*first + self.size(entry).unwrap_or(0).div_ceil(RANGE_BYTES)
            }
            Some(_) | None => 0..0,
        };
        numbers.filter_map(|number| Some((number, self.range(number)?)))
    }

    /// What a range holds; `None` past the end.
    #[must_use]
    pub fn range(&self, number: u64) -> Option<Range> {
        if number >= self.ranges {
            return None;
        }
        let run = self.runs[self.runs.partition_point(|run| run.first() <= number) - 1];
        Some(match run {
            Run::Long { first, entry } => {
                let offset = (number - first) * RANGE_BYTES;
                let size = self.size(entry).unwrap_or(0);
                Range::Slice(Piece { entry, offset, len: RANGE_BYTES.min(size - offset) })
            }
            Run::Pack { start, end, .. } => Range::Pack(
                (start..end)
                    .filter_map(|entry| self.size(entry).map(|len| Piece { entry, offset: 0, len }))
                    .collect(),
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = RANGE_BYTES;

    #[test]
    fn short_files_share_a_range_and_long_ones_are_cut() {
        let layout = Layout::new([Some(10), None, Some(MIB - 10), Some(1), Some(2 * MIB + 5), Some(0)]);
        assert_eq!(layout.ranges(), 6);
        let piece = |entry, offset, len| Piece { entry, offset, len };
        assert_eq!(layout.range(0), Some(Range::Pack(vec![piece(0, 0, 10), piece(2, 0, MIB - 10)])));
        assert_eq!(layout.range(1), Some(Range::Pack(vec![piece(3, 0, 1)])));
        assert_eq!(layout.range(2), Some(Range::Slice(piece(4, 0, MIB))));
        assert_eq!(layout.range(4), Some(Range::Slice(piece(4, 2 * MIB, 5))));
        assert_eq!(layout.range(5), Some(Range::Pack(vec![piece(5, 0, 0)])));
        assert_eq!(layout.range(6), None);
        let slices = |entry| layout.slices_of(entry).map(|(number, range)| (number, range.bytes()));
        assert_eq!(slices(4).collect::<Vec<_>>(), [(2, MIB), (3, MIB), (4, 5)]);
        assert!((0..4).chain(5..7).all(|entry| slices(entry).next().is_none()));
    }

    #[test]
    fn empty_files_without_end_share_a_range_only_up_to_the_limit() {
        let files = PACK_FILES_MAX as usize;
        let layout = Layout::new(vec![Some(0); 2 * files + 1]);
        let count = |range| layout.range(range).map_or(0, |range| range.pieces().len());
        assert_eq!([0, 1, 2, 3].map(count), [files, files, 1, 0]);
    }

    proptest! {
        #[test]
        fn every_byte_of_every_file_is_in_exactly_one_range(
            sizes in proptest::collection::vec(proptest::option::of(prop_oneof![0..3u64, 0..MIB * 4]), 0..40)
        ) {
            let layout = Layout::new(sizes.iter().copied());
            let mut next: Vec<u64> = vec![0; sizes.len()];
            let mut seen: Vec<bool> = vec![false; sizes.len()];
            for number in 0..layout.ranges() {
                let range = layout.range(number).unwrap();
                prop_assert!(range.bytes() <= MIB);
                for piece in range.pieces() {
                    prop_assert_eq!(piece.offset, next[piece.entry as usize]);
                    next[piece.entry as usize] += piece.len;
                    seen[piece.entry as usize] = true;
                }
            }
            for (entry, size) in sizes.iter().enumerate() {
                prop_assert_eq!(next[entry], size.unwrap_or(0));
                prop_assert_eq!(seen[entry], size.is_some());
            }
        }
    }
}
