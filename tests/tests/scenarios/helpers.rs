//! A contact who relays between two who cannot reach each other.

use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::namespace;
use hobnob_tests::world::World;

/// A world whose rendezvous relays for nobody.
fn without_relay(ip: &str, prefix: &[String]) -> World {
    let setting = ["env", "HOBNOB_RENDEZVOUS__RELAY__ENABLED=false"].map(str::to_owned);
    World::placed(ip, &[prefix, &setting].concat())
}

#[test]
fn a_contact_of_both_relays_between_two_who_cannot_reach_each_other() {
    namespace::inside("helpers::a_contact_of_both_relays_between_two_who_cannot_reach_each_other", || {
        let [server, here, there, between] = namespace::network(["server", "here", "there", "between"]);
        let world = without_relay(&server.ip, &server.prefix);
        namespace::part_hosts(&here, &there);
        let (alice, bob) = (world.person_at("alice", &here.prefix), world.person_at("bob", &there.prefix));
        let mut carol = world.person_at("carol", &between.prefix);
        carol.tell(["config", "set", "relay.for_contacts", "on"]);
        carol.stop();
        carol.up();
        alice.befriend(&bob);
        for friend in [&alice, &bob] {
            friend.befriend(&carol);
            // On a link they learn what she offers.
            friend.tell(["send", "carol", "hello", "--wait", "delivered"]);
            friend.until_contact(&carol, "a link", |contact| contact["path"] == "lan");
        }

        let (file, into) = (world.path("film.mkv"), world.new_folder("arrived"));
        write_file(&file, 2 << 20, 1);
        let id = alice.offer(&bob, &[&file], &[]);
        bob.accept(&id, &into);
        for (one, other) in [(&alice, &bob), (&bob, &alice)] {
            one.until_contact(other, "a path by way of carol", |contact| contact["path"] == "relayed");
            let path = &one.ask(["path", &other.address()])[0];
            assert_eq!(path["relay"], carol.address().as_str(), "{path}");
            assert!(path["why_not_direct"].as_str().is_some_and(|why| !why.is_empty()), "{path}");
        }
        bob.until_state(&id, "done");
        assert_same_file(&file, &into.join("film.mkv"));
        assert!(alice.read(&["path", "bob"]).contains("relayed by carol@localhost"));

        // She who does not offer it any more relays no more.
        carol.tell(["config", "set", "relay.for_contacts", "off"]);
        carol.stop();
        alice.until_contact(&bob, "no path", |contact| contact["path"] == "none");
    });
}

#[test]
fn two_on_one_machine_find_each_other_although_nothing_is_relayed() {
    let world = without_relay("127.0.0.1", &[]);
    let (alice, bob) = world.friends("alice", "bob");
    alice.tell(["send", "bob", "hello", "--wait", "delivered"]);
    alice.until_contact(&bob, "a link", |contact| contact["path"] == "lan");
}
