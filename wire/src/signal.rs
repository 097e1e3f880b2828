//! Signals: how two devices agree to link. The rendezvous passes them on and cannot read them.
//!
//! A signal is sealed to the other device with one Noise message (`Noise_X`), which also proves the
//! sender; see [`noise`](crate::noise). It is never stored: a device that is not there gets none.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::bounded::{List, Opaque};
use crate::codec::Frame;
use crate::ids::{AttemptId, DeviceId};
use crate::limits::{CANDIDATES_MAX, SIGNAL_BYTES_MAX};

/// Asks the rendezvous to pass a signal to a device of oneself or of a contact.
/// Answer: [`Answer::Done`](crate::session::Answer::Done), or
/// [`Refusal::RecipientUnavailable`](crate::Refusal::RecipientUnavailable) when it has no session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalRequest {
    /// Whose device.
    pub to: Address,
    /// Which device.
    pub device: DeviceId,
    /// A sealed [`Signal`].
    pub sealed: Opaque<SIGNAL_BYTES_MAX>,
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
}

/// Where in the exchange a signal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignalKind {
    /// Please link with me; here is where I can be reached.
    Offer,
    /// Here is where I can be reached.
    Answer,
}

/// What is inside a sealed signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// The attempt that it belongs to.
    pub attempt: AttemptId,
    /// Offer or answer.
    pub kind: SignalKind,
    /// Addresses at which the sender can be reached, best first.
    pub candidates: List<Candidate, CANDIDATES_MAX>,
}

impl Frame for Signal {
    const NAME: &'static str = "signal";
    const BYTES_MAX: usize = SIGNAL_BYTES_MAX - crate::noise::SIGNAL_OVERHEAD_BYTES;
}

/// A transport address (RFC 8445 §5.1). IPv4 travels as an IPv4-mapped IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Candidate {
    ip: [u8; 16],
    #[serde(with = "postcard::fixint::be")]
    port: u16,
}

impl From<SocketAddr> for Candidate {
    fn from(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self { ip: ip.octets(), port: address.port() }
    }
}

impl From<Candidate> for SocketAddr {
    fn from(candidate: Candidate) -> Self {
        Self::new(Ipv6Addr::from(candidate.ip).to_canonical(), candidate.port)
    }
}
