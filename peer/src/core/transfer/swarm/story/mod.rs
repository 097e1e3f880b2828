//! One sender and several receivers against one another.

mod world;

use std::time::Duration;

use hobnob_wire::SwarmId;
use hobnob_wire::bounded::List;
use hobnob_wire::swarm::SwarmFrame;
use hobnob_wire::transfer::Span;
use proptest::prelude::*;

use self::world::{MIB, STEP, World};
use crate::core::command::{Command, CommandId};
use crate::core::input::LinkId;
use crate::core::transfer::TransferInput;
use crate::core::view::TransferState;

#[test]
fn receivers_who_know_each_other_cost_the_sender_little_more_than_one_upload() {
    let mut world = World::new(120, 3, true);
    world.run(10_000);
    assert!(world.is_done(), "{:?}", world.states());
    assert!((120..=132).contains(&world.uploaded()), "{:?}", world.given);
    for who in 1..=3 {
        let view = world.view(who);
        assert_eq!(view.sources.len(), 3, "from the sender and both others: {:?}", view.sources);
        assert_eq!(view.sources.iter().map(|source| source.bytes).sum::<u64>(), 120 * MIB);
        assert!(view.sent > 0);
    }
    let of_sender = world.ids.values().map(|id| world.sides[0].views[id].sent).sum::<u64>();
    assert!((120 * MIB..=132 * MIB).contains(&of_sender), "{of_sender}");
}

#[test]
fn receivers_who_do_not_know_each_other_all_get_everything_from_the_sender() {
    let mut world = World::new(30, 3, false);
    world.run(10_000);
    assert!(world.is_done(), "{:?}", world.states());
    assert_eq!(world.uploaded(), 90);
    assert_eq!(world.links.len(), 3, "nobody looked for anybody else");
}

#[test]
fn one_who_comes_later_gets_it_from_those_who_have_it_for_as_long_as_they_allow() {
    let late = |waits: Duration| {
        let mut world = World::new(40, 2, true);
        let id = world.id(2);
        world.input(2, TransferInput::Command { id: CommandId(2), command: Command::FilePause { id } });
        world.run(500);
        assert_eq!(world.view(1).state, TransferState::Done);
        world.pass_time(waits);
        world.input(2, TransferInput::Command { id: CommandId(3), command: Command::FileResume { id } });
        world.run(10_000);
        assert!(world.is_done(), "{:?}", world.states());
        world.uploaded()
    };
    let helped = late(Duration::from_secs(60));
    assert!((40..=52).contains(&helped), "{helped}");
    assert_eq!(late(Duration::from_secs(3_700)), 80);
}

#[test]
fn one_who_lies_costs_a_few_ranges_and_is_asked_no_more() {
    let mut world = World::new(60, 3, true);
    world.sides[2].lies = true;
    world.run(10_000);
    assert!(world.is_done(), "{:?}", world.states());
    for honest in [1, 3] {
        let wrong = world.given.get(&(2, honest)).copied().unwrap_or(0);
        assert!(wrong <= 2, "asked for two at first, and never again: {wrong}");
        assert!(world.view(honest).sources.iter().all(|source| source.address.as_str() != "p2@localhost"));
    }
}

#[test]
fn one_who_sends_nothing_is_not_waited_for_longer_than_ten_seconds() {
    let mut world = World::new(60, 2, true);
    world.sides[2].is_stuck = true;
    world.run(700);
    assert!(world.now < Duration::from_secs(16));
    assert!(world.is_done(), "{:?}", world.states());
}

#[test]
fn whoever_does_not_serve_gets_help_and_gives_none() {
    let mut world = World::new(60, 3, true);
    world.settings(2, Duration::ZERO);
    world.run(10_000);
    assert!(world.is_done(), "{:?}", world.states());
    assert_eq!(world.view(2).sent, 0);
    assert_eq!(world.given.get(&(2, 1)), None);
    assert!(world.view(2).sources.len() > 1, "{:?}", world.view(2).sources);
}

