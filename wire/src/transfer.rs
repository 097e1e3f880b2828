//! Transfers: files on their way over a link.
//!
//! The offer is a letter. The receiver accepts on the link's control stream and says which ranges it
//! wants; the sender answers with the manifest and then the ranges, each on a unidirectional stream of
//! its own. [`layout`](crate::layout) says which bytes a range is, [`record`](crate::record) how a
//! stream is cut and sealed, [`tree`](crate::tree) how ranges are hashed.

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

use crate::bounded::{List, Text, bounded_str};
use crate::choice::Choice;
use crate::codec::Frame;
use crate::ids::TransferId;
use crate::limits::{
    MANIFEST_PART_BYTES_MAX, MANIFEST_PART_ENTRIES_MAX, OFFER_TEXT_BYTES_MAX, PATH_BYTES_MAX, PATH_DEPTH_MAX,
    SWARM_MEMBERS_MAX, SWARM_RANGES_MAX, WANT_SPANS_MAX,
};
use crate::swarm::MemberMark;

/// What the two sides of a transfer say on the control stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferFrame {
    /// Receiver: send me this. A later one replaces what is still wanted; it is also how a transfer is
    /// resumed after a break.
    Accept {
        /// Which transfer.
        transfer: TransferId,
        /// Whether the manifest is wanted too.
        manifest: bool,
        /// Whether of the ranges only the hashes are wanted: the receiver may have their bytes already.
        compare: bool,
        /// Ranges wanted, ascending and apart.
        want: List<Span, WANT_SPANS_MAX>,
    },
    /// Either side: send no faster than this.
    Pace {
        /// Which transfer.
        transfer: TransferId,
        /// Bytes per second; 0 for no limit.
        bytes_per_s: u64,
    },
    /// Receiver: so much is verified and on disk. For the sender's display.
    Progress {
        /// Which transfer.
        transfer: TransferId,
        /// Bytes of file content.
        bytes: u64,
    },
    /// Receiver: everything is verified and in place.
    Complete {
        /// Which transfer.
        transfer: TransferId,
        /// [Digest](crate::tree::TransferHasher) of what was received.
        digest: [u8; 32],
    },
    /// Sender: I know no such transfer (any more); stop asking.
    Gone {
        /// Which transfer.
        transfer: TransferId,
    },
    /// Either side: whether ranges may move. A sender keeps what it was asked for while it holds; a receiver goes on with
    /// another [`TransferFrame::Accept`].
    Hold {
        /// Which transfer.
        transfer: TransferId,
        /// Why nothing moves.
        hold: Hold,
    },
    /// Either side: a disk of mine refuses, so nothing moves now; the receiver asks again later.
    Wait {
        /// Which transfer.
        transfer: TransferId,
        /// Why, in words, for people; may name a file.
        text: Text<OFFER_TEXT_BYTES_MAX>,
    },
    /// Receiver, before the [`TransferFrame::Accept`] of each link: only these files are taken. The first one counts.
    Choose {
        /// Which transfer.
        transfer: TransferId,
        /// Which of its files.
        choice: Choice,
    },
    /// Receiver: these of the others who got the offer help me; do not send me what they have or will have. Holds on
    /// this link until another one says else.
    Helped {
        /// Which transfer.
        transfer: TransferId,
        /// By whom.
        by: List<MemberMark, SWARM_MEMBERS_MAX>,
    },
    /// Receiver: others have sent me these ranges, which are verified here.
    Got {
        /// Which transfer.
        transfer: TransferId,
        /// The ranges, ascending and apart.
        ranges: List<Span, WANT_SPANS_MAX>,
    },
    /// Receiver: tell me the hashes of these ranges, so that I can take them from others.
    AskHashes {
        /// Which transfer.
        transfer: TransferId,
        /// The ranges, ascending and apart, [`SWARM_RANGES_MAX`] in all; what is more is not answered.
        ranges: List<Span, SWARM_RANGES_MAX>,
    },
    /// Sender: these are the hashes that were asked for, as far as I know them without reading anything. One answer to each
    /// question.
    Hashes {
        /// Which transfer.
        transfer: TransferId,
        /// The ranges, ascending and apart, as many as there are hashes.
        ranges: List<Span, SWARM_RANGES_MAX>,
        /// [Hash of each range](crate::tree::RangeHasher).
        hashes: List<[u8; 32], SWARM_RANGES_MAX>,
    },
}

/// Why a transfer does not move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Hold {
    /// It may move.
    #[default]
    None,
    /// Others are before it.
    Queue,
    /// A user wants it so.
    Paused,
}

impl TransferFrame {
    /// Which transfer it is about.
    #[must_use]
    pub const fn transfer(&self) -> TransferId {
        match self {
            Self::Accept { transfer, .. }
            | Self::Pace { transfer, .. }
            | Self::Progress { transfer, .. }
            | Self::Complete { transfer, .. }
            | Self::Hold { transfer, .. }
            | Self::Wait { transfer, .. }
            | Self::Choose { transfer, .. }
            | Self::Helped { transfer, .. }
            | Self::Got { transfer, .. }
            | Self::AskHashes { transfer, .. }
            | Self::Hashes { transfer, .. }
            | Self::Gone { transfer } => *transfer,
        }
    }
}

