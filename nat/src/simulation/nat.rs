//! A NAT, or a firewall that leaves addresses as they are.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::behavior::{Behavior, Dependence, Ports};
use super::internet::Protocol;
use super::random::Random;

/// NATs give out no port below this.
const PORT_MIN: u16 = 1024;
/// How often a port is drawn before there is none.
const DRAWS_MAX: usize = 4096;
/// How long connection tracking remembers a packet that nobody asked for.
const POISON_LIFETIME: Duration = Duration::from_secs(30);

/// What a mapping is found by: the sender, and what it depends on outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    protocol: Protocol,
    inside: SocketAddr,
    towards: Option<(IpAddr, Option<u16>)>,
}

type Outside = (Protocol, SocketAddr);

#[derive(Debug)]
struct Entry {
    key: Key,
    used_at: Duration,
    /// Destinations, each with the time when it was last sent to.
    permitted: BTreeMap<SocketAddr, Duration>,
}

/// The state of a NAT.
#[derive(Debug)]
pub(super) struct Nat {
    behavior: Behavior,
    /// The address outside; `None` for a firewall.
    address: Option<IpAddr>,
    by_key: BTreeMap<Key, SocketAddr>,
    by_outside: BTreeMap<Outside, Entry>,
    poison: BTreeMap<(Outside, SocketAddr), Duration>,
    next_port: u16,
    block: u16,
    random: Random,
}

impl Nat {
    pub(super) fn new(behavior: Behavior, address: Option<IpAddr>, mut random: Random) -> Self {
        Self {
            behavior,
            address,
            by_key: BTreeMap::new(),
            by_outside: BTreeMap::new(),
            poison: BTreeMap::new(),
            next_port: random.port(20_000, 50_000),
            block: random.port(4, 50) * PORT_MIN,
            random,
        }
    }

    pub(super) const fn behavior(&self) -> &Behavior {
        &self.behavior
    }

    pub(super) const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Forgets all mappings, as after a restart.
    pub(super) fn forget(&mut self) {
        self.by_key.clear();
        self.by_outside.clear();
        self.poison.clear();
    }

    /// How many mappings there are, those that have ended included until their ports are used again.
    pub(super) fn mappings(&self) -> usize {
        self.by_outside.len()
    }

    /// A packet from inside: the sender's address as the outside sees it; `None` when it is dropped.
    pub(super) fn outbound(
        &mut self,
        now: Duration,
        protocol: Protocol,
        from: SocketAddr,
        to: SocketAddr,
    ) -> Option<SocketAddr> {
        if self.behavior.blocks_udp && protocol == Protocol::Udp {
            return None;
        }
        let towards = match self.behavior.mapping {
            Dependence::EndpointIndependent => None,
            Dependence::Address => Some((to.ip(), None)),
            Dependence::AddressAndPort => Some((to.ip(), Some(to.port()))),
        };
        let usual = Key { protocol, inside: from, towards };
        // A flow whose place was taken has a mapping of its own.
        let displaced = Key { towards: Some((to.ip(), Some(to.port()))), ..usual };
        let found = self.live(now, displaced).or_else(|| self.live(now, usual));
        let mut outside = match found {
            Some(outside) => outside,
            None => self.map(now, usual, false)?,
        };
        if self.is_poisoned(now, (protocol, outside), to) {
            outside = self.map(now, displaced, true)?;
        }
        let entry = self.by_outside.get_mut(&(protocol, outside))?;
        entry.used_at = now;
        entry.permitted.insert(to, now);
        Some(outside)
    }

    /// A packet from outside: whom it is for; `None` when it is dropped.
    pub(super) fn inbound(
        &mut self,
        now: Duration,
        protocol: Protocol,
        from: SocketAddr,
        to: SocketAddr,
    ) -> Option<SocketAddr> {
        if self.behavior.blocks_udp && protocol == Protocol::Udp {
            return None;
        }
        let lifetime = self.behavior.lifetime;
        let is_live = |at: Duration| now.saturating_sub(at) <= lifetime;
        let wanted = |entry: &Entry| match self.behavior.filtering {
            Dependence::EndpointIndependent => true,
            Dependence::Address => {
                let of_host = SocketAddr::new(from.ip(), 0)..=SocketAddr::new(from.ip(), u16::MAX);
                entry.permitted.range(of_host).any(|(_, at)| is_live(*at))
            }
            Dependence::AddressAndPort => entry.permitted.get(&from).is_some_and(|at| is_live(*at)),
        };
        let passes =
            self.by_outside.get(&(protocol, to)).is_some_and(|entry| is_live(entry.used_at) && wanted(entry));
        if !passes {
            if self.behavior.poisonable {
                self.poison.insert(((protocol, to), from), now);
            }
            return None;
        }
        let entry = self.by_outside.get_mut(&(protocol, to))?;
        entry.used_at = now;
        if let Some(at) = entry.permitted.get_mut(&from) {
            *at = now;
        }
        Some(entry.key.inside)
    }