#[test]
fn a_paused_receiver_gives_nothing_and_gets_nothing() {
    let mut world = World::new(60, 2, true);
    for _ in 0..30 {
        world.run(1);
    }
    let id = world.id(2);
    world.input(2, TransferInput::Command { id: CommandId(2), command: Command::FilePause { id } });
    world.run(1);
    let before = world.given.clone();
    world.run(2_000);
    assert_eq!(world.view(1).state, TransferState::Done);
    for pair in [(2, 1), (1, 2), (0, 2)] {
        assert_eq!(world.given.get(&pair), before.get(&pair), "{pair:?}");
    }
    world.input(2, TransferInput::Command { id: CommandId(3), command: Command::FileResume { id } });
    world.run(10_000);
    assert!(world.is_done(), "{:?}", world.states());
}

#[test]
fn a_contact_who_was_offered_nothing_is_told_nothing() {
    // It has a link, and even knows what the swarm is called.
    let mut world = World::new(20, 2, true);
    world.settle();
    world.befriend(1, 77);
    let swarm = world.view(1).swarm.unwrap();
    let link = LinkId(9_000);
    let who_asks = "p77@localhost".parse().unwrap();
    let device = hobnob_wire::DeviceId::new([77; 16]);
    let path = hobnob_nat::core::agent::PathKind::Lan;
    world.input(1, TransferInput::LinkUp { link, address: who_asks, device, path });
    let ranges = || List::new(vec![Span { start: 0, end: 9 }]).unwrap();
    for swarm in [swarm, SwarmId::new([3; 16])] {
        let have = SwarmFrame::Have { swarm, hello: true, lends: true, ranges: ranges() };
        let want = SwarmFrame::Want { swarm, transfer: world.id(1), ranges: List::default() };
        for frame in [have, want] {
            world.input(1, TransferInput::Swarm { link, frame });
        }
    }
    assert!(!world.has_said(link));
    world.run(10_000);
    assert!(world.is_done());
    assert!(!world.has_said(link));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    /// Links that are lost, receivers that restart, lie, send nothing or stop to serve, and any order of what is under way:
    /// in the end everybody has the sender's bytes.
    #[test]
    fn whatever_others_do_everybody_ends_with_the_senders_bytes(
        ranges in 1..40_u64,
        receivers in 2..5_usize,
        liars in 0..32_u8,
        stuck in 0..32_u8,
        steps in proptest::collection::vec((0..14_u8, any::<u16>()), 0..250),
    ) {
        let mut world = World::new(ranges, receivers, true);
        // Nobody lies or is stuck with what it owes the sender, and the sender is honest.
        for who in 1..=receivers {
            world.sides[who].lies = liars >> who & 1 == 1;
            world.sides[who].is_stuck = stuck >> who & 1 == 1;
        }
        for (step, choice) in steps {
            let choice = usize::from(choice);
            let who = choice % (receivers + 1);
            match step {
                0 => world.connect(who, (who + 1 + choice / 7 % receivers) % (receivers + 1)),
                1 if choice % 4 == 0 => {
                    let link = world.links.keys().nth(choice % world.links.len().max(1)).copied();
                    link.into_iter().for_each(|link| world.disconnect(link));
                }
                2 if choice % 16 == 1 && who != 0 => world.restart(who),
                3 => world.pass_time(Duration::from_millis(choice as u64 % 4_000)),
                4 => world.settings(who, Duration::from_secs(choice as u64 % 3 * 600)),
                5 | 6 => drop(world.deliver_frame()),
                7 | 8 => drop(world.deliver_report(who)),
                9 => world.settle(),
                _ if !world.streams.is_empty() => world.carry(choice % world.streams.len()),
                _ => {}
            }
        }
        world.pass_time(STEP);
        world.run(6_000);
        world.pass_time(Duration::from_secs(60));
        world.run(6_000);
        prop_assert!(world.is_done(), "{:?}", world.states());
    }
}
