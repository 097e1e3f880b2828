//! The world: devices, what is on its way between them, and the time.

mod letters;
mod paths;

use std::collections::BTreeMap;
use std::time::Duration;

use hobnob_wire::device::DeviceOperation;
use hobnob_wire::invite::{Invite, Pin};
use hobnob_wire::keys::AgreementKey;
use hobnob_wire::link::{LinkFrame, LinkHello};
use hobnob_wire::session::{Push, Request};
use hobnob_wire::{Address, AttemptId, DeviceId, RequestId};

use self::paths::own;
use super::Counted;
use super::overlay::Overlay;
use super::rendezvous::Rendezvous;
use crate::core::command::{Command, CommandError, CommandId, Reply};
use crate::core::devices::DeviceCommand;
use crate::core::effect::{Effect, ReachOrder};
use crate::core::engine::Engine;
use crate::core::event::Event;
use crate::core::input::{Input, LinkId, RequestError};
use crate::core::keys::enrol::{LoggedIn, NewDevice, change, new_account, new_device};
use crate::core::time::Now;
use crate::core::transfer::TransferJob;
use crate::store::Database;

/// How long anything that is said takes to arrive, unless a test says otherwise.
pub(crate) const LATENCY: Duration = Duration::from_millis(10);

/// What OPAQUE would yield for the password of every account here.
const EXPORT_KEY: [u8; 64] = [9; 64];

/// Steps after which a test that does not come to rest is stopped.
const STEPS_MAX: usize = 200_000;

/// A device.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) address: Address,
    pub(crate) device: DeviceId,
    pub(crate) database: Database,
    pub(crate) engine: Option<Engine>,
    /// Counts starts, so that what was meant for an earlier run is lost.
    run: u64,
    entropy: Counted,
    /// Whether the session is up.
    session: bool,
    requests: BTreeMap<RequestId, ()>,
    replies: BTreeMap<CommandId, Result<Reply, CommandError>>,
    /// What users were told.
    pub(crate) events: Vec<Event>,
    /// What the transfer shell was given.
    pub(crate) jobs: Vec<TransferJob>,
    /// What the relay for contacts was told.
    pub(crate) relayed: Vec<hobnob_nat::core::relay::Order>,
    /// Every frame sent on links.
    pub(crate) frames: Vec<LinkFrame>,
    /// What whoever finds paths was told.
    pub(crate) reach: Vec<ReachOrder>,
    noise: AgreementKey,
}

/// One side of a connection.
type Side = (usize, LinkId);

#[derive(Debug)]
struct Connection {
    dialer: Side,
    listener: Side,
    attempt: AttemptId,
    admitted: (bool, bool),
}

#[derive(Debug)]
enum Action {
    Input(usize, u64, Input),
    Request(usize, u64, RequestId, Box<Request>),
    Resume(usize, u64, u64),
    MailboxAck(usize, u64, u64),
    Dial(usize, u64, Dialed),
}

#[derive(Debug)]
struct Dialed {
    attempt: AttemptId,
    device: DeviceId,
    noise: AgreementKey,
    hello: Box<LinkHello>,
}

/// Everything.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) nodes: Vec<Node>,
    pub(crate) rendezvous: Rendezvous,
    /// Whether devices reach each other at all.
    pub(crate) reachable: bool,
    /// Whether they do without the relay, once each has told where it is.
    pub(crate) direct: bool,
    /// Two nodes of which neither has a way to the other.
    pub(crate) apart: Option<[usize; 2]>,
    /// Whether frames on links get lost although the links stay.
    pub(crate) frames_lost: bool,
    /// How long anything that is said takes from now on.
    pub(crate) latency: Duration,
    /// Whom signals reach only a second later than all else.
    pub(crate) signals_late: Option<usize>,
    /// Whom the rendezvous does not tell that device lists change.
    pub(crate) untold: Option<usize>,
    /// How devices find each other without the rendezvous.
    pub(crate) overlay: Overlay,
    queue: BTreeMap<(Duration, u64), Action>,
    count: u64,
    connections: Vec<Connection>,
    /// Dials that reached a device.
    pub(crate) dials: usize,
    seed: u64,
}

