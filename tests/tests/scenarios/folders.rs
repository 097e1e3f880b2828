//! Folders: all that is in them arrives, and nothing of it lands elsewhere.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::person::{Person, text};
use hobnob_tests::world::World;

/// Bytes of the sparse file, nearly all of them a hole.
const DISK_BYTES: u64 = 256 << 20;

/// A folder with everything that a folder may hold.
fn project(at: &Path) {
    fs::create_dir_all(at.join("src/empty")).unwrap();
    write_file(&at.join("src/long.bin"), 3_000_017, 1);
    fs::write(at.join("src/note.txt"), "a note").unwrap();
    fs::write(at.join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(at.join("run.sh"), Permissions::from_mode(0o4755)).unwrap();
    fs::write(at.join("\u{fc}"), "composed").unwrap();
    fs::write(at.join("u\u{308}"), "decomposed").unwrap();
    fs::write(at.join("CON"), "a name that Windows does not take").unwrap();
    let disk = File::create(at.join("disk.img")).unwrap();
    disk.write_all_at(b"begin", 0).unwrap();
    disk.write_all_at(b"end", DISK_BYTES / 2).unwrap();
    disk.set_len(DISK_BYTES).unwrap();
    symlink("src/note.txt", at.join("note")).unwrap();
    symlink("../run.sh", at.join("src/run")).unwrap();
    symlink("/etc/passwd", at.join("outside")).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_567_890_123);
    for path in ["src/long.bin", "run.sh", "src/empty", "src", ""] {
        File::open(at.join(path)).unwrap().set_modified(long_ago).unwrap();
    }
}

fn send(alice: &Person, bob: &Person, world: &World, options: &[&str], into: &str) -> std::path::PathBuf {
    let into = world.new_folder(into);
    let id = alice.offer(bob, &[&world.path("project")], options);
    bob.accept(&id, &into);
    let ends = [alice, bob].map(|person| person.until_state(&id, "done"));
    assert_eq!(ends[0]["digest"], ends[1]["digest"]);
    assert_eq!(fs::read_dir(&into).unwrap().count(), 1, "nothing else is left");
    into.join("project")
}

#[test]
fn ft1_a_folder_arrives_with_its_times_modes_links_holes_and_empty_folders() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let there = world.path("project");
    project(&there);
    let here = send(&alice, &bob, &world, &["--links"], "arrived");
    for path in ["src/long.bin", "src/note.txt", "run.sh", "disk.img"] {
        assert_same_file(&there.join(path), &here.join(path));
    }
    let modified = |at: &Path, path: &str| fs::metadata(at.join(path)).unwrap().modified().unwrap();
    for path in ["src/long.bin", "run.sh", "src/empty", "src", ""] {
        assert_eq!(modified(&here, path), modified(&there, path), "{path:?}");
    }
    let mode = |path: &str| fs::metadata(here.join(path)).unwrap().permissions().mode();
    assert_eq!((mode("run.sh") & 0o7100, mode("src/note.txt") & 0o7111), (0o100, 0));
    assert_eq!(fs::read_dir(here.join("src/empty")).unwrap().count(), 0);
    let stored = fs::metadata(here.join("disk.img")).unwrap().blocks() * 512;
    assert!(stored < 1 << 20, "{stored} bytes of a hole are stored");
    assert_eq!(fs::read_link(here.join("note")).unwrap(), Path::new("src/note.txt"));
    assert_eq!(fs::read_link(here.join("src/run")).unwrap(), Path::new("../run.sh"));
    assert!(here.join("outside").symlink_metadata().is_err(), "a link out of the folder is not sent");
    assert_eq!(fs::read(here.join("_CON")).unwrap(), fs::read(there.join("CON")).unwrap());
    let mut twins: Vec<String> = fs::read_dir(&here)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains('\u{fc}') || name.contains('\u{308}'))
        .collect();
    twins.sort();
    assert_eq!(twins, ["\u{fc}", "\u{fc} (2)"]);
}

#[test]
fn links_are_sent_only_on_request() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    project(&world.path("project"));
    let here = send(&alice, &bob, &world, &["--as-is"], "arrived");
    for link in ["note", "src/run", "outside"] {
        assert!(here.join(link).symlink_metadata().is_err(), "{link}");
    }
    assert_same_file(&world.path("project/src/note.txt"), &here.join("src/note.txt"));
}

#[test]
fn an_update_sends_and_replaces_only_what_differs() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let there = world.path("project");
    project(&there);
    write_file(&there.join("long"), 24 << 20, 5);
    let here = send(&alice, &bob, &world, &[], "arrived");
    let into = here.parent().unwrap();
    fs::write(here.join("mine"), "only here").unwrap();
    // One range of the long file, one short file, and one that is new.
    let long = File::options().write(true).open(there.join("long")).unwrap();
    long.write_all_at(b"changed", 5 << 20).unwrap();
    fs::write(there.join("src/note.txt"), "another note").unwrap();
    fs::write(there.join("src/new.txt"), "new").unwrap();
    let inode = |path: &str| fs::metadata(here.join(path)).unwrap().ino();
    let before = ["src/long.bin", "run.sh", "disk.img"].map(inode);

    let id = alice.offer(&bob, &[&there], &[]);
    bob.until_transfer(&id, "an offer", |_| true);
    bob.tell(["file", "accept", &id, "--to", text(into), "--update"]);
    let ends = [&alice, &bob].map(|person| person.until_state(&id, "done"));
    assert_eq!(ends[0]["digest"], ends[1]["digest"]);
    for path in ["long", "src/note.txt", "src/new.txt", "src/long.bin", "run.sh", "disk.img"] {
        assert_same_file(&there.join(path), &here.join(path));
    }
    assert_eq!(["src/long.bin", "run.sh", "disk.img"].map(inode), before, "what is equal is not touched");
    assert_eq!(fs::read_to_string(here.join("mine")).unwrap(), "only here", "nothing is removed");
    assert_eq!(fs::read_dir(into).unwrap().count(), 1, "nothing else is left");
}
