//! A peer's side of the relay and the reflectors: binds its place at the relay, keeps it bound, and finds out at which
//! addresses others see it.
//!
//! Everything is asked at once when a session begins or the network changes, so that the own reflexive address is known one round
//! trip later. Requests that are not answered are repeated with a new transaction. When the NAT shows another port to each
//! reflector, a fresh socket is asked for too, which tells how the NAT chooses ports.
//!
//! Who reaches the relay by IPv6 asks its address of IPv4 as well, and its reflectors there: that family has the NATs. As
//! the session does not keep that mapping, the relay is asked there again and again.

mod access;
mod keep_alive;
mod question;
mod survey;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use hobnob_wire::datagram::{Cookie, Datagram, Transaction, Unproved};

use self::keep_alive::KeepAlive;
use self::question::Question;
use self::survey::{Hand, Surveying};
use super::agent::{SocketId, Way};
use super::mapping::Observation;

pub use self::access::{Access, Helper};
pub use self::keep_alive::{INTERVAL_MAX, INTERVAL_MIN, INTERVAL_UNUSED};
pub use self::survey::{POSTS_MAX, Post, Survey};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a datagram.
    Send {
        /// Which way.
        way: Way,
        /// All of it.
        bytes: Vec<u8>,
    },
    /// Open a socket that has sent nothing, for the family of this address, and tell with [`Binding::fresh_socket`].
    OpenSocket(SocketAddr),
    /// Close it.
    CloseSocket(SocketId),
    /// What can be asked of the [`Binding`] is different now.
    Changed,
}

/// Somebody who is asked where it sees us.
#[derive(Debug)]
struct Probe {
    way: Way,
    question: Question,
    seen: Option<SocketAddr>,
}

#[derive(Debug)]
struct Place {
    access: Access,
    /// The last transaction.
    count: u64,
    cookie: Cookie,
    bind: Question,
    keep_alive: KeepAlive,
    bound: Option<SocketAddr>,
    rtt: Option<Duration>,
    /// In the order of asking; those of a fresh socket last.
    probes: Vec<Probe>,
    /// What keeps the mapping of the main socket towards [`Access::v4`].
    keep_v4: KeepAlive,
    fresh: Fresh,
    survey: Option<Surveying>,
}

/// The socket that has sent nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fresh {
    NotNeeded,
    /// To ask this address from.
    Wanted(SocketAddr),
    Open(SocketId),
    Done,
}

/// A peer's binding, without its sockets. Time is since some start and never goes back.
#[derive(Debug, Default)]
pub struct Binding {
    place: Option<Place>,
    is_wanted: bool,
    outputs: VecDeque<Output>,
}

impl Binding {
    /// Without a session.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A session has begun or has ended. The same allocation again (the session has moved) asks everybody again.
    pub fn grant(&mut self, access: Option<Access>, now: Duration) {
        let former = self.place.take();
        if let Some(Fresh::Open(socket)) = former.as_ref().map(|place| place.fresh) {
            self.outputs.push_back(Output::CloseSocket(socket));
        }
        self.place = access.map(|access| {
            let count = former
                .filter(|former| former.access.grant.allocation == access.grant.allocation)
                .map_or(0, |former| former.count);
            Place::new(access, count, self.is_wanted, now)
        });
        self.outputs.push_back(Output::Changed);
        self.tick(now);
    }

    /// Whether the relay is in use, or may be at any moment: the binding is then kept alive and its changes are noticed soon.
    pub fn want(&mut self, is_wanted: bool, now: Duration) {
        if std::mem::replace(&mut self.is_wanted, is_wanted) == is_wanted {
            return;
        }
        if let Some(place) = &mut self.place {
            place.keep_alive.want(is_wanted);
            if place.keep_alive.due() <= now {
                place.rebind(now);
            }
        }
        self.tick(now);
    }

    /// The network has changed: asks everybody again. What is known stays until the answers come.
    pub fn look_again(&mut self, now: Duration) {
        if let Some(place) = &mut self.place {
            place.look_again(now);
        }
        self.tick(now);
    }

    /// The socket of [`Output::OpenSocket`], or `None` when there is none to be had.
    pub fn fresh_socket(&mut self, socket: Option<SocketId>, now: Duration) {
        match (self.place.as_mut().map(|place| (place.fresh, place)), socket) {
            (Some((Fresh::Wanted(to), place)), Some(socket)) => {
                place.fresh = Fresh::Open(socket);
                place.probes.push(Probe::new(Way { via: socket, to }, now));
            }
            (Some((Fresh::Wanted(_), place)), None) => place.fresh = Fresh::Done,
            (_, Some(socket)) => self.outputs.push_back(Output::CloseSocket(socket)),
            (_, None) => {}
        }
        self.tick(now);
    }