fn invite() -> Invite {
    Invite { host: "localhost".to_owned(), port: 7_700, pin: Pin::new([7; 32]) }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: Duration::ZERO,
            nodes: Vec::new(),
            rendezvous: Rendezvous::default(),
            reachable: true,
            direct: true,
            apart: None,
            frames_lost: false,
            latency: LATENCY,
            signals_late: None,
            untold: None,
            overlay: Overlay::default(),
            queue: BTreeMap::new(),
            count: 0,
            connections: Vec::new(),
            dials: 0,
            seed,
        }
    }

    /// A world with Alice (0) and Bob (1), contacts, both with sessions, at rest.
    pub(crate) fn of_two(seed: u64) -> Self {
        let mut world = Self::new(seed);
        world.register("alice");
        world.register("bob");
        world.connect(0);
        world.connect(1);
        world.befriend(0, 1);
        world
    }

    fn entropy(&mut self) -> Counted {
        self.seed += 1;
        Counted::new(self.seed)
    }

    /// An account with its first device, which is not connected yet.
    pub(crate) fn register(&mut self, name: &str) -> usize {
        let address: Address = format!("{name}@localhost").parse().unwrap();
        let mut entropy = self.entropy();
        let account = new_account(name, &EXPORT_KEY, 0, &mut entropy).unwrap();
        self.rendezvous.register(&address, account.certificate, account.device.entry.clone());
        self.wrapped(&address, account.wrapped);
        self.keep(address, account.device, entropy)
    }

    /// Somebody sets up the account of an address anew, with the same contacts. It is not connected yet.
    pub(crate) fn replace_account(&mut self, address: &Address) -> usize {
        let mut entropy = self.entropy();
        let account = new_account("anew", &EXPORT_KEY, 0, &mut entropy).unwrap();
        self.rendezvous.replace(address, account.certificate, account.device.entry.clone());
        self.wrapped(address, account.wrapped);
        self.flush();
        self.keep(address.clone(), account.device, entropy)
    }

    /// A further device of the account of `of`.
    pub(crate) fn add_device(&mut self, of: usize) -> usize {
        let address = self.nodes[of].address.clone();
        let mut entropy = self.entropy();
        let list = self.rendezvous.list(&address);
        let wrapped = self.rendezvous.wrapped[&address].clone();
        let login = LoggedIn { wrapped: &wrapped, list: &list, export_key: &EXPORT_KEY };
        let device = new_device("second", &login, 0, &mut entropy).unwrap();
        self.rendezvous.append(&address, device.entry.clone());
        self.flush();
        self.keep(address, device, entropy)
    }

    /// The user of `by` changes the list of its account, with the password.
    pub(crate) fn change_list(&mut self, by: usize, operation: DeviceOperation) {
        let address = self.nodes[by].address.clone();
        let list = self.rendezvous.list(&address);
        let wrapped = self.rendezvous.wrapped[&address].clone();
        let login = LoggedIn { wrapped: &wrapped, list: &list, export_key: &EXPORT_KEY };
        let (list, self_signing) = login.open().unwrap();
        let entry = change(&list, &self_signing, operation, 0).unwrap();
        self.ask(by, Command::Devices(DeviceCommand::Append(Box::new(entry)))).unwrap();
        self.run(Duration::from_secs(1));
    }

    fn wrapped(&mut self, address: &Address, wrapped: hobnob_wire::account::WrappedKey) {
        self.rendezvous.wrapped.insert(address.clone(), wrapped);
    }

    fn keep(&mut self, address: Address, device: NewDevice, entropy: Counted) -> usize {
        let mut database = Database::in_memory().unwrap();
        let mut tx = database.begin().unwrap();
        device.keep(&mut tx, address.clone(), &self.rendezvous.list(&address), invite()).unwrap();
        let engine = Engine::open(&mut tx).unwrap();
        tx.commit().unwrap();
        let identity = engine.identity().clone();
        self.nodes.push(Node {
            address,
            device: identity.device,
            database,
            engine: Some(engine),
            run: 0,
            entropy,
            session: false,
            requests: BTreeMap::new(),
            replies: BTreeMap::new(),
            events: Vec::new(),
            jobs: Vec::new(),
            relayed: Vec::new(),
            frames: Vec::new(),
            reach: Vec::new(),
            noise: identity.noise.public(),
        });
        let node = self.nodes.len() - 1;
        self.input(node, own(node));
        node
    }

    /// The session of a device comes up.
    pub(crate) fn connect(&mut self, node: usize) {
        let who = self.who(node);
        self.nodes[node].session = true;
        self.rendezvous.arrives(&who);
        let welcome = Box::new(self.rendezvous.welcome(&who.0));
        self.input(node, Input::SessionUp { welcome });
        self.run(Duration::from_secs(1));
    }

    /// The session of a device goes down; the other side of what was asked may or may not have heard.
    pub(crate) fn disconnect(&mut self, node: usize) {
        let who = self.who(node);
        self.nodes[node].session = false;
        self.rendezvous.leaves(&who);
        self.flush();
        self.input(node, Input::SessionDown { problem: "The network is away.".to_owned() });
        for (id, ()) in std::mem::take(&mut self.nodes[node].requests) {
            self.input(node, Input::Answered { id, result: Err(RequestError::SessionLost) });
        }
    }

    /// Makes two accounts contacts by their own commands.
    pub(crate) fn befriend(&mut self, a: usize, b: usize) {
        let (address_a, address_b) = (self.nodes[a].address.clone(), self.nodes[b].address.clone());
        self.ask(a, Command::ContactAdd { address: address_b, text: "Hello".to_owned() }).unwrap();
        self.run(Duration::from_secs(1));
        self.ask(b, Command::ContactAccept { address: address_a }).unwrap();
        self.run(Duration::from_secs(1));
    }

    /// The process of a device dies: all that is not on its disk is lost.
    pub(crate) fn kill(&mut self, node: usize) {
        let who = self.who(node);
        self.nodes[node].engine = None;
        self.nodes[node].run += 1;
        self.nodes[node].requests.clear();
        self.nodes[node].session = false;
        self.overlay.looking.remove(&node);
        self.rendezvous.leaves(&who);
        self.flush();
        for side in self.sides_of(node) {
            self.cut(side, "the peer vanished");
        }
    }

    /// It starts again from its disk, without a session.
    pub(crate) fn start(&mut self, node: usize) {
        let mut tx = self.nodes[node].database.begin().unwrap();
        let engine = Engine::open(&mut tx).unwrap();
        tx.commit().unwrap();
        self.nodes[node].engine = Some(engine);
        self.input(node, own(node));
    }

    /// All links of a device break.
    pub(crate) fn cut_links(&mut self, node: usize) {
        for side in self.sides_of(node) {
            self.cut(side, "timed out");
        }
    }

    /// A device notices that its links are gone; the other side does not.
    pub(crate) fn forget_links(&mut self, node: usize) {
        for (node, link) in self.sides_of(node) {
            self.connections.retain(|it| it.dialer != (node, link) && it.listener != (node, link));
            self.input(node, Input::LinkDown { link, reason: "timed out".to_owned() });
        }
    }

    /// A device begins a handshake with another as if it had dialed.
    pub(crate) fn greet(&mut self, from: usize, to: usize, link: LinkId) {
        let (address, device) = self.who(from);
        let list = self.rendezvous.list(&address);
        let noise = self.nodes[from].noise;
        let hello = Box::new(LinkHello { address, device, list });
        self.input(to, Input::LinkGreeting { link, attempt: None, hello, noise });
    }

    /// Whether the session of a device is up.
    pub(crate) fn is_connected(&self, node: usize) -> bool {
        self.nodes[node].session
    }

    /// Gives a command without waiting for its answer.
    pub(crate) fn command(&mut self, node: usize, command: Command) -> CommandId {
        self.count += 1;
        let id = CommandId(self.count);
        self.input(node, Input::Command { id, command });
        id
    }

    /// Gives a command and waits for its answer.
    pub(crate) fn ask(&mut self, node: usize, command: Command) -> Result<Reply, CommandError> {
        let id = self.command(node, command);
        for _ in 0..100 {
            if let Some(reply) = self.nodes[node].replies.remove(&id) {
                return reply;
            }
            self.run(LATENCY);
        }
        panic!("a command was not answered");
    }

    /// Sends words to the account of another node.
    pub(crate) fn send(&mut self, from: usize, to: usize, text: &str) -> hobnob_wire::LetterId {
        let to = self.nodes[to].address.clone();
        let reply = self.ask(from, Command::Send { to, text: text.to_owned() }).unwrap();
        let Reply::Sent { id, .. } = reply else { panic!("{reply:?}") };
        id
    }

    /// Links of a node that are up.
    pub(crate) fn links(&mut self, node: usize) -> usize {
        let Reply::Status(status) = self.ask(node, Command::Status).unwrap() else { panic!() };
        status.links.len()
    }

    /// Connections between devices.
    pub(crate) fn connected_pairs(&self) -> usize {
        self.connections.len()
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..STEPS_MAX {
            let next_action = self.queue.keys().next().map(|(at, _)| *at);
            let next_tick = self.next_tick();
            let next = next_action.into_iter().chain(next_tick.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            match next_tick {
                Some((at, node)) if next_action.is_none_or(|action| at < action) => {
                    self.input(node, Input::Tick);
                }
                _ => {
                    let (_, action) = self.queue.pop_first().unwrap();
                    self.act(action);
                }
            }
        }
        panic!("the world does not come to rest");
    }

    /// Gives an input to a device at once.
    pub(crate) fn input(&mut self, node: usize, input: Input) {
        let now = Now { monotonic: self.now, unix_ms: 1_700_000_000_000 + millis(self.now) };
        let Node { database, engine, entropy, .. } = &mut self.nodes[node];
        let Some(engine) = engine else {
            return;
        };
        let mut tx = database.begin().unwrap();
        let effects = engine.handle(&mut tx, input, now, entropy).unwrap();
        tx.commit().unwrap();
        for effect in effects {
            self.perform(node, effect);
        }
    }

    pub(crate) fn who(&self, node: usize) -> (Address, DeviceId) {
        (self.nodes[node].address.clone(), self.nodes[node].device)
    }

    fn next_tick(&self) -> Option<(Duration, usize)> {
        let due = |(node, it): (usize, &Node)| Some((it.engine.as_ref()?.deadline()?, node));
        self.nodes.iter().enumerate().filter_map(due).min()
    }

    fn later(&mut self, action: Action) {
        self.count += 1;
        self.queue.insert((self.now + self.latency, self.count), action);
    }

    pub(super) fn tell(&mut self, node: usize, input: Input) {
        let run = self.nodes[node].run;
        self.later(Action::Input(node, run, input));
    }

    fn perform(&mut self, node: usize, effect: Effect) {
        let run = self.nodes[node].run;
        match effect {
            Effect::Reply { id, result } => drop(self.nodes[node].replies.insert(id, result)),
            Effect::Event(event) => self.nodes[node].events.push(*event),
            Effect::Request { id, .. } if !self.nodes[node].session => {
                self.tell(node, Input::Answered { id, result: Err(RequestError::SessionLost) });
            }
            Effect::Request { id, request } => {
                self.nodes[node].requests.insert(id, ());
                self.later(Action::Request(node, run, id, request));
            }
            Effect::Resume { roster } => self.later(Action::Resume(node, run, roster)),
            Effect::MailboxAck { up_to } => self.later(Action::MailboxAck(node, run, up_to)),
            Effect::Reach(order) => {
                self.reach(node, &order);
                self.nodes[node].reach.push(order);
            }
            Effect::Overlay(order) => self.overlay(node, order),
            Effect::Dial { attempt, device, noise, hello } => {
                self.later(Action::Dial(node, run, Dialed { attempt, device, noise, hello }));
            }
            Effect::AdmitLink { link, hello } => self.admit((node, link), hello),
            Effect::CloseLink { link, code } => {
                self.cut((node, link), &code.to_string());
            }
            Effect::SendFrame { link, frame } => {
                self.nodes[node].frames.push((*frame).clone());
                if let Some((other, link)) = self.other_side((node, link))
                    && !self.frames_lost
                {
                    self.tell(other, Input::LinkFrame { link, frame });
                }
            }
            Effect::Relay(order) => self.nodes[node].relayed.push(order),
            Effect::Transfer(job) => self.nodes[node].jobs.push(job),
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Input(node, run, input) => {
                if self.nodes[node].run == run {
                    self.input(node, input);
                }
            }
            Action::Request(node, run, id, request) => {
                let who = self.who(node);
                let answer = self.rendezvous.handle(&who, *request);
                self.flush();
                if self.nodes[node].run == run && self.nodes[node].requests.remove(&id).is_some() {
                    let result = answer.map(Box::new).map_err(RequestError::Refused);
                    self.tell(node, Input::Answered { id, result });
                }
            }
            Action::Resume(node, run, roster) => {
                if self.nodes[node].run == run && self.nodes[node].session {
                    let who = self.who(node);
                    self.rendezvous.resume(&who, roster);
                    self.flush();
                }
            }
            Action::MailboxAck(node, run, up_to) => {
                if self.nodes[node].run == run && self.nodes[node].session {
                    let who = self.who(node);
                    self.rendezvous.acknowledge(&who, up_to);
                }
            }
            Action::Dial(node, run, dialed) => {
                if self.nodes[node].run == run {
                    self.dialed(node, dialed);
                }
            }
        }
    }

    /// Sends what the rendezvous says, to those who are there.
    fn flush(&mut self) {
        for (device, push) in self.rendezvous.take_pushes() {
            let node = self.nodes.iter().position(|node| node.device == device && node.session);
            let Some(node) = node else { continue };
            if self.untold == Some(node) && matches!(push, Push::DevicesChanged { .. }) {
                continue;
            }
            let is_late = self.signals_late == Some(node) && matches!(push, Push::Signal(_));
            let usual = self.latency;
            self.latency += if is_late { Duration::from_secs(1) } else { Duration::ZERO };
            self.tell(node, Input::Pushed(Box::new(push)));
            self.latency = usual;
        }
        for device in std::mem::take(&mut self.rendezvous.closed) {
            if let Some(node) = self.nodes.iter().position(|node| node.device == device && node.session) {
                self.disconnect(node);
            }
        }
    }

    /// Pushes something to a node as a rendezvous might.
    pub(crate) fn push(&mut self, node: usize, push: Push) {
        self.tell(node, Input::Pushed(Box::new(push)));
    }

    fn dialed(&mut self, node: usize, dialed: Dialed) {
        let to = self.nodes.iter().position(|node| node.device == dialed.device);
        let listener = to.filter(|to| self.reachable && self.nodes[*to].engine.is_some());
        let Some(listener) = listener.filter(|to| self.nodes[*to].noise == dialed.noise) else {
            let reason = "no address answered".to_owned();
            self.tell(node, Input::DialFailed { attempt: dialed.attempt, reason });
            return;
        };
        self.dials += 1;
        self.count += 2;
        let (ours, theirs) = (LinkId(self.count), LinkId(self.count + 1));
        self.connections.push(Connection {
            dialer: (node, ours),
            listener: (listener, theirs),
            attempt: dialed.attempt,
            admitted: (false, false),
        });
        let noise = self.nodes[node].noise;
        let greeting = Input::LinkGreeting { link: theirs, attempt: None, hello: dialed.hello, noise };
        self.tell(listener, greeting);
    }

    fn admit(&mut self, side: Side, hello: Box<LinkHello>) {
        let Some(connection) =
            self.connections.iter_mut().find(|it| it.listener == side || it.dialer == side)
        else {
            return;
        };
        let ((dialer, link), listener) = (connection.dialer, connection.listener);
        if listener == side {
            connection.admitted.1 = true;
            let attempt = Some(connection.attempt);
            let noise = self.nodes[side.0].noise;
            self.tell(dialer, Input::LinkGreeting { link, attempt, hello, noise });
        } else if connection.admitted.1 {
            connection.admitted.0 = true;
            let handshake = LATENCY * 3;
            // The dialer's first frame, which says that it is ready, comes before all others.
            self.tell(listener.0, Input::LinkUp { link: listener.1, handshake });
            self.input(dialer, Input::LinkUp { link, handshake });
        }
    }

    fn other_side(&self, side: Side) -> Option<Side> {
        self.connections.iter().find_map(|it| match side {
            side if side == it.dialer => Some(it.listener),
            side if side == it.listener => Some(it.dialer),
            _ => None,
        })
    }

    fn sides_of(&self, node: usize) -> Vec<Side> {
        let sides = self.connections.iter().flat_map(|it| [it.dialer, it.listener]);
        sides.filter(|side| side.0 == node).collect()
    }

    /// A connection ends; both sides hear of it.
    fn cut(&mut self, side: Side, reason: &str) {
        let Some(other) = self.other_side(side) else {
            return;
        };
        self.connections.retain(|it| it.dialer != side && it.listener != side);
        for (node, link) in [side, other] {
            self.tell(node, Input::LinkDown { link, reason: reason.to_owned() });
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}
