//! The other side, the rendezvous or somebody on the way is hostile.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hobnob_wire::datagram::{Datagram, DatagramKey, Transaction};
use hobnob_wire::signal::{Candidate, CandidateKind, Mapping};

use super::super::{Input, Note, Output, PAIRS_MAX, PathKind, Remote, Way, WhyNot};
use super::nat::PORT_RESTRICTED;
use super::world::{A, B, World, ms};
use crate::core::candidate::outside;

const VICTIM: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 66));

fn linked() -> World {
    let mut world = World::new([None, Some(PORT_RESTRICTED)], 1);
    world.exchange();
    assert!(world.until_direct(ms(1000)).is_some());
    world.run(ms(3000));
    world
}

fn candidate(at: SocketAddr) -> Candidate {
    Candidate { kind: CandidateKind::Reflexive, at: at.into() }
}

/// B tells A these candidates, with a key that B has.
fn told(world: &mut World, mapping: Mapping, candidates: Vec<Candidate>) {
    let (attempt, key) = (world.attempt(), world.sides[B].key.clone());
    let witnessed = outside(&candidates).map(|at| at.ip());
    world.give(A, Input::Remote(Remote { attempt, key, mapping, candidates, witnessed }));
}

fn check(world: &World, number: u64, key: &DatagramKey) -> Vec<u8> {
    let (attempt, transaction) = (world.attempt(), Transaction(number));
    Datagram::Check { attempt, transaction, nominated: true, room: [0; 17] }.seal(key)
}

fn to_victim(world: &World) -> (u32, u32) {
    world.sides[A].sent.get(&VICTIM).copied().unwrap_or_default()
}

#[test]
fn an_injected_address_gets_two_kibibytes_at_most_and_is_left_within_two_seconds() {
    let mut world = linked();
    let ports = 2000..2008;
    told(&mut world, Mapping::Random, ports.map(|port| candidate(SocketAddr::new(VICTIM, port))).collect());
    world.run(ms(2000));
    let sent = to_victim(&world);
    assert!(sent.0 > 0 && sent.1 <= 2048, "{sent:?}");
    world.run(ms(600_000));
    assert_eq!(to_victim(&world), sent);
    assert!(world.are_direct());
}

#[test]
fn an_address_that_is_told_again_and_again_gets_no_more() {
    let mut world = linked();
    for _ in 0..50 {
        told(&mut world, Mapping::EndpointIndependent, vec![candidate(SocketAddr::new(VICTIM, 2000))]);
        world.run(ms(1000));
    }
    assert!(to_victim(&world).1 <= 2048, "{:?}", to_victim(&world));
}

#[test]
fn authentic_checks_with_the_source_of_a_victim_send_it_no_more_than_two_kibibytes() {
    let mut world = linked();
    let key = world.sides[A].key.clone();
    for number in 0..500 {
        let bytes = check(&world, 1_000_000 + number, &key);
        world.receive(A, Way::main(SocketAddr::new(VICTIM, 2000)), &bytes);
        world.run(ms(2));
    }
    world.run(ms(10_000));
    assert!(to_victim(&world).1 <= 2048, "{:?}", to_victim(&world));
    assert_eq!(world.report(A).kind, PathKind::DirectV4);
}

#[test]
fn ten_thousand_candidates_are_eight() {
    let mut world = linked();
    let many = (0..10_000_u32)
        .map(|n| candidate(SocketAddr::from((Ipv4Addr::from(0xcb00_7200 + n), 2000))))
        .collect();
    told(&mut world, Mapping::EndpointIndependent, many);
    world.run(ms(10_000));
    assert!(world.sides[A].sent.len() <= 9 + 1, "{} addresses", world.sides[A].sent.len());
    assert!(world.are_direct());
}

#[test]
fn forged_checks_change_nothing() {
    let mut world = linked();
    let (sent, report) = (world.sides[A].sent.clone(), world.report(A));
    let key = DatagramKey::new([99; 32]);
    for number in 0..10_000_u32 {
        let bytes = check(&world, u64::from(number), &key);
        let from = SocketAddr::from((Ipv4Addr::from(0xcb00_7200 + number), 2000));
        world.receive(A, Way::main(from), &bytes);
    }
    assert_eq!((world.sides[A].sent.clone(), world.report(A)), (sent, report));
}

