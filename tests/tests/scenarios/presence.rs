//! Presence: what contacts see of one another.

use std::time::{Duration, Instant};

use hobnob_tests::person::Person;
use hobnob_tests::world::World;

#[test]
fn pr1_a_contact_who_comes_or_goes_is_seen_to() {
    let world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    bob.stop();
    sees(&alice, &bob, "offline", "");
    bob.up();
    sees(&alice, &bob, "online", "");
}

#[test]
fn each_state_and_its_text_is_shown_and_hidden_looks_like_offline() {
    let world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    bob.tell(["presence", "set", "away", "-m", "lunch 🍜"]);
    sees(&alice, &bob, "away", "lunch 🍜");
    bob.tell(["presence", "set", "busy", "-m", "in a meeting"]);
    sees(&alice, &bob, "busy", "in a meeting");
    bob.tell(["presence", "set", "hidden", "-m", "nobody shall read this"]);
    sees(&alice, &bob, "offline", "");
    assert_eq!(bob.ask(["status"])[0]["session"], "up");
    sees(&bob, &alice, "online", "");
    bob.tell(["presence", "set", "online"]);
    sees(&alice, &bob, "online", "");

    bob.tell(["presence", "set", "away", "-m", "back on Monday"]);
    sees(&alice, &bob, "away", "back on Monday");
    bob.stop();
    sees(&alice, &bob, "offline", "");
    bob.up();
    sees(&alice, &bob, "away", "back on Monday");
}

#[test]
fn pr2_who_vanishes_without_a_word_is_offline_within_30_s() {
    let world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    let begin = Instant::now();
    bob.kill();
    sees(&alice, &bob, "offline", "");
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

fn sees(one: &Person, other: &Person, presence: &str, text: &str) {
    one.until_contact(other, &format!("{presence} {text:?}"), |contact| {
        contact["presence"] == presence && contact["status_text"] == text
    });
}
