//! The relay of a rendezvous and its reflectors, as the settings want them.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hobnob_nat::core::relay::RelayTally;
use hobnob_nat::{Reflector, RelayServer, System};
use hobnob_wire::List;
use hobnob_wire::signal::TransportAddress;
use opaque_ke::rand::RngCore;
use tokio::time::sleep;
use zeroize::Zeroizing;

use crate::config::RelayConfig;
use crate::core::RelayOffer;
use crate::random::SystemRandom;

/// A relay that forwards and has no reflectors yet; `None` when there is to be none.
pub(crate) fn start(config: &RelayConfig) -> Option<Arc<RelayServer>> {
    config.enabled.then(|| RelayServer::new(config.limits(), secret()))
}

/// Opens the reflectors beside a relay that listens at `relay_at`; gives back what sessions are told of both.
///
/// # Errors
/// Which address of the settings cannot be had, and why.
pub(crate) fn reflect(
    config: &RelayConfig,
    relay: &Arc<RelayServer>,
    relay_at: SocketAddr,
) -> Result<(RelayOffer, Vec<Reflector>), (SocketAddr, io::Error)> {
    let open = |at| Reflector::open(&System, at, Arc::clone(relay));
    let mut reflectors = Vec::new();
    let mut told: Vec<TransportAddress> = Vec::new();
    let mut last = relay_at.port();
    for port in &config.reflector_ports {
        let at = |port| SocketAddr::new(relay_at.ip(), port);
        let reflector = match port {
            0 => open(at(last.checked_add(1).unwrap_or(0))).or_else(|_| open(at(0))),
            port => open(at(*port)),
        };
        let reflector = reflector.map_err(|error| (at(*port), error))?;
        last = reflector.listen().port();
        // Peers know the address of the relay; this is another port of it.
        told.push(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), last).into());
        reflectors.push(reflector);
    }
    for at in &config.reflectors {
        let reflector = open(*at).map_err(|error| (*at, error))?;
        told.push(reflector.listen().into());
        reflectors.push(reflector);
    }
    let told = List::new(told).map_err(|error| (relay_at, io::Error::other(error)))?;
    Ok((RelayOffer::new(secret(), told), reflectors))
}

/// Logs what the relay has done since the last time, now and then, as long as there is the relay.
pub(crate) fn log(relay: &Arc<RelayServer>) {
    const EVERY: Duration = Duration::from_secs(60 * 60);
    let relay = Arc::downgrade(relay);
    tokio::spawn(async move {
        let mut told = RelayTally::default();
        loop {
            sleep(EVERY).await;
            let Some(tally) = relay.upgrade().map(|relay| relay.tally()) else { return };
            if tally != told {
                let RelayTally { bytes, datagrams, over_budget, refused, answers } = tally;
                tracing::info!(bytes, datagrams, over_budget, refused, answers, "relayed since the start");
                told = tally;
            }
        }
    });
}

fn secret() -> Zeroizing<[u8; 32]> {
    let mut secret = Zeroizing::new([0; 32]);
    SystemRandom.fill_bytes(&mut *secret);
    secret
}
