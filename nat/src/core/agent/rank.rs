//! Decides which of the ways that work is the best, and when a better one is worth a change.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hobnob_wire::signal::CandidateKind;

use super::input::Local;
use super::pair::{Origin, Pair};
use super::report::PathKind;
use crate::core::candidate;

/// A change to a way of the same group must save at least this much of the round trip, or a quarter of it if that is more.
/// Noise of Wi-Fi stays below.
const GAIN_MIN: Duration = Duration::from_millis(10);
/// How long the selection rests before round-trip times alone may change it.
const DWELL: Duration = Duration::from_secs(5);

/// How good a way is by what it is; less is better. The first number is the group: a way of a better group is always
/// preferred, so a local network is never left for the Internet.
pub(super) type Rank = (u8, u8);

/// What kind of path this way is.
pub(super) fn kind(pair: &Pair, local: &Local) -> PathKind {
    let ip = pair.way.to.ip();
    let told = matches!(pair.origin, Origin::Told(_));
    if pair.origin == Origin::Guessed {
        return PathKind::Predicted;
    }
    if ip.is_loopback() || is_neighbour(ip, local) || (told && candidate::is_local(ip)) {
        return PathKind::Lan;
    }
    if ip.is_ipv6() {
        return PathKind::DirectV6;
    }
    let seen = pair.proof.map(|proof| proof.seen);
    let seen_as = |kind| {
        let mut own = local.candidates.iter().filter(|one| one.kind == kind);
        own.any(|one| seen == Some(SocketAddr::from(one.at)))
    };
    match pair.origin {
        Origin::Told(CandidateKind::Host) => PathKind::DirectV4,
        Origin::Told(CandidateKind::Mapped) => PathKind::Mapped,
        Origin::Told(CandidateKind::Reflexive) | Origin::Discovered | Origin::Guessed => {
            if seen_as(CandidateKind::Host) {
                PathKind::DirectV4
            } else if seen_as(CandidateKind::Mapped) {
                PathKind::Mapped
            } else {
                PathKind::Punched
            }
        }
    }
}

/// Whether one of our interfaces is in the same network.
fn is_neighbour(ip: IpAddr, local: &Local) -> bool {
    let mut hosts = local.candidates.iter().filter(|one| one.kind == CandidateKind::Host);
    hosts.any(|one| candidate::share_subnet(SocketAddr::from(one.at).ip(), ip))
}

/// The rank of a way.
pub(super) fn rank(pair: &Pair, local: &Local) -> Rank {
    let ip = pair.way.to.ip();
    if candidate::is_container(ip) {
        return (2, 0);
    }
    match kind(pair, local) {
        PathKind::Lan if ip.is_loopback() => (0, 0),
        PathKind::Lan if is_neighbour(ip, local) => (0, 1),
        PathKind::Lan => (0, 2),
        PathKind::DirectV6 => (1, 0),
        PathKind::DirectV4 => (1, 1),
        PathKind::Mapped => (1, 2),
        PathKind::Punched => (1, 3),
        PathKind::Predicted => (1, 4),
        PathKind::None | PathKind::Relayed | PathKind::Tunnelled => (3, 0),
    }
}

/// The best of the ways that work, where `current` is selected since `since`.
pub(super) fn best<'a>(
    pairs: impl Iterator<Item = &'a Pair>,
    current: Option<&'a Pair>,
    local: &Local,
    rested: Duration,
) -> Option<&'a Pair> {
    let mut best = current;
    for pair in pairs {
        best = match best {
            Some(known) if !is_better(pair, known, local, current.is_none() || rested >= DWELL) => {
                Some(known)
            }
            Some(_) | None => Some(pair),
        };
    }
    best
}

fn is_better(pair: &Pair, known: &Pair, local: &Local, by_time: bool) -> bool {
    let (rank, known_rank) = (rank(pair, local), rank(known, local));
    if rank.0 != known_rank.0 {
        return rank.0 < known_rank.0;
    }
    if pair.way.to.ip() == known.way.to.ip() {
        // Another port of the same NAT is the same path, and the peer may have closed it.
        return false;
    }
    let rtt = |pair: &Pair| pair.proof.map_or(Duration::MAX, |proof| proof.rtt);
    let (rtt, known_rtt) = (rtt(pair), rtt(known));
    let gain = GAIN_MIN.max(known_rtt / 4);
    if known_rtt.saturating_sub(rtt) > gain {
        return by_time;
    }
    // About equally quick: the simpler kind, which holds longer.
    rank < known_rank && by_time && rtt.saturating_sub(known_rtt) < GAIN_MIN
}

