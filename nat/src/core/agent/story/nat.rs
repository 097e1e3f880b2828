//! A NAT of RFC 4787, as small as these stories need it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::super::random::Random;

/// What a mapping or a filter depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Nothing,
    Address,
    AddressAndPort,
}

/// How ports are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ports {
    Preserved,
    Counted(i8),
    Within(u16),
    Random,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) mapping: By,
    pub(super) filtering: By,
    pub(super) ports: Ports,
    pub(super) hairpin: bool,
}

pub(super) const FULL_CONE: Kind =
    Kind { mapping: By::Nothing, filtering: By::Nothing, ports: Ports::Preserved, hairpin: true };
pub(super) const ADDRESS_RESTRICTED: Kind = Kind { filtering: By::Address, ..PORT_RESTRICTED };
pub(super) const PORT_RESTRICTED: Kind =
    Kind { mapping: By::Nothing, filtering: By::AddressAndPort, ports: Ports::Random, hairpin: false };
pub(super) const SEQUENTIAL: Kind =
    Kind { mapping: By::AddressAndPort, ports: Ports::Counted(1), ..PORT_RESTRICTED };
pub(super) const BLOCK: Kind =
    Kind { mapping: By::AddressAndPort, ports: Ports::Within(1024), ..PORT_RESTRICTED };
pub(super) const RANDOM: Kind = Kind { mapping: By::AddressAndPort, ports: Ports::Random, ..PORT_RESTRICTED };

#[derive(Debug)]
struct Mapped {
    inside: SocketAddr,
    contacted: BTreeSet<SocketAddr>,
}

#[derive(Debug)]
pub(super) struct Nat {
    pub(super) kind: Kind,
    pub(super) outside: IpAddr,
    by_flow: BTreeMap<(SocketAddr, Option<SocketAddr>), u16>,
    by_port: BTreeMap<u16, Mapped>,
    counter: i32,
    random: Random,
}

impl Nat {
    pub(super) fn new(kind: Kind, outside: IpAddr, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let counter = 20_000 + i32::try_from(random.below(20_000)).unwrap();
        Self { kind, outside, by_flow: BTreeMap::new(), by_port: BTreeMap::new(), counter, random }
    }

    /// Forgets all mappings, as after a restart.
    pub(super) fn forget(&mut self) {
        self.by_flow.clear();
        self.by_port.clear();
    }

    pub(super) fn outbound(&mut self, from: SocketAddr, to: SocketAddr) -> SocketAddr {
        let flow = match self.kind.mapping {
            By::Nothing => None,
            By::Address => Some(SocketAddr::new(to.ip(), 0)),
            By::AddressAndPort => Some(to),
        };
        let port = match self.by_flow.get(&(from, flow)) {
            Some(port) => *port,
            None => self.open(from, flow),
        };
        self.by_port.get_mut(&port).unwrap().contacted.insert(to);
        SocketAddr::new(self.outside, port)
    }

    fn open(&mut self, from: SocketAddr, flow: Option<SocketAddr>) -> u16 {
        let mut wanted = (self.kind.ports == Ports::Preserved).then(|| from.port());
        let port = loop {
            let port = wanted.take().unwrap_or_else(|| match self.kind.ports {
                Ports::Counted(step) => {
                    self.counter += i32::from(step);
                    u16::try_from(self.counter).unwrap()
                }
                Ports::Within(span) => 30_720 + u16::try_from(self.random.below(u64::from(span))).unwrap(),
                Ports::Preserved | Ports::Random => u16::try_from(1024 + self.random.below(64_512)).unwrap(),
            });
            if !self.by_port.contains_key(&port) {
                break port;
            }
        };
        self.by_flow.insert((from, flow), port);
        self.by_port.insert(port, Mapped { inside: from, contacted: BTreeSet::new() });
        port
    }

    pub(super) fn inbound(&self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        let mapped = self.by_port.get(&to.port())?;
        let passes = match self.kind.filtering {
            By::Nothing => true,
            By::Address => mapped.contacted.iter().any(|known| known.ip() == from.ip()),
            By::AddressAndPort => mapped.contacted.contains(&from),
        };
        passes.then_some(mapped.inside)
    }
}
