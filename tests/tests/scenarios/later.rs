//! Letters that are sent later, and letters that disappear.

use std::fs;

use hobnob_tests::person::Person;
use hobnob_tests::world::World;
use serde_json::Value;

#[test]
fn ev2_a_scheduled_letter_survives_a_restart_and_is_sent_once_at_its_time() {
    let world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    let waiting = alice.ask(["send", "bob", "Happy birthday", "--in", "1d"])[0].clone();
    let id = waiting["id"].as_str().unwrap().to_owned();
    let dropped = alice.ask(["send", "bob", "Not this", "--at", "2100-01-01T00:00Z"])[0]["id"].clone();
    alice.kill();
    alice.up();
    let lines = alice.ask(["scheduled", "list"]);
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0], &lines[1]["due"]), (&waiting, &"2100-01-01T00:00:00.000Z".into()));
    alice.tell(["scheduled", "cancel", dropped.as_str().unwrap()]);
    alice.run(["scheduled", "cancel", dropped.as_str().unwrap()]).refusal(3);
    assert_eq!(bob.ask(["history", "alice"]), Vec::<Value>::new());

    // Sooner, in other words, and from a daemon that was down when it was due.
    let changed = alice.ask(["scheduled", "change", &id, "Happy birthday, Bob!", "--in", "2s"])[0].clone();
    assert_eq!(changed["text"], "Happy birthday, Bob!");
    alice.stop();
    alice.up();
    let letter = bob.until_letters(&alice, 1).remove(0);
    assert_eq!((&letter["id"], &letter["text"]), (&id.as_str().into(), &"Happy birthday, Bob!".into()));
    assert!(letter["at"].as_str() >= changed["due"].as_str(), "not before its time: {letter} {changed}");
    assert_eq!(alice.ask(["scheduled", "list"]), Vec::<Value>::new());
    alice.run(["send", "bob", "x", "--at", "2001-01-01T00:00Z"]).refusal(2);
}

#[test]
fn x21_a_disappearing_letter_goes_on_both_sides_and_leaves_no_word() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let sent =
        alice.ask(["send", "bob", "This note of plugh burns", "--expires", "3s", "--wait", "delivered"]);
    let id = sent[0]["id"].as_str().unwrap().to_owned();
    // The author's time counts from writing.
    gone(&alice, &id);
    assert_eq!(alice.ask(["history", "bob"]), Vec::<Value>::new());
    // The recipient's does not begin before reading.
    let letter = bob.until_letters(&alice, 1).remove(0);
    assert_eq!((&letter["expires_after_s"], &letter["expires_at"]), (&3.into(), &Value::Null));
    bob.run(["send", "alice", "--forward", &id]).refusal(4);
    let read = bob.ask(["history", "alice"]);
    assert_eq!(read[0]["text"], "This note of plugh burns");
    gone(&bob, &id);
    assert_eq!(bob.ask(["history", "alice"]), Vec::<Value>::new());
    for person in [&alice, &bob] {
        assert!(!on_disk(person, "plugh"), "{} keeps words", person.name());
    }

    // Also when the app was not running at the time.
    let sent = bob.ask(["send", "alice", "Another of plover", "--expires", "2s", "--wait", "delivered"]);
    let id = sent[0]["id"].as_str().unwrap().to_owned();
    alice.tell(["history", "bob"]);
    bob.stop();
    gone(&alice, &id);
    bob.up();
    bob.until(&["history", "alice"], "an empty chat", <[_]>::is_empty);
    alice.stop();
    for person in [&alice, &bob] {
        assert!(!on_disk(person, "plover"), "{} keeps words", person.name());
    }
}

/// Waits until a letter has disappeared.
fn gone(person: &Person, id: &str) {
    person.wait_for("a letter that disappears", |event| event["event"] == "letter_gone" && event["id"] == id);
}

fn on_disk(person: &Person, words: &str) -> bool {
    fs::read_dir(person.home()).unwrap().any(|entry| {
        let bytes = fs::read(entry.unwrap().path()).unwrap_or_default();
        bytes.windows(words.len()).any(|window| window == words.as_bytes())
    })
}
