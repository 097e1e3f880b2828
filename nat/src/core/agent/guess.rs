//! Guesses ports of NATs whose mappings depend on the endpoint: prediction where they follow a rule, the birthday method
//! where they do not.
//!
//! A NAT with endpoint-dependent mappings ("hard") shows the peer another port than it shows a reflector. Against an
//! easy NAT with strict filtering one of two methods works:
//!
//! - *prediction*: a counter's next ports are known, so the easy side checks all of them;
//! - *birthday*: the hard side sends from many sockets to the easy side's one address, so that many of its 64,512 ports
//!   are open for it; the easy side checks random ports until one is hit: after 1,500 with 256 sockets in 99.7 % of cases.
//!
//! Two counters meet when both sides send from many sockets to the port that is some way ahead of the other's last one.
//! Two NATs that choose at random would need some 2³² packets; nothing is tried.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hobnob_wire::signal::{CandidateKind, Mapping};

use super::SOCKETS_MAX;
use super::budget::GUESS_PACKETS_MAX;
use super::exchange::Told;
use super::input::Local;
use super::random::Random;
use super::way::{SocketId, Way};
use crate::core::candidate;

/// Next ports of a counter that are checked: our own checks move it by up to eight, other traffic by some more.
const PREDICTED_PORTS: i32 = 24;
/// How far around a counter's last port all ports are tried when its next ones were not the right ones: it may be busier
/// than it seemed, or no counter.
const SWEEP_PORTS: i32 = 700;
/// How far ahead two counters meet, in steps, and from how many sockets: the counters may have moved by 31 since the signals.
const MEETING_STEPS: i32 = 32;
const MEETING_SOCKETS: u16 = 40;
/// Sockets within a block of ports, which holds some thousand at most.
const BLOCK_SOCKETS: u16 = 64;
/// The ports that a NAT gives out.
const PORTS: std::ops::RangeInclusive<i32> = 1024..=65_535;
/// Packets sent at once, and the pause after them when they are many: below 1,000 packets a second.
const BATCH: usize = 9;
const PAUSE: Duration = Duration::from_millis(10);
/// How long the last guess may take to be answered.
const LINGER: Duration = Duration::from_secs(2);

/// Which packets of ours could meet one of the peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Aim {
    /// One socket, many ports of an address.
    Ports(Vec<Way>),
    /// Many sockets, one address.
    Sockets { to: SocketAddr, count: u16 },
}

/// When they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    /// From when both sides' signals are known: simpler ways go first.
    delay: Duration,
    /// Packets between two pauses.
    batch: usize,
    /// When each is sent again, in ms from the first time: for loss, and for a peer that starts later.
    rounds_ms: &'static [u64],
}

/// Few packets, all at once.
const QUICK: Pace =
    Pace { delay: Duration::from_millis(10), batch: usize::MAX, rounds_ms: &[0, 100, 300, 700, 1500] };
/// The hard side's sockets, some time ahead of the other side's packets.
const OPENING: Pace =
    Pace { delay: Duration::from_millis(200), batch: BATCH, rounds_ms: &[0, 600, 2500, 6000] };
/// The same when the other side predicts and sweeps first.
const OPENING_LATE: Pace = Pace { delay: Duration::from_millis(1500), ..OPENING };
/// The easy side's many packets, each once.
const SPRAY: Pace = Pace { delay: Duration::from_millis(350), batch: BATCH, rounds_ms: &[0] };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// Sockets are being opened.
    Asked,
    Running {
        from: Duration,
        round: usize,
        next: usize,
        due: Duration,
    },
    Over,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Rest,
    /// Open so many sockets.
    Open(u16),
    /// Send checks these ways.
    Send(Vec<Way>),
    /// It has ended without a hit.
    End,
}

/// The guessing of one exchange.
#[derive(Debug)]
pub(super) struct Guess {
    ip: IpAddr,
    aim: Aim,
    pace: Pace,
    at: Duration,
    state: State,
    ways: Vec<Way>,
    /// What is tried when the next ports of a counter were not the right ones.
    sweep: Vec<Way>,
}

