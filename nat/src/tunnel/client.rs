//! Opens a tunnel to a rendezvous.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hobnob_wire::invite::Pin;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::proxy::{self, ProxyError};
use super::{carry, tune};
use crate::core::proxy::Proxy;
use crate::demux::roads::Road;
use crate::dial::DialError;
use crate::endpoint::Endpoint;
use crate::tls::{self, PinVerifier};

/// Where networks that let hardly anything pass still let TLS pass.
const HTTPS: u16 = 443;

/// How long one way may take, from the first packet to the end of the TLS handshake.
const DIAL_WITHIN: Duration = Duration::from_secs(8);

/// How much later each further way is dialed, so that a better one that works is not disturbed.
const STAGGER: Duration = Duration::from_millis(150);

/// Ways that are tried: both ports of a few addresses.
const WAYS_MAX: usize = 8;

/// A tunnel in which nothing comes for so long is dead: a session in it shows life every few seconds.
const IDLE: Duration = Duration::from_secs(30);

/// Why there is no tunnel.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TunnelError {
    /// TCP gives no connection.
    #[error("TCP does not reach it either: {0}")]
    Tcp(#[from] io::Error),
    /// The proxy gives no connection.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// What answers is something else: a web server, or a network that looks into TLS.
    #[error("what answers at TCP port {port} is not the rendezvous")]
    Foreign {
        /// The port.
        port: u16,
    },
    /// There are too many tunnels already.
    #[error("this device has too many tunnels open")]
    TooMany,
    /// No answer in time.
    #[error("nobody answered by TCP within {} s", DIAL_WITHIN.as_secs())]
    TimedOut,
    /// The tunnel is open, and the session in it is not.
    #[error("the tunnel over TCP is open, but {0}")]
    Session(#[from] DialError),
    /// The name leads nowhere.
    #[error("there is no address to try")]
    NoAddress,
}

/// A rendezvous, as a tunnel finds it.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Its host, for a proxy that resolves the name.
    pub host: String,
    /// The number of its UDP port, which is tried after 443.
    pub port: u16,
    /// The pin of its certificate.
    pub pin: Pin,
    /// Its IP addresses with any port; of no use with a proxy.
    pub addresses: Vec<SocketAddr>,
    /// The proxy to go through.
    pub proxy: Option<Arc<Proxy>>,
}

impl Destination {
    /// Every way there, best first: 443 before the own port, each to all addresses.
    fn ways(&self) -> Vec<Way<'_>> {
        let ports: &[u16] = if self.port == HTTPS { &[HTTPS] } else { &[HTTPS, self.port] };
        let to_port = |port: &u16| -> Vec<Way<'_>> {
            match &self.proxy {
                Some(proxy) => vec![Way::Proxy { proxy, host: &self.host, port: *port }],
                None => {
                    self.addresses.iter().map(|to| Way::Direct(SocketAddr::new(to.ip(), *port))).collect()
                }
            }
        };
        let [first, second] = [ports.first(), ports.get(1)].map(|port| port.map_or_else(Vec::new, to_port));
        // Alternating: a host with many addresses and no service at 443 must not wait for all of them.
        let mut ways = Vec::new();
        let (mut first, mut second) = (first.into_iter(), second.into_iter());
        loop {
            let pair: Vec<_> = [first.next(), second.next()].into_iter().flatten().collect();
            if pair.is_empty() || ways.len() >= WAYS_MAX {
                return ways;
            }
            ways.extend(pair);
        }
    }
}

/// One way to a rendezvous.
enum Way<'a> {
    Direct(SocketAddr),
    Proxy { proxy: &'a Proxy, host: &'a str, port: u16 },
}

impl Way<'_> {
    async fn connect(&self, pin: Pin) -> Result<TlsStream<TcpStream>, TunnelError> {
        let (stream, port) = match self {
            Self::Direct(to) => {
                let stream = TcpStream::connect(to).await?;
                tune(&stream)?;
                (stream, to.port())
            }
            Self::Proxy { proxy, host, port } => (proxy::connect(proxy, host, *port).await?, *port),
        };
        let verifier = Arc::new(PinVerifier::new(pin));
        let connector = TlsConnector::from(Arc::new(tls::tunnel_client(verifier)));
        // Not sent to anybody (SNI is off) and not verified by anything.
        let name = ServerName::try_from("hobnob").expect("a constant that is a name");
        connector.connect(name, stream).await.map_err(|error| {
            // rustls' own errors: another certificate, another protocol, no TLS at all.
            let is_foreign = error.kind() == io::ErrorKind::InvalidData;
            if is_foreign { TunnelError::Foreign { port } } else { error.into() }
        })
    }
}

/// Opens a stream to the rendezvous by the first way that works.
async fn open(to: &Destination) -> Result<TlsStream<TcpStream>, TunnelError> {
    let mut attempts: FuturesUnordered<_> = (0_u32..)
        .zip(to.ways())
        .map(|(turn, way)| async move {
            sleep(STAGGER * turn).await;
            timeout(DIAL_WITHIN, way.connect(to.pin)).await.unwrap_or(Err(TunnelError::TimedOut))
        })
        .collect();
    let mut worst = TunnelError::NoAddress;
    while let Some(outcome) = attempts.next().await {
        match outcome {
            Ok(stream) => return Ok(stream),
            Err(error) if rank(&error) > rank(&worst) => worst = error,
            Err(_) => {}
        }
    }
    Err(worst)
}

/// Which of several failures says most about what is wrong.
const fn rank(error: &TunnelError) -> u8 {
    match error {
        TunnelError::NoAddress | TunnelError::TooMany => 0,
        TunnelError::TimedOut => 1,
        TunnelError::Tcp(_) => 2,
        TunnelError::Foreign { .. } | TunnelError::Session(_) => 3,
        TunnelError::Proxy(_) => 4,
    }
}

/// An open tunnel. It ends when this is dropped, after what was sent before; or when it breaks, which the session in it
/// notices.
#[derive(Debug)]
pub struct Tunnel {
    address: SocketAddr,
    /// Changes never; it is gone when the tunnel is.
    ended: watch::Receiver<()>,
    _stop: oneshot::Sender<Infallible>,
}

impl Endpoint {
    /// Opens a tunnel to a rendezvous. Then dial [`Tunnel::address`] as if the rendezvous were there.
    ///
    /// # Errors
    /// [`TunnelError`]; of several ways, the error that says most.
    pub async fn open_tunnel(&self, to: &Destination) -> Result<Tunnel, TunnelError> {
        let stream = open(to).await?;
        Ok(Tunnel::start(self.road().ok_or(TunnelError::TooMany)?, stream))
    }
}

impl Tunnel {
    /// Starts to carry what goes by the road.
    fn start(road: Road, stream: TlsStream<TcpStream>) -> Self {
        let address = road.address();
        let (stop, stopped) = oneshot::channel();
        let (alive, ended) = watch::channel(());
        tokio::spawn(async move {
            let end = carry::carry(stream, road, IDLE, stopped).await;
            tracing::debug!(%address, %end, "the tunnel has ended");
            drop(alive);
        });
        Self { address, ended, _stop: stop }
    }

    /// Waits until the tunnel is broken. The session in it would notice much later.
    pub async fn ended(&self) {
        // The only change is that the sender goes.
        let _ = self.ended.clone().changed().await;
    }

    /// The address that stands for the rendezvous at its other end: what to dial, and where its relay is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
