//! Networks that block UDP.

use std::time::{Duration, Instant};

use hobnob_tests::namespace::{add_address, block_udp, block_udp_no_more, inside};
use hobnob_tests::world::World;

/// An address that is not loopback's, between which and the people here there may be a firewall.
const SERVER: &str = "192.0.2.1";

/// How long a session may take to come up in a tunnel.
const IN_USE_WITHIN: Duration = Duration::from_secs(3);

#[test]
fn without_udp_a_session_is_up_within_3_s_and_letters_arrive() {
    inside("tunnel::without_udp_a_session_is_up_within_3_s_and_letters_arrive", || {
        add_address(SERVER);
        block_udp();
        let world = World::placed(SERVER, &[]);
        let (mut alice, mut bob) = (world.newcomer("alice"), world.newcomer("bob"));
        for person in [&mut alice, &mut bob] {
            assert_eq!(person.register().code, 0);
            let begin = Instant::now();
            person.up();
            let up = person.events().since(0).into_iter().find(|(_, event)| event["session"] == "up");
            let elapsed = up.expect("it is up").0 - begin;
            assert!(elapsed < IN_USE_WITHIN, "the session was up after {elapsed:?}");
        }
        alice.befriend(&bob);
        alice.tell(["send", &bob.address(), "through the wall"]);
        assert_eq!(bob.until_letters(&alice, 1)[0]["text"], "through the wall");
    });
}

#[test]
fn a_session_leaves_its_tunnel_when_udp_works_again_and_no_letter_is_lost() {
    inside("tunnel::a_session_leaves_its_tunnel_when_udp_works_again_and_no_letter_is_lost", || {
        add_address(SERVER);
        block_udp();
        let world = World::placed(SERVER, &[]);
        let (alice, bob) = world.friends("alice", "bob");
        let texts: Vec<String> = (0..20).map(|number| format!("letter {number}")).collect();
        let (early, late) = texts.split_at(10);
        for text in early {
            alice.tell(["send", &bob.address(), text]);
        }
        block_udp_no_more();
        // Another address is another network as far as anybody can know, and a reason to look again.
        add_address("192.0.2.2");
        for text in late {
            alice.tell(["send", &bob.address(), text]);
        }
        for person in [&alice, &bob] {
            person.wait_for("the tunnel is left", |event| {
                event["problem"] == "the network lets UDP pass again; connecting again"
            });
            person.until(&["status"], "a session again", |lines| lines[0]["session"] == "up");
        }
        let received = bob.until_letters(&alice, texts.len());
        let received: Vec<&str> = received.iter().filter_map(|letter| letter["text"].as_str()).collect();
        assert_eq!(received, texts);
    });
}
