//! One UDP socket that opens and accepts sessions and links.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hobnob_wire::datagram::CHANNEL_HEADER_BYTES;
use hobnob_wire::invite::Pin;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{ClientConfig, ServerConfig, TransportConfig, VarInt};
use quinn_proto::RandomConnectionIdGenerator;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::arrival::{Arrival, Place};
use crate::congestion::PathEpoch;
use crate::core::admission::{Admission, AdmissionLimits, Verdict};
use crate::demux::Demux;
use crate::demux::address::{self, canonical};
use crate::demux::beside::{Beside, Helping, Inbox, Nobody, Outlet};
use crate::demux::roads::Road;
use crate::demux::routes::Strangers;
use crate::dial::{DIAL_WITHIN, DialError};
use crate::network::{Network, System};
use crate::reach::Reach;
use crate::relay::RelayServer;
use crate::tls::{PinVerifier, ServerIdentity};
use crate::tunnel::guests::Guests;
use crate::{tls, transport};

/// Connection identifiers of ours, all of it random: 2⁶⁴ leave no two alike.
const CONNECTION_ID_BYTES: usize = 8;

/// What stands before a packet that a relay forwards.
const HEADER_BYTES: u16 = 8;
const _: () = assert!(HEADER_BYTES as usize == CHANNEL_HEADER_BYTES);

/// Datagrams beside QUIC that wait for the task of a peer. It takes microseconds for each, so more come only as a flood.
const INBOX_MAX: usize = 1024;

/// Newcomers that wait for [`Endpoint::accept`]. It decides within microseconds, so this many come only as a flood, and
/// more are then refused.
const WAITING_MAX: usize = 1024;

/// What one waiting newcomer may have sent beyond its first packet: the second half of a hybrid ClientHello, twice.
const WAITING_BYTES_MAX: u64 = 4 << 10;

/// What all waiting newcomers together may have sent beyond their first packets.
const WAITING_BYTES_TOTAL_MAX: u64 = 1 << 20;

/// A QUIC endpoint on one UDP socket. Cheap to clone; clones are the same endpoint.
///
/// A rendezvous accepts sessions; a peer dials sessions and dials and accepts links. Dropping the last clone closes nothing
/// by itself: connections live as long as somebody holds them.
#[derive(Clone, Debug)]
pub struct Endpoint {
    quinn: quinn::Endpoint,
    demux: Arc<Demux>,
    /// On a peer.
    reach: Option<Reach>,
    /// On a peer: how it accepts links.
    link_server: Option<ServerConfig>,
    link_dialer: ClientConfig,
    admission: Arc<Mutex<Admission>>,
    guests: Guests,
    keep_alive: Option<Duration>,
}

impl Endpoint {
    /// The endpoint of a rendezvous: accepts sessions under `identity`, and as many unproved ones as `limits` allow.
    /// Must be called within a tokio runtime, which will drive it.
    ///
    /// # Errors
    /// When the socket cannot be had, typically because the port is in use.
    pub fn rendezvous(
        listen: SocketAddr,
        identity: &ServerIdentity,
        limits: AdmissionLimits,
    ) -> io::Result<Self> {
        Self::rendezvous_on(&System, listen, identity, limits, Arc::new(Nobody))
    }

    /// [`Endpoint::rendezvous`] on any network. What arrives beside QUIC goes to `beside`.
    ///
    /// # Errors
    /// When the socket cannot be had.
    pub fn rendezvous_on(
        network: &dyn Network,
        listen: SocketAddr,
        identity: &ServerIdentity,
        limits: AdmissionLimits,
        beside: Arc<dyn Beside>,
    ) -> io::Result<Self> {
        let crypto = tls::quic_server(tls::session_server(identity));
        let server = server_config(crypto, transport::session_server());
        let demux = Demux::new(network.bind(listen)?, beside, Strangers::Admitted, false)?;
        Self::open(demux, server, limits, transport::RENDEZVOUS_PACKET_MAX)
    }

