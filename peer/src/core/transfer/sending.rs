//! The sender's side of one transfer.
//!
//! It is passive about links: the receiver asks, on whatever link there is, and asks again after a loss.

mod end;
mod hold;
mod shared;

use std::collections::BTreeSet;
use std::time::Duration;

use hobnob_wire::bounded::Text;
use hobnob_wire::choice::Choice;
use hobnob_wire::letter::{EndReason, LetterBody, Offer, OfferEnd};
use hobnob_wire::swarm::Swarm;
use hobnob_wire::transfer::{Hold, Span, TransferFrame};
use hobnob_wire::{Address, DeviceId, TransferId};

use super::backoff::Backoff;
use super::job::{Failure, TransferFault, TransferJob};
use super::ledger::Ledger;
use super::record::{Part, TransferRecord};
use super::shaper::{Flow, Limited};
use super::spans::SpanSet;
use super::{Step, TransferEffect};
use crate::core::input::LinkId;
use crate::core::time::Now;
use crate::core::view::{Chosen, Priority, TransferState};

/// Ranges of one transfer that are on their way at a time: until the other side has them. They cover 1 Gbit/s over 100 ms, and
/// leave a part of the link to others when this transfer gets stuck.
pub(super) const TRANSFER_IN_FLIGHT_MAX: usize = 12;
/// Under a limit, one more range at a time for each so many bytes per second: a slow transfer sends one range after the
/// other, so that each is verified soon.
const PACED_RANGE_PER: u64 = 4 << 20;

#[derive(Debug)]
enum State {
    /// The receiver has not decided.
    Offered,
    /// The receiver wants it; there is no link, or it has not asked on it yet.
    Waiting,
    /// The receiver asked on this link.
    Running {
        link: LinkId,
        /// Asked for, and not granted yet.
        wanted: SpanSet,
        in_flight: BTreeSet<u64>,
        /// Whether only hashes are wanted.
        compare: bool,
        /// Whether the manifest is on its way.
        listing: bool,
        /// Number of the last grant on this link, for turns.
        turn: u64,
    },
    /// The receiver has everything and says that this is its digest; ours is being computed.
    Verifying { link: Option<LinkId>, theirs: [u8; 32] },
    /// Final.
    Over,
}

/// The sender's side of one transfer.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) ledger: Ledger,
    state: State,
    /// Whether others are before it; what the receiver was told.
    queued: bool,
    /// When to tell the receiver that it may go on, which needs a link.
    calling: Option<(Backoff, Duration)>,
    /// Which files a device takes that has not asked for any yet.
    choice: Option<(DeviceId, Choice)>,
    /// Whether the shell finds out how much that is.
    choosing: bool,
    /// Whether what is there now is to be offered instead.
    is_changed: bool,
}

/// What the receiver asks for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) link: LinkId,
    pub(super) device: DeviceId,
    pub(super) manifest: bool,
    pub(super) compare: bool,
    pub(super) want: Vec<Span>,
}

impl Sending {
    /// A transfer whose files have just been scanned, and the letter that offers it.
    pub(super) fn offer(record: TransferRecord, swarm: Option<Swarm>) -> (Self, TransferEffect) {
        let letter = TransferEffect::Letter {
            to: record.peer.clone(),
            device: None,
            body: LetterBody::Offer(Offer {
                transfer: record.id,
                name: Text::truncated(&record.name),
                entries: record.entries,
                bytes: record.bytes,
                manifest: record.manifest,
                sealed: record.sealed,
                text: Text::truncated(&record.text),
                swarm,
            }),
        };
        (Self::new(Ledger::new(record, true), State::Offered), letter)
    }

    /// A transfer that an earlier run left open.
    pub(super) fn reopen(mut record: TransferRecord) -> Self {
        let state = if record.state == TransferState::Offered {
            State::Offered
        } else {
            record.state = if record.wishes.paused { TransferState::Paused } else { TransferState::Queued };
            State::Waiting
        };
        Self::new(Ledger::new(record, false), state)
    }

