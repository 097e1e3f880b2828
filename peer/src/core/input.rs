//! What the shell tells the engine.

use std::net::SocketAddr;
use std::time::Duration;

use hobnob_wire::account::AccountAnswer;
use hobnob_wire::keys::AgreementKey;
use hobnob_wire::link::{LinkFrame, LinkHello};
use hobnob_wire::session::{Answer, Push};
use hobnob_wire::{AttemptId, Refusal, RequestId};

use super::command::{Command, CommandId};
use super::transfer::TransferReport;

/// A connection to a peer, numbered by the shell, from the first byte of its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// What a link runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// Private, link-local or loopback addresses.
    Lan,
    /// Public addresses.
    Direct,
}

impl PathKind {
    /// As users read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Direct => "direct",
        }
    }
}

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The rendezvous refused it.
    Refused(Refusal),
    /// The session went down first; whether it was done is unknown.
    SessionLost,
}

/// Something happened outside.
#[derive(Debug)]
pub enum Input {
    /// A user or program asks for something; answered by [`Effect::Reply`](super::effect::Effect::Reply).
    Command {
        /// Names the command.
        id: CommandId,
        /// What is asked.
        command: Command,
    },
    /// The session is authenticated: the content of [`AccountAnswer::Welcome`].
    SessionUp {
        /// The welcome.
        welcome: Box<AccountAnswer>,
    },
    /// The session is down. The shell connects again by itself.
    SessionDown {
        /// Why, and what to do, for the user.
        problem: String,
    },
    /// A request was answered.
    Answered {
        /// The request.
        id: RequestId,
        /// How.
        result: Result<Box<Answer>, RequestError>,
    },
    /// The rendezvous says something.
    Pushed(Box<Push>),
    /// Own addresses at which peers may reach us, best first; told at start and when they change.
    Candidates(Vec<SocketAddr>),
    /// The other side of a handshake said who it is and proved `noise`. Answered by
    /// [`Effect::AdmitLink`](super::effect::Effect::AdmitLink) or
    /// [`Effect::CloseLink`](super::effect::Effect::CloseLink).
    LinkGreeting {
        /// The link to be.
        link: LinkId,
        /// Set when we dialed: the attempt.
        attempt: Option<AttemptId>,
        /// Who it says it is.
        hello: Box<LinkHello>,
        /// The Noise key it proved.
        noise: AgreementKey,
    },
    /// The handshake is over; frames may be sent.
    LinkUp {
        /// An admitted link.
        link: LinkId,
        /// What it runs over.
        path: PathKind,
        /// Time that the handshakes of QUIC and Noise took.
        handshake: Duration,
    },
    /// A frame arrived on the control stream.
    LinkFrame {
        /// On which link.
        link: LinkId,
        /// The frame.
        frame: Box<LinkFrame>,
    },
    /// A link, or a link to be, is gone.
    LinkDown {
        /// Which.
        link: LinkId,
        /// Why, in words.
        reason: String,
    },
    /// No candidate answered, or the handshake failed.
    DialFailed {
        /// The attempt.
        attempt: AttemptId,
        /// Why, in words.
        reason: String,
    },
    /// The transfer shell reports.
    Transfer(TransferReport),
    /// The moment that [`Engine::deadline`](super) named has come.
    Tick,
}
