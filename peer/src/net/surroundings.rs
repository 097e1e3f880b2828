//! What is known of the network around, for who asks.

use hobnob_nat::portmap::PortMapping;
use hobnob_nat::{Endpoint, Network, Reach, System, is_by_road, remote_address};
use hobnob_wire::invite::Invite;
use quinn::Connection;
use tokio::net::lookup_host;
use tokio::sync::watch;

use super::port::Port;
use crate::core::check::{Facts, MappingFacts, SessionFacts};
use crate::core::session::place;

/// Addresses of the rendezvous that are asked.
const ADDRESSES_MAX: usize = 8;

/// Where it is known.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) endpoint: Endpoint,
    pub(crate) reach: Reach,
    /// The session's connection while it is up.
    pub(crate) session: watch::Receiver<Option<Connection>>,
    pub(crate) port: Port,
    /// Where the rendezvous is, and what it is known by.
    pub(crate) rendezvous: Invite,
}

impl Surroundings {
    /// Looks closer, which takes up to 3 s.
    pub(crate) async fn facts(&self) -> Facts {
        let rendezvous = &self.rendezvous;
        let connection = self.session.borrow().clone();
        let session = connection.as_ref().map(session);
        let survey = async {
            let mut more = Vec::new();
            if !is_by_road(connection.as_ref()?) {
                // Addresses of the other family tell what its NAT does. A name that is not found adds none.
                let all = lookup_host((rendezvous.host.as_str(), rendezvous.port)).await;
                more = all.into_iter().flatten().take(ADDRESSES_MAX).collect();
            }
            self.reach.survey(more).await
        };
        let mtu = async {
            match &connection {
                None => Err("there is no session".to_owned()),
                Some(connection) if is_by_road(connection) => {
                    Err("everything goes over TCP, which cuts packets as it likes".to_owned())
                }
                Some(connection) => {
                    let measured =
                        self.endpoint.measure_mtu(remote_address(connection), rendezvous.pin).await;
                    measured.map_err(|error| error.to_string())
                }
            }
        };
        let (survey, mtu) = tokio::join!(survey, mtu);
        let own = self.reach.own().borrow().local.clone();
        let preferred = System.preferred();
        Facts {
            rendezvous: place(rendezvous),
            session,
            keep_alive: self.endpoint.session_keep_alive(),
            port: self.endpoint.local_addr().map_or(0, |at| at.port()),
            // Without a list there is nothing to show; the rest is as true.
            interfaces: System.addresses().unwrap_or_default(),
            routes: (preferred.v4.is_some(), preferred.v6.is_some()),
            candidates: own.candidates,
            mapping: own.mapping,
            port_mapping: mapping(&self.port.state()),
            survey,
            mtu,
        }
    }
}

fn session(connection: &Connection) -> SessionFacts {
    SessionFacts {
        is_tunnelled: is_by_road(connection),
        rtt_us: u64::try_from(connection.rtt().as_micros()).unwrap_or(u64::MAX),
    }
}

/// How the port stands.
fn mapping(state: &PortMapping) -> MappingFacts {
    let (words, mapped) = match state {
        PortMapping::Off => ("off".to_owned(), None),
        PortMapping::Asking => ("the router is being asked".to_owned(), None),
        PortMapping::Mapped { by, external } => {
            (format!("{external} by {by}"), Some((by.to_string(), *external)))
        }
        PortMapping::None(why) => (format!("none: {why}"), None),
    };
    MappingFacts { words, mapped }
}
