//! A rendezvous at work: started from its settings and its home, stopped with notice.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::random::SystemRandom;
use hobnob_nat::{Endpoint, Loopback, Reflector, ServerIdentity, System, TunnelServer, local_candidates};
use hobnob_wire::Domain;
use hobnob_wire::close::SessionClose;
use hobnob_wire::invite::{Invite, Pin};
use hobnob_wire::opaque::Suite;
use opaque_ke::ServerSetup;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::config::{Config, TunnelConfig};
use crate::connection::{Hall, serve};
use crate::core::store::StoreError;
use crate::core::{Rendezvous, Tally};
use crate::engine::{Engine, Job, WAITING_MAX};
use crate::home::{Home, HomeError};
use crate::invite;
use crate::overlay;
use crate::relay;
use crate::store::{OpenError, Sqlite, Tx};
use crate::tunnels;

/// How long sessions have to take the last of what was said to them, when the rendezvous stops.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// How often the system may choose a port of TCP that UDP cannot have.
const PORT_TRIES: u32 = 16;

/// How long closed connections have to say so to the other side.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// Domain of a rendezvous that was given none.
const DOMAIN: &str = "localhost";

/// Why a rendezvous did not start, or stopped by itself.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// There is something about its folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The database cannot be opened.
    #[error("{}: {source}", path.display())]
    Database {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
    /// The database failed. Whatever could not be made durable was not acknowledged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The accounts here belong to another domain.
    #[error("the accounts here are at {settled}, not at {wanted}; a domain cannot be changed")]
    DomainSettled {
        /// Theirs.
        settled: Domain,
        /// The one in the settings.
        wanted: Domain,
    },
    /// The socket cannot be had.
    #[error("cannot listen on {listen} (UDP): {source}")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A TCP socket that the settings ask for cannot be had.
    #[error("cannot listen on {listen} (TCP): {source}")]
    ListenTcp {
        /// Where.
        listen: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The node of the overlay cannot be had.
    #[cfg(feature = "overlay")]
    #[error("cannot listen on {listen} (TCP) for the overlay: {source}")]
    Overlay {
        /// Where.
        listen: SocketAddr,
        /// Why.
        source: hobnob_nat::overlay::StartError,
    },
    /// The settings ask for a node of the overlay.
    #[error("this program was built without the overlay; leave `overlay.listen` empty")]
    NoOverlay,
    /// The thread of the store cannot be started, or has ended without a word.
    #[error("the thread of the store is not there")]
    NoStoreThread,
}

/// Notices when the last session has said its last words: each holds a clone of the sender until then.
#[derive(Debug)]
struct Speaking {
    speaks: mpsc::Sender<Infallible>,
    speaking: mpsc::Receiver<Infallible>,
}

/// A rendezvous at work. Stop it with [`Server::stop`]; dropped without that, its sessions notice only when they time out.
#[derive(Debug)]
pub struct Server {
    listen: SocketAddr,
    domain: Domain,
    invite: Invite,
    endpoint: Endpoint,
    jobs: mpsc::Sender<Job>,
    stored: oneshot::Receiver<Result<Tally, StoreError>>,
    stopping: watch::Sender<bool>,
    listener: JoinHandle<JoinSet<()>>,
    speaking: Speaking,
    _reflectors: Vec<Reflector>,
    _tunnels: TunnelServer,
    _overlay: overlay::Node,
    _home: Home,
}

impl Server {
    /// Starts a rendezvous whose files are under `home`. When this returns, it takes sessions.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ServeError`], before anything was promised to anybody.
    pub async fn start(config: Config, home: &Path) -> Result<Self, ServeError> {
        let (server, folder) = (config.server, home.to_owned());
        let (listen, wanted) = (server.listen, server.domain);
        // Disk and keys take their time; other tasks of the runtime need not wait for them.
        let opened = tokio::task::spawn_blocking(move || Opened::at(&folder, listen, wanted));
        let Opened { home, store, domain, setup, identity } =
            opened.await.map_err(|_| ServeError::NoStoreThread)??;

        let relay = relay::start(&config.relay);
        let limits = config.session.admission();
        let (endpoint, listeners) = bind(&config.tunnel, listen, |at| match &relay {
            Some(relay) => Endpoint::rendezvous_on(&System, at, &identity, limits, Arc::clone(relay) as _),
            None => Endpoint::rendezvous(at, &identity, limits),
        })?;
        let failed = |source| ServeError::Listen { listen, source };
        let listen = endpoint.local_addr().map_err(failed)?;
        let invite = invitation(listen, &server.invite_host, &domain, identity.pin());
        let failed = |(listen, source)| ServeError::ListenTcp { listen, source };
        let tunnels = endpoint
            .take_tunnels(listeners, &identity, config.tunnel.limits(&config.session))
            .map_err(|source| failed((listen, source)))?;

        let node = overlay::start(&config.overlay)?;
        let mut rendezvous = Rendezvous::new(domain.clone(), setup, config.limits);
        let mut reflectors = Vec::new();
        if let Some(relay) = &relay {
            let failed = |(listen, source)| ServeError::Listen { listen, source };
            let (offer, opened) = relay::reflect(&config.relay, relay, listen).map_err(failed)?;
            rendezvous = rendezvous.with_relay(offer);
            relay::log(relay);
            reflectors = opened;
        }
        let (jobs, stored) = start_store(Engine::new(rendezvous, store, relay))?;
        let (stopping, stops) = watch::channel(false);
        let (speaks, speaking) = mpsc::channel(1);
        let hall = Arc::new(Hall::new(config.session, jobs.clone(), speaks.downgrade()));
        let listener = tokio::spawn(listen_until(endpoint.clone(), hall, stops));
        let speaking = Speaking { speaks, speaking };
        Ok(Self {
            listen,
            domain,
            invite,
            endpoint,
            jobs,
            stored,
            stopping,
            listener,
            speaking,
            _reflectors: reflectors,
            _tunnels: tunnels,
            _overlay: node,
            _home: home,
        })
    }

    /// The address that it listens on, with the real port.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The domain of its accounts.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// What people need to reach it for the first time.
    #[must_use]
    pub fn invite(&self) -> &Invite {
        &self.invite
    }

    /// Waits until the rendezvous stops by itself, which it does only when its store fails; then every session is closed.
    /// May be cancelled and called again until it has returned once; afterwards there is nothing left to stop.
    pub async fn failed(&mut self) -> ServeError {
        let error = match (&mut self.stored).await {
            Ok(Err(error)) => error.into(),
            Ok(Ok(_)) | Err(_) => ServeError::NoStoreThread,
        };
        close(&self.endpoint, SessionClose::InternalError).await;
        error
    }

    /// Stops: takes nobody new, handles what has come in, tells every session, and gives back what was done.
    /// Takes a few seconds at the longest.
    ///
    /// # Errors
    /// [`ServeError`] when the store failed meanwhile.
    pub async fn stop(self) -> Result<Tally, ServeError> {
        let Self { endpoint, jobs, stored, stopping, listener, speaking, _home, .. } = self;
        stopping.send_replace(true);
        let sessions = listener.await;
        // When this fails, the store's thread has failed and says so below.
        let _ = jobs.send(Job::Stop).await;
        let tally = stored.await.map_err(|_| ServeError::NoStoreThread)?;
        let Speaking { speaks, mut speaking } = speaking;
        drop(speaks);
        let _ = timeout(FLUSH_WITHIN, speaking.recv()).await;
        close(&endpoint, SessionClose::GoingAway).await;
        drop(sessions);
        Ok(tally?)
    }
}

/// Everything of a rendezvous that stands on disk.
struct Opened {
    home: Home,
    store: Sqlite,
    domain: Domain,
    setup: ServerSetup<Suite>,
    identity: ServerIdentity,
}

impl Opened {
    /// Opens a home, or makes one.
    fn at(folder: &Path, listen: SocketAddr, wanted: Option<Domain>) -> Result<Self, ServeError> {
        let home = Home::open(folder)?;
        let path = home.database()?;
        let mut store = match Sqlite::open(&path) {
            Ok(store) => store,
            Err(source) => return Err(ServeError::Database { path, source }),
        };
        let mut tx = store.begin()?;
        let domain = settle_domain(&mut tx, wanted)?;
        let setup = tx.opaque_setup(&mut SystemRandom)?;
        tx.commit()?;
        let identity = home.identity(&names(&domain, listen))?;
        // Now rather than at the first handshake, for which somebody waits.
        hobnob_nat::warm_up();
        Ok(Self { home, store, domain, setup, identity })
    }
}

/// Runs the engine in a thread of its own.
fn start_store(engine: Engine) -> Result<StoreThread, ServeError> {
    let (jobs, waiting) = mpsc::channel(WAITING_MAX);
    let (done, stored) = oneshot::channel();
    let run = move || {
        // Whoever asked may be gone; then nobody waits for the result.
        let _ = done.send(engine.run(waiting));
    };
    std::thread::Builder::new().name("store".to_owned()).spawn(run).map_err(|_| ServeError::NoStoreThread)?;
    Ok((jobs, stored))
}

/// Where jobs go, and what comes at the end.
type StoreThread = (mpsc::Sender<Job>, oneshot::Receiver<Result<Tally, StoreError>>);

/// Closes all connections and gives them a moment to say so to the other sides.
async fn close(endpoint: &Endpoint, code: SessionClose) {
    endpoint.close(code.code(), code.to_string().as_bytes());
    let _ = timeout(CLOSE_WITHIN, endpoint.wait_idle()).await;
}

/// Gives each newcomer a task of its own until the rendezvous stops; gives back the tasks that are left then.
async fn listen_until(endpoint: Endpoint, hall: Arc<Hall>, mut stops: watch::Receiver<bool>) -> JoinSet<()> {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            _ = stops.changed() => return sessions,
            arrival = endpoint.accept() => match arrival {
                Some(arrival) => {
                    sessions.spawn(serve(arrival, Arc::clone(&hall)));
                }
                None => return sessions,
            },
            Some(_) = sessions.join_next() => {}
        }
    }
}

