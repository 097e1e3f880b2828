//! Removes what transfers left behind that nobody needs any more.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use hobnob_wire::TransferId;

use super::calls::Disk;
use super::selection::selection_path;
use super::spool::{Spool, spool_path};
use super::staging;
use super::tally::tally_path;
use super::trouble::DiskError;

/// Removes what one transfer left on the disk, but not what is in place. What tells where it is goes last, so that what cannot be
/// done now can be done at the next start.
///
/// # Errors
/// [`DiskError`].
pub fn remove(disk: &Disk, transfer: TransferId) -> Result<(), DiskError> {
    let spool = spool_path(disk, transfer);
    if spool.exists() {
        match Spool::open_head(disk, &spool) {
            Ok(head) => head.folder.map_or(Ok(()), |folder| staging::discard(disk, &folder, transfer))?,
            // It tells nothing.
            Err(DiskError::Spool { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    for path in [tally_path(disk, transfer), selection_path(disk, transfer), spool] {
        remove_file(disk, &path)?;
    }
    Ok(())
}

fn remove_file(disk: &Disk, path: &Path) -> Result<(), DiskError> {
    match disk.call("remove", || std::fs::remove_file(path)) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(DiskError::system("remove", path, cause))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes, at the start of a run, what earlier ones left of all transfers but those in `keep`.
///
/// # Errors
/// [`DiskError::System`] when the folder of transfers cannot be read. What else cannot be done is logged, and done another time.
pub fn remove_all_but(disk: &Disk, keep: &BTreeSet<TransferId>) -> Result<(), DiskError> {
    let refused = |cause| DiskError::system("clean", disk.transfers(), cause);
    let mut gone = BTreeSet::new();
    for entry in disk.call("list", || std::fs::read_dir(disk.transfers())).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        let stem = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.split('.').next());
        let Some(transfer) = stem.and_then(|stem| stem.parse::<TransferId>().ok()) else { continue };
        if path.extension().is_some_and(|extension| extension == "new") {
            // A list whose writing was interrupted.
            log(transfer, remove_file(disk, &path));
        } else if !keep.contains(&transfer) {
            gone.insert(transfer);
        }
    }
    for transfer in gone {
        log(transfer, remove(disk, transfer));
    }
    Ok(())
}

fn log(transfer: TransferId, removed: Result<(), DiskError>) {
    match removed {
        Ok(()) => tracing::info!(%transfer, "what an earlier run left of a transfer is removed"),
        Err(error) => tracing::warn!(%transfer, %error, "what a transfer left behind could not be removed"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::disk::spool::{SpoolHead, SpoolWriter};

    #[test]
    fn what_is_left_of_transfers_that_are_over_goes_and_nothing_else() {
        let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let disk = Disk::new(home.path().to_owned());
        let [open, over, other] = [1, 2, 3].map(|seed| TransferId::new([seed; 16]));
        for transfer in [open, over] {
            let head = SpoolHead { roots: Vec::new(), folder: Some(folder.path().to_owned()) };
            SpoolWriter::create(&disk, spool_path(&disk, transfer), &head).unwrap().finish().unwrap();
            fs::write(tally_path(&disk, transfer), "notes").unwrap();
            fs::write(selection_path(&disk, transfer), "choice").unwrap();
        }
        fs::write(spool_path(&disk, open).with_extension("manifest.new"), "unfinished").unwrap();
        fs::write(home.path().join("readme"), "mine").unwrap();
        for transfer in [open, over, other] {
            fs::create_dir(folder.path().join(format!(".hobnob-{transfer}.part"))).unwrap();
        }
        fs::write(folder.path().join(format!(".hobnob-{over}.part")).join("a"), "half").unwrap();
        remove_all_but(&disk, &[open].into()).unwrap();
        let names = |folder: &Path| {
            let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
            names.map(|name| name.into_string().unwrap()).collect::<BTreeSet<_>>()
        };
        let kept = ["choice", "manifest", "tally"].map(|kind| format!("{open}.{kind}"));
        assert_eq!(names(home.path()), kept.into_iter().chain(["readme".to_owned()]).collect());
        let staged = [open, other].map(|transfer| format!(".hobnob-{transfer}.part"));
        assert_eq!(names(folder.path()), staged.into());
    }
}
