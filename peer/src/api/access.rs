//! How this user's programs find the local API: `api.json` in the home, readable by this user only.
//!
//! The daemon keeps a lock on the file. The system drops the lock when the process ends, however it ends;
//! so a file that a killed daemon left behind is never taken for a running one, and nothing is sent to
//! whoever got its port since.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::token::Token;

/// Longest `api.json` that is read.
const ACCESS_BYTES_MAX: u64 = 4096;

/// Where the API is, and what to show there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Access {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// The token.
    pub token: Token,
}

/// Why there is no access.
#[derive(Debug, Error)]
pub enum AccessError {
    /// No daemon runs on this home.
    #[error("no daemon is running on {}; start it with `hobnob up` and the same --home, if any", .0.display())]
    NoDaemon(PathBuf),
    /// The file cannot be read or written.
    #[error("cannot use {}: {source}; check that the folder is yours and the disk has space", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what a daemon writes.
    #[error("{} is not valid; restart the daemon to write it again", .0.display())]
    Malformed(PathBuf),
}

impl Access {
    /// Reads what the running daemon of `home` has published.
    ///
    /// # Errors
    /// [`AccessError::NoDaemon`] when none runs; the others when the file is damaged.
    pub fn read(home: &Path) -> Result<Self, AccessError> {
        let path = file_in(home);
        let fault = |source| AccessError::File { path: path.clone(), source };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(AccessError::NoDaemon(home.to_owned()));
            }
            Err(error) => return Err(fault(error)),
        };
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {}
            Ok(()) => return Err(AccessError::NoDaemon(home.to_owned())),
            Err(TryLockError::Error(error)) => return Err(fault(error)),
        }
        let mut text = String::new();
        file.take(ACCESS_BYTES_MAX).read_to_string(&mut text).map_err(fault)?;
        serde_json::from_str(&text).map_err(|_| AccessError::Malformed(path))
    }

    /// Publishes this access in `home` until the returned value is dropped.
    ///
    /// # Errors
    /// [`AccessError::File`] when it cannot be written.
    pub fn publish(&self, home: &Path) -> Result<Published, AccessError> {
        let path = file_in(home);
        let file = self.write(&path).map_err(|source| AccessError::File { path: path.clone(), source })?;
        Ok(Published { path, _locked: file })
    }

    fn write(&self, path: &Path) -> io::Result<File> {
        // The file is locked before it gets its name, so no reader ever sees it unlocked.
        let fresh = path.with_extension("json.new");
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.lock()?;
        let mut text = serde_json::to_string(self).map_err(io::Error::other)?;
        text.push('\n');
        file.write_all(text.as_bytes())?;
        fs::rename(&fresh, path)?;
        Ok(file)
    }
}

/// Keeps `api.json` valid; removes it when dropped.
#[derive(Debug)]
pub struct Published {
    path: PathBuf,
    _locked: File,
}

impl Drop for Published {
    fn drop(&mut self) {
        // A file that stays is harmless: nobody holds its lock any more.
        let _ = fs::remove_file(&self.path);
    }
}

fn file_in(home: &Path) -> PathBuf {
    home.join("api.json")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn access() -> Access {
        Access { url: "http://127.0.0.1:1".into(), token: Token::random().unwrap() }
    }

    #[test]
    fn what_is_published_is_read_by_this_user_only() {
        let home = tempfile::tempdir().unwrap();
        let access = access();
        let _published = access.publish(home.path()).unwrap();
        let read = Access::read(home.path()).unwrap();
        assert_eq!(read.url, access.url);
        assert_eq!(read.token.header(), access.token.header());
        let mode = fs::metadata(home.path().join("api.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_stopped_daemon_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        drop(access().publish(home.path()).unwrap());
        assert!(matches!(Access::read(home.path()), Err(AccessError::NoDaemon(_))));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_file_of_a_killed_daemon_is_not_taken_for_a_running_one() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("api.json"), serde_json::to_string(&access()).unwrap()).unwrap();
        assert!(matches!(Access::read(home.path()), Err(AccessError::NoDaemon(_))));
        let _published = access().publish(home.path()).unwrap();
        Access::read(home.path()).unwrap();
    }
}