    /// The endpoint of a peer: dials sessions, dials and accepts links. `[::]:0` is a good `listen`: a free port, both
    /// families. Must be called within a tokio runtime, which will drive it.
    ///
    /// It ignores strangers: links come from those whom [`Reach`] was told of. Tools and tests that take anybody's use
    /// [`Endpoint::peer_on`].
    ///
    /// # Errors
    /// When the socket cannot be had, typically because the port is in use.
    pub fn peer(listen: SocketAddr) -> io::Result<Self> {
        Self::peer_on(Arc::new(System), listen, Strangers::Ignored)
    }

    /// [`Endpoint::peer`] on any network.
    ///
    /// # Errors
    /// When the socket cannot be had.
    pub fn peer_on(network: Arc<dyn Network>, listen: SocketAddr, strangers: Strangers) -> io::Result<Self> {
        Self::peer_relaying_on(network, listen, strangers, None)
    }

    /// [`Endpoint::peer_on`] with a relay for others on the same socket.
    ///
    /// # Errors
    /// When the socket cannot be had.
    pub fn peer_relaying_on(
        network: Arc<dyn Network>,
        listen: SocketAddr,
        strangers: Strangers,
        relay: Option<Arc<RelayServer>>,
    ) -> io::Result<Self> {
        let certificate = tls::throw_away_certificate().map_err(io::Error::other)?;
        let server = server_config(
            tls::quic_server(tls::link_server(certificate)),
            transport::accepted_link(PathEpoch::default(), None),
        );
        let link_server = server.clone();
        let (inbox, heard) = mpsc::channel(INBOX_MAX);
        let inbox = Inbox(inbox);
        let beside: Arc<dyn Beside> = match relay {
            Some(relay) => Arc::new(Helping { relay, inbox }),
            None => Arc::new(inbox),
        };
        let demux = Demux::new(network.bind(listen)?, beside, strangers, true)?;
        let mut endpoint = Self::open(demux, server, AdmissionLimits::PEER, transport::LINK_MTU_MAX)?;
        endpoint.link_server = Some(link_server);
        endpoint.reach = Some(Reach::start(network, Arc::clone(&endpoint.demux), heard));
        Ok(endpoint)
    }

    fn open(
        demux: Demux,
        server: ServerConfig,
        limits: AdmissionLimits,
        packet_max: u16,
    ) -> io::Result<Self> {
        let mut config = quinn::EndpointConfig::default();
        // The two top bits of the first byte tell QUIC from all else on the socket (RFC 9287 would blur them).
        config.grease_quic_bit(false);
        // quinn's own generator draws 24 bits, so that with thousands of connections a Retry soon names an identifier that is
        // in use, and that newcomer's packets go astray until it gives up.
        config.cid_generator(|| Box::new(RandomConnectionIdGenerator::new(CONNECTION_ID_BYTES)));
        // It is also the size of the buffers, which hold a packet together with the header of its channel.
        config.max_udp_payload_size(packet_max + HEADER_BYTES).map_err(io::Error::other)?;
        let demux = Arc::new(demux);
        let socket = Arc::<Demux>::clone(&demux);
        let runtime = Arc::new(quinn::TokioRuntime);
        let quinn = quinn::Endpoint::new_with_abstract_socket(config, Some(server), socket, runtime)?;

        let certificate = tls::throw_away_certificate().map_err(io::Error::other)?;
        let link_dialer = ClientConfig::new(tls::quic_client(tls::link_client(certificate)));
        let (admission, guests) = (Arc::new(Mutex::new(Admission::new(limits))), Guests::default());
        Ok(Self {
            quinn,
            demux,
            reach: None,
            link_server: None,
            link_dialer,
            admission,
            guests,
            keep_alive: None,
        })
    }

    /// Sessions and links from now on say something at least this often, for NATs that forget sooner than most. `None` is what is
    /// right for most; more seldom than that is not done.
    #[must_use]
    pub const fn with_keep_alive(mut self, every: Option<Duration>) -> Self {
        self.keep_alive = every;
        self
    }

