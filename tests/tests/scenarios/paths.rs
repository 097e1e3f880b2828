//! Paths: direct where networks allow it, over the relay where they do not, and as little told as the user wants.

use std::fs;
use std::time::{Duration, Instant};

use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::namespace;
use hobnob_tests::person::Person;
use hobnob_tests::world::World;
use serde_json::Value;

/// The path to somebody, once it is of this kind.
fn until_path(one: &Person, other: &Person, kind: &str) -> Value {
    one.until_contact(other, &format!("a path that is {kind}"), |contact| contact["path"] == kind);
    let args = ["path", &other.address()];
    let paths = one.until(&args, kind, |paths| paths.iter().any(|path| path["path"] == kind));
    paths.into_iter().find(|path| path["path"] == kind).unwrap()
}

fn no_link_was_lost(person: &Person) {
    let events = person.events().since(0);
    let lost: Vec<_> = events.iter().filter(|(_, event)| event["event"] == "link_down").collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn a_path_is_shown_with_what_it_is_like_and_how_it_was_found() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    alice.tell(["send", "bob", "hello", "--wait", "delivered"]);
    for (one, other) in [(&alice, &bob), (&bob, &alice)] {
        let path = until_path(one, other, "lan");
        assert_eq!(path["address"], other.address().as_str());
        let remote = path["remote"].as_str().unwrap();
        assert!(remote.ends_with(&format!(":{}", other.port())), "{path}");
        assert_eq!(path["loss_ppm"], 0, "{path}");
        assert!(path["rtt_us"].as_u64() > Some(0) && path["mtu"].as_u64() >= Some(1_200), "{path}");
        assert!(path["why_not_direct"].is_null() && path["relay"].is_null(), "{path}");
        assert!(path["log"].as_array().is_some_and(|log| log.len() >= 3), "{path}");
        let read = one.read(&["path", other.name()]);
        for word in ["path        lan to ", "since       ", "round trip  ", "loss        0.00 %", "log "] {
            assert!(read.contains(word), "{word}: {read}");
        }
    }
    let list = alice.read(&["contact", "list"]);
    assert!(list.contains("  lan"), "{list}");
    let unknown = alice.run(["path", "carol"]);
    assert_eq!(unknown.code, 3, "{unknown:?}");
}

#[test]
fn netcheck_says_what_the_network_allows() {
    let mut world = World::new();
    let alice = world.person("alice");
    let check = &alice.ask(["netcheck"])[0];
    let relay = format!("127.0.0.1:{}", world.rendezvous.port());
    assert_eq!((&check["rendezvous"], &check["session"]), (&relay.into(), &"up".into()), "{check}");
    assert_eq!(check["udp"], true, "{check}");
    assert!(check["rtt_us"].as_u64() > Some(0) && check["mtu"].as_u64() > Some(1_400), "{check}");
    assert!(check["relay_rtt_us"].as_u64() > Some(0), "{check}");
    assert_eq!(
        (&check["unknown"], &check["keep_alive_ms"]),
        (&serde_json::json!([]), &6_000.into()),
        "{check}"
    );
    assert!(check["hairpin"]["is"].is_string(), "{check}");
    assert!(alice.process().udp_ports().iter().any(|port| check["port"] == *port), "{check}");
    for family in ["ipv4", "ipv6"] {
        assert!(check[family]["route"].is_boolean() && check[family]["interfaces"].is_array(), "{check}");
        let nat = &check[family]["nat"];
        assert!(nat["is"] != "unknown" || nat["why"].is_string(), "{check}");
    }
    let read = alice.read(&["netcheck"]);
    for line in [
        "UDP there     works",
        "relay         ",
        "packets       up to ",
        "NAT           ",
        "hairpin       ",
        "port mapping  ",
    ] {
        assert!(read.contains(line), "{line}: {read}");
    }

    world.rendezvous.stop();
    let down = alice.until(&["netcheck"], "no session", |lines| lines[0]["session"] == "down");
    let why = "the round trip to the relay: there is no session";
    assert_eq!(
        (&down[0]["unknown"][0], &down[0]["hairpin"]["is"]),
        (&why.into(), &"unknown".into()),
        "{down:?}"
    );
    let advice = down[0]["advice"][0].as_str().unwrap();
    assert!(advice.contains("There is no session with 127.0.0.1:"), "{advice}");
}

#[test]
fn ft7_one_udp_port_of_the_users_choice_carries_everything() {
    let world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    let (free, file) = (alice.port(), world.path("file.bin"));
    write_file(&file, 1 << 20, 1);
    alice.stop();
    alice.up_without_session();
    for wrong in ["80", "70000", "any"] {
        let refused = alice.run(["config", "set", "net.port", wrong]);
        assert_eq!(refused.code, 2, "{refused:?}");
    }
    let set = alice.ask(["config", "set", "net.port", &free.to_string()]);
    assert_eq!(set[0]["applies"], "next-start");
    alice.stop();
    alice.up();
    assert_eq!(alice.port(), free);
    assert!(alice.process().udp_ports().contains(&free));
    let id = alice.offer(&bob, &[&file], &[]);
    bob.accept(&id, &world.new_folder("arrived"));
    bob.until_state(&id, "done");
    let path = until_path(&bob, &alice, "lan");
    assert!(path["remote"].as_str().unwrap().ends_with(&format!(":{free}")), "{path}");
    assert_eq!(alice.port(), free);
}

