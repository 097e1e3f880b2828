//! Controllers tried out: real quinn at both ends of one simulated line, in virtual time.
//!
//! Call it under tokio's paused time, where a minute takes a second or two. The results of equal trials are equal but for the
//! lengths of random fields in handshakes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quinn::congestion::{ControllerFactory, CubicConfig, NewRenoConfig};
use quinn::{ClientConfig, Connection, Endpoint, EndpointConfig, MtuDiscoveryConfig, TransportConfig};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, sleep_until};

use super::{PathEpoch, control};
use crate::network::Network;
use crate::simulation::{HostId, Internet, Machine, RealmId, Shape, Simulation};
use crate::tls;

/// Streams of each flow. One alone would be limited by its own window on long lossy paths.
const STREAMS: usize = 8;

/// The window of one stream, as of a link's.
const STREAM_WINDOW: u32 = 2 << 20;

/// The window of a flow; larger than that of a link, so that only the controller limits.
const FLOW_WINDOW: u32 = 64 << 20;

/// How often a packet looks how long the queue is.
const PROBE_EVERY: Duration = Duration::from_millis(10);

const SENDER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const RECEIVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const PORT: u16 = 4433;

/// Who controls a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// quinn's CUBIC.
    Cubic,
    /// quinn's `NewReno`.
    NewReno,
    /// Ours.
    Ours,
}

impl Algorithm {
    fn transport(self, epoch: PathEpoch) -> TransportConfig {
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(1452);
        let mut config = TransportConfig::default();
        config
            .initial_rtt(Duration::from_millis(100))
            .stream_receive_window(STREAM_WINDOW.into())
            .receive_window(FLOW_WINDOW.into())
            .send_window(FLOW_WINDOW.into())
            .mtu_discovery_config(Some(discovery));
        let theirs: Arc<dyn ControllerFactory + Send + Sync> = match self {
            Self::Cubic => Arc::new(CubicConfig::default()),
            Self::NewReno => Arc::new(NewRenoConfig::default()),
            Self::Ours => {
                control(&mut config, epoch);
                return config;
            }
        };
        config.congestion_controller_factory(theirs);
        config
    }
}

/// What became of one flow while it was watched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Bits of content received in a second.
    pub rate: f64,
    /// The part of the packets that counted as lost.
    pub loss: f64,
}

/// What was seen between two moments.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// One for each flow.
    pub flows: Vec<Outcome>,
    /// How long packets waited in the queue: half of them less.
    pub queue: Duration,
    /// And 19 of 20 less.
    pub queue_p95: Duration,
}

/// A flow, and how much of it has arrived.
#[derive(Debug)]
struct Flow {
    connection: Connection,
    received: Arc<AtomicU64>,
}

impl Flow {
    fn counts(&self) -> [u64; 3] {
        let path = self.connection.stats().path;
        [self.received.load(Ordering::Relaxed), path.lost_packets, path.sent_packets]
    }
}

/// A sender and a receiver with one line between them, and the flows on it.
#[derive(Debug)]
pub struct Trial {
    simulation: Simulation,
    sender: HostId,
    machines: [Machine; 2],
    endpoints: [Endpoint; 2],
    flows: Vec<Flow>,
    tasks: JoinSet<()>,
    /// Counts the switches of the path of all flows that are ours.
    pub epoch: PathEpoch,
}

