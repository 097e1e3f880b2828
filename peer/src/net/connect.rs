//! From the name of a rendezvous to a connection with it.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hobnob_nat::core::proxy::Proxy;
use hobnob_nat::core::road::{Chooser, Plan, Road, Roads};
use hobnob_nat::{Destination, DialError, Endpoint, Tunnel, TunnelError, remote_address};
use hobnob_wire::invite::{Invite, Pin};
use quinn::Connection;
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

/// How long the system may take to resolve a name.
const RESOLVE_WITHIN: Duration = Duration::from_secs(10);

/// Addresses of one name that are tried; more are a mistake or malice.
const ADDRESSES_MAX: usize = 8;

/// How much later each further address is dialed (RFC 8305 §8).
const STAGGER: Duration = Duration::from_millis(250);

/// Why there is no connection to a rendezvous.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The host's name leads nowhere.
    #[error(
        "the host {host} cannot be found ({cause}); check the name in the invite and this machine's network"
    )]
    Resolve {
        /// The host.
        host: String,
        /// What the system says.
        cause: io::Error,
    },
    /// The rendezvous shows another certificate than the pinned one.
    #[error(
        "the rendezvous at {at} shows another identity (pin {presented}) than the one known (pin {expected}). Somebody may be in between, or its operator has given it a new certificate: ask the operator for the pin, and use a new invite only if it is confirmed"
    )]
    PinChanged {
        /// Where.
        at: SocketAddr,
        /// The pin of the invite.
        expected: Pin,
        /// The pin of the certificate shown.
        presented: Pin,
    },
    /// What answers is no rendezvous, or one of another version.
    #[error(
        "what answers at {at} is not a Hobnob rendezvous of this version; check the address, or update this app or the rendezvous"
    )]
    Incompatible {
        /// Where.
        at: SocketAddr,
    },
    /// No address of it answered.
    #[error(
        "the rendezvous at {at} cannot be reached: {cause}{}. Check that it runs and that UDP to its port is not blocked", also(.tunnel)
    )]
    Unreachable {
        /// Where.
        at: SocketAddr,
        /// Why.
        cause: DialError,
        /// Why there is no tunnel either, if one was tried.
        tunnel: Option<TunnelError>,
    },
    /// The proxy that the user has set does not lead to it.
    #[error("the rendezvous cannot be reached: {0}. Check the proxy (setting net.proxy)")]
    Tunnel(#[source] TunnelError),
}

fn also(tunnel: &Option<TunnelError>) -> String {
    tunnel.as_ref().map(|error| format!(", and {error}")).unwrap_or_default()
}

/// A connection to the rendezvous, and what carries it.
#[derive(Debug)]
pub(crate) struct Line {
    /// A session that is not authenticated yet.
    pub(crate) connection: Connection,
    /// The tunnel that it runs in, where UDP is blocked. To be kept as long as the connection.
    pub(crate) tunnel: Option<Tunnel>,
    /// Where the name leads by IPv4, when the connection goes by IPv6.
    pub(crate) v4: Option<SocketAddr>,
}

impl Line {
    /// By UDP, to one of the addresses of the name.
    fn by_udp(connection: Connection, addresses: &[SocketAddr]) -> Self {
        let at = remote_address(&connection);
        // On this machine nobody sees more by the other family.
        let is_asked = at.is_ipv6() && !at.ip().is_loopback();
        let v4 = addresses.iter().find(|other| other.is_ipv4() && is_asked).copied();
        Self { connection, tunnel: None, v4 }
    }
}

/// Knows the way to one rendezvous, and learns about it.
#[derive(Debug)]
pub(crate) struct Connector {
    endpoint: Endpoint,
    invite: Invite,
    proxy: Option<Arc<Proxy>>,
    chooser: Chooser,
    /// Opened by UDP while the session was in a tunnel, for the next session.
    found: Option<Line>,
}

impl Connector {
    /// Nothing has been tried yet. With a proxy nothing goes there but through it.
    pub(crate) fn new(endpoint: Endpoint, invite: Invite, proxy: Option<Proxy>) -> Self {
        let chooser = Chooser::new(if proxy.is_some() { Roads::TunnelOnly } else { Roads::Both });
        Self { endpoint, invite, proxy: proxy.map(Arc::new), chooser, found: None }
    }

    /// Opens a connection: by UDP to whichever address answers first, or in a tunnel where UDP gives no answer.
    pub(crate) async fn connect(&mut self) -> Result<Line, ConnectError> {
        let line = match self.found.take().filter(|found| found.connection.close_reason().is_none()) {
            Some(line) => line,
            None => self.dial().await?,
        };
        self.chooser.opened(if line.tunnel.is_some() { Road::Tunnel } else { Road::Udp });
        Ok(line)
    }

    /// What was learnt about UDP holds no longer: the machine is on another network.
    pub(crate) fn network_changed(&mut self) {
        self.chooser.network_changed();
    }

    /// Tries from time to time, and when the network changes, whether UDP works, while a session is in a tunnel. Returns when it
    /// does; the next [`Connector::connect`] needs no time then. Cancel safe.
    pub(crate) async fn find_udp(&mut self, mut network: watch::Receiver<()>) {
        network.mark_unchanged();
        let mut watched = true;
        while let Some(wait) = self.chooser.next_probe() {
            tokio::select! {
                () = sleep(wait) => {}
                changed = network.changed(), if watched => match changed {
                    Ok(()) => self.chooser.network_changed(),
                    Err(_) => watched = false,
                },
            }
            let Ok(addresses) = resolve(&self.invite.host, self.invite.port).await else { continue };
            if let Ok(line) = self.by_udp(&addresses).await {
                self.found = Some(line);
                return;
            }
        }
        pending().await
    }

