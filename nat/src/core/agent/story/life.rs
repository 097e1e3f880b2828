//! A path is kept, left, changed and found again.

use std::net::IpAddr;

use super::super::{Input, Note, PathKind, Policy, Selection, Way, WhyNot};
use super::nat::{FULL_CONE, PORT_RESTRICTED};
use super::world::{A, B, World, ms};

const HOUR: u64 = 3_600_000;

fn linked(seed: u64) -> World {
    let mut world = World::new([Some(PORT_RESTRICTED), Some(PORT_RESTRICTED)], seed);
    world.exchange();
    assert!(world.until_direct(ms(1000)).is_some());
    world.run(ms(3000));
    world
}

/// Both behind one NAT, in one network.
fn neighbors() -> World {
    let mut world = World::new([Some(PORT_RESTRICTED), None], 1);
    world.sides[B].ips = vec!["192.168.1.6".parse().unwrap()];
    world.sides[B].nats = vec![0];
    world
}

fn selections(world: &World, side: usize) -> Vec<Selection> {
    world.sides[side].selected.iter().map(|(_, selection)| *selection).collect()
}

#[test]
fn the_relay_is_used_from_the_first_moment_and_left_once() {
    let world = linked(1);
    for side in [A, B] {
        let selections = selections(&world, side);
        assert!(matches!(selections[..], [Selection::Relay, Selection::Direct(_)]), "{selections:?}");
    }
}

#[test]
fn both_sides_use_the_same_path() {
    let world = linked(2);
    let (a, b) = (world.report(A), world.report(B));
    assert_eq!(a.way.unwrap().to.ip(), world.nats[1].outside);
    assert_eq!(b.way.unwrap().to.ip(), world.nats[0].outside);
    assert_eq!((a.kind, b.kind), (PathKind::Punched, PathKind::Punched));
    assert_eq!((a.rtt, b.rtt), (Some(ms(40)), Some(ms(40))));
    assert_eq!((a.why_not_direct, b.why_not_direct), (None, None));
}

#[test]
fn an_idle_link_costs_less_than_a_megabyte_a_day() {
    let mut world = linked(3);
    let before = world.sides[A].bytes;
    world.run(ms(24 * HOUR));
    assert!(world.are_direct());
    let bytes = world.sides[A].bytes - before;
    assert!(bytes < 1_000_000, "{bytes} bytes a day, both directions");
    assert!(bytes > 500_000, "{bytes} bytes a day do not keep a NAT open");
}

#[test]
fn without_a_link_nothing_is_sent() {
    let mut world = World::new([Some(PORT_RESTRICTED), Some(PORT_RESTRICTED)], 4);
    world.cut = [true, true];
    world.exchange();
    world.run(ms(10_000));
    let before = world.sides[A].bytes;
    world.run(ms(24 * HOUR));
    assert_eq!(world.sides[A].bytes, before);
    assert_eq!(world.report(A).why_not_direct, Some(WhyNot::NoAnswer));
}

#[test]
fn a_direct_path_that_dies_is_left_within_a_second_and_used_again_when_it_works() {
    for cut in [[true, true], [true, false], [false, true]] {
        let mut world = linked(5);
        world.talk(ms(60_000), ms(20));
        world.run(ms(1000));
        world.cut = cut;
        let died = world.now;
        world.run(ms(1000));
        for side in [A, B] {
            let (at, selection) = *world.sides[side].selected.last().unwrap();
            assert_eq!(selection, Selection::Relay, "{cut:?}");
            let limit = if cut == [true, true] { ms(400) } else { ms(750) };
            assert!(at - died <= limit, "{cut:?}: {:?}", at - died);
            assert_eq!(world.report(side).why_not_direct, Some(WhyNot::Checking));
        }
        world.run(ms(9000));
        if cut == [true, true] {
            assert_eq!(world.report(A).why_not_direct, Some(WhyNot::Silent));
        }
        world.cut = [false, false];
        let back = world.until_direct(ms(10_000)).unwrap();
        assert!(back <= ms(3000), "{cut:?}: {back:?}");
    }
}

