use std::collections::BTreeMap;

use hobnob_wire::List;
use hobnob_wire::datagram::{AllocationId, DatagramKey, parse};
use hobnob_wire::signal::RelayGrant;
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::core::mapping::classify;
use crate::core::relay::{Door, Hop, Order, Payer, Relay, RelayLimits};
use hobnob_wire::signal::Mapping;

const MS: Duration = Duration::from_millis(1);
const RTT: Duration = Duration::from_millis(40);
const ALLOCATION: AllocationId = AllocationId(1);
const LIMITS: RelayLimits = RelayLimits {
    channel_bytes_per_s: 1,
    channel_bytes_max: 1,
    account_bytes_per_s: 1,
    account_bytes_per_day: 1,
    idle: Duration::ZERO,
};

fn key() -> DatagramKey {
    DatagramKey::new([4; 32])
}

fn relay_at() -> SocketAddr {
    "203.0.113.1:7700".parse().unwrap()
}

fn second() -> SocketAddr {
    "203.0.113.1:7701".parse().unwrap()
}

fn relay_v6() -> SocketAddr {
    "[2001:db8::1]:7700".parse().unwrap()
}

/// Where the peer is by IPv6.
fn own_v6() -> SocketAddr {
    "[2001:db8:5::2]:7700".parse().unwrap()
}

/// A peer behind a NAT of IPv4, and a relay with two reflectors.
struct World {
    binding: Binding,
    relay: Relay,
    now: Duration,
    /// The port that the NAT shows of a socket to a destination.
    ports: fn(&mut Self, SocketId, SocketAddr) -> u16,
    mappings: BTreeMap<(SocketId, SocketAddr), u16>,
    /// On their way: when they arrive, how they came, and what they are.
    answers: Vec<(Duration, Way, Vec<u8>)>,
    sent: usize,
    is_cut: bool,
    is_v4_cut: bool,
    sockets: u16,
    closed: Vec<SocketId>,
}

impl World {
    fn new(ports: fn(&mut Self, SocketId, SocketAddr) -> u16) -> Self {
        let mut relay = Relay::new(LIMITS, Zeroizing::new([5; 32]));
        relay.order(Order::Allocate { allocation: ALLOCATION, key: key(), payer: Payer(1) }, Duration::ZERO);
        Self {
            binding: Binding::new(),
            relay,
            now: Duration::ZERO,
            ports,
            mappings: BTreeMap::new(),
            answers: Vec::new(),
            sent: 0,
            is_cut: false,
            is_v4_cut: false,
            sockets: 0,
            closed: Vec::new(),
        }
    }

    fn access() -> Access {
        let any_ip = |port: u16| SocketAddr::from(([0, 0, 0, 0], port)).into();
        let reflectors = List::new(vec![any_ip(7701), any_ip(7702)]).unwrap();
        let grant = RelayGrant { allocation: ALLOCATION, key: key(), reflectors };
        Access { relay: relay_at(), v4: None, grant, reflects: true }
    }

    fn begin(&mut self) {
        self.binding.grant(Some(Self::access()), self.now);
        self.perform();
    }

    /// The session goes by IPv6, and the name of the relay has an address of IPv4, too.
    fn begin_by_v6(&mut self) {
        let access = Access { relay: relay_v6(), v4: Some(relay_at()), ..Self::access() };
        self.binding.grant(Some(access), self.now);
        self.perform();
    }

    fn reflexive_v4(&self) -> Vec<u16> {
        let all = self.binding.reflexive().into_iter().filter(SocketAddr::is_ipv4);
        all.map(|at| at.port()).collect()
    }

    fn perform(&mut self) {
        while let Some(output) = self.binding.poll() {
            match output {
                Output::Send { way, bytes } => self.send(way, &bytes),
                Output::OpenSocket(to) => {
                    assert_eq!(to, relay_at());
                    self.sockets += 1;
                    let socket = SocketId(self.sockets);
                    self.binding.fresh_socket(Some(socket), self.now);
                }
                Output::CloseSocket(socket) => self.closed.push(socket),
                Output::Changed => {}
            }
        }
    }

    fn send(&mut self, way: Way, bytes: &[u8]) {
        self.sent += 1;
        if self.is_cut {
            return;
        }
        let from = if way.to.is_ipv6() {
            own_v6()
        } else if self.is_v4_cut {
            return;
        } else {
            SocketAddr::from(([192, 0, 2, 1], (self.ports)(self, way.via, way.to)))
        };
        let door = if way.to.port() == relay_at().port() { Door::Relay } else { Door::Reflector };
        if let Some(answer) = self.relay.answer(Hop { peer: from, here: None }, bytes, door, self.now) {
            self.answers.push((self.now + RTT, way, answer));
        }
    }

