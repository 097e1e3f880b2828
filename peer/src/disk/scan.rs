//! Walks what is offered and writes its manifest.
//!
//! A path that the user names is followed when it is a symbolic link; links inside folders are skipped, and so are devices,
//! sockets and pipes. Folders come before what is in them.

use std::ffi::OsStr;
use std::fs::{Metadata, ReadDir};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use hobnob_wire::TransferId;
use hobnob_wire::limits::{TRANSFER_BYTES_MAX, TRANSFER_ENTRIES_MAX};
use hobnob_wire::transfer::{EntryKind, ManifestEntry, RelativePath};

use super::spool::{Spool, SpoolHead, SpoolWriter, spool_path};
use super::trouble::DiskError;
use crate::core::transfer::job::Scanned;
use crate::core::transfer::names::numbered;

/// Scans `paths` and spools the manifest beside the store.
///
/// # Errors
/// [`DiskError`], naming the file. Nothing is left behind then.
pub fn scan(transfers: &Path, transfer: TransferId, paths: &[PathBuf]) -> Result<Scanned, DiskError> {
    let roots = roots(paths)?;
    let name = roots.first().map_or_else(String::new, |(name, _)| name.clone());
    let spool = spool_path(transfers, transfer);
    let head = SpoolHead { roots, folder: None };
    let mut walk = Walk { writer: SpoolWriter::create(spool.clone(), &head)?, skipped: 0 };
    for (name, path) in &head.roots {
        walk.root(name, path)?;
    }
    if walk.skipped > 0 {
        tracing::info!(%transfer, skipped = walk.skipped, "symbolic links and special files are not sent");
    }
    let sum = walk.writer.finish()?;
    let ranges = Spool::open(spool)?.layout().ranges();
    Ok(Scanned { name, entries: sum.entries, bytes: sum.bytes, manifest: sum.digest, ranges })
}

/// Each path, really, and the name that it gets at the top of the manifest.
fn roots(paths: &[PathBuf]) -> Result<Vec<(String, PathBuf)>, DiskError> {
    let mut roots: Vec<(String, PathBuf)> = Vec::new();
    for path in paths {
        let real = path.canonicalize().map_err(|cause| DiskError::system("send", path, cause))?;
        let name = path.file_name().or_else(|| real.file_name());
        let name = name.ok_or_else(|| DiskError::Name { path: path.clone(), why: "it has no name" })?;
        let name = text(path, name)?;
        let is_taken = |name: &str| roots.iter().any(|(taken, _)| taken == name);
        let free = std::iter::once(name.to_owned()).chain((2..).map(|number| numbered(name, number)));
        let name = free.into_iter().find(|name| !is_taken(name)).unwrap_or_default();
        if real.to_str().is_none() {
            return Err(DiskError::Name { path: real, why: "the path is not valid Unicode" });
        }
        roots.push((name, real));
    }
    Ok(roots)
}

fn text<'a>(path: &Path, name: &'a OsStr) -> Result<&'a str, DiskError> {
    name.to_str()
        .ok_or_else(|| DiskError::Name { path: path.to_owned(), why: "its name is not valid Unicode" })
}

struct Walk {
    writer: SpoolWriter,
    skipped: u64,
}

/// A folder whose content is being listed.
struct Open {
    path: PathBuf,
    name: String,
    list: ReadDir,
}

impl Walk {
    fn root(&mut self, name: &str, path: &Path) -> Result<(), DiskError> {
        let refused = |cause| DiskError::system("read", path, cause);
        let metadata = path.symlink_metadata().map_err(refused)?;
        if metadata.is_file() {
            return self.file(name, path, &metadata);
        }
        if !metadata.is_dir() {
            return Err(DiskError::Special { path: path.to_owned() });
        }
        let mut open = vec![self.folder(name.to_owned(), path.to_owned(), &metadata)?];
        while let Some(folder) = open.last_mut() {
            let Some(entry) = folder.list.next() else {
                open.pop();
                continue;
            };
            let entry = entry.map_err(|cause| DiskError::system("read", &folder.path, cause))?;
            let path = entry.path();
            let name = format!("{}/{}", folder.name, text(&path, &entry.file_name())?);
            let metadata = entry.metadata().map_err(|cause| DiskError::system("read", &path, cause))?;
            if metadata.is_dir() {
                let inner = self.folder(name, path, &metadata)?;
                open.push(inner);
            } else if metadata.is_file() {
                self.file(&name, &path, &metadata)?;
            } else {
                self.skipped += 1;
            }
        }
        Ok(())
    }

    fn folder(&mut self, name: String, path: PathBuf, metadata: &Metadata) -> Result<Open, DiskError> {
        self.push(&name, &path, EntryKind::Folder, metadata)?;
        let list = path.read_dir().map_err(|cause| DiskError::system("read", &path, cause))?;
        Ok(Open { path, name, list })
    }

    fn file(&mut self, name: &str, path: &Path, metadata: &Metadata) -> Result<(), DiskError> {
        rustix::fs::access(path, rustix::fs::Access::READ_OK)
            .map_err(|cause| DiskError::system("read", path, cause))?;
        self.push(name, path, EntryKind::File, metadata)
    }

    fn push(
        &mut self,
        name: &str,
        path: &Path,
        kind: EntryKind,
        metadata: &Metadata,
    ) -> Result<(), DiskError> {
        const WHY: &str = "its name or path is too long, too deep, or holds a backslash";
        let relative =
            RelativePath::new(name).map_err(|_| DiskError::Name { path: path.to_owned(), why: WHY })?;
        if self.writer.entries() >= TRANSFER_ENTRIES_MAX {
            return Err(DiskError::TooMuch { what: "the files and folders", max: TRANSFER_ENTRIES_MAX });
        }
        let is_file = kind == EntryKind::File;
        self.writer.push(ManifestEntry {
            path: relative,
            kind,
            size: if is_file { metadata.len() } else { 0 },
            modified_unix_ms: modified_unix_ms(metadata),
            executable: is_file && metadata.mode() & 0o100 != 0,
        })?;
        if self.writer.bytes() > TRANSFER_BYTES_MAX {
            return Err(DiskError::TooMuch { what: "the bytes", max: TRANSFER_BYTES_MAX });
        }
        Ok(())
    }
}

/// When a file was modified, in Unix milliseconds; 0 where the system does not know.
pub(super) fn modified_unix_ms(metadata: &Metadata) -> i64 {
    let Ok(modified) = metadata.modified() else { return 0 };
    match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}
