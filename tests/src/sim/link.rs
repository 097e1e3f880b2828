//! Links between peers, and how they find each other. Paths are found at once where there are any: that part of the app
//! has a simulation of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hobnob_nat::Way;
use hobnob_nat::core::agent::{PathKind, PathReport};
use hobnob_peer::core::effect::ReachOrder;
use hobnob_peer::core::input::{Input, LinkId};
use hobnob_wire::keys::AgreementKey;
use hobnob_wire::link::{LinkFrame, LinkHello};
use hobnob_wire::signal::{Candidate, CandidateKind, Mapping};
use hobnob_wire::{AttemptId, DeviceId};

use super::world::{Action, World};

/// How long a dial is tried that nobody answers.
const DIAL_WITHIN: Duration = Duration::from_secs(8);

/// Time that the handshakes take, as peers are told.
const HANDSHAKE: Duration = Duration::from_millis(60);

/// One side of a link: the number of the link, and which side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Side {
    link: u64,
    dialed: bool,
}

impl Side {
    /// The name of the link on this side.
    const fn id(self) -> LinkId {
        LinkId(self.link * 2 + if self.dialed { 1 } else { 0 })
    }

    const fn of(id: LinkId) -> Self {
        Self { link: id.0 / 2, dialed: id.0 % 2 == 1 }
    }

    const fn other(self) -> Self {
        Self { link: self.link, dialed: !self.dialed }
    }
}

/// What one side has of a link.
#[derive(Debug)]
struct End {
    peer: usize,
    /// The run of the peer's process that has it.
    run: u64,
    /// Whether it still has it.
    here: bool,
    /// When the last frame arrives here.
    last: Duration,
}

/// A connection between two peers, from the first byte of its handshake: in order and complete while it lasts.
#[derive(Debug)]
pub(super) struct Link {
    dialer: End,
    listener: End,
    attempt: AttemptId,
    lost_from: Option<Duration>,
}

impl Link {
    const fn end(&self, dialed: bool) -> &End {
        if dialed { &self.dialer } else { &self.listener }
    }

    const fn end_mut(&mut self, dialed: bool) -> &mut End {
        if dialed { &mut self.dialer } else { &mut self.listener }
    }
}

/// A dial on its way.
#[derive(Debug)]
pub(super) struct Dialed {
    attempt: AttemptId,
    device: DeviceId,
    noise: AgreementKey,
    hello: Box<LinkHello>,
}

/// Where a peer can be reached.
pub(super) fn own_side(index: usize) -> Input {
    let port = 7_000 + u16::try_from(index).unwrap_or(0);
    let at = SocketAddr::from(([192, 0, 2, 1], port));
    Input::Own {
        candidates: vec![Candidate { kind: CandidateKind::Host, at: at.into() }],
        mapping: Mapping::NoNat,
    }
}

impl World {
    /// Finds the path that there is, once the other side has told where it is.
    pub(super) fn reach(&mut self, index: usize, order: &ReachOrder) {
        let ReachOrder::Remote { device, remote } = order else { return };
        let Some(candidate) = remote.candidates.first() else { return };
        let other = self.peers.iter().position(|peer| peer.device == *device);
        if !other.is_some_and(|other| self.meet(index, other)) {
            return;
        }
        let report = PathReport {
            kind: PathKind::Lan,
            way: Some(Way::main(candidate.at.into())),
            rtt: Some(HANDSHAKE),
            since: Duration::ZERO,
            why_not_direct: None,
            notes: Vec::new(),
            sent: 0,
        };
        let (wait, run) = (self.latency(), self.peers[index].run);
        let input = Input::Path { device: *device, report: Arc::new(report) };
        self.after(wait, Action::Tell(index, run, Box::new(input)));
    }

    /// Whether two peers have ways to each other.
    fn meet(&self, one: usize, other: usize) -> bool {
        let pair = [one.min(other), one.max(other)];
        let online = |index: usize| !self.peers[index].offline;
        self.plan.links && online(one) && online(other) && !self.apart.contains(&pair)
    }

    pub(super) fn dial(
        &mut self,
        index: usize,
        attempt: AttemptId,
        (device, noise): (DeviceId, AgreementKey),
        hello: Box<LinkHello>,
    ) {
        let (wait, run) = (self.latency(), self.peers[index].run);
        let dialed = Box::new(Dialed { attempt, device, noise, hello });
        self.after(wait, Action::Dial(index, run, dialed));
    }

    pub(super) fn dial_arrives(&mut self, index: usize, run: u64, dialed: Dialed) {
        if self.peers[index].run != run {
            return;
        }
        let is_it = |other: &usize| {
            let peer = &self.peers[*other];
            peer.device == dialed.device && peer.noise == dialed.noise && peer.engine.is_some()
        };
        let other = (0..self.peers.len()).find(is_it).filter(|other| self.meet(index, *other));
        let Some(other) = other else {
            let input =
                Input::DialFailed { attempt: dialed.attempt, reason: "no address answered".to_owned() };
            return self.after(DIAL_WITHIN, Action::Tell(index, run, Box::new(input)));
        };
        let number = self.number();
        let end = |peer: usize, run| End { peer, run, here: true, last: Duration::ZERO };
        let link = Link {
            dialer: end(index, run),
            listener: end(other, self.peers[other].run),
            attempt: dialed.attempt,
            lost_from: None,
        };
        self.links.insert(number, link);
        let listening = Side { link: number, dialed: false };
        let noise = self.peers[index].noise;
        let greeting =
            Input::LinkGreeting { link: listening.id(), attempt: None, hello: dialed.hello, noise };
        self.say_on_link(listening, greeting);
    }