/// What two mapping behaviors allow.
#[derive(Debug)]
pub(super) enum Prospect {
    /// Plain checks do all that can be done here.
    Plain,
    /// Ports must be guessed if plain checks fail.
    Guess(Box<Guess>),
    /// Nobody can guess both ports.
    Hopeless,
}

/// What is to be tried besides plain checks, where `now` both sides' signals are known.
pub(super) fn prospect(local: &Local, told: &Told, random: &mut Random, now: Duration) -> Prospect {
    let Some(peer) = outside(told).filter(|_| is_outside(local)) else {
        return Prospect::Plain;
    };
    let own_is_hard = local.mapping.is_endpoint_dependent();
    let (aim, pace) = match (local.mapping, told.mapping) {
        (Mapping::Sequential { .. }, Mapping::Sequential { step }) => {
            let Some(port) = ahead(peer.port(), step, MEETING_STEPS) else {
                return Prospect::Hopeless;
            };
            (Aim::Sockets { to: SocketAddr::new(peer.ip(), port), count: MEETING_SOCKETS }, QUICK)
        }
        (_, peers) if own_is_hard && peers.is_endpoint_dependent() => return Prospect::Hopeless,
        (Mapping::Random, _) => (Aim::Sockets { to: peer, count: SOCKETS_MAX }, OPENING),
        (Mapping::Sequential { .. }, _) => (Aim::Sockets { to: peer, count: BLOCK_SOCKETS }, OPENING_LATE),
        (Mapping::Block { .. }, _) => (Aim::Sockets { to: peer, count: BLOCK_SOCKETS }, OPENING),
        (_, Mapping::Sequential { step }) => {
            let ports = (1..=PREDICTED_PORTS).filter_map(|steps| ahead(peer.port(), step, steps)).collect();
            (Aim::Ports(to_ports(peer.ip(), ports)), QUICK)
        }
        (_, Mapping::Block { ports }) => {
            let (port, span) = (i32::from(peer.port()), i32::from(ports));
            let block = (port - span..=port + span).filter_map(as_port).collect();
            (Aim::Ports(to_ports(peer.ip(), shuffled(block, random))), SPRAY)
        }
        (_, Mapping::Random) => {
            let all = PORTS.filter_map(as_port).collect();
            (Aim::Ports(to_ports(peer.ip(), shuffled(all, random))), SPRAY)
        }
        (
            Mapping::Unknown | Mapping::NoNat | Mapping::EndpointIndependent,
            Mapping::Unknown | Mapping::NoNat | Mapping::EndpointIndependent,
        ) => return Prospect::Plain,
    };
    let sweep = match aim {
        Aim::Ports(_) if pace == QUICK => {
            let port = i32::from(peer.port());
            let around = (port - SWEEP_PORTS..=port + SWEEP_PORTS).filter_map(as_port).collect();
            to_ports(peer.ip(), shuffled(around, random))
        }
        Aim::Ports(_) | Aim::Sockets { .. } => Vec::new(),
    };
    Prospect::Guess(Box::new(Guess {
        sweep,
        ip: peer.ip(),
        aim,
        at: now + pace.delay,
        pace,
        state: State::Waiting,
        ways: Vec::new(),
    }))
}

/// Whether packets of ours come out at all: somebody sees us at an address of IPv4.
fn is_outside(local: &Local) -> bool {
    let mut own = local.candidates.iter().map(|one| (one.kind, SocketAddr::from(one.at)));
    own.any(|(kind, at)| at.is_ipv4() && is_seen(kind, at, local.mapping))
}

/// Whether somebody sees whoever has this candidate there: where UDP is blocked, nobody does. Without a NAT that is the
/// address of an interface.
fn is_seen(kind: CandidateKind, at: SocketAddr, mapping: Mapping) -> bool {
    kind != CandidateKind::Host || (mapping == Mapping::NoNat && !candidate::is_local(at.ip()))
}

