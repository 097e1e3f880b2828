//! Trouble with disks: told with the name of the file, and of no concern to other transfers.

use std::fs;
use std::io::Write;

use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::namespace;
use hobnob_tests::world::World;
use serde_json::Value;

#[test]
fn a_full_disk_holds_up_the_transfer_that_needs_it_until_it_has_room_and_no_other() {
    namespace::inside(
        "trouble::a_full_disk_holds_up_the_transfer_that_needs_it_until_it_has_room_and_no_other",
        || {
            let world = World::new();
            let (alice, bob) = world.friends("alice", "bob");
            let (large, other) = (world.path("large.bin"), world.path("other.bin"));
            write_file(&large, 16 << 20, 1);
            write_file(&other, 16 << 20, 2);
            let (small_disk, roomy) = (world.path("small disk"), world.new_folder("roomy"));
            namespace::mount_disk(&small_disk, 24 << 20);

            let [held, running] =
                [&large, &other].map(|file| alice.offer(&bob, &[file], &["--limit", "2MiB"]));
            bob.accept(&held, &small_disk);
            bob.accept(&running, &roomy);
            for id in [&held, &running] {
                bob.until_transfer(id, "bytes that move", |view| view["done"].as_u64() > Some(0));
            }
            let filler = fs::File::create(small_disk.join("filler")).unwrap();
            while (&filler).write_all(&[0; 4096]).is_ok() {}
            for person in [&alice, &bob] {
                let waiting = person.until_transfer(&held, "a wait", |view| view["state"] == "waiting");
                let error = waiting["error"].as_str().unwrap();
                let says = error.contains("the disk is full") || error.contains("not enough room");
                assert!(says, "what happened is said: {error}");
            }
            bob.until_state(&running, "done");
            assert_same_file(&other, &roomy.join("other.bin"));

            fs::remove_file(small_disk.join("filler")).unwrap();
            drop(filler);
            for person in [&alice, &bob] {
                assert_eq!(person.until_state(&held, "done")["error"], Value::Null);
            }
            assert_same_file(&large, &small_disk.join("large.bin"));

            let hopeless = alice.offer(&bob, &[&large], &[]);
            bob.accept(&hopeless, &small_disk);
            let view = bob.until_transfer(&hopeless, "a wait", |view| view["state"] == "waiting");
            let error = view["error"].as_str().unwrap();
            assert!(error.contains("16777216 bytes are needed"), "what is missing is said: {error}");
            bob.tell(["file", "cancel", &hopeless]);
            alice.until_state(&hopeless, "cancelled");
            assert_eq!(fs::read_dir(&small_disk).unwrap().count(), 1, "the room is given back");
        },
    );
}

#[test]
fn a_file_that_vanishes_holds_up_its_transfer_until_it_is_back_and_no_other() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let files = ["stays.bin", "vanishes.bin", "other.bin"].map(|name| world.path(name));
    for (seed, file) in (1..).zip(&files) {
        write_file(file, 6 << 20, seed);
    }
    let [stays, vanishes, other] = &files;
    let into = world.new_folder("arrived");
    let held = alice.offer(&bob, &[stays, vanishes], &[]);
    let running = alice.offer(&bob, &[other], &["--limit", "2MiB"]);
    bob.accept(&running, &into);
    fs::rename(vanishes, world.path("elsewhere")).unwrap();
    bob.accept(&held, &into);
    for person in [&alice, &bob] {
        let waiting = person.until_transfer(&held, "a wait", |view| view["state"] == "waiting");
        let error = waiting["error"].as_str().unwrap();
        assert!(error.contains("vanishes.bin"), "the file is named: {error}");
        person.until_state(&running, "done");
    }
    assert_same_file(other, &into.join("other.bin"));
    fs::rename(world.path("elsewhere"), vanishes).unwrap();
    for person in [&alice, &bob] {
        person.until_state(&held, "done");
    }
    assert_same_file(vanishes, &into.join("vanishes.bin"));
}

#[test]
fn a_file_that_changes_after_the_offer_is_not_passed_off_as_the_offered_one() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let (file, into) = (world.path("report.bin"), world.new_folder("arrived"));
    write_file(&file, 3 << 20, 1);
    let id = alice.offer(&bob, &[&file], &[]);
    write_file(&file, 1 << 20, 2);
    bob.accept(&id, &into);
    for person in [&alice, &bob] {
        let error = person.until_state(&id, "failed")["error"].as_str().unwrap().to_owned();
        assert!(error.contains("report.bin"), "the file is named: {error}");
    }
    assert!(!into.join("report.bin").exists());
}