/// Both sides relayed, because nothing came through when they tried; the link over the relay lives.
fn relayed(kinds: [super::nat::Kind; 2], seed: u64, lasts_ms: u64) -> World {
    let mut world = World::new(kinds.map(Some), seed);
    world.cut = [true, true];
    world.exchange();
    live_on_relay(&mut world, lasts_ms);
    world
}

/// Something comes over the relay each second.
fn live_on_relay(world: &mut World, lasts_ms: u64) {
    for _ in 0..lasts_ms / 1000 {
        world.run(ms(1000));
        for side in [A, B] {
            if world.sides[side].selection == Selection::Relay {
                let now = Some(world.now + world.sides[side].skew);
                world.give(side, Input::Traffic { sent: now, heard: now });
            }
        }
    }
}

#[test]
fn a_relayed_link_becomes_direct_by_itself_when_it_can_be() {
    for (bad_ms, direct_after_ms) in [(4000, 3000), (15_000, 8000), (70_000, 13_000), (3_600_000, 610_000)] {
        let mut world = relayed([PORT_RESTRICTED, PORT_RESTRICTED], 16, bad_ms);
        assert_eq!(world.kinds(), [PathKind::Relayed; 2]);
        world.cut = [false, false];
        live_on_relay(&mut world, direct_after_ms);
        assert_eq!(world.kinds(), [PathKind::Punched; 2], "{bad_ms}: {:?}", world.report(A));
    }
}

#[test]
fn ports_are_guessed_once_more_after_six_minutes() {
    let mut world = relayed([super::nat::RANDOM, PORT_RESTRICTED], 17, 60_000);
    world.cut = [false, false];
    live_on_relay(&mut world, 310_000);
    assert_eq!(world.kinds(), [PathKind::Relayed; 2]);
    live_on_relay(&mut world, 20_000);
    assert!(world.are_direct(), "{:?} {:?}", world.report(A), world.report(B));
}

#[test]
fn trying_again_all_day_costs_less_than_a_quarter_of_a_megabyte() {
    let mut world = relayed([PORT_RESTRICTED, PORT_RESTRICTED], 18, 600_000);
    let before = world.sides[A].bytes;
    live_on_relay(&mut world, 24 * HOUR);
    let bytes = world.sides[A].bytes - before;
    assert!(bytes > 0 && bytes < 250_000, "{bytes} bytes a day");
}

#[test]
fn an_idle_path_that_dies_is_noticed_by_its_keep_alive() {
    let mut world = linked(6);
    world.cut = [true, true];
    world.run(ms(26_000));
    assert_eq!(world.kinds(), [PathKind::Relayed; 2]);
}

#[test]
fn a_path_with_traffic_is_never_left_for_loss_and_delay_alone() {
    let mut world = linked(7);
    world.link.loss_percent = 5;
    world.link.jitter_ms = 60;
    for side in [A, B] {
        world.sides[side].selected.clear();
    }
    world.talk(ms(60_000), ms(20));
    world.run(ms(60_000));
    assert_eq!(selections(&world, A), []);
    assert_eq!(selections(&world, B), []);
}

#[test]
fn neighbors_meet_on_their_own_network_and_never_leave_it_for_the_internet() {
    let mut world = neighbors();
    world.nats[0].kind = FULL_CONE;
    world.exchange();
    world.run(ms(2000));
    assert_eq!(world.kinds(), [PathKind::Lan; 2]);
    world.talk(ms(60_000), ms(20));
    world.run(ms(60_000));
    assert_eq!(world.kinds(), [PathKind::Lan; 2]);
    assert_eq!(world.report(A).way.unwrap().to, "192.168.1.6:7701".parse().unwrap());
}

