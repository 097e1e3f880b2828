//! What follows the user from device to device: drafts, what has been read, notes, what is wanted of chats.

use hobnob_tests::person::Person;
use hobnob_tests::world::World;
use serde_json::{Value, json};

#[test]
fn x12_a_draft_follows_the_user_to_the_other_device_and_is_sent_from_there() {
    let world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    let tablet = tablet_of(&world, &alice, &bob);
    alice.tell(["draft", "bob", "Dear Bo"]);
    alice.tell(["draft", "bob", "Dear Bob, @alice"]);
    assert_eq!(alice.ask(["draft", "bob"])[0]["draft"], "Dear Bob, @alice");
    until_chat(&tablet, &bob, |chat| chat["draft"] == "Dear Bob, @alice");
    tablet.wait_for("a draft", |event| event["event"] == "chat" && event["draft"] == "Dear Bob, @alice");
    // Drafts survive a restart.
    alice.stop();
    alice.up();
    assert_eq!(alice.ask(["draft", "bob"])[0]["draft"], "Dear Bob, @alice");

    tablet.tell(["send", "bob", "--draft"]);
    assert_eq!(bob.until_letters(&alice, 1)[0]["text"], "Dear Bob, @alice");
    for device in [&alice, &tablet] {
        until_chat(device, &bob, |chat| chat["draft"] == "");
    }
    alice.run(["send", "bob", "--draft"]).refusal(3);
}

#[test]
fn x43_what_is_read_on_one_device_is_read_on_all_and_begins_at_the_first_unread() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let tablet = tablet_of(&world, &alice, &bob);
    let ids: Vec<Value> = (0..3)
        .map(|number| {
            let text = format!("letter {number}");
            bob.ask(["send", "alice", &text, "--wait", "delivered", "--timeout", "60"])[0]["id"].clone()
        })
        .collect();
    for device in [&alice, &tablet] {
        let chat = until_chat(device, &bob, |chat| chat["unread"] == 3);
        assert_eq!(chat["first_unread"], ids[0]);
        assert_eq!(chat["last"]["text"], "letter 2");
    }
    tablet.tell(["history", "bob"]);
    for device in [&alice, &tablet] {
        let chat = until_chat(device, &bob, |chat| chat["unread"] == 0);
        assert_eq!(chat["first_unread"], Value::Null);
    }
    alice.wait_for("a chat that is read", |event| event["event"] == "chat" && event["unread"] == 0);

    // What is to be looked at again is so everywhere, until it is.
    alice.tell(["chat", "bob", "--unread"]);
    until_chat(&tablet, &bob, |chat| chat["marked_unread"] == true);
    tablet.tell(["history", "bob"]);
    until_chat(&alice, &bob, |chat| chat["marked_unread"] == false);
}

#[test]
fn x19_a_note_to_oneself_is_on_every_own_device_and_nowhere_else() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let first = alice.ask(["send", "alice", "Buy milk"])[0].clone();
    assert_eq!(first["state"], "read");
    let tablet = tablet_of(&world, &alice, &bob);
    let id = alice.ask(["send", "alice", "Buy bread"])[0]["id"].as_str().unwrap().to_owned();
    alice.tell(["edit", &id, "Buy good bread"]);
    let is_there = |lines: &[Value]| lines.iter().any(|line| line["text"] == "Buy good bread");
    let notes = tablet.until(&["history", "alice"], "a note", is_there);
    assert_eq!(notes.len(), 1, "what was written before this device joined is not here");
    let notes = alice.until(&["history", "alice"], "a note", is_there);
    assert_eq!((&notes[0]["text"], &notes[1]["id"]), (&"Buy milk".into(), &id.as_str().into()));
    assert_eq!(bob.ask(["chats"]), Vec::<Value>::new());
    assert_eq!(until_chat(&tablet, &alice, |_| true)["unread"], 0);
}

#[test]
fn chats_are_listed_with_the_newest_letter_first_and_wishes_hold_on_all_devices() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let carol = world.person("carol");
    alice.befriend(&carol);
    let tablet = tablet_of(&world, &alice, &bob);
    bob.tell(["send", "alice", "first", "--wait", "delivered", "--timeout", "60"]);
    carol.tell(["send", "alice", "second", "--wait", "delivered", "--timeout", "60"]);
    let order = |lines: &[Value]| {
        lines.iter().map(|line| line["address"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
            == ["carol@localhost", "bob@localhost"]
    };
    alice.until(&["chats"], "two chats", order);
    alice.tell(["chat", "bob", "--typing", "off", "--nudges", "off", "--sound", "bell"]);
    let chat = until_chat(&tablet, &bob, |chat| chat["sound"] == "bell");
    assert_eq!((&chat["typing"], &chat["nudges"]), (&json!(false), &json!(false)));
}

/// A second device of somebody, which knows its contact.
fn tablet_of(world: &World, person: &Person, contact: &Person) -> Person {
    let tablet = world.second_device(person);
    tablet.until_contact(contact, "the account's contact", |contact| contact["subscription"] == "both");
    tablet
}

/// The chat with somebody, once `is_so` is content with it.
fn until_chat(person: &Person, with: &Person, is_so: impl Fn(&Value) -> bool) -> Value {
    let is_it = |line: &Value| line["address"] == with.address().as_str();
    let is_so = |lines: &[Value]| lines.iter().any(|line| is_it(line) && is_so(line));
    person.until(&["chats"], "a chat", is_so).into_iter().find(is_it).unwrap()
}