    const fn new(ledger: Ledger, state: State) -> Self {
        Self { ledger, state, queued: false, calling: None, choice: None, choosing: false, is_changed: false }
    }

    fn id(&self) -> TransferId {
        self.ledger.record.id
    }

    /// The link it runs over.
    pub(super) const fn link(&self) -> Option<LinkId> {
        match self.state {
            State::Running { link, .. } | State::Verifying { link: Some(link), .. } => Some(link),
            State::Offered | State::Waiting | State::Verifying { link: None, .. } | State::Over => None,
        }
    }

    /// Ranges on their way over a link.
    pub(super) fn in_flight(&self, on: LinkId) -> usize {
        match &self.state {
            State::Running { link, in_flight, .. } if *link == on => in_flight.len(),
            State::Running { .. }
            | State::Offered
            | State::Waiting
            | State::Verifying { .. }
            | State::Over => 0,
        }
    }

    /// The receiver asks. The first device that does has the transfer; others are told that it is gone.
    pub(super) fn handle_accept(&mut self, asked: &Asked, step: &mut Step<'_>) {
        let transfer = self.id();
        let link = asked.link;
        if self.ledger.record.device.is_some_and(|device| device != asked.device) {
            step.out.push(TransferEffect::SendFrame { link, frame: TransferFrame::Gone { transfer } });
            return;
        }
        if self.ledger.record.wishes.paused {
            self.claim(asked.device, step.out);
            self.tell_hold(link, Hold::Paused, step.out);
            return;
        }
        let (in_flight, listing) = match &mut self.state {
            // It has said that it has everything; to begin again would be work without end for us.
            State::Over | State::Verifying { .. } => return,
            State::Running { link: same, in_flight, listing, .. } if *same == link => {
                (std::mem::take(in_flight), *listing)
            }
            State::Offered | State::Waiting | State::Running { .. } => (BTreeSet::new(), false),
        };
        let lists = asked.manifest && !listing;
        let mut wanted = SpanSet::from_spans(&asked.want, self.ledger.record.ranges);
        for range in &in_flight {
            wanted.remove(*range);
        }
        let (compare, listing) = (asked.compare, listing || lists);
        self.state = State::Running { link, wanted, in_flight, compare, listing, turn: 0 };
        self.claim(asked.device, step.out);
        (self.queued, self.calling) = (false, None);
        self.ledger.hold(None);
        self.ledger.go_on(TransferState::Running, step.now);
        self.flow(step.out);
        self.pace(step.out);
        let limit = self.ledger.record.limit;
        if limit > 0 {
            step.out.push(TransferEffect::SendFrame {
                link,
                frame: TransferFrame::Pace { transfer, bytes_per_s: limit },
            });
        }
        if lists {
            let sealed = self.ledger.record.sealed;
            step.out.push(TransferEffect::Job(TransferJob::SendManifest { transfer, link, sealed }));
        }
    }

    /// The transfer belongs to the device that asked first; the receiver's others need not decide any more.
    fn claim(&mut self, device: DeviceId, out: &mut Vec<TransferEffect>) {
        if self.ledger.record.device.is_none() {
            self.ledger.change().device = Some(device);
            self.tell_others(device, out);
            let choice = self.choice.take().filter(|(of, _)| *of == device);
            self.ledger.change().part = choice.map(|(_, choice)| Part { choice, sum: None });
        }
        if let Some(Part { choice, sum: None }) = &self.ledger.record.part
            && !self.choosing
        {
            let (transfer, choice) = (self.id(), choice.clone());
            out.push(TransferEffect::Job(TransferJob::Choose { transfer, choice }));
            self.choosing = true;
        }
    }

    /// A device of the receiver's says which files it takes. Only the first word of the one that gets the transfer counts.
    pub(super) fn handle_choose(&mut self, device: DeviceId, choice: Choice) {
        if self.ledger.record.device.is_none() && self.choice.as_ref().is_none_or(|(of, _)| *of != device) {
            self.choice = Some((device, choice));
        }
    }

