//! The face of the library: one account on one device, as programs use it.

mod chats;
mod devices;
mod history;
mod typed;

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hobnob_nat::core::proxy::Proxy;
use hobnob_nat::{Endpoint, Reach, RelayServer, Strangers, System};
use hobnob_wire::close::SessionClose;
use hobnob_wire::{Address, TransferId};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zeroize::Zeroizing;

pub use self::chats::Written;
use crate::core::command::{Command, CommandError, ErrorKind, Reply};
use crate::core::engine::{Engine, OpenError as EngineError};
use crate::core::input::Input;
use crate::core::keys::Identity;
use crate::core::settings::{self, NetSettings};
use crate::core::store::KeyStore;
use crate::core::time::Entropy;
use crate::core::transfer::TransferReport;
use crate::driver::{Driver, Inputs, Message, Outside, SystemEntropy, channel, unix_ms};
use crate::events::{Cursor, Events, Ring};
use crate::net::streams::TransferShell;
use crate::net::{LinkRoom, OverlayShell, Port, Session, Surroundings, watch_paths};
use crate::store::{Database, Passphrase, StoreError};
use crate::wall::watch_wall;

/// Commands that are being worked on; more wait.
const COMMANDS_MAX: usize = 256;

/// Reports of transfers on their way to the driver.
const REPORTS_MAX: usize = 64;

/// How long the last words to rendezvous and peers may take when the app stops.
const GOODBYE_WITHIN: Duration = Duration::from_secs(3);

/// What a client needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder that holds everything of the account. It must have been registered or logged in.
    pub home: PathBuf,
    /// Where to listen for links (UDP). The default, `[::]:0`, is all addresses of both families, on the port that the
    /// setting `net.port` names or else a free one.
    pub listen: SocketAddr,
    /// What guards the store, if anything does.
    pub passphrase: Option<Passphrase>,
    /// Absolute folder for received files until the user sets `files.dir`. The default is `files` in the home.
    pub files: PathBuf,
}

impl Options {
    /// Defaults for an account in `home`.
    #[must_use]
    pub fn new(home: impl Into<PathBuf>) -> Self {
        let home = home.into();
        let files = home.join("files");
        Self { home, listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)), passphrase: None, files }
    }
}

/// Why a client did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The home holds no account.
    #[error("{} holds no account; register or log in first", home.display())]
    NotRegistered {
        /// The home.
        home: PathBuf,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored keys cannot be used.
    #[error("the account in {} cannot be opened: {reason}", home.display())]
    Damaged {
        /// The home.
        home: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A folder in the home cannot be made.
    #[error("{} cannot be used: {cause}", home.display())]
    Folder {
        /// The home.
        home: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The address to listen on cannot be had.
    #[error("cannot listen on {listen}: {cause}; is the port in use?")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        cause: io::Error,
    },
    /// The system has no room for another thread.
    #[error("a thread cannot be started: {0}")]
    Thread(io::Error),
}

/// An account at work: keeps the session, links to contacts, sends and receives letters and files. Clones are the
/// same client. It stops when it is [closed](Client::close) or the last clone is dropped.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use hobnob_peer::{Client, Event, Options};
///
/// let client = Client::open(Options::new("/home/alice/.local/share/hobnob")).await?;
/// let mut events = client.events(None);
/// client.send("bob@example.org".parse()?, "hello").await?;
/// while let Some(event) = events.next().await {
///     if let Ok((_, Event::Letter(letter))) = event {
///         println!("{}: {}", letter.from, letter.text);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: Address,
    endpoint: Endpoint,
    inputs: Inputs,
    links: Arc<LinkRoom>,
    surroundings: Surroundings,
    proxy: Option<Proxy>,
    commands: Semaphore,
    events: Arc<Ring>,
    /// Dropping it stops the driver too.
    stop: watch::Sender<bool>,
    /// Whether the driver runs.
    running: watch::Receiver<bool>,
    driver: Mutex<Option<JoinHandle<Result<(), StoreError>>>>,
    /// Why the driver ended before it was told to.
    failure: watch::Receiver<Option<String>>,
}

/// Starts the tasks that tell the driver what comes from outside.
fn watch_outside(runtime: &Handle, links: &Arc<LinkRoom>, reach: &Reach, inputs: &Inputs) {
    runtime.spawn(Arc::clone(links).accept_all());
    runtime.spawn(watch_wall(inputs.clone()));
    runtime.spawn(watch_paths(reach.clone(), inputs.clone()));
}

