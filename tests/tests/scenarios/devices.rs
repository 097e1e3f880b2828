//! Several devices of one account.

use std::fs;

use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::person::{Person, text};
use hobnob_tests::world::World;
use serde_json::Value;

#[test]
fn au9_a_second_device_needs_only_the_password_and_both_are_there_at_once() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let mut tablet = world.second_home(&alice);
    assert_eq!(tablet.login().object()["address"], "alice@localhost");
    tablet.up();
    let device = |person: &Person| person.ask(["status"])[0]["device"].clone();
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
    let tablet = world.second_device(&alice);
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
    let mut tablet = world.second_device(&alice);
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
    let tablet = world.second_device(&bob);
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

/// A device of somebody, as another device lists it.
fn listed(person: &Person, id: &Value) -> Value {
    person.ask(["device", "list"]).into_iter().find(|device| device["id"] == *id).unwrap()
}

/// The file with the password of somebody.
fn password(world: &World, person: &Person) -> String {
    let file = world.path("the-password");
    fs::write(&file, person.password()).unwrap();
    text(&file).to_owned()
}

#[test]
fn x1_devices_are_listed_and_renamed_and_a_revoked_one_gets_nothing_any_more() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let mut tablet = world.second_device(&alice);
    tablet.until_contact(&bob, "the account's contact", |contact| contact["subscription"] == "both");
    bob.tell(["send", "alice", "to both", "--wait", "delivered", "--timeout", "60"]);
    tablet.until_letters(&bob, 1);
    let id = tablet.ask(["status"])[0]["device"].clone();

    let devices = alice.until(&["device", "list"], "both devices", |devices| devices.len() == 2);
    assert_eq!((&devices[0]["this"], &devices[1]["this"]), (&true.into(), &false.into()));
    assert_eq!((&devices[1]["id"], &devices[1]["place"]), (&id, &"loopback".into()));
    assert!(devices[1]["seen_at"].is_string(), "{devices:?}");
    let file = password(&world, &alice);
    let id_text = id.as_str().unwrap();
    alice.tell(["device", "rename", id_text, "kitchen tablet", "--password-file", &file]);
    assert_eq!(listed(&alice, &id)["name"], "kitchen tablet");
    tablet.until(&["device", "list"], "its own new name", |devices| devices[1]["name"] == "kitchen tablet");

    let wrong = world.path("wrong");
    fs::write(&wrong, "a guess").unwrap();
    alice.run(["device", "revoke", id_text, "--password-file", text(&wrong)]).refusal(4);
    alice.run(["device", "revoke", "no such tablet", "--password-file", &file]).refusal(3);
    alice.tell(["device", "revoke", "kitchen tablet", "--password-file", &file]);
    let told = tablet.until(&["status"], "that it was revoked", |lines| {
        lines[0]["problem"].as_str().is_some_and(|problem| problem.contains("revoked"))
    });
    assert_eq!(told[0]["session"], "down");
    bob.until(&["status"], "no link to it", |lines| {
        lines[0]["links"].as_array().is_some_and(|links| links.iter().all(|link| link["device"] != id))
    });
    bob.tell(["send", "alice", "secret", "--wait", "delivered", "--timeout", "60"]);
    alice.until_letters(&bob, 2);
    let last = bob.ask(["history", "alice", "--limit", "1"]);
    assert_eq!(last[0]["devices"].as_array().unwrap().len(), 1, "{last:?}");
    tablet.stop();
    tablet.up_without_session();
    tablet.until(&["status"], "that it still is", |lines| {
        lines[0]["problem"].as_str().is_some_and(|problem| problem.contains("revoked"))
    });
    assert_eq!(tablet.until_letters(&bob, 1)[0]["text"], "to both");
}

#[test]
fn the_only_device_cannot_be_revoked() {
    let world = World::new();
    let alice = world.person("alice");
    let id = alice.ask(["status"])[0]["device"].clone();
    let file = password(&world, &alice);
    alice.run(["device", "revoke", id.as_str().unwrap(), "--password-file", &file]).refusal(7);
}

#[test]
fn au11_a_device_that_joins_is_told_to_the_others_with_its_place_and_revoked_in_one_step() {
    let world = World::new();
    let alice = world.person("alice");
    let mut tablet = world.second_home(&alice);
    assert_eq!(tablet.login().code, 0);
    let notice = alice.wait_for("a notice", |event| event["event"] == "other_location");
    assert_eq!((&notice["joined"], &notice["place"]), (&true.into(), &"loopback".into()));
    let shown = alice.read(&["status"]);
    let id = notice["device"].as_str().unwrap();
    let step = format!("hobnob device revoke {id}");
    assert!(shown.contains("joined your account, from loopback") && shown.contains(&step), "{shown}");

    let count = alice.events().count();
    tablet.up();
    alice.until(&["device", "list"], "the tablet here", |devices| devices[1]["place"] == "loopback");
    let told = alice.events().since(count);
    assert!(told.iter().all(|(_, event)| event["event"] != "other_location"), "no news from there: {told:?}");
    alice.tell(["device", "revoke", id, "--password-file", &password(&world, &alice)]);
    assert_eq!(alice.ask(["device", "list"]).len(), 1);
    assert!(alice.ask(["status"])[0]["notices"].is_null());
}
