//! Links between engines.

use std::time::Duration;

use hobnob_wire::link::LinkHello;

use crate::core::command::Command;
use crate::core::event::Event;
use crate::core::input::{Input, LinkId};
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

#[test]
fn of_two_links_dialed_at_once_both_sides_keep_the_same() {
    let mut dialed_twice = 0;
    for seed in 0..16 {
        let mut world = World::of_two(120 + seed);
        // The answer takes about as long as the head start of the smaller device.
        world.latency = Duration::from_millis(160 + 10 * seed);
        world.send(0, 1, "a");
        world.run(30 * SECOND);
        assert!(world.dials <= 2, "seed {seed}: both links were closed and another was made");
        dialed_twice += usize::from(world.dials == 2);
        assert_eq!((world.links(0), world.links(1)), (1, 1), "seed {seed}");
        assert_eq!(world.connected_pairs(), 1, "seed {seed}");
    }
    assert!(dialed_twice > 0);
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
    let (address, device) = world.who(1);
    let list = world.rendezvous.list(&address);
    let noise = list.verify().unwrap().device(device).unwrap().noise;
    for number in 0..100 {
        let hello = LinkHello { address: address.clone(), device, list: list.clone() };
        let link = LinkId(10_000 + number);
        world.input(0, Input::LinkGreeting { link, attempt: None, hello: Box::new(hello), noise });
    }
    assert_eq!(world.nodes[0].engine.as_ref().unwrap().links.count(), 1);
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
