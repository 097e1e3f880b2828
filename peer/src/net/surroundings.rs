//! What is known of the network around, for who asks.

use hobnob_nat::portmap::PortMapping;
use hobnob_nat::{Endpoint, Network, Reach, System, is_by_road};
use quinn::Connection;
use tokio::sync::watch;

use super::port::Port;
use crate::core::check::{Facts, SessionFacts};

/// Where it is known.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) endpoint: Endpoint,
    pub(crate) reach: Reach,
    /// The session's connection while it is up.
    pub(crate) session: watch::Receiver<Option<Connection>>,
    pub(crate) port: Port,
}

impl Surroundings {
    /// What is known now. `rendezvous` is its name.
    pub(crate) fn facts(&self, rendezvous: String) -> Facts {
        let own = self.reach.own().borrow().local.clone();
        let preferred = System.preferred();
        let session = self.session.borrow().as_ref().map(session);
        Facts {
            rendezvous,
            session,
            port: self.endpoint.local_addr().map_or(0, |at| at.port()),
            // Without a list there is nothing to show; the rest is as true.
            interfaces: System.addresses().unwrap_or_default(),
            routes: (preferred.v4.is_some(), preferred.v6.is_some()),
            candidates: own.candidates,
            mapping: own.mapping,
            port_mapping: words(&self.port.state()),
        }
    }
}

fn session(connection: &Connection) -> SessionFacts {
    let path = connection.stats().path;
    SessionFacts {
        is_tunnelled: is_by_road(connection),
        rtt_us: u64::try_from(path.rtt.as_micros()).unwrap_or(u64::MAX),
        mtu: path.current_mtu,
    }
}

/// How the port stands, in words, and whether it is mapped.
fn words(state: &PortMapping) -> (String, bool) {
    match state {
        PortMapping::Off => ("off".to_owned(), false),
        PortMapping::Asking => ("the router is being asked".to_owned(), false),
        PortMapping::Mapped { by, external } => (format!("{external} by {by}"), true),
        PortMapping::None(why) => (format!("none: {why}"), false),
    }
}
