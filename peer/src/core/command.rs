//! What users and programs ask for, and how they are answered.

use std::path::PathBuf;

use hobnob_nat::core::agent::Policy;
use hobnob_wire::choice::Choice;
use hobnob_wire::device::DeviceList;
use hobnob_wire::presence::Availability;
use hobnob_wire::{Address, LetterId, TransferId};
use thiserror::Error;

use super::chat::command::{ChatCommand, ChatReply};
use super::devices::DeviceCommand;
use super::history::ask::Ask;
use super::history::view::{ForgottenView, HoldingView, ImportedView, RecordsView, SearchView};
use super::keys::verification::TrustCommand;
use super::transfer::Move;
use super::view::{
    ContactView, DeviceView, LetterState, LetterView, PathView, Priority, StatusView, TransferView,
    VerificationView,
};

/// Names a command until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Own state. Answer: [`Reply::Status`].
    Status,
    /// All contacts. Answer: [`Reply::Contacts`].
    Contacts,
    /// Asks somebody to become a contact.
    ContactAdd {
        /// Whom.
        address: Address,
        /// Why.
        text: String,
    },
    /// Accepts a request; both see each other then.
    ContactAccept {
        /// Whose.
        address: Address,
    },
    /// Rejects a request.
    ContactReject {
        /// Whose.
        address: Address,
    },
    /// Removes a contact on both sides.
    ContactRemove {
        /// Whom.
        address: Address,
        /// A last word.
        text: String,
    },
    /// Over which paths a contact may reach us. Links under another policy are closed.
    ContactPaths {
        /// Whom.
        address: Address,
        /// What is allowed; as in general when absent.
        paths: Option<Policy>,
    },
    /// How the devices of a contact are reached. Answer: [`Reply::Paths`].
    Path {
        /// Whose.
        address: Address,
    },
    /// What to show of oneself. Kept and shown again after a restart.
    Presence {
        /// State; ignored when hidden.
        availability: Availability,
        /// Show offline to everybody.
        hidden: bool,
        /// Status text.
        text: String,
    },
    /// Sends words. Answer: [`Reply::Sent`] once the letter is on this device's disk.
    Send {
        /// To whom.
        to: Address,
        /// The words.
        text: String,
    },
    /// Anything else about letters and chats.
    Chat(ChatCommand),
    /// Something about history.
    History(Ask),
    /// One letter. Answer: [`Reply::Letters`] with it.
    Letter {
        /// Which.
        id: LetterId,
    },
    /// Marks everything received in a chat up to now as read, and tells the author.
    MarkRead {
        /// With whom.
        with: Address,
    },
    /// Tells a contact that the user is, or is no longer, writing. Only on a link.
    Typing {
        /// Whom.
        to: Address,
        /// Which.
        active: bool,
    },
    /// Offers files and folders. Answer: [`Reply::Transfers`] with the new one for each recipient.
    FileSend {
        /// To whom, at most [`SWARM_MEMBERS_MAX`](hobnob_wire::limits::SWARM_MEMBERS_MAX). Several get it from each other, too.
        to: Vec<Address>,
        /// Absolute paths.
        paths: Vec<PathBuf>,
        /// Bytes per second; 0 for no limit.
        limit: u64,
        /// Whether content is sealed with keys of its own inside QUIC.
        sealed: bool,
        /// Whether symbolic links that stay inside what is offered are sent, as links.
        links: bool,
        /// A word about it.
        text: String,
        /// Before or after others.
        priority: Priority,
    },
    /// All transfers. Answer: [`Reply::Transfers`].
    Files,
    /// One transfer. Answer: [`Reply::Transfers`] with it.
    File {
        /// Which.
        id: TransferId,
    },
    /// Accepts an offer.
    FileAccept {
        /// Which.
        id: TransferId,
        /// Absolute folder; the configured one when absent.
        to: Option<PathBuf>,
        /// Whether files that are there already are brought up to date; else they are left alone.
        update: bool,
        /// Which of the files.
        choice: Choice,
    },
    /// Rejects an offer.
    FileReject {
        /// Which.
        id: TransferId,
        /// Why.
        text: String,
    },
    /// Stops a transfer or takes an offer back.
    FileCancel {
        /// Which.
        id: TransferId,
        /// Why.
        text: String,
    },
    /// Limits a transfer.
    FileLimit {
        /// Which.
        id: TransferId,
        /// Bytes per second; 0 for no limit.
        limit: u64,
    },
    /// Pauses a transfer.
    FilePause {
        /// Which.
        id: TransferId,
    },
    /// Lets a paused transfer go on.
    FileResume {
        /// Which.
        id: TransferId,
    },
    /// Offers again what did not come through. Answer: [`Reply::Transfers`] with the new one.
    FileRetry {
        /// Which.
        id: TransferId,
    },
    /// Puts a transfer at another place among those of its direction and priority.
    FileMove {
        /// Which.
        id: TransferId,
        /// Where.
        to: Move,
    },
    /// Puts a transfer before or after others.
    FilePriority {
        /// Which.
        id: TransferId,
        /// Which.
        priority: Priority,
    },
    /// About own devices.
    Devices(DeviceCommand),
    /// About the identity of a contact.
    Trust(TrustCommand),
    /// All settings. Answer: [`Reply::Config`].
    Config,
    /// Changes a setting. Answer: [`Reply::Done`].
    ConfigSet {
        /// Its name, as in `files.auto_accept`.
        key: String,
        /// Its value.
        value: String,
    },
}

/// Answers to commands.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// It is done, and on disk.
    Done,
    /// Own state.
    Status(StatusView),
    /// Contacts.
    Contacts(Vec<ContactView>),
    /// A letter was written.
    Sent {
        /// The letter.
        id: LetterId,
        /// How far it is already.
        state: LetterState,
    },
    /// Letters.
    Letters(Vec<LetterView>),
    /// Chats, or letters that are sent later.
    Chat(ChatReply),
    /// Letters that were looked for.
    Found(SearchView),
    /// How much chats hold.
    Holdings(Vec<HoldingView>),
    /// Letters are gone.
    Forgotten(ForgottenView),
    /// Letters to be carried elsewhere.
    Records(RecordsView),
    /// Letters were brought from elsewhere.
    Imported(ImportedView),
    /// Paths, one for each device that was reached lately.
    Paths(Vec<PathView>),
    /// Transfers.
    Transfers(Vec<TransferView>),
    /// Own devices.
    Devices(Vec<DeviceView>),
    /// The own device list as it travels.
    OwnList(Box<DeviceList>),
    /// How far the identity of a contact is known to be the right one.
    Verification(Box<VerificationView>),
    /// Settings and their values.
    Config(Vec<(String, String)>),
}

/// What kind of failure it is; decides HTTP status and exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Exit code 1.
    Failure,
    /// The command makes no sense. Exit code 2.
    Usage,
    /// There is no such thing. Exit code 3.
    NotFound,
    /// Not allowed. Exit code 4.
    Denied,
    /// The session is down, or the contact away. Exit code 5.
    Offline,
    /// It took too long. Exit code 6.
    TimedOut,
    /// It does not fit the state of things. Exit code 7.
    Conflict,
}

/// Why a command failed: what happened, why, and what to do, in one or two sentences for the user.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text}")]
pub struct CommandError {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// In words.
    pub text: String,
}

impl CommandError {
    /// A failure with its words.
    #[must_use]
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}
