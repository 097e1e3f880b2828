//! The rendezvous: its real core on its real store, and what its shell would do.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hobnob_rendezvous::core::store::{AccountStore as _, MailboxStore as _};
use hobnob_rendezvous::core::{Effect, Input, Limits, Now, Rendezvous, SessionId};
use hobnob_rendezvous::random::SystemRandom;
use hobnob_rendezvous::store::Sqlite;
use hobnob_wire::device::DeviceList;
use hobnob_wire::mailbox::MailboxRequest;
use hobnob_wire::session::{ClientFrame, Request, ServerFrame};
use hobnob_wire::{DeviceId, LetterId, Name, RequestId};

use super::DOMAIN;
use super::disk::{Disk, Medium};
use super::plan::{Fate, Plan};
use super::trace::Named;
use super::world::{Action, World};
use crate::chance::Chance;

/// Inputs that one transaction takes.
const BATCH_MAX: usize = 6;

/// The rendezvous and its machine.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) disk: Arc<Disk>,
    store: Sqlite,
    core: Option<Rendezvous>,
    limits: Limits,
    /// Sessions that the core was told of.
    known: BTreeSet<SessionId>,
    inbox: VecDeque<Input>,
    awake: bool,
    started: Duration,
    /// What its clock shows at the beginning of the world.
    pub(super) clock_unix_s: u64,
    /// Letters that were deposited and not refused, in a transaction that was committed.
    taken: BTreeSet<(LetterId, DeviceId)>,
}

/// A deposit that is being handled.
struct Deposit {
    session: SessionId,
    id: RequestId,
    letter: LetterId,
    devices: Vec<DeviceId>,
}

impl Deposit {
    fn of(input: &Input) -> Option<Self> {
        if let Input::Said { session, frame, .. } = input
            && let ClientFrame::Request { id, request: Request::Mailbox(request) } = frame
            && let MailboxRequest::Deposit { letter, copies, .. } = request
        {
            let devices = copies.iter().map(|copy| copy.device).collect();
            return Some(Self { session: *session, id: *id, letter: *letter, devices });
        }
        None
    }

    /// Whether an effect says that it is done.
    fn is_answered(&self, effect: &Effect) -> bool {
        if let Effect::Send { to, frame: ServerFrame::Answer { id, .. } } = effect {
            return *id == self.id && to.contains(&self.session);
        }
        false
    }
}

impl Server {
    pub(super) fn new(plan: &Plan, medium: &Medium, mut chance: Chance) -> Self {
        let disk = Disk::new();
        let connection =
            disk.open(medium.named("rendezvous").as_deref()).expect("a new database can be opened");
        let store = Sqlite::on(connection).expect("a new database can be prepared");
        let limits = Limits { mailbox_letters_max: plan.mailbox_letters_max, ..Limits::default() };
        let clock_unix_s = super::clock_ms(&mut chance) / 1_000;
        let mut server = Self {
            disk,
            store,
            core: None,
            limits,
            known: BTreeSet::new(),
            inbox: VecDeque::new(),
            awake: false,
            started: Duration::ZERO,
            clock_unix_s,
            taken: BTreeSet::new(),
        };
        server.core = server.open();
        server
    }

    /// A core that takes up what the store holds; `None` when the store fails.
    fn open(&mut self) -> Option<Rendezvous> {
        let mut tx = self.store.begin().ok()?;
        let setup = tx.opaque_setup(&mut SystemRandom).ok()?;
        tx.commit().ok()?;
        let domain = DOMAIN.parse().expect("a domain");
        Some(Rendezvous::new(domain, setup, self.limits.clone()))
    }

    pub(super) const fn runs(&self) -> bool {
        self.core.is_some()
    }

    /// Whether the core was told that a session began.
    pub(super) fn knows(&self, session: SessionId) -> bool {
        self.known.contains(&session)
    }

    /// Lets an input wait.
    pub(super) fn take(&mut self, session: SessionId, input: Input) {
        match &input {
            Input::Opened { .. } => drop(self.known.insert(session)),
            Input::Gone { .. } => drop(self.known.remove(&session)),
            Input::Said { .. } => {}
        }
        if self.runs() {
            self.inbox.push_back(input);
        }
    }

    /// The devices of an account, as they are on disk.
    pub(super) fn list(&mut self, name: &Name) -> Option<DeviceList> {
        let mut tx = self.store.begin().ok()?;
        let account = tx.account(name).ok()??;
        tx.device_list(account).ok()
    }

    /// Whether a letter was deposited for a device, on disk.
    pub(super) fn has_taken(&self, letter: LetterId, device: DeviceId) -> bool {
        self.taken.contains(&(letter, device))
    }

    /// How many letters wait for a device.
    pub(super) fn waiting(&mut self, device: DeviceId) -> u64 {
        let size = |server: &mut Self| server.store.begin().ok()?.mailbox_size(device).ok();
        size(self).map_or(0, |size| size.letters)
    }

