//! Files: both ways, sealed and as they are, refused and stopped.

use std::fs;

use hobnob_tests::content::{assert_same_file, assert_same_folder, write_file, write_folder};
use hobnob_tests::person::Person;
use hobnob_tests::world::World;
use serde_json::Value;

#[test]
fn ft2_files_and_folders_go_both_ways_at_once() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let people = [(&alice, &bob, "alice"), (&bob, &alice, "bob")];
    let mut transfers = Vec::new();
    for (seed, (from, to, name)) in (1..).zip(people) {
        let own = world.path(&format!("{name} owns"));
        write_folder(&own.join("things"), seed);
        write_file(&own.join("big.bin"), 20_000_003, 10 * seed);
        write_file(&own.join("small.bin"), 7, 20 * seed);
        let together = from.offer(to, &[&own.join("things"), &own.join("big.bin")], &[]);
        let alone = from.offer(to, &[&own.join("small.bin")], &[]);
        transfers.push((from, to, own, [together, alone]));
    }
    for (_, to, own, ids) in &transfers {
        let into = own.with_extension("arrived");
        fs::create_dir(&into).unwrap();
        ids.iter().for_each(|id| to.accept(id, &into));
    }
    for (from, to, own, ids) in &transfers {
        for id in ids {
            let (sent, received) = (from.until_state(id, "done"), to.until_state(id, "done"));
            assert_eq!(sent["digest"], received["digest"], "both sides hashed the same");
            assert!(sent["digest"].is_string());
        }
        let into = own.with_extension("arrived");
        assert_same_folder(&own.join("things"), &into.join("things"));
        assert_same_file(&own.join("big.bin"), &into.join("big.bin"));
        assert_same_file(&own.join("small.bin"), &into.join("small.bin"));
    }
}

#[test]
fn ft4_both_sides_see_the_progress() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let file = world.path("film.mkv");
    write_file(&file, 12 << 20, 1);
    let id = alice.offer(&bob, &[&file], &["--limit", "4MiB"]);
    let offer = bob.until_transfer(&id, "an offer", |_| true);
    assert_eq!(
        (&offer["name"], &offer["size"], &offer["direction"], &offer["state"], &offer["peer"]),
        (&"film.mkv".into(), &(12 << 20).into(), &"in".into(), &"offered".into(), &"alice@localhost".into())
    );
    bob.accept(&id, &world.new_folder("arrived"));
    for person in [&alice, &bob] {
        person.until_state(&id, "done");
        let event = person.wait_for("progress", |event| {
            let done = event["done"].as_u64().unwrap_or(0);
            event["event"] == "transfer"
                && event["state"] == "running"
                && done > 0
                && done < 12 << 20
                && event["rate"].as_u64() > Some(0)
                && event["eta"].is_u64()
        });
        assert_eq!(event["path"], "lan", "{event}");
        let events = person.events().since(0);
        let done: Vec<u64> = events
            .iter()
            .filter(|(_, event)| event["event"] == "transfer" && event["id"] == id.as_str())
            .map(|(_, event)| event["done"].as_u64().unwrap())
            .collect();
        assert!(done.is_sorted(), "what is done is never undone: {done:?}");
        assert_eq!(done.last(), Some(&(12 << 20)));
    }
}

#[test]
fn ft3_a_file_goes_sealed_or_as_it_is() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let file = world.path("file.bin");
    write_file(&file, 5_000_000, 1);
    for (options, sealed, into) in [(&[][..], true, "sealed"), (&["--as-is"], false, "as it is")] {
        let id = alice.offer(&bob, &[&file], options);
        let into = world.new_folder(into);
        bob.accept(&id, &into);
        for person in [&alice, &bob] {
            assert_eq!(person.until_state(&id, "done")["sealed"], sealed);
        }
        assert_same_file(&file, &into.join("file.bin"));
    }
}

#[test]
fn a_rejected_offer_is_over_on_both_sides_and_nothing_was_written() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let (id, _) = offer_slowly(&world, &alice, &bob);
    bob.until_transfer(&id, "an offer", |_| true);
    bob.tell(["file", "reject", &id]);
    for person in [&alice, &bob] {
        assert_eq!(person.until_state(&id, "rejected")["done"], 0);
    }
    assert_eq!(alice.until_state(&id, "rejected")["error"], "bob@localhost does not want it");
    bob.run(["file", "accept", &id]).refusal(7);
}

