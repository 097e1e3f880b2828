//! Networks that block UDP.

use std::time::{Duration, Instant};

use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::namespace::{add_address, block_udp, block_udp_no_more, inside};
use hobnob_tests::proxy::{PASSWORD, Proxy};
use hobnob_tests::world::World;

/// An address that is not loopback's, between which and the people here there may be a firewall.
const SERVER: &str = "192.0.2.1";

/// How long a session may take to come up in a tunnel.
const IN_USE_WITHIN: Duration = Duration::from_secs(3);

/// What goes over the relay, twice through the tunnel.
const FILE_BYTES: u64 = 8 << 20;

#[test]
fn without_udp_a_session_is_up_within_3_s_and_letters_and_files_arrive() {
    inside("tunnel::without_udp_a_session_is_up_within_3_s_and_letters_and_files_arrive", || {
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

        let (file, into) = (world.path("film.mkv"), world.new_folder("arrived"));
        write_file(&file, FILE_BYTES, 1);
        let id = alice.offer(&bob, &[&file], &[]);
        bob.accept(&id, &into);
        alice.until_state(&id, "done");
        assert_same_file(&file, &into.join("film.mkv"));
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

#[test]
fn x42_with_a_proxy_everything_goes_through_it_and_its_password_is_shown_nowhere() {
    for proxy in [Proxy::http(), Proxy::socks5()] {
        let world = World::new();
        let place = format!("127.0.0.1:{}", world.rendezvous.port());
        let mut alice = world.newcomer("alice");
        let refused = alice.register_through(&proxy.url("wrong"));
        assert_ne!(refused.code, 0);
        assert!(refused.messages.contains("Check the proxy (setting net.proxy)"), "{refused:?}");

        let proxied = proxy.url(PASSWORD);
        let registered = alice.register_through(&proxied);
        assert_eq!(registered.code, 0, "{registered:?}");
        alice.up();
        let bob = world.person("bob");
        alice.befriend(&bob);
        alice.tell(["send", &bob.address(), "by the proxy"]);
        assert_eq!(bob.until_letters(&alice, 1)[0]["text"], "by the proxy");
        // Port 443 is tried first; nothing listens there on loopback.
        let asked: Vec<String> = (0..4).map(|_| proxy.next_asked()).collect();
        assert!(asked.contains(&place) && asked.contains(&"127.0.0.1:443".to_owned()), "{asked:?}");

        let shown = alice.read(&["config", "get", "net.proxy"]) + &alice.process().log_tail();
        assert!(shown.contains("***@127.0.0.1:"), "{shown}");
        for secret in ["p%40ss", "p%40SS", PASSWORD] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