impl Client {
    /// Opens the account in `options.home` and goes to work. Must be called within a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let Options { home, mut listen, passphrase, files } = options;
        let (database, engine, identity, net) = opened(home.clone(), passphrase, files).await?;
        if listen.port() == 0 {
            listen.set_port(net.port);
        }
        spawn_blocking(hobnob_nat::warm_up);
        let relay = net.relay.map(|limits| RelayServer::new(limits, Zeroizing::new(SystemEntropy.array())));
        let (endpoint, reach) = bind(listen, relay.clone())?;
        let endpoint = endpoint.with_keep_alive(net.keep_alive);
        let (inputs, messages) = channel();
        let (stop, stopped) = watch::channel(false);
        let events = Arc::new(Ring::new(unix_ms()));
        let transfers = open_transfers(home, &engine.open_transfers(), &inputs)?;
        let links = Arc::new(LinkRoom::new(
            endpoint.clone(),
            identity.noise.clone(),
            inputs.clone(),
            transfers.clone(),
        ));
        let runtime = Handle::current();
        let outside = Outside {
            runtime: runtime.clone(),
            reach: reach.clone(),
            relay,
            overlay: OverlayShell::new((identity.device, net.overlay), (runtime.clone(), inputs.clone())),
            links: Arc::clone(&links),
            transfers,
            events: Arc::clone(&events),
        };
        let driver =
            Driver::new((database, engine), messages, stopped, outside).map_err(OpenError::Thread)?;
        let (runs, running) = watch::channel(true);
        let (fails, failure) = watch::channel(None);
        let driver = start(driver, runs, fails)?;

        watch_outside(&runtime, &links, &reach, &inputs);
        let (address, rendezvous) = (identity.address.clone(), identity.rendezvous.clone());
        let (current, connected) = watch::channel(None);
        let proxy = net.proxy.clone();
        let session = Session {
            endpoint: endpoint.clone(),
            identity: Arc::new(identity),
            inputs: inputs.clone(),
            links: Arc::clone(&links),
            reach: reach.clone(),
            current,
            proxy: net.proxy,
        };
        runtime.spawn(session.keep());
        let port = Port::new(net.port_mapping, &endpoint, &reach);
        let surroundings =
            Surroundings { endpoint: endpoint.clone(), reach, session: connected, port, rendezvous };
        let commands = Semaphore::new(COMMANDS_MAX);
        let driver = Mutex::new(Some(driver));
        let shared = Shared {
            address,
            endpoint,
            inputs,
            links,
            surroundings,
            proxy,
            commands,
            events,
            stop,
            running,
            driver,
            failure,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The account's address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// Does what a command says. All methods below are this one, with types.
    ///
    /// # Errors
    /// [`CommandError`], in words for the user.
    pub async fn command(&self, command: Command) -> Result<Reply, CommandError> {
        let shared = &self.shared;
        let Ok(_permit) = shared.commands.acquire().await else { return Err(shared.stopped()) };
        let (answer, answered) = oneshot::channel();
        if shared.inputs.send(Message::Command { command, answer }).await.is_err() {
            return Err(shared.stopped());
        }
        answered.await.unwrap_or_else(|_| Err(shared.stopped()))
    }

    /// Follows what happens: all events after `after`, then each new one. Without a cursor, only new ones.
    #[must_use]
    pub fn events(&self, after: Option<Cursor>) -> Events {
        Events::new(Arc::clone(&self.shared.events), after, self.shared.running.clone())
    }

    /// Waits until the client has stopped. Says why when it was not told to: the disk is full, or the store is broken.
    pub async fn stopped(&self) -> Option<String> {
        // Without a sender the thread has ended as well.
        let _ = self.shared.running.clone().wait_for(|running| !*running).await;
        self.shared.why()
    }

    /// Stops: what was sent already is brought across, contacts and rendezvous are told, the home is free for
    /// another client. Takes a second or two when somebody does not answer.
    pub async fn close(self) {
        let shared = &self.shared;
        shared.stop.send_replace(true);
        let driver = shared.driver.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(driver) = driver {
            // Its result was told when it ended.
            let _ = spawn_blocking(move || driver.join()).await;
        }
        let (idle, ()) = tokio::join!(
            timeout(GOODBYE_WITHIN, shared.endpoint.wait_idle()),
            shared.surroundings.port.stop()
        );
        if idle.is_err() {
            tracing::debug!("somebody did not hear the goodbye");
        }
        let code = SessionClose::Done;
        shared.endpoint.close(code.code(), code.to_string().as_bytes());
    }
}

impl Shared {
    fn stopped(&self) -> CommandError {
        let text = match self.why() {
            Some(failure) => format!("the app has stopped: {failure}"),
            None => "the app is stopping".into(),
        };
        CommandError::new(ErrorKind::Failure, text)
    }