    /// Looks closer: asks from these sockets, too, the reflectors and `more` addresses of theirs. In a tunnel there is nothing
    /// to see. At most [`POSTS_MAX`] are asked about.
    pub fn survey(&mut self, mut posts: Vec<Post>, more: &[SocketAddr], now: Duration) {
        posts.truncate(POSTS_MAX);
        if let Some(place) = &mut self.place {
            place.begin_survey(posts, more, now);
        }
        self.tick(now);
    }

    /// What the survey has found by now, and whether it is done; `None` when there is none.
    #[must_use]
    pub fn surveyed(&self) -> Option<(Survey, bool)> {
        let survey = self.place.as_ref()?.survey.as_ref()?;
        Some((survey.found(), survey.is_done()))
    }

    /// No more is wanted of the survey. Its sockets are whose they were.
    pub fn end_survey(&mut self) {
        if let Some(place) = &mut self.place {
            place.survey = None;
        }
    }

    /// Takes a datagram that came a way. Whether it was authentic and told something.
    pub fn handle(&mut self, way: Way, unproved: Unproved<'_>, now: Duration) -> bool {
        let Some(place) = &mut self.place else { return false };
        let Some(datagram) = unproved.prove(&place.access.grant.key) else { return false };
        let told = place.hear(way, &datagram, now);
        if told {
            self.outputs.push_back(Output::Changed);
        }
        self.tick(now);
        told
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        if let Some(place) = &mut self.place {
            place.ask(&mut self.outputs, now);
        }
    }

    /// The next thing to be done.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Binding::tick`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let place = self.place.as_ref()?;
        let questions = place.probes.iter().map(|probe| &probe.question).chain([&place.bind]);
        let survey = place.survey.as_ref().and_then(Surveying::due);
        let keep_v4 = place.v4().map(|_| place.keep_v4.due());
        let others = [Some(place.keep_alive.due()), survey, keep_v4].into_iter().flatten();
        questions.filter_map(Question::due).chain(others).min()
    }

    /// Whether the relay forwards to us.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.bound.is_some())
    }

    /// Round trip to the relay, as last measured.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.place.as_ref()?.rtt
    }

    /// Whether all have answered or been given up, so that [`Binding::observations`] is all that there will be.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_settled = |place: &Place| {
            !matches!(place.fresh, Fresh::Wanted(_))
                && place.probes.iter().all(|probe| probe.question.due().is_none())
        };
        self.place.as_ref().is_none_or(is_settled)
    }

    /// Where who sees us, in the order of asking.
    #[must_use]
    pub fn observations(&self) -> Vec<Observation> {
        self.place.as_ref().map(Place::observations).unwrap_or_default()
    }

    /// The addresses at which the main socket was seen, without repetition: the newest first, which is where a NAT that counts
    /// has arrived.
    #[must_use]
    pub fn reflexive(&self) -> Vec<SocketAddr> {
        let mut addresses: Vec<SocketAddr> = Vec::new();
        let observations = self.observations();
        for one in observations.iter().rev().filter(|one| !one.fresh_socket) {
            if !addresses.contains(&one.seen) {
                addresses.push(one.seen);
            }
        }
        addresses
    }
}

impl Probe {
    fn new(way: Way, now: Duration) -> Self {
        Self { way, question: Question::asked(now), seen: None }
    }
}

impl Place {
    fn new(access: Access, count: u64, is_wanted: bool, now: Duration) -> Self {
        let asked = access.reflectors();
        Self {
            access,
            count,
            cookie: Cookie::default(),
            bind: Question::asked(now),
            keep_alive: KeepAlive::new(is_wanted, now),
            bound: None,
            rtt: None,
            probes: asked.into_iter().map(|at| Probe::new(Way::main(at), now)).collect(),
            keep_v4: KeepAlive::new(true, now),
            fresh: Fresh::NotNeeded,
            survey: None,
        }
    }

    /// The relay by IPv4, if it is asked beside the one of the session.
    fn v4(&self) -> Option<Way> {
        self.access.v4.filter(|_| self.access.reflects).map(Way::main)
    }

    fn rebind(&mut self, now: Duration) {
        if self.bind.due().is_none() {
            self.bind = Question::asked(now);
        }
    }

