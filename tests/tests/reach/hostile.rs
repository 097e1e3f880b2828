//! What somebody who sends whatever they like can do to two agents and to others: nothing that lasts.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hobnob_nat::core::agent::Selection;
use hobnob_nat::simulation::{Counts, HostId, Packet, Place, RealmId, Shape};
use hobnob_wire::datagram::{self, Datagram, DatagramKey, Transaction};
use hobnob_wire::signal::{Candidate, CandidateKind};

use crate::duel::Duel;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// What an address that never answers may get.
const VICTIM_BYTES_MAX: u64 = 2048;
/// And beyond that, while ports behind it are guessed.
const GUESSES_MAX: u64 = 1500;

/// Two sides that anybody can send to, and somebody who does.
fn open_duel() -> (Duel, HostId) {
    let mut duel = Duel::new(1, [Place::Open, Place::Open], &Shape::delay(10 * MS));
    let mallory = stranger(&mut duel, [192, 0, 2, 66]);
    (duel, mallory)
}

fn stranger(duel: &mut Duel, ip: [u8; 4]) -> HostId {
    duel.internet.add_host(RealmId::PUBLIC, &[ip.into()], &Shape::delay(5 * MS))
}

/// The address at which a side is reached.
fn at(duel: &Duel, side: usize) -> SocketAddr {
    let ip = duel.internet.addresses(duel.sides[side].host)[0];
    SocketAddr::new(ip, duel.sides[side].main_port())
}

fn selections(duel: &Duel) -> [Selection; 2] {
    [0, 1].map(|side| duel.sides[side].selection)
}

fn is_direct(duel: &Duel) -> bool {
    selections(duel).iter().all(|selection| matches!(selection, Selection::Direct(_)))
}

#[test]
fn forged_datagrams_are_neither_answered_nor_believed() {
    let (mut duel, mallory) = open_duel();
    duel.offer(0);
    duel.run_for(5 * SECOND);
    let before = selections(&duel);
    assert!(is_direct(&duel));

    let own = SocketAddr::new(duel.internet.addresses(mallory)[0], 7700);
    let (attempt, seen) = (duel.attempt(0), own.into());
    let guessed = DatagramKey::new([0; 32]);
    for number in 0..1000 {
        let transaction = Transaction(number);
        for datagram in [
            Datagram::Check { attempt, transaction, nominated: true, room: [0; 17] },
            Datagram::CheckAnswer { attempt, transaction, seen },
            Datagram::Stop { attempt, transaction },
        ] {
            for source in [own, at(&duel, 0)] {
                let packet = Packet::udp(source, at(&duel, 1), datagram.seal(&guessed));
                duel.internet.send(mallory, packet, duel.now);
            }
        }
    }
    duel.run_for(5 * SECOND);
    assert_eq!(duel.internet.counts(mallory).received_packets, 0);
    assert_eq!(selections(&duel), before);
}

#[test]
fn replayed_and_reflected_datagrams_are_neither_answered_nor_believed() {
    let (mut duel, mallory) = open_duel();
    let own = SocketAddr::new(duel.internet.addresses(mallory)[0], 7700);
    for heard in [0, 1] {
        let host = duel.sides[heard].host;
        duel.internet.record(host);
        duel.offer(0);
        duel.run_for(5 * SECOND);
        let before = selections(&duel);
        let packets = duel.internet.take_record();
        let datagrams: Vec<Packet> =
            packets.into_iter().filter(|packet| datagram::parse(&packet.content).is_ok()).collect();
        assert!(!datagrams.is_empty());
        for packet in &datagrams {
            for to in [0, 1] {
                for source in [own, at(&duel, 1 - to)] {
                    let replayed = Packet::udp(source, at(&duel, to), packet.content.clone());
                    duel.internet.send(mallory, replayed, duel.now);
                }
            }
        }
        duel.run_for(5 * SECOND);
        assert_eq!(duel.internet.counts(mallory).received_packets, 0);
        assert_eq!(selections(&duel), before);
    }
}

/// What a victim gets whose address is in a signal: within the first so many seconds, and in the end.
fn victim_of(pair: [Place; 2], seconds: u32) -> [Counts; 2] {
    let mut duel = Duel::new(1, pair, &Shape::delay(10 * MS));
    let victim = stranger(&mut duel, [192, 0, 2, 7]);
    let ip = duel.internet.addresses(victim)[0];
    let candidate = |port| Candidate { kind: CandidateKind::Reflexive, at: SocketAddr::new(ip, port).into() };
    duel.injected = [(5000..5008).map(candidate).collect(), Vec::new()];
    let begins = duel.now + duel.signal_takes;
    duel.offer(0);
    duel.run_for(begins + seconds * SECOND - duel.now);
    let early = duel.internet.counts(victim);
    duel.run_for(60 * SECOND);
    [early, duel.internet.counts(victim)]
}

#[test]
fn an_injected_victim_gets_little_and_is_left_within_two_seconds() {
    for pair in [[Place::Open, Place::Open], [Place::PortRestricted, Place::PortRestricted]] {
        let [early, all] = victim_of(pair, 2);
        assert!(all.received_bytes <= VICTIM_BYTES_MAX, "{pair:?}: {all:?}");
        assert_eq!(all, early, "{pair:?}");
    }
}

#[test]
fn a_contact_who_claims_a_hard_nat_gets_no_more_guesses_sent_to_a_victim_than_allowed() {
    let [early, all] = victim_of([Place::SymmetricRandom, Place::PortRestricted], 3);
    let others_max = VICTIM_BYTES_MAX / 87;
    assert!(all.received_packets <= GUESSES_MAX + others_max, "{all:?}");
    assert_eq!(all, early);
}

#[test]
fn ten_thousand_candidates_cost_no_more_than_eight_and_prevent_nothing() {
    let (mut duel, _) = open_duel();
    let everywhere = (0..10_000_u32).map(|number| {
        let [_, _, high, low] = number.to_be_bytes();
        let ip = IpAddr::from([100, 70, high, low]);
        Candidate { kind: CandidateKind::Host, at: SocketAddr::new(ip, 7700).into() }
    });
    duel.injected = [everywhere.collect(), Vec::new()];
    duel.offer(0);
    let before = duel.internet.counts(duel.sides[1].host).sent_packets;
    duel.run_for(SECOND);
    let sent = duel.internet.counts(duel.sides[1].host).sent_packets - before;
    assert!(sent < 200, "{sent} packets");
    assert!(is_direct(&duel));
}