    fn live(&self, now: Duration, key: Key) -> Option<SocketAddr> {
        let outside = *self.by_key.get(&key)?;
        let entry = self.by_outside.get(&(key.protocol, outside))?;
        (entry.key == key && now.saturating_sub(entry.used_at) <= self.behavior.lifetime).then_some(outside)
    }

    fn is_poisoned(&self, now: Duration, outside: Outside, by: SocketAddr) -> bool {
        let permitted = self.by_outside.get(&outside).is_some_and(|entry| entry.permitted.contains_key(&by));
        let at = self.poison.get(&(outside, by));
        !permitted && at.is_some_and(|at| now.saturating_sub(*at) <= POISON_LIFETIME)
    }

    /// Makes a mapping.
    fn map(&mut self, now: Duration, key: Key, displaced: bool) -> Option<SocketAddr> {
        if self.by_outside.len() >= self.behavior.mappings_max {
            self.purge(now);
            if self.by_outside.len() >= self.behavior.mappings_max {
                return None;
            }
        }
        let Some(ip) = self.address else {
            return Some(self.keep(now, key, key.inside));
        };
        let preserved = SocketAddr::new(ip, key.inside.port());
        if self.behavior.ports == Ports::Preserved
            && !displaced
            && self.is_free(now, (key.protocol, preserved))
        {
            return Some(self.keep(now, key, preserved));
        }
        for _ in 0..DRAWS_MAX {
            let outside = SocketAddr::new(ip, self.draw(displaced));
            if self.is_free(now, (key.protocol, outside)) {
                return Some(self.keep(now, key, outside));
            }
        }
        None
    }

    fn draw(&mut self, displaced: bool) -> u16 {
        match self.behavior.ports {
            Ports::Sequential { step } if !displaced => {
                self.next_port = self.next_port.wrapping_add(step).max(PORT_MIN);
                self.next_port
            }
            Ports::Block { ports } if !displaced => {
                self.random.port(self.block, self.block.saturating_add(ports - 1))
            }
            Ports::Preserved | Ports::Random | Ports::Sequential { .. } | Ports::Block { .. } => {
                self.random.port(PORT_MIN, u16::MAX)
            }
        }
    }

    fn keep(&mut self, now: Duration, key: Key, outside: SocketAddr) -> SocketAddr {
        self.by_key.insert(key, outside);
        let entry = Entry { key, used_at: now, permitted: BTreeMap::new() };
        self.by_outside.insert((key.protocol, outside), entry);
        outside
    }

    /// Whether a port can be used; frees it when its mapping has ended.
    fn is_free(&mut self, now: Duration, outside: Outside) -> bool {
        let Some(entry) = self.by_outside.get(&outside) else {
            return true;
        };
        if now.saturating_sub(entry.used_at) <= self.behavior.lifetime {
            return false;
        }
        let key = entry.key;
        self.by_key.remove(&key);
        self.by_outside.remove(&outside);
        true
    }