    fn look_again(&mut self, now: Duration) {
        self.rebind(now);
        self.ask_again(|_| true, now);
    }

    /// Asks those again where the main socket is seen, and a fresh one if need be.
    fn ask_again(&mut self, whom: impl Fn(Way) -> bool, now: Duration) {
        self.probes.retain(|probe| probe.way.via == SocketId::MAIN);
        let asked = self.probes.iter_mut().filter(|probe| whom(probe.way));
        asked.for_each(|probe| probe.question = Question::asked(now));
        if self.fresh == Fresh::Done {
            self.fresh = Fresh::NotNeeded;
        }
    }

    fn begin_survey(&mut self, posts: Vec<Post>, more: &[SocketAddr], now: Duration) {
        let asked = self.probes.iter().filter(|probe| probe.way.via == SocketId::MAIN);
        let mut reflectors: Vec<SocketAddr> = asked.map(|probe| probe.way.to).collect();
        for at in more.iter().filter(|_| self.access.reflects) {
            if !reflectors.contains(at) {
                reflectors.push(*at);
            }
        }
        self.survey = Some(Surveying::new(posts, &reflectors, now));
        // A fresh answer of the relay, not one of minutes ago.
        self.rebind(now);
    }

    fn go_on_with_survey(&mut self, outputs: &mut VecDeque<Output>, now: Duration) {
        let mut main: Vec<SocketAddr> = self.probes.iter().rev().filter_map(|probe| probe.seen).collect();
        main.extend(self.bound);
        let Some(survey) = &mut self.survey else { return };
        if self.bind.due().is_none() || self.bind.is_unanswered() {
            survey.relay_settled = true;
        }
        let (allocation, key) = (self.access.grant.allocation, &self.access.grant.key);
        let sends = survey.ask(Hand { allocation, key, count: &mut self.count }, &main, now);
        outputs.extend(sends.into_iter().map(|(way, bytes)| Output::Send { way, bytes }));
    }

    fn observations(&self) -> Vec<Observation> {
        let seen = self.probes.iter().filter_map(|probe| {
            let fresh_socket = probe.way.via != SocketId::MAIN;
            Some(Observation { fresh_socket, reflector: probe.way.to, seen: probe.seen? })
        });
        seen.collect()
    }

    /// Asks what is due.
    fn ask(&mut self, outputs: &mut VecDeque<Output>, now: Duration) {
        self.tend_v4(now);
        let (allocation, key) = (self.access.grant.allocation, &self.access.grant.key);
        if self.keep_alive.due() <= now {
            self.keep_alive.asked(now);
            if self.bind.due().is_none() {
                self.bind = Question::asked(now);
            }
        }
        if self.bind.due().is_some_and(|due| due <= now) {
            self.count += 1;
            let transaction = Transaction(self.count);
            self.bind.ask(transaction, now);
            let way = Way { via: SocketId::MAIN, to: self.access.relay };
            let bytes = Datagram::Bind { allocation, transaction, cookie: self.cookie }.seal(key);
            outputs.push_back(Output::Send { way, bytes });
            if self.bind.is_unanswered() && self.bound.take().is_some() {
                outputs.push_back(Output::Changed);
            }
        }
        for probe in &mut self.probes {
            if probe.question.due().is_none_or(|due| due > now) {
                continue;
            }
            if probe.question.is_unanswered() {
                probe.question.settle();
                probe.seen = None;
                outputs.push_back(Output::Changed);
                continue;
            }
            self.count += 1;
            let transaction = Transaction(self.count);
            probe.question.ask(transaction, now);
            let bytes = Datagram::Reflect { allocation, transaction, room: [0; 16] }.seal(key);
            outputs.push_back(Output::Send { way: probe.way, bytes });
        }
        self.tend_fresh_socket(outputs);
        self.go_on_with_survey(outputs, now);
    }

    /// Keeps the mapping of IPv4 that the session does not keep. When nobody answers there any more, what was seen there
    /// holds no longer.
    fn tend_v4(&mut self, now: Duration) {
        let Some(way) = self.v4() else { return };
        let Some(probe) = self.probes.iter_mut().find(|probe| probe.way == way) else { return };
        if self.keep_v4.due() <= now {
            self.keep_v4.asked(now);
            if probe.question.due().is_none() {
                probe.question = Question::asked(now);
            }
        }
        let is_given_up =
            probe.question.is_unanswered() && probe.question.due().is_some_and(|due| due <= now);
        if is_given_up {
            self.keep_v4.want(false);
            self.probes.iter_mut().filter(|probe| probe.way.to.is_ipv4()).for_each(|probe| probe.seen = None);
        }
    }

