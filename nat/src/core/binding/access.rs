//! What a peer must know of a relay to use it.

use std::iter;
use std::net::SocketAddr;

use hobnob_wire::datagram::Channel;
use hobnob_wire::ids::DeviceId;
use hobnob_wire::signal::RelayGrant;

/// Access to a relay and its reflectors, for the time of one session.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where the relay is: where the session was dialed.
    pub relay: SocketAddr,
    /// Its address of IPv4, where that is another one.
    pub v4: Option<SocketAddr>,
    /// The place there.
    pub grant: RelayGrant,
    /// Whether the relay and its reflectors are asked where they see us. By another road than UDP they do not.
    pub reflects: bool,
}

/// A contact that forwards to a peer, in place of the relay of the rendezvous.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helper {
    /// The contact's device.
    pub device: DeviceId,
    /// Its address, a path to which is proved.
    pub at: SocketAddr,
    /// Our place there.
    pub grant: RelayGrant,
    /// Where it forwards to the peer.
    pub channel: Channel,
}

impl Access {
    /// All that are asked where they see us: the relay and the reflectors, by IPv4 too.
    pub(super) fn reflectors(&self) -> Vec<SocketAddr> {
        let mut all: Vec<SocketAddr> = Vec::new();
        for relay in [Some(self.relay), self.v4].into_iter().flatten().filter(|_| self.reflects) {
            let reflectors = self.grant.reflectors.iter().map(|at| SocketAddr::from(*at));
            for mut at in iter::once(relay).chain(reflectors) {
                if at.ip().is_unspecified() {
                    at.set_ip(relay.ip());
                }
                if !all.contains(&at) && at.port() != 0 {
                    all.push(at);
                }
            }
        }
        all
    }
}
