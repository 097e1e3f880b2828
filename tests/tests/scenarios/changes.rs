//! What changes letters that are there: edits, deletions, reactions, votes, replies, threads.

use std::fs;
use std::path::Path;

use hobnob_tests::person::Person;
use hobnob_tests::world::World;
use serde_json::{Value, json};

#[test]
fn x4_an_edited_letter_shows_its_new_words_on_every_device_also_to_who_was_away() {
    let world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    let tablet = world.second_device(&alice);
    let id = say(&alice, &bob, "See you at *nine*");
    bob.stop();
    alice.tell(["edit", &id, "See you at *ten*, @bob"]);
    alice.tell(["edit", &id, "See you at *ten*, @bob!"]);
    bob.up();
    for (person, with) in [(&alice, &bob), (&bob, &alice), (&tablet, &bob)] {
        let letter = until(person, with, &id, |letter| letter["text"] == "See you at *ten*, @bob!");
        assert!(letter["edited_at"].is_string());
        assert_eq!(letter["mentions"], json!(["bob@localhost"]));
    }
    let edited = bob.wait_for("an edit", |event| {
        event["event"] == "letter_changed" && event["letter"]["text"] == "See you at *ten*, @bob!"
    });
    assert_eq!(edited["what"], "edited");
    // Nobody edits what somebody else wrote.
    bob.run(["edit", &id, "See you never"]).refusal(4);
}

#[test]
fn x5_a_letter_that_is_taken_back_leaves_no_word_on_any_disk() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let id = say(&alice, &bob, "The password is xyzzy-4711");
    alice.tell(["edit", &id, "The password was xyzzy-4712"]);
    until(&bob, &alice, &id, |letter| letter["text"] == "The password was xyzzy-4712");
    let reply = bob.ask(["send", "alice", "Thanks", "--reply", &id])[0]["id"].as_str().unwrap().to_owned();
    until(&alice, &bob, &reply, |letter| letter["reply_to"]["text"] == "The password was xyzzy-4712");
    assert!(
        words_on_disk(alice.home(), "xyzzy") && words_on_disk(bob.home(), "xyzzy"),
        "the scan sees words"
    );

    alice.tell(["delete", &id]);
    for (person, with) in [(&alice, &bob), (&bob, &alice)] {
        let letter = until(person, with, &id, |letter| letter["deleted"] == true);
        assert_eq!(letter["text"], "");
        let reply = until(person, with, &reply, |_| true);
        assert_eq!(reply["reply_to"]["text"], Value::Null, "a quote does not outlive what it quotes");
    }
    assert_eq!(bob.wait_for("a deletion", |event| event["what"] == "deleted")["letter"]["id"], id.as_str());
    for person in [&alice, &bob] {
        assert!(!words_on_disk(person.home(), "xyzzy"), "{} keeps words", person.name());
    }
    alice.run(["edit", &id, "again"]).refusal(7);
    bob.run(["delete", &reply]);
    // Nor does a restart bring anything back.
    alice.stop();
    bob.stop();
    alice.up();
    bob.up();
    for (person, with) in [(&alice, &bob), (&bob, &alice)] {
        until(person, with, &id, |letter| letter["deleted"] == true);
        assert!(!words_on_disk(person.home(), "xyzzy"));
    }
}

#[test]
fn x5_a_letter_that_was_taken_back_before_it_was_fetched_is_never_seen() {
    let world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    bob.stop();
    let id =
        alice.ask(["send", "bob", "Forget this", "--wait", "accepted"])[0]["id"].as_str().unwrap().to_owned();
    alice.tell(["delete", &id]);
    let last = alice.ask(["send", "bob", "Hello", "--wait", "accepted"])[0]["id"].clone();
    bob.up();
    bob.until_letters(&alice, 2);
    until(&bob, &alice, last.as_str().unwrap(), |letter| letter["text"] == "Hello");
    until(&bob, &alice, &id, |letter| letter["deleted"] == true && letter["text"] == "");
    assert!(!words_on_disk(bob.home(), "Forget this"));
    bob.run(["delete", &id]).refusal(7);
}

