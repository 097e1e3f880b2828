//! What users do with transfers under way: pause, order, limit, retry, and rules that decide for them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::person::Person;
use hobnob_tests::world::World;

const MIB: u64 = 1 << 20;

#[test]
fn ft5_either_side_pauses_and_resumes_and_the_file_is_whole() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let (id, file, into) = slow(&world, &alice, &bob, "film.bin");
    for (who, other) in [(&alice, &bob), (&bob, &alice)] {
        until_it_moves(&bob, &id);
        who.tell(["file", "pause", &id]);
        assert_eq!(who.until_state(&id, "paused")["held"], "own");
        assert_eq!(other.until_state(&id, "paused")["held"], "peer");
        other.run(["file", "resume", &id]).refusal(7);
        who.tell(["file", "resume", &id]);
        let again = |view: &serde_json::Value| view["state"] == "running" && view["held"].is_null();
        bob.until_transfer(&id, "a transfer that goes on", again);
    }
    alice.tell(["file", "limit", &id, "0"]);
    for person in [&alice, &bob] {
        person.until_state(&id, "done");
    }
    assert_same_file(&file, &into.join("film.bin"));
}

#[test]
fn ft5_a_pause_outlives_the_daemon() {
    let world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    let (id, file, into) = slow(&world, &alice, &bob, "film.bin");
    until_it_moves(&bob, &id);
    alice.tell(["file", "pause", &id]);
    bob.until_state(&id, "paused");
    alice.stop();
    alice.up();
    assert_eq!(alice.until_state(&id, "paused")["held"], "own");
    alice.tell(["file", "limit", &id, "0"]);
    alice.tell(["file", "resume", &id]);
    bob.until_state(&id, "done");
    assert_same_file(&file, &into.join("film.bin"));
}

#[test]
fn ft5_a_reason_travels_with_the_end_and_what_was_cancelled_can_be_offered_again() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let (id, file, into) = slow(&world, &alice, &bob, "film.bin");
    alice.tell(["file", "cancel", &id, "--text", "wrong cut"]);
    assert_eq!(bob.until_state(&id, "cancelled")["error"], "wrong cut");
    bob.tell(["file", "retry", &id]);
    let declined = |view: &serde_json::Value| view["error"] == "it was cancelled; ask me to send it again";
    bob.until_transfer(&id, "word that it is not offered again", declined);
    let again = alice.ask(["file", "retry", &id])[0]["id"].as_str().unwrap().to_owned();
    alice.tell(["file", "limit", &again, "0"]);
    bob.until_transfer(&again, "an offer", |_| true);
    bob.accept(&again, &into);
    alice.until_state(&again, "done");
    bob.until_state(&again, "done");
    assert_same_file(&file, &into.join("film.bin"));
    let history = alice.ask(["file", "history", "bob"]);
    let ended: Vec<_> = history.iter().map(|line| (line["id"].clone(), line["state"].clone())).collect();
    assert_eq!(ended, [(id.into(), "cancelled".into()), (again.into(), "done".into())]);
    assert!(history.iter().all(|line| line["ended_at"].is_string()));
}

#[test]
fn ft5_a_receiver_asks_for_what_failed_and_gets_another_offer() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let (file, into) = (world.path("film.bin"), world.new_folder("arrived"));
    write_file(&file, 3 * MIB, 1);
    let id = alice.offer(&bob, &[&file], &[]);
    bob.until_transfer(&id, "an offer", |_| true);
    bob.tell(["file", "accept", &id, "--to", into.to_str().unwrap(), "--only", "*.txt"]);
    for person in [&alice, &bob] {
        person.until_state(&id, "failed");
    }
    assert!(bob.read(&["file", "retry", &id]).contains("alice@localhost"));
    let is_offered = |lines: &[serde_json::Value]| lines.iter().any(|line| line["state"] == "offered");
    let lines = bob.until(&["file", "list"], "another offer", is_offered);
    let again = lines.iter().find(|line| line["state"] == "offered").unwrap()["id"].as_str().unwrap();
    bob.accept(again, &into);
    alice.until_state(again, "done");
    assert_same_file(&file, &into.join("film.bin"));
}

#[test]
fn ft8_what_is_put_apart_cannot_be_executed() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let (into, apart) = (world.new_folder("arrived"), world.new_folder("apart"));
    for (key, value) in [
        ("files.dir", into.to_str().unwrap()),
        ("files.quarantine", apart.to_str().unwrap()),
        ("files.rules", "type=.sh quarantine; accept"),
    ] {
        bob.tell(["config", "set", key, value]);
    }
    for (name, folder, mode) in [("run.sh", &apart, 0), ("run.py", &into, 0o100)] {
        let file = world.path(name);
        fs::write(&file, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let id = alice.offer(&bob, &[&file], &[]);
        bob.until_state(&id, "done");
        assert_eq!(fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o100, mode, "{name}");
    }
}

