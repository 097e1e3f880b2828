//! Power cuts: what would be on a peer's disk if the power failed at the moment of a commit, or within it.
//!
//! SQLite appends the pages of a transaction to its log and syncs it; nothing else of the file matters before the next
//! checkpoint. So a power cut leaves the files as they are after the commit, or the log shorter: by whole frames, or
//! with a torn one at its end. After each commit the files are copied in each of these conditions, opened as the app would
//! open them, and looked through.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use hobnob_peer::core::engine::Engine;
use hobnob_peer::core::letters::store::InboxStore as _;
use hobnob_peer::store::Database;
use hobnob_wire::{Address, LetterId};
use rusqlite::Connection;

use super::world::World;

/// Bytes before the first frame of SQLite's log.
const HEADER_BYTES: u64 = 32;
/// Bytes of a frame: its header and a page.
const FRAME_BYTES: u64 = 24 + 4_096;
/// Frames of one commit that are cut at; of a longer one, its first and its last.
const CUTS_MAX: u64 = 12;

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PowerCuts {
    /// Commits.
    pub commits: u64,
    /// Power cuts at them or in them.
    pub cuts: u64,
    /// Letters that were looked for after them.
    pub letters: u64,
}

/// The disks that are cut from their power.
#[derive(Debug)]
pub(super) struct Outage {
    scratch: PathBuf,
    pub(super) tried: PowerCuts,
    /// Bytes of each peer's log after its last commit.
    log_bytes: BTreeMap<usize, u64>,
}

impl Outage {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            scratch: folder.join("after-the-cut.db"),
            tried: PowerCuts::default(),
            log_bytes: BTreeMap::new(),
        }
    }

    /// Where the log of this peer ended before its last commit, and where it ends now.
    fn grown(&mut self, index: usize, log: &Path) -> (u64, u64) {
        let end = fs::metadata(log).map_or(0, |log| log.len());
        // What was there when the device settled in is not cut.
        let before = self.log_bytes.insert(index, end).unwrap_or(end);
        (before.min(end), end)
    }

    /// The files as they are after a cut: the log only up to a place.
    fn cut(&self, file: &Path, log_bytes: u64) -> io::Result<()> {
        for end in ["", "-wal", "-shm"] {
            match fs::remove_file(with_end(&self.scratch, end)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        fs::copy(file, &self.scratch)?;
        let log = with_end(&self.scratch, "-wal");
        fs::copy(with_end(file, "-wal"), &log)?;
        File::options().write(true).open(log)?.set_len(log_bytes)
    }

    /// Opens the files after the cut and looks for letters that must be there.
    fn look(&self, letters: &[(Address, LetterId)]) -> Result<(), String> {
        let connection = Connection::open(&self.scratch).map_err(|error| error.to_string())?;
        let found: String = connection
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .map_err(|error| format!("the database cannot be checked: {error}"))?;
        if found != "ok" {
            return Err(format!("the database is damaged: {found}"));
        }
        let mut database = Database::on(connection).map_err(|error| error.to_string())?;
        let mut tx = database.begin().map_err(|error| error.to_string())?;
        Engine::open(&mut tx).map_err(|error| error.to_string())?;
        for (author, letter) in letters {
            if !tx.seen(author, *letter).map_err(|error| error.to_string())? {
                return Err(format!("the letter {letter} of {author} is gone"));
            }
        }
        Ok(())
    }
}

fn with_end(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

impl World {
    /// Cuts the power of a peer at the commit that it has just made and in it, if that is what this world is for.
    pub(super) fn cut_power(&mut self, index: usize) {
        let Some(mut outage) = self.outage.take() else { return };
        let file = self.medium.named(&format!("peer-{index}")).unwrap_or_default();
        let letters = self.must_be_on(index);
        let (before, end) = outage.grown(index, &with_end(&file, "-wal"));
        outage.tried.commits += 1;
        for log_bytes in places(before, end) {
            outage.tried.cuts += 1;
            outage.tried.letters += letters.len() as u64;
            let cut = outage.cut(&file, log_bytes).map_err(|error| error.to_string());
            if let Err(what) = cut.and_then(|()| outage.look(&letters)) {
                let name = &self.peers[index].name;
                self.broken(format!("power cut at {log_bytes} of {end} bytes of the log of {name}: {what}"));
            }
        }
        self.outage = Some(outage);
    }
}

/// Where a log may end after a power cut: anywhere between its old end and its new one, of which each end of a frame, and
/// one place within the last.
fn places(before: u64, end: u64) -> Vec<u64> {
    let frames = (end - before) / FRAME_BYTES;
    let first = if before < HEADER_BYTES { HEADER_BYTES.min(end) } else { before };
    let ends = (0..=frames).map(|frame| (first + frame * FRAME_BYTES).min(end));
    let mut places: Vec<u64> = ends
        .enumerate()
        .filter(|(place, _)| (*place as u64) < CUTS_MAX || frames - (*place as u64) < CUTS_MAX)
        .map(|(_, end)| end)
        .collect();
    places.extend([end.saturating_sub(FRAME_BYTES / 3), end]);
    // What was committed before was synced before.
    places.retain(|place| *place >= first);
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_cut_at_each_frame_and_within_the_last() {
        let first = HEADER_BYTES + FRAME_BYTES;
        let third = first + 2 * FRAME_BYTES;
        assert_eq!(places(first, third), [first, first + FRAME_BYTES, third - FRAME_BYTES / 3, third]);
        assert_eq!(places(0, first), [HEADER_BYTES, first - FRAME_BYTES / 3, first]);
    }
}