#[test]
fn neighbors_who_forbid_it_do_not_use_their_network() {
    let mut world = neighbors();
    world.sides[A].policy = Policy::NoLan;
    world.exchange();
    world.run(ms(3000));
    assert_eq!(world.kinds(), [PathKind::Relayed; 2]);
    assert!(!world.sides[A].sent.contains_key(&"192.168.1.6".parse::<IpAddr>().unwrap()));
}

#[test]
fn who_allows_the_relay_only_sends_and_answers_nothing_and_ends_what_there_was() {
    let mut world = linked(8);
    world.sides[A].policy = Policy::RelayOnly;
    world.exchange();
    world.run(ms(500));
    let sent = world.sides[A].sent.clone();
    world.run(ms(60_000));
    assert_eq!(world.sides[A].sent, sent);
    assert_eq!(world.kinds(), [PathKind::Relayed; 2]);
    assert_eq!(world.report(A).why_not_direct, Some(WhyNot::OwnPolicy));
    assert_eq!(world.report(B).why_not_direct, Some(WhyNot::NoCandidates));
    assert!(world.sides[A].admitted.is_empty());
}

#[test]
fn another_exchange_changes_keys_without_leaving_the_path() {
    let mut world = linked(9);
    world.talk(ms(5000), ms(20));
    for side in [A, B] {
        world.sides[side].selected.clear();
    }
    world.exchange();
    world.run(ms(5000));
    assert_eq!(selections(&world, A), []);
    assert_eq!(selections(&world, B), []);
    assert!(world.are_direct());
}

#[test]
fn a_side_that_moves_to_another_network_is_followed_within_a_quarter_of_a_second() {
    for side in [A, B] {
        let mut world = linked(10);
        world.talk(ms(5000), ms(20));
        world.run(ms(500));
        world.nats.push(super::nat::Nat::new(PORT_RESTRICTED, "198.51.100.77".parse().unwrap(), 9));
        world.sides[side].nats = vec![2];
        world.sides[side].ips = vec!["172.20.0.5".parse().unwrap()];
        let moved = world.now;
        let local = world.look(side);
        world.give(side, Input::Local(local));
        let other = 1 - side;
        while !matches!(world.sides[other].selection, Selection::Direct(Way { to, .. }) if to.ip() == world.nats[2].outside)
        {
            world.run(ms(5));
            assert!(world.now - moved < ms(1000), "side {side}: {:?}", world.report(other).notes);
        }
        assert!(
            world.now - moved <= ms(250),
            "side {side}: {:?} {:?}",
            world.now - moved,
            world.report(other)
        );
        assert!(world.are_direct());
        assert!(world.sides[side].outputs.contains(&super::super::Output::Signal));
    }
}

#[test]
fn a_nat_that_restarts_is_punched_again() {
    let mut world = linked(11);
    world.talk(ms(20_000), ms(20));
    world.run(ms(500));
    world.nats[0].forget();
    world.run(ms(1000));
    assert_eq!(world.kinds(), [PathKind::Relayed; 2]);
    // The reflectors see another address.
    let local = world.look(A);
    world.give(A, Input::Local(local));
    assert!(world.until_direct(ms(500)).is_some(), "{:?}", world.report(A));
    world.run(ms(5000));
    assert!(world.are_direct(), "{:?} {:?}", world.report(A), world.report(B));
}

#[test]
fn without_a_relay_a_direct_path_is_all_there_is() {
    let mut world = World::new([None, Some(PORT_RESTRICTED)], 12);
    world.sides[A].relay = false;
    world.sides[B].relay = false;
    world.exchange();
    assert_eq!(world.report(A).kind, PathKind::None);
    assert!(world.until_direct(ms(1000)).is_some());
    assert_eq!(world.kinds(), [PathKind::DirectV4; 2]);
}

