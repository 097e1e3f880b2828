//! `--wait` and `--timeout`: scripts that need to know.

use hobnob_tests::person::text;
use hobnob_tests::world::World;

#[test]
fn waiting_for_a_state_ends_when_it_is_reached() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let accepted = &alice.ask(["send", "bob", "one", "--wait", "accepted"])[0];
    assert_ne!(accepted["state"], "queued");
    let delivered = &alice.ask(["send", "bob", "two", "--wait", "delivered"])[0];
    assert!(delivered["state"] == "delivered" || delivered["state"] == "read", "{delivered}");

    let mut waiting = alice.begin(["send", "bob", "three", "--wait", "read", "--timeout", "90"]);
    bob.until_letters(&alice, 3);
    bob.tell(["history", "alice"]);
    assert_eq!(waiting.next_object()["state"], "read");
}

#[test]
fn waiting_in_vain_is_a_time_out_and_the_letter_goes_on() {
    let world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    bob.stop();
    let late = alice.run(["send", "bob", "are you there?", "--wait", "delivered", "--timeout", "1"]);
    late.refusal(6);
    bob.up();
    assert_eq!(bob.until_letters(&alice, 1)[0]["text"], "are you there?");
}

#[test]
fn waiting_for_a_transfer_ends_with_it_and_tells_how_it_ended() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let (here, there) = (world.path("a.bin"), world.new_folder("downloads"));
    hobnob_tests::content::write_file(&here, 300_000, 1);
    bob.tell(["config", "set", "files.dir", text(&there)]);
    bob.tell(["config", "set", "files.auto_accept", "contacts"]);
    let sent = alice.run(["file", "send", "bob", text(&here), "--wait"]);
    let last = sent.objects().pop().unwrap();
    assert_eq!((&last["state"], &last["done"]), (&"done".into(), &300_000.into()));
    hobnob_tests::content::assert_same_file(&here, &there.join("a.bin"));

    bob.tell(["config", "set", "files.auto_accept", "nobody"]);
    assert_eq!(bob.ask(["config", "get", "files.auto_accept"])[0]["value"], "nobody");
    let mut waiting = alice.begin(["file", "send", "bob", text(&here), "--wait"]);
    let id = waiting.next_object()["id"].as_str().unwrap().to_owned();
    bob.until_transfer(&id, "an offer", |_| true);
    bob.tell(["file", "reject", &id]);
    assert_eq!(waiting.wait().code(), Some(4), "rejected");
}
