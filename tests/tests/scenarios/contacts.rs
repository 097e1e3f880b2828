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
fn a_rejected_request_leaves_neither_side_with_a_contact() {
    let world = World::new();
    let (alice, bob) = (world.person("alice"), world.person("bob"));
    alice.tell(["contact", "add", "bob"]);
    bob.until_contact(&alice, "a request", |contact| contact["pending"] == "in");
    bob.tell(["contact", "reject", "alice"]);
    for (one, with) in [(&alice, &bob), (&bob, &alice)] {
        one.until(&["contact", "list"], "no contact and no request", |lines| {
            lines.iter().all(|line| {
                line["address"] != with.address().as_str()
                    || (line["subscription"] == "none" && line["pending"] == "none")
            })
        });
    }
    bob.run(["contact", "accept", "alice"]).refusal(if bob.ask(["contact", "list"]).is_empty() {
        3
    } else {
        7
    });
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
    for (one, with) in [(&alice, &bob), (&bob, &alice)] {
        one.until(&["contact", "list"], "an empty list", |lines| {
            lines
                .iter()
                .all(|line| line["address"] != with.address().as_str() || line["subscription"] == "none")
        });
    }
    alice.run(["send", "bob", "Are you still there?"]).refusal(4);
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
fn nobody_of_that_name_is_not_found() {
    let world = World::new();
    let alice = world.person("alice");
    alice.run(["contact", "add", "nobody"]).refusal(3);
    alice.run(["contact", "accept", "nobody"]).refusal(3);
    alice.run(["contact", "remove", "nobody"]).refusal(3);
    alice.run(["file", "accept", "aaaaaaaaaaaaaaaaaaaaaaaaaa"]).refusal(3);
}