    /// Lets time pass, from event to event.
    fn run(&mut self, until: Duration) {
        loop {
            let arrives = self.answers.iter().map(|(at, ..)| *at).min();
            let Some(next) = self.binding.deadline().into_iter().chain(arrives).min() else { break };
            if next > until {
                break;
            }
            self.now = next.max(self.now);
            let now = self.now;
            let arrived: Vec<_> = self.answers.extract_if(.., |(at, ..)| *at <= now).collect();
            for (_, way, bytes) in arrived {
                self.binding.handle(way, parse(&bytes).unwrap(), self.now);
            }
            self.binding.tick(self.now);
            self.perform();
        }
        self.now = until;
    }

    /// That of IPv4.
    fn mapping(&self) -> Mapping {
        let observations = self.binding.observations().into_iter().filter(|one| one.seen.is_ipv4());
        classify(&observations.collect::<Vec<_>>(), &["192.168.0.2:7700".parse().unwrap()])
    }
}

fn independent(_: &mut World, socket: SocketId, _: SocketAddr) -> u16 {
    5000 + socket.0
}

fn sequential(world: &mut World, socket: SocketId, to: SocketAddr) -> u16 {
    let next = 5000 + world.mappings.len() as u16;
    *world.mappings.entry((socket, to)).or_insert(next)
}

#[test]
fn own_addresses_are_known_after_one_round_trip_and_the_place_is_bound_after_two() {
    let mut world = World::new(independent);
    world.begin();
    world.run(RTT);
    assert!(world.binding.is_complete());
    assert_eq!(world.binding.reflexive(), ["192.0.2.1:5000".parse().unwrap()]);
    assert_eq!(world.mapping(), Mapping::EndpointIndependent);
    assert_eq!(world.binding.rtt(), Some(RTT));
    world.run(2 * RTT);
    assert!(world.binding.is_bound());
    assert_eq!(world.sent, 5, "bind, three reflectors, bind");
}

#[test]
fn behind_a_nat_that_counts_a_fresh_socket_is_asked_for_and_closed_and_the_newest_address_comes_first() {
    let mut world = World::new(sequential);
    world.begin();
    world.run(2 * RTT);
    assert!(world.binding.is_complete());
    assert_eq!(world.mapping(), Mapping::Sequential { step: 1 });
    assert_eq!(world.closed, [SocketId(1)]);
    let ports: Vec<u16> = world.binding.reflexive().iter().map(SocketAddr::port).collect();
    assert_eq!(ports, [5002, 5001, 5000]);
}

#[test]
fn who_has_a_session_by_ipv6_knows_after_one_round_trip_where_it_is_seen_by_ipv4_and_what_the_nat_does() {
    let mut world = World::new(independent);
    world.begin_by_v6();
    world.run(RTT);
    assert!(world.binding.is_complete());
    assert_eq!(world.binding.reflexive(), [SocketAddr::from(([192, 0, 2, 1], 5000)), own_v6()]);
    assert_eq!(world.mapping(), Mapping::EndpointIndependent);
    assert_eq!(world.closed, [], "two families that see two addresses are no reason for a fresh socket");

    let mut world = World::new(sequential);
    world.begin_by_v6();
    world.run(2 * RTT);
    assert_eq!(world.mapping(), Mapping::Sequential { step: 1 });
    assert_eq!(world.reflexive_v4(), [5002, 5001, 5000]);
    assert_eq!(world.closed, [SocketId(1)]);
}

#[test]
fn a_nat_of_ipv4_that_forgets_is_noticed_although_the_session_goes_by_ipv6() {
    fn forgetful(world: &mut World, _: SocketId, _: SocketAddr) -> u16 {
        5000 + (world.now.as_secs() / 600) as u16
    }
    let mut world = World::new(forgetful);
    world.begin_by_v6();
    world.run(Duration::from_secs(599));
    assert_eq!(world.reflexive_v4(), [5000]);
    let sent = world.sent;
    assert!(sent <= 30, "once a minute: {sent}");
    world.run(Duration::from_secs(665));
    assert_eq!(world.reflexive_v4(), [5001]);
    assert_eq!(world.mapping(), Mapping::EndpointIndependent);
}

#[test]
fn ipv4_that_leads_nowhere_is_asked_rarely_and_ipv4_that_comes_back_is_found() {
    let mut world = World::new(independent);
    world.is_v4_cut = true;
    world.begin_by_v6();
    world.run(Duration::from_secs(60));
    assert!(world.binding.is_complete() && world.binding.is_bound());
    assert_eq!(world.binding.reflexive(), [own_v6()]);
    let before = world.sent;
    world.run(Duration::from_secs(3600));
    assert!(world.sent - before <= 15 * 8 + 6, "six times in four minutes: {}", world.sent - before);
    world.is_v4_cut = false;
    world.run(Duration::from_secs(3600 + 245));
    assert_eq!(world.reflexive_v4(), [5000]);
    assert_eq!(world.mapping(), Mapping::EndpointIndependent);
    world.is_v4_cut = true;
    world.run(Duration::from_secs(3600 + 245 + 120));
    assert_eq!(world.reflexive_v4(), [] as [u16; 0]);
}

