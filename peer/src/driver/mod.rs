//! The one thread that owns the core and its store.
//!
//! It takes a batch of inputs, opens a transaction, gives each input to the engine, commits, and only
//! then performs the effects, in order. So nothing is acknowledged that is not on disk. An error of the store ends it,
//! because memory and disk must not differ.

mod entropy;
mod message;
mod requests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use hobnob_nat::{Reach, RelayServer};
use hobnob_wire::session::ClientFrame;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

pub(crate) use self::entropy::SystemEntropy;
pub(crate) use self::message::{Inputs, Message, Stopped, channel};
use self::requests::Requests;
use crate::core::command::{CommandError, CommandId, Reply};
use crate::core::effect::Effect;
use crate::core::engine::Engine;
use crate::core::input::Input;
use crate::core::time::Now;
use crate::events::Ring;
use crate::net::streams::TransferShell;
use crate::net::{self, Dial, LinkRoom, LinkTable, Order, OverlayShell};
use crate::store::{Database, StoreError};

/// Messages that one transaction handles. More would gain nothing (SQLite is as fast at 64), and delay the first.
const BATCH_MAX: usize = 64;

/// Where the driver's effects go.
#[derive(Debug)]
pub(crate) struct Outside {
    /// The runtime on which everything else runs.
    pub(crate) runtime: Handle,
    /// Finds paths to peers.
    pub(crate) reach: Reach,
    /// Relays for contacts, if the user offers it.
    pub(crate) relay: Option<Arc<RelayServer>>,
    /// Meets contacts without the rendezvous.
    pub(crate) overlay: OverlayShell,
    /// Dials links.
    pub(crate) links: Arc<LinkRoom>,
    /// Moves the bytes of files.
    pub(crate) transfers: TransferShell,
    /// Keeps events for whoever follows them.
    pub(crate) events: Arc<Ring>,
}

/// The driver, before it runs.
#[derive(Debug)]
pub(crate) struct Driver {
    database: Database,
    engine: Engine,
    messages: mpsc::Receiver<Message>,
    stop: watch::Receiver<bool>,
    outside: Outside,
    /// Waits on behalf of the driver; nothing else runs on it.
    clock: Runtime,
    began: Instant,
    commands: u64,
    answers: BTreeMap<CommandId, oneshot::Sender<Result<Reply, CommandError>>>,
    requests: Requests,
    links: LinkTable,
    /// Answers that the driver itself gives to the engine.
    again: VecDeque<Input>,
}

impl Driver {
    /// A driver of `engine`, which has been opened on `database`. It stops when `stop` turns true or loses its sender.
    ///
    /// # Errors
    /// When the system has no resources for a timer.
    pub(crate) fn new(
        (database, engine): (Database, Engine),
        messages: mpsc::Receiver<Message>,
        stop: watch::Receiver<bool>,
        outside: Outside,
    ) -> std::io::Result<Self> {
        Ok(Self {
            database,
            engine,
            messages,
            stop,
            outside,
            clock: tokio::runtime::Builder::new_current_thread().enable_time().build()?,
            began: Instant::now(),
            commands: 0,
            answers: BTreeMap::new(),
            requests: Requests::default(),
            links: LinkTable::default(),
            again: VecDeque::new(),
        })
    }

    /// Runs until it is told to stop. Dropping what it holds then lets session and links send their last frames.
    ///
    /// # Errors
    /// The first of the store; nothing of the failed transaction has been performed.
    pub(crate) fn run(mut self) -> Result<(), StoreError> {
        let mut messages = Vec::with_capacity(BATCH_MAX);
        while self.wait(&mut messages) {
            let mut inputs: Vec<Input> = self.again.drain(..).collect();
            for message in messages.drain(..) {
                self.translate(message, &mut inputs);
            }
            if self.engine.deadline().is_some_and(|deadline| deadline <= self.began.elapsed()) {
                inputs.push(Input::Tick);
            }
            let effects = self.handle(inputs)?;
            for effect in effects {
                self.perform(effect);
            }
        }
        Ok(())
    }