/// Where the peer's NAT shows it: its address of IPv4 outside, witnessed if one is, with the port that a counter gave out last.
fn outside(told: &Told) -> Option<SocketAddr> {
    let of = |kind: CandidateKind| {
        let all = told.candidates.iter().filter(|(known, at)| *known == kind && at.is_ipv4());
        let seen = all.map(|(_, at)| *at).filter(|at| is_seen(kind, *at, told.mapping));
        let outside: Vec<SocketAddr> = seen.filter(|at| !candidate::is_local(at.ip())).collect();
        outside.iter().find(|at| told.witnessed == Some(at.ip())).or(outside.first()).copied()
    };
    let first = of(CandidateKind::Reflexive)
        .or_else(|| of(CandidateKind::Mapped))
        .or_else(|| of(CandidateKind::Host))?;
    let Mapping::Sequential { step } = told.mapping else {
        return Some(first);
    };
    let seen = told
        .candidates
        .iter()
        .filter(|(kind, at)| *kind == CandidateKind::Reflexive && at.ip() == first.ip());
    let ports = seen.map(|(_, at)| at.port());
    let last = if step < 0 { ports.min() } else { ports.max() };
    Some(SocketAddr::new(first.ip(), last.unwrap_or(first.port())))
}

fn ahead(port: u16, step: i8, steps: i32) -> Option<u16> {
    as_port(i32::from(port) + i32::from(step) * steps)
}

fn as_port(port: i32) -> Option<u16> {
    PORTS.contains(&port).then(|| u16::try_from(port).ok()).flatten()
}

fn shuffled(mut ports: Vec<u16>, random: &mut Random) -> Vec<u16> {
    let count = usize::try_from(GUESS_PACKETS_MAX).unwrap_or(usize::MAX).min(ports.len());
    random.choose(&mut ports, count);
    ports
}

fn to_ports(ip: IpAddr, ports: Vec<u16>) -> Vec<Way> {
    ports.into_iter().map(|port| Way::main(SocketAddr::new(ip, port))).collect()
}

impl Guess {
    /// The address that guesses go to.
    pub(super) const fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Whether the first packets are few enough for an address that nobody has witnessed.
    fn is_small(&self) -> bool {
        matches!(self.aim, Aim::Ports(_)) && self.pace == QUICK
    }

    /// When it wants to go on; `None` while it waits for something else.
    pub(super) fn due(&self, allowed: bool) -> Option<Duration> {
        match self.state {
            State::Waiting if allowed || self.is_small() => Some(self.at),
            State::Waiting | State::Asked | State::Over => None,
            State::Running { due, .. } => Some(due),
        }
    }

    /// Whether it goes on.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// The sockets are open.
    pub(super) fn handle_sockets(&mut self, sockets: &[SocketId], now: Duration) -> bool {
        let Aim::Sockets { to, count } = self.aim else {
            return false;
        };
        if self.state != State::Asked {
            return false;
        }
        self.ways = sockets.iter().take(usize::from(count)).map(|via| Way::new(*via, to)).collect();
        self.state = State::Running { from: now, round: 0, next: 0, due: now };
        true
    }

    /// Goes on at `now`. `allowed`: many packets may be sent.
    pub(super) fn advance(&mut self, now: Duration, allowed: bool) -> Step {
        match self.state {
            State::Over | State::Asked => Step::Rest,
            State::Waiting if now < self.at || !(allowed || self.is_small()) => Step::Rest,
            State::Waiting => match &mut self.aim {
                Aim::Sockets { count, .. } => {
                    self.state = State::Asked;
                    Step::Open(*count)
                }
                Aim::Ports(ways) => {
                    self.ways = std::mem::take(ways);
                    self.state = State::Running { from: now, round: 0, next: 0, due: now };
                    self.send(now, allowed)
                }
            },
            State::Running { due, .. } if now < due => Step::Rest,
            State::Running { .. } => self.send(now, allowed),
        }
    }

