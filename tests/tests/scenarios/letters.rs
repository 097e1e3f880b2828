//! Letters: over the link, through the mailbox, in order, once.

use hobnob_tests::person::Person;
use hobnob_tests::world::World;
use serde_json::Value;

#[test]
fn ms1_a_chat_goes_both_ways_over_a_link() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    for round in 0..3 {
        write(&alice, &bob, &format!("question {round}"));
        write(&bob, &alice, &format!("answer {round}"));
    }
    let chat = ["question 0", "answer 0", "question 1", "answer 1", "question 2", "answer 2"];
    assert_eq!(texts(&alice.until_letters(&bob, 6)), chat);
    assert_eq!(texts(&bob.until_letters(&alice, 6)), chat);
    for (one, with) in [(&alice, &bob), (&bob, &alice)] {
        one.until_contact(with, "a link", |contact| contact["path"] == "lan");
    }

    let letters = bob.until_letters(&alice, 6);
    assert_eq!(letters[0]["from"], "alice@localhost");
    assert_eq!(letters[0]["to"], "bob@localhost");
    assert_eq!(letters[1]["from"], "bob@localhost");
    let at = letters[0]["at"].as_str().unwrap();
    assert!(at.ends_with('Z') && at.len() == "2026-01-01T00:00:00.000Z".len(), "{at}");
}

#[test]
fn of1_letters_to_somebody_who_is_away_arrive_at_the_return_in_order_and_once() {
    let world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    bob.stop();
    let written: Vec<String> = (0..20).map(|number| format!("letter {number}")).collect();
    for text in &written {
        let sent = &alice.ask(["send", "bob", text, "--wait", "accepted"])[0];
        assert_eq!(sent["state"], "accepted");
    }
    bob.up();
    assert_eq!(texts(&bob.until_letters(&alice, 20)), written);
    until_all(&alice, &bob, "delivered");

    bob.stop();
    bob.up();
    write(&alice, &bob, "one more");
    assert_eq!(texts(&bob.until_letters(&alice, 21))[20], "one more");
}

#[test]
fn of3_a_letter_to_somebody_away_is_seen_to_wait_at_the_rendezvous() {
    let world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    bob.stop();
    let id = alice.ask(["send", "bob", "later"])[0]["id"].clone();
    let state = alice.wait_for("a letter at the rendezvous", |event| {
        event["event"] == "letter_state" && event["id"] == id && event["state"] == "accepted"
    });
    assert_eq!(state["to"], "bob@localhost");
}

#[test]
fn letters_written_while_the_rendezvous_is_down_arrive_when_it_is_back() {
    let mut world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    bob.stop();
    world.rendezvous.stop();
    alice.until(&["status"], "no session", |lines| lines[0]["session"] == "down");
    let sent = &alice.ask(["send", "bob", "one"])[0];
    assert_eq!(sent["state"], "queued");
    alice.tell(["send", "bob", "two"]);
    let _ = world.rendezvous.serve();
    bob.up();
    assert_eq!(texts(&bob.until_letters(&alice, 2)), ["one", "two"]);
}

#[test]
fn a_letter_that_was_taken_survives_a_crash_of_its_author() {
    let mut world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    world.rendezvous.kill();
    alice.tell(["send", "bob", "before the crash"]);
    alice.kill();
    let _ = world.rendezvous.serve();
    alice.up();
    assert_eq!(texts(&bob.until_letters(&alice, 1)), ["before the crash"]);
    until_all(&alice, &bob, "delivered");
}

#[test]
fn contacts_keep_talking_over_their_link_while_the_rendezvous_is_down() {
    let mut world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    write(&alice, &bob, "with a rendezvous");
    alice.until_contact(&bob, "a link", |contact| contact["path"] == "lan");
    world.rendezvous.stop();
    alice.until(&["status"], "no session", |lines| lines[0]["session"] == "down");
    write(&alice, &bob, "without");
    write(&bob, &alice, "indeed");
    assert_eq!(texts(&bob.until_letters(&alice, 3)), ["with a rendezvous", "without", "indeed"]);
}

#[test]
fn ms4_the_author_sees_how_far_a_letter_has_come_on_each_device() {
    let world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    let device = bob.ask(["status"])[0]["device"].clone();
    bob.stop();
    let id = alice.ask(["send", "bob", "how far?", "--wait", "accepted"])[0]["id"].clone();
    let letter = &alice.until_letters(&bob, 1)[0];
    assert_eq!(letter["id"], id);
    assert_eq!(letter["devices"], serde_json::json!([{ "device": device, "state": "accepted" }]));

    bob.up();
    until_all(&alice, &bob, "delivered");
    // Whoever looks at a chat has read it.
    bob.tell(["history", "alice"]);
    until_all(&alice, &bob, "read");
    let letter = &alice.until_letters(&bob, 1)[0];
    assert_eq!(letter["devices"], serde_json::json!([{ "device": device, "state": "read" }]));
}

/// Writes a letter and waits until it is on the other's device.
fn write(from: &Person, to: &Person, words: &str) {
    let sent = &from.ask(["send", &to.address(), words, "--wait", "delivered", "--timeout", "60"])[0];
    assert!(sent["state"] == "delivered" || sent["state"] == "read", "{sent}");
}

/// Waits until every letter of `from` to `to` is in this state.
fn until_all(from: &Person, to: &Person, state: &str) {
    let own = from.address();
    from.until(
        &["history", &to.address(), "--limit", "1000"],
        &format!("every letter is {state}"),
        |lines| lines.iter().all(|line| line["from"] != own.as_str() || line["state"] == state),
    );
}

fn texts(letters: &[Value]) -> Vec<&str> {
    letters.iter().map(|letter| letter["text"].as_str().unwrap()).collect()
}
