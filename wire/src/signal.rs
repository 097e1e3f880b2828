//! Signals: how two devices agree to link. The rendezvous passes them on and cannot read them.
//!
//! A signal is sealed to the other device with one Noise message (`Noise_X`), which also proves the
//! sender; see [`noise`](crate::noise). It is never stored: a device that is not there gets none.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::bounded::{List, Opaque};
use crate::codec::Frame;
use crate::datagram::{AllocationId, Channel, DatagramKey};
use crate::ids::{AttemptId, DeviceId};
use crate::limits::{CANDIDATES_MAX, REFLECTORS_MAX, SIGNAL_BYTES_MAX};

/// Asks the rendezvous to pass a signal to a device of oneself or of a contact.
/// Answer: [`Answer::Signalled`](crate::session::Answer::Signalled), or
/// [`Refusal::RecipientUnavailable`](crate::Refusal::RecipientUnavailable) when it has no session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalRequest {
    /// Whose device.
    pub to: Address,
    /// Which device.
    pub device: DeviceId,
    /// A sealed [`Signal`].
    pub sealed: Opaque<SIGNAL_BYTES_MAX>,
    /// An address of those in it; the recipient is told when the session comes from that IP address.
    pub at: Option<TransportAddress>,
}

/// A signal from another device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalDelivery {
    /// Whose device sent it, as the rendezvous authenticated it.
    pub from: Address,
    /// Which device.
    pub device: DeviceId,
    /// A sealed [`Signal`].
    pub sealed: Opaque<SIGNAL_BYTES_MAX>,
    /// Where the relay forwards between the two devices; `None` when it does not.
    pub channel: Option<Channel>,
    /// The address that the sender named, when the rendezvous hears it from that IP address.
    pub at: Option<TransportAddress>,
}

/// A device's place at the relay: pushed when its session is proved, valid until it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayGrant {
    /// The place.
    pub allocation: AllocationId,
    /// Authenticates datagrams to and from the relay and the reflectors.
    pub key: DatagramKey,
    /// Where to ask for the own address, besides the relay itself. An unspecified IP address stands for the one that the
    /// peer knows the rendezvous by.
    pub reflectors: List<TransportAddress, REFLECTORS_MAX>,
}

/// Where in the exchange a signal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignalKind {
    /// Please link with me; here is where I can be reached.
    Offer,
    /// Here is where I can be reached.
    Answer,
    /// I can be reached elsewhere now; the link that we have stays.
    Update,
}

/// What is inside a sealed signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// The attempt that it belongs to.
    pub attempt: AttemptId,
    /// Offer, answer or update.
    pub kind: SignalKind,
    /// Authenticates checks of the sender's addresses; fresh in each attempt.
    pub key: DatagramKey,
    /// What the NAT before the sender does.
    pub mapping: Mapping,
    /// Addresses at which the sender can be reached, best first; none when it wants to be reached over the relay only.
    pub candidates: List<Candidate, CANDIDATES_MAX>,
}

impl Frame for Signal {
    const NAME: &'static str = "signal";
    const BYTES_MAX: usize = SIGNAL_BYTES_MAX - crate::noise::SIGNAL_OVERHEAD_BYTES;
}

/// How a NAT chooses the port that the outside sees (RFC 4787 §4.1, §4.2), as found out by asking several reflectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mapping {
    /// Nobody could be asked, or only one reflector answered.
    #[default]
    Unknown,
    /// The address outside is the one inside.
    NoNat,
    /// The same for every destination.
    EndpointIndependent,
    /// Another for each destination, this much further each time.
    Sequential {
        /// Ports between one allocation and the next.
        step: i8,
    },
    /// Another for each destination, anywhere in a block of this many ports.
    Block {
        /// Ports in the block.
        ports: u16,
    },
    /// Another for each destination, anywhere.
    Random,
}

impl Mapping {
    /// Whether each destination sees another port ("symmetric" in older words), so that what a reflector sees is not
    /// what a peer sees.
    #[must_use]
    pub const fn is_endpoint_dependent(self) -> bool {
        matches!(self, Self::Sequential { .. } | Self::Block { .. } | Self::Random)
    }
}

/// Where a candidate comes from (RFC 8445 §5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CandidateKind {
    /// An interface of the machine.
    Host,
    /// A port that the NAT forwards because it was asked to (UPnP-IGD, NAT-PMP, PCP).
    Mapped,
    /// Where a reflector sees the machine ("server-reflexive").
    Reflexive,
}

/// An address at which a peer may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Candidate {
    /// Where it comes from.
    pub kind: CandidateKind,
    /// The address.
    pub at: TransportAddress,
}

/// A transport address (RFC 8445 §5.1). IPv4 travels as an IPv4-mapped IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TransportAddress {
    ip: [u8; 16],
    #[serde(with = "postcard::fixint::be")]
    port: u16,
}

impl From<SocketAddr> for TransportAddress {
    fn from(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self { ip: ip.octets(), port: address.port() }
    }
}

impl From<TransportAddress> for SocketAddr {
    fn from(address: TransportAddress) -> Self {
        Self::new(Ipv6Addr::from(address.ip).to_canonical(), address.port)
    }
}
