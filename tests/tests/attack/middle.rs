//! An attacker on the path between two peers, who lets the proofs of paths through, ends TLS on both sides and passes
//! everything on.

use std::net::Ipv4Addr;

use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::middle::Middle;
use hobnob_tests::namespace;
use hobnob_tests::person::Person;
use hobnob_tests::world::World;
use hobnob_wire::close::LinkClose;

#[test]
fn an_attacker_between_two_peers_gets_no_link_and_no_content() {
    namespace::inside("middle::an_attacker_between_two_peers_gets_no_link_and_no_content", || {
        let world = World::new();
        let (alice, mut bob) = world.friends("alice", "bob");
        let ports = [&alice, &bob].map(Person::port);
        let attackers = ports.map(|port| Middle::start((Ipv4Addr::LOCALHOST, port).into()).unwrap());
        let passed_on = attackers.each_ref().map(Middle::port);
        // Whatever the relay would forward is lost, so that every way leads through the attacker.
        namespace::lose_relayed(world.rendezvous.port());
        for (port, instead) in ports.into_iter().zip(passed_on) {
            namespace::redirect(port, instead, &[world.rendezvous.port(), passed_on[0], passed_on[1]]);
        }

        let words = "We meet under the old bridge at nine.";
        alice.tell(["send", "bob", words, "--wait", "delivered", "--timeout", "60"]);
        let (file, into) = (world.path("plans.bin"), world.new_folder("arrived"));
        write_file(&file, 1 << 20, 1);
        let id = alice.offer(&bob, &[&file], &[]);
        bob.accept(&id, &into);
        let heard = || attackers.each_ref().map(Middle::heard);
        alice.until(&["status"], "an attacked link that a peer has given up", |_| {
            heard().iter().any(|heard| !heard.closed.is_empty())
        });
        let failed = u64::from(LinkClose::HandshakeFailed.code());
        assert!(heard().iter().flat_map(|heard| &heard.closed).all(|code| *code == failed), "{:?}", heard());
        for person in [&alice, &bob] {
            assert_eq!(person.ask(["status"])[0]["links"], serde_json::json!([]));
            assert_eq!(person.until_transfer(&id, "a transfer", |_| true)["done"], 0);
            let events = person.events().since(0);
            assert!(events.iter().all(|(_, event)| event["event"] != "link_up"), "{events:?}");
        }

        // Without the attacker the same two make a link at once, so nothing else stood in the way.
        ports.into_iter().for_each(namespace::redirect_no_more);
        namespace::lose_relayed_no_more();
        bob.stop();
        bob.up();
        bob.until_state(&id, "done");
        assert_same_file(&file, &into.join("plans.bin"));
        let plans = std::fs::read(&file).unwrap();
        assert!(heard().iter().any(|heard| !heard.bytes.is_empty()), "the attacker did hold both ends");
        for heard in heard() {
            for secret in [words.as_bytes(), &plans[..32], &plans[70_000..70_032]] {
                assert!(!heard.bytes.windows(secret.len()).any(|window| window == secret));
            }
        }
    });
}