    /// Does something in a transaction of the harness's own.
    pub(super) fn with<T>(&mut self, change: impl FnOnce(&mut hobnob_rendezvous::store::Tx<'_>) -> T) -> T {
        let mut tx = self.store.begin().expect("the harness disturbs nobody");
        let result = change(&mut tx);
        tx.commit().expect("the harness disturbs nobody");
        result
    }

    /// Handles inputs in one transaction. `None` when the process died and nothing was committed.
    fn handle(&mut self, inputs: Vec<Input>, now: Now, fate: Fate) -> Option<Vec<Effect>> {
        let core = self.core.as_mut()?;
        let deposits: Vec<Deposit> = inputs.iter().filter_map(Deposit::of).collect();
        let mut effects = Vec::new();
        let mut tx = self.store.begin().ok()?;
        if let Fate::DiskFails(looks) = fate {
            self.disk.fail_in(looks);
        }
        for (place, input) in inputs.into_iter().enumerate() {
            effects.extend(core.handle(&mut tx, &mut SystemRandom, now, input).ok()?);
            if fate == Fate::DiesBefore(place + 1) {
                return None;
            }
        }
        tx.commit().ok()?;
        let done = |deposit: &Deposit| effects.iter().any(|effect| deposit.is_answered(effect));
        for Deposit { letter, devices, .. } in deposits.into_iter().filter(done) {
            self.taken.extend(devices.into_iter().map(|device| (letter, device)));
        }
        Some(effects)
    }
}

impl World {
    /// The rendezvous has something to do soon.
    pub(super) fn wake_server(&mut self) {
        if !std::mem::replace(&mut self.server.awake, true) {
            let wait = self.chance.between(Duration::ZERO, Duration::from_millis(3));
            self.after(wait, Action::WakeServer);
        }
    }

    pub(super) fn server_turn(&mut self) {
        self.server.awake = false;
        if !self.server.runs() || self.server.inbox.is_empty() {
            return;
        }
        let batch = (1 + self.chance.index(BATCH_MAX)).min(self.server.inbox.len());
        let inputs: Vec<Input> = self.server.inbox.drain(..batch).collect();
        for input in &inputs {
            match input {
                Input::Said { session, frame, .. } => {
                    self.trace.note(self.now, format_args!("rendezvous < {} {}", session.0, Named(frame)));
                }
                Input::Opened { session, .. } | Input::Gone { session } => {
                    self.trace.note(self.now, format_args!("rendezvous < {} {}", session.0, Named(input)));
                }
            }
        }
        let fate = self.fate(None, inputs.len());
        let elapsed = self.now - self.server.started;
        let now = Now { elapsed, unix_s: self.server.clock_unix_s + self.now.as_secs() };
        let effects = self.server.handle(inputs, now, fate);
        self.disk_was_used(None);
        let Some(effects) = effects else {
            return self.kill_server();
        };
        self.check_enrolled();
        let performed = match fate {
            Fate::DiesAfter(performed) => performed,
            Fate::Lives | Fate::DiesBefore(_) | Fate::DiskFails(_) => usize::MAX,
        };
        for effect in effects.into_iter().take(performed) {
            self.server_performs(effect);
        }
        if let Fate::DiesAfter(_) = fate {
            return self.kill_server();
        }
        if !self.server.inbox.is_empty() {
            self.wake_server();
        }
    }

    fn server_performs(&mut self, effect: Effect) {
        match effect {
            Effect::Send { to, frame } => {
                for session in to {
                    self.say_to_peer(session, frame.clone());
                }
            }
            Effect::Close { session, code } => self.close_session(session, &code),
            Effect::Admit { .. } | Effect::Relay(_) => {}
        }
    }

    /// The rendezvous dies. What it had not committed is gone, and so are all sessions.
    pub(super) fn kill_server(&mut self) {
        if self.server.core.take().is_none() {
            return;
        }
        self.crashes += 1;
        self.trace.note(self.now, format_args!("rendezvous dies"));
        self.server.inbox.clear();
        self.server.known.clear();
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        for session in sessions {
            let wait = self.silence();
            let now = self.now;
            if let Some(line) = self.sessions.get_mut(&session) {
                line.at_server = false;
                line.lose_from(now);
            }
            self.after(wait, Action::PeerNotices(session));
        }
        let wait = self.chance.spread(Duration::from_millis(100), Duration::from_secs(60));
        self.after(wait, Action::StartServer);
    }

    pub(super) fn start_server(&mut self) {
        if self.server.runs() {
            return;
        }
        self.server.core = self.server.open();
        self.server.started = self.now;
        if self.server.runs() {
            self.trace.note(self.now, format_args!("rendezvous starts"));
        } else {
            self.after(Duration::from_secs(5), Action::StartServer);
        }
    }
}
