//! A transfer of a million files, as far as lists, names and plans go: none of them is held in memory as a whole.
//!
//! The same with real files and processes takes some minutes in a release build:
//!
//! ```sh
//! mkdir many && cd many && for d in $(seq 1000); do mkdir $d && (cd $d && seq 1000 | xargs touch); done
//! hobnob file send ADDRESS many --wait
//! ```

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::fs;
use std::io::Write;
use std::time::Instant;

use hobnob_peer::core::transfer::names::Names;
use hobnob_peer::disk::calls::Disk;
use hobnob_peer::disk::selection::Selection;
use hobnob_peer::disk::spool::{Spool, SpoolHead, SpoolWriter, spool_path};
use hobnob_peer::disk::staging::{Plan, Staging};
use hobnob_wire::TransferId;
use hobnob_wire::choice::Choice;
use hobnob_wire::codec;
use hobnob_wire::transfer::{EntryKind, ManifestEntry, ManifestPart, RelativePath};

const FOLDERS: u64 = 1_000;
const FILES_EACH: u64 = 998;
const ENTRIES: u64 = 1 + FOLDERS * (1 + FILES_EACH);
/// What the plan of either side may take: sixteen bytes for each entry, twice while it grows, and buffers.
const PLAN_BYTES_MAX: u64 = 64 << 20;
/// What mapping foreign names may take beside that, until the list is here.
const NAMES_BYTES_MAX: u64 = 112 << 20;

/// The most memory that was in use since the last call, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    fs::write("/proc/self/clear_refs", "5").unwrap();
    kib << 10
}

fn entry(path: &str, kind: EntryKind, size: u64) -> ManifestEntry {
    let path = RelativePath::new(path).unwrap();
    ManifestEntry { path, kind, size, modified_unix_ms: 1, executable: false, sparse: false }
}

/// A list of a million entries, written as a scan writes it.
fn offer(disk: &Disk, transfer: TransferId) {
    let mut writer = SpoolWriter::create(disk, spool_path(disk, transfer), &SpoolHead::default()).unwrap();
    writer.push(entry("many", EntryKind::Folder, 0)).unwrap();
    for folder in 0..FOLDERS {
        writer.push(entry(&format!("many/{folder}"), EntryKind::Folder, 0)).unwrap();
        for file in 0..FILES_EACH {
            let name = format!("many/{folder}/{file}.txt");
            writer.push(entry(&name, EntryKind::File, file % 2)).unwrap();
        }
    }
    assert_eq!(writer.finish().unwrap().entries, ENTRIES);
}

/// The list as the receiver keeps it: every name mapped.
fn receive(disk: &Disk, theirs: &Spool, transfer: TransferId) {
    let mut names = Names::default();
    let mut writer = SpoolWriter::create(disk, spool_path(disk, transfer), &SpoolHead::default()).unwrap();
    for number in 0..theirs.parts() {
        let part = theirs.part_bytes(number).unwrap().unwrap();
        let part: ManifestPart = codec::decode(&part).unwrap();
        for entry in part.entries.into_vec() {
            let path = names.map(&entry.path, &entry.kind).unwrap();
            writer.push(ManifestEntry { path, ..entry }).unwrap();
        }
    }
    assert_eq!(writer.finish().unwrap().entries, ENTRIES);
}

#[test]
fn a_million_files_are_listed_named_chosen_and_planned_in_little_memory() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let disk = Disk::new(home.path().to_owned());
    let [sent, received] = [1, 2].map(|seed| TransferId::new([seed; 16]));
    let began = Instant::now();
    let idle = peak();
    offer(&disk, sent);
    let theirs = Spool::open(&disk, spool_path(&disk, sent)).unwrap();
    let listed = peak() - idle;
    assert_eq!(u64::from(theirs.layout().entries()), ENTRIES);
    receive(&disk, &theirs, received);
    let named = peak() - idle;
    let spool = Spool::open(&disk, spool_path(&disk, received)).unwrap();
    let choice = Choice::new(&["7*".to_owned()], &["77*.txt".to_owned()]).unwrap();
    let mut selection = Selection::of(&spool, &choice).unwrap();
    selection.add_folders(&spool).unwrap();
    let chosen = selection.sum(spool.layout()).unwrap();
    assert_eq!(chosen.of, FOLDERS * FILES_EACH);
    assert!(chosen.files > 100_000 && chosen.files < 300_000, "{chosen:?}");
    let plan = Plan { folder: folder.path().to_owned(), update: false, spool, selection, programs: true };
    let staging = Staging::open(&disk, received, plan).unwrap();
    assert_eq!(staging.tally().noted().spans(1), []);
    let planned = peak() - idle;
    let took = began.elapsed();
    drop(writeln!(std::io::stderr(), "{took:?}: listed {listed}, named {named}, planned {planned} bytes"));
    assert!(listed < PLAN_BYTES_MAX, "{listed} bytes for the sender's list");
    assert!(named < PLAN_BYTES_MAX + NAMES_BYTES_MAX, "{named} bytes for the receiver's names");
    assert!(planned < 2 * PLAN_BYTES_MAX + NAMES_BYTES_MAX, "{planned} bytes for both plans");
    let on_disk: u64 =
        fs::read_dir(home.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(on_disk < 200 << 20, "{on_disk} bytes in the home");
}
