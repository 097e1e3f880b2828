//! A peer: the real core of the app on its real store, and what its shell would do.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hobnob_peer::core::effect::Effect;
use hobnob_peer::core::engine::Engine;
use hobnob_peer::core::input::{Input, RequestError};
use hobnob_peer::core::time::Now;
use hobnob_peer::store::Database;
use hobnob_rendezvous::core::SessionId;
use hobnob_wire::account::AccountAnswer;
use hobnob_wire::keys::{AgreementKey, Purpose, Signature};
use hobnob_wire::link::LinkFrame;
use hobnob_wire::session::{ClientFrame, Push, Request};
use hobnob_wire::{Address, DeviceId, LetterId, RequestId};

use super::disk::Disk;
use super::link::own_side;
use super::plan::{Fate, Plant};
use super::trace::Named;
use super::world::{Action, World};
use crate::chance::Chance;

/// Inputs that one transaction takes.
const BATCH_MAX: usize = 6;

/// What waits for a peer's driver.
#[derive(Debug)]
pub(super) enum Message {
    /// An input as it is.
    Input(Box<Input>),
    /// A session has been welcomed.
    Up(SessionId, Box<AccountAnswer>),
    /// The session is over.
    Down,
}

/// A device and its machine.
#[derive(Debug)]
pub(super) struct Peer {
    /// For people: account and number.
    pub(super) name: String,
    /// Whose, by place among the people.
    pub(super) person: usize,
    pub(super) address: Address,
    pub(super) device: DeviceId,
    pub(super) noise: AgreementKey,
    pub(super) disk: Arc<Disk>,
    pub(super) database: Database,
    /// Absent while the process does not run.
    pub(super) engine: Option<Engine>,
    /// Counts runs of the process.
    pub(super) run: u64,
    /// The session that it has, or tries to have.
    pub(super) session: Option<SessionId>,
    /// The session that the driver says things on.
    up: Option<SessionId>,
    /// Requests without an answer.
    asked: BTreeSet<RequestId>,
    /// Whether the machine is out of the network.
    pub(super) offline: bool,
    /// Whether its owner has revoked it, on the disk of the rendezvous.
    pub(super) revoked: bool,
    /// Whether it was there before anything went wrong.
    pub(super) original: bool,
    /// What its clock shows at the beginning of the world.
    pub(super) clock_unix_ms: u64,
    pub(super) entropy: Chance,
    inbox: VecDeque<Message>,
    awake: bool,
    /// When it wakes for its engine's deadline.
    wakes_at: Option<Duration>,
    started: Duration,
}

/// What became of a batch of inputs.
enum Turned {
    /// It is on disk.
    Committed(Vec<Effect>),
    /// The process died first; this would have been done.
    Lost(Vec<Effect>),
}

impl Peer {
    /// A device on its disk, which does not run yet.
    pub(super) fn new(
        (name, person, original): (String, usize, bool),
        (disk, database): (Arc<Disk>, Database),
        engine: &Engine,
        mut entropy: Chance,
    ) -> Self {
        let identity = engine.identity();
        Self {
            name,
            person,
            address: identity.address.clone(),
            device: identity.device,
            noise: identity.noise.public(),
            disk,
            database,
            engine: None,
            run: 0,
            session: None,
            up: None,
            asked: BTreeSet::new(),
            offline: false,
            revoked: false,
            original,
            clock_unix_ms: super::clock_ms(&mut entropy),
            entropy,
            inbox: VecDeque::new(),
            awake: false,
            wakes_at: None,
            started: Duration::ZERO,
        }
    }

    /// Who it is, and the signature that proves it in a session.
    pub(super) fn proof(&self, exporter: &[u8; 32]) -> Option<(Address, DeviceId, Signature)> {
        let identity = self.engine.as_ref()?.identity();
        Some((self.address.clone(), self.device, identity.signing.sign(Purpose::Session, exporter)))
    }

    fn now(&self, now: Duration) -> Now {
        let passed = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        Now { monotonic: now - self.started, unix_ms: self.clock_unix_ms.saturating_add(passed) }
    }

    /// Whether its driver has a session to say things on.
    pub(super) const fn is_up(&self) -> bool {
        self.up.is_some()
    }

