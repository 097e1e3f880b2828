//! Judges datagrams: nothing in one holds before its authenticator does, and each counts once.

use std::time::Duration;

use hobnob_wire::datagram::{Datagram, Transaction, Unproved};
use hobnob_wire::ids::AttemptId;
use hobnob_wire::signal::TransportAddress;

use super::exchange::Heard;
use super::input::{Output, Selection};
use super::pair::{Origin, Pair};
use super::rank;
use super::report::Note;
use super::way::{Policy, Way};
use super::{Agent, PAIRS_MAX};
use crate::core::candidate;

/// How long an address that nobody told keeps its place although it has not been proved.
const CHANCE_LASTS: Duration = Duration::from_secs(2);

impl Agent {
    /// A datagram beside QUIC came this way.
    pub(super) fn handle_datagram(&mut self, way: Way, unproved: Unproved<'_>, now: Duration) {
        let policy = self.generations.policy();
        let Some(attempt) = unproved.attempt() else {
            return;
        };
        if !candidate::may_be_checked(way.to, self.local.loopback, policy) {
            return;
        }
        if let Datagram::CheckAnswer { transaction, .. } = *unproved.claims() {
            self.handle_answer(way, (attempt, transaction), unproved, now);
            return;
        }
        let Some(generation) = self.generations.find(attempt) else {
            return;
        };
        let own = generation.own.own_key.clone();
        match unproved.prove(&own) {
            Some(check @ Datagram::Check { transaction, nominated, .. }) => {
                match generation.hear(transaction.0, now) {
                    Heard::Fresh => {}
                    Heard::Ignored => return,
                    Heard::Flood => {
                        self.note(Note::AskedToStop, now);
                        self.ask_to_stop(vec![way], now);
                        return;
                    }
                }
                // An answer tells the peer that its QUIC is taken this way, so without a place there is none.
                let taken = self.handle_check(way, nominated.then_some(transaction), now);
                if let Some(answer) = Self::answer(&check, way).filter(|_| taken) {
                    self.send_answer(way, &answer, &own, now);
                }
            }
            Some(Datagram::Stop { transaction, .. }) => {
                if generation.hear(transaction.0, now) != Heard::Ignored && !generation.stopped {
                    generation.stopped = true;
                    self.handle_stop(attempt, now);
                }
            }
            Some(_) | None => {}
        }
    }

    /// An authentic check came this way. Whether QUIC is taken from there.
    fn handle_check(&mut self, way: Way, nominated: Option<Transaction>, now: Duration) -> bool {
        if self.pair(way).is_none() && !self.discover(way, now) {
            return false;
        }
        let controlled = !self.is_controlling();
        let Some(pair) = self.pairs.iter_mut().find(|pair| pair.way == way) else {
            return false;
        };
        if let Some(Transaction(number)) = nominated.filter(|_| controlled) {
            pair.nominated = pair.nominated.max(Some(number));
        }
        pair.trigger(now);
        self.admit(way);
        true
    }

    /// Takes up an address that nobody told. Whether it was.
    fn discover(&mut self, way: Way, now: Duration) -> bool {
        let is_hit = self.guess.as_ref().is_some_and(|guess| guess.aims_at(way));
        let may_be = is_hit || self.generations.current_mut().is_some_and(|current| current.discover(now));
        if !may_be || !self.insert(way, if is_hit { Origin::Guessed } else { Origin::Discovered }, now) {
            return false;
        }
        self.note(Note::Discovered(way), now);
        true
    }

    /// Somebody claims to answer the check of `transaction`.
    fn handle_answer(
        &mut self,
        way: Way,
        (attempt, transaction): (AttemptId, Transaction),
        unproved: Unproved<'_>,
        now: Duration,
    ) {
        let Some(sent) = self.pending.find(transaction, way, now).filter(|sent| sent.attempt == attempt)
        else {
            return;
        };
        let told = self.generations.find(attempt).and_then(|generation| generation.told.as_ref());
        let Some(Datagram::CheckAnswer { seen, .. }) = told.and_then(|told| unproved.prove(&told.key)) else {
            return;
        };
        self.pending.remove(transaction);
        if let Some(generation) = self.generations.find(attempt) {
            generation.vouched = true;
        }
        self.budget.handle_answer(way.to.ip(), now);
        if self.pair(way).is_none() && !(sent.guessed && self.insert(way, Origin::Guessed, now)) {
            return;
        }
        self.prove(way, (now.saturating_sub(sent.at), seen), sent.nominated, now);
        self.admit(way);
    }