#[test]
fn x6_everybody_has_one_reaction_to_a_letter_and_can_take_it_back() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let id = say(&alice, &bob, "Lunch?");
    bob.tell(["react", &id, "👍"]);
    bob.tell(["react", &id, "🎉"]);
    alice.tell(["react", &id, "🎉"]);
    let both = json!([{ "reaction": "🎉", "by": ["bob@localhost", "alice@localhost"] }]);
    for (person, with) in [(&alice, &bob), (&bob, &alice)] {
        until(person, with, &id, |letter| letter["reactions"] == both);
    }
    bob.tell(["react", &id, "--remove"]);
    let one = json!([{ "reaction": "🎉", "by": ["alice@localhost"] }]);
    until(&alice, &bob, &id, |letter| letter["reactions"] == one);
    alice.wait_for("a reaction", |event| event["event"] == "letter_changed" && event["what"] == "reaction");
    bob.run(["react", &id, "two words"]).refusal(2);
}

#[test]
fn x7_ms10_a_reply_quotes_its_letter_and_a_thread_keeps_together() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let first = say(&alice, &bob, "Where shall we go?");
    say(&alice, &bob, "By the way, hello");
    let second = bob.ask(["send", "alice", "To the sea", "--thread", &first])[0]["id"].clone();
    let second = second.as_str().unwrap();
    until(&alice, &bob, second, |_| true);
    // A reply within a thread stays in it.
    let third = alice.ask(["send", "bob", "Which one?", "--reply", second])[0]["id"].clone();
    let third = until(&bob, &alice, third.as_str().unwrap(), |_| true);
    assert_eq!(third["reply_to"], json!({ "id": second, "from": "bob@localhost", "text": "To the sea" }));
    assert_eq!(third["thread"]["id"], first.as_str());
    for person in [&alice, &bob] {
        let texts: Vec<Value> =
            person.ask(["thread", second]).iter().map(|line| line["text"].clone()).collect();
        assert_eq!(texts, ["Where shall we go?", "To the sea", "Which one?"]);
    }
    alice.tell(["edit", &first, "Where to?"]);
    until(&bob, &alice, second, |letter| letter["thread"]["text"] == "Where to?");
    alice.run(["send", "bob", "x", "--reply", "aaaaaaaaaaaaaaaaaaaaaaaaaa"]).refusal(3);
}

#[test]
fn x18_a_poll_counts_one_vote_of_everybody() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let id =
        alice.ask(["poll", "bob", "Tea?", "green", "black", "none"])[0]["id"].as_str().unwrap().to_owned();
    until(&bob, &alice, &id, |letter| letter["kind"] == "poll");
    bob.tell(["vote", &id, "1"]);
    bob.tell(["vote", &id, "2"]);
    alice.tell(["vote", &id, "2"]);
    let counted = json!([
        { "text": "green", "by": [] },
        { "text": "black", "by": ["bob@localhost", "alice@localhost"] },
        { "text": "none", "by": [] },
    ]);
    for (person, with) in [(&alice, &bob), (&bob, &alice)] {
        until(person, with, &id, |letter| letter["poll"]["options"] == counted);
    }
    bob.tell(["vote", &id, "--none"]);
    until(&alice, &bob, &id, |letter| letter["poll"]["options"][1]["by"] == json!(["alice@localhost"]));
    bob.run(["vote", &id, "1", "2"]).refusal(2);
    bob.run(["vote", &id, "4"]).refusal(2);
    let several =
        alice.ask(["poll", "bob", "Which?", "a", "b", "--multiple"])[0]["id"].as_str().unwrap().to_owned();
    until(&bob, &alice, &several, |_| true);
    bob.tell(["vote", &several, "1", "2"]);
    until(&alice, &bob, &several, |letter| {
        letter["poll"]["options"]
            .as_array()
            .unwrap()
            .iter()
            .all(|option| option["by"] == json!(["bob@localhost"]))
    });
}

/// Sends words, waits until they are there, and returns the letter.
fn say(from: &Person, to: &Person, words: &str) -> String {
    let sent = &from.ask(["send", &to.address(), words, "--wait", "delivered", "--timeout", "60"])[0];
    sent["id"].as_str().unwrap().to_owned()
}

/// A letter in the chat with somebody, once `is_so` is content with it.
fn until(person: &Person, with: &Person, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let is_it = |line: &Value| line["id"] == id;
    let args = ["history", &with.address(), "--limit", "1000", "--keep-unread"];
    let lines = person.until(&args, "a letter", |lines| lines.iter().any(|line| is_it(line) && is_so(line)));
    lines.into_iter().find(is_it).unwrap()
}

/// Whether any file of a home holds these words.
fn words_on_disk(home: &Path, words: &str) -> bool {
    fs::read_dir(home).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return words_on_disk(&path, words);
        }
        let bytes = fs::read(&path).unwrap_or_default();
        bytes.windows(words.len()).any(|window| window == words.as_bytes())
    })
}