#[test]
fn what_is_replayed_or_reflected_changes_nothing() {
    let mut world = linked();
    let captured = std::mem::take(&mut world.captured);
    let (sent, report) = (world.sides[A].sent.clone(), world.report(A));
    for (_, way, bytes) in captured {
        for from in [way.to, SocketAddr::new(VICTIM, 2000), SocketAddr::new(world.nats[0].outside, 2000)] {
            world.receive(A, Way::main(from), &bytes);
        }
    }
    assert_eq!((world.sides[A].sent.clone(), world.report(A)), (sent, report));
}

#[test]
fn sources_without_end_take_no_memory_and_do_not_displace_the_path() {
    let mut world = linked();
    let (key, report) = (world.sides[A].key.clone(), world.report(A));
    for number in 0..500_u32 {
        let bytes = check(&world, 1_000_000 + u64::from(number), &key);
        let from = SocketAddr::from((Ipv4Addr::from(0xcb00_7200 + number), 2000));
        world.receive(A, Way::main(from), &bytes);
    }
    assert!(world.sides[A].admitted.len() <= PAIRS_MAX, "{}", world.sides[A].admitted.len());
    world.run(ms(60_000));
    assert_eq!(world.report(A).way, report.way);
}

#[test]
fn a_check_is_answered_only_where_quic_is_taken_from() {
    let mut world = linked();
    let key = world.sides[A].key.clone();
    let mut taken = 0;
    for number in 0..40_u32 {
        let way = Way::main(SocketAddr::from((Ipv4Addr::from(0xcb00_7200 + number), 2000)));
        let bytes = check(&world, 1_000_000 + u64::from(number), &key);
        world.receive(A, way, &bytes);
        let is_taken = world.sides[A].admitted.contains(&way);
        assert_eq!(world.sides[A].sent.contains_key(&way.to.ip()), is_taken, "{way}");
        taken += u32::from(is_taken);
    }
    assert!(taken > 0 && taken < 40, "{taken} were taken");
}

#[test]
fn who_sends_checks_without_end_is_asked_to_stop() {
    let mut world = linked();
    let (key, way) = (world.sides[A].key.clone(), world.report(A).way.unwrap());
    world.run(ms(10_000));
    for number in 0..5000 {
        let bytes = check(&world, 1_000_000 + number, &key);
        world.receive(A, way, &bytes);
    }
    let asked =
        world.sides[A].outputs.iter().filter(|output| **output == Output::Note(Note::AskedToStop)).count();
    assert_eq!(asked, 1);
    world.run(ms(100));
    assert_eq!(world.report(B).why_not_direct, Some(WhyNot::Stopped));
}

#[test]
fn a_request_to_stop_is_honored_and_a_new_exchange_ends_it() {
    let mut world = linked();
    let (attempt, key) = (world.attempt(), world.sides[B].key.clone());
    let way = world.report(B).way.unwrap();
    let bytes = Datagram::Stop { attempt, transaction: Transaction(1_000_000) }.seal(&key);
    world.receive(B, way, &bytes);
    assert_eq!(world.report(B).kind, PathKind::Relayed);
    let sent = world.report(B).sent;
    world.run(ms(100_000));
    assert_eq!(world.report(B).sent, sent);
    assert_eq!(world.report(B).why_not_direct, Some(WhyNot::Stopped));
    world.exchange();
    assert!(world.until_direct(ms(1000)).is_some());
}

#[test]
fn nobody_guesses_ports_for_an_offer_that_may_be_old() {
    // B hears an offer, and nothing that only a living peer could say.
    let mut world = World::new([Some(super::nat::RANDOM), Some(PORT_RESTRICTED)], 2);
    world.sides[A].relay = false;
    world.sides[B].relay = false;
    world.exchange();
    world.cut = [true, true];
    world.run(ms(20_000));
    let most = world.sides[B].sent.values().map(|(_, bytes)| *bytes).max().unwrap();
    assert!(most <= 2048, "{most} bytes");
}