/// The domain that the accounts here have, settled at the first start.
fn settle_domain(tx: &mut Tx<'_>, wanted: Option<Domain>) -> Result<Domain, ServeError> {
    match (tx.domain()?, wanted) {
        (Some(settled), Some(wanted)) if settled != wanted => {
            Err(ServeError::DomainSettled { settled, wanted })
        }
        (Some(settled), _) => Ok(settled),
        (None, wanted) => {
            let domain = wanted.unwrap_or_else(|| DOMAIN.parse().expect("a constant that is a domain"));
            tx.settle_domain(&domain)?;
            Ok(domain)
        }
    }
}

/// Names in a new certificate. Peers go by the pin; other tools may look at these.
fn names(domain: &Domain, listen: SocketAddr) -> Vec<String> {
    let mut names = vec![domain.to_string()];
    if !listen.ip().is_unspecified() {
        names.push(listen.ip().to_string());
    }
    names
}

/// Binds UDP, and TCP for tunnels where it can be had. A port that the system chooses is one that both have.
fn bind(
    config: &TunnelConfig,
    listen: SocketAddr,
    udp: impl Fn(SocketAddr) -> io::Result<Endpoint>,
) -> Result<(Endpoint, Vec<TcpListener>), ServeError> {
    let mut tries = 1..PORT_TRIES;
    loop {
        let chosen = tunnels::chosen(config, listen);
        let at = chosen.as_ref().and_then(|tcp| tcp.local_addr().ok()).unwrap_or(listen);
        match udp(at) {
            Ok(endpoint) => {
                let at = endpoint.local_addr().map_err(|source| ServeError::Listen { listen, source })?;
                let listeners = tunnels::listeners(config, at, chosen);
                let failed = |(listen, source)| ServeError::ListenTcp { listen, source };
                return Ok((endpoint, listeners.map_err(failed)?));
            }
            Err(error) if chosen.is_some() && error.kind() == io::ErrorKind::AddrInUse => {
                if tries.next().is_none() {
                    return Err(ServeError::Listen { listen, source: error });
                }
            }
            Err(source) => return Err(ServeError::Listen { listen, source }),
        }
    }
}

fn invitation(listen: SocketAddr, host: &str, domain: &Domain, pin: Pin) -> Invite {
    let host = if host.is_empty() {
        let addresses = local_candidates(listen, Loopback::Forbidden).unwrap_or_else(|error| {
            tracing::warn!(%error, "this machine's addresses are not known; the invite may name a wrong one");
            Vec::new()
        });
        invite::host(listen, domain, &addresses)
    } else {
        host.to_owned()
    };
    Invite { host, port: listen.port(), pin }
}
