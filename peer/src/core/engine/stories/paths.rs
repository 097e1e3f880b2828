//! Who learns which addresses, and when.

use std::net::SocketAddr;
use std::time::Duration;

use hobnob_nat::core::agent::{Policy, Remote};
use hobnob_wire::signal::{Candidate, CandidateKind, Mapping};

use crate::core::command::{Command, ErrorKind, Reply};
use crate::core::effect::ReachOrder;
use crate::core::event::Event;
use crate::core::input::Input;
use crate::core::testing::World;

const SECOND: Duration = Duration::from_secs(1);

fn candidates(texts: &[&str]) -> Vec<Candidate> {
    let host =
        |text: &&str| Candidate { kind: CandidateKind::Host, at: text.parse::<SocketAddr>().unwrap().into() };
    texts.iter().map(host).collect()
}

fn at(world: &mut World, node: usize, texts: &[&str]) {
    let candidates = candidates(texts);
    world.input(node, Input::Own { candidates, mapping: Mapping::EndpointIndependent });
}

/// What a node has been told of where others are, since it was asked last.
fn told(world: &mut World, node: usize) -> Vec<Remote> {
    let orders = std::mem::take(&mut world.nodes[node].reach);
    let remote = |order| if let ReachOrder::Remote { remote, .. } = order { Some(remote) } else { None };
    orders.into_iter().filter_map(remote).collect()
}

fn set(world: &mut World, node: usize, key: &str, value: &str) {
    world.ask(node, Command::ConfigSet { key: key.to_owned(), value: value.to_owned() }).unwrap();
}

#[test]
fn each_attempt_has_keys_of_its_own_and_both_sides_have_both() {
    let mut world = World::of_two(200);
    let mut keys = Vec::new();
    for round in 0..3 {
        world.send(0, 1, "hello");
        world.run(SECOND);
        let own = |node: usize| {
            let exchange = |order: &ReachOrder| {
                let ReachOrder::Exchange { exchange, .. } = order else { return None };
                Some(exchange.own_key.clone())
            };
            world.nodes[node].reach.iter().filter_map(exchange).collect::<Vec<_>>()
        };
        let own = [own(0), own(1)];
        for (node, own) in own.iter().enumerate() {
            let heard: Vec<_> = told(&mut world, 1 - node).into_iter().map(|remote| remote.key).collect();
            assert_eq!((&heard, heard.len()), (own, 1), "round {round}");
        }
        keys.extend(own.into_iter().flatten());
        world.cut_links(0);
        world.run(SECOND);
    }
    for (number, key) in keys.iter().enumerate() {
        assert!(!keys[..number].contains(key));
    }
}

#[test]
fn an_answer_that_a_link_over_the_relay_overtakes_still_tells_where_the_other_device_is() {
    let mut world = World::of_two(209);
    world.rendezvous.relays = true;
    // The other one dials, and needs no answer for it.
    let offerer = usize::from(world.who(1).1 > world.who(0).1);
    at(&mut world, 1 - offerer, &["192.0.2.7:7000"]);
    world.signals_late = Some(offerer);
    world.send(offerer, 1 - offerer, "hello");
    world.run(SECOND / 2);
    assert_eq!((world.links(offerer), told(&mut world, offerer)), (1, Vec::new()));
    world.run(SECOND);
    let heard = told(&mut world, offerer);
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].candidates, candidates(&["192.0.2.7:7000"]));
}

#[test]
fn nobody_but_a_contact_learns_an_address() {
    let mut world = World::new(201);
    for name in ["alice", "bob"] {
        let node = world.register(name);
        world.connect(node);
    }
    let to = world.nodes[1].address.clone();
    world.ask(0, Command::ContactAdd { address: to.clone(), text: "Hello".to_owned() }).unwrap();
    world.run(SECOND);
    world.ask(0, Command::Send { to, text: "too early".to_owned() }).unwrap_err();
    world.run(SECOND);
    assert_eq!(world.rendezvous.signals, 0);
    for node in 0..2 {
        assert_eq!(world.nodes[node].reach, []);
    }
}

#[test]
fn a_contact_learns_what_the_policy_allows_and_no_more() {
    let all = ["192.168.1.5:7000", "[2001:db8::5]:7000"];
    for (general, own, expected) in [
        ("all", None, all.as_slice()),
        ("no-lan", None, &all[1..]),
        ("relay-only", None, &[]),
        ("all", Some(Policy::RelayOnly), &[]),
        ("relay-only", Some(Policy::NoLan), &all[1..]),
        ("relay-only", Some(Policy::All), &all),
    ] {
        let mut world = World::of_two(202);
        world.rendezvous.relays = true;
        let bob = world.nodes[1].address.clone();
        set(&mut world, 0, "net.paths", general);
        world.ask(0, Command::ContactPaths { address: bob, paths: own }).unwrap();
        at(&mut world, 0, &all);
        world.send(0, 1, "hello");
        world.run(SECOND);
        let heard = told(&mut world, 1);
        assert_eq!(heard.len(), 1);
        assert_eq!(heard[0].candidates, candidates(expected), "{general} {own:?}");
        assert_eq!(world.links(0), 1);
    }
}

