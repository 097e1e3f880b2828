//! A store that a passphrase guards: setting one, changing it, taking it off.
//!
//! The file `key` decides which database counts: without it `hobnob.db`, with it `sealed.db`. Whatever else is
//! there was left by a change that did not come to its end, and is removed at the next opening. So each change
//! is one rename or one removal, and a crash at any point leaves the store as it was before or as it is to be.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::key::{KeyError, StoreKey};
use super::{Database, FILE, StoreError, lock, sealed};
use crate::driver::SystemEntropy;

/// The sealed key.
const KEY: &str = "key";
/// The database while there is a passphrase.
pub(super) const SEALED: &str = "sealed.db";
/// Behind the name of a file that is not whole yet.
const NEW: &str = ".new";
/// What SQLite keeps beside a database.
const BESIDE: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// A passphrase, which no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// From what was typed.
    #[must_use]
    pub const fn new(typed: Zeroizing<String>) -> Self {
        Self(typed)
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// Whether this build can guard a store with a passphrase.
pub const AVAILABLE: bool = cfg!(feature = "passphrase");

/// Whether a passphrase guards the store in `home`.
#[must_use]
pub fn is_locked(home: &Path) -> bool {
    home.join(KEY).exists()
}

/// Encrypts the store in `home`, which no process may use meanwhile.
///
/// # Errors
/// [`StoreError`]: it has a passphrase already, or is in use; it is as it was then.
pub fn set(home: &Path, passphrase: &Passphrase) -> Result<(), StoreError> {
    if !AVAILABLE {
        return Err(StoreError::NoPassphrases);
    }
    if is_locked(home) {
        return Err(StoreError::AlreadyLocked);
    }
    let database = Database::open(home)?;
    let key = StoreKey::draw(&mut SystemEntropy);
    let (new, place) = (with(home, SEALED, NEW), home.join(SEALED));
    remove(home, &format!("{SEALED}{NEW}"))?;
    private(&new)?;
    sealed::copy_to_sealed(&database.connection, &new, &key)?;
    settle(&new, &place)?;
    write_key(home, &key, passphrase)?;
    // From here on the sealed one counts.
    let Database { connection, _lock: held, .. } = database;
    drop(connection);
    wipe(home, FILE)?;
    drop(held);
    Ok(())
}

/// Guards the store in `home` with another passphrase.
///
/// # Errors
/// [`StoreError`]: there is no passphrase yet, or it is another one.
pub fn change(home: &Path, old: &Passphrase, new: &Passphrase) -> Result<(), StoreError> {
    let _held = lock(home)?;
    let key = open_key(home, old)?;
    write_key(home, &key, new)
}

/// Decrypts the store in `home`, which no process may use meanwhile.
///
/// # Errors
/// [`StoreError`]: there is no passphrase, or it is another one; it is as it was then.
pub fn take_off(home: &Path, passphrase: &Passphrase) -> Result<(), StoreError> {
    if !is_locked(home) {
        return Err(StoreError::NotLocked);
    }
    let database = Database::unlock(home, passphrase)?;
    let (new, place) = (with(home, FILE, NEW), home.join(FILE));
    remove(home, &format!("{FILE}{NEW}"))?;
    private(&new)?;
    sealed::copy_to_plain(&database.connection, &new)?;
    settle(&new, &place)?;
    let key = home.join(KEY);
    fs::remove_file(&key).and_then(|()| sync(home)).map_err(at(&key))?;
    // From here on the plain one counts.
    let Database { connection, _lock: held, .. } = database;
    drop(connection);
    remove(home, SEALED)?;
    drop(held);
    Ok(())
}

/// Opens the sealed key in `home`.
pub(super) fn open_key(home: &Path, passphrase: &Passphrase) -> Result<StoreKey, StoreError> {
    let path = home.join(KEY);
    let file = match fs::read(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StoreError::NotLocked),
        Err(error) => return Err(at(&path)(error)),
    };
    StoreKey::open(&file, &passphrase.0).map_err(|error| match error {
        KeyError::WrongPassphrase => StoreError::WrongPassphrase,
        KeyError::Damaged => StoreError::Damaged("the file of the key is not whole"),
    })
}

/// Removes what a change that was interrupted left behind.
pub(super) fn tidy(home: &Path) -> Result<(), StoreError> {
    if is_locked(home) {
        wipe(home, FILE)?
    } else {
        remove(home, SEALED)?
    }
    remove(home, &format!("{SEALED}{NEW}"))?;
    wipe(home, &format!("{FILE}{NEW}"))
}