#[test]
fn a_reflector_that_does_not_answer_is_given_up() {
    let mut world = World::new(independent);
    world.begin();
    world.answers.retain(|(_, way, _)| way.to != second());
    world.is_cut = true;
    world.run(RTT);
    assert!(!world.binding.is_complete());
    world.run(Duration::from_secs(20));
    assert!(world.binding.is_complete());
    assert_eq!(world.binding.observations().len(), 2);
}

#[test]
fn while_nothing_needs_the_relay_it_is_bound_every_four_minutes_and_while_something_does_ever_more_rarely() {
    let mut world = World::new(independent);
    world.begin();
    world.run(Duration::from_secs(1));
    let before = world.sent;
    world.run(Duration::from_secs(3600));
    assert!(world.sent - before <= 2 * 15, "{}", world.sent - before);
    assert!(world.binding.is_bound());

    world.binding.want(true, world.now);
    world.perform();
    let (before, began) = (world.sent, world.now);
    world.run(began + Duration::from_secs(3600));
    let sent = world.sent - before;
    assert!((60..=130).contains(&sent), "once a minute and sometimes a challenge: {sent}");
}

#[test]
fn a_nat_that_forgets_is_noticed_and_asked_more_often() {
    fn forgetful(world: &mut World, _: SocketId, _: SocketAddr) -> u16 {
        5000 + (world.now.as_secs() / 30) as u16
    }
    let mut world = World::new(forgetful);
    world.begin();
    world.binding.want(true, world.now);
    world.run(Duration::from_secs(120));
    let expected = SocketAddr::from(([192, 0, 2, 1], 5004));
    world.run(Duration::from_secs(140));
    assert_eq!(world.binding.reflexive(), [expected]);
    assert!(world.binding.is_bound());
}

#[test]
fn a_relay_that_falls_silent_is_found_out_and_found_again() {
    let mut world = World::new(independent);
    world.begin();
    world.run(Duration::from_secs(1));
    world.is_cut = true;
    world.binding.look_again(world.now);
    world.perform();
    world.run(Duration::from_secs(20));
    assert!(!world.binding.is_bound());
    world.is_cut = false;
    world.run(Duration::from_secs(30));
    assert!(world.binding.is_bound());
}

#[test]
fn through_a_tunnel_the_place_is_bound_and_nobody_is_asked_for_addresses() {
    let mut world = World::new(independent);
    world.binding.grant(Some(Access { reflects: false, ..World::access() }), world.now);
    world.perform();
    world.run(Duration::from_secs(1));
    assert!(world.binding.is_bound() && world.binding.is_complete());
    assert_eq!(world.binding.observations(), []);
    assert_eq!(world.sent, 2);
}

#[test]
fn a_relay_that_challenges_for_ever_is_not_asked_for_ever() {
    let mut world = World::new(independent);
    world.binding.grant(Some(Access { reflects: false, ..World::access() }), world.now);
    for number in 1..=1_000 {
        let transaction = Transaction(number);
        let challenge = Datagram::Challenge { transaction, cookie: Cookie([9; 16]) }.seal(&key());
        let way = Way { via: SocketId::MAIN, to: relay_at() };
        world.binding.handle(way, parse(&challenge).unwrap(), MS);
    }
    let mut sent = 0;
    while let Some(output) = world.binding.poll() {
        sent += usize::from(matches!(output, Output::Send { .. }));
    }
    assert_eq!(sent, 6);
}

proptest! {
    #[test]
    fn answers_that_are_forged_late_or_from_elsewhere_change_nothing(
        which in 0_usize..4,
        number in 0_u64..8,
        good_key: bool,
        from in 0_usize..3,
    ) {
        let mut world = World::new(independent);
        world.begin();
        world.run(3 * RTT);
        let before = (world.binding.is_bound(), world.binding.observations(), world.sent);
        let transaction = Transaction(number);
        let seen = "198.51.100.9:9".parse::<SocketAddr>().unwrap().into();
        let forged = [
            Datagram::Bound { transaction, seen },
            Datagram::Reflected { transaction, seen },
            Datagram::Challenge { transaction, cookie: Cookie([1; 16]) },
            Datagram::Bind { allocation: ALLOCATION, transaction, cookie: Cookie([1; 16]) },
        ];
        let key = if good_key { key() } else { DatagramKey::new([99; 32]) };
        let bytes = forged[which].seal(&key);
        let to = [relay_at(), second(), "198.51.100.9:9".parse().unwrap()][from];
        let told = world.binding.handle(Way { via: SocketId::MAIN, to }, parse(&bytes).unwrap(), world.now);
        prop_assert!(!told);
        world.perform();
        prop_assert_eq!((world.binding.is_bound(), world.binding.observations(), world.sent), before);
    }
}
