//! Walks what is offered and writes its manifest.
//!
//! A path that the user names is followed when it is a symbolic link. Links inside folders are listed, after everything
//! else, when that is wished and they stay inside their folder; other links are skipped, and so are devices, sockets and pipes.
//! Folders come before what is in them.

use std::ffi::OsStr;
use std::fs::{Metadata, ReadDir};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use hobnob_wire::TransferId;
use hobnob_wire::limits::{TRANSFER_BYTES_MAX, TRANSFER_ENTRIES_MAX};
use hobnob_wire::transfer::{EntryKind, ManifestEntry, RelativePath};

use super::calls::Disk;
use super::spool::{Spool, SpoolHead, SpoolWriter, spool_path};
use super::tally::share;
use super::trouble::DiskError;
use crate::core::transfer::job::Scanned;
use crate::core::transfer::names::numbered;

/// Bytes of the paths of links, which wait in memory for everything else to be listed.
const LINKS_BYTES_MAX: usize = 32 << 20;
/// What `stat` counts blocks in, whatever the file system.
const STAT_BLOCK_BYTES: u64 = 512;

/// Scans `paths` and spools the manifest beside the store, once for all these transfers.
///
/// # Errors
/// [`DiskError`], naming the file. Nothing is left behind then.
pub fn scan(
    disk: &Disk,
    (transfer, also): (TransferId, &[TransferId]),
    paths: &[PathBuf],
    links: bool,
) -> Result<Scanned, DiskError> {
    let roots = roots(disk, paths)?;
    let name = roots.first().map_or_else(String::new, |(name, _)| name.clone());
    let spool = spool_path(disk, transfer);
    let head = SpoolHead { roots, folder: None };
    let writer = SpoolWriter::create(disk, spool.clone(), &head)?;
    let mut walk =
        Walk { disk: disk.clone(), writer, links: links.then(Vec::new), links_bytes: 0, skipped: 0 };
    for (name, path) in &head.roots {
        walk.root(name, path)?;
    }
    for link in walk.links.take().unwrap_or_default() {
        walk.push(link)?;
    }
    if walk.skipped > 0 {
        tracing::info!(%transfer, skipped = walk.skipped, "symbolic links and special files are not sent");
    }
    let sum = walk.writer.finish()?;
    let ranges = Spool::open(disk, spool)?.layout().ranges();
    share(disk, transfer, also)?;
    Ok(Scanned { name, entries: sum.entries, bytes: sum.bytes, manifest: sum.digest, ranges })
}

