//! Asks the router for a port: PCP (RFC 6887), NAT-PMP (RFC 6886), else UPnP-IGD.
//!
//! A mapped port is a way in that works for everybody, whatever the NAT does otherwise. It is asked for in the background, renewed at
//! half its life, asked for anew when the network changes, and given back at the end. Nothing waits for it.

mod igd;
mod lease;
mod pcp;

use std::fmt;
use std::future::pending;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::num::NonZeroU16;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use self::lease::{Failure, Lease};
use crate::core::gateway::{default_gateway, is_public};

/// How long a mapping is asked for (RFC 6886 §3.3 recommends it).
const LIFETIME: Duration = Duration::from_secs(2 * 60 * 60);

/// The shortest time between two renewals, whatever the router grants.
const RENEW_AFTER_MIN: Duration = Duration::from_secs(30);

/// How long to wait after nobody gave a port; somebody may switch it on.
const AGAIN_AFTER: Duration = Duration::from_secs(10 * 60);

/// How long to wait for the network to settle after it changed.
const SETTLES_WITHIN: Duration = Duration::from_millis(500);

/// How long giving back may take.
const REMOVE_WITHIN: Duration = Duration::from_secs(2);

/// What a router was asked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Port Control Protocol.
    Pcp,
    /// NAT Port Mapping Protocol.
    NatPmp,
    /// UPnP Internet Gateway Device.
    Upnp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pcp => "PCP",
            Self::NatPmp => "NAT-PMP",
            Self::Upnp => "UPnP-IGD",
        })
    }
}

/// How the port stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortMapping {
    /// The user does not want one.
    Off,
    /// The router is being asked.
    Asking,
    /// The router forwards what arrives at `external`.
    Mapped {
        /// What it was asked by.
        by: Protocol,
        /// The address outside.
        external: SocketAddr,
    },
    /// There is none.
    None(WhyNotMapped),
}

impl PortMapping {
    /// The address at which the port can be reached, if it is mapped.
    #[must_use]
    pub fn external(&self) -> Option<SocketAddr> {
        match self {
            Self::Mapped { external, .. } => Some(*external),
            Self::Off | Self::Asking | Self::None(_) => None,
        }
    }
}

/// Why no port is mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNotMapped {
    /// There is no default route.
    NoGateway,
    /// The router speaks none of the protocols, or they are switched off.
    Silent {
        /// The router.
        gateway: IpAddr,
    },
    /// The router does not want to.
    Refused {
        /// What it was asked by.
        by: Protocol,
        /// Its reason, in the words of the protocol.
        reason: String,
    },
    /// The router is itself behind a NAT: its address is not one of the Internet.
    NotPublic {
        /// What it was asked by.
        by: Protocol,
        /// Its address outside.
        external: IpAddr,
    },
}

impl fmt::Display for WhyNotMapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGateway => f.write_str("there is no router: this machine has no default route"),
            Self::Silent { gateway } => {
                write!(
                    f,
                    "the router {gateway} answers neither PCP, NAT-PMP nor UPnP; switch one of them on there"
                )
            }
            Self::Refused { by, reason } => write!(f, "the router refuses by {by}: {reason}"),
            Self::NotPublic { by, external } => write!(
                f,
                "the router answers {by}, but is itself behind another NAT: its address {external} is not one of the Internet"
            ),
        }
    }
}

/// Keeps a UDP port mapped. Dropped, it gives the port back in the background; [`PortMapper::stop`] waits for that.
#[derive(Debug)]
pub struct PortMapper {
    state: watch::Receiver<PortMapping>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl PortMapper {
    /// Starts to ask for `port`, and again whenever `network` says that the machine is on another one. Must be called within a
    /// tokio runtime.
    #[must_use]
    pub fn start(port: NonZeroU16, network: watch::Receiver<()>) -> Self {
        let (tell, state) = watch::channel(PortMapping::Asking);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(keep(port, network, tell, stopped));
        Self { state, stop: Some(stop), task }
    }

    /// How the port stands, now and from now on.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<PortMapping> {
        self.state.clone()
    }

    /// Gives the port back. Takes two seconds at the longest.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        // A task that panicked has nothing to give back.
        let _ = (&mut self.task).await;
    }
}

/// What ends the wait for the next renewal.
enum Woken {
    Due,
    NetworkChanged,
    Stopped,
}

