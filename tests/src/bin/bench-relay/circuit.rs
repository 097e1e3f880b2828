//! The same bytes over a circuit relay of libp2p (TCP, Noise, Yamux), whose limits are lifted.

#![expect(clippy::wildcard_enum_match_arm, reason = "of all that a swarm tells, little matters here")]

use std::io;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use libp2p::futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{self, Message, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise, relay, tcp, yamux};
use tokio::time::timeout;

use crate::serve_until_the_input_ends;

const BULK: StreamProtocol = StreamProtocol::new("/hobnob/bulk/1");
const PATIENCE: Duration = Duration::from_secs(600);
const CHUNK_BYTES: usize = 64 << 10;

/// A request is so many bytes; the answer is how many have come.
#[derive(Clone, Debug, Default)]
struct Bulk;

impl request_response::Codec for Bulk {
    type Protocol = StreamProtocol;
    type Request = u64;
    type Response = u64;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<u64> {
        let (mut chunk, mut total) = (vec![0; 4 * CHUNK_BYTES], 0);
        loop {
            match io.read(&mut chunk).await? {
                0 => return Ok(total),
                len => total += len as u64,
            }
        }
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<u64> {
        let mut bytes = [0; 8];
        io.read_exact(&mut bytes).await?;
        Ok(u64::from_be_bytes(bytes))
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: u64,
    ) -> io::Result<()> {
        let chunk = vec![7; CHUNK_BYTES];
        for _ in 0..bytes / CHUNK_BYTES as u64 {
            io.write_all(&chunk).await?;
        }
        io.close().await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: u64,
    ) -> io::Result<()> {
        io.write_all(&bytes.to_be_bytes()).await?;
        io.close().await
    }
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    relay: relay::client::Behaviour,
    bulk: request_response::Behaviour<Bulk>,
}

/// The relay.
pub(crate) async fn serve() -> Result<()> {
    let mut limits = relay::Config {
        max_circuit_bytes: u64::MAX,
        max_circuit_duration: PATIENCE,
        ..relay::Config::default()
    };
    limits.reservation_rate_limiters.clear();
    limits.circuit_src_rate_limiters.clear();
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|keys| relay::Behaviour::new(keys.public().to_peer_id(), limits))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(PATIENCE))
        .build();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    let at = listening(&mut swarm).await?;
    swarm.add_external_address(at.clone());
    let at = at.with(Protocol::P2p(*swarm.local_peer_id()));
    tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    serve_until_the_input_ends(&at.to_string()).await
}

async fn listening<B: NetworkBehaviour>(swarm: &mut Swarm<B>) -> Result<Multiaddr> {
    let listens = async {
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                return address;
            }
        }
    };
    timeout(Duration::from_secs(10), listens).await.context("there is no address to listen on")
}

fn client() -> Result<Swarm<Behaviour>> {
    let bulk = request_response::Config::default().with_request_timeout(PATIENCE);
    Ok(SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_relay_client(noise::Config::new, yamux::Config::default)?
        .with_behaviour(|_, relay| Behaviour {
            relay,
            bulk: request_response::Behaviour::new([(BULK, ProtocolSupport::Full)], bulk),
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(PATIENCE))
        .build())
}

/// One who sends to another over a circuit.
pub(crate) struct Ends {
    sender: Swarm<Behaviour>,
    receiver: PeerId,
}

impl Ends {
    /// Two at the relay with this address.
    pub(crate) async fn at(relay: &str) -> Result<Self> {
        let relay: Multiaddr = relay.parse()?;
        let mut receiving = client()?;
        let receiver = *receiving.local_peer_id();
        receiving.listen_on(relay.clone().with(Protocol::P2pCircuit))?;
        listening(&mut receiving).await?;
        tokio::spawn(async move {
            loop {
                let event = receiving.select_next_some().await;
                if let SwarmEvent::Behaviour(BehaviourEvent::Bulk(request_response::Event::Message {
                    message: Message::Request { request, channel, .. },
                    ..
                })) = event
                {
                    // A sender that has gone fails by itself.
                    let _ = receiving.behaviour_mut().bulk.send_response(channel, request);
                }
            }
        });
        let mut sender = client()?;
        sender.dial(relay.with(Protocol::P2pCircuit).with(Protocol::P2p(receiver)))?;
        let connected = async {
            loop {
                match sender.select_next_some().await {
                    SwarmEvent::ConnectionEstablished { peer_id, .. } if peer_id == receiver => return Ok(()),
                    SwarmEvent::OutgoingConnectionError { error, .. } => bail!("no circuit: {error}"),
                    _ => {}
                }
            }
        };
        timeout(Duration::from_secs(10), connected).await.context("there is no circuit")??;
        Ok(Self { sender, receiver })
    }

    /// Sends so many bytes and waits until all have come.
    pub(crate) async fn carry(&mut self, bytes: u64) -> Result<()> {
        self.sender.behaviour_mut().bulk.send_request(&self.receiver, bytes);
        loop {
            match self.sender.select_next_some().await {
                SwarmEvent::Behaviour(BehaviourEvent::Bulk(request_response::Event::Message {
                    message: Message::Response { response, .. },
                    ..
                })) => {
                    ensure!(response == bytes, "{response} of {bytes} bytes have come");
                    return Ok(());
                }
                SwarmEvent::Behaviour(BehaviourEvent::Bulk(request_response::Event::OutboundFailure {
                    error,
                    ..
                })) => bail!("the circuit has failed: {error}"),
                _ => {}
            }
        }
    }
}