    fn why(&self) -> Option<String> {
        let failure = self.failure.borrow().clone();
        // Whoever ends without a word has panicked.
        let panicked = self.running.has_changed().is_err() && *self.running.borrow();
        failure.or_else(|| panicked.then(|| "of an error in the app itself; please report it".into()))
    }
}

/// Opens the socket that carries everything.
fn bind(listen: SocketAddr, relay: Option<Arc<RelayServer>>) -> Result<(Endpoint, Reach), OpenError> {
    let failed = |cause| OpenError::Listen { listen, cause };
    let endpoint = Endpoint::peer_relaying_on(Arc::new(System), listen, Strangers::Ignored, relay);
    let endpoint = endpoint.map_err(failed)?;
    let reach = endpoint.reach().ok_or_else(|| failed(io::ErrorKind::Unsupported.into()))?;
    Ok((endpoint, reach))
}

/// Prepares the folder of transfers, and removes what is left of those that are not open; what they report goes to the driver.
fn open_transfers(
    home: PathBuf,
    open: &BTreeSet<TransferId>,
    inputs: &Inputs,
) -> Result<TransferShell, OpenError> {
    let (reports, reported) = mpsc::channel(REPORTS_MAX);
    let transfers =
        TransferShell::new(&home, open, reports).map_err(|cause| OpenError::Folder { home, cause })?;
    tokio::spawn(pass_on(reported, inputs.clone()));
    Ok(transfers)
}

/// Runs the driver on a thread of its own, and tells when and why it has ended.
fn start(
    driver: Driver,
    runs: watch::Sender<bool>,
    fails: watch::Sender<Option<String>>,
) -> Result<JoinHandle<Result<(), StoreError>>, OpenError> {
    let run = move || {
        let ended = driver.run();
        if let Err(error) = &ended {
            tracing::error!(%error, "the store failed; the app stops");
            fails.send_replace(Some(error.to_string()));
        }
        runs.send_replace(false);
        ended
    };
    std::thread::Builder::new().name("hobnob-driver".into()).spawn(run).map_err(OpenError::Thread)
}

/// Passes reports of transfers on to the driver, while it runs.
async fn pass_on(mut reports: mpsc::Receiver<TransferReport>, inputs: Inputs) {
    while let Some(report) = reports.recv().await {
        if inputs.send(Input::Transfer(report)).await.is_err() {
            return;
        }
    }
}

/// What a home holds.
type Opened = (Database, Engine, Identity, NetSettings);

/// [`open_home`] off the runtime.
async fn opened(home: PathBuf, passphrase: Option<Passphrase>, files: PathBuf) -> Result<Opened, OpenError> {
    match spawn_blocking(move || open_home(home, passphrase.as_ref(), &files)).await {
        Ok(opened) => opened,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Opens the store and the engine of a home.
fn open_home(home: PathBuf, passphrase: Option<&Passphrase>, files: &Path) -> Result<Opened, OpenError> {
    let mut database = match passphrase {
        Some(passphrase) => Database::unlock(&home, passphrase)?,
        None => Database::open(&home)?,
    };
    let mut transaction = database.begin()?;
    if transaction.identity()?.is_none() {
        return Err(OpenError::NotRegistered { home });
    }
    settings::set_default_folder(&mut transaction, files)?;
    let net = settings::net(&mut transaction)?;
    let engine = Engine::open(&mut transaction).map_err(|error| match error {
        EngineError::Store(error) => OpenError::Store(error),
        error @ (EngineError::NotRegistered | EngineError::Keys) => {
            OpenError::Damaged { home, reason: error.to_string() }
        }
    })?;
    transaction.commit()?;
    let identity = engine.identity().clone();
    Ok((database, engine, identity, net))
}
