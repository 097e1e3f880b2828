//! Links between engines.

use std::time::Duration;

use hobnob_nat::core::agent::PathKind;

use crate::core::command::{Command, Reply};
use crate::core::effect::ReachOrder;
use crate::core::event::Event;
use crate::core::input::LinkId;
use crate::core::testing::World;

const SECOND: Duration = Duration::from_secs(1);

fn count(world: &World, node: usize, is: fn(&Event) -> bool) -> usize {
    world.nodes[node].events.iter().filter(|event| is(event)).count()
}

#[test]
fn two_who_want_a_link_at_once_get_one() {
    for seed in 0..8 {
        let mut world = World::of_two(100 + seed);
        let (alice, bob) = (world.nodes[0].address.clone(), world.nodes[1].address.clone());
        world.command(0, Command::Send { to: bob, text: "a".to_owned() });
        world.command(1, Command::Send { to: alice, text: "b".to_owned() });
        world.run(15 * SECOND);
        assert_eq!((world.links(0), world.links(1)), (1, 1), "seed {seed}");
        assert_eq!(world.words(0, 1).len(), 2, "seed {seed}");
    }
}

/// The node of two whose device dials.
fn dialer(world: &World) -> usize {
    usize::from(world.nodes[1].device < world.nodes[0].device)
}

#[test]
fn only_the_smaller_device_dials_whoever_wants_the_link() {
    for seed in 0..16 {
        let mut world = World::of_two(120 + seed);
        world.latency = Duration::from_millis(160 + 10 * seed);
        let wants = usize::try_from(seed % 2).unwrap();
        world.send(wants, 1 - wants, "a");
        world.run(30 * SECOND);
        assert_eq!(world.dials, 1, "seed {seed}");
        assert_eq!((world.links(0), world.links(1)), (1, 1), "seed {seed}");
        assert_eq!(world.connected_pairs(), 1, "seed {seed}");
    }
}

#[test]
fn a_link_that_the_larger_device_dialed_is_refused() {
    let mut world = World::of_two(130);
    world.send(0, 1, "first");
    world.run(SECOND);
    world.cut_links(0);
    world.run(SECOND);
    let small = dialer(&world);
    world.greet(1 - small, small, LinkId(10_000));
    assert_eq!(world.nodes[small].engine.as_ref().unwrap().links.count(), 0);
}

#[test]
fn a_device_whose_link_was_lost_without_notice_gets_a_new_one() {
    let mut world = World::of_two(131);
    world.send(0, 1, "first");
    world.run(SECOND);
    for gone in 0..2 {
        world.forget_links(gone);
        world.send(gone, 1 - gone, "again");
        world.run(SECOND);
        assert_eq!((world.links(0), world.links(1)), (1, 1));
    }
}

#[test]
fn the_link_begins_over_the_relay_and_moves_to_the_direct_path() {
    let mut world = World::of_two(132);
    world.rendezvous.relays = true;
    world.direct = false;
    world.send(0, 1, "first");
    world.run(SECOND);
    let node = dialer(&world);
    assert_eq!(shown_path(&mut world, node), "relayed");
    for kind in [PathKind::DirectV6, PathKind::DirectV6, PathKind::Relayed] {
        world.path(node, 1 - node, kind);
    }
    assert_eq!(shown_path(&mut world, node), "relayed");
    let told = world.nodes[node].events.iter().filter_map(|event| {
        let Event::Path(path) = event else { return None };
        Some((path.path.clone(), path.relay.clone()))
    });
    let relay = Some("localhost:7700".to_owned());
    assert_eq!(told.collect::<Vec<_>>()[..], [("direct-v6".to_owned(), None), ("relayed".to_owned(), relay)]);
    assert_eq!((world.links(0), world.dials), (1, 1));
}

fn shown_path(world: &mut World, node: usize) -> String {
    let Reply::Contacts(contacts) = world.ask(node, Command::Contacts).unwrap() else { panic!() };
    let address = world.nodes[1 - node].address.clone();
    let Reply::Paths(paths) = world.ask(node, Command::Path { address }).unwrap() else { panic!() };
    assert_eq!(paths[0].path, contacts[0].path);
    contacts[0].path.clone()
}

