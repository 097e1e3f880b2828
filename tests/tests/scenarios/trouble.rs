//! Trouble with disks: told with the name of the file, and of no concern to other transfers.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use hobnob_tests::content::{assert_same_file, assert_same_folder, write_file};
use hobnob_tests::namespace;
use hobnob_tests::person::Person;
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

#[test]
fn a_disk_that_becomes_read_only_holds_up_the_transfer_until_it_can_be_written_to() {
    let name = "trouble::a_disk_that_becomes_read_only_holds_up_the_transfer_until_it_can_be_written_to";
    namespace::inside(name, || {
        let world = World::new();
        let (alice, bob) = world.friends("alice", "bob");
        let (many, disk) = (world.new_folder("many"), world.path("disk"));
        // Short files are closed after each range, so that the disk is not always in use.
        for number in 0..4_000 {
            write_file(&many.join(format!("{number}.txt")), 2_000, number);
        }
        namespace::mount_disk(&disk, 64 << 20);
        let id = alice.offer(&bob, &[&many], &["--limit", "1MiB"]);
        bob.accept(&id, &disk);
        bob.until_transfer(&id, "bytes that move", |view| view["done"].as_u64() > Some(0));
        namespace::remount(&disk, "ro");
        until_it_waits([&alice, &bob], &id, "the disk is read-only");
        namespace::remount(&disk, "rw");
        alice.tell(["file", "limit", &id, "0"]);
        bob.until_state(&id, "done");
        assert_same_folder(&many, &disk.join("many"));
    });
}

#[test]
fn a_disk_that_is_taken_away_holds_up_the_transfer_until_it_is_back_and_nothing_gets_lost() {
    let name =
        "trouble::a_disk_that_is_taken_away_holds_up_the_transfer_until_it_is_back_and_nothing_gets_lost";
    namespace::inside(name, || {
        let world = World::new();
        let (alice, bob) = world.friends("alice", "bob");
        let (file, disk, place) = (world.path("film.bin"), world.path("disk"), world.path("place"));
        write_file(&file, 12 << 20, 1);
        namespace::mount_disk(&disk, 64 << 20);
        namespace::bind(&disk, &place);
        let id = alice.offer(&bob, &[&file], &["--limit", "2MiB"]);
        bob.accept(&id, &place);
        bob.until_transfer(&id, "bytes that move", |view| view["done"].as_u64() > Some(0));
        namespace::unmount(&place);
        until_it_waits([&alice, &bob], &id, "not there");
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "nothing is written where the disk was");
        namespace::bind(&disk, &place);
        alice.tell(["file", "limit", &id, "0"]);
        bob.until_state(&id, "done");
        assert_same_file(&file, &place.join("film.bin"));
    });
}

#[test]
fn who_may_not_read_or_write_is_told_so_and_the_transfer_goes_on_when_it_is_allowed() {
    // Root may do everything, unless it gives that up.
    let is_root = rustix::process::geteuid().is_root();
    let words: &[&str] =
        if is_root { &["setpriv", "--bounding-set=-dac_override,-dac_read_search"] } else { &[] };
    let prefix: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    let world = World::new();
    let [alice, bob] = ["alice", "bob"].map(|name| world.person_at(name, &prefix));
    alice.befriend(&bob);
    let (file, into) = (world.path("diary.bin"), world.new_folder("arrived"));
    write_file(&file, 3 << 20, 1);
    let allow =
        |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let id = alice.offer(&bob, &[&file], &[]);
    allow(&into, 0o555);
    bob.accept(&id, &into);
    let error = waits(&bob, &id);
    assert!(error.contains("permission denied") && error.contains("arrived"), "{error}");
    allow(&file, 0o000);
    allow(&into, 0o755);
    until_it_waits([&alice, &bob], &id, "diary.bin: permission denied");
    allow(&file, 0o644);
    bob.until_state(&id, "done");
    assert_same_file(&file, &into.join("diary.bin"));
}

#[test]
fn a_file_replaced_by_one_that_looks_alike_is_never_mixed_with_it_and_is_offered_again() {
    let world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    let (file, other, into) = (world.path("plan.bin"), world.path("other.bin"), world.new_folder("arrived"));
    write_file(&file, 12 << 20, 1);
    let id = alice.offer(&bob, &[&file], &["--limit", "2MiB"]);
    bob.accept(&id, &into);
    bob.until_transfer(&id, "bytes that move", |view| view["done"].as_u64() > Some(1 << 20));
    alice.stop();
    let before = fs::metadata(&file).unwrap();
    write_file(&other, 12 << 20, 2);
    fs::File::options().write(true).open(&other).unwrap().set_modified(before.modified().unwrap()).unwrap();
    fs::rename(&other, &file).unwrap();
    let after = fs::metadata(&file).unwrap();
    assert_eq!((before.len(), before.mtime_nsec()), (after.len(), after.mtime_nsec()));
    alice.up();
    for person in [&alice, &bob] {
        let error = person.until_state(&id, "failed")["error"].as_str().unwrap().to_owned();
        assert!(error.contains("plan.bin has changed since it was offered"), "{error}");
    }
    assert_eq!(fs::read_dir(&into).unwrap().count(), 0, "nothing of either is left");
    let lines = bob.until(&["file", "list"], "another offer", |lines| {
        lines.iter().any(|line| line["state"] == "offered")
    });
    let again = lines.iter().find(|line| line["state"] == "offered").unwrap()["id"].as_str().unwrap();
    alice.tell(["file", "limit", again, "0"]);
    bob.accept(again, &into);
    bob.until_state(again, "done");
    assert_same_file(&file, &into.join("plan.bin"));
}

#[test]
fn a_file_that_was_restored_from_a_copy_goes_on_where_it_was() {
    let world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    let (file, copy, into) = (world.path("plan.bin"), world.path("copy.bin"), world.new_folder("arrived"));
    write_file(&file, 12 << 20, 1);
    let id = alice.offer(&bob, &[&file], &["--limit", "2MiB"]);
    bob.accept(&id, &into);
    bob.until_transfer(&id, "bytes that move", |view| view["done"].as_u64() > Some(1 << 20));
    alice.stop();
    fs::copy(&file, &copy).unwrap();
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    fs::File::options().write(true).open(&copy).unwrap().set_modified(modified).unwrap();
    fs::rename(&copy, &file).unwrap();
    alice.up();
    alice.tell(["file", "limit", &id, "0"]);
    for person in [&alice, &bob] {
        person.until_state(&id, "done");
    }
    assert_same_file(&file, &into.join("plan.bin"));
}

/// Why it waits, once it does.
fn waits(person: &Person, id: &str) -> String {
    let view = person.until_transfer(id, "a wait", |view| view["state"] == "waiting");
    view["error"].as_str().unwrap().to_owned()
}

/// Both know that it waits, and why.
fn until_it_waits(people: [&Person; 2], id: &str, why: &str) {
    for person in people {
        let is_so = |view: &Value| {
            view["state"] == "waiting" && view["error"].as_str().is_some_and(|error| error.contains(why))
        };
        person.until_transfer(id, &format!("a wait because {why}"), is_so);
    }
}