    /// Takes a batch of what waits, and does what the driver does with it.
    fn inputs(&mut self, batch: usize) -> Vec<Input> {
        let mut inputs = Vec::new();
        for message in self.inbox.drain(..batch.min(self.inbox.len())) {
            match message {
                Message::Up(session, welcome) => {
                    self.up = Some(session);
                    inputs.push(Input::SessionUp { welcome });
                }
                Message::Down => {
                    self.up = None;
                    inputs.push(Input::SessionDown { problem: "The network is away.".to_owned() });
                    let lost = |id| Input::Answered { id, result: Err(RequestError::SessionLost) };
                    inputs.extend(std::mem::take(&mut self.asked).into_iter().map(lost));
                }
                Message::Input(input) => {
                    if let Input::Answered { id, result } = &*input
                        && !self.asked.remove(id)
                        && !matches!(result, Err(RequestError::SessionLost))
                    {
                        continue;
                    }
                    inputs.push(*input);
                }
            }
        }
        inputs
    }

    /// Handles inputs in one transaction.
    fn handle(&mut self, inputs: Vec<Input>, now: Now, fate: Fate) -> Turned {
        let Some(engine) = self.engine.as_mut() else { return Turned::Lost(Vec::new()) };
        let mut effects = Vec::new();
        let Ok(mut tx) = self.database.begin() else { return Turned::Lost(effects) };
        if let Fate::DiskFails(looks) = fate {
            self.disk.fail_in(looks);
        }
        for (place, input) in inputs.into_iter().enumerate() {
            match engine.handle(&mut tx, input, now, &mut self.entropy) {
                Ok(new) => effects.extend(new),
                Err(_) => return Turned::Lost(effects),
            }
            if fate == Fate::DiesBefore(place + 1) {
                return Turned::Lost(effects);
            }
        }
        match tx.commit() {
            Ok(()) => Turned::Committed(effects),
            Err(_) => Turned::Lost(effects),
        }
    }
}

impl World {
    /// An input for a peer.
    pub(super) fn tell(&mut self, index: usize, input: Input) {
        self.post(index, Message::Input(Box::new(input)));
    }

    /// A message for a peer's driver.
    pub(super) fn post(&mut self, index: usize, message: Message) {
        let peer = &mut self.peers[index];
        if peer.engine.is_some() {
            peer.inbox.push_back(message);
            self.wake(index);
        }
    }

    /// An input for one run of a peer.
    pub(super) fn tell_run(&mut self, index: usize, run: u64, input: Input) {
        if self.peers[index].run == run {
            self.tell(index, input);
        }
    }

    fn wake(&mut self, index: usize) {
        if !std::mem::replace(&mut self.peers[index].awake, true) {
            let wait = self.chance.between(Duration::ZERO, Duration::from_millis(3));
            self.after(wait, Action::WakePeer(index));
        }
    }

    pub(super) fn peer_turn(&mut self, index: usize) {
        let now = self.now;
        let batch = 1 + self.chance.index(BATCH_MAX);
        let peer = &mut self.peers[index];
        peer.awake = false;
        peer.wakes_at = peer.wakes_at.filter(|at| *at > now);
        let clock = peer.now(now);
        let Some(deadline) = peer.engine.as_ref().map(Engine::deadline) else { return };
        let mut inputs = peer.inputs(batch);
        if deadline.is_some_and(|deadline| deadline <= clock.monotonic) {
            inputs.push(Input::Tick);
        }
        if inputs.is_empty() {
            return self.wake_in_time(index);
        }
        for input in &inputs {
            self.note_input(index, input);
        }
        let fate = self.fate(Some(index), inputs.len());
        let turned = self.peers[index].handle(inputs, clock, fate);
        self.disk_was_used(Some(index));
        match turned {
            Turned::Committed(effects) => {
                self.cut_power(index);
                let performed = match fate {
                    Fate::DiesAfter(performed) => performed,
                    Fate::Lives | Fate::DiesBefore(_) | Fate::DiskFails(_) => usize::MAX,
                };
                self.peer_performs(index, effects.into_iter().take(performed));
                if let Fate::DiesAfter(_) = fate {
                    return self.kill_peer(index);
                }
            }
            Turned::Lost(effects) => {
                if self.plant == Some(Plant::EffectsBeforeCommit) {
                    self.peer_performs(index, effects.into_iter());
                }
                return self.kill_peer(index);
            }
        }
        if !self.peers[index].inbox.is_empty() {
            self.wake(index);
        }
        self.wake_in_time(index);
    }

    /// Wakes a peer when its engine's deadline comes.
    fn wake_in_time(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        let Some(deadline) = peer.engine.as_ref().and_then(Engine::deadline) else { return };
        let at = (peer.started + deadline).max(self.now);
        if peer.wakes_at.is_none_or(|wakes| at < wakes) {
            peer.wakes_at = Some(at);
            self.at(at, Action::WakePeer(index));
        }
    }

