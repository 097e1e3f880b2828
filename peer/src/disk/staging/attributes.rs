//! Times and modes of what is received.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hobnob_wire::transfer::ManifestEntry;

use crate::disk::calls::Disk;

/// Sets what a file has beside its bytes. Without `programs` nothing that is received may be executed.
pub(super) fn set_attributes(
    disk: &Disk,
    file: &File,
    entry: &ManifestEntry,
    programs: bool,
) -> io::Result<()> {
    set_modified(disk, file, entry)?;
    if entry.executable && programs {
        let mut permissions = disk.call("look at", || file.metadata())?.permissions();
        // Whoever may read it may execute it.
        permissions.set_mode(permissions.mode() | (permissions.mode() & 0o444) >> 2);
        disk.call("set the mode", || file.set_permissions(permissions))?;
    }
    Ok(())
}

/// Sets the time of the last change.
pub(super) fn set_modified(disk: &Disk, file: &File, entry: &ManifestEntry) -> io::Result<()> {
    let ms = Duration::from_millis(entry.modified_unix_ms.unsigned_abs());
    let modified: Option<SystemTime> =
        if entry.modified_unix_ms < 0 { UNIX_EPOCH.checked_sub(ms) } else { UNIX_EPOCH.checked_add(ms) };
    match modified.map(|modified| disk.call("set the time", || file.set_modified(modified))) {
        // A time that this disk cannot hold is no reason to refuse the file.
        Some(Err(cause)) if cause.kind() != io::ErrorKind::InvalidInput => Err(cause),
        Some(_) | None => Ok(()),
    }
}