    /// The next batch.
    fn send(&mut self, now: Duration, allowed: bool) -> Step {
        let State::Running { from, round, next, .. } = self.state else {
            return Step::Rest;
        };
        if round >= self.pace.rounds_ms.len() && allowed && !self.sweep.is_empty() {
            (self.ways, self.pace) = (std::mem::take(&mut self.sweep), SPRAY);
            self.state = State::Running { from: now, round: 0, next: 0, due: now };
            return self.send(now, allowed);
        }
        if round >= self.pace.rounds_ms.len() || self.ways.is_empty() {
            self.state = State::Over;
            return Step::End;
        }
        let end = next.saturating_add(self.pace.batch).min(self.ways.len());
        self.state = if end < self.ways.len() {
            State::Running { from, round, next: end, due: now + PAUSE }
        } else {
            let again = self.pace.rounds_ms.get(round + 1);
            let due = again.map_or(now + LINGER, |ms| (from + Duration::from_millis(*ms)).max(now + PAUSE));
            State::Running { from, round: round + 1, next: 0, due }
        };
        Step::Send(self.ways.get(next..end).unwrap_or_default().to_vec())
    }

    /// Whether a packet of ours goes this way.
    pub(super) fn aims_at(&self, way: Way) -> bool {
        self.ways.contains(&way)
    }

    /// Whether nothing has been sent yet.
    pub(super) const fn begins(&self) -> bool {
        matches!(self.state, State::Waiting)
    }

    /// Whether ports are tried that follow no rule.
    pub(super) fn is_spray(&self) -> bool {
        self.pace == SPRAY
    }

    /// Ways that are tried in all.
    pub(super) fn len(&self) -> usize {
        match &self.aim {
            Aim::Ports(ways) => ways.len().max(self.ways.len()),
            Aim::Sockets { count, .. } => usize::from(*count),
        }
    }
}

#[cfg(test)]
mod tests {
    use hobnob_wire::datagram::DatagramKey;
    use hobnob_wire::signal::Candidate;

    use super::*;
    use crate::core::candidate::Loopback;

    fn is_guessed(own: (CandidateKind, &str, Mapping), peers: (CandidateKind, &str, Mapping)) -> bool {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let candidates = vec![Candidate { kind: own.0, at: at(own.1).into() }];
        let local = Local { candidates, mapping: own.2, loopback: Loopback::Forbidden };
        let told = Told {
            key: DatagramKey::new([1; 32]),
            mapping: peers.2,
            candidates: vec![(peers.0, at(peers.1))],
            witnessed: None,
            at: Duration::ZERO,
        };
        matches!(prospect(&local, &told, &mut Random::new(1), Duration::ZERO), Prospect::Guess(_))
    }

    #[test]
    fn ports_are_guessed_only_between_two_who_are_seen_by_ipv4() {
        use CandidateKind::{Host, Reflexive};
        let hard = (Reflexive, "198.51.100.7:4000", Mapping::Random);
        let seen = [
            (Reflexive, "203.0.113.7:4000", Mapping::EndpointIndependent),
            (Host, "203.0.113.7:4000", Mapping::NoNat),
        ];
        for seen in seen {
            assert!(is_guessed(seen, hard) && is_guessed(hard, seen), "{seen:?}");
        }
        let unseen = [
            // UDP is blocked.
            (Host, "192.168.1.7:4000", Mapping::Unknown),
            (Host, "203.0.113.7:4000", Mapping::Unknown),
            // Only IPv6 works, and there is only IPv6.
            (Host, "192.168.1.7:4000", Mapping::NoNat),
            (Host, "[2001:db8::7]:4000", Mapping::NoNat),
            (Reflexive, "[2001:db8::7]:4000", Mapping::EndpointIndependent),
        ];
        for unseen in unseen {
            assert!(!is_guessed(unseen, hard) && !is_guessed(hard, unseen), "{unseen:?}");
        }
    }
}