/// Each path, really, and the name that it gets at the top of the manifest.
fn roots(disk: &Disk, paths: &[PathBuf]) -> Result<Vec<(String, PathBuf)>, DiskError> {
    let mut roots: Vec<(String, PathBuf)> = Vec::new();
    for path in paths {
        let real = disk.call("find", || path.canonicalize());
        let real = real.map_err(|cause| DiskError::system("send", path, cause))?;
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
    disk: Disk,
    writer: SpoolWriter,
    /// Links so far, when they are wished for.
    links: Option<Vec<ManifestEntry>>,
    links_bytes: usize,
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
        let metadata = self.disk.call("look at", || path.symlink_metadata()).map_err(refused)?;
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
            let entry = self.disk.call("list", || entry);
            let entry = entry.map_err(|cause| DiskError::system("read", &folder.path, cause))?;
            let path = entry.path();
            let name = format!("{}/{}", folder.name, text(&path, &entry.file_name())?);
            let metadata = self.disk.call("look at", || entry.metadata());
            let metadata = metadata.map_err(|cause| DiskError::system("read", &path, cause))?;
            if metadata.is_dir() {
                let inner = self.folder(name, path, &metadata)?;
                open.push(inner);
            } else if metadata.is_file() {
                self.file(&name, &path, &metadata)?;
            } else if !metadata.is_symlink() || !self.link(&name, &path, &metadata)? {
                self.skipped += 1;
            }
        }
        Ok(())
    }

    fn folder(&mut self, name: String, path: PathBuf, metadata: &Metadata) -> Result<Open, DiskError> {
        self.push(entry(&name, &path, EntryKind::Folder, metadata)?)?;
        let list = self.disk.call("list", || path.read_dir());
        let list = list.map_err(|cause| DiskError::system("read", &path, cause))?;
        Ok(Open { path, name, list })
    }

    fn file(&mut self, name: &str, path: &Path, metadata: &Metadata) -> Result<(), DiskError> {
        self.disk
            .call("ask for", || rustix::fs::access(path, rustix::fs::Access::READ_OK))
            .map_err(|cause| DiskError::system("read", path, cause))?;
        self.push(entry(name, path, EntryKind::File, metadata)?)
    }

    /// Keeps a link for later; `false` when it is not to be sent.
    fn link(&mut self, name: &str, path: &Path, metadata: &Metadata) -> Result<bool, DiskError> {
        let Some(links) = &mut self.links else { return Ok(false) };
        let text = self.disk.call("read a link", || path.read_link());
        let text = text.map_err(|cause| DiskError::system("read", path, cause))?;
        let Some(target) = target(name, &text) else { return Ok(false) };
        self.links_bytes += name.len() + target.as_str().len();
        if self.links_bytes > LINKS_BYTES_MAX {
            let what = "the bytes in the paths of symbolic links";
            return Err(DiskError::TooMuch { what, max: LINKS_BYTES_MAX as u64 });
        }
        links.push(entry(name, path, EntryKind::Link { target }, metadata)?);
        Ok(true)
    }

    fn push(&mut self, entry: ManifestEntry) -> Result<(), DiskError> {
        if self.writer.entries() >= TRANSFER_ENTRIES_MAX {
            return Err(DiskError::TooMuch { what: "the files and folders", max: TRANSFER_ENTRIES_MAX });
        }
        self.writer.push(entry)?;
        if self.writer.bytes() > TRANSFER_BYTES_MAX {
            return Err(DiskError::TooMuch { what: "the bytes", max: TRANSFER_BYTES_MAX });
        }
        Ok(())
    }
}

fn entry(name: &str, path: &Path, kind: EntryKind, metadata: &Metadata) -> Result<ManifestEntry, DiskError> {
    const WHY: &str = "its name or path is too long, too deep, or holds a backslash";
    let relative =
        RelativePath::new(name).map_err(|_| DiskError::Name { path: path.to_owned(), why: WHY })?;
    let is_file = kind == EntryKind::File;
    let size = if is_file { metadata.len() } else { 0 };
    Ok(ManifestEntry {
        path: relative,
        kind,
        size,
        modified_unix_ms: modified_unix_ms(metadata),
        executable: is_file && metadata.mode() & 0o100 != 0,
        sparse: is_file && metadata.blocks().saturating_mul(STAT_BLOCK_BYTES) < size,
    })
}

/// Where the link `name` leads, as a path of the manifest; `None` when it may leave its top folder, or when that cannot be
/// seen without following other links.
fn target(name: &str, text: &Path) -> Option<RelativePath> {
    let mut at: Vec<&str> = name.split('/').collect();
    at.pop();
    let mut is_down = false;
    for part in text.components() {
        match part {
            Component::Normal(part) => {
                is_down = true;
                at.push(part.to_str()?);
            }
            // Behind a part that is itself a link, `..` would lead elsewhere.
            Component::ParentDir if !is_down && at.len() > 1 => drop(at.pop()),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    RelativePath::new(&at.join("/")).ok()
}

/// When a file was modified, in Unix milliseconds; 0 where the system does not know.
pub(super) fn modified_unix_ms(metadata: &Metadata) -> i64 {
    let Ok(modified) = metadata.modified() else { return 0 };
    match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_listed_only_when_it_surely_stays_inside_its_top_folder() {
        let target = |name, text| target(name, Path::new(text)).map(|path| path.as_str().to_owned());
        for (name, text, expected) in [
            ("top/link", "file", Some("top/file")),
            ("top/a/link", "../b/./c", Some("top/b/c")),
            ("top/a/link", "..", Some("top")),
            ("top/a/link", ".", Some("top/a")),
            ("top/a/link", "../..", None),
            ("top/a/link", "../../top/file", None),
            ("top/a/link", "b/../c", None),
            ("top/a/link", "/etc/passwd", None),
            ("top/a/link", "a\\b", None),
        ] {
            assert_eq!(target(name, text).as_deref(), expected, "{name} -> {text}");
        }
    }
}
