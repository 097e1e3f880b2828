//! The folder of one rendezvous: its lock, its database, its certificate and key.
//!
//! | file | what it is |
//! | --- | --- |
//! | `lock` | the number of the process that serves from here |
//! | `rendezvous.db` | accounts, contacts, mailboxes; and OPAQUE's secrets |
//! | `certificate.pem`, `key.pem` | who this rendezvous is to everybody who has its invite |
//! | `config.toml` | settings, if the operator wrote some |
//!
//! Keep the folder and its backups secret: `key.pem` and the database are the rendezvous.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hobnob_nat::{IdentityError, ServerIdentity};
use rustix::fs::{FlockOperation, flock};
use thiserror::Error;
use zeroize::Zeroizing;

/// Nobody but the owner enters.
const FOLDER_MODE: u32 = 0o700;

/// Nobody but the owner reads.
const FILE_MODE: u32 = 0o600;

/// A lock file holds a process number; what is longer is not one of ours.
const LOCK_BYTES_MAX: u64 = 32;

/// Why there is no home.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HomeError {
    /// Another process serves from the folder.
    #[error("another rendezvous (process {process}) serves from {}", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The other process, as it wrote its number down.
        process: String,
    },
    /// A file or folder cannot be made, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("the identity in {} cannot be used: {source}", folder.display())]
    Identity {
        /// The folder.
        folder: PathBuf,
        /// Which of the two is at fault, and why.
        source: IdentityError,
    },
    /// One of the two files of the identity is missing. A new identity would lock out everybody who knows the old one.
    #[error("{} is missing: restore it, or remove both files to begin anew with another pin", path.display())]
    HalfAnIdentity {
        /// The missing file.
        path: PathBuf,
    },
}

/// A locked home. The lock ends when this is dropped, or with the process.
#[derive(Debug)]
pub struct Home {
    folder: PathBuf,
    _lock: File,
}

impl Home {
    /// Makes the folder if need be and locks it.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn open(folder: &Path) -> Result<Self, HomeError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| HomeError::Io { path, source }
        };
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(at(folder))?;
        fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE)).map_err(at(folder))?;
        let path = folder.join("lock");
        let mut lock = private().read(true).create(true).truncate(false).open(&path).map_err(at(&path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut process = String::new();
                let read = (&lock).take(LOCK_BYTES_MAX).read_to_string(&mut process);
                let process = if read.is_ok() { process.trim().to_owned() } else { "unknown".to_owned() };
                return Err(HomeError::InUse { folder: folder.to_owned(), process });
            }
            Err(error) => return Err(at(&path)(error.into())),
        }
        let write = |lock: &mut File| {
            lock.set_len(0)?;
            writeln!(lock, "{}", std::process::id())
        };
        write(&mut lock).map_err(at(&path))?;
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    /// The database file, which exists afterwards and which only its owner reads.
    ///
    /// # Errors
    /// [`HomeError::Io`].
    pub fn database(&self) -> Result<PathBuf, HomeError> {
        let path = self.folder.join("rendezvous.db");
        // SQLite gives its own files beside it the same mode.
        match private().create(true).truncate(false).open(&path) {
            Ok(_) => Ok(path),
            Err(source) => Err(HomeError::Io { path, source }),
        }
    }

    /// The identity, made at the first call for `names`.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn identity(&self, names: &[String]) -> Result<ServerIdentity, HomeError> {
        let failed = |source| HomeError::Identity { folder: self.folder.clone(), source };
        let (certificate_path, key_path) = (self.folder.join("certificate.pem"), self.folder.join("key.pem"));
        match (read(&certificate_path)?, read(&key_path)?) {
            (Some(certificate), Some(key)) => ServerIdentity::from_pem(&certificate, &key).map_err(failed),
            (None, None) => {
                let identity = ServerIdentity::generate(names).map_err(failed)?;
                let (certificate, key) = identity.to_pem();
                self.write("key.pem", key.as_bytes())?;
                self.write("certificate.pem", certificate.as_bytes())?;
                Ok(identity)
            }
            (Some(_), None) => Err(HomeError::HalfAnIdentity { path: key_path }),
            (None, Some(_)) => Err(HomeError::HalfAnIdentity { path: certificate_path }),
        }
    }

    /// Writes a file that is there whole, or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), HomeError> {
        let (path, new) = (self.folder.join(name), self.folder.join(format!("{name}.new")));
        let written = (|| {
            let mut file = private().create(true).truncate(true).open(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.folder)?.sync_all()
        })();
        written.map_err(|source| HomeError::Io { path, source })
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(FILE_MODE);
    options
}

fn read(path: &Path) -> Result<Option<Zeroizing<String>>, HomeError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(HomeError::Io { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn everything_is_for_the_owner_only_and_the_identity_stays() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a").join("b");
        let home = Home::open(&folder).unwrap();
        let pin = home.identity(&["localhost".to_owned()]).unwrap().pin();
        assert_eq!(home.identity(&["elsewhere".to_owned()]).unwrap().pin(), pin);
        let database = home.database().unwrap();
        assert_eq!(mode(&folder), 0o700);
        for file in [database, folder.join("key.pem"), folder.join("certificate.pem"), folder.join("lock")] {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }

    #[test]
    fn a_second_process_is_turned_away_and_told_which_one_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let _home = Home::open(folder.path()).unwrap();
        let error = Home::open(folder.path()).unwrap_err().to_string();
        let expected = format!(
            "another rendezvous (process {}) serves from {}",
            std::process::id(),
            folder.path().display()
        );
        assert_eq!(error, expected);
    }

    #[test]
    fn half_an_identity_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        home.identity(&["localhost".to_owned()]).unwrap();
        fs::remove_file(folder.path().join("certificate.pem")).unwrap();
        let error = home.identity(&["localhost".to_owned()]).unwrap_err();
        assert!(matches!(error, HomeError::HalfAnIdentity { .. }), "{error}");
    }
}
