//! Decides how datagrams reach one peer: over the relay at once, directly as soon as a way is proved, over the best way
//! that works from then on (after ICE, RFC 8445).
//!
//! Time is a [`Duration`] since any fixed moment and never goes back. The driver tells what happened by
//! [`Agent::handle`], then performs what [`Agent::poll`] gives until it gives nothing, and comes back with
//! [`Input::Tick`] at [`Agent::deadline`].
//!
//! # How a path comes about
//!
//! 1. Both sides tell their addresses and a fresh key in sealed signals ([`Exchange`], [`Remote`]).
//! 2. Both check all addresses of the other at once and for 2 s. Each check names the attempt, is authenticated with the
//!    key of the side that is checked, and is answered to where it came from; an unknown source of an authentic check is
//!    checked back at once. Where an answer comes from is a *proved* way.
//! 3. The controlling side selects the best proved way and says so in its checks; the controlled side follows once it has
//!    proved that way itself.
//! 4. NATs that give each destination another port are met by guessing ports, within bounds.
//! 5. The selected way is kept alive, left for the relay when it is silent although we send, and taken again when it
//!    works. Others are measured now and then.
//!
//! What is left out of RFC 8445: several components and streams, freezing (all pairs share one base), relayed candidates
//! as pairs (the relay is a selection of its own), and role conflicts (ids decide the role).
//!
//! | file | decides |
//! | --- | --- |
//! | `exchange` | whose words and keys count |
//! | `pair` | when a way is checked |
//! | `checks` | what is sent |
//! | `heard` | what a datagram is worth |
//! | `choose` | which way is selected, when one is left |
//! | `rank`, `silence` | which way is better; when one is silent |
//! | `retry` | when all is tried again that did not work |
//! | `guess` | which ports of hard NATs are tried |
//! | `budget` | how much an address gets |
//! | `explain` | what people are told |

mod budget;
mod checks;
mod choose;
mod exchange;
mod explain;
mod guess;
mod heard;
mod input;
mod pair;
mod pending;
mod random;
mod rank;
mod report;
mod retry;
mod silence;
#[cfg(test)]
mod story;
mod way;
mod window;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use hobnob_wire::signal::CandidateKind;

pub use input::{Exchange, Input, Local, Output, Remote, Selection};
pub use report::{NOTES_MAX, Note, PathKind, PathReport, WhyNot};
pub use way::{Policy, Role, SocketId, Way};

use budget::Budget;
use exchange::{Generations, Told};
use guess::{Guess, Prospect};
use pair::{Origin, Pair};
use pending::Pending;
use random::Random;
use retry::Retry;
use silence::Silence;

/// Sockets that an agent asks for at once, at most: more would not make guessing a port noticeably quicker.
pub const SOCKETS_MAX: u16 = 256;
/// Ways that an agent knows at once. Eight come from a signal; the others from authentic checks and guesses.
pub const PAIRS_MAX: usize = 24;

/// The machine for one peer. Its memory is bounded: [`PAIRS_MAX`] ways, [`SOCKETS_MAX`] sockets, some thousand checks
/// under way while ports are guessed and some dozens otherwise.
#[derive(Debug)]
pub struct Agent {
    generations: Generations,
    local: Local,
    pairs: Vec<Pair>,
    pending: Pending,
    budget: Budget,
    guess: Option<Guess>,
    /// Why guessing is out of the question in this exchange.
    hopeless: bool,
    sockets: Vec<SocketId>,
    relay: bool,
    selection: Selection,
    /// The driver has been told of a selection.
    announced: bool,
    since: Duration,
    silence: Silence,
    /// When our interfaces last became others.
    moved: Option<Duration>,
    /// The driver has been told to use the relay besides the selected way.
    doubted: bool,
    retry: Retry,
    /// A direct way fell in this exchange.
    fell: bool,
    gave_up: bool,
    sent: u32,
    notes: VecDeque<(Duration, Note)>,
    outputs: VecDeque<Output>,
}

