//! Names of ways to a peer.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use hobnob_wire::ids::DeviceId;

/// A UDP socket of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u16);

impl SocketId {
    /// The one socket that session, links and checks share; all others are opened for hard NATs only.
    pub const MAIN: Self = Self(0);
}

/// A socket of ours and an address beyond it: what a datagram takes, and where one came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Way {
    /// The socket.
    pub via: SocketId,
    /// The address, canonical: IPv4 as IPv4, without scope and flow label.
    pub to: SocketAddr,
}

impl Way {
    /// A way over the main socket.
    #[must_use]
    pub fn main(to: SocketAddr) -> Self {
        Self::new(SocketId::MAIN, to)
    }

    /// A way over any socket. Makes the address canonical.
    #[must_use]
    pub fn new(via: SocketId, to: SocketAddr) -> Self {
        Self { via, to: SocketAddr::new(to.ip().to_canonical(), to.port()) }
    }

    /// Bytes of the headers below UDP's content: IP and UDP.
    pub(super) const fn header_bytes(self) -> u32 {
        match self.to.ip() {
            IpAddr::V4(_) => 28,
            IpAddr::V6(_) => 48,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.via {
            SocketId::MAIN => write!(f, "{}", self.to),
            SocketId(number) => write!(f, "{} (socket {number})", self.to),
        }
    }
}

/// Who decides which proved way both use (RFC 8445 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nominates; also the only side that dials.
    Controlling,
    /// Follows.
    Controlled,
}

impl Role {
    /// The role of device `own` towards `other`: the smaller id controls.
    #[must_use]
    pub fn of(own: DeviceId, other: DeviceId) -> Self {
        if own < other { Self::Controlling } else { Self::Controlled }
    }
}

/// Which paths the user allows to a contact (setting `paths`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Every path.
    #[default]
    All,
    /// Addresses of local networks are neither told nor used.
    NoLan,
    /// The relay only: no address is told, no check is sent or answered.
    RelayOnly,
}
