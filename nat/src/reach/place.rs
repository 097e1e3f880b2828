//! The own place at a relay: performs what the [`Binding`] wants, and says what others see of us.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use hobnob_wire::datagram::{AllocationId, Unproved};
use hobnob_wire::signal::Mapping;
use tokio::time::Instant;

use crate::core::agent::Way;
use crate::core::binding::{Access, Binding, Output, Post};
use crate::core::mapping::{Observation, classify};
use crate::demux::Demux;
use crate::network::Network;

#[derive(Debug)]
pub(super) struct Place {
    network: Arc<dyn Network>,
    demux: Arc<Demux>,
    binding: Binding,
    access: Option<Access>,
    origin: Instant,
}

/// Whether something that others want to know has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) struct Changed(pub(super) bool);

impl Place {
    pub(super) fn new(network: Arc<dyn Network>, demux: Arc<Demux>) -> Self {
        Self { network, demux, binding: Binding::new(), access: None, origin: Instant::now() }
    }

    /// The place is another, or there is none any more.
    pub(super) fn grant(&mut self, access: Option<Access>) -> Changed {
        self.access.clone_from(&access);
        self.binding.grant(access, self.origin.elapsed());
        self.perform()
    }

    /// Where it is, and what it is called there.
    pub(super) fn at(&self) -> Option<(SocketAddr, AllocationId)> {
        self.access.as_ref().map(|access| (access.relay, access.grant.allocation))
    }

    /// Whether any peer may be reached over the relay.
    pub(super) fn want(&mut self, is_wanted: bool) -> Changed {
        self.binding.want(is_wanted, self.origin.elapsed());
        self.perform()
    }

    /// The network has changed.
    pub(super) fn look_again(&mut self) -> Changed {
        self.binding.look_again(self.origin.elapsed());
        self.perform()
    }

    /// Looks closer, from these sockets.
    pub(super) fn survey(&mut self, posts: Vec<Post>, more: &[SocketAddr]) -> Changed {
        self.binding.survey(posts, more, self.origin.elapsed());
        self.perform()
    }

    /// Ends the survey.
    pub(super) fn end_survey(&mut self) {
        self.binding.end_survey();
    }

    pub(super) fn datagram(&mut self, way: Way, unproved: Unproved<'_>) -> Changed {
        self.binding.handle(way, unproved, self.origin.elapsed());
        self.perform()
    }

    pub(super) fn tick(&mut self) -> Changed {
        self.binding.tick(self.origin.elapsed());
        self.perform()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.binding.deadline().map(|due| self.origin + due)
    }

    pub(super) fn binding(&self) -> &Binding {
        &self.binding
    }

    /// What the NAT does, for the family that has one; `own` are the addresses of our interfaces.
    pub(super) fn mapping(&self, own: &[SocketAddr]) -> Mapping {
        let (v4, v6): (Vec<Observation>, Vec<Observation>) =
            self.binding.observations().into_iter().partition(|one| one.seen.is_ipv4());
        classify(if v4.is_empty() { &v6 } else { &v4 }, own)
    }

    fn perform(&mut self) -> Changed {
        let mut changed = false;
        while let Some(output) = self.binding.poll() {
            match output {
                Output::Send { way, bytes } => self.demux.send_beside(way, &bytes),
                Output::OpenSocket(towards) => {
                    let any: IpAddr = match towards {
                        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
                    };
                    let socket = self.network.bind(SocketAddr::new(any, 0)).ok();
                    // Its first datagram may be lost, as the system needs a moment; the question is repeated.
                    let id = socket.and_then(|socket| self.demux.add_socket(socket));
                    self.binding.fresh_socket(id, self.origin.elapsed());
                }
                Output::CloseSocket(id) => self.demux.close_socket(id),
                Output::Changed => changed = true,
            }
        }
        Changed(changed)
    }
}
