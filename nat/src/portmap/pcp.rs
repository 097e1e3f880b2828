//! PCP, and NAT-PMP where the router knows only that.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use crab_nat::{
    InternetProtocol, MappingFailure, PortMapping, PortMappingOptions, PortMappingType, TimeoutConfig,
    natpmp, pcp,
};

use super::lease::{Failure, Lease};
use super::{LIFETIME, Protocol};

/// Routers are near: 0.25 s, then twice as long, twice (RFC 6886 §3.1 begins so).
const TIMEOUTS: TimeoutConfig =
    TimeoutConfig { initial_timeout: Duration::from_millis(250), max_retries: 2, max_retry_timeout: None };

/// A port given by PCP or NAT-PMP.
#[derive(Debug)]
pub(super) struct PcpLease(PortMapping);

/// Asks the gateway for the same port outside as inside; it may give another.
pub(super) async fn ask(
    gateway: Ipv4Addr,
    client: Ipv4Addr,
    port: NonZeroU16,
) -> Result<(Lease, SocketAddr), Failure> {
    let options = PortMappingOptions {
        external_port: Some(port),
        lifetime_seconds: u32::try_from(LIFETIME.as_secs()).ok(),
        timeout_config: Some(TIMEOUTS),
    };
    let asked = PortMapping::new(gateway.into(), client.into(), InternetProtocol::Udp, port, options).await;
    let lease = PcpLease(asked.map_err(|error| failure(&error))?);
    let external = lease.external().await?;
    Ok((Lease::Pcp(lease), external))
}

impl PcpLease {
    pub(super) fn by(&self) -> Protocol {
        match self.0.mapping_type() {
            PortMappingType::NatPmp => Protocol::NatPmp,
            PortMappingType::Pcp { .. } => Protocol::Pcp,
        }
    }

    pub(super) fn lifetime(&self) -> Duration {
        Duration::from_secs(self.0.lifetime().into())
    }

    pub(super) async fn renew(&mut self) -> Result<SocketAddr, Failure> {
        self.0.renew().await.map_err(|error| failure(&error))?;
        self.external().await
    }

    pub(super) async fn remove(self) {
        if let Err((error, _)) = self.0.try_drop().await {
            tracing::debug!(%error, "the router has not taken the port back");
        }
    }

    async fn external(&self) -> Result<SocketAddr, Failure> {
        let ip: IpAddr = match self.0.mapping_type() {
            PortMappingType::Pcp { external_ip, .. } => external_ip,
            PortMappingType::NatPmp => natpmp::external_address(self.0.gateway(), Some(TIMEOUTS))
                .await
                .map_err(|error| failure(&error.into()))?
                .into(),
        };
        Ok(SocketAddr::new(ip.to_canonical(), self.0.external_port().get()))
    }
}

fn failure(error: &MappingFailure) -> Failure {
    match error {
        MappingFailure::NatPmp(natpmp::Failure::Timeout | natpmp::Failure::Socket(_))
        | MappingFailure::Pcp(pcp::Failure::Timeout | pcp::Failure::Socket(_)) => Failure::Silent,
        MappingFailure::NatPmp(error) => Failure::Refused(Protocol::NatPmp, error.to_string()),
        MappingFailure::Pcp(error) => Failure::Refused(Protocol::Pcp, error.to_string()),
    }
}
