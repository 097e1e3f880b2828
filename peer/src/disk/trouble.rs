//! What to tell the user when the disk refuses: which file, what happened, what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use thiserror::Error;

/// Why a file could not be read, written or put in place.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DiskError {
    /// The system refused.
    #[error("could not {doing} {}: {}", path.display(), Advice(cause))]
    System {
        /// What was tried.
        doing: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file is not what it was when it was offered.
    #[error("{} has changed since it was offered; send it again", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// A name that cannot travel.
    #[error("{} cannot be sent: {why}; rename it", path.display())]
    Name {
        /// Which.
        path: PathBuf,
        /// What is wrong with its name.
        why: &'static str,
    },
    /// Neither a file nor a folder.
    #[error("{} is neither a file nor a folder and cannot be sent", path.display())]
    Special {
        /// Which.
        path: PathBuf,
    },
    /// More than one transfer may hold.
    #[error("{what} are more than one transfer may hold ({max}); send them in parts")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: u64,
    },
    /// The disk has not enough room.
    #[error(
        "not enough room on the disk of {}: {needed} bytes are needed, {free} are free; free some space or choose another folder",
        folder.display()
    )]
    NoRoom {
        /// The folder that was chosen.
        folder: PathBuf,
        /// Bytes that would arrive.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// What has arrived of a transfer is not where it was written.
    #[error(
        "{} is not there, where this transfer has been written; bring the disk or the folder back, or cancel and ask for it to be sent again",
        folder.display()
    )]
    Gone {
        /// The folder of what has arrived.
        folder: PathBuf,
    },
    /// The spool of a manifest is damaged.
    #[error("the list of files at {} is damaged; send the files again", path.display())]
    Spool {
        /// Which.
        path: PathBuf,
    },
}

impl DiskError {
    /// The system refused `doing` something with `path`.
    pub(crate) fn system(doing: &'static str, path: &Path, cause: impl Into<io::Error>) -> Self {
        Self::System { doing, path: path.to_owned(), cause: cause.into() }
    }

    /// Whether waiting would not help.
    pub(crate) fn is_lasting(&self) -> bool {
        use io::ErrorKind as Kind;
        match self {
            Self::System { cause, .. } => {
                matches!(cause.kind(), Kind::FileTooLarge | Kind::InvalidFilename | Kind::Unsupported)
            }
            Self::NoRoom { .. } | Self::Gone { .. } => false,
            Self::Changed { .. }
            | Self::Name { .. }
            | Self::Special { .. }
            | Self::TooMuch { .. }
            | Self::Spool { .. } => true,
        }
    }

    /// The same for the other side of a transfer, who must not learn where things are on this disk or how
    /// much room it has: only the last part of a path is named.
    pub(crate) fn told(&self) -> String {
        let name = |path: &Path| path.file_name().map_or_else(String::new, |name| name.display().to_string());
        match self {
            Self::System { doing, path, cause } => {
                format!("could not {doing} {}: {}", name(path), Advice(cause))
            }
            Self::Changed { path } => {
                format!("{} has changed since it was offered; send it again", name(path))
            }
            Self::Name { path, .. } | Self::Special { path } => format!("{} cannot be sent", name(path)),
            Self::TooMuch { .. } => self.to_string(),
            Self::Gone { .. } => "the disk is not there".to_owned(),
            Self::NoRoom { .. } => "not enough room on the disk".to_owned(),
            Self::Spool { .. } => "the list of files is damaged; send the files again".to_owned(),
        }
    }
}

/// What happened and what to do, without the number of the error.
struct Advice<'a>(&'a io::Error);

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use io::ErrorKind as Kind;
        const PERMISSIONS: &str = "change its permissions or choose another place";
        const ATTACHED: &str = "check that the disk is attached, or choose another folder";
        let kinds = [
            (Kind::NotFound, "there is no such file or folder", "check the path"),
            (Kind::PermissionDenied, "permission denied", PERMISSIONS),
            (Kind::StorageFull, "the disk is full", "free some space"),
            (Kind::QuotaExceeded, "the disk quota is used up", "free some space"),
            (Kind::FileTooLarge, "the file is too large for this disk", "choose another folder"),
            (Kind::ReadOnlyFilesystem, "the disk is read-only", "make it writable or choose another folder"),
            (Kind::NotADirectory, "it is not a folder", "choose another one"),
            (Kind::AlreadyExists, "something of that name is in the way", "choose another folder"),
            (Kind::InvalidFilename, "this disk does not allow the name", "choose another folder"),
            (Kind::StaleNetworkFileHandle, "its disk does not answer", ATTACHED),
            (Kind::NotConnected, "its disk does not answer", ATTACHED),
            (Kind::TimedOut, "its disk does not answer", ATTACHED),
        ];
        let numbers = [
            (Errno::IO, "the disk has an error", "check the disk, or choose another folder"),
            (Errno::NODEV, "the disk is gone", ATTACHED),
            (Errno::NXIO, "the disk is gone", ATTACHED),
            (Errno::MFILE, "too many files are open", "close some programs"),
            (Errno::NFILE, "too many files are open", "close some programs"),
        ];
        let of_kind = kinds.iter().find(|(kind, ..)| *kind == self.0.kind()).map(|found| (found.1, found.2));
        let of_number = || {
            let number = Errno::from_io_error(self.0);
            numbers.iter().find(|(known, ..)| Some(*known) == number).map(|found| (found.1, found.2))
        };
        let Some((what, then)) = of_kind.or_else(of_number) else {
            return write!(f, "{}; try it again, or choose another place", self.0);
        };
        write!(f, "{what}; {then}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_file_what_happened_and_what_to_do() {
        let error = DiskError::system("write", Path::new("/mnt/a"), io::Error::from_raw_os_error(28));
        assert_eq!(error.to_string(), "could not write /mnt/a: the disk is full; free some space");
        assert_eq!(error.told(), "could not write a: the disk is full; free some space");
        let error = DiskError::system("write", Path::new("/mnt/a"), io::Error::from_raw_os_error(5));
        let text = "could not write /mnt/a: the disk has an error; check the disk, or choose another folder";
        assert_eq!(error.to_string(), text);
    }
}
