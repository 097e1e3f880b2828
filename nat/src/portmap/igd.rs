//! UPnP-IGD.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{AddAnyPortError, AddPortError, PortMappingProtocol, SearchOptions};

use super::lease::{Failure, Lease};
use super::{LIFETIME, Protocol};

/// Devices may take a second or more to answer a search (UPnP Device Architecture §1.3.2).
const SEARCH_WITHIN: Duration = Duration::from_secs(3);

/// What the router shows beside the port.
const DESCRIPTION: &str = "hobnob";

/// A port given by UPnP.
#[derive(Debug)]
pub(super) struct IgdLease {
    gateway: Gateway<Tokio>,
    inside: SocketAddr,
    outside: u16,
    /// Zero where the router knows only ports that it keeps for ever; this is then only when to look again.
    lease: Duration,
}

/// Finds the router and asks it to forward to `inside`, from the same port or, if that is taken, any.
pub(super) async fn ask(gateway: Ipv4Addr, inside: SocketAddr) -> Result<(Lease, SocketAddr), Failure> {
    let mut options = SearchOptions::default();
    options.bind_addr = SocketAddr::new(inside.ip(), 0);
    options.timeout = Some(SEARCH_WITHIN);
    options.single_search_timeout = Some(SEARCH_WITHIN);
    let found = search_gateway(options).await.map_err(|error| {
        tracing::debug!(%error, "no UPnP router");
        Failure::Silent
    })?;
    if found.addr.ip() != IpAddr::V4(gateway) {
        // Another device of the network that says it is a router: what it forwards does not come here.
        tracing::debug!(at = %found.addr, "a UPnP router that is not the default route is passed over");
        return Err(Failure::Silent);
    }
    let mut lease = IgdLease { gateway: found, inside, outside: inside.port(), lease: LIFETIME };
    let external = lease.renew().await?;
    Ok((Lease::Igd(Box::new(lease)), external))
}

impl IgdLease {
    pub(super) fn lifetime(&self) -> Duration {
        if self.lease.is_zero() { LIFETIME } else { self.lease }
    }

    pub(super) async fn renew(&mut self) -> Result<SocketAddr, Failure> {
        self.map().await?;
        let ip = self.gateway.get_external_ip().await.map_err(|error| refused(&error))?;
        Ok(SocketAddr::new(ip, self.outside))
    }

    pub(super) async fn remove(self) {
        if let Err(error) = self.gateway.remove_port(PortMappingProtocol::UDP, self.outside).await {
            tracing::debug!(%error, "the router has not taken the port back");
        }
    }

    async fn map(&mut self) -> Result<(), Failure> {
        match self.add(self.outside).await {
            Err(AddPortError::OnlyPermanentLeasesSupported) if !self.lease.is_zero() => {
                self.lease = Duration::ZERO;
                self.add(self.outside).await.map_err(|error| refused(&error))
            }
            Err(AddPortError::PortInUse) => {
                self.outside = self.add_any().await.map_err(|error| refused(&error))?;
                Ok(())
            }
            added => added.map_err(|error| refused(&error)),
        }
    }

    async fn add(&self, outside: u16) -> Result<(), AddPortError> {
        let (udp, seconds) = (PortMappingProtocol::UDP, self.seconds());
        self.gateway.add_port(udp, outside, self.inside, seconds, DESCRIPTION).await
    }

    async fn add_any(&self) -> Result<u16, AddAnyPortError> {
        let (udp, seconds) = (PortMappingProtocol::UDP, self.seconds());
        self.gateway.add_any_port(udp, self.inside, seconds, DESCRIPTION).await
    }

    fn seconds(&self) -> u32 {
        u32::try_from(self.lease.as_secs()).unwrap_or(u32::MAX)
    }
}

fn refused(error: &dyn std::error::Error) -> Failure {
    Failure::Refused(Protocol::Upnp, error.to_string())
}
