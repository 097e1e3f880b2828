//! Contacts: asking, accepting, rejecting, parting.

use hobnob_tests::world::World;

#[test]
fn ro5_a_request_with_its_text_waits_for_somebody_who_is_away() {
    let world = World::new();
    let alice = world.person("alice");
    let mut bob = world.newcomer("bob");
    assert_eq!(bob.register().code, 0);
    alice.tell(["contact", "add", "bob", "--text", "We met in Γένοβα"]);
    let asked = alice.until_contact(&bob, "a request that waits", |contact| contact["pending"] == "out");
    assert_eq!(asked["subscription"], "none");
    assert_eq!(asked["presence"], "offline", "somebody who has not accepted shows nothing");

    bob.up();
    let request = bob.until_contact(&alice, "a request", |contact| contact["pending"] == "in");
    assert_eq!(request["text"], "We met in Γένοβα");
    bob.tell(["contact", "accept", "alice"]);
    for (one, with) in [(&alice, &bob), (&bob, &alice)] {
        let contact = one.until_contact(with, "a contact", |contact| contact["subscription"] == "both");
        assert_eq!(contact["pending"], "none");
    }
}

#[test]
fn a_rejected_request_is_gone_and_the_asker_is_not_told() {
    let world = World::new();
    let (alice, bob) = (world.person("alice"), world.person("bob"));
    alice.tell(["contact", "add", "bob"]);
    bob.until_contact(&alice, "a request", |contact| contact["pending"] == "in");
    bob.tell(["contact", "reject", "alice"]);
    bob.until(&["contact", "list"], "an empty list", <[_]>::is_empty);
    bob.run(["contact", "accept", "alice"]).refusal(3);
    let asked = alice.until_contact(&bob, "a request that waits", |_| true);
    assert_eq!((&asked["pending"], &asked["subscription"]), (&"out".into(), &"none".into()));
    alice.run(["send", "bob", "Why not?"]).refusal(4);
}

#[test]
fn two_who_ask_each_other_at_once_are_contacts() {
    let world = World::new();
    let (alice, bob) = (world.person("alice"), world.person("bob"));
    alice.tell(["contact", "add", "bob"]);
    bob.tell(["contact", "add", "alice"]);
    for (one, with) in [(&alice, &bob), (&bob, &alice)] {
        one.until_contact(with, "a contact", |contact| contact["subscription"] == "both");
    }
}

#[test]
fn ro7_who_is_removed_is_told_with_the_text_and_loses_the_contact_too() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    alice.tell(["contact", "remove", "bob", "--text", "Farewell"]);
    let told = bob.wait_for("a removal", |event| event["event"] == "contact_removed");
    assert_eq!((&told["address"], &told["text"]), (&"alice@localhost".into(), &"Farewell".into()));
    for person in [&alice, &bob] {
        person.until(&["contact", "list"], "an empty list", <[_]>::is_empty);
    }
    alice.run(["send", "bob", "Are you still there?"]).refusal(3);
}

#[test]
fn ro8_who_was_removed_while_away_is_told_at_the_return_with_the_text() {
    let world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    bob.stop();
    alice.tell(["contact", "remove", "bob", "--text", "Moving to Mars. До встречи!"]);
    bob.up();
    let told = bob.wait_for("a removal", |event| event["event"] == "contact_removed");
    assert_eq!(told["address"], "alice@localhost");
    assert_eq!(told["text"], "Moving to Mars. До встречи!");
}

#[test]
fn contacts_survive_a_restart_of_everything() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    alice.stop();
    bob.stop();
    world.rendezvous.stop();
    let _ = world.rendezvous.serve();
    alice.up();
    bob.up();
    for (one, with) in [(&alice, &bob), (&bob, &alice)] {
        one.until_contact(with, "a contact who is online", |contact| {
            contact["subscription"] == "both" && contact["presence"] == "online"
        });
    }
}

#[test]
fn a_name_that_nobody_has_is_asked_like_any_other() {
    let world = World::new();
    let alice = world.person("alice");
    alice.tell(["contact", "add", "nobody"]);
    let nobody = world.newcomer("nobody");
    alice.until_contact(&nobody, "a request that waits", |contact| contact["pending"] == "out");
}

#[test]
fn an_address_at_another_rendezvous_is_not_found() {
    let world = World::new();
    let alice = world.person("alice");
    alice.until(&["status"], "a session", |lines| lines[0]["session"] == "up");
    alice.run(["contact", "add", "bob@elsewhere.example"]).refusal(3);
}

#[test]
fn who_is_not_in_the_list_is_not_found() {
    let world = World::new();
    let alice = world.person("alice");
    for args in [["contact", "accept", "bob"], ["contact", "reject", "bob"], ["contact", "remove", "bob"]] {
        alice.run(args).refusal(3);
    }
    alice.run(["send", "bob", "hello"]).refusal(3);
}