#[test]
fn ft2_one_at_a_time_goes_in_the_order_that_the_user_wants() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    alice.tell(["config", "set", "limits.at_once", "1"]);
    let into = world.new_folder("arrived");
    let (first, _, _) = slow(&world, &alice, &bob, "first.bin");
    until_it_moves(&bob, &first);
    let others = ["second.bin", "third.bin", "urgent.bin"].map(|name| {
        let file = world.path(name);
        write_file(&file, 100_000, 3);
        let id = alice.offer(&bob, &[&file], &[]);
        bob.accept(&id, &into);
        alice.until_transfer(&id, "a place in the queue", |view| view["held"] == "queue");
        bob.until_transfer(&id, "a place in the queue", |view| view["held"] == "queue");
        id
    });
    let [second, third, urgent] = &others;
    alice.tell(["file", "move", third, second]);
    // It goes before the one that runs, which goes on after it.
    alice.tell(["file", "priority", urgent, "high"]);
    bob.until_state(urgent, "done");
    assert_ne!(bob.until_transfer(&first, "the first", |_| true)["state"], "done");
    assert_eq!(alice.until_transfer(third, "the third", |_| true)["held"], "queue");
    alice.tell(["file", "cancel", &first]);
    for id in [second, third] {
        bob.until_state(id, "done");
        alice.until_state(id, "done");
    }
    let done_at = |id: &str| alice.ask(["file", "show", id])[0]["ended_at"].as_str().unwrap().to_owned();
    assert!(done_at(third) < done_at(second), "what was moved before it was done before it");
}

#[test]
fn ft6_what_a_receiver_takes_in_all_is_told_to_its_senders() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    bob.tell(["config", "set", "limits.down", "2MiB/s"]);
    in_no_less_than(&world, &alice, &bob, Duration::from_secs(3));
}

#[test]
fn ft6_all_that_is_sent_to_a_contact_keeps_to_one_limit() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    alice.tell(["contact", "limit", "bob", "--up", "2MiB/s"]);
    in_no_less_than(&world, &alice, &bob, Duration::from_secs(3));
}

#[test]
fn ft6_a_limit_by_the_hour_holds_at_once_and_until_it_is_lifted() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    alice.run(["config", "set", "limits.schedule", "at night"]).refusal(2);
    alice.tell(["config", "set", "limits.schedule", "00:00-24:00 up=100KiB/s"]);
    let file = world.path("file.bin");
    write_file(&file, 60 * MIB, 1);
    let id = alice.offer(&bob, &[&file], &[]);
    let into = world.new_folder("arrived");
    bob.accept(&id, &into);
    bob.until_transfer(&id, "a slow transfer", |view| {
        view["state"] == "running" && (1..500_000).contains(&view["rate"].as_u64().unwrap_or(0))
    });
    // At this rate it would take ten minutes.
    alice.tell(["config", "set", "limits.schedule", ""]);
    bob.until_state(&id, "done");
    assert_same_file(&file, &into.join("file.bin"));
}

#[test]
fn ft8_rules_decide_by_contact_size_and_type_and_put_apart_what_is_in_doubt() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let (into, apart) = (world.new_folder("arrived"), world.new_folder("apart"));
    for (key, value) in [
        ("files.dir", into.to_str().unwrap()),
        ("files.quarantine", apart.to_str().unwrap()),
        ("files.rules", "from=alice@localhost type=image size<=1MiB accept; size<=1MiB quarantine; reject"),
    ] {
        bob.tell(["config", "set", key, value]);
    }
    let offer = |name: &str, len: u64| {
        let file = world.path(name);
        write_file(&file, len, 1);
        (alice.offer(&bob, &[&file], &["--text", "for you"]), file)
    };
    for (name, folder) in [("cat.png", &into), ("game.bin", &apart)] {
        let (id, file) = offer(name, 1_000);
        let ended = bob.until_state(&id, "done");
        assert_eq!(ended["text"], "for you");
        assert_same_file(&file, &folder.join(name));
    }
    let (id, _) = offer("film.png", 2 * MIB);
    alice.until_state(&id, "rejected");
    bob.until_state(&id, "rejected");
    assert!(!into.join("film.png").exists());
    assert_eq!(fs::read_dir(&apart).unwrap().count(), 1);
}

/// An accepted transfer that would take a minute; its file and where it goes.
fn slow(world: &World, from: &Person, to: &Person, name: &str) -> (String, PathBuf, PathBuf) {
    let (file, into) = (world.path(name), world.new_folder(&format!("{name} arrived")));
    write_file(&file, 30 * MIB, 1);
    let id = from.offer(to, &[&file], &["--limit", "512KiB"]);
    to.accept(&id, &into);
    (id, file, into)
}

fn until_it_moves(person: &Person, id: &str) {
    let moves = |view: &serde_json::Value| view["state"] == "running" && view["rate"].as_u64() > Some(0);
    person.until_transfer(id, "bytes that move", moves);
}

/// Two transfers of 4 MiB each, together at 2 MiB/s. A lower bound only: a busy machine may be late, but never early.
fn in_no_less_than(world: &World, from: &Person, to: &Person, time: Duration) {
    let into = world.new_folder("arrived");
    let ids = ["a.bin", "b.bin"].map(|name| {
        let file = world.path(name);
        write_file(&file, 4 * MIB, 1);
        (name, from.offer(to, &[&file], &[]))
    });
    let begin = Instant::now();
    ids.iter().for_each(|(_, id)| to.accept(id, &into));
    for (name, id) in &ids {
        to.until_state(id, "done");
        assert_same_file(&world.path(name), &into.join(name));
    }
    assert!(begin.elapsed() >= time, "{:?}", begin.elapsed());
}
