//! What an [`Agent`](super::Agent) is told, and what it wants done.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use hobnob_wire::datagram::{DatagramKey, Unproved};
use hobnob_wire::ids::AttemptId;
use hobnob_wire::signal::{Candidate, Mapping};

use super::report::Note;
use super::way::{Policy, Role, SocketId, Way};
use crate::core::candidate::Loopback;

/// Our side of an exchange of signals: given when our offer or our answer goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The attempt that both signals name.
    pub attempt: AttemptId,
    /// Whether we decide.
    pub role: Role,
    /// Which paths are allowed.
    pub policy: Policy,
    /// The key in our signal: it authenticates checks of our addresses.
    pub own_key: DatagramKey,
    /// Random, for jitter and the choice of ports. Never secret.
    pub seed: u64,
}

/// Our side's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// What signals tell, before the policy is applied.
    pub candidates: Vec<Candidate>,
    /// What our NAT does.
    pub mapping: Mapping,
    /// Whether the peer may be on this machine.
    pub loopback: Loopback,
}

impl Default for Local {
    fn default() -> Self {
        Self { candidates: Vec::new(), mapping: Mapping::Unknown, loopback: Loopback::Forbidden }
    }
}

/// The other side's signal: offer, answer or update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The attempt.
    pub attempt: AttemptId,
    /// Authenticates checks of the peer's addresses.
    pub key: DatagramKey,
    /// What the peer's NAT does.
    pub mapping: Mapping,
    /// Where the peer may be reached, best first. Foreign input: any number, any address.
    pub candidates: Vec<Candidate>,
    /// An address of these from which the rendezvous hears the peer, as the rendezvous says. Ports of other addresses are
    /// guessed only once the peer has been heard from there.
    pub witnessed: Option<IpAddr>,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// We signalled. Checks start again with fresh keys; proved ways and the selection stay until better is known.
    Exchange(Exchange),
    /// Our side, before the first [`Exchange`] and whenever it changes; ways are then checked again at once.
    Local(Local),
    /// The other side signalled. Whoever answers an offer gives it before the [`Exchange`]: what comes after our own signal
    /// answers it, and so shows that the peer is there now and not a replay.
    Remote(Remote),
    /// Whether a channel to the peer exists and our side of it is bound.
    Relay(bool),
    /// A datagram beside QUIC. Whatever it is, it is judged here.
    Datagram {
        /// Where it came from.
        way: Way,
        /// What it is.
        unproved: Unproved<'a>,
    },
    /// When QUIC was last sent to and last heard from the selection, the relay included. To be given before a
    /// [`Tick`](Self::Tick), and within 50 ms after something is sent.
    Traffic {
        /// Last sent.
        sent: Option<Duration>,
        /// Last heard.
        heard: Option<Duration>,
    },
    /// The sockets of [`Output::OpenSockets`] are open. Fewer than asked for are fine.
    Sockets(Vec<SocketId>),
    /// The machine has slept, for however long: NATs and peers may have forgotten us. All ways are checked at once.
    Woke,
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a datagram.
    Send {
        /// Which way.
        way: Way,
        /// All of it.
        bytes: Vec<u8>,
    },
    /// Take QUIC that comes this way as the peer's.
    Admit(Way),
    /// No longer.
    Dismiss(Way),
    /// QUIC goes this way from now on.
    Select(Selection),
    /// Whether QUIC goes over the relay as well for a moment, because the selected way owes an answer.
    Doubt(bool),
    /// Open this many sockets, of IPv4, and tell with [`Input::Sockets`]. At most [`super::SOCKETS_MAX`].
    OpenSockets(u16),
    /// Close one of them.
    CloseSocket(SocketId),
    /// Our side changed during a link: tell the peer by a signal of kind `Update`, with the same attempt and key.
    Signal,
    /// For the log of the attempt.
    Note(Note),
}

/// Where QUIC to the peer goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Nowhere: it is dropped.
    #[default]
    Nothing,
    /// Through the channel at the relay.
    Relay,
    /// Right to the peer.
    Direct(Way),
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Relay => f.write_str("the relay"),
            Self::Direct(way) => write!(f, "{way}"),
        }
    }
}
