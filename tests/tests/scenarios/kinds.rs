//! What a letter can hold besides plain words.

use std::collections::BTreeSet;

use hobnob_tests::person::Person;
use hobnob_tests::world::World;
use serde_json::{Value, json};

#[test]
fn ms11_ms13_a_letter_has_a_subject_a_language_and_the_same_in_others() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    alice.tell([
        "send",
        "bob",
        "Good morning",
        "--subject",
        "Greeting",
        "--lang",
        "en-GB",
        "--also",
        "de=Guten Morgen",
        "--also",
        "ja=おはよう",
    ]);
    let letter = bob.until_letters(&alice, 1).remove(0);
    assert_eq!(letter["subject"], "Greeting");
    assert_eq!(letter["lang"], "en-gb");
    assert_eq!(letter["alternatives"], json!({ "de": "Guten Morgen", "ja": "おはよう" }));
    alice.run(["send", "bob", "x", "--lang", "not_a_tag"]).refusal(2);
    alice.run(["send", "bob", "x", "--subject", "two\nlines"]).refusal(2);
}

#[test]
fn ms7_ms8_a_letter_says_from_whom_to_whom_and_when_by_both_clocks() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    alice.tell(["send", "bob", "When?"]);
    let letter = bob.until_letters(&alice, 1).remove(0);
    assert_eq!((&letter["from"], &letter["to"]), (&"alice@localhost".into(), &"bob@localhost".into()));
    let times: BTreeSet<&str> =
        [letter["at"].as_str().unwrap(), letter["received_at"].as_str().unwrap()].into();
    assert!(times.iter().all(|time| time.len() == "2026-01-01T00:00:00.000Z".len() && time.ends_with('Z')));
    assert!(letter["at"].as_str() <= letter["received_at"].as_str(), "{letter}");
    assert_eq!(letter["clock_ahead_s"], Value::Null);
}

#[test]
fn ms12_markdown_becomes_html_of_a_few_elements_and_never_what_the_author_wrote_as_html() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let source = "Hi *you* :-)\n\nlook: <script>alert(1)</script> [x](javascript:alert(1)) ![p](https://spy.example/p.gif)";
    alice.tell(["send", "bob", source]);
    let letter = bob.until_letters(&alice, 1).remove(0);
    assert_eq!(letter["text"], source, "the source is kept");
    let id = letter["id"].as_str().unwrap();
    let rendered = bob.ask(["show", id, "--html"]).remove(0);
    assert_eq!(
        rendered["html"],
        "<p>Hi <em>you</em> 🙂</p><p>look: &lt;script&gt;alert(1)&lt;/script&gt; x \
         <a href=\"https://spy.example/p.gif\" rel=\"noopener noreferrer nofollow\">p</a></p>"
    );
    assert_eq!(
        rendered["plain"],
        "Hi you 🙂\n\nlook: <script>alert(1)</script> x p (https://spy.example/p.gif)"
    );
    assert_eq!(bob.read(&["show", id, "--html"]).matches("<script").count(), 0);
}

#[test]
fn ms15_contact_cards_and_places_arrive_as_what_they_are() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    alice.tell(["card", "bob", "carol@example.org", "--name", "Carol", "--note", "plays chess"]);
    alice.tell([
        "location",
        "bob",
        "52.5162746",
        "-13.3777041",
        "--accuracy",
        "30",
        "--place",
        "At the gate",
    ]);
    let letters = bob.until_letters(&alice, 2);
    assert_eq!(letters[0]["kind"], "card");
    let card = json!({ "address": "carol@example.org", "name": "Carol", "note": "plays chess" });
    assert_eq!(letters[0]["card"], card);
    assert_eq!(letters[1]["kind"], "location");
    let place =
        json!({ "latitude": 52.5162746, "longitude": -13.3777041, "accuracy_m": 30, "place": "At the gate" });
    assert_eq!(letters[1]["location"], place);
    alice.run(["location", "bob", "90.1", "0"]).refusal(2);
    alice.run(["poll", "bob", "Only one?", "yes"]).refusal(2);
}

