//! Transfers that nothing stops: killed daemons, disks that forget, files that change.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::person::Person;
use hobnob_tests::world::World;

const MIB: u64 = 1 << 20;

#[test]
fn ft12_a_transfer_goes_on_by_itself_after_either_side_or_both_were_killed() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let (file, into) = (world.path("film.bin"), world.new_folder("arrived"));
    write_file(&file, 24 * MIB, 1);
    let id = alice.offer(&bob, &[&file], &["--limit", "4MiB"]);
    bob.accept(&id, &into);
    for (part, (kill_alice, kill_bob)) in (1..).zip([(false, true), (true, false), (true, true)]) {
        until_done(&bob, &id, part * 3 * MIB);
        if kill_alice {
            alice.kill();
        }
        if kill_bob {
            bob.kill();
        }
        if kill_bob {
            bob.up();
        }
        if kill_alice {
            alice.up();
        }
        // What is on disk is read again, not sent again.
        if kill_bob {
            let view = bob
                .until_transfer(&id, "what was here", |view| view["done"].as_u64() >= Some(part * 3 * MIB));
            assert_ne!(view["state"], "failed", "{view}");
        }
    }
    let digests = [&alice, &bob].map(|person| person.until_state(&id, "done")["digest"].clone());
    assert_eq!(digests[0], digests[1]);
    assert_same_file(&file, &into.join("film.bin"));
    assert_eq!(fs::read_dir(&into).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn ft12_what_the_disk_lost_while_nobody_looked_is_fetched_again() {
    let world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    let (file, into) = (world.path("film.bin"), world.new_folder("arrived"));
    write_file(&file, 16 * MIB, 1);
    let id = alice.offer(&bob, &[&file], &["--limit", "4MiB"]);
    bob.accept(&id, &into);
    until_done(&bob, &id, 6 * MIB);
    bob.kill();
    let part = staged(&into).join("film.bin");
    let mut written = fs::File::options().read(true).write(true).open(part).unwrap();
    let mut byte = [0];
    written.seek(SeekFrom::Start(2 * MIB + 77)).unwrap();
    written.read_exact(&mut byte).unwrap();
    written.seek(SeekFrom::Start(2 * MIB + 77)).unwrap();
    written.write_all(&[byte[0] ^ 1]).unwrap();
    bob.up();
    for person in [&alice, &bob] {
        person.until_state(&id, "done");
    }
    assert_same_file(&file, &into.join("film.bin"));
}

#[test]
fn ft5_a_cancelled_transfer_leaves_nothing_even_when_a_killed_daemon_had_begun_it() {
    let world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    let (file, into) = (world.path("film.bin"), world.new_folder("arrived"));
    write_file(&file, 60 * MIB, 1);
    let id = alice.offer(&bob, &[&file], &["--limit", "1MiB"]);
    bob.accept(&id, &into);
    until_done(&bob, &id, MIB);
    bob.kill();
    bob.up();
    until_done(&bob, &id, 2 * MIB);
    bob.tell(["file", "cancel", &id]);
    alice.until_state(&id, "cancelled");
    alice.until(&["file", "list"], "an empty folder", |_| fs::read_dir(&into).unwrap().count() == 0);
}

fn until_done(person: &Person, id: &str, bytes: u64) {
    person.until_transfer(id, "bytes that are here", |view| view["done"].as_u64() >= Some(bytes));
}

/// The folder in which a transfer is built.
fn staged(into: &Path) -> PathBuf {
    fs::read_dir(into).unwrap().next().unwrap().unwrap().path()
}
