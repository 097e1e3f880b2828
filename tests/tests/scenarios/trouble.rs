//! Trouble with disks: told with the name of the file, and of no concern to other transfers.

use std::fs;
use std::io::Write;

use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::namespace;
use hobnob_tests::world::World;

#[test]
fn a_full_disk_fails_the_transfer_that_needs_it_and_no_other() {
    namespace::inside("trouble::a_full_disk_fails_the_transfer_that_needs_it_and_no_other", || {
        let world = World::new();
        let (alice, bob) = world.friends("alice", "bob");
        let (large, other) = (world.path("large.bin"), world.path("other.bin"));
        write_file(&large, 16 << 20, 1);
        write_file(&other, 16 << 20, 2);
        let (small_disk, roomy) = (world.path("small disk"), world.new_folder("roomy"));
        namespace::mount_disk(&small_disk, 24 << 20);

        let [doomed, running] = [&large, &other].map(|file| alice.offer(&bob, &[file], &["--limit", "2MiB"]));
        bob.accept(&doomed, &small_disk);
        bob.accept(&running, &roomy);
        for id in [&doomed, &running] {
            bob.until_transfer(id, "bytes that move", |view| view["done"].as_u64() > Some(0));
        }
        let filler = fs::File::create(small_disk.join("filler")).unwrap();
        while (&filler).write_all(&[0; 4096]).is_ok() {}
        for person in [&alice, &bob] {
            let failed = person.until_state(&doomed, "failed");
            let error = failed["error"].as_str().unwrap();
            assert!(error.contains("large.bin"), "the file is named: {error}");
            assert!(error.contains("the disk is full"), "what happened is said: {error}");
        }
        assert_eq!(fs::read_dir(&small_disk).unwrap().count(), 1, "the room is given back");

        let hopeless = alice.offer(&bob, &[&large], &[]);
        bob.accept(&hopeless, &small_disk);
        let error = bob.until_state(&hopeless, "failed")["error"].as_str().unwrap().to_owned();
        assert!(error.contains("16777216 bytes are needed"), "what is missing is said: {error}");

        for person in [&alice, &bob] {
            person.until_state(&running, "done");
        }
        assert_same_file(&other, &roomy.join("other.bin"));
    });
}

#[test]
fn a_file_that_vanishes_fails_its_transfer_and_no_other() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let files = ["stays.bin", "vanishes.bin", "other.bin"].map(|name| world.path(name));
    for (seed, file) in (1..).zip(&files) {
        write_file(file, 6 << 20, seed);
    }
    let [stays, vanishes, other] = &files;
    let into = world.new_folder("arrived");
    let doomed = alice.offer(&bob, &[stays, vanishes], &[]);
    let running = alice.offer(&bob, &[other], &["--limit", "2MiB"]);
    bob.accept(&running, &into);
    fs::remove_file(vanishes).unwrap();
    bob.accept(&doomed, &into);
    for person in [&alice, &bob] {
        let failed = person.until_state(&doomed, "failed");
        let error = failed["error"].as_str().unwrap();
        assert!(error.contains("vanishes.bin"), "the file is named: {error}");
        person.until_state(&running, "done");
    }
    assert_same_file(other, &into.join("other.bin"));
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
