//! The places that people are at, as the lab's matrix names them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::behavior::{Behavior, Ports};
use super::internet::{HostId, Internet};
use super::link::Shape;
use super::realm::RealmId;

/// Where the rendezvous of a lab is.
pub const RENDEZVOUS_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// Where it is by IPv6.
pub const RENDEZVOUS_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);

/// How a machine is connected to the Internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Public IPv4 and IPv6 addresses, no firewall.
    Open,
    /// Behind a NAT that maps and filters independently of endpoints.
    FullCone,
    /// Behind a NAT that filters by address.
    AddressRestricted,
    /// Behind a NAT that filters by address and port.
    PortRestricted,
    /// Behind a NAT that gives each destination the next port.
    SymmetricSequential,
    /// Behind a NAT that gives each destination a random port.
    SymmetricRandom,
    /// Behind a home's NAT behind a carrier's.
    DoubleNat,
    /// Behind a NAT that keeps its hosts from each other and loops their packets back; two in this place share the NAT.
    Hairpin,
    /// IPv6 behind a firewall, no IPv4.
    V6Only,
    /// Behind a port-restricted NAT, with an IPv6 address that leads nowhere.
    BrokenV6,
    /// Behind a port-restricted NAT, with IPv6 behind a firewall: the session goes by IPv6.
    DualStack,
    /// Behind a NAT that drops all UDP.
    UdpBlocked,
    /// Behind a port-restricted NAT; two in this place share the network.
    Lan,
    /// Behind a port-restricted NAT that early packets from outside confuse.
    Poisonable,
}

impl Place {
    /// All places of the matrix.
    pub const MATRIX: [Self; 11] = [
        Self::Open,
        Self::FullCone,
        Self::AddressRestricted,
        Self::PortRestricted,
        Self::SymmetricSequential,
        Self::SymmetricRandom,
        Self::DoubleNat,
        Self::Hairpin,
        Self::V6Only,
        Self::BrokenV6,
        Self::UdpBlocked,
    ];

    /// Those beside it.
    pub const BESIDE: [Self; 3] = [Self::DualStack, Self::Lan, Self::Poisonable];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::FullCone => "full-cone",
            Self::AddressRestricted => "address-restricted",
            Self::PortRestricted => "port-restricted",
            Self::SymmetricSequential => "symmetric-sequential",
            Self::SymmetricRandom => "symmetric-random",
            Self::DoubleNat => "double-nat",
            Self::Hairpin => "hairpin",
            Self::V6Only => "v6-only",
            Self::BrokenV6 => "broken-v6",
            Self::DualStack => "dual-stack",
            Self::UdpBlocked => "udp-blocked",
            Self::Lan => "lan",
            Self::Poisonable => "poisonable",
        }
    }

    /// Puts two machines in their places, each with a `line` to the Internet.
    pub fn settle(pair: [Self; 2], internet: &mut Internet, line: &Shape) -> [HostId; 2] {
        let [one, other] = pair;
        let first = one.network(internet, 1, line);
        let shared = one == other && matches!(one, Self::Hairpin | Self::Lan);
        let second = if shared { first } else { other.network(internet, 2, line) };
        [one.host(internet, first, 1, line), other.host(internet, second, 2, line)]
    }

    /// The network that the machine with this number is in.
    fn network(self, internet: &mut Internet, number: u8, line: &Shape) -> RealmId {
        let outside = IpAddr::from([203, 0, 113, number]);
        let mut behind = |behavior: Behavior| internet.add_router(RealmId::PUBLIC, outside, behavior, line);
        match self {
            Self::Open => RealmId::PUBLIC,
            Self::FullCone => behind(Behavior::full_cone()),
            Self::AddressRestricted => behind(Behavior::address_restricted()),
            Self::PortRestricted | Self::BrokenV6 | Self::Lan => behind(Behavior::port_restricted()),
            Self::SymmetricSequential => behind(Behavior::symmetric(Ports::Sequential { step: 1 })),
            Self::SymmetricRandom => behind(Behavior::symmetric(Ports::Random)),
            Self::Hairpin => {
                behind(Behavior { hairpin: true, isolates: true, ..Behavior::port_restricted() })
            }
            Self::UdpBlocked => behind(Behavior { blocks_udp: true, ..Behavior::port_restricted() }),
            Self::Poisonable => behind(Behavior { poisonable: true, ..Behavior::port_restricted() }),
            Self::DoubleNat => {
                let carrier = behind(Behavior { hairpin: true, ..Behavior::port_restricted() });
                let home = IpAddr::from([100, 64, number, 2]);
                internet.add_router(carrier, home, Behavior::port_restricted(), &Shape::default())
            }
            Self::DualStack => {
                let home = behind(Behavior::port_restricted());
                internet.add_firewall(RealmId::PUBLIC, home, Behavior::port_restricted(), line);
                home
            }
            Self::V6Only => {
                let home = internet.add_realm();
                internet.add_firewall(RealmId::PUBLIC, home, Behavior::port_restricted(), line);
                home
            }
        }
    }

    /// The machine. Homes use the same private addresses, as they do in life.
    fn host(self, internet: &mut Internet, realm: RealmId, number: u8, line: &Shape) -> HostId {
        let private = IpAddr::from([192, 168, 1, 9 + number]);
        let v6 = IpAddr::from([0x2001, 0xdb8, u16::from(number), 0, 0, 0, 0, 2]);
        let inside = Shape::default();
        match self {
            Self::Open => internet.add_host(realm, &[IpAddr::from([203, 0, 113, 100 + number]), v6], line),
            Self::V6Only => internet.add_host(realm, &[v6], &inside),
            Self::BrokenV6 | Self::DualStack => internet.add_host(realm, &[private, v6], &inside),
            Self::FullCone
            | Self::AddressRestricted
            | Self::PortRestricted
            | Self::SymmetricSequential
            | Self::SymmetricRandom
            | Self::DoubleNat
            | Self::Hairpin
            | Self::UdpBlocked
            | Self::Lan
            | Self::Poisonable => internet.add_host(realm, &[private], &inside),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Place {
    type Err = UnknownPlace;

    fn from_str(text: &str) -> Result<Self, UnknownPlace> {
        let all = Self::MATRIX.into_iter().chain(Self::BESIDE);
        all.into_iter().find(|place| place.as_str() == text).ok_or(UnknownPlace)
    }
}

/// The text names no [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no such place; there are open, full-cone, address-restricted, port-restricted, symmetric-sequential, symmetric-random, double-nat, hairpin, v6-only, broken-v6, udp-blocked, dual-stack, lan, poisonable"
)]
pub struct UnknownPlace;
