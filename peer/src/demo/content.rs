//! What is sent: made, remembered, and compared with what arrived.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use blake3::{Hash, Hasher};
use tokio::task::spawn_blocking;

use super::folder::Folder;
use crate::cli::{Output, Stop, size};
use crate::core::command::ErrorKind;

/// Size of the file that is made when the user names none: 256 MiB.
const MADE_BYTES: usize = 256 << 20;
/// Bytes that are read or written at a time.
const BLOCK_BYTES: usize = 1 << 20;
/// Pieces of each file that are looked for at the rendezvous.
const PIECES: u64 = 64;
/// Bytes of one piece.
const PIECE_BYTES: usize = 64;
/// Different bytes that a piece must have; others, as runs of zeros, may be anywhere by chance.
const PIECE_VARIETY_MIN: usize = 16;

/// Files and folders to send.
#[derive(Debug)]
pub(super) struct Content {
    /// Full paths of what the offer names.
    pub(super) paths: Vec<PathBuf>,
    /// Pieces of the files, spread evenly.
    pub(super) pieces: Vec<Vec<u8>>,
}

/// Checks the files that the user named, or makes one.
pub(super) async fn prepare(files: &[PathBuf], folder: &Folder, output: Output) -> Result<Content, Stop> {
    let mut paths = Vec::new();
    for file in files {
        let path = fs::canonicalize(file).map_err(|error| {
            let text = format!("cannot send {}: {error}", file.display());
            Stop::because(ErrorKind::NotFound, text)
        })?;
        paths.push(path);
    }
    if paths.is_empty() {
        output.note(&format!("  … making a file of {} random bytes", size(MADE_BYTES as u64)));
        let path = folder.path().join("demo.bin");
        let made = path.clone();
        in_background(move || make(&made)).await?;
        paths.push(path);
    }
    let sampled = paths.clone();
    let pieces = in_background(move || pieces(&sampled)).await?;
    Ok(Content { paths, pieces })
}

impl Content {
    /// Whether every file and folder that was sent is in `folder`, byte for byte; with a hash over everything.
    pub(super) async fn is_in(&self, folder: &Path) -> Result<(bool, String), Stop> {
        let mut pairs = Vec::new();
        for path in &self.paths {
            let name =
                path.file_name().ok_or_else(|| Stop::failure(format!("{} has no name", path.display())))?;
            pairs.push((path.clone(), folder.join(name)));
        }
        in_background(move || {
            let mut all = Vec::new();
            let mut is_same = true;
            for (sent, arrived) in pairs {
                let sent = hashes(&sent)?;
                is_same &= sent == hashes(&arrived)?;
                all.extend(sent.values().flat_map(|hash| *hash.as_bytes()));
            }
            Ok((is_same, blake3::hash(&all).to_hex().to_string()))
        })
        .await
    }
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Stop> {
    let done = spawn_blocking(work).await.map_err(|error| Stop::failure(error.to_string()))?;
    done.map_err(|error| Stop::failure(format!("files cannot be read or written: {error}")))
}

fn make(path: &Path) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    let mut block = vec![0; BLOCK_BYTES];
    for _ in 0..MADE_BYTES / BLOCK_BYTES {
        getrandom::fill(&mut block)?;
        file.write_all(&block)?;
    }
    Ok(())
}

/// Hashes of the file at `path`, or of all files below it, by relative path.
fn hashes(path: &Path) -> io::Result<BTreeMap<PathBuf, Hash>> {
    let mut hashes = BTreeMap::new();
    for file in files(path)? {
        let name = file.strip_prefix(path).unwrap_or(&file).to_owned();
        hashes.insert(name, hash(&file)?);
    }
    Ok(hashes)
}

fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let (mut files, mut folders) = (Vec::new(), vec![path.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    Ok(files)
}

fn hash(path: &Path) -> io::Result<Hash> {
    let mut hasher = Hasher::new();
    let mut file = File::open(path)?;
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(&block[..read]),
        };
    }
}

fn pieces(paths: &[PathBuf]) -> io::Result<Vec<Vec<u8>>> {
    let mut pieces = Vec::new();
    for path in paths {
        for file in files(path)? {
            let mut file = File::open(file)?;
            let len = file.metadata()?.len();
            for number in 0..PIECES.min(len / PIECE_BYTES as u64) {
                let mut piece = vec![0; PIECE_BYTES];
                file.seek(SeekFrom::Start(place(number, len)))?;
                file.read_exact(&mut piece)?;
                if variety(&piece) >= PIECE_VARIETY_MIN {
                    pieces.push(piece);
                }
            }
        }
    }
    Ok(pieces)
}

/// Where a piece begins in a file of `len` bytes: the first at its start, the last at its end.
fn place(number: u64, len: u64) -> u64 {
    let (last, room) = (u128::from(PIECES - 1), u128::from(len - PIECE_BYTES as u64));
    u64::try_from(room * u128::from(number) / last).unwrap_or(0)
}

fn variety(piece: &[u8]) -> usize {
    let mut seen = [false; 256];
    piece.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    seen.iter().filter(|seen| **seen).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_spread_over_the_whole_file_and_runs_of_one_byte_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut bytes: Vec<u8> = (0..64_000_u32).map(|number| (number * 7 % 251) as u8).collect();
        bytes[..128].fill(0);
        fs::write(&path, &bytes).unwrap();
        let pieces = pieces(&[path]).unwrap();
        assert_eq!(pieces.len(), 63);
        assert_eq!(pieces[62], bytes[64_000 - 64..]);
    }

    #[test]
    fn a_folder_that_arrived_is_the_same_only_with_every_file_and_byte() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.join("in")).unwrap();
            fs::write(path.join("in/a"), b"one").unwrap();
            fs::write(path.join("b"), b"two").unwrap();
            path
        };
        let (one, other) = (make("one"), make("other"));
        assert_eq!(hashes(&one).unwrap(), hashes(&other).unwrap());
        fs::write(other.join("b"), b"twO").unwrap();
        assert_ne!(hashes(&one).unwrap(), hashes(&other).unwrap());
        fs::remove_file(other.join("b")).unwrap();
        assert_ne!(hashes(&one).unwrap(), hashes(&other).unwrap());
    }
}