#[test]
fn an_offer_can_be_taken_back() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let (id, _) = offer_slowly(&world, &alice, &bob);
    bob.until_transfer(&id, "an offer", |_| true);
    alice.tell(["file", "cancel", &id]);
    bob.until_state(&id, "cancelled");
    bob.run(["file", "accept", &id]).refusal(7);
}

#[test]
fn the_sender_can_stop_a_transfer_and_the_receiver_learns_who_did() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    stopped_by(&world, &alice, &alice, &bob);
}

#[test]
fn the_receiver_can_stop_a_transfer_and_the_sender_learns_who_did() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    stopped_by(&world, &bob, &alice, &bob);
}

#[test]
fn nothing_is_overwritten_by_what_arrives() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let (file, into) = (world.path("notes.txt"), world.new_folder("arrived"));
    write_file(&file, 1_000, 1);
    fs::write(into.join("notes.txt"), "mine").unwrap();
    let id = alice.offer(&bob, &[&file], &[]);
    bob.accept(&id, &into);
    bob.until_state(&id, "done");
    assert_eq!(fs::read_to_string(into.join("notes.txt")).unwrap(), "mine");
    let others = fs::read_dir(&into).unwrap().map(|entry| entry.unwrap().path());
    let arrived: Vec<_> = others.filter(|path| !path.ends_with("notes.txt")).collect();
    assert_eq!(arrived.len(), 1, "{arrived:?}");
    assert_same_file(&file, &arrived[0]);
}

#[test]
fn an_offer_waits_for_a_receiver_who_is_away_and_the_transfer_for_a_sender() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let (file, into) = (world.path("late.bin"), world.new_folder("arrived"));
    write_file(&file, 2_000_000, 1);
    bob.stop();
    let id = alice.offer(&bob, &[&file], &[]);
    // The offer travels as a letter; once it waits at the rendezvous its author can leave.
    alice.until(&["file", "list"], "an offer", |lines| lines[0]["state"] == "offered");
    alice.tell(["send", "bob", "see what I offer", "--wait", "accepted"]);
    alice.stop();
    bob.up();
    bob.accept(&id, &into);
    bob.until_transfer(&id, "a transfer that waits", |view| view["state"] == "queued");
    alice.up();
    alice.until_state(&id, "done");
    bob.until_state(&id, "done");
    assert_same_file(&file, &into.join("late.bin"));
}

#[test]
fn what_is_not_there_cannot_be_sent() {
    let world = World::new();
    let (alice, _bob) = world.friends("alice", "bob");
    let missing = world.path("missing.txt");
    let refusal = alice.run(["file", "send", "bob", missing.to_str().unwrap()]);
    assert!(refusal.refusal(3).contains("missing.txt"), "{refusal:?}");
}

/// Begins a transfer that takes long, stops it on one side, and looks at both.
fn stopped_by(world: &World, who: &Person, alice: &Person, bob: &Person) {
    let (id, into) = offer_slowly(world, alice, bob);
    bob.accept(&id, &into);
    for person in [alice, bob] {
        person.until_transfer(&id, "bytes that move", |view| view["done"].as_u64() > Some(0));
    }
    who.tell(["file", "cancel", &id]);
    let told = if who.name() == alice.name() { bob } else { alice };
    who.until_state(&id, "cancelled");
    let ended = told.until_state(&id, "cancelled");
    assert_eq!(ended["error"], format!("{} has stopped it", who.address()));
    let left: Vec<Value> = fs::read_dir(&into)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned().into())
        .collect();
    assert_eq!(left, Vec::<Value>::new(), "a part of a file is not left where people look");
}

/// Offers a file that would take a minute; returns its id and a folder to accept it into.
fn offer_slowly(world: &World, from: &Person, to: &Person) -> (String, std::path::PathBuf) {
    let file = world.path("slow.bin");
    write_file(&file, 60 << 20, 1);
    (from.offer(to, &[&file], &["--limit", "1MiB"]), world.new_folder("arrived"))
}