    /// Waits for messages, for the engine's deadline, or for nothing when there is work already; `false` when it is time to stop.
    fn wait(&mut self, messages: &mut Vec<Message>) -> bool {
        let Self { messages: queue, stop, clock, again, engine, began, .. } = self;
        let wait = if again.is_empty() {
            engine.deadline().map(|deadline| deadline.saturating_sub(began.elapsed()))
        } else {
            Some(Duration::ZERO)
        };
        clock.block_on(async {
            let due = async {
                match wait {
                    Some(wait) => sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => false,
                received = queue.recv_many(messages, BATCH_MAX) => received > 0,
                () = due => true,
            }
        })
    }

    /// What a message means to the engine; keeps what the shell needs to perform its effects.
    fn translate(&mut self, message: Message, inputs: &mut Vec<Input>) {
        let input = match message {
            Message::Command { command, answer } => {
                let id = CommandId(self.commands);
                self.commands += 1;
                self.answers.insert(id, answer);
                Input::Command { id, command }
            }
            Message::SessionUp { welcome, frames } => {
                self.requests.up(frames);
                Input::SessionUp { welcome }
            }
            Message::Greeting { link, attempt, hello, noise, control } => {
                self.links.insert(link, control);
                Input::LinkGreeting { link, attempt, hello, noise }
            }
            Message::Input(input) => input,
        };
        if let Input::Answered { id, .. } = input
            && !self.requests.answered(id)
        {
            return tracing::debug!(id = id.0, "the rendezvous answers what nobody asked");
        }
        if let Input::LinkDown { link, .. } = input {
            self.links.remove(link);
        }
        let down = matches!(input, Input::SessionDown { .. });
        inputs.push(input);
        if down {
            inputs.extend(self.requests.down());
        }
    }

    /// Gives the inputs to the engine, in one transaction.
    fn handle(&mut self, inputs: Vec<Input>) -> Result<Vec<Effect>, StoreError> {
        let mut effects = Vec::new();
        let mut transaction = self.database.begin()?;
        for input in inputs {
            let now = Now { monotonic: self.began.elapsed(), unix_ms: unix_ms() };
            effects.extend(self.engine.handle(&mut transaction, input, now, &mut SystemEntropy)?);
        }
        transaction.commit()?;
        Ok(effects)
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Reply { id, result } => {
                if let Some(answer) = self.answers.remove(&id) {
                    // Who asked may have lost interest.
                    let _ = answer.send(result);
                }
            }
            Effect::Event(event) => self.outside.events.push(*event),
            Effect::Request { id, request } => {
                self.again.extend(self.requests.ask(id, *request, &self.clock));
            }
            Effect::Resume { roster } => self.requests.say(&ClientFrame::Resume { roster }, &self.clock),
            Effect::MailboxAck { up_to } => {
                self.requests.say(&ClientFrame::MailboxAck { up_to }, &self.clock)
            }
            Effect::Reach(order) => net::order(&self.outside.reach, order),
            Effect::Relay(order) => {
                if let Some(relay) = &self.outside.relay {
                    relay.order(order);
                }
            }
            Effect::Overlay(order) => self.outside.overlay.perform(order),
            Effect::Dial { attempt, device, noise, hello } => {
                let dial = Dial { attempt, device, noise, hello };
                self.outside.runtime.spawn(Arc::clone(&self.outside.links).dial(dial));
            }
            Effect::AdmitLink { link, hello } => self.links.order(link, Order::Admit(hello)),
            Effect::CloseLink { link, code } => self.links.close(link, code),
            Effect::SendFrame { link, frame } => self.links.order(link, Order::Send(frame)),
            Effect::Transfer(job) => {
                let _runtime = self.outside.runtime.enter();
                self.outside.transfers.perform(job);
            }
        }
    }
}

/// Unix milliseconds by the system's clock; 0 when it stands before 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
