//! Contacts on one network, and no rendezvous.

use std::time::{Duration, Instant};

use hobnob_tests::namespace;
use hobnob_tests::world::World;

/// From the start of the daemons to an answer to the first letter.
const CHATTING_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn x39_contacts_on_one_network_restart_without_the_rendezvous_and_chat() {
    namespace::inside("overlay::x39_contacts_on_one_network_restart_without_the_rendezvous_and_chat", || {
        let [server, near, far] = namespace::network(["server", "near", "far"]);
        let mut world = World::placed(&server.ip, &server.prefix);
        let mut alice = world.person_at("alice", &near.prefix);
        let mut bob = world.person_at("bob", &far.prefix);
        alice.befriend(&bob);
        alice.tell(["send", "bob", "before", "--wait", "delivered"]);

        world.rendezvous.kill();
        alice.stop();
        bob.stop();
        alice.up_without_session();
        bob.up_without_session();
        let began = Instant::now();
        alice.tell(["send", "bob", "are you there?", "--wait", "delivered"]);
        bob.tell(["send", "alice", "still here", "--wait", "delivered"]);
        let took = began.elapsed();
        assert!(took < CHATTING_WITHIN, "{took:?}");

        assert_eq!(alice.until_letters(&bob, 3)[2]["text"], "still here");
        for (one, other) in [(&alice, &bob), (&bob, &alice)] {
            one.until_contact(other, "somebody near", |contact| contact["path"] == "lan");
            assert_eq!(one.ask(["status"])[0]["session"], "down");
        }

        // Whatever happened meanwhile, the session comes back.
        world.rendezvous.serve();
        alice.until_contact(&bob, "a contact who is online", |contact| contact["presence"] == "online");
    });
}