    fn note_input(&mut self, index: usize, input: &Input) {
        let name = &self.peers[index].name;
        let now = self.now;
        match letter_of(input) {
            Some(letter) => {
                self.trace.note(now, format_args!("{name} < {} {letter}", Named(input)));
            }
            None => self.trace.note(now, format_args!("{name} < {}", Named(input))),
        }
    }

    fn peer_performs(&mut self, index: usize, effects: impl Iterator<Item = Effect>) {
        for effect in effects {
            self.peer_does(index, effect);
        }
    }

    fn peer_does(&mut self, index: usize, effect: Effect) {
        match effect {
            Effect::Reply { id, result } => self.replied(index, id, &result),
            Effect::Event(event) => self.heard(index, &event),
            Effect::Request { id, request } => self.ask(index, id, *request),
            Effect::Resume { roster } => self.say(index, ClientFrame::Resume { roster }),
            Effect::MailboxAck { up_to } => self.say(index, ClientFrame::MailboxAck { up_to }),
            Effect::Reach(order) => self.reach(index, &order),
            Effect::Dial { attempt, device, noise, hello } => {
                self.dial(index, attempt, (device, noise), hello);
            }
            Effect::AdmitLink { link, hello } => self.admit(index, link, hello),
            Effect::CloseLink { link, code } => self.close_link(index, link, &code.to_string()),
            Effect::SendFrame { link, frame } => self.send_frame(index, link, frame),
            // No files, no relays and no overlay here.
            Effect::Relay(_) | Effect::Overlay(_) | Effect::Transfer(_) => {}
        }
    }

    /// A peer asks the rendezvous.
    fn ask(&mut self, index: usize, id: RequestId, request: Request) {
        let peer = &mut self.peers[index];
        match peer.up {
            Some(session) => {
                peer.asked.insert(id);
                self.say_to_server(session, ClientFrame::Request { id, request });
            }
            None => self.tell(index, Input::Answered { id, result: Err(RequestError::SessionLost) }),
        }
    }

    /// A peer says something that has no answer.
    fn say(&mut self, index: usize, frame: ClientFrame) {
        if let Some(session) = self.peers[index].up {
            self.say_to_server(session, frame);
        }
    }

    /// The process of a peer dies. What it had not committed is gone, and so are its session and links.
    pub(super) fn kill_peer(&mut self, index: usize) {
        let now = self.now;
        let peer = &mut self.peers[index];
        if peer.engine.take().is_none() {
            return;
        }
        peer.run += 1;
        peer.inbox.clear();
        peer.asked.clear();
        peer.up = None;
        let session = peer.session.take();
        self.crashes += 1;
        self.trace.note(now, format_args!("{} dies", self.peers[index].name));
        if let Some(session) = session {
            if let Some(line) = self.sessions.get_mut(&session) {
                line.at_peer = false;
                line.lose_from(now);
            }
            let wait = self.silence();
            self.after(wait, Action::ServerNotices(session));
        }
        self.lose_links_of(index, true);
        let wait = self.chance.spread(Duration::from_millis(100), Duration::from_secs(120));
        self.after(wait, Action::StartPeer(index));
    }

    pub(super) fn start_peer(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        if peer.engine.is_some() {
            return;
        }
        let opened = peer.database.begin().ok().and_then(|mut tx| {
            let engine = Engine::open(&mut tx).ok()?;
            tx.commit().ok()?;
            Some(engine)
        });
        peer.engine = opened;
        peer.started = self.now;
        peer.wakes_at = None;
        if peer.engine.is_none() {
            return self.after(Duration::from_secs(5), Action::StartPeer(index));
        }
        self.trace.note(self.now, format_args!("{} starts", self.peers[index].name));
        self.tell(index, own_side(index));
        self.connect_later(index);
    }
}

/// The letter that an input is about, if it is about one.
fn letter_of(input: &Input) -> Option<LetterText> {
    if let Input::Pushed(push) = input
        && let Push::Letter(delivery) = &**push
    {
        return Some(LetterText(delivery.letter));
    }
    if let Input::LinkFrame { frame, .. } = input
        && let LinkFrame::Letter { letter, .. } | LinkFrame::LetterAck { letter } = &**frame
    {
        return Some(LetterText(*letter));
    }
    None
}

/// The beginning of a letter's identifier.
pub(super) struct LetterText(pub(super) LetterId);

impl fmt::Display for LetterText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_bytes()[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
