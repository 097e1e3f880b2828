//! Several devices of one account.

use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::world::World;
use serde_json::Value;

#[test]
fn au9_a_second_device_needs_only_the_password_and_both_are_there_at_once() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let mut tablet = world.second_home(&alice);
    assert_eq!(tablet.login().object()["address"], "alice@localhost");
    tablet.up();
    let device = |person: &hobnob_tests::person::Person| person.ask(["status"])[0]["device"].clone();
    assert_ne!(device(&alice), device(&tablet));
    assert_eq!(alice.ask(["status"])[0]["session"], "up");
    tablet.until_contact(&bob, "the account's contact", |contact| {
        contact["subscription"] == "both" && contact["presence"] == "online"
    });
}

#[test]
fn ms21_every_device_has_what_was_received_and_what_the_others_sent() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let mut tablet = world.second_home(&alice);
    assert_eq!(tablet.login().code, 0);
    tablet.up();
    tablet.until_contact(&bob, "the account's contact", |contact| contact["subscription"] == "both");

    bob.tell(["send", "alice", "to all of you", "--wait", "delivered", "--timeout", "60"]);
    alice.until_letters(&bob, 1);
    tablet.until_letters(&bob, 1);
    tablet.tell(["send", "bob", "from the tablet", "--wait", "delivered", "--timeout", "60"]);
    let chat = ["to all of you", "from the tablet"];
    for letters in [alice.until_letters(&bob, 2), tablet.until_letters(&bob, 2), bob.until_letters(&alice, 2)]
    {
        let texts: Vec<&Value> = letters.iter().map(|letter| &letter["text"]).collect();
        assert_eq!(texts, chat);
        assert_eq!(letters[1]["from"], "alice@localhost");
        assert_eq!(letters[1]["to"], "bob@localhost");
    }
    let on_devices =
        |lines: &[Value]| lines[0]["devices"].as_array().is_some_and(|devices| devices.len() == 2);
    bob.until(&["history", "alice", "--limit", "1000"], "a state for each device", on_devices);
}

#[test]
fn a_device_that_was_away_gets_what_the_others_had() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let mut tablet = world.second_home(&alice);
    assert_eq!(tablet.login().code, 0);
    tablet.up();
    tablet.until_contact(&bob, "the account's contact", |contact| contact["subscription"] == "both");
    tablet.stop();
    bob.tell(["send", "alice", "one", "--wait", "delivered", "--timeout", "60"]);
    alice.tell(["send", "bob", "two", "--wait", "delivered", "--timeout", "60"]);
    tablet.up();
    let letters = tablet.until_letters(&bob, 2);
    assert_eq!((&letters[0]["text"], &letters[1]["text"]), (&"one".into(), &"two".into()));
}

#[test]
fn a_home_holds_one_account() {
    let world = World::new();
    let alice = world.newcomer("alice");
    assert_eq!(alice.register().code, 0);
    alice.login().refusal(7);
    alice.register().refusal(7);
}

#[test]
fn when_one_device_has_decided_on_an_offer_the_others_of_its_owner_are_told() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let mut tablet = world.second_home(&bob);
    assert_eq!(tablet.login().code, 0);
    tablet.up();
    let (file, into) = (world.path("a.bin"), world.new_folder("arrived"));
    write_file(&file, 100_000, 1);
    for verb in ["accept", "reject"] {
        let id = alice.offer(&bob, &[&file], &[]);
        for device in [&bob, &tablet] {
            device.until_transfer(&id, "an offer", |view| view["state"] == "offered");
        }
        let place = ["--to", into.to_str().unwrap()];
        let words = ["file", verb, &id].into_iter().chain(place.into_iter().filter(|_| verb == "accept"));
        tablet.tell(words);
        let view = bob.until_state(&id, "cancelled");
        assert_eq!(view["error"], "another device of yours has decided");
        tablet.until_state(&id, if verb == "accept" { "done" } else { "rejected" });
    }
    assert_same_file(&file, &into.join("a.bin"));
}
