//! Which pairs of NATs become direct, how soon, and at what cost.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::{PathKind, WhyNot};
use super::nat::{ADDRESS_RESTRICTED, BLOCK, FULL_CONE, Kind, PORT_RESTRICTED, RANDOM, SEQUENTIAL};
use super::world::{A, B, World, ms};

const EASY: [Option<Kind>; 4] = [None, Some(FULL_CONE), Some(ADDRESS_RESTRICTED), Some(PORT_RESTRICTED)];
const HARD: [Option<Kind>; 3] = [Some(SEQUENTIAL), Some(BLOCK), Some(RANDOM)];
/// Two signals of 20 ms each, and a round trip of 40 ms.
const SIGNALS_AND_A_ROUND_TRIP: Duration = ms(80);

fn direct_after(kinds: [Option<Kind>; 2], seed: u64, at_most: Duration) -> Option<Duration> {
    let mut world = World::new(kinds, seed);
    world.exchange();
    let time = world.until_direct(at_most);
    world.run(ms(3000));
    for side in [A, B] {
        for (ip, (packets, _)) in &world.sides[side].sent {
            assert!(*packets <= 1500, "{packets} packets to {ip}");
        }
    }
    time
}

#[test]
fn two_easy_nats_are_direct_one_round_trip_after_both_know_each_other() {
    for a in EASY {
        for b in EASY {
            let time = direct_after([a, b], 1, ms(1000));
            assert!(time.is_some_and(|time| time <= SIGNALS_AND_A_ROUND_TRIP), "{a:?} {b:?}: {time:?}");
        }
    }
}

#[test]
fn a_hard_nat_and_one_that_does_not_look_at_ports_are_direct_as_quickly() {
    for hard in HARD {
        for easy in [None, Some(FULL_CONE), Some(ADDRESS_RESTRICTED)] {
            for kinds in [[hard, easy], [easy, hard]] {
                let time = direct_after(kinds, 1, ms(1000));
                assert!(
                    time.is_some_and(|time| time <= SIGNALS_AND_A_ROUND_TRIP + ms(20)),
                    "{kinds:?}: {time:?}"
                );
            }
        }
    }
}

#[test]
fn a_counter_is_predicted_at_once_by_a_port_restricted_side_and_by_another_counter() {
    let down = Kind { ports: super::nat::Ports::Counted(-2), ..SEQUENTIAL };
    for other in [PORT_RESTRICTED, SEQUENTIAL, down] {
        for kinds in [[SEQUENTIAL, other], [other, SEQUENTIAL]] {
            for seed in 0..10 {
                let time = direct_after(kinds.map(Some), seed, ms(1000));
                assert!(
                    time.is_some_and(|time| time <= SIGNALS_AND_A_ROUND_TRIP + ms(100)),
                    "{kinds:?} {seed}: {time:?}"
                );
            }
        }
    }
}

#[test]
fn a_counter_that_others_move_on_is_found_by_a_sweep() {
    for (kinds, hard) in [([SEQUENTIAL, PORT_RESTRICTED], A), ([PORT_RESTRICTED, SEQUENTIAL], B)] {
        let mut world = World::new(kinds.map(Some), 4);
        world.exchange();
        for port in 1..200 {
            let other = SocketAddr::from(([10, 7, 8, 200], port));
            world.nats[hard].outbound(other, SocketAddr::from(([203, 0, 113, 99], 443)));
        }
        let time = world.until_direct(ms(8000));
        assert!(time.is_some(), "{:?}", world.report(hard));
    }
}

/// How often, out of so many, and the median of the time.
fn successes(kinds: [Kind; 2], seeds: u64) -> (usize, Duration) {
    let times = (0..seeds).filter_map(|seed| direct_after(kinds.map(Some), seed, ms(10_000)));
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    (times.len(), times.get(times.len() / 2).copied().unwrap_or_default())
}

#[test]
fn random_ports_and_a_port_restricted_side_meet_by_the_birthday_method() {
    for kinds in [[RANDOM, PORT_RESTRICTED], [PORT_RESTRICTED, RANDOM]] {
        let (count, median) = successes(kinds, 40);
        assert!(count >= 39, "{kinds:?}: {count} of 40");
        assert!(median <= ms(1000), "{kinds:?}: {median:?}");
    }
}

#[test]
fn a_block_of_ports_and_a_port_restricted_side_meet_sooner() {
    for kinds in [[BLOCK, PORT_RESTRICTED], [PORT_RESTRICTED, BLOCK]] {
        let (count, median) = successes(kinds, 40);
        assert!(count >= 39, "{kinds:?}: {count} of 40");
        assert!(median <= ms(600), "{kinds:?}: {median:?}");
    }
}

#[test]
fn two_nats_with_ports_that_cannot_be_guessed_stay_on_the_relay_and_say_why() {
    for kinds in [[RANDOM, RANDOM], [RANDOM, SEQUENTIAL], [BLOCK, RANDOM]] {
        let mut world = World::new(kinds.map(Some), 3);
        world.exchange();
        world.run(ms(5000));
        assert_eq!(world.kinds(), [PathKind::Relayed; 2]);
        for side in [A, B] {
            let report = world.report(side);
            assert!(matches!(report.why_not_direct, Some(WhyNot::BothHard { .. })), "{report:?}");
            assert!(report.sent <= 60, "{} packets in vain", report.sent);
        }
    }
}

#[test]
fn the_sockets_of_the_birthday_method_are_closed_but_the_one_that_was_hit() {
    for kinds in [[RANDOM, PORT_RESTRICTED], [RANDOM, RANDOM], [SEQUENTIAL, SEQUENTIAL]] {
        let mut world = World::new(kinds.map(Some), 5);
        world.exchange();
        world.run(ms(15_000));
        assert!(world.sides[A].sockets.len() <= 2, "{} sockets", world.sides[A].sockets.len());
        assert!(world.sides[B].sockets.len() <= 2, "{} sockets", world.sides[B].sockets.len());
    }
}
