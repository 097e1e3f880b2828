//! Whether the folder of a transfer has room, and the home of this device.

use std::os::fd::AsFd;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{Access, AtFlags};

use super::calls::Disk;
use super::trouble::DiskError;

/// Room that is left on the disk beside the transfer, so that the rest of the system can breathe; a sixteenth of a small disk.
const ROOM_LEFT: u64 = 16 << 20;

/// Sees that `folder`, which is made when it is not there, has room for a transfer of so many bytes.
///
/// # Errors
/// [`DiskError::NoRoom`] and [`DiskError::System`].
pub fn prepare(disk: &Disk, folder: &Path, bytes: u64) -> Result<(), DiskError> {
    check(disk, &open(disk, folder)?, folder, bytes)
}

/// Opens `folder`, which is made when it is not there.
///
/// # Errors
/// [`DiskError::System`].
pub(super) fn open(disk: &Disk, folder: &Path) -> Result<Dir, DiskError> {
    let refused = |cause| DiskError::system("write to", folder, cause);
    disk.call("make a folder", || std::fs::create_dir_all(folder)).map_err(refused)?;
    disk.call("open", || Dir::open_ambient_dir(folder, ambient_authority())).map_err(refused)
}

/// Sees that an open folder may be written to and has room for so many bytes.
///
/// # Errors
/// [`DiskError::NoRoom`] and [`DiskError::System`].
pub(super) fn check(disk: &Disk, target: impl AsFd, folder: &Path, needed: u64) -> Result<(), DiskError> {
    let allowed = || rustix::fs::accessat(&target, ".", Access::WRITE_OK, AtFlags::EACCESS);
    disk.call("ask for", allowed).map_err(|cause| DiskError::system("write to", folder, cause))?;
    let room = disk.call("look at the room", || rustix::fs::fstatvfs(&target));
    let room = room.map_err(|cause| DiskError::system("write to", folder, cause))?;
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    let all = room.f_blocks.saturating_mul(room.f_frsize);
    if needed > free.saturating_sub(ROOM_LEFT.min(all / 16)) {
        return Err(DiskError::NoRoom { folder: folder.to_owned(), needed, free });
    }
    Ok(())
}

/// Sees that the home has room for what it must keep of transfers.
///
/// # Errors
/// [`DiskError::NoRoom`] and [`DiskError::System`].
pub(super) fn check_home(disk: &Disk) -> Result<(), DiskError> {
    let folder = disk.transfers();
    let home = disk.call("open", || std::fs::File::open(folder));
    check(disk, home.map_err(|cause| DiskError::system("read", folder, cause))?, folder, 1)
}
