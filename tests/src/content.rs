//! Files to send and to compare.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What is written and compared at a time.
const BLOCK_BYTES: usize = 1 << 20;
/// A part of a block that differs from all others in the file and in files of other seeds.
const STAMP_EVERY: usize = 4096;

/// Writes a file of `bytes` that neither a sparse file nor compression makes smaller: no two pages are alike, here
/// or in a file of another `seed`.
///
/// # Panics
/// When it cannot be written.
pub fn write_file(path: &Path, bytes: u64, seed: u64) {
    let mut block = noise(seed);
    let mut file = File::create(path).expect("a file can be created");
    let mut written = 0;
    while written < bytes {
        for (page, stamp) in block.chunks_exact_mut(STAMP_EVERY).zip(written..) {
            page[..8].copy_from_slice(&stamp.to_be_bytes());
        }
        let len = usize::try_from(bytes - written).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
        file.write_all(&block[..len]).expect("the disk has room");
        written += len as u64;
    }
}

/// A block of bytes without a pattern (xorshift64*).
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    while block.len() < BLOCK_BYTES {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        block.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes());
    }
    block
}

/// Makes a folder as people have them: an empty file, an empty folder, a program, names in several scripts, depth.
///
/// # Panics
/// When it cannot be written.
pub fn write_folder(path: &Path, seed: u64) {
    fs::create_dir_all(path.join("photos/2026 summer")).expect("a folder can be created");
    fs::create_dir(path.join("empty folder")).expect("a folder can be created");
    write_file(&path.join("empty.txt"), 0, seed);
    write_file(&path.join("one byte"), 1, seed);
    write_file(&path.join("photos/2026 summer/море.jpg"), 3_000_017, seed);
    write_file(&path.join("photos/写真.jpg"), (1 << 20) + 1, seed + 1);
    let program = path.join("run.sh");
    fs::write(&program, "#!/bin/sh\n").expect("a file can be written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode can be set");
}

/// Fails unless two files hold the same bytes.
///
/// # Panics
/// When they differ, or one of them cannot be read.
#[track_caller]
pub fn assert_same_file(one: &Path, other: &Path) {
    let open = |path: &Path| File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut left, mut right) = (open(one), open(other));
    let len = |file: &File| file.metadata().expect("an open file has a length").len();
    assert_eq!(len(&left), len(&right), "lengths of {} and {}", one.display(), other.display());
    let (mut here, mut there) = (vec![0; BLOCK_BYTES], vec![0; BLOCK_BYTES]);
    let mut at = 0;
    while at < len(&left) {
        let wanted = usize::try_from(len(&left) - at).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
        left.read_exact(&mut here[..wanted]).expect("a file has the bytes that its length says");
        right.read_exact(&mut there[..wanted]).expect("a file has the bytes that its length says");
        assert!(here[..wanted] == there[..wanted], "{} and {} differ", one.display(), other.display());
        at += wanted as u64;
    }
}

/// Fails unless two folders hold the same files and folders with the same bytes and the same right to be run.
///
/// # Panics
/// When they differ, or one of them cannot be read.
#[track_caller]
pub fn assert_same_folder(one: &Path, other: &Path) {
    let entries = tree(one);
    assert_eq!(entries, tree(other), "what is in {} and {}", one.display(), other.display());
    for (path, kind) in entries {
        if kind != Kind::Folder {
            assert_same_file(&one.join(&path), &other.join(&path));
        }
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Folder,
    File,
    Program,
}

fn tree(root: &Path) -> Vec<(PathBuf, Kind)> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).expect("a folder can be read") {
            let entry = entry.expect("a folder can be read");
            let path = folder.join(entry.file_name());
            let about = entry.metadata().expect("an entry has metadata");
            let kind = match (about.is_dir(), about.permissions().mode() & 0o100) {
                (true, _) => Kind::Folder,
                (false, 0) => Kind::File,
                (false, _) => Kind::Program,
            };
            if kind == Kind::Folder {
                folders.push(path.clone());
            }
            found.push((path, kind));
        }
    }
    found.sort();
    found
}