fn write_key(home: &Path, key: &StoreKey, passphrase: &Passphrase) -> Result<(), StoreError> {
    let sealed = key.seal(&passphrase.0, &mut SystemEntropy);
    let sealed = sealed.map_err(|_| StoreError::Damaged("the key cannot be sealed"))?;
    let (new, place) = (with(home, KEY, NEW), home.join(KEY));
    remove(home, &format!("{KEY}{NEW}"))?;
    private(&new)?.write_all(&sealed).map_err(at(&new))?;
    settle(&new, &place)
}

/// Gives a file that is whole its name, for good.
fn settle(new: &Path, place: &Path) -> Result<(), StoreError> {
    let home = place.parent().unwrap_or(place);
    File::open(new)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(new, place))
        .and_then(|()| sync(home))
        .map_err(at(place))
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn private(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(at(path))
}

/// Removes a database with what is beside it.
fn remove(home: &Path, name: &str) -> Result<(), StoreError> {
    each(home, name, |path| fs::remove_file(path))
}

/// Overwrites and removes a database with what is beside it. On a disk that writes elsewhere what is overwritten (SSD,
/// snapshots) this cannot reach what was there.
fn wipe(home: &Path, name: &str) -> Result<(), StoreError> {
    each(home, name, |path| {
        let mut file = OpenOptions::new().write(true).open(path)?;
        let mut left = file.metadata()?.len();
        let zeros = vec![0; 1 << 16];
        while left > 0 {
            let part = usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len());
            file.write_all(&zeros[..part])?;
            left -= part as u64;
        }
        file.sync_all()?;
        fs::remove_file(path)
    })
}

fn each(home: &Path, name: &str, act: impl Fn(&Path) -> io::Result<()>) -> Result<(), StoreError> {
    for beside in BESIDE {
        let path = with(home, name, beside);
        match act(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn with(home: &Path, name: &str, behind: &str) -> PathBuf {
    home.join(format!("{name}{behind}"))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |error| StoreError::File { path, error }
}

#[cfg(all(test, feature = "passphrase"))]
mod tests {
    use super::*;
    use crate::core::store::SettingStore;

    fn phrase(text: &str) -> Passphrase {
        Passphrase::new(Zeroizing::new(text.to_owned()))
    }

    fn put(database: &mut Database, value: &str) {
        let mut tx = database.begin().unwrap();
        tx.set_setting("zebra", value).unwrap();
        tx.commit().unwrap();
    }

    fn kept(mut database: Database) -> Option<String> {
        database.begin().unwrap().setting("zebra").unwrap()
    }

    fn names(home: &Path) -> Vec<String> {
        let entries = fs::read_dir(home).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_change_that_is_interrupted_leaves_the_store_as_it_was_or_as_it_is_to_be() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let mut database = Database::open(home).unwrap();
        put(&mut database, "canary");
        drop(database);
        // Before the key was in its place.
        for name in ["sealed.db", "sealed.db.new", "key.new"] {
            fs::write(home.join(name), "part").unwrap();
        }
        assert_eq!(kept(Database::open(home).unwrap()).as_deref(), Some("canary"));
        set(home, &phrase("one")).unwrap();
        assert_eq!(names(home), ["key", "lock", "sealed.db"]);

        // After it was.
        fs::write(home.join("hobnob.db"), "canary").unwrap();
        fs::write(home.join("hobnob.db-wal"), "canary").unwrap();
        assert!(matches!(Database::open(home).unwrap_err(), StoreError::Locked(_)));
        assert!(matches!(Database::unlock(home, &phrase("two")).unwrap_err(), StoreError::WrongPassphrase));
        assert_eq!(kept(Database::unlock(home, &phrase("one")).unwrap()).as_deref(), Some("canary"));
        assert_eq!(names(home), ["key", "lock", "sealed.db"]);

        change(home, &phrase("one"), &phrase("two")).unwrap();
        assert!(matches!(take_off(home, &phrase("one")).unwrap_err(), StoreError::WrongPassphrase));
        take_off(home, &phrase("two")).unwrap();
        assert_eq!(names(home), ["hobnob.db", "lock"]);
        assert_eq!(kept(Database::open(home).unwrap()).as_deref(), Some("canary"));
    }

    #[test]
    fn a_sealed_store_has_nothing_in_clear_not_even_in_its_log() {
        let home = tempfile::tempdir().unwrap();
        drop(Database::open(home.path()).unwrap());
        set(home.path(), &phrase("one")).unwrap();
        let mut database = Database::unlock(home.path(), &phrase("one")).unwrap();
        put(&mut database, "canary");
        for name in names(home.path()) {
            let bytes = fs::read(home.path().join(&name)).unwrap();
            for word in ["canary", "zebra", "SQLite format", "CREATE TABLE"] {
                assert!(
                    !bytes.windows(word.len()).any(|window| window == word.as_bytes()),
                    "{word} in {name}"
                );
            }
        }
    }
}