    /// How often a session says something at least.
    pub fn session_keep_alive(&self) -> Duration {
        transport::session_keep_alive(self.keep_alive)
    }

    /// Looks after the paths to peers; `None` on a rendezvous, which has none.
    pub fn reach(&self) -> Option<Reach> {
        self.reach.clone()
    }

    /// A road for datagrams that travel otherwise than by UDP, and an address for whoever is at its other end: dial it, or
    /// wait for a newcomer from it. `None` when there are too many roads.
    pub fn road(&self) -> Option<Road> {
        self.demux.roads().open()
    }

    /// Who is at the other end of the tunnels that were taken.
    pub(crate) fn guests(&self) -> &Guests {
        &self.guests
    }

    /// Sends datagrams beside QUIC from the endpoint's socket.
    pub fn outlet(&self) -> Arc<dyn Outlet> {
        Arc::<Demux>::clone(&self.demux)
    }

    /// The next newcomer that may start a handshake; `None` once the endpoint is closed. Those whom the limits turn away
    /// (with a Retry or a refusal) are not seen here. Cancel safe.
    ///
    /// Give each arrival a task of its own and call [`Arrival::establish`] there.
    pub async fn accept(&self) -> Option<Arrival> {
        loop {
            let incoming = self.quinn.accept().await?;
            let from = canonical(incoming.remote_address());
            let origin = self.guests.origin(from);
            // TCP has proved where a tunnel comes from.
            let validated = incoming.remote_address_validated() || self.guests.holds(from);
            let mut admission = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
            let verdict = admission.judge(origin, validated);
            let within = admission.limits().handshake_within;
            drop(admission);
            match verdict {
                Verdict::Accept => {
                    let place = Place::new(Arc::clone(&self.admission), origin).of_guest(&self.guests, from);
                    let accepted = match self.link_server.clone() {
                        Some(mut config) => {
                            config.transport_config(transport::accepted_link(
                                self.switches(from),
                                self.keep_alive,
                            ));
                            incoming.accept_with(Arc::new(config))
                        }
                        None => incoming.accept(),
                    };
                    match accepted {
                        Ok(connecting) => return Some(Arrival::new(connecting, place, from, within)),
                        Err(error) => tracing::debug!(%from, %error, "a first packet was no handshake"),
                    }
                }
                Verdict::Retry => {
                    tracing::trace!(%from, "a newcomer must validate its address");
                    // What cannot be asked to retry has been asked before: dropping the error refuses it.
                    drop(incoming.retry());
                }
                Verdict::Refuse => {
                    tracing::debug!(%from, "too many unproved connections: a newcomer is refused");
                    incoming.refuse();
                }
            }
        }
    }

