//! The world: machines, what is on its way between them, and the time.

use std::collections::BTreeMap;
use std::time::Duration;

use hobnob_peer::core::input::Input;
use hobnob_rendezvous::core::SessionId;
use hobnob_wire::session::{ClientFrame, ServerFrame};

use super::disk::Medium;
use super::link::{Dialed, Link, Side};
use super::peer::Peer;
use super::people::Person;
use super::plan::{Plan, Plant};
use super::power::Outage;
use super::server::Server;
use super::session::Session;
use super::trace::Trace;
use super::truth::Truth;
use crate::chance::Chance;

/// Things that may happen at one moment before the world is said not to come to rest.
const AT_ONE_MOMENT_MAX: u32 = 20_000;

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Action {
    /// The rendezvous has something to do.
    WakeServer,
    /// A peer has something to do.
    WakePeer(usize),
    /// The rendezvous starts again.
    StartServer,
    /// A peer starts again.
    StartPeer(usize),
    /// A peer opens a session, if this run of it still lasts.
    Connect(usize, u64),
    /// A frame arrives at the rendezvous.
    ToServer(SessionId, Box<ClientFrame>),
    /// A frame arrives at a peer.
    ToPeer(SessionId, Box<ServerFrame>),
    /// The rendezvous notices that a session is over.
    ServerNotices(SessionId),
    /// A peer notices that its session is over.
    PeerNotices(SessionId),
    /// An input for a peer, if this run of it still lasts.
    Tell(usize, u64, Box<Input>),
    /// A peer's dial arrives, or does not.
    Dial(usize, u64, Box<Dialed>),
    /// An input arrives on one side of a link.
    OnLink(Side, Box<Input>),
    /// A user does something.
    Act,
    /// Something goes wrong.
    Fault,
    /// A machine is back in the network.
    BackOnline(usize),
    /// A disk has room again; that of the rendezvous when there is no number.
    Room(Option<usize>),
    /// Two peers have ways to each other again.
    Together(usize, usize),
}

/// Everything.
#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Duration,
    pub(super) chance: Chance,
    pub(super) plan: Plan,
    pub(super) plant: Option<Plant>,
    /// Whether letters must not overtake each other.
    pub(super) checks_order: bool,
    /// Where databases are.
    pub(super) medium: Medium,
    /// Whether nothing goes wrong any more, or not yet.
    pub(super) calm: bool,
    /// Whether anything has gone wrong.
    pub(super) stormed: bool,
    pub(super) server: Server,
    pub(super) peers: Vec<Peer>,
    pub(super) people: Vec<Person>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    pub(super) links: BTreeMap<u64, Link>,
    /// Peers without ways to each other.
    pub(super) apart: Vec<[usize; 2]>,
    pub(super) truth: Truth,
    pub(super) trace: Trace,
    /// Frames that were sent, of any kind.
    pub(super) frames: u64,
    /// Machines that died.
    pub(super) crashes: u64,
    /// A machine whose disk fails once, after so many looks; the rendezvous when it has no number.
    pub(super) sabotage: Option<(Option<usize>, u64)>,
    /// Set when the power of peers is cut at every commit.
    pub(super) outage: Option<Outage>,
    /// The first rule that did not hold.
    violation: Option<String>,
    queue: BTreeMap<(Duration, u64), Action>,
    count: u64,
}

impl World {
    /// A world with a rendezvous and nobody in it.
    pub(super) fn new(mut chance: Chance, plan: Plan, medium: Medium, trace: Trace) -> Self {
        let server = Server::new(&plan, &medium, chance.branch());
        Self {
            now: Duration::ZERO,
            chance,
            plan,
            plant: None,
            checks_order: true,
            medium,
            calm: true,
            stormed: false,
            server,
            peers: Vec::new(),
            people: Vec::new(),
            sessions: BTreeMap::new(),
            links: BTreeMap::new(),
            apart: Vec::new(),
            truth: Truth::default(),
            trace,
            frames: 0,
            crashes: 0,
            sabotage: None,
            outage: None,
            violation: None,
            queue: BTreeMap::new(),
            count: 0,
        }
    }

    /// A number that was not given out before.
    pub(super) fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// A rule does not hold.
    pub(super) fn broken(&mut self, what: impl Into<String>) {
        self.violation.get_or_insert(what.into());
    }

    /// Lets something happen at a time. What is put in later happens later, if the times are the same.
    pub(super) fn at(&mut self, at: Duration, action: Action) {
        let number = self.number();
        self.queue.insert((at.max(self.now), number), action);
    }

    /// Lets something happen after a while.
    pub(super) fn after(&mut self, wait: Duration, action: Action) {
        self.at(self.now + wait, action);
    }

    /// How long something is on its way.
    pub(super) fn latency(&mut self) -> Duration {
        if !self.calm && self.chance.one_in(self.plan.delay) {
            self.chance.spread(Duration::from_millis(100), Duration::from_secs(20))
        } else {
            self.chance.between(Duration::from_millis(5), Duration::from_millis(60))
        }
    }

    /// How long it takes to notice that the other side has vanished.
    pub(super) fn silence(&mut self) -> Duration {
        self.chance.spread(Duration::from_millis(10), Duration::from_secs(40))
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// The rule that does not hold any more.
    pub(super) fn run(&mut self, time: Duration) -> Result<(), String> {
        let end = self.now + time;
        let mut at_once = 0;
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= end) {
            let at = entry.key().0;
            let action = entry.remove();
            at_once = if at == self.now { at_once + 1 } else { 0 };
            if at_once > AT_ONE_MOMENT_MAX {
                self.broken("things happen without end at one moment");
            }
            self.now = at;
            self.happen(action);
            if let Some(violation) = self.violation.take() {
                return Err(violation);
            }
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self, action: Action) {
        match action {
            Action::WakeServer => self.server_turn(),
            Action::WakePeer(peer) => self.peer_turn(peer),
            Action::StartServer => self.start_server(),
            Action::StartPeer(peer) => self.start_peer(peer),
            Action::Connect(peer, run) => self.connect(peer, run),
            Action::ToServer(session, frame) => self.arrives_at_server(session, *frame),
            Action::ToPeer(session, frame) => self.arrives_at_peer(session, *frame),
            Action::ServerNotices(session) => self.server_notices(session),
            Action::PeerNotices(session) => self.peer_notices(session),
            Action::Tell(peer, run, input) => self.tell_run(peer, run, *input),
            Action::Dial(peer, run, dialed) => self.dial_arrives(peer, run, *dialed),
            Action::OnLink(side, input) => self.arrives_on_link(side, *input),
            Action::Act => self.user_acts(),
            Action::Fault => self.something_goes_wrong(),
            Action::BackOnline(peer) => self.back_online(peer),
            Action::Room(machine) => self.disk_of(machine).set_full(false),
            Action::Together(one, other) => self.apart.retain(|pair| *pair != [one, other]),
        }
    }
}