#[test]
fn without_a_path_nobody_dials_and_with_the_relay_alone_there_is_a_link() {
    let mut world = World::of_two(133);
    world.direct = false;
    world.send(0, 1, "first");
    world.run(12 * SECOND);
    assert_eq!((world.dials, world.links(0)), (0, 0));
    world.rendezvous.relays = true;
    world.run(60 * SECOND);
    world.send(0, 1, "second");
    world.run(SECOND);
    assert_eq!((world.dials, world.links(0), world.links(1)), (1, 1, 1));
}

#[test]
fn a_path_is_forgotten_a_moment_after_its_link_and_its_story_stays() {
    let mut world = World::of_two(134);
    world.send(0, 1, "first");
    world.run(SECOND);
    let forgets = |world: &World| {
        let orders = world.nodes[0].reach.iter();
        orders.filter(|order| matches!(order, ReachOrder::Forget { .. })).count()
    };
    world.cut_links(0);
    world.run(2 * SECOND);
    assert_eq!(forgets(&world), 0);
    world.run(2 * SECOND);
    assert_eq!(forgets(&world), 1);
    let address = world.nodes[1].address.clone();
    let Reply::Paths(paths) = world.ask(0, Command::Path { address }).unwrap() else { panic!() };
    assert_eq!((paths.len(), paths[0].path.as_str()), (1, "none"));
}

#[test]
fn an_idle_link_is_closed_after_two_minutes() {
    let mut world = World::of_two(110);
    world.send(0, 1, "first");
    world.run(100 * SECOND);
    assert_eq!(world.links(0), 1);
    let with = world.nodes[1].address.clone();
    world.ask(0, Command::Typing { to: with, active: true }).unwrap();
    world.run(100 * SECOND);
    assert_eq!(world.links(0), 1);
    world.run(25 * SECOND);
    assert_eq!((world.links(0), world.links(1)), (0, 0));
    assert_eq!(count(&world, 0, |event| matches!(event, Event::LinkDown { .. })), 1);
}

#[test]
fn typing_is_told_over_the_link() {
    let mut world = World::of_two(111);
    world.send(0, 1, "first");
    world.run(SECOND);
    let to = world.nodes[1].address.clone();
    world.ask(0, Command::Typing { to, active: true }).unwrap();
    world.run(SECOND);
    let told = Event::Typing { address: world.nodes[0].address.clone(), active: true };
    assert!(world.nodes[1].events.contains(&told));
}

#[test]
fn devices_that_do_not_reach_each_other_try_again_less_and_less() {
    let mut world = World::of_two(112);
    world.reachable = false;
    for _ in 0..60 {
        world.send(0, 1, "again");
        world.run(SECOND);
    }
    // Attempts of a few seconds, then waits of 5, 10, 20 and 40 seconds.
    let signals = world.rendezvous.signals;
    assert!((2..=20).contains(&signals), "{signals} signals in a minute");
    world.reachable = true;
    world.run(60 * SECOND);
    world.send(0, 1, "now");
    world.run(SECOND);
    assert_eq!(world.links(0), 1);
}

#[test]
fn a_lost_link_is_made_again_when_there_is_something_to_say() {
    let mut world = World::of_two(113);
    world.send(0, 1, "first");
    world.run(SECOND);
    world.cut_links(0);
    world.run(SECOND);
    assert_eq!(world.links(0), 0);
    world.send(1, 0, "second");
    world.run(SECOND);
    assert_eq!((world.links(0), world.links(1)), (1, 1));
}

#[test]
fn a_device_that_begins_links_without_end_has_one_under_way() {
    let mut world = World::of_two(115);
    world.send(0, 1, "first");
    world.run(SECOND);
    world.cut_links(0);
    world.run(SECOND);
    let small = dialer(&world);
    for number in 0..100 {
        world.greet(small, 1 - small, LinkId(10_000 + number));
    }
    assert_eq!(world.nodes[1 - small].engine.as_ref().unwrap().links.count(), 1);
}

#[test]
fn a_contact_that_was_removed_loses_its_link() {
    let mut world = World::of_two(114);
    world.send(0, 1, "first");
    world.run(SECOND);
    let address = world.nodes[1].address.clone();
    world.ask(0, Command::ContactRemove { address, text: String::new() }).unwrap();
    world.run(SECOND);
    assert_eq!((world.links(0), world.links(1)), (0, 0));
}
