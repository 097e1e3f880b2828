//! Whether the folder of a transfer has room.

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::trouble::DiskError;

/// Room that is left on the disk beside the transfer, so that the rest of the system can breathe; a sixteenth of a small disk.
const ROOM_LEFT: u64 = 16 << 20;

/// Sees that `folder`, which is made when it is not there, has room for a transfer of so many bytes.
///
/// # Errors
/// [`DiskError::NoRoom`] and [`DiskError::System`].
pub fn prepare(folder: &Path, bytes: u64) -> Result<(), DiskError> {
    check(&open(folder)?, folder, bytes)
}

/// Opens `folder`, which is made when it is not there.
///
/// # Errors
/// [`DiskError::System`].
pub(super) fn open(folder: &Path) -> Result<Dir, DiskError> {
    let refused = |cause| DiskError::system("write to", folder, cause);
    std::fs::create_dir_all(folder).map_err(refused)?;
    Dir::open_ambient_dir(folder, ambient_authority()).map_err(refused)
}

/// Sees that an open folder has room for so many bytes.
///
/// # Errors
/// [`DiskError::NoRoom`] and [`DiskError::System`].
pub(super) fn check(target: &Dir, folder: &Path, needed: u64) -> Result<(), DiskError> {
    let disk = rustix::fs::fstatvfs(target).map_err(|cause| DiskError::system("write to", folder, cause))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let all = disk.f_blocks.saturating_mul(disk.f_frsize);
    if needed > free.saturating_sub(ROOM_LEFT.min(all / 16)) {
        return Err(DiskError::NoRoom { folder: folder.to_owned(), needed, free });
    }
    Ok(())
}