#[test]
fn ipv6_is_used_where_both_have_it_and_a_broken_one_costs_nothing() {
    let mut world = World::new([Some(PORT_RESTRICTED), Some(PORT_RESTRICTED)], 13);
    world.sides[A].ips.push("2001:db8:1::5".parse().unwrap());
    world.sides[B].ips.push("2001:db8:2::5".parse().unwrap());
    world.exchange();
    assert!(world.until_direct(ms(90)).is_some());
    assert_eq!(world.kinds(), [PathKind::DirectV6; 2]);

    let mut world = World::new([Some(PORT_RESTRICTED), Some(PORT_RESTRICTED)], 13);
    world.sides[A].ips.push("2001:db8:1::5".parse().unwrap());
    world.exchange();
    assert!(world.until_direct(ms(90)).is_some());
    assert_eq!(world.kinds(), [PathKind::Punched; 2]);
}

#[test]
fn the_log_tells_what_happened_and_is_bounded() {
    let mut world = linked(14);
    let notes: Vec<Note> = world.report(A).notes.iter().map(|(_, note)| *note).collect();
    assert!(
        matches!(notes[..], [Note::Exchanged, Note::Selected(_), Note::Heard { .. }, .., Note::Selected(_)]),
        "{notes:?}"
    );
    for _ in 0..100 {
        world.give(A, Input::Relay(false));
        let local = world.look(A);
        world.exchange();
        world.give(A, Input::Local(local));
        world.run(ms(100));
    }
    assert_eq!(world.report(A).notes.len(), super::super::NOTES_MAX);
}

#[test]
fn a_nat_that_is_found_out_during_the_exchange_is_still_met() {
    use super::super::Local;
    use hobnob_wire::signal::Mapping;
    for kinds in [[super::nat::RANDOM, PORT_RESTRICTED], [PORT_RESTRICTED, super::nat::RANDOM]] {
        let mut world = World::new(kinds.map(Some), 15);
        world.exchange();
        for side in [A, B] {
            let known = world.look(side);
            let unknown = Local {
                mapping: Mapping::Unknown,
                candidates: known.candidates[..1].to_vec(),
                ..known.clone()
            };
            world.give(side, Input::Local(unknown));
        }
        world.run(ms(100));
        for side in [A, B] {
            let known = world.look(side);
            world.give(side, Input::Local(known));
        }
        assert!(world.until_direct(ms(5000)).is_some(), "{:?}", world.report(A));
    }
}

#[test]
fn a_side_that_wakes_up_checks_its_way_at_once() {
    let mut world = linked(16);
    world.run(ms(10_000));
    let before = world.report(A).sent;
    world.give(A, Input::Woke);
    assert!(world.report(A).sent > before, "{:?}", world.report(A));
    world.run(ms(500));
    assert!(world.are_direct());
}

#[test]
fn nothing_is_sent_to_addresses_of_a_family_that_we_do_not_have() {
    for peer in [PORT_RESTRICTED, super::nat::RANDOM] {
        let mut world = World::new([None, Some(peer)], 17);
        world.sides[A].ips = vec!["2001:db8:1::5".parse().unwrap()];
        world.exchange();
        world.run(ms(10_000));
        for side in [A, B] {
            let report = world.report(side);
            assert_eq!((report.sent, report.why_not_direct), (0, Some(WhyNot::NoCommonFamily)), "{report:?}");
        }
    }
}

#[test]
fn whoever_is_seen_by_nobody_guesses_no_ports() {
    use super::super::Local;
    use hobnob_wire::signal::Mapping;
    // Nobody sees it at all, or only by IPv6.
    for mapping in [Mapping::Unknown, Mapping::NoNat] {
        let mut world = World::new([PORT_RESTRICTED, super::nat::RANDOM].map(Some), 18);
        let blocked = world.look(A);
        let blocked = Local { mapping, candidates: blocked.candidates[..1].to_vec(), ..blocked };
        world.exchange();
        world.give(A, Input::Local(blocked));
        world.run(ms(10_000));
        assert!(world.report(A).sent < 100, "{mapping:?}: {:?}", world.report(A));
    }
}
