//! What the shell tells the engine.

use std::sync::Arc;
use std::time::Duration;

use hobnob_nat::core::agent::PathReport;
use hobnob_wire::account::AccountAnswer;
use hobnob_wire::keys::AgreementKey;
use hobnob_wire::link::{LinkFrame, LinkHello};
use hobnob_wire::session::{Answer, Push};
use hobnob_wire::signal::{Candidate, Mapping};
use hobnob_wire::{AttemptId, DeviceId, Refusal, RequestId};

use super::command::{Command, CommandId};
use super::transfer::TransferReport;

/// A connection to a peer, numbered by the shell, from the first byte of its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The rendezvous refused it.
    Refused(Refusal),
    /// The session went down first; whether it was done is unknown.
    SessionLost,
}

/// What the overlay tells.
#[derive(Debug, PartialEq, Eq)]
pub enum OverlayReport {
    /// A device is there, or has started again.
    Seen(DeviceId),
    /// A device is there no longer.
    Lost(DeviceId),
    /// A device sent a signal.
    Signal {
        /// Which.
        device: DeviceId,
        /// The sealed signal.
        sealed: Vec<u8>,
    },
}

impl OverlayReport {
    /// The device that it is about.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        match self {
            Self::Seen(device) | Self::Lost(device) | Self::Signal { device, .. } => *device,
        }
    }
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
    /// Where peers may reach us; told at start and when it changes.
    Own {
        /// Best first.
        candidates: Vec<Candidate>,
        /// What the NAT before us does.
        mapping: Mapping,
    },
    /// The path to a peer has changed, or something else that users are shown of it.
    Path {
        /// The peer.
        device: DeviceId,
        /// What it is now.
        report: Arc<PathReport>,
    },
    /// The overlay reports; only while it is used.
    Overlay(OverlayReport),
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
    /// The peer did not answer, or the handshake failed.
    DialFailed {
        /// The attempt.
        attempt: AttemptId,
        /// Why, in words.
        reason: String,
    },
    /// The transfer shell reports.
    Transfer(TransferReport),
    /// The clock on the wall: seconds east of UTC; told at start and when it changes.
    UtcOffset(i32),
    /// The moment that [`Engine::deadline`](super) named has come.
    Tick,
}
