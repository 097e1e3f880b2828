//! What the rest of the shell says to the driver.

use hobnob_wire::AttemptId;
use hobnob_wire::account::AccountAnswer;
use hobnob_wire::keys::AgreementKey;
use hobnob_wire::link::LinkHello;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::core::command::{Command, CommandError, Reply};
use crate::core::input::{Input, LinkId};
use crate::net::LinkControl;

/// Messages that may wait for the driver. When it is full whoever has more to say waits, and with it the
/// stream that it reads from. The longest holds a frame of 1 MiB, so 128 MiB is at stake in theory, some
/// kilobytes in fact.
const QUEUE_MAX: usize = 128;

/// An input for the engine, with what the shell needs to perform its effects.
#[derive(Debug)]
pub(crate) enum Message {
    /// An input as it is.
    Input(Input),
    /// A command, and whom to answer.
    Command {
        /// What is asked.
        command: Command,
        /// Whom to answer.
        answer: oneshot::Sender<Result<Reply, CommandError>>,
    },
    /// The session is up.
    SessionUp {
        /// The rendezvous' welcome.
        welcome: Box<AccountAnswer>,
        /// Takes encoded frames. Ends the session when dropped.
        frames: mpsc::Sender<Vec<u8>>,
    },
    /// A link to be has introduced itself.
    Greeting {
        /// The link to be.
        link: LinkId,
        /// Set when we dialed.
        attempt: Option<AttemptId>,
        /// Who it says it is.
        hello: Box<LinkHello>,
        /// The key it proved.
        noise: AgreementKey,
        /// Through which it is told what to do.
        control: LinkControl,
    },
}

impl From<Input> for Message {
    fn from(input: Input) -> Self {
        Self::Input(input)
    }
}

/// The driver has stopped; there is nobody to tell any more.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the app has stopped")]
pub(crate) struct Stopped;

/// The way to the driver. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Inputs(mpsc::Sender<Message>);

/// A way to the driver and its end of it.
pub(crate) fn channel() -> (Inputs, mpsc::Receiver<Message>) {
    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    (Inputs(sender), receiver)
}

impl Inputs {
    /// Tells the driver, waiting for room.
    ///
    /// # Errors
    /// [`Stopped`].
    pub(crate) async fn send(&self, message: impl Into<Message>) -> Result<(), Stopped> {
        self.0.send(message.into()).await.map_err(|_| Stopped)
    }

    /// Waits until the driver has stopped.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }
}