impl Agent {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self {
            generations: Generations::default(),
            local: Local::default(),
            pairs: Vec::new(),
            pending: Pending::default(),
            budget: Budget::default(),
            guess: None,
            hopeless: false,
            sockets: Vec::new(),
            relay: false,
            selection: Selection::Nothing,
            announced: true,
            since: now,
            silence: Silence::default(),
            moved: None,
            doubted: false,
            retry: Retry::default(),
            fell: false,
            gave_up: false,
            sent: 0,
            notes: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Something happened.
    pub fn handle(&mut self, input: Input<'_>, now: Duration) {
        match input {
            Input::Exchange(exchange) => self.handle_exchange(exchange, now),
            Input::Local(local) => self.handle_local(local, now),
            Input::Remote(remote) => self.handle_remote(remote, now),
            Input::Relay(relay) => self.relay = relay,
            Input::Datagram { way, unproved } => {
                self.handle_datagram(Way::new(way.via, way.to), unproved, now);
            }
            Input::Traffic { sent, heard } => self.handle_traffic(sent, heard),
            Input::Sockets(sockets) => self.handle_sockets(&sockets, now),
            Input::Woke => {
                self.moved = Some(now);
                self.begin_checks(now);
            }
            Input::Tick => {}
        }
        self.advance(now);
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due; `None` when nothing waits.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let may_check = self.generations.complete().is_some_and(|(one, _)| !one.stopped);
        if !may_check {
            return None;
        }
        let checks = self.pairs.iter().filter_map(|pair| self.due(pair));
        checks.chain(self.guess_due()).chain(self.silence_due()).chain(self.retry_due()).min()
    }

    /// We signalled.
    fn handle_exchange(&mut self, exchange: Exchange, now: Duration) {
        let is_new = self.generations.current().is_none_or(|current| current.own.attempt != exchange.attempt);
        if exchange.policy == Policy::RelayOnly {
            let proved = self.pairs.iter().filter(|pair| pair.proof.is_some());
            self.ask_to_stop(proved.map(|pair| pair.way).collect(), now);
        }
        let complete = self.generations.begin(exchange, &self.local, now);
        if is_new {
            self.note(Note::Exchanged, now);
            (self.sent, self.gave_up, self.fell) = (0, false, false);
        }
        self.drop_forbidden();
        if complete {
            self.begin_checks(now);
        }
    }

    /// Our side's addresses, for the first time or anew.
    fn handle_local(&mut self, local: Local, now: Duration) {
        if self.local == local {
            return;
        }
        let hosts = |local: &Local| -> Vec<_> {
            let hosts = local.candidates.iter().filter(|one| one.kind == CandidateKind::Host);
            hosts.map(|one| one.at).collect()
        };
        if hosts(&self.local) != hosts(&local) {
            self.moved = Some(now);
        }
        self.local = local;
        if self.generations.current().is_some() {
            self.outputs.push_back(Output::Signal);
            self.note(Note::Moved, now);
        }
        if self.generations.complete().is_some() {
            self.begin_checks(now);
        }
    }

    /// The other side signalled.
    fn handle_remote(&mut self, remote: Remote, now: Duration) {
        if self.generations.tell(remote, &self.local, now) {
            self.begin_checks(now);
        }
    }

    /// When QUIC was last sent to and heard from the selection.
    fn handle_traffic(&mut self, sent: Option<Duration>, heard: Option<Duration>) {
        match self.selection {
            Selection::Direct(way) => {
                let (sent, heard) = (sent.filter(|at| *at > self.since), heard.filter(|at| *at > self.since));
                self.silence.traffic(sent, heard);
                if let Some(pair) = self.pairs.iter_mut().find(|pair| pair.way == way) {
                    pair.heard = pair.heard.max(heard);
                }
            }
            Selection::Relay => {
                self.retry.hear(heard);
                if let Some(current) = self.generations.current_mut() {
                    current.vouched |= heard.is_some_and(|at| at > current.began);
                }
            }
            Selection::Nothing => {}
        }
    }