#[test]
fn where_no_direct_path_is_possible_the_relay_carries_everything_and_says_why() {
    namespace::inside(
        "paths::where_no_direct_path_is_possible_the_relay_carries_everything_and_says_why",
        || {
            let world = World::new();
            let (alice, bob) = world.friends("alice", "bob");
            namespace::part([alice.port(), bob.port()]);
            let (file, into) = (world.path("film.mkv"), world.new_folder("arrived"));
            write_file(&file, 8 << 20, 1);
            let id = alice.offer(&bob, &[&file], &[]);
            bob.accept(&id, &into);
            bob.until_state(&id, "done");
            assert_same_file(&file, &into.join("film.mkv"));
            let path = until_path(&alice, &bob, "relayed");
            let relay = format!("127.0.0.1:{}", world.rendezvous.port());
            assert_eq!(path["relay"], relay.as_str(), "{path}");
            assert!(path["remote"].is_null(), "{path}");
            assert!(path["why_not_direct"].as_str().is_some_and(|why| !why.is_empty()), "{path}");
            assert!(alice.read(&["path", "bob"]).contains(&format!("relayed by {relay}")));
        },
    );
}

#[test]
fn a_transfer_moves_between_relay_and_direct_path_without_noticing() {
    namespace::inside("paths::a_transfer_moves_between_relay_and_direct_path_without_noticing", || {
        let world = World::new();
        let (alice, bob) = world.friends("alice", "bob");
        let ports = [alice.port(), bob.port()];
        namespace::part(ports);
        let (file, into) = (world.path("film.mkv"), world.new_folder("arrived"));
        write_file(&file, 64 << 20, 1);
        let id = alice.offer(&bob, &[&file], &["--limit", "2MiB"]);
        bob.accept(&id, &into);
        for (kind, change) in [("relayed", None), ("lan", Some(namespace::part_no_more as fn()))] {
            if let Some(change) = change {
                change();
            }
            for (one, other) in [(&alice, &bob), (&bob, &alice)] {
                until_path(one, other, kind);
            }
            alice.until_transfer(&id, &format!("a transfer that is {kind}"), |view| view["path"] == kind);
        }
        namespace::part(ports);
        until_path(&alice, &bob, "relayed");
        alice.tell(["file", "limit", &id, "0"]);
        for person in [&alice, &bob] {
            person.until_state(&id, "done");
            no_link_was_lost(person);
        }
        assert_same_file(&file, &into.join("film.mkv"));
    });
}

#[test]
fn x38_who_wants_the_relay_only_tells_no_address_and_sends_nothing_past_it() {
    namespace::inside(
        "paths::x38_who_wants_the_relay_only_tells_no_address_and_sends_nothing_past_it",
        || {
            let world = World::new();
            let debug = vec!["env".to_owned(), "HOBNOB_LOG=debug".to_owned()];
            let [mut alice, mut bob] =
                ["alice", "bob"].map(|name| world.newcomer(name).behind(debug.clone()));
            for person in [&mut alice, &mut bob] {
                assert_eq!(person.register().code, 0);
                person.up();
            }
            bob.tell(["config", "set", "net.paths", "relay-only"]);
            namespace::count_between([alice.port(), bob.port()]);
            alice.befriend(&bob);
            let (file, into) = (world.path("file.bin"), world.new_folder("arrived"));
            write_file(&file, 4 << 20, 1);
            let id = alice.offer(&bob, &[&file], &[]);
            bob.accept(&id, &into);
            bob.until_state(&id, "done");
            until_path(&alice, &bob, "relayed");
            let path = until_path(&bob, &alice, "relayed");
            assert!(path["why_not_direct"].as_str().is_some_and(|why| why.contains("relay only")), "{path}");
            assert_eq!(namespace::counted(), 0, "no packet went past the relay");
            let log = fs::read_to_string(world.path("alice.log")).unwrap();
            assert!(!log.contains(&format!(":{}", bob.port())), "alice has learned where bob is");

            // One contact may be told more than all others.
            bob.tell(["contact", "paths", "alice", "all"]);
            alice.tell(["send", "bob", "and now", "--wait", "delivered"]);
            until_path(&alice, &bob, "lan");
            assert!(namespace::counted() > 0);
            bob.tell(["contact", "paths", "alice", "default"]);
            alice.tell(["send", "bob", "and then", "--wait", "delivered"]);
            until_path(&alice, &bob, "relayed");
        },
    );
}

#[test]
fn a_first_letter_does_not_wait_for_a_path() {
    namespace::inside("paths::a_first_letter_does_not_wait_for_a_path", || {
        let world = World::new();
        let (alice, bob) = world.friends("alice", "bob");
        // No link can be made, and nobody knows that yet.
        namespace::part([alice.port(), bob.port()]);
        namespace::lose_relayed(world.rendezvous.port());
        let begin = Instant::now();
        alice.tell(["send", "bob", "hello", "--wait", "delivered"]);
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        assert_eq!(bob.until_letters(&alice, 1)[0]["text"], "hello");
    });
}
