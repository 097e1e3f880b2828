//! Contacts that relay for each other.

use std::time::Duration;

use hobnob_nat::core::relay::Order;
use hobnob_wire::link::{LinkFrame, RelayFrame};

use crate::core::command::{Command, Reply};
use crate::core::effect::ReachOrder;
use crate::core::testing::World;

const SECOND: Duration = Duration::from_secs(1);
const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

/// Alice and Bob have no path to each other, and each has a link with Carol, who relays if `offered`.
fn apart(seed: u64, offered: &str) -> World {
    let mut world = World::of_two(seed);
    world.apart = Some([ALICE, BOB]);
    world.register("carol");
    world.connect(CAROL);
    let set = Command::ConfigSet { key: "relay.for_contacts".to_owned(), value: offered.to_owned() };
    world.ask(CAROL, set).unwrap();
    world.kill(CAROL);
    world.start(CAROL);
    world.connect(CAROL);
    for friend in [ALICE, BOB] {
        world.befriend(friend, CAROL);
        world.send(friend, CAROL, "hello");
        world.run(SECOND);
    }
    world
}

fn asks(world: &World, node: usize) -> usize {
    let is_ask = |frame: &&LinkFrame| matches!(frame, LinkFrame::Relay(RelayFrame::Ask { .. }));
    world.nodes[node].frames.iter().filter(is_ask).count()
}

fn relay_to(world: &mut World, node: usize, other: usize) -> Option<String> {
    let address = world.nodes[other].address.clone();
    let Ok(Reply::Paths(paths)) = world.ask(node, Command::Path { address }) else { return None };
    paths.into_iter().find(|path| path.path == "relayed")?.relay
}

#[test]
fn whom_no_path_joins_a_contact_of_both_relays_for_when_both_ask() {
    let mut world = apart(300, "on");
    world.send(ALICE, BOB, "by way of carol");
    world.run(SECOND);
    for (node, other) in [(ALICE, BOB), (BOB, ALICE)] {
        assert_eq!(relay_to(&mut world, node, other).as_deref(), Some("carol@localhost"));
        assert_eq!(asks(&world, node), 1);
    }
    let kinds: Vec<&str> = world.nodes[CAROL].relayed.iter().map(kind).collect();
    assert_eq!(kinds, ["allocate", "allocate", "open"]);

    // The place lasts as long as the link.
    world.cut_links(CAROL);
    world.run(SECOND);
    let kinds: Vec<&str> = world.nodes[CAROL].relayed[3..].iter().map(kind).collect();
    assert_eq!(kinds, ["release", "release"]);
    let ended = |order: &ReachOrder| matches!(order, ReachOrder::Channel { channel: None, .. });
    assert!(world.nodes[ALICE].reach.last().is_some_and(ended), "{:?}", world.nodes[ALICE].reach.last());
}

const fn kind(order: &Order) -> &'static str {
    match order {
        Order::Allocate { .. } => "allocate",
        Order::Open { .. } => "open",
        Order::Release { .. } => "release",
    }
}

#[test]
fn who_has_not_offered_is_not_asked_and_grants_nothing() {
    let mut world = apart(301, "off");
    world.send(ALICE, BOB, "by way of nobody");
    world.run(SECOND);
    assert_eq!((asks(&world, ALICE), asks(&world, BOB)), (0, 0));
    assert_eq!(relay_to(&mut world, ALICE, BOB), None);
    assert!(world.nodes[CAROL].relayed.is_empty());
}

#[test]
fn with_a_relay_at_the_rendezvous_no_contact_is_asked() {
    let mut world = apart(302, "on");
    world.rendezvous.relays = true;
    world.send(ALICE, BOB, "by way of the rendezvous");
    world.run(SECOND);
    assert_eq!((asks(&world, ALICE), asks(&world, BOB)), (0, 0));
    assert_eq!(relay_to(&mut world, ALICE, BOB).as_deref(), Some("localhost:7700"));
}
