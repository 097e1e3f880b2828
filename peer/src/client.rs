//! The face of the library: one account on one device, as programs use it.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hobnob_nat::{Endpoint, Loopback};
use hobnob_wire::close::SessionClose;
use hobnob_wire::presence::Availability;
use hobnob_wire::{Address, LetterId, TransferId};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::core::command::{Command, CommandError, ErrorKind, Reply};
use crate::core::engine::{Engine, OpenError as EngineError};
use crate::core::input::Input;
use crate::core::keys::Identity;
use crate::core::settings::set_default_folder;
use crate::core::store::KeyStore;
use crate::core::transfer::TransferReport;
use crate::core::view::{ContactView, LetterState, LetterView, StatusView, TransferView};
use crate::driver::{Driver, Inputs, Message, Outside, channel, unix_ms};
use crate::events::{Cursor, Events, Ring};
use crate::net::streams::TransferShell;
use crate::net::{LinkRoom, Session, watch_candidates};
use crate::store::{Database, StoreError};

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
    /// Where to listen for links (UDP). The default, `[::]:0`, is a free port of all addresses of both families.
    pub listen: SocketAddr,
    /// Absolute folder for received files until the user sets `files.dir`. The default is `files` in the home.
    pub files: PathBuf,
}

impl Options {
    /// Defaults for an account in `home`.
    #[must_use]
    pub fn new(home: impl Into<PathBuf>) -> Self {
        let home = home.into();
        let files = home.join("files");
        Self { home, listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)), files }
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

impl Client {
    /// Opens the account in `options.home` and goes to work. Must be called within a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let Options { home, listen, files } = options;
        let opened = {
            let home = home.clone();
            spawn_blocking(move || open_home(home, &files)).await
        };
        let (database, engine, identity) = match opened {
            Ok(opened) => opened?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        spawn_blocking(hobnob_nat::warm_up);
        let endpoint = Endpoint::peer(listen).map_err(|cause| OpenError::Listen { listen, cause })?;
        let (inputs, messages) = channel();
        let (stop, stopped) = watch::channel(false);
        let events = Arc::new(Ring::new(unix_ms()));
        let (loopback, over_loopback) = watch::channel(Loopback::Forbidden);
        let (reports, reported) = mpsc::channel(REPORTS_MAX);
        let transfers = TransferShell::new(&home, reports)
            .map_err(|cause| OpenError::Folder { home: home.clone(), cause })?;
        let links = Arc::new(LinkRoom::new(
            endpoint.clone(),
            identity.noise.clone(),
            inputs.clone(),
            transfers.clone(),
            over_loopback.clone(),
        ));
        let runtime = Handle::current();
        runtime.spawn(pass_on(reported, inputs.clone()));
        let outside = Outside {
            runtime: runtime.clone(),
            links: Arc::clone(&links),
            transfers,
            events: Arc::clone(&events),
        };
        let driver =
            Driver::new((database, engine), messages, stopped, outside).map_err(OpenError::Thread)?;
        let (runs, running) = watch::channel(true);
        let (fails, failure) = watch::channel(None);
        let driver = std::thread::Builder::new()
            .name("hobnob-driver".into())
            .spawn(move || {
                let ended = driver.run();
                if let Err(error) = &ended {
                    tracing::error!(%error, "the store failed; the app stops");
                    fails.send_replace(Some(error.to_string()));
                }
                runs.send_replace(false);
                ended
            })
            .map_err(OpenError::Thread)?;

        let (network, changed) = watch::channel(());
        runtime.spawn(links.accept_all());
        runtime.spawn(watch_candidates(endpoint.clone(), inputs.clone(), over_loopback, network));
        let address = identity.address.clone();
        let session = Session {
            endpoint: endpoint.clone(),
            identity: Arc::new(identity),
            inputs: inputs.clone(),
            loopback,
            network: changed,
            proxy: None,
        };
        runtime.spawn(session.keep());
        let commands = Semaphore::new(COMMANDS_MAX);
        let driver = Mutex::new(Some(driver));
        let shared = Shared { address, endpoint, inputs, commands, events, stop, running, driver, failure };
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
        if timeout(GOODBYE_WITHIN, shared.endpoint.wait_idle()).await.is_err() {
            tracing::debug!("somebody did not hear the goodbye");
        }
        let code = SessionClose::Done;
        shared.endpoint.close(code.code(), code.to_string().as_bytes());
    }
}

