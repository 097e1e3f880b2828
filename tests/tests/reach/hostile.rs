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

/// Who lies about where the first side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Liar {
    /// The first side names the victim's address in its signals.
    Contact,
    /// The rendezvous tells the first side, which is honest, and the other that it sees it at the victim's address.
    Rendezvous,
}

/// What a victim gets at whose address a side is said to be: within the first so many seconds of an exchange, and within three
/// minutes of ever new ones. It is then left until all that did not work is tried once more, three seconds later at the
/// earliest.
fn victim_of(pair: [Place; 2], liar: Liar, seconds: u32) -> [Counts; 2] {
    let mut duel = Duel::new(1, pair, &Shape::delay(10 * MS));
    let victim = stranger(&mut duel, [192, 0, 2, 7]);
    let ip = duel.internet.addresses(victim)[0];
    let candidate = |port| Candidate { kind: CandidateKind::Reflexive, at: SocketAddr::new(ip, port).into() };
    match liar {
        Liar::Contact => duel.injected = [(5000..5008).map(candidate).collect(), Vec::new()],
        Liar::Rendezvous => duel.deceive(ip),
    }
    let begins = duel.now + duel.signal_takes;
    duel.offer(0);
    duel.run_for(begins + seconds * SECOND - duel.now);
    let early = duel.internet.counts(victim);
    duel.run_for(29 * SECOND / 10);
    assert_eq!(duel.internet.counts(victim), early, "{pair:?}: it was not left");
    duel.run_for(20 * SECOND);
    for _ in 0..3 {
        duel.offer(1);
        duel.run_for(20 * SECOND);
    }
    duel.run_for(2 * 60 * SECOND);
    [early, duel.internet.counts(victim)]
}

/// Every kind of NAT before the side that is said to be at the victim's, and those before the other that would make it guess.
fn pairs() -> impl Iterator<Item = [Place; 2]> {
    let others = [Place::Open, Place::PortRestricted, Place::SymmetricSequential, Place::SymmetricRandom];
    let firsts = others.into_iter().chain([Place::FullCone, Place::DoubleNat]);
    firsts.flat_map(move |first| others.map(|other| [first, other]))
}

#[test]
fn a_contact_who_names_a_victims_address_gets_two_kibibytes_a_minute_sent_there_and_it_is_left_within_two_seconds()
 {
    for pair in pairs() {
        let [early, all] = victim_of(pair, Liar::Contact, 2);
        assert!(early.received_bytes <= VICTIM_BYTES_MAX, "{pair:?}: {early:?}");
        assert!(all.received_bytes <= 3 * VICTIM_BYTES_MAX, "{pair:?}: {all:?}");
    }
}

#[test]
fn a_rendezvous_that_deceives_a_side_gets_two_kibibytes_a_minute_sent_to_a_victim_where_no_ports_are_guessed()
{
    let easy = |pair: &[Place; 2]| {
        pair.iter().all(|place| !matches!(place, Place::SymmetricSequential | Place::SymmetricRandom))
    };
    for pair in pairs().filter(easy) {
        let [early, all] = victim_of(pair, Liar::Rendezvous, 2);
        assert!(early.received_bytes <= VICTIM_BYTES_MAX, "{pair:?}: {early:?}");
        assert!(all.received_bytes <= 3 * VICTIM_BYTES_MAX, "{pair:?}: {all:?}");
    }
}

#[test]
fn a_rendezvous_that_deceives_a_side_where_ports_are_guessed_gets_1500_packets_in_five_minutes_sent_to_a_victim()
 {
    for pair in pairs() {
        let [early, all] = victim_of(pair, Liar::Rendezvous, 10);
        let others_max = VICTIM_BYTES_MAX / 87;
        assert!(early.received_packets <= GUESSES_MAX + others_max, "{pair:?}: {early:?}");
        assert!(all.received_packets <= GUESSES_MAX + 3 * others_max, "{pair:?}: {all:?}");
    }
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