    /// The relay has answered by IPv4: what the others there said holds only as long as it sees us at the same address.
    fn hear_v4(&mut self, way: Way, former: Option<SocketAddr>, seen: SocketAddr, now: Duration) {
        let is_other = |other: Way| other != way && other.to.is_ipv4();
        let settled = |probe: &Probe| !is_other(probe.way) || probe.question.due().is_none();
        let moved = former.map_or_else(|| self.probes.iter().all(settled), |former| former != seen);
        self.keep_v4.want(true);
        self.keep_v4.answered(former.is_some() && moved, now);
        if moved {
            self.ask_again(is_other, now);
        }
    }

    /// Has a fresh socket opened when the NAT chooses a port for each destination, and closed when it has been answered.
    fn tend_fresh_socket(&mut self, outputs: &mut VecDeque<Output>) {
        match self.fresh {
            Fresh::NotNeeded => {
                let Some(to) = self.chosen_for_each() else { return };
                self.fresh = Fresh::Wanted(to);
                outputs.push_back(Output::OpenSocket(to));
            }
            Fresh::Open(socket) => {
                let mut asked = self.probes.iter().filter(|probe| probe.way.via == socket);
                if asked.all(|probe| probe.question.due().is_none()) {
                    self.fresh = Fresh::Done;
                    outputs.push_back(Output::CloseSocket(socket));
                }
            }
            Fresh::Wanted(_) | Fresh::Done => {}
        }
    }

    /// Who was the first to answer of a family, IPv4 first, in which all have been asked and not all see the same.
    fn chosen_for_each(&self) -> Option<SocketAddr> {
        let of_family = |is_v4: bool| {
            let family = || self.probes.iter().filter(move |probe| probe.way.to.is_ipv4() == is_v4);
            if family().any(|probe| probe.question.due().is_some()) {
                return None;
            }
            let mut answered = family().filter(|probe| probe.seen.is_some());
            let first = answered.next()?;
            answered.any(|other| other.seen != first.seen).then_some(first.way.to)
        };
        of_family(true).or_else(|| of_family(false))
    }

    fn hear(&mut self, way: Way, datagram: &Datagram, now: Duration) -> bool {
        let is_relay = way == Way { via: SocketId::MAIN, to: self.access.relay };
        match *datagram {
            Datagram::Challenge { transaction, cookie } if is_relay => {
                if self.bind.answered(transaction, now).is_none() {
                    return false;
                }
                self.cookie = cookie;
                self.bind.ask_on(now);
                false
            }
            Datagram::Bound { transaction, seen } if is_relay => {
                let Some(rtt) = self.bind.answered(transaction, now) else { return false };
                let seen = SocketAddr::from(seen);
                let moved = self.bound.is_some_and(|former| former != seen);
                self.bind.settle();
                self.keep_alive.answered(moved, now);
                if moved {
                    self.look_again(now);
                    self.bind.settle();
                }
                self.rtt = Some(rtt);
                if let Some(survey) = &mut self.survey {
                    survey.relay_rtt = Some(rtt);
                }
                self.bound.replace(seen) != Some(seen)
            }
            Datagram::Reflected { transaction, seen } => {
                let survey = self.survey.as_mut();
                if survey.is_some_and(|survey| survey.reflected(way, transaction, seen.into(), now)) {
                    return true;
                }
                let Some(probe) = self.probes.iter_mut().find(|probe| probe.way == way) else { return false };
                let Some(rtt) = probe.question.answered(transaction, now) else { return false };
                probe.question.settle();
                let seen = SocketAddr::from(seen);
                let former = probe.seen.replace(seen);
                if is_relay {
                    self.rtt = Some(rtt);
                }
                if self.v4() == Some(way) {
                    self.hear_v4(way, former, seen, now);
                }
                true
            }
            // Only we have the key: a NAT has sent back what we sent to our own outside.
            Datagram::Reflect { transaction, .. } => {
                self.survey.as_mut().is_some_and(|survey| survey.returned(transaction))
            }
            Datagram::Check { .. }
            | Datagram::CheckAnswer { .. }
            | Datagram::Stop { .. }
            | Datagram::Bind { .. }
            | Datagram::Challenge { .. }
            | Datagram::Bound { .. } => false,
        }
    }
}