    fn purge(&mut self, now: Duration) {
        let lifetime = self.behavior.lifetime;
        self.by_outside.retain(|_, entry| now.saturating_sub(entry.used_at) <= lifetime);
        let kept = &self.by_outside;
        self.by_key.retain(|key, outside| kept.contains_key(&(key.protocol, *outside)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "203.0.113.1";
    const IN: &str = "10.0.0.2:7700";
    const X1: &str = "198.51.100.1:1";
    const X2: &str = "198.51.100.1:2";
    const Y1: &str = "198.51.100.2:1";

    struct Bench(Nat, Duration);

    impl Bench {
        fn new(behavior: Behavior) -> Self {
            Self(Nat::new(behavior, Some(PUBLIC.parse().unwrap()), Random::new(7)), Duration::ZERO)
        }

        fn out(&mut self, from: &str, to: &str) -> SocketAddr {
            self.0.outbound(self.1, Protocol::Udp, from.parse().unwrap(), to.parse().unwrap()).unwrap()
        }

        fn passes(&mut self, from: &str, to: SocketAddr) -> bool {
            self.0.inbound(self.1, Protocol::Udp, from.parse().unwrap(), to).is_some()
        }
    }

    #[test]
    fn a_mapping_depends_on_what_it_is_said_to_depend_on() {
        for (mapping, same) in [
            (Dependence::EndpointIndependent, [true, true]),
            (Dependence::Address, [true, false]),
            (Dependence::AddressAndPort, [false, false]),
        ] {
            let mut bench =
                Bench::new(Behavior { mapping, ports: Ports::Random, ..Behavior::port_restricted() });
            let first = bench.out(IN, X1);
            let others = [X2, Y1].map(|to| bench.out(IN, to) == first);
            assert_eq!(others, same, "{mapping:?}");
            assert_eq!(bench.out(IN, X1), first);
        }
    }

    #[test]
    fn a_filter_depends_on_what_it_is_said_to_depend_on() {
        for (filtering, passes) in [
            (Dependence::EndpointIndependent, [true, true, true]),
            (Dependence::Address, [true, true, false]),
            (Dependence::AddressAndPort, [true, false, false]),
        ] {
            let mut bench = Bench::new(Behavior { filtering, ..Behavior::port_restricted() });
            let outside = bench.out(IN, X1);
            assert_eq!([X1, X2, Y1].map(|from| bench.passes(from, outside)), passes, "{filtering:?}");
        }
    }

    #[test]
    fn ports_are_chosen_as_said() {
        let ports = |ports| {
            let mut bench = Bench::new(Behavior::symmetric(ports));
            [X1, X2, Y1].map(|to| bench.out(IN, to).port())
        };
        let [a, b, c] = ports(Ports::Sequential { step: 2 });
        assert_eq!([b - a, c - b], [2, 2]);
        let block = ports(Ports::Block { ports: 512 });
        assert!(block.iter().max().unwrap() - block.iter().min().unwrap() < 512, "{block:?}");
        assert_eq!(ports(Ports::Preserved)[0], 7700);
    }

    #[test]
    fn a_port_that_is_taken_is_preserved_for_one_only() {
        let mut bench = Bench::new(Behavior::port_restricted());
        let (first, second) = (bench.out(IN, X1), bench.out("10.0.0.3:7700", X1));
        assert_eq!(first.port(), 7700);
        assert_ne!(second.port(), 7700);
        assert_eq!(bench.out("10.0.0.3:7700", Y1), second);
    }

    #[test]
    fn a_silent_mapping_ends_and_its_port_is_free_again() {
        let mut bench = Bench::new(Behavior::port_restricted());
        let outside = bench.out(IN, X1);
        bench.1 += Duration::from_secs(100);
        assert!(bench.passes(X1, outside));
        bench.1 += Duration::from_secs(121);
        assert!(!bench.passes(X1, outside));
        assert_eq!(bench.out("10.0.0.3:7700", X1).port(), 7700);
        assert_eq!(bench.0.mappings(), 1);
    }

    #[test]
    fn an_early_packet_takes_the_place_of_the_flow_in_a_poisonable_router_only() {
        for poisonable in [true, false] {
            let mut bench = Bench::new(Behavior { poisonable, ..Behavior::port_restricted() });
            let outside = bench.out(IN, Y1);
            assert!(!bench.passes(X1, outside));
            assert_eq!(bench.out(IN, X1) != outside, poisonable);
            assert_eq!(bench.out(IN, Y1), outside);
        }
    }

    #[test]
    fn a_firewall_changes_no_address_and_lets_answers_in_only() {
        let inside: SocketAddr = "[2001:db8:1::2]:7700".parse().unwrap();
        let (asked, stranger) = ("[2001:db8:2::1]:1".parse().unwrap(), "[2001:db8:2::1]:2".parse().unwrap());
        let mut wall = Nat::new(Behavior::port_restricted(), None, Random::new(1));
        let at = Duration::ZERO;
        assert_eq!(wall.outbound(at, Protocol::Udp, inside, asked), Some(inside));
        assert_eq!(wall.inbound(at, Protocol::Udp, asked, inside), Some(inside));
        assert_eq!(wall.inbound(at, Protocol::Udp, stranger, inside), None);
    }
}
