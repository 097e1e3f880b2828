//! The parts of libp2p that are used, and every number of theirs.

use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use libp2p::core::transport::Boxed;
use libp2p::core::{muxing::StreamMuxerBox, upgrade::Version};
use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{
    PeerId, StreamProtocol, Swarm, Transport, autonat, connection_limits, identify, kad, mdns, noise, relay,
    request_response, swarm, tcp, yamux,
};

use super::codec::Codec;
use super::guard::{Guarded, multiaddr};
use super::table::Table;
use super::{Config, Role, StartError};
use crate::core::candidate::Loopback;

/// Questions and signals.
const ASK: StreamProtocol = StreamProtocol::new("/hobnob/overlay/1");
/// The hash table.
pub(super) const TABLE: StreamProtocol = StreamProtocol::new("/hobnob/kad/1");

/// A dial and its handshakes.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// A question and its answer, the dial included.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// A connection that nobody uses is closed.
const IDLE_WAIT: Duration = Duration::from_secs(30);
/// A search in the hash table.
const QUERY_WAIT: Duration = Duration::from_secs(15);
/// Streams of one connection.
const STREAMS_MAX: usize = 64;

/// How often to ask the network who is there: a lost packet costs no more.
const DISCOVERY_EVERY: Duration = Duration::from_secs(15);
/// A node that has not been heard of for so long has gone.
const DISCOVERY_LIFE: Duration = Duration::from_secs(60);

/// How often a node says again under which tags it is found, and how long that holds.
const PROVIDE_EVERY: Duration = Duration::from_secs(30 * 60);
const PROVIDE_LIFE: Duration = Duration::from_secs(2 * 3_600);
/// Longest message of the hash table: twenty nodes with a few addresses each.
const TABLE_MESSAGE_BYTES_MAX: usize = 8 * 1_024;

/// What passes through one circuit of a volunteer: some signals.
const CIRCUIT_BYTES_MAX: u64 = 64 * 1_024;
const CIRCUIT_LIFE: Duration = Duration::from_secs(60);

/// The order is that of polling: a question is dialed while the search that led to it still knows the addresses.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) ask: request_response::Behaviour<Codec>,
    pub(super) limits: connection_limits::Behaviour,
    pub(super) mdns: Toggle<mdns::tokio::Behaviour>,
    pub(super) table: Toggle<kad::Behaviour<Table>>,
    pub(super) identify: identify::Behaviour,
    pub(super) relay_client: relay::client::Behaviour,
    pub(super) relay: Toggle<relay::Behaviour>,
    pub(super) reachable: Toggle<autonat::v2::client::Behaviour>,
    pub(super) reaches: Toggle<autonat::v2::server::Behaviour>,
}

/// Makes a node.
pub(super) fn build(keys: &Keypair, config: &Config) -> Result<Swarm<Behaviour>, StartError> {
    let own = keys.public().to_peer_id();
    let (relay_transport, relay_client) = relay::client::new(own);
    let transport = transport(keys, relay_transport, config.loopback)?;
    let serves = !matches!(config.role, Role::Member);
    let behaviour = Behaviour {
        ask: request_response::Behaviour::new(
            [(ASK, request_response::ProtocolSupport::Full)],
            request_response::Config::default()
                .with_request_timeout(ANSWER_WAIT)
                .with_max_concurrent_streams(STREAMS_MAX),
        ),
        limits: connection_limits::Behaviour::new(limits(serves)),
        mdns: config.discover.then(|| discovery(own)).flatten().into(),
        table: config.uses_table().then(|| table(own, &config.role)).into(),
        identify: identify::Behaviour::new(
            identify::Config::new("/hobnob/1".to_owned(), keys.public())
                .with_agent_version("hobnob".to_owned())
                .with_hide_listen_addrs(true),
        ),
        relay_client,
        relay: serves.then(|| relay::Behaviour::new(own, circuits())).into(),
        reachable: matches!(config.role, Role::Volunteer)
            .then(autonat::v2::client::Behaviour::default)
            .into(),
        reaches: serves.then(autonat::v2::server::Behaviour::default).into(),
    };
    let settings = swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(IDLE_WAIT)
        .with_max_negotiating_inbound_streams(STREAMS_MAX)
        .with_dial_concurrency_factor(const { NonZeroU8::new(4).expect("it is not zero") });
    let mut swarm = Swarm::new(transport, behaviour, own, settings);
    let listening = config.listen.iter().filter(|at| swarm.listen_on(multiaddr(**at)).is_ok()).count();
    if listening == 0 {
        return Err(StartError::Listen);
    }
    if let Role::Bootstrap { external } = &config.role {
        external.iter().for_each(|at: &SocketAddr| swarm.add_external_address(multiaddr(*at)));
    }
    Ok(swarm)
}

fn transport(
    keys: &Keypair,
    relay: relay::client::Transport,
    loopback: Loopback,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, StartError> {
    let noise = noise::Config::new(keys).map_err(|_| StartError::Identity)?;
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let mut streams = yamux::Config::default();
    streams.set_max_num_streams(STREAMS_MAX);
    let transport = relay.or_transport(Guarded::new(tcp, loopback)).upgrade(Version::V1Lazy);
    Ok(transport.authenticate(noise).multiplex(streams).timeout(CONNECT_WAIT).boxed())
}

fn limits(serves: bool) -> connection_limits::ConnectionLimits {
    connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(64))
        .with_max_pending_outgoing(Some(64))
        .with_max_established_incoming(Some(if serves { 1_024 } else { 128 }))
        .with_max_established_outgoing(Some(128))
        .with_max_established_per_peer(Some(4))
}

fn discovery(own: PeerId) -> Option<mdns::tokio::Behaviour> {
    let config = mdns::Config { ttl: DISCOVERY_LIFE, query_interval: DISCOVERY_EVERY, enable_ipv6: false };
    match mdns::tokio::Behaviour::new(config, own) {
        Ok(mdns) => Some(mdns),
        Err(error) => {
            tracing::warn!(%error, "The local network cannot be searched for contacts.");
            None
        }
    }
}

fn table(own: PeerId, role: &Role) -> kad::Behaviour<Table> {
    let mut config = kad::Config::new(TABLE);
    config
        .set_query_timeout(QUERY_WAIT)
        .set_max_packet_size(TABLE_MESSAGE_BYTES_MAX)
        .set_provider_record_ttl(Some(PROVIDE_LIFE))
        .set_provider_publication_interval(Some(PROVIDE_EVERY))
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_caching(kad::Caching::Disabled)
        .disjoint_query_paths(true);
    let mut table = kad::Behaviour::with_config(own, Table::new(own), config);
    match role {
        Role::Member => table.set_mode(Some(kad::Mode::Client)),
        // Serves once another volunteer has reached it.
        Role::Volunteer => table.set_mode(None),
        Role::Bootstrap { .. } => table.set_mode(Some(kad::Mode::Server)),
    }
    table
}

/// The rates per node and address stay those of libp2p.
fn circuits() -> relay::Config {
    relay::Config {
        max_reservations_per_peer: 1,
        max_circuits: 64,
        max_circuit_bytes: CIRCUIT_BYTES_MAX,
        max_circuit_duration: CIRCUIT_LIFE,
        ..relay::Config::default()
    }
}

/// Nodes in the routing table.
pub(super) fn table_size(swarm: &mut Swarm<Behaviour>) -> usize {
    let table = swarm.behaviour_mut().table.as_mut();
    table.map_or(0, |table| table.kbuckets().map(|bucket| bucket.num_entries()).sum())
}
