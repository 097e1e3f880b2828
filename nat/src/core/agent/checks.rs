//! Sends what is due: checks, answers, guesses, requests to stop.

use std::time::Duration;

use hobnob_wire::datagram::{Datagram, DatagramKey};
use hobnob_wire::signal::TransportAddress;

use super::budget::Purpose;
use super::guess::{Guess, Step};
use super::input::{Output, Selection};
use super::pair::{Origin, Pair};
use super::pending::Sent;
use super::report::Note;
use super::way::{Policy, Role, SocketId, Way};
use super::{Agent, exchange::Generation};

/// Silence of an idle way over IPv4 after which the controlling side checks it: NATs of homes forget a mapping after 30 s
/// or more. A check and its answer are 174 bytes, 750 kB a day.
const KEEP_V4: Duration = Duration::from_secs(20);
/// The same over IPv6, where firewalls remember for longer and packets are longer: 740 kB a day.
const KEEP_V6: Duration = Duration::from_secs(25);
/// So much later the controlled side helps out.
const KEEP_LATER: Duration = Duration::from_secs(4);

impl Agent {
    /// When a check of `pair` is due.
    pub(super) fn due(&self, pair: &Pair) -> Option<Duration> {
        if self.selection != Selection::Direct(pair.way) || pair.is_checking() {
            // The controlling side measures what is not selected, for both.
            let leaves_it = pair.is_resting() && !self.is_controlling() && !self.is_spare(pair);
            return pair.due().filter(|_| !leaves_it);
        }
        let every = if pair.way.to.is_ipv4() { KEEP_V4 } else { KEEP_V6 };
        let later = if self.is_controlling() { Duration::ZERO } else { KEEP_LATER };
        let last = self.silence.heard().max(pair.heard).max(pair.last_sent());
        last.map(|last| last + every + later)
    }

    /// Whether `pair` is nothing but another port of the NAT through which the selected way leads.
    fn is_spare(&self, pair: &Pair) -> bool {
        let ip = match self.selection {
            Selection::Direct(selected) if selected != pair.way => selected.to.ip(),
            Selection::Direct(_) | Selection::Relay | Selection::Nothing => return false,
        };
        pair.is_resting() && pair.way.to.ip() == ip && !matches!(pair.origin, Origin::Told(_))
    }

    /// Sends all checks that are due.
    pub(super) fn send_due(&mut self, now: Duration) {
        let spare = |pair: &&Pair| self.is_spare(pair) && pair.due().is_some_and(|due| due <= now);
        let spares: Vec<Way> = self.pairs.iter().filter(spare).map(|pair| pair.way).collect();
        if !spares.is_empty() {
            self.remove_pairs(|pair| !spares.contains(&pair.way));
        }
        if self.generations.complete().is_none_or(|(one, _)| one.stopped) {
            return;
        }
        for index in 0..self.pairs.len() {
            let Some(pair) = self.pairs.get(index) else {
                break;
            };
            if self.due(pair).is_none_or(|due| due > now) {
                continue;
            }
            let (way, asked) = (pair.way, pair.heard.is_some());
            let beside = matches!(self.selection, Selection::Direct(selected) if selected != way);
            self.pairs[index].sent(beside, now);
            self.send_check(way, if asked { Purpose::Asked } else { Purpose::Scheduled }, now);
        }
    }

    /// Sends one check, if the budget allows.
    fn send_check(&mut self, way: Way, purpose: Purpose, now: Duration) {
        let nominated = self.is_controlling() && self.selection == Selection::Direct(way);
        let Some((generation, told)) = self.generations.complete() else {
            return;
        };
        let attempt = generation.own.attempt;
        let transaction = self.pending.number();
        let bytes = Datagram::Check { attempt, transaction, nominated, room: [0; 17] }.seal(&told.key);
        if !self.permit(way, bytes.len(), purpose, now) {
            return;
        }
        let guessed = self.pair(way).is_none();
        self.pending.insert(transaction, Sent { way, at: now, attempt, nominated, guessed });
        self.sent = self.sent.saturating_add(1);
        if self.selection == Selection::Direct(way) {
            self.silence.sent(now);
        }
        self.outputs.push_back(Output::Send { way, bytes });
    }

    /// Answers an authentic check, if the budget allows.
    pub(super) fn send_answer(&mut self, way: Way, answer: &Datagram, key: &DatagramKey, now: Duration) {
        let bytes = answer.seal(key);
        if self.permit(way, bytes.len(), Purpose::Asked, now) {
            self.outputs.push_back(Output::Send { way, bytes });
        }
    }