    /// Both sides' addresses are known: checks all pairs from the beginning.
    fn begin_checks(&mut self, now: Duration) {
        let Some((generation, told)) = self.generations.complete() else {
            return;
        };
        let (told, seed) = (told.clone(), generation.own.seed);
        let count = u8::try_from(told.candidates.len()).unwrap_or(u8::MAX);
        if told.at == now {
            self.note(Note::Heard { candidates: count, mapping: told.mapping }, now);
        }
        self.gave_up = false;
        self.retry.begin(now);
        self.adopt(&told, now);
        for pair in &mut self.pairs {
            pair.begin(now);
        }
        let local = &self.local;
        self.pairs.sort_by_key(|pair| rank::rank(pair, local));
        if self.guess.as_ref().is_none_or(|guess| guess.is_over() || guess.begins()) {
            (self.guess, self.hopeless) =
                match guess::prospect(&self.local, &told, &mut Random::new(seed), now) {
                    Prospect::Plain => (None, false),
                    Prospect::Guess(guess) => (Some(*guess), false),
                    Prospect::Hopeless => (None, true),
                };
        }
    }

    /// Makes pairs of what the peer told, and drops those it no longer tells, unless they work.
    fn adopt(&mut self, told: &Told, now: Duration) {
        let own = |at| self.local.candidates.iter().any(|one| SocketAddr::from(one.at) == at);
        let mut ways: Vec<(Way, Origin)> = Vec::with_capacity(told.candidates.len());
        let others = told.candidates.iter().filter(|(_, at)| !own(*at) && self.has_family(*at));
        for (kind, at) in others {
            let origin = Origin::Told(*kind);
            // Of a hard NAT, one port is as good as another: the check only lets its address in.
            let is_in_vain = told.mapping.is_endpoint_dependent()
                && *kind == CandidateKind::Reflexive
                && ways.iter().any(|(way, known)| *known == origin && way.to.ip() == at.ip());
            if !is_in_vain {
                ways.push((Way::main(*at), origin));
            }
        }
        let told_none = told.candidates.is_empty();
        if told_none && matches!(self.selection, Selection::Direct(_)) {
            // The peer wants to be reached over the relay only.
            (self.selection, self.announced) = (Selection::Nothing, false);
        }
        self.remove_pairs(|pair| {
            (pair.is_recent(now) && !told_none) || ways.iter().any(|(way, _)| *way == pair.way)
        });
        for pair in self.pairs.iter_mut().filter(|pair| matches!(pair.origin, Origin::Told(_))) {
            pair.untold = !ways.iter().any(|(way, _)| *way == pair.way);
        }
        for (way, origin) in ways {
            match self.pairs.iter_mut().find(|pair| pair.way == way) {
                Some(pair) => (pair.origin, pair.untold) = (origin, false),
                None => {
                    self.insert(way, origin, now);
                }
            }
        }
    }

    /// Whether we have an address of the family of `at`, as far as we know any.
    fn has_family(&self, at: SocketAddr) -> bool {
        let own = &self.local.candidates;
        own.is_empty() || own.iter().any(|one| SocketAddr::from(one.at).is_ipv4() == at.is_ipv4())
    }

    /// Does all that is due.
    fn advance(&mut self, now: Duration) {
        self.leave_if_silent(now);
        self.choose(now);
        self.doubt(now);
        self.retry(now);
        self.send_due(now);
        self.guess_on(now);
        self.give_up(now);
    }

    fn note(&mut self, note: Note, now: Duration) {
        if self.notes.len() == NOTES_MAX {
            self.notes.pop_front();
        }
        self.notes.push_back((now, note));
        self.outputs.push_back(Output::Note(note));
    }
}