    /// Whether this device gets it.
    pub(super) fn is_for(&self, device: DeviceId) -> bool {
        self.ledger.record.device == Some(device)
    }

    /// Whether this device gets all of it.
    pub(super) fn gives_all_to(&self, device: DeviceId) -> bool {
        self.is_for(device) && self.ledger.record.part.is_none()
    }

    /// So much is taken.
    pub(super) fn handle_chosen(&mut self, result: &Result<Chosen, TransferFault>) {
        self.choosing = false;
        // When a disk refuses now, it is found out when the receiver asks again.
        if let Ok(sum) = result {
            self.ledger.chosen(Some(*sum));
        }
    }

    fn tell_others(&self, but: DeviceId, out: &mut Vec<TransferEffect>) {
        let text = Text::truncated("another device of yours has decided");
        let end = OfferEnd { transfer: self.id(), reason: EndReason::Decided, text };
        let to = self.ledger.record.peer.clone();
        out.push(TransferEffect::LetterToOthers { to, but, body: LetterBody::OfferEnd(end) });
    }

    fn flow(&self, out: &mut Vec<TransferEffect>) {
        let State::Running { link, .. } = self.state else { return };
        let (transfer, peer) = (self.id(), self.ledger.record.peer.clone());
        let weight = self.ledger.record.wishes.priority.weight();
        out.push(TransferEffect::Job(TransferJob::Flow(Flow { transfer, peer, link, weight })));
    }

