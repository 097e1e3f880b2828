//! Files beside an export.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::cli::stop::Stop;
use crate::core::command::ErrorKind;
use crate::core::history::export::{FileLink, reference};
use crate::core::view::{TransferState, TransferView};

/// Where the files of an export go.
#[derive(Debug)]
pub(super) struct Beside {
    /// The folder, once the first file is put there; `None` when files stay where they are.
    folder: Option<PathBuf>,
    made: bool,
}

impl Beside {
    /// Beside `document`, in a folder with its name and `.files` behind it. Nothing is made yet.
    pub(super) fn new(document: &Path, wanted: bool) -> Result<Self, Stop> {
        if !wanted {
            return Ok(Self { folder: None, made: false });
        }
        let mut name = document.as_os_str().to_owned();
        name.push(".files");
        let folder = PathBuf::from(name);
        if folder.exists() {
            let text = format!("{} exists; choose another name for the export", folder.display());
            return Err(Stop::because(ErrorKind::Conflict, text));
        }
        Ok(Self { folder: Some(folder), made: false })
    }

    /// How the document refers to the file of a transfer; puts the file into the folder when that is wanted.
    pub(super) fn link(&mut self, transfer: &TransferView) -> Result<FileLink, Stop> {
        let name = transfer.name.clone();
        let Some(place) = place(transfer) else {
            return Ok(FileLink { name, href: None });
        };
        let Some(folder) = &self.folder else {
            let href = format!("file://{}", reference(&place.to_string_lossy()));
            return Ok(FileLink { name, href: Some(href) });
        };
        let into = folder.join(transfer.id.to_string());
        let failed = |error: io::Error| {
            Stop::failure(format!("cannot put {} into {}: {error}", place.display(), into.display()))
        };
        if !self.made {
            DirBuilder::new().mode(0o700).create(folder).map_err(failed)?;
            self.made = true;
        }
        DirBuilder::new().mode(0o700).create(&into).map_err(failed)?;
        put(&place, &into.join(&name)).map_err(failed)?;
        let base = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(FileLink { href: Some(reference(&format!("{base}/{}/{name}", transfer.id))), name })
    }
}

/// Where the file or folder of a transfer is, if it is still there.
fn place(transfer: &TransferView) -> Option<PathBuf> {
    let is_plain = |name: &str| !name.is_empty() && !name.contains('/') && name != "." && name != "..";
    if transfer.state != TransferState::Done || !is_plain(&transfer.name) {
        return None;
    }
    let place = Path::new(transfer.folder.as_ref()?).join(&transfer.name);
    fs::symlink_metadata(&place).ok().filter(|meta| meta.is_file() || meta.is_dir()).map(|_| place)
}

/// Links a file, or copies it where links do not reach; goes into folders, not through symbolic links.
fn put(from: &Path, to: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(from)?;
    if meta.is_dir() {
        DirBuilder::new().mode(0o700).create(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            put(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if meta.is_file() && fs::hard_link(from, to).is_err() {
        fs::copy(from, to)?;
    }
    Ok(())
}