    async fn dial(&self) -> Result<Line, ConnectError> {
        let Plan::Udp { alone } = self.chooser.plan() else {
            return self.by_tunnel(&[]).await.map_err(ConnectError::Tunnel);
        };
        let addresses = resolve(&self.invite.host, self.invite.port).await?;
        // Nothing blocks UDP between two programs of one machine.
        if addresses.iter().all(|address| address.ip().is_loopback()) {
            return self.by_udp(&addresses).await;
        }
        let (stalled, stall) = oneshot::channel();
        let udp = async {
            let mut udp = pin!(self.by_udp(&addresses));
            let early = timeout(alone, &mut udp).await;
            drop(stalled);
            match early {
                Ok(outcome) => outcome,
                Err(_) => udp.await,
            }
        };
        let tunnel = async {
            // Nothing is ever sent: the sender goes.
            let _: Result<Infallible, _> = stall.await;
            self.by_tunnel(&addresses).await
        };
        either(udp, tunnel).await
    }

    /// Opens a connection by UDP, to whichever of the addresses answers first. Every address gets its try, a little after the
    /// one before.
    async fn by_udp(&self, addresses: &[SocketAddr]) -> Result<Line, ConnectError> {
        let mut attempts: FuturesUnordered<_> = (0_u32..)
            .zip(addresses)
            .map(|(turn, address)| async move {
                sleep(STAGGER * turn).await;
                (*address, self.endpoint.open_session(*address, self.invite.pin).await)
            })
            .collect();
        let mut worst = nowhere(&self.invite.host);
        while let Some((address, outcome)) = attempts.next().await {
            match outcome.map_err(|error| refused(address, error)) {
                Ok(connection) => return Ok(Line::by_udp(connection, addresses)),
                Err(error) if rank(&error) > rank(&worst) => worst = error,
                Err(_) => {}
            }
        }
        Err(worst)
    }

    /// Opens a tunnel and a connection in it.
    async fn by_tunnel(&self, addresses: &[SocketAddr]) -> Result<Line, TunnelError> {
        let Invite { host, port, pin } = &self.invite;
        let (host, addresses, proxy) = (host.clone(), addresses.to_vec(), self.proxy.clone());
        let to = Destination { host, port: *port, pin: *pin, addresses, proxy };
        let tunnel = self.endpoint.open_tunnel(&to).await?;
        let connection = self.endpoint.open_session(tunnel.address(), *pin).await?;
        tracing::info!("the rendezvous is reached in a tunnel over TCP");
        Ok(Line { connection, tunnel: Some(tunnel), v4: None })
    }
}

/// The first of both roads that is open. A rendezvous that UDP reaches and that is not the right one settles it.
async fn either(
    udp: impl Future<Output = Result<Line, ConnectError>>,
    tunnel: impl Future<Output = Result<Line, TunnelError>>,
) -> Result<Line, ConnectError> {
    let (mut udp, mut tunnel) = (pin!(udp), pin!(tunnel));
    tokio::select! {
        outcome = &mut udp => match outcome {
            Ok(line) => Ok(line),
            Err(ConnectError::Unreachable { at, cause, .. }) => tunnel
                .await
                .map_err(|error| ConnectError::Unreachable { at, cause, tunnel: Some(error) }),
            Err(error) => Err(error),
        },
        outcome = &mut tunnel => match outcome {
            Ok(line) => Ok(line),
            Err(error) => match udp.await {
                Ok(line) => Ok(line),
                Err(ConnectError::Unreachable { at, cause, .. }) => {
                    Err(ConnectError::Unreachable { at, cause, tunnel: Some(error) })
                }
                Err(error) => Err(error),
            },
        },
    }
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    let failed = |cause| ConnectError::Resolve { host: host.to_owned(), cause };
    let addresses = timeout(RESOLVE_WITHIN, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
        .map_err(failed)?;
    Ok(addresses.take(ADDRESSES_MAX).collect())
}

/// What is wrong when there is no address to try.
fn nowhere(host: &str) -> ConnectError {
    ConnectError::Resolve { host: host.to_owned(), cause: io::Error::other("it has no address") }
}

fn refused(at: SocketAddr, error: DialError) -> ConnectError {
    if let DialError::PinMismatch { expected, presented } = error {
        ConnectError::PinChanged { at, expected, presented }
    } else if error == DialError::Incompatible {
        ConnectError::Incompatible { at }
    } else {
        ConnectError::Unreachable { at, cause: error, tunnel: None }
    }
}

/// Which of several failures says most about what is wrong.
const fn rank(error: &ConnectError) -> u8 {
    match error {
        ConnectError::PinChanged { .. } => 4,
        ConnectError::Incompatible { .. } => 3,
        ConnectError::Unreachable { cause: DialError::Unroutable, .. } => 1,
        ConnectError::Unreachable { .. } | ConnectError::Tunnel(_) => 2,
        ConnectError::Resolve { .. } => 0,
    }
}