async fn keep(
    port: NonZeroU16,
    mut network: watch::Receiver<()>,
    tell: watch::Sender<PortMapping>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut lease: Option<Lease> = None;
    loop {
        let asked = tokio::select! {
            asked = next(&mut lease, port) => asked,
            _ = &mut stopped => Err(None),
        };
        let wait = match asked {
            Ok(external) => {
                let state = lease.as_ref().map(|lease| judge(lease.by(), external));
                if let Some(state) = state {
                    tell_if_new(&tell, state);
                }
                lease.as_ref().map_or(AGAIN_AFTER, |lease| (lease.lifetime() / 2).max(RENEW_AFTER_MIN))
            }
            Err(Some(why)) => {
                lease = None;
                tell_if_new(&tell, PortMapping::None(why));
                AGAIN_AFTER
            }
            Err(None) => break,
        };
        match wake(wait, &mut network, &mut stopped).await {
            Woken::Due => {}
            Woken::NetworkChanged => {
                // The old router cannot be asked any more; what it has mapped ends by itself.
                lease = None;
                tell_if_new(&tell, PortMapping::Asking);
            }
            Woken::Stopped => break,
        }
    }
    if let Some(lease) = lease
        && timeout(REMOVE_WITHIN, lease.remove()).await.is_err()
    {
        tracing::debug!("the router does not say that it has taken the port back");
    }
}

/// Renews the lease, or gets a first one. Afterwards there is a lease exactly when this is `Ok`.
async fn next(lease: &mut Option<Lease>, port: NonZeroU16) -> Result<SocketAddr, Option<WhyNotMapped>> {
    if let Some(held) = lease {
        match held.renew().await {
            Ok(external) => return Ok(external),
            Err(error) => tracing::debug!(?error, "the port is not renewed; asking again"),
        }
    }
    *lease = None;
    let (first, external) = ask(port).await.map_err(Some)?;
    *lease = Some(first);
    Ok(external)
}

/// Asks by every protocol in turn.
async fn ask(port: NonZeroU16) -> Result<(Lease, SocketAddr), WhyNotMapped> {
    let routes = tokio::fs::read_to_string("/proc/net/route").await.unwrap_or_default();
    let gateway = default_gateway(&routes).ok_or(WhyNotMapped::NoGateway)?;
    let client = source_towards(gateway).ok_or(WhyNotMapped::NoGateway)?;
    let refused = match pcp::ask(gateway, client, port).await {
        Ok(granted) => return Ok(granted),
        Err(error) => error,
    };
    match igd::ask(gateway, SocketAddr::from((client, port.get()))).await {
        Ok(granted) => Ok(granted),
        Err(Failure::Silent) => Err(match refused {
            Failure::Refused(by, reason) => WhyNotMapped::Refused { by, reason },
            Failure::Silent => WhyNotMapped::Silent { gateway: gateway.into() },
        }),
        Err(Failure::Refused(by, reason)) => Err(WhyNotMapped::Refused { by, reason }),
    }
}

/// Whether what the router gave is of use.
fn judge(by: Protocol, external: SocketAddr) -> PortMapping {
    if is_public(external.ip()) {
        PortMapping::Mapped { by, external }
    } else {
        PortMapping::None(WhyNotMapped::NotPublic { by, external: external.ip() })
    }
}

async fn wake(
    wait: Duration,
    network: &mut watch::Receiver<()>,
    stopped: &mut oneshot::Receiver<()>,
) -> Woken {
    let changed = async {
        if network.changed().await.is_err() {
            // Nobody watches the network any more.
            pending().await
        }
        sleep(SETTLES_WITHIN).await;
    };
    tokio::select! {
        () = sleep(wait) => Woken::Due,
        () = changed => Woken::NetworkChanged,
        _ = stopped => Woken::Stopped,
    }
}

fn tell_if_new(tell: &watch::Sender<PortMapping>, state: PortMapping) {
    tell.send_if_modified(|told| {
        if *told == state {
            return false;
        }
        tracing::debug!(?state, "port mapping");
        *told = state;
        true
    });
}

/// The address that the system would send from. Connecting a UDP socket chooses a route and sends nothing.
fn source_towards(gateway: Ipv4Addr) -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((gateway, crab_nat::GATEWAY_PORT)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    }
}