    /// Asks the peer to send no more checks in the exchange that is known to both.
    pub(super) fn ask_to_stop(&mut self, ways: Vec<Way>, now: Duration) {
        let Some((Generation { own, .. }, told)) = self.generations.complete() else {
            return;
        };
        let (attempt, key) = (own.attempt, told.key.clone());
        for way in ways {
            let transaction = self.pending.number();
            let bytes = Datagram::Stop { attempt, transaction }.seal(&key);
            if self.permit(way, bytes.len(), Purpose::Asked, now) {
                self.outputs.push_back(Output::Send { way, bytes });
            }
        }
    }

    fn permit(&mut self, way: Way, len: usize, purpose: Purpose, now: Duration) -> bool {
        let bytes = u32::try_from(len).unwrap_or(u32::MAX).saturating_add(way.header_bytes());
        self.budget.permit(way.to.ip(), bytes, purpose, now)
    }

    /// The answer to a check that came this way.
    pub(super) fn answer(check: &Datagram, way: Way) -> Option<Datagram> {
        let Datagram::Check { attempt, transaction, .. } = *check else {
            return None;
        };
        Some(Datagram::CheckAnswer { attempt, transaction, seen: TransportAddress::from(way.to) })
    }

    pub(super) fn is_controlling(&self) -> bool {
        self.generations.current().is_some_and(|current| current.own.role == Role::Controlling)
    }

    /// Whether ports of the peer's NAT may be guessed: the peer is there now, and somebody besides it says that it is at that
    /// address.
    fn may_guess(&self) -> bool {
        let is_there = self.generations.current().is_some_and(|current| current.vouched && !current.stopped);
        let witnessed = self.generations.complete().and_then(|(_, told)| told.witnessed);
        let is_heard = |ip| self.pairs.iter().any(|pair| pair.way.to.ip() == ip && pair.heard.is_some());
        let is_witnessed = |guess: &Guess| witnessed == Some(guess.ip()) || is_heard(guess.ip());
        is_there && self.guess.as_ref().is_some_and(is_witnessed)
    }

    /// When guessing goes on.
    pub(super) fn guess_due(&self) -> Option<Duration> {
        let due = self.guess.as_ref()?.due(self.may_guess())?;
        // A way that is about to be proved spares the packets.
        Some(self.pairs.iter().filter_map(Pair::promises).max().map_or(due, |until| due.max(until)))
    }

    /// The sockets for guessing are open.
    pub(super) fn handle_sockets(&mut self, sockets: &[SocketId], now: Duration) {
        let wanted = self.guess.as_mut().is_some_and(|guess| guess.handle_sockets(sockets, now));
        self.sockets.extend(sockets);
        if wanted {
            let sockets = u16::try_from(sockets.len()).unwrap_or(u16::MAX);
            self.note(Note::Opened { sockets }, now);
        } else {
            self.close_sockets();
        }
    }

    /// Goes on with guessing ports, until any direct way works.
    pub(super) fn guess_on(&mut self, now: Duration) {
        let is_moot = self.generations.policy() == Policy::RelayOnly
            || self.generations.complete().is_none_or(|(one, _)| one.stopped)
            || self.pairs.iter().any(|pair| pair.works(now));
        let (allowed, due) = (self.may_guess(), self.guess_due());
        let Some(guess) = &mut self.guess else {
            return;
        };
        if is_moot {
            self.guess = None;
            self.close_sockets();
            return;
        }
        if due.is_none_or(|due| due > now) {
            return;
        }
        let (ip, total, begins) = (guess.ip(), guess.len(), guess.begins());
        match guess.advance(now, allowed) {
            Step::Rest => {}
            Step::Open(count) => self.outputs.push_back(Output::OpenSockets(count)),
            Step::End => self.close_sockets(),
            Step::Send(ways) => {
                if allowed {
                    self.budget.allow_guesses(ip, now);
                }
                if begins {
                    let packets = u16::try_from(total).unwrap_or(u16::MAX);
                    self.note(note_of(self.guess.as_ref(), packets), now);
                }
                let purpose = if allowed { Purpose::Guess } else { Purpose::Scheduled };
                for way in ways {
                    self.send_check(way, purpose, now);
                }
            }
        }
    }

    /// Closes the sockets that no way needs.
    pub(super) fn close_sockets(&mut self) {
        let pairs = &self.pairs;
        let (kept, closed): (Vec<SocketId>, Vec<SocketId>) =
            self.sockets.drain(..).partition(|id| pairs.iter().any(|pair| pair.way.via == *id));
        self.sockets = kept;
        self.outputs.extend(closed.into_iter().map(Output::CloseSocket));
    }
}

fn note_of(guess: Option<&Guess>, ports: u16) -> Note {
    if guess.is_some_and(Guess::is_spray) {
        Note::Spraying { packets: ports }
    } else {
        Note::Predicting { ports }
    }
}