    /// How many accepted connections have not proved who they are, for metrics.
    pub fn unproved(&self) -> u32 {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner).unproved()
    }

    /// Opens a session with the rendezvous at `addr`, which must show the certificate with this `pin`.
    ///
    /// # Errors
    /// [`DialError::PinMismatch`] when another certificate is shown: somebody else answers there, or the rendezvous has a new
    /// identity. All other variants mean that there is no session now and another try may help.
    pub async fn open_session(&self, addr: SocketAddr, pin: Pin) -> Result<quinn::Connection, DialError> {
        let verifier = Arc::new(PinVerifier::new(pin));
        let mut config = ClientConfig::new(tls::quic_client(tls::session_client(Arc::clone(&verifier))));
        config.transport_config(transport::session_client(self.keep_alive));
        self.dial(config, addr).await.map_err(|error| match verifier.refused() {
            Some(presented) => DialError::PinMismatch { expected: pin, presented },
            None => error,
        })
    }

    /// The largest packet, in bytes of UDP, that gets to the rendezvous at `addr`: 1,200 that always must and up to 1,472. Takes
    /// up to 2 s, and a connection of its own.
    ///
    /// # Errors
    /// Those of [`Endpoint::open_session`].
    pub async fn measure_mtu(&self, addr: SocketAddr, pin: Pin) -> Result<u16, DialError> {
        /// quinn tries about six sizes, three times each.
        const WITHIN: Duration = Duration::from_secs(2);
        /// It does not tell when it has found another.
        const LOOK_EVERY: Duration = Duration::from_millis(50);
        let verifier = Arc::new(PinVerifier::new(pin));
        let mut config = ClientConfig::new(tls::quic_client(tls::session_client(verifier)));
        config.transport_config(transport::mtu_probe());
        let connection = self.dial(config, addr).await?;
        let size = || connection.stats().path.current_mtu;
        let grown = async {
            while size() < transport::RENDEZVOUS_PACKET_MAX {
                sleep(LOOK_EVERY).await;
            }
        };
        // What is found by then is what gets through.
        let _ = timeout(WITHIN, grown).await;
        let found = size();
        connection.close(VarInt::from_u32(0), b"");
        Ok(found)
    }

    /// Opens a link to whoever answers at `addr`. It says nothing about who that is: run the Noise handshake on the first
    /// bidirectional stream, then [`raise_link_limits`](crate::raise_link_limits).
    ///
    /// # Errors
    /// [`DialError`]; never [`DialError::PinMismatch`].
    pub async fn open_link(&self, addr: SocketAddr) -> Result<quinn::Connection, DialError> {
        let mut config = self.link_dialer.clone();
        config.transport_config(transport::dialed_link(self.switches(canonical(addr)), self.keep_alive));
        self.dial(config, addr).await
    }

    /// Counts the switches of the path to a peer; of any other address there are none.
    fn switches(&self, to: SocketAddr) -> PathEpoch {
        match address::device_at(to) {
            Some(_) => self.demux.route(|routes| routes.usage(to)).switches().clone(),
            None => PathEpoch::default(),
        }
    }

    async fn dial(&self, config: ClientConfig, addr: SocketAddr) -> Result<quinn::Connection, DialError> {
        /// Not sent to anybody (SNI is off) and not verified by anything.
        const PLACEHOLDER_NAME: &str = "hobnob";
        let to = canonical(addr);
        if address::device_at(to).is_none() {
            self.demux.route(|routes| routes.dial(to));
        }
        let connecting = self.quinn.connect_with(config, addr, PLACEHOLDER_NAME)?;
        Ok(timeout(DIAL_WITHIN, connecting).await.map_err(|_| DialError::TimedOut)??)
    }

    /// The address that the socket is bound to; unspecified when it listens on all addresses.
    ///
    /// # Errors
    /// When the system has lost the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.demux.main_addr()
    }

    /// Closes all connections with `code` and `reason`, and ends [`Endpoint::accept`]. Follow it with [`Endpoint::wait_idle`]
    /// so that the other sides hear of it.
    pub fn close(&self, code: u32, reason: &[u8]) {
        self.quinn.close(VarInt::from_u32(code), reason);
    }

    /// Waits until all closed connections have said so to the other side. Bound it by a timeout.
    pub async fn wait_idle(&self) {
        self.quinn.wait_idle().await;
    }
}

/// The address of the other side, IPv4 as IPv4 also on a socket for both families.
pub fn remote_address(connection: &quinn::Connection) -> SocketAddr {
    canonical(connection.remote_address())
}

/// Whether the other side is reached by a road instead of UDP.
pub fn is_by_road(connection: &quinn::Connection) -> bool {
    let remote = remote_address(connection);
    address::is_virtual(remote) && address::device_at(remote).is_none()
}

fn server_config(crypto: Arc<QuicServerConfig>, transport: Arc<TransportConfig>) -> ServerConfig {
    let mut config = ServerConfig::with_crypto(crypto);
    config
        .transport_config(transport)
        .max_incoming(WAITING_MAX)
        .incoming_buffer_size(WAITING_BYTES_MAX)
        .incoming_buffer_size_total(WAITING_BYTES_TOTAL_MAX);
    config
}

#[cfg(test)]
mod tests;