    /// The way works both ways.
    fn prove(&mut self, way: Way, (rtt, seen): (Duration, TransportAddress), nominated: bool, now: Duration) {
        let controlling = self.is_controlling();
        let selected = self.selection == Selection::Direct(way);
        let Some(pair) = self.pairs.iter_mut().find(|pair| pair.way == way) else {
            return;
        };
        let is_news = pair.proof.is_none();
        pair.answered(rtt, seen.into(), now);
        pair.confirmed |= nominated;
        if !(controlling && selected && !pair.confirmed) {
            pair.rest(now);
        }
        let discovered = pair.origin == Origin::Discovered;
        if is_news {
            let kind = rank::kind(pair, &self.local);
            self.note(Note::Proved { way, kind, rtt }, now);
        }
        if selected {
            self.silence.hear(now);
        } else if is_news && discovered {
            self.doubt_selected(now);
        }
    }

    /// The peer wants no more checks in `attempt`.
    fn handle_stop(&mut self, attempt: AttemptId, now: Duration) {
        self.note(Note::Stopped, now);
        if self.generations.complete().is_some_and(|(one, _)| one.own.attempt == attempt) {
            for pair in &mut self.pairs {
                pair.fall(now);
                pair.stop();
            }
        }
    }

    /// Adds a pair; when there are too many, the one that least deserves its place makes room. Whether it was added.
    pub(super) fn insert(&mut self, way: Way, origin: Origin, now: Duration) -> bool {
        if self.pairs.len() >= PAIRS_MAX {
            let is_stale = |pair: &Pair| pair.heard.is_none_or(|at| now.saturating_sub(at) >= CHANCE_LASTS);
            let unproved = self.pairs.iter().filter(|pair| {
                let yields = origin == Origin::Guessed && pair.origin == Origin::Discovered;
                !pair.was_proved && !matches!(pair.origin, Origin::Told(_)) && (yields || is_stale(pair))
            });
            let Some(oldest) = unproved.min_by_key(|pair| pair.heard).map(|pair| pair.way) else {
                return false;
            };
            // First in, so that its socket is not closed with the other's.
            self.pairs.push(Pair::new(way, origin));
            self.remove_pairs(|pair| pair.way != oldest);
            return true;
        }
        self.pairs.push(Pair::new(way, origin));
        true
    }

    /// Keeps the pairs that `keep` names, and the selected one.
    pub(super) fn remove_pairs(&mut self, keep: impl Fn(&Pair) -> bool) {
        let selection = self.selection;
        let (kept, removed): (Vec<Pair>, Vec<Pair>) =
            self.pairs.drain(..).partition(|pair| selection == Selection::Direct(pair.way) || keep(pair));
        self.pairs = kept;
        let dismissed = removed.iter().filter(|pair| pair.admitted);
        self.outputs.extend(dismissed.map(|pair| Output::Dismiss(pair.way)));
        if self.guess.is_none() {
            self.close_sockets();
        }
    }

    /// Drops what the policy forbids.
    pub(super) fn drop_forbidden(&mut self) {
        let (policy, loopback) = (self.generations.policy(), self.local.loopback);
        let is_allowed = |pair: &Pair| candidate::may_be_checked(pair.way.to, loopback, policy);
        if self.pairs.iter().all(is_allowed) {
            return;
        }
        if let Selection::Direct(way) = self.selection
            && !candidate::may_be_checked(way.to, loopback, policy)
        {
            self.selection = Selection::Nothing;
            self.announced = false;
        }
        if policy == Policy::RelayOnly {
            self.guess = None;
        }
        self.remove_pairs(is_allowed);
    }

    fn admit(&mut self, way: Way) {
        if let Some(pair) = self.pairs.iter_mut().find(|pair| pair.way == way && !pair.admitted) {
            pair.admitted = true;
            self.outputs.push_back(Output::Admit(way));
        }
    }
}
