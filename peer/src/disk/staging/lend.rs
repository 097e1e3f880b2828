//! Reads what has arrived again, for others.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::PoisonError;

use cap_std::fs::OpenOptionsExt;
use hobnob_wire::layout::Range;
use hobnob_wire::tree::{RangeHash, RangeHasher};
use rustix::fs::OFlags;

use super::{OpenOptions, Staging};
use crate::disk::trouble::DiskError;

impl Staging {
    /// The content of a range as it arrived, wherever it is now, and its hash; `None` when it is not noted, or is not any
    /// more what it was when it was.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn lend(&self, number: u64) -> Result<Option<(Range, Vec<u8>, RangeHash)>, DiskError> {
        let (Some(range), Some(known)) = (self.layout().range(number), self.tally.hash(number)?) else {
            return Ok(None);
        };
        let mut content = vec![0; usize::try_from(range.bytes()).unwrap_or(usize::MAX)];
        let mut hasher = RangeHasher::new(&range);
        let mut rest = content.as_mut_slice();
        for piece in range.pieces() {
            let entry = self.entry(piece.entry)?;
            let own =
                rest.split_off_mut(..usize::try_from(piece.len).unwrap_or(usize::MAX)).unwrap_or_default();
            let read =
                self.wherever(entry.path.as_str()).and_then(|file| file.read_exact_at(own, piece.offset));
            match read {
                Ok(()) => hasher.update(own),
                // Its owner has moved or changed it, which is no fault of the disk's.
                Err(cause)
                    if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) =>
                {
                    return Ok(None);
                }
                Err(cause) => return Err(self.refused("read", &entry, cause)),
            }
        }
        let hash = hasher.finish();
        Ok((hash.hash == known).then_some((range, content, hash)))
    }

    /// A file before or after it was put in place.
    fn wherever(&self, path: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        // Neither a link elsewhere nor a pipe that would block.
        options.read(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        let file = match self.disk.call("open", || self.staging.open_with(path, &options)) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                self.disk.call("open", || self.target.open_with(&*self.placed(path), &options))?
            }
            opened => opened?,
        };
        Ok(file.into_std())
    }

    /// What a path is called in the folder.
    fn placed<'a>(&self, path: &'a str) -> Cow<'a, str> {
        let (top, rest) = path.split_once('/').map_or((path, None), |(top, rest)| (top, Some(rest)));
        let renamed = self.renamed.lock().unwrap_or_else(PoisonError::into_inner);
        match (renamed.get(top), rest) {
            (None, _) => path.into(),
            (Some(name), None) => name.clone().into(),
            (Some(name), Some(rest)) => format!("{name}/{rest}").into(),
        }
    }
}