#[test]
fn a_stricter_policy_closes_links_at_once_and_holds_for_those_that_follow() {
    let mut world = World::of_two(203);
    world.rendezvous.relays = true;
    world.send(0, 1, "hello");
    world.run(SECOND);
    assert_eq!(world.links(0), 1);
    let address = world.nodes[1].address.clone();
    world.ask(0, Command::ContactPaths { address, paths: Some(Policy::RelayOnly) }).unwrap();
    world.run(SECOND);
    assert_eq!((world.links(0), world.links(1)), (0, 0));
    told(&mut world, 1);
    world.send(1, 0, "again");
    world.run(SECOND);
    assert_eq!((world.links(0), world.links(1)), (1, 1));
    assert!(told(&mut world, 1).iter().all(|remote| remote.candidates.is_empty()));

    world.kill(0);
    world.start(0);
    let Reply::Contacts(contacts) = world.ask(0, Command::Contacts).unwrap() else { panic!() };
    assert_eq!(contacts[0].paths, "relay-only");
}

#[test]
fn only_contacts_have_a_policy_of_their_own() {
    let mut world = World::of_two(204);
    let address = "carol@localhost".parse().unwrap();
    let error = world.ask(0, Command::ContactPaths { address, paths: None }).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[test]
fn who_moves_tells_linked_devices_at_once_and_then_once_a_second() {
    let mut world = World::of_two(205);
    world.send(0, 1, "hello");
    world.run(5 * SECOND);
    let attempt = told(&mut world, 1).last().unwrap().attempt;
    let before = world.rendezvous.signals;
    for number in 0..10 {
        at(&mut world, 0, &[&format!("192.0.2.7:{}", 7_100 + number)]);
    }
    world.run(SECOND / 2);
    let heard = told(&mut world, 1);
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].attempt, &heard[0].candidates), (attempt, &candidates(&["192.0.2.7:7100"])));
    world.run(SECOND);
    let heard = told(&mut world, 1);
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].candidates, candidates(&["192.0.2.7:7109"]));
    world.run(30 * SECOND);
    assert_eq!(world.rendezvous.signals, before + 2, "an update is not answered");
    assert_eq!((world.links(0), world.links(1), world.dials), (1, 1, 1));
    let downs = world.nodes[0].events.iter().filter(|event| matches!(event, Event::LinkDown { .. }));
    assert_eq!(downs.count(), 0);
}

#[test]
fn who_moves_while_the_session_is_down_tells_it_when_it_is_back() {
    let mut world = World::of_two(206);
    world.rendezvous.relays = true;
    world.send(0, 1, "hello");
    world.run(5 * SECOND);
    told(&mut world, 1);
    world.disconnect(0);
    at(&mut world, 0, &["192.0.2.9:7000"]);
    world.run(5 * SECOND);
    assert_eq!(told(&mut world, 1), []);
    world.connect(0);
    world.run(SECOND);
    let heard = told(&mut world, 1);
    assert_eq!(heard.last().unwrap().candidates, candidates(&["192.0.2.9:7000"]));
}

#[test]
fn channels_end_with_the_session_and_are_asked_for_again() {
    let mut world = World::of_two(207);
    world.rendezvous.relays = true;
    world.send(0, 1, "hello");
    world.run(5 * SECOND);
    for node in 0..2 {
        world.nodes[node].reach.clear();
    }
    world.disconnect(0);
    world.run(SECOND);
    world.connect(0);
    world.run(SECOND);
    for node in 0..2 {
        let channels = world.nodes[node].reach.iter();
        let channels = channels.filter(|order| matches!(order, ReachOrder::Channel { channel: Some(_), .. }));
        assert!(channels.count() > 0, "node {node}");
    }
    assert_eq!((world.links(0), world.dials), (1, 1));
}

#[test]
fn a_device_that_updates_without_end_is_heard_only_so_often() {
    let mut world = World::of_two(208);
    world.send(0, 1, "hello");
    world.run(SECOND);
    told(&mut world, 1);
    for number in 0..50 {
        let port = 7_000 + number;
        at(&mut world, 0, &[&format!("192.0.2.7:{port}")]);
        world.run(SECOND);
    }
    let heard = told(&mut world, 1).len();
    assert!((40..=51).contains(&heard), "{heard}");
}