    /// Lets an input arrive on a side, after all that is on its way to it.
    fn say_on_link(&mut self, to: Side, input: Input) {
        let arrives = self.now + self.latency();
        let Some(link) = self.links.get_mut(&to.link) else { return };
        let end = link.end_mut(to.dialed);
        end.last = end.last.max(arrives);
        let at = end.last;
        self.frames += 1;
        self.at(at, Action::OnLink(to, Box::new(input)));
    }

    pub(super) fn arrives_on_link(&mut self, to: Side, input: Input) {
        let now = self.now;
        let Some(link) = self.links.get_mut(&to.link) else { return };
        let goodbye = matches!(input, Input::LinkDown { .. });
        if !goodbye && link.lost_from.is_some_and(|from| from <= now) {
            return;
        }
        let end = link.end_mut(to.dialed);
        if !end.here {
            return;
        }
        end.here = !goodbye;
        let (peer, run) = (end.peer, end.run);
        if goodbye && !link.end(!to.dialed).here {
            self.links.remove(&to.link);
        }
        self.tell_run(peer, run, input);
    }

    pub(super) fn admit(&mut self, index: usize, id: LinkId, hello: Box<LinkHello>) {
        let side = Side::of(id);
        let Some(link) = self.links.get(&side.link).filter(|link| link.end(side.dialed).here) else { return };
        let attempt = link.attempt;
        let noise = self.peers[index].noise;
        if side.dialed {
            // The dialer's first frame, which says that it is ready, comes before all others.
            self.say_on_link(side.other(), Input::LinkUp { link: side.other().id(), handshake: HANDSHAKE });
            self.tell(index, Input::LinkUp { link: id, handshake: HANDSHAKE });
        } else {
            let link = side.other().id();
            let greeting = Input::LinkGreeting { link, attempt: Some(attempt), hello, noise };
            self.say_on_link(side.other(), greeting);
        }
    }

    pub(super) fn send_frame(&mut self, index: usize, id: LinkId, frame: Box<LinkFrame>) {
        let side = Side::of(id);
        let sends = |link: &&Link| {
            let end = link.end(side.dialed);
            end.here && end.peer == index
        };
        if self.links.get(&side.link).filter(sends).is_some() {
            let to = side.other();
            self.say_on_link(to, Input::LinkFrame { link: to.id(), frame });
        }
    }

    /// A peer closes a link. It may still hear what was about to be heard; the other side hears all that was sent, or
    /// nothing that is on its way.
    pub(super) fn close_link(&mut self, index: usize, id: LinkId, why: &str) {
        let (side, now) = (Side::of(id), self.now);
        let abrupt = self.chance.one_in(2);
        let Some(link) = self.links.get_mut(&side.link) else { return };
        if abrupt {
            link.lost_from.get_or_insert(now);
        }
        let run = link.end(side.dialed).run;
        debug_assert_eq!(link.end(side.dialed).peer, index, "a link is closed by who has it");
        let down = |side: Side| Input::LinkDown { link: side.id(), reason: why.to_owned() };
        self.say_on_link(side.other(), down(side.other()));
        let wait = self.chance.between(Duration::ZERO, Duration::from_millis(20));
        if self.peers[index].run == run {
            self.after(wait, Action::OnLink(side, Box::new(down(side))));
        }
    }

    /// All links of a peer break; each side notices in its own time. With `died` the peer itself has no more to notice.
    pub(super) fn lose_links_of(&mut self, index: usize, died: bool) {
        let touches = |link: &Link| link.dialer.peer == index || link.listener.peer == index;
        let links: Vec<u64> =
            self.links.iter().filter(|(_, link)| touches(link)).map(|(id, _)| *id).collect();
        for link in links {
            self.lose_link(link, died.then_some(index));
        }
    }

    /// The links between two peers break.
    pub(super) fn lose_links_between(&mut self, one: usize, other: usize) {
        let between = |link: &Link| {
            [link.dialer.peer, link.listener.peer].iter().all(|peer| [one, other].contains(peer))
        };
        let links: Vec<u64> =
            self.links.iter().filter(|(_, link)| between(link)).map(|(id, _)| *id).collect();
        for link in links {
            self.lose_link(link, None);
        }
    }

    fn lose_link(&mut self, number: u64, died: Option<usize>) {
        let now = self.now;
        for dialed in [false, true] {
            let wait = self.silence();
            let Some(link) = self.links.get_mut(&number) else { return };
            link.lost_from.get_or_insert(now);
            let end = link.end_mut(dialed);
            if Some(end.peer) == died {
                end.here = false;
            }
            let side = Side { link: number, dialed };
            let down = Input::LinkDown { link: side.id(), reason: "timed out".to_owned() };
            self.after(wait, Action::OnLink(side, Box::new(down)));
        }
    }
}