/// A half-open span of range numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First range.
    #[serde(with = "postcard::fixint::be")]
    pub start: u64,
    /// One past the last range; [`u64::MAX`] for "to the end".
    #[serde(with = "postcard::fixint::be")]
    pub end: u64,
}

/// First record of a unidirectional stream: what the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamHeader {
    /// The manifest's parts follow, one per record.
    Manifest {
        /// Of which transfer.
        transfer: TransferId,
    },
    /// The bytes of one range follow, then, in the last record, a [`RangeTrailer`].
    Range {
        /// Of which transfer.
        transfer: TransferId,
        /// Number of the range.
        range: u64,
        /// How its bytes travel.
        coding: RangeCoding,
    },
}

/// How the bytes of a range travel. Its hash is over the bytes themselves, whatever the coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RangeCoding {
    /// As they are.
    Plain,
    /// One Zstandard frame (RFC 8878) for each file, fewer bytes in all than the range has. No file's bytes
    /// have a say in how another's are coded, so lengths tell nothing of one by the other.
    Zstd,
    /// All are zero, and none travel: a hole in a sparse file.
    Hole,
    /// None travel: the receiver has bytes to compare with the hash. Only when it asked to compare.
    Known,
}

impl Frame for StreamHeader {
    const NAME: &'static str = "stream header";
    const BYTES_MAX: usize = 32;
}

/// Last record of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeTrailer {
    /// [Hash of the range](crate::tree::RangeHasher).
    pub hash: [u8; 32],
}

impl Frame for RangeTrailer {
    const NAME: &'static str = "range trailer";
    const BYTES_MAX: usize = 32;
}

/// One part of a manifest, one record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestPart {
    /// Entries in the order of the layout.
    pub entries: List<ManifestEntry, MANIFEST_PART_ENTRIES_MAX>,
}

impl Frame for ManifestPart {
    const NAME: &'static str = "manifest part";
    const BYTES_MAX: usize = MANIFEST_PART_BYTES_MAX;
}

/// One file, folder or symbolic link of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// Where, relative to the folder that the receiver chooses.
    pub path: RelativePath,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file; 0 for anything else.
    #[serde(with = "postcard::fixint::be")]
    pub size: u64,
    /// Modification time in Unix milliseconds.
    #[serde(with = "postcard::fixint::be")]
    pub modified_unix_ms: i64,
    /// Whether the owner may execute the file.
    pub executable: bool,
    /// Whether the file has holes, which shall be holes again.
    pub sparse: bool,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder, listed before what is in it and so that empty ones arrive too.
    Folder,
    /// A symbolic link. Links come after everything else.
    Link {
        /// Where it leads, as a path of this manifest, below the same top as the link. So there is no way to
        /// name a place outside.
        target: RelativePath,
    },
}

/// The path is not one that may be written to.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a path in a manifest is relative, joined by `/`, without `.`, `..`, empty or control parts")]
pub struct BadPath;

/// A relative path with `/` between its parts, none of which is empty, `.`, `..` or holds a NUL or a
/// backslash. Whether the names are fit for the receiver's disk is the receiver's to decide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelativePath(Box<str>);

impl RelativePath {
    /// # Errors
    /// [`BadPath`] when a rule is broken, or over [`PATH_BYTES_MAX`] or [`PATH_DEPTH_MAX`].
    pub fn new(path: &str) -> Result<Self, BadPath> {
        check_path(path)?;
        Ok(Self(path.into()))
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts, outermost first.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

fn check_path(path: &str) -> Result<(), BadPath> {
    let part_ok =
        |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255 && !part.contains(['\0', '\\']);
    let ok = path.len() <= PATH_BYTES_MAX
        && path.split('/').count() <= PATH_DEPTH_MAX
        && path.split('/').all(part_ok);
    ok.then_some(()).ok_or(BadPath)
}

impl Serialize for RelativePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RelativePath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = bounded_str::<D, PATH_BYTES_MAX>(deserializer)?;
        check_path(&path).map_err(serde::de::Error::custom)?;
        Ok(Self(path))
    }
}

/// Digest of a manifest: BLAKE3 over its encoded parts, in order.
#[derive(Clone, Debug)]
pub struct ManifestHasher(blake3::Hasher);

impl Default for ManifestHasher {
    fn default() -> Self {
        Self(blake3::Hasher::new_derive_key("hobnob 1 manifest"))
    }
}

impl ManifestHasher {
    /// Adds one encoded part, its length first.
    pub fn update(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_be_bytes()).update(part);
    }

    /// The digest of all parts.
    #[must_use]
    pub fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_could_leave_its_folder_is_refused() {
        for path in ["", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\\b", "a\0", &"a/".repeat(64)] {
            assert_eq!(RelativePath::new(path), Err(BadPath), "{path:?}");
        }
        assert_eq!(
            RelativePath::new("a/b c/ü.txt").unwrap().parts().collect::<Vec<_>>(),
            ["a", "b c", "ü.txt"]
        );
    }
}