    /// Whether the receiver waits for ranges of it.
    pub(super) const fn wants_turn(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// The user wants another share.
    pub(super) fn set_priority(&mut self, priority: Priority, out: &mut Vec<TransferEffect>) {
        self.ledger.change().wishes.priority = priority;
        self.flow(out);
    }

    /// The turn that this transfer had last on `link`, if it has a range to send there now.
    pub(super) fn ready(&self, on: LinkId) -> Option<(usize, u64)> {
        let State::Running { link, wanted, in_flight, turn, .. } = &self.state else { return None };
        let weight = usize::try_from(Priority::High.weight() / self.ledger.record.wishes.priority.weight());
        let rank = in_flight.len() * weight.unwrap_or(1);
        let most = match self.ledger.limit() {
            0 => TRANSFER_IN_FLIGHT_MAX,
            limit => usize::try_from(1 + limit / PACED_RANGE_PER)
                .unwrap_or(TRANSFER_IN_FLIGHT_MAX)
                .min(TRANSFER_IN_FLIGHT_MAX),
        };
        let is_due = *link == on && !self.queued && !wanted.is_empty() && in_flight.len() < most;
        is_due.then_some((rank, *turn))
    }

    /// Grants a range that is wanted.
    pub(super) fn grant(&mut self, range: u64, next_turn: u64) -> Option<TransferEffect> {
        let (transfer, sealed) = (self.id(), self.ledger.record.sealed);
        let State::Running { link, wanted, in_flight, compare, turn, .. } = &mut self.state else {
            return None;
        };
        if !wanted.remove(range) {
            return None;
        }
        in_flight.insert(range);
        *turn = next_turn;
        let (link, compare) = (*link, *compare);
        Some(TransferEffect::Job(TransferJob::SendRange { transfer, link, range, compare, sealed }))
    }

    /// A range has left, or could not.
    pub(super) fn handle_sent(
        &mut self,
        on: LinkId,
        range: Option<u64>,
        result: Result<(), TransferFault>,
        step: &mut Step<'_>,
    ) {
        let State::Running { link, in_flight, listing, .. } = &mut self.state else { return };
        if *link != on {
            return;
        }
        match range {
            Some(range) => drop(in_flight.remove(&range)),
            None => *listing = false,
        }
        match result {
            Ok(()) | Err(TransferFault::Stopped) => {}
            // The receiver knows what it has, and asks again.
            Err(TransferFault::LinkLost) => self.wait(step.now),
            Err(TransferFault::Stalled | TransferFault::Differs) => {}
            Err(TransferFault::Disk(failure)) => self.hold_up(failure, step),
            Err(TransferFault::Lasting(failure)) => self.fail(failure, step),
            Err(TransferFault::Changed(failure)) => self.fail_changed(failure, step),
            Err(TransferFault::Peer(text)) => self.fail(Failure::shared(text), step),
        }
    }

    /// So much is verified at the receiver.
    pub(super) fn handle_progress(&mut self, on: LinkId, bytes: u64) {
        if self.link() == Some(on) {
            self.ledger.verified(bytes);
        }
    }

    /// A limit of ours.
    pub(super) fn set_limit(&mut self, bytes_per_s: u64, out: &mut Vec<TransferEffect>) {
        let transfer = self.id();
        self.ledger.change().limit = bytes_per_s;
        if let State::Running { link, .. } = self.state {
            self.pace(out);
            let frame = TransferFrame::Pace { transfer, bytes_per_s };
            out.push(TransferEffect::SendFrame { link, frame });
        }
    }

    /// A limit of the receiver's.
    pub(super) fn handle_pace(&mut self, on: LinkId, bytes_per_s: u64, out: &mut Vec<TransferEffect>) {
        if self.link() == Some(on) {
            self.ledger.set_their_limit(bytes_per_s);
            self.pace(out);
        }
    }

    fn pace(&self, out: &mut Vec<TransferEffect>) {
        let (transfer, bytes_per_s) = (self.id(), self.ledger.limit());
        out.push(TransferEffect::Job(TransferJob::Limit { of: Limited::Transfer(transfer), bytes_per_s }));
    }

    /// A link is gone.
    pub(super) fn handle_link_down(&mut self, down: LinkId, now: Now) {
        match &mut self.state {
            State::Running { link, .. } if *link == down => self.wait(now),
            State::Verifying { link, .. } if *link == Some(down) => *link = None,
            State::Offered
            | State::Waiting
            | State::Running { .. }
            | State::Verifying { .. }
            | State::Over => {}
        }
    }

    fn wait(&mut self, now: Now) {
        self.state = State::Waiting;
        self.ledger.enter(TransferState::Queued, now);
    }

    /// A file of ours cannot be read now. The receiver asks again after a while, and then it is tried again.
    fn hold_up(&mut self, failure: Failure, step: &mut Step<'_>) {
        // Files are opened anew then.
        step.hold_up(self.id(), self.link(), &failure);
        self.state = State::Waiting;
        self.ledger.hold_up(failure.text, step.now);
    }

    /// The receiver cannot go on now. What is on its way is not wanted any more.
    pub(super) fn handle_wait(&mut self, on: LinkId, text: &str, step: &mut Step<'_>) {
        let transfer = self.id();
        if matches!(self.state, State::Running { link, .. } if link == on) {
            step.out.push(TransferEffect::Job(TransferJob::Stop { transfer, discard: false }));
            self.state = State::Waiting;
            let text = format!("{} waits: {text}", self.ledger.record.peer);
            self.ledger.hold_up(text, step.now);
        }
    }
}

/// Where a transfer stands that is held.
pub(super) const fn held(hold: Hold) -> TransferState {
    match hold {
        Hold::None => TransferState::Running,
        Hold::Queue => TransferState::Queued,
        Hold::Paused => TransferState::Paused,
    }
}

/// What the other side said about the end; without a word from it, who it was.
pub(super) fn reason_text(peer: &Address, end: &OfferEnd) -> String {
    if !end.text.as_str().is_empty() {
        return end.text.as_str().to_owned();
    }
    match end.reason {
        EndReason::Rejected => format!("{peer} does not want it"),
        EndReason::Cancelled => format!("{peer} has stopped it"),
        EndReason::Failed => format!("{peer} could not go on"),
        EndReason::Decided => "another device has decided".to_owned(),
        EndReason::Again => format!("{peer} asks for it again"),
    }
}