#[cfg(test)]
mod tests {
    use hobnob_wire::signal::{Candidate, Mapping};

    use super::super::way::Way;
    use super::*;
    use crate::core::candidate::Loopback;

    const LONG: Duration = Duration::from_secs(60);

    fn local() -> Local {
        let host = |text: &str| Candidate {
            kind: CandidateKind::Host,
            at: text.parse::<SocketAddr>().unwrap().into(),
        };
        Local {
            candidates: vec![host("192.168.1.5:7701"), host("[2001:db8:1::5]:7701")],
            mapping: Mapping::EndpointIndependent,
            loopback: Loopback::Forbidden,
        }
    }

    fn proved(to: &str, origin: Origin, rtt_ms: u64) -> Pair {
        let mut pair = Pair::new(Way::main(to.parse().unwrap()), origin);
        pair.answered(Duration::from_millis(rtt_ms), "203.0.113.1:7701".parse().unwrap(), LONG);
        pair
    }

    const HOST: Origin = Origin::Told(CandidateKind::Host);
    const REFLEXIVE: Origin = Origin::Told(CandidateKind::Reflexive);

    #[test]
    fn ways_rank_from_the_same_subnet_to_container_networks() {
        let ordered = [
            proved("192.168.1.9:7701", HOST, 1),
            proved("10.1.2.3:7701", HOST, 1),
            proved("[2001:db8:2::5]:7701", HOST, 1),
            proved("198.51.100.1:7701", HOST, 1),
            proved("198.51.100.1:7702", Origin::Told(CandidateKind::Mapped), 1),
            proved("198.51.100.1:7703", REFLEXIVE, 1),
            proved("198.51.100.1:7704", Origin::Guessed, 1),
            proved("172.17.0.2:7701", HOST, 1),
        ];
        assert!(ordered.is_sorted_by_key(|pair| rank(pair, &local())));
    }

    #[test]
    fn a_local_network_is_never_left_for_the_internet_however_quick_it_is() {
        let (lan, wan) = (proved("192.168.1.9:7701", HOST, 300), proved("198.51.100.1:7701", HOST, 1));
        let chosen = best([&wan].into_iter(), Some(&lan), &local(), LONG).unwrap();
        assert_eq!(chosen.way, lan.way);
        let chosen = best([&lan].into_iter(), Some(&wan), &local(), Duration::ZERO).unwrap();
        assert_eq!(chosen.way, lan.way);
    }

    #[test]
    fn a_change_needs_a_gain_of_a_quarter_and_of_ten_milliseconds_and_some_rest() {
        let cases = [(40, 31, false), (40, 29, true), (200, 155, false), (200, 140, true)];
        for (current_ms, other_ms, changes) in cases {
            let current = proved("198.51.100.1:7703", REFLEXIVE, current_ms);
            let other = proved("198.51.100.2:7704", Origin::Guessed, other_ms);
            let chosen = |rested| best([&other].into_iter(), Some(&current), &local(), rested).unwrap().way;
            assert_eq!(chosen(LONG) == other.way, changes, "{current_ms} {other_ms}");
            assert_eq!(chosen(Duration::ZERO), current.way);
        }
    }

    #[test]
    fn another_port_of_the_same_nat_is_no_better_way() {
        let (current, other) =
            (proved("198.51.100.1:7703", Origin::Guessed, 90), proved("198.51.100.1:7704", REFLEXIVE, 20));
        assert_eq!(best([&other].into_iter(), Some(&current), &local(), LONG).unwrap().way, current.way);
    }

    #[test]
    fn among_ways_of_about_the_same_time_the_simpler_kind_is_chosen() {
        let (v6, punched) =
            (proved("[2001:db8:2::5]:7701", HOST, 44), proved("198.51.100.1:7703", REFLEXIVE, 40));
        for order in [[&v6, &punched], [&punched, &v6]] {
            assert_eq!(best(order.into_iter(), None, &local(), LONG).unwrap().way, v6.way);
        }
    }
}