impl Trial {
    /// A line with this shape in one direction; the other one has the same delay and nothing else.
    ///
    /// # Errors
    /// Not to be expected.
    pub fn new(line: &Shape) -> io::Result<Self> {
        let mut internet = Internet::new(1);
        let sender = internet.add_host(RealmId::PUBLIC, &[SENDER.into()], line);
        let receiver = internet.add_host(RealmId::PUBLIC, &[RECEIVER.into()], &Shape::default());
        let simulation = Simulation::start(internet);
        let machines = [sender, receiver].map(|host| simulation.machine(host));
        let certificate = || tls::throw_away_certificate().map_err(io::Error::other);
        let mut server = quinn::ServerConfig::with_crypto(tls::quic_server(tls::link_server(certificate()?)));
        server.transport_config(Arc::new(Algorithm::Cubic.transport(PathEpoch::default())));
        let open = |machine: &Machine, server| {
            let socket = machine.bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)))?;
            let runtime = Arc::new(quinn::TokioRuntime);
            Endpoint::new_with_abstract_socket(EndpointConfig::default(), server, socket, runtime)
        };
        let endpoints = [open(&machines[0], None)?, open(&machines[1], Some(server))?];
        let trial = Self {
            simulation,
            sender,
            machines,
            endpoints,
            flows: Vec::new(),
            tasks: JoinSet::new(),
            epoch: PathEpoch::default(),
        };
        trial.reshape(line);
        Ok(trial)
    }

    /// The line has another shape from now on.
    pub fn reshape(&self, line: &Shape) {
        let back = Shape::delay(line.delay);
        self.simulation.with(|internet| internet.reshape(self.sender, line.clone(), back));
    }

    /// Opens a connection that has nothing to send yet.
    async fn connect(&mut self, algorithm: Algorithm) -> io::Result<Connection> {
        let certificate = tls::throw_away_certificate().map_err(io::Error::other)?;
        let mut config = ClientConfig::new(tls::quic_client(tls::link_client(certificate)));
        config.transport_config(Arc::new(algorithm.transport(self.epoch.clone())));
        let to = SocketAddr::from((RECEIVER, PORT));
        let connecting = self.endpoints[0].connect_with(config, to, "trial").map_err(io::Error::other)?;
        let accept = async { Some(self.endpoints[1].accept().await?.await) };
        let (sender, receiver) = tokio::join!(connecting, accept);
        let receiver = receiver.ok_or(io::ErrorKind::NotConnected)?.map_err(io::Error::other)?;
        let received = Arc::<AtomicU64>::default();
        self.tasks.spawn(receive(receiver, Arc::clone(&received)));
        let connection = sender.map_err(io::Error::other)?;
        self.flows.push(Flow { connection: connection.clone(), received });
        Ok(connection)
    }

    /// Begins a flow that always has something to send.
    ///
    /// # Errors
    /// When no connection can be made.
    pub async fn flow(&mut self, algorithm: Algorithm) -> io::Result<()> {
        let connection = self.connect(algorithm).await?;
        for _ in 0..STREAMS {
            let mut stream = connection.open_uni().await.map_err(io::Error::other)?;
            self.tasks.spawn(async move {
                let chunk = vec![0; 64 << 10];
                while stream.write_all(&chunk).await.is_ok() {}
            });
        }
        Ok(())
    }

    /// Begins a flow that has so many bytes to send, again and again after a pause.
    ///
    /// # Errors
    /// When no connection can be made.
    pub async fn flow_in_bursts(
        &mut self,
        algorithm: Algorithm,
        bytes: usize,
        pause: Duration,
    ) -> io::Result<()> {
        let connection = self.connect(algorithm).await?;
        let mut stream = connection.open_uni().await.map_err(io::Error::other)?;
        self.tasks.spawn(async move {
            let burst = vec![0; bytes];
            while stream.write_all(&burst).await.is_ok() {
                sleep(pause).await;
            }
        });
        Ok(())
    }

    /// The bytes that each flow's controller lets be in flight.
    #[must_use]
    pub fn windows(&self) -> Vec<u64> {
        self.flows.iter().map(|flow| flow.connection.stats().path.cwnd).collect()
    }

    /// Looks at all flows for a while.
    ///
    /// # Errors
    /// When a socket cannot be had: not to be expected.
    pub async fn watch(&self, time: Duration) -> io::Result<Seen> {
        let before: Vec<_> = self.flows.iter().map(Flow::counts).collect();
        let mut delays = self.probe(Instant::now() + time).await?;
        let outcome = |(flow, before): (&Flow, &[u64; 3])| {
            let [received, lost, sent] = flow.counts();
            let difference = |after: u64, before: u64| to_f64(after.saturating_sub(before));
            Outcome {
                rate: difference(received, before[0]) * 8.0 / time.as_secs_f64(),
                loss: difference(lost, before[1]) / difference(sent, before[2]).max(1.0),
            }
        };
        let flows = self.flows.iter().zip(&before).map(outcome).collect();
        delays.sort_unstable();
        let at = |part: usize| delays.get(delays.len() * part / 100).copied().unwrap_or_default();
        let least = at(0);
        Ok(Seen { flows, queue: at(50) - least, queue_p95: at(95) - least })
    }

    /// How long packets take that are sent one after the other until a moment.
    async fn probe(&self, until: Instant) -> io::Result<Vec<Duration>> {
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let (from, to) = (self.machines[0].socket(any)?, self.machines[1].socket(any)?);
        let address = SocketAddr::from((RECEIVER, to.port()));
        let started = Instant::now();
        let send = async {
            let mut turn = interval(PROBE_EVERY);
            loop {
                turn.tick().await;
                let stamp = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
                from.send_to(address, &stamp.to_be_bytes());
            }
        };
        let mut delays = Vec::new();
        let receive = async {
            loop {
                let (_, content) = to.recv_from().await;
                if let Some(stamp) = content.first_chunk() {
                    let sent = Duration::from_nanos(u64::from_be_bytes(*stamp));
                    delays.push(started.elapsed().saturating_sub(sent));
                }
            }
        };
        tokio::select! {
            () = send => {}
            () = receive => {}
            () = sleep_until(until) => {}
        }
        Ok(delays)
    }
}

/// Reads everything and counts it.
async fn receive(connection: Connection, received: Arc<AtomicU64>) {
    let mut streams = JoinSet::new();
    while let Ok(mut stream) = connection.accept_uni().await {
        let received = Arc::clone(&received);
        streams.spawn(async move {
            while let Ok(Some(chunk)) = stream.read_chunk(usize::MAX, false).await {
                received.fetch_add(chunk.bytes.len() as u64, Ordering::Relaxed);
            }
        });
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a few minutes")]
fn to_f64(count: u64) -> f64 {
    count as f64
}