/// Commands, typed.
impl Client {
    /// Own state: session, device, links.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn status(&self) -> Result<StatusView, CommandError> {
        let Reply::Status(status) = self.command(Command::Status).await? else { return Err(unexpected()) };
        Ok(status)
    }

    /// All contacts.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn contacts(&self) -> Result<Vec<ContactView>, CommandError> {
        let Reply::Contacts(contacts) = self.command(Command::Contacts).await? else {
            return Err(unexpected());
        };
        Ok(contacts)
    }

    /// Asks somebody to become a contact.
    ///
    /// # Errors
    /// [`CommandError`]: no such account, no session, already contacts.
    pub async fn add_contact(&self, address: Address, text: impl Into<String>) -> Result<(), CommandError> {
        self.done(Command::ContactAdd { address, text: text.into() }).await
    }

    /// Accepts a request; both see each other then.
    ///
    /// # Errors
    /// [`CommandError`]: no request, no session.
    pub async fn accept_contact(&self, address: Address) -> Result<(), CommandError> {
        self.done(Command::ContactAccept { address }).await
    }

    /// Rejects a request.
    ///
    /// # Errors
    /// [`CommandError`]: no request, no session.
    pub async fn reject_contact(&self, address: Address) -> Result<(), CommandError> {
        self.done(Command::ContactReject { address }).await
    }

    /// Removes a contact on both sides, with a last word.
    ///
    /// # Errors
    /// [`CommandError`]: no such contact, no session.
    pub async fn remove_contact(
        &self,
        address: Address,
        text: impl Into<String>,
    ) -> Result<(), CommandError> {
        self.done(Command::ContactRemove { address, text: text.into() }).await
    }

    /// Shows a state and a text to the contacts.
    ///
    /// # Errors
    /// [`CommandError`]: the text is too long.
    pub async fn show(
        &self,
        availability: Availability,
        text: impl Into<String>,
    ) -> Result<(), CommandError> {
        self.done(Command::Presence { availability, hidden: false, text: text.into() }).await
    }

    /// Seems offline to everybody.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn hide(&self) -> Result<(), CommandError> {
        let availability = Availability::Offline;
        self.done(Command::Presence { availability, hidden: true, text: String::new() }).await
    }

    /// Writes to a contact. Returns once the letter is on this device's disk; the events tell how far it comes.
    ///
    /// # Errors
    /// [`CommandError`]: no such contact, the text is too long.
    pub async fn send(
        &self,
        to: Address,
        text: impl Into<String>,
    ) -> Result<(LetterId, LetterState), CommandError> {
        let command = Command::Send { to, text: text.into() };
        let Reply::Sent { id, state } = self.command(command).await? else { return Err(unexpected()) };
        Ok((id, state))
    }

    /// The newest `limit` letters of a chat, or those before one of them, oldest first.
    ///
    /// # Errors
    /// [`CommandError`]: no such letter.
    pub async fn history(
        &self,
        with: Address,
        limit: u32,
        before: Option<LetterId>,
    ) -> Result<Vec<LetterView>, CommandError> {
        self.letters(Command::History { with, limit, before }).await
    }

    /// One letter.
    ///
    /// # Errors
    /// [`CommandError`]: no such letter.
    pub async fn letter(&self, id: LetterId) -> Result<LetterView, CommandError> {
        one(self.letters(Command::Letter { id }).await?)
    }

    /// Marks everything received in a chat as read, and tells its author.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn mark_read(&self, with: Address) -> Result<(), CommandError> {
        self.done(Command::MarkRead { with }).await
    }

    /// Tells a contact that the user is, or is no longer, writing.
    ///
    /// # Errors
    /// [`CommandError`]: no such contact.
    pub async fn typing(&self, to: Address, active: bool) -> Result<(), CommandError> {
        self.done(Command::Typing { to, active }).await
    }

    /// Offers files and folders to a contact: absolute paths, at most `limit` bytes per second (0 for no limit),
    /// sealed with keys of their own inside QUIC.
    ///
    /// # Errors
    /// [`CommandError`]: no such contact, a path that cannot be read.
    pub async fn send_files(
        &self,
        to: Address,
        paths: Vec<PathBuf>,
        limit: u64,
    ) -> Result<TransferView, CommandError> {
        let text = String::new();
        one(self.transfers(Command::FileSend { to, paths, limit, sealed: true, text }).await?)
    }

    /// All transfers.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn files(&self) -> Result<Vec<TransferView>, CommandError> {
        self.transfers(Command::Files).await
    }

    /// One transfer.
    ///
    /// # Errors
    /// [`CommandError`]: no such transfer.
    pub async fn file(&self, id: TransferId) -> Result<TransferView, CommandError> {
        one(self.transfers(Command::File { id }).await?)
    }

    /// Accepts an offer, into an absolute folder or the configured one.
    ///
    /// # Errors
    /// [`CommandError`]: no such offer.
    pub async fn accept_files(&self, id: TransferId, to: Option<PathBuf>) -> Result<(), CommandError> {
        self.done(Command::FileAccept { id, to }).await
    }

    /// Rejects an offer.
    ///
    /// # Errors
    /// [`CommandError`]: no such offer.
    pub async fn reject_files(&self, id: TransferId, text: impl Into<String>) -> Result<(), CommandError> {
        self.done(Command::FileReject { id, text: text.into() }).await
    }

    /// Stops a transfer, or takes an offer back.
    ///
    /// # Errors
    /// [`CommandError`]: no such transfer, or it is over.
    pub async fn cancel_files(&self, id: TransferId, text: impl Into<String>) -> Result<(), CommandError> {
        self.done(Command::FileCancel { id, text: text.into() }).await
    }

    /// Limits a transfer, in bytes per second; 0 for no limit.
    ///
    /// # Errors
    /// [`CommandError`]: no such transfer, or it is over.
    pub async fn limit_files(&self, id: TransferId, limit: u64) -> Result<(), CommandError> {
        self.done(Command::FileLimit { id, limit }).await
    }

    /// All settings and their values.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn config(&self) -> Result<Vec<(String, String)>, CommandError> {
        let Reply::Config(config) = self.command(Command::Config).await? else { return Err(unexpected()) };
        Ok(config)
    }

    /// Changes a setting.
    ///
    /// # Errors
    /// [`CommandError`]: no such setting, or not a value of it.
    pub async fn configure(
        &self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<(), CommandError> {
        self.done(Command::ConfigSet { key: key.into(), value: value.into() }).await
    }

    /// For commands of whose answer only the success matters; some tell the new state with it.
    async fn done(&self, command: Command) -> Result<(), CommandError> {
        self.command(command).await.map(drop)
    }

    async fn letters(&self, command: Command) -> Result<Vec<LetterView>, CommandError> {
        let Reply::Letters(letters) = self.command(command).await? else { return Err(unexpected()) };
        Ok(letters)
    }

    async fn transfers(&self, command: Command) -> Result<Vec<TransferView>, CommandError> {
        let Reply::Transfers(transfers) = self.command(command).await? else { return Err(unexpected()) };
        Ok(transfers)
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

fn unexpected() -> CommandError {
    CommandError::new(ErrorKind::Failure, "the app answers something else than was asked; please report this")
}

fn one<T>(mut many: Vec<T>) -> Result<T, CommandError> {
    many.pop().ok_or_else(|| CommandError::new(ErrorKind::NotFound, "there is no such thing"))
}

/// Passes reports of transfers on to the driver, while it runs.
async fn pass_on(mut reports: mpsc::Receiver<TransferReport>, inputs: Inputs) {
    while let Some(report) = reports.recv().await {
        if inputs.send(Input::Transfer(report)).await.is_err() {
            return;
        }
    }
}

/// Opens the store and the engine of a home.
fn open_home(home: PathBuf, files: &Path) -> Result<(Database, Engine, Identity), OpenError> {
    let mut database = Database::open(&home)?;
    let mut transaction = database.begin()?;
    let Some(identity) = transaction.identity()? else {
        return Err(OpenError::NotRegistered { home });
    };
    set_default_folder(&mut transaction, files)?;
    let engine = Engine::open(&mut transaction).map_err(|error| match error {
        EngineError::Store(error) => OpenError::Store(error),
        error @ (EngineError::NotRegistered | EngineError::Keys) => {
            OpenError::Damaged { home, reason: error.to_string() }
        }
    })?;
    transaction.commit()?;
    Ok((database, engine, identity))
}
