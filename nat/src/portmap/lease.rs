//! A port that a router forwards for a while.

use std::net::SocketAddr;
use std::time::Duration;

use super::Protocol;
use super::igd::IgdLease;
use super::pcp::PcpLease;

/// Why a router gave no port.
#[derive(Debug)]
pub(super) enum Failure {
    /// It did not answer, or not in this protocol.
    Silent,
    /// It does not want to.
    Refused(Protocol, String),
}

/// A port, and who gave it.
#[derive(Debug)]
pub(super) enum Lease {
    Pcp(PcpLease),
    Igd(Box<IgdLease>),
}

impl Lease {
    /// What it was asked for by.
    pub(super) fn by(&self) -> Protocol {
        match self {
            Self::Pcp(lease) => lease.by(),
            Self::Igd(_) => Protocol::Upnp,
        }
    }

    /// How long it lasts from when it was given.
    pub(super) fn lifetime(&self) -> Duration {
        match self {
            Self::Pcp(lease) => lease.lifetime(),
            Self::Igd(lease) => lease.lifetime(),
        }
    }

    /// Asks for another lifetime; the address may be another one afterwards.
    pub(super) async fn renew(&mut self) -> Result<SocketAddr, Failure> {
        match self {
            Self::Pcp(lease) => lease.renew().await,
            Self::Igd(lease) => lease.renew().await,
        }
    }

    /// Gives the port back.
    pub(super) async fn remove(self) {
        match self {
            Self::Pcp(lease) => lease.remove().await,
            Self::Igd(lease) => lease.remove().await,
        }
    }
}
