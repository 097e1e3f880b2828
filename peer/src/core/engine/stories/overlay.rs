//! Letters while nobody reaches the rendezvous.

use std::time::Duration;

use crate::core::command::Command;
use crate::core::testing::World;

const SECOND: Duration = Duration::from_secs(1);

/// Alice and Bob, who have written to each other, without a session and freshly started.
fn without_rendezvous(seed: u64) -> World {
    let mut world = World::of_two(seed);
    world.overlay.open = true;
    world.send(0, 1, "first");
    world.run(SECOND);
    for node in [0, 1] {
        world.kill(node);
        world.start(node);
    }
    world
}

#[test]
fn contacts_that_find_each_other_link_and_their_letters_go_without_the_rendezvous() {
    for seed in 0..8 {
        let mut world = without_rendezvous(900 + seed);
        let at = world.now;
        world.send(0, 1, "second");
        world.run(2 * SECOND);
        assert_eq!((world.links(0), world.links(1)), (1, 1), "seed {seed}");
        assert_eq!(world.words(1, 0), ["first", "second"], "seed {seed}");
        assert!(world.now <= at + 3 * SECOND);
        assert!(world.overlay.signals <= 3, "two offers at most, and an answer; seed {seed}");
    }
}

#[test]
fn a_link_that_ended_comes_again_when_there_is_something_to_say() {
    let mut world = without_rendezvous(910);
    world.run(300 * SECOND);
    assert_eq!(world.connected_pairs(), 0, "an idle link is closed");
    world.send(1, 0, "second");
    world.run(SECOND);
    assert_eq!(world.words(0, 1), ["first", "second"]);
}

#[test]
fn the_overlay_is_not_used_while_there_is_a_session_and_left_when_it_is_back() {
    let mut world = World::of_two(911);
    world.overlay.open = true;
    world.send(0, 1, "first");
    world.run(60 * SECOND);
    assert!(world.overlay.looking.is_empty());

    world.disconnect(0);
    world.run(SECOND / 2);
    world.connect(0);
    assert!(world.overlay.looking.is_empty(), "the session was away for a moment only");

    world.disconnect(0);
    world.run(2 * SECOND);
    assert_eq!(world.overlay.looking.keys().collect::<Vec<_>>(), [&0]);
    world.connect(0);
    assert!(world.overlay.looking.is_empty());
}

#[test]
fn who_may_not_learn_our_addresses_is_not_met() {
    for value in ["no-lan", "relay-only"] {
        let mut world = without_rendezvous(912);
        world.run(2 * SECOND);
        assert_eq!(world.overlay.looking[&0].len(), 1);
        world.ask(0, Command::ConfigSet { key: "net.paths".to_owned(), value: value.to_owned() }).unwrap();
        world.run(2 * SECOND);
        assert!(world.overlay.looking[&0].is_empty(), "{value}");
    }
}