#[test]
fn x24_letters_are_passed_on_with_the_name_of_who_wrote_them() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let carol = world.person("carol");
    bob.befriend(&carol);
    let first = sent(&alice, &["send", "bob", "The *first*"]);
    let second = sent(&alice, &["card", "bob", "dave@example.org"]);
    alice.tell(["edit", &first, "The *very first*"]);
    bob.until(&["history", "alice"], "an edited letter", |lines| {
        lines.len() == 2 && lines[0]["text"] == "The *very first*"
    });
    bob.tell(["send", "carol", "--forward", &first, "--forward", &second]);
    let letters = carol.until_letters(&bob, 2);
    assert_eq!(letters[0]["text"], "The *very first*");
    assert_eq!(letters[0]["forwarded_from"], "alice@localhost");
    assert_eq!(letters[1]["card"]["address"], "dave@example.org");
    // Passed on again, it is still of its first author.
    let dave = world.person("dave");
    carol.befriend(&dave);
    carol.tell(["send", "dave", "--forward", letters[0]["id"].as_str().unwrap()]);
    assert_eq!(dave.until_letters(&carol, 1)[0]["forwarded_from"], "alice@localhost");
}

#[test]
fn x11_mentions_and_keywords_make_a_letter_deserve_attention() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    bob.tell(["config", "set", "letters.keywords", "deploy, Ärger"]);
    for text in ["@bob look", "nothing", "we DEPLOY now", "redeployment", "mail bob@localhost"] {
        alice.tell(["send", "bob", text, "--wait", "delivered", "--timeout", "60"]);
    }
    let letters = bob.until_letters(&alice, 5);
    let alerts: Vec<bool> = letters.iter().map(|letter| letter["alert"] == true).collect();
    assert_eq!(alerts, [true, false, true, false, false]);
    assert_eq!(letters[0]["mentions"], json!(["bob@localhost"]));
    assert!(alice.until_letters(&bob, 5).iter().all(|letter| letter["alert"].is_null()));
}

#[test]
fn ms17_a_nudge_is_shown_seldom_and_not_to_who_wants_none() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let carol = world.person("carol");
    carol.befriend(&bob);
    alice.tell(["nudge", "bob"]);
    let nudge = bob.wait_for("a nudge", |event| event["event"] == "letter" && event["kind"] == "nudge");
    assert_eq!(nudge["from"], "alice@localhost");
    alice.run(["nudge", "bob"]).refusal(7);
    bob.tell(["chat", "carol", "--nudges", "off"]);
    carol.tell(["nudge", "bob"]);
    carol.tell(["send", "bob", "Did you hear?"]);
    let letters = bob.until_letters(&carol, 1);
    assert_eq!(letters[0]["text"], "Did you hear?");
}

#[test]
fn ms14_typing_is_told_seldom_and_only_by_who_allows_it() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    alice.tell(["send", "bob", "a link, please", "--wait", "delivered", "--timeout", "60"]);
    alice.until_contact(&bob, "a link", |contact| contact["path"] == "lan");
    let typing = |active: bool| move |event: &Value| event["event"] == "typing" && event["active"] == active;
    for _ in 0..3 {
        alice.tell(["typing", "bob"]);
    }
    bob.wait_for("somebody who writes", typing(true));
    alice.tell(["typing", "bob", "--stop"]);
    bob.wait_for("somebody who stopped", typing(false));
    alice.tell(["chat", "bob", "--typing", "off"]);
    alice.tell(["typing", "bob"]);
    bob.tell(["config", "set", "letters.typing", "off"]);
    bob.tell(["typing", "alice"]);
    // What comes after it on the same link has come.
    alice.tell(["send", "bob", "done", "--wait", "delivered", "--timeout", "60"]);
    bob.tell(["send", "alice", "done", "--wait", "delivered", "--timeout", "60"]);
    let told = |person: &Person| {
        person.events().since(0).iter().filter(|(_, event)| event["event"] == "typing").count()
    };
    assert_eq!((told(&bob), told(&alice)), (2, 0));
}

fn sent(person: &Person, args: &[&str]) -> String {
    person.ask(args)[0]["id"].as_str().unwrap().to_owned()
}
