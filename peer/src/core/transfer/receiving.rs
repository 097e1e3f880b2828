//! The receiver's side of one transfer.
//!
//! It knows what it has, asks for the rest, and goes after a link when there is none.

mod hold;

use std::time::Duration;

use hobnob_wire::TransferId;
use hobnob_wire::bounded::{List, Text};
use hobnob_wire::letter::{EndReason, LetterBody, OfferEnd};
use hobnob_wire::limits::WANT_SPANS_MAX;
use hobnob_wire::transfer::{Hold, Span, TransferFrame};

use super::backoff::Backoff;
use super::holding::{Holding, Ranges};
use super::job::{Failure, Held, Layouted, TransferFault, TransferJob};
use super::ledger::Ledger;
use super::record::TransferRecord;
use super::sending::reason_text;
use super::spans::SpanSet;
use super::{Step, TransferEffect};
use crate::core::input::LinkId;
use crate::core::time::Now;
use crate::core::view::{HeldBy, TransferState};

/// A running transfer of which nothing is heard for so long asks again: longer than a link needs to be noticed dead.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest wait before a disk that refused is tried again: whoever made room need not wait long, and to look costs nothing.
const DISK_RETRY: Duration = Duration::from_secs(5);
/// How long after a link was lost a receiver asks a sender again who had paused. The sender calls earlier when it goes on.
const PAUSED_RETRY: Duration = Duration::from_secs(600);
/// How often a finished transfer tells the sender on one link without an answer: for a quarter of an hour.
const TELLS_MAX: u32 = 20;

#[derive(Debug)]
enum State {
    /// The user has not decided.
    Offered,
    /// Wanted, but not now.
    Paused,
    /// Wanted; needs a link, or a disk that does not refuse.
    Queued { backoff: Backoff, retry_at: Duration },
    /// Asked for on this link.
    Running {
        link: LinkId,
        /// Asked for, and not here yet.
        wanted: SpanSet,
        heard_at: Duration,
    },
    /// Everything is here and is being put in place.
    Verifying { link: Option<LinkId> },
    /// In place; the sender may not know.
    Telling { digest: [u8; 32], backoff: Backoff, retry_at: Duration, tells: u32 },
    /// Final.
    Over,
}

/// The receiver's side of one transfer.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) ledger: Ledger,
    state: State,
    holding: Holding,
    /// Waits for a disk that refuses here.
    disk: Backoff,
    /// Waits for a sender whose disk refuses.
    sender: Backoff,
    /// What the sender said when it was asked last.
    held: Hold,
    /// Whether others are before it on this side.
    waits_turn: bool,
}

impl Receiving {
    /// An offer that has just arrived.
    pub(super) fn offered(record: TransferRecord) -> Self {
        Self::new(Ledger::new(record, true), State::Offered)
    }

    fn new(ledger: Ledger, state: State) -> Self {
        let (disk, sender) = (Backoff::up_to(DISK_RETRY), Backoff::default());
        Self { ledger, state, holding: Holding::default(), disk, sender, held: Hold::None, waits_turn: false }
    }

    /// A transfer that an earlier run left open. What it had received counts again when it has been checked.
    pub(super) fn reopen(mut record: TransferRecord) -> Self {
        let retry_at = Duration::ZERO;
        let backoff = Backoff::default();
        let state = match (record.state, record.digest) {
            (TransferState::Offered, _) => State::Offered,
            (TransferState::Done, Some(digest)) => State::Telling { digest, backoff, retry_at, tells: 0 },
            _ if record.wishes.paused => {
                record.state = TransferState::Paused;
                State::Paused
            }
            _ => {
                record.state = TransferState::Queued;
                record.error = None;
                record.done = 0;
                State::Queued { backoff, retry_at }
            }
        };
        Self::new(Ledger::new(record, false), state)
    }

    fn id(&self) -> TransferId {
        self.ledger.record.id
    }

    /// The link it runs over.
    pub(super) const fn link(&self) -> Option<LinkId> {
        match self.state {
            State::Running { link, .. } | State::Verifying { link: Some(link) } => Some(link),
            State::Offered
            | State::Paused
            | State::Queued { .. }
            | State::Verifying { link: None }
            | State::Telling { .. }
            | State::Over => None,
        }
    }

    /// Whether nothing will happen any more.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// When to look at it again.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match &self.state {
            // The sender will say when.
            State::Running { .. } if self.held != Hold::None => None,
            State::Queued { .. } if self.waits_turn => None,
            State::Queued { retry_at, .. } | State::Telling { retry_at, .. } => Some(*retry_at),
            State::Running { heard_at, .. } => Some(*heard_at + SILENCE),
            State::Paused | State::Offered | State::Verifying { .. } | State::Over => None,
        }
    }

    /// The user, or a setting, accepts the offer.
    pub(super) fn accept(&mut self, folder: std::path::PathBuf, update: bool, now: Now) {
        if matches!(self.state, State::Offered) {
            let record = self.ledger.change();
            record.folder = Some(folder);
            record.update = update;
            self.ledger.enter(TransferState::Queued, now);
            self.state = State::Queued { backoff: Backoff::default(), retry_at: now.monotonic };
        }
    }

    /// The sender can be reached again, it seems.
    pub(super) fn hurry(&mut self, now: Now) {
        if let State::Telling { tells, .. } = &mut self.state {
            *tells = 0;
        }
        if let State::Queued { backoff, retry_at } | State::Telling { backoff, retry_at, .. } =
            &mut self.state
        {
            *backoff = Backoff::default();
            *retry_at = now.monotonic;
        }
    }

    /// Does what is due, on `link` when there is one to the sender's device.
    pub(super) fn proceed(&mut self, link: Option<LinkId>, may_run: bool, step: &mut Step<'_>) {
        self.waits_turn = false;
        if self.deadline().is_none_or(|at| step.now.monotonic < at) {
            return;
        }
        if let State::Running { heard_at, .. } = &mut self.state {
            *heard_at = step.now.monotonic;
            self.ask(step.out);
            return;
        }
        let transfer = self.id();
        match (&mut self.state, link) {
            (State::Queued { backoff, retry_at }, link) => {
                if link.is_some() && !may_run && self.holding.is_known() {
                    self.waits_turn = true;
                    self.ledger.hold(Some(HeldBy::Queue));
                    return;
                }
                *retry_at = backoff.next(step.now.monotonic);
                match (&self.holding, link) {
                    (Holding::Unknown, _) => self.open(step.out),
                    (Holding::Nothing | Holding::Ranges(_), Some(link)) => return self.start(link, step),
                    (Holding::Asked | Holding::Nothing | Holding::Ranges(_), _) => {}
                }
                if link.is_none() {
                    self.need_link(step.out);
                }
            }
            (State::Telling { tells: TELLS_MAX, .. }, _) => self.forget(step.out),
            (State::Telling { digest, backoff, retry_at, tells }, link) => {
                *retry_at = backoff.next(step.now.monotonic);
                let Some(link) = link else { return self.need_link(step.out) };
                *tells += 1;
                let frame = TransferFrame::Complete { transfer, digest: *digest };
                step.out.push(TransferEffect::SendFrame { link, frame });
            }
            (
                State::Offered
                | State::Paused
                | State::Running { .. }
                | State::Verifying { .. }
                | State::Over,
                _,
            ) => {}
        }
    }

    fn need_link(&self, out: &mut Vec<TransferEffect>) {
        let record = &self.ledger.record;
        if let Some(device) = record.device {
            out.push(TransferEffect::NeedLink { address: record.peer.clone(), device });
        }
    }

    /// Has the shell look at what an earlier run left.
    fn open(&mut self, out: &mut Vec<TransferEffect>) {
        let record = &self.ledger.record;
        let Some(folder) = record.folder.clone() else { return };
        out.push(TransferEffect::Job(TransferJob::Open {
            transfer: record.id,
            folder,
            manifest: record.manifest,
            name: record.name.clone(),
            entries: record.entries,
            bytes: record.bytes,
            sealed: record.sealed,
            update: record.update,
        }));
        self.holding = Holding::Asked;
    }

    /// The shell has looked.
    pub(super) fn handle_opened(&mut self, result: Result<Held, TransferFault>, step: &mut Step<'_>) {
        let (Holding::Asked, State::Queued { .. }) = (&self.holding, &self.state) else { return };
        let held = match result {
            Ok(held) => held,
            Err(fault) => return self.handle_fault(fault, step),
        };
        self.ledger.go_on(TransferState::Queued, step.now);
        self.ledger.verified(0);
        match held {
            Held::Nothing => self.holding = Holding::Nothing,
            Held::Manifest(layouted) => self.holding = Holding::Ranges(Ranges::new(&layouted)),
            Held::Everything => {
                self.ledger.verified(self.ledger.record.bytes);
                self.finish(step);
                return;
            }
        }
        self.hurry(step.now);
        self.finish_if_complete(step);
    }

    fn start(&mut self, link: LinkId, step: &mut Step<'_>) {
        let (transfer, limit) = (self.id(), self.ledger.record.limit);
        step.out.push(TransferEffect::Job(TransferJob::Expect { transfer, link }));
        self.state = State::Running { link, wanted: SpanSet::default(), heard_at: step.now.monotonic };
        self.held = Hold::None;
        self.ledger.hold(None);
        self.ledger.go_on(TransferState::Running, step.now);
        if limit > 0 {
            let frame = TransferFrame::Pace { transfer, bytes_per_s: limit };
            step.out.push(TransferEffect::SendFrame { link, frame });
        }
        self.ask(step.out);
    }

    /// Asks for everything that is missing, or for as much as one frame can name.
    fn ask(&mut self, out: &mut Vec<TransferEffect>) {
        let transfer = self.id();
        let State::Running { link, wanted, .. } = &mut self.state else { return };
        let ranges = self.holding.ranges();
        let (manifest, compare) = (ranges.is_none(), ranges.as_ref().is_some_and(|ranges| ranges.compares()));
        let spans = match ranges {
            // Which ranges are in the folder already is known once the manifest is.
            None if self.ledger.record.update => Vec::new(),
            None => vec![Span { start: 0, end: u64::MAX }],
            Some(ranges) => ranges.wanted().spans(WANT_SPANS_MAX),
        };
        *wanted = SpanSet::from_spans(&spans, u64::MAX);
        let want = List::new(spans).unwrap_or_default();
        let frame = TransferFrame::Accept { transfer, manifest, compare, want };
        out.push(TransferEffect::SendFrame { link: *link, frame });
    }

    /// Asks again when everything that was asked for is here or was refused.
    fn ask_for_the_rest(&mut self, out: &mut Vec<TransferEffect>) {
        let State::Running { wanted, .. } = &self.state else { return };
        let is_left = self.holding.ranges().is_some_and(|ranges| !ranges.wanted().is_empty());
        if wanted.is_empty() && is_left {
            self.ask(out);
        }
    }

    /// The shell knows the manifest, or refuses it.
    pub(super) fn handle_manifest(&mut self, result: Result<Layouted, TransferFault>, step: &mut Step<'_>) {
        // It may come after its link was lost, and counts then, too; but it counts once.
        let Holding::Nothing = &self.holding else { return };
        if !self.is_wanted() {
            return;
        };
        let layouted = match result {
            Ok(layouted) => layouted,
            Err(fault) => return self.handle_fault(fault, step),
        };
        let ranges = Ranges::new(&layouted);
        if let State::Running { heard_at, wanted, .. } = &mut self.state {
            *heard_at = step.now.monotonic;
            *wanted = if self.ledger.record.update { SpanSet::default() } else { ranges.wanted() };
        }
        self.holding = Holding::Ranges(ranges);
        self.finish_if_complete(step);
        self.ask_for_the_rest(step.out);
    }

    /// What an earlier run left has been read again: so many bytes in sound ranges, and spoiled ones.
    pub(super) fn handle_checked(
        &mut self,
        (sound, bytes): (&[Span], u64),
        spoiled: &[Span],
        step: &mut Step<'_>,
    ) {
        let Some(ranges) = self.holding.ranges() else { return };
        ranges.checked(sound, spoiled);
        self.ledger.verified(self.ledger.record.done + bytes);
        self.finish_if_complete(step);
        self.ask_for_the_rest(step.out);
    }

    /// A range is here, or was refused.
    pub(super) fn handle_range(
        &mut self,
        range: u64,
        result: Result<u64, TransferFault>,
        step: &mut Step<'_>,
    ) {
        let Some(ranges) = self.holding.ranges() else { return };
        let fault = match result {
            Ok(bytes) => {
                if !ranges.arrived(range) {
                    return;
                }
                self.disk.reset();
                self.sender.reset();
                self.ledger.verified(self.ledger.record.done + bytes);
                None
            }
            Err(TransferFault::Peer(text)) => ranges.refused(range).map(|times| {
                let peer = &self.ledger.record.peer;
                TransferFault::Peer(format!("{peer} sent it broken {times} times: {text}"))
            }),
            Err(TransferFault::Stalled) => None,
            Err(TransferFault::Differs) if ranges.differs(range) => None,
            Err(TransferFault::Differs) => ranges.refused(range).map(|times| {
                let peer = &self.ledger.record.peer;
                TransferFault::Peer(format!("{peer} sent only the hash of a range {times} times"))
            }),
            Err(fault) => Some(fault),
        };
        if let Some(fault) = fault {
            return self.handle_fault(fault, step);
        }
        if let State::Running { wanted, heard_at, .. } = &mut self.state {
            *heard_at = step.now.monotonic;
            wanted.remove(range);
        }
        self.finish_if_complete(step);
        self.ask_for_the_rest(step.out);
    }

    fn finish_if_complete(&mut self, step: &mut Step<'_>) {
        let is_complete = self.holding.ranges().is_some_and(|ranges| ranges.is_complete());
        if is_complete && matches!(self.state, State::Queued { .. } | State::Running { .. }) {
            self.finish(step);
        }
    }

    fn finish(&mut self, step: &mut Step<'_>) {
        self.state = State::Verifying { link: self.link() };
        self.ledger.enter(TransferState::Verifying, step.now);
        step.out.push(TransferEffect::Job(TransferJob::Finish { transfer: self.id() }));
    }

    /// Something went wrong that may end it.
    fn handle_fault(&mut self, fault: TransferFault, step: &mut Step<'_>) {
        if !matches!(self.state, State::Queued { .. } | State::Running { .. } | State::Verifying { .. }) {
            return;
        }
        match fault {
            // The silence is noticed, and it is asked for again.
            TransferFault::LinkLost
            | TransferFault::Stopped
            | TransferFault::Stalled
            | TransferFault::Differs => {}
            TransferFault::Disk(failure) => self.hold_up(failure, step),
            TransferFault::Lasting(failure) => self.fail(failure, step),
            TransferFault::Peer(text) => self.fail(Failure::shared(text), step),
        }
    }

    /// The disk refuses: nothing is received until it does not, and then all that is there is looked at anew.
    fn hold_up(&mut self, failure: Failure, step: &mut Step<'_>) {
        step.hold_up(self.id(), self.link(), &failure);
        self.holding = Holding::Unknown;
        let retry_at = self.disk.next(step.now.monotonic);
        self.state = State::Queued { backoff: self.disk, retry_at };
        self.ledger.hold_up(failure.text, step.now);
    }

    /// The sender cannot go on now. It is asked again after a while.
    pub(super) fn handle_wait(&mut self, on: LinkId, text: &str, now: Now) {
        if let State::Telling { tells, .. } = &mut self.state {
            *tells = 0;
        }
        if matches!(self.state, State::Running { link, .. } if link == on) {
            let retry_at = self.sender.next(now.monotonic);
            self.state = State::Queued { backoff: self.sender, retry_at };
            let text = format!("{} waits: {text}", self.ledger.record.peer);
            self.ledger.hold_up(text, now);
        }
    }

    /// Bytes have moved: the sender lives.
    pub(super) fn handle_moved(&mut self, bytes: u64, now: Now) {
        self.ledger.moved(bytes, now);
        if let State::Running { heard_at, .. } = &mut self.state {
            *heard_at = now.monotonic;
        }
    }

    /// Everything is in place, or could not be put there.
    pub(super) fn handle_finished(&mut self, result: Result<[u8; 32], TransferFault>, step: &mut Step<'_>) {
        let State::Verifying { link } = self.state else { return };
        match result {
            Ok(digest) => {
                let (transfer, bytes) = (self.id(), self.ledger.record.bytes);
                let record = self.ledger.change();
                record.digest = Some(digest);
                record.untold = true;
                self.ledger.verified(bytes);
                self.ledger.enter(TransferState::Done, step.now);
                let backoff = Backoff::default();
                self.state = State::Telling { digest, backoff, retry_at: step.now.monotonic, tells: 0 };
                // Performed when the end is on disk: then nobody needs what it was made from.
                step.out.push(TransferEffect::Job(TransferJob::Stop { transfer, discard: true }));
                self.proceed(link, true, step);
            }
            Err(fault) => self.handle_fault(fault, step),
        }
    }

    /// The sender knows no such transfer (any more): told, or too late.
    pub(super) fn handle_gone(&mut self, step: &mut Step<'_>) {
        match self.state {
            State::Telling { .. } => self.forget(step.out),
            State::Paused | State::Queued { .. } | State::Running { .. } => {
                let text = "the sender no longer has it on offer; ask for it to be sent again".to_owned();
                self.end(TransferState::Failed, Some(text), step);
            }
            State::Offered | State::Verifying { .. } | State::Over => {}
        }
    }

    fn forget(&mut self, out: &mut Vec<TransferEffect>) {
        self.ledger.change().untold = false;
        self.state = State::Over;
        // Once more: this process may have begun after the end.
        out.push(TransferEffect::Job(TransferJob::Stop { transfer: self.id(), discard: true }));
    }

    /// A limit of ours.
    pub(super) fn set_limit(&mut self, bytes_per_s: u64, out: &mut Vec<TransferEffect>) {
        let transfer = self.id();
        self.ledger.change().limit = bytes_per_s;
        if let State::Running { link, .. } = self.state {
            let frame = TransferFrame::Pace { transfer, bytes_per_s };
            out.push(TransferEffect::SendFrame { link, frame });
        }
    }

    /// A limit of the sender's; it keeps to it by itself.
    pub(super) fn handle_pace(&mut self, on: LinkId, bytes_per_s: u64) {
        if self.link() == Some(on) {
            self.ledger.set_their_limit(bytes_per_s);
        }
    }

    /// A link is gone. The transfer goes after another one at once.
    pub(super) fn handle_link_down(&mut self, down: LinkId, now: Now) {
        match &mut self.state {
            State::Running { link, .. } if *link == down && self.held == Hold::Paused => {
                let retry_at = now.monotonic + PAUSED_RETRY;
                self.state = State::Queued { backoff: Backoff::default(), retry_at };
            }
            State::Running { link, .. } if *link == down => self.go_after_link(now),
            State::Verifying { link } if *link == Some(down) => *link = None,
            State::Offered
            | State::Paused
            | State::Queued { .. }
            | State::Running { .. }
            | State::Verifying { .. }
            | State::Telling { .. }
            | State::Over => {}
        }
    }

    /// The sender's side is over. What is all here already stays.
    pub(super) fn handle_end(&mut self, end: &OfferEnd, step: &mut Step<'_>) {
        let state = match end.reason {
            EndReason::Rejected | EndReason::Cancelled | EndReason::Decided => TransferState::Cancelled,
            EndReason::Failed => TransferState::Failed,
        };
        let concerned = match end.reason {
            EndReason::Decided => matches!(self.state, State::Offered),
            EndReason::Rejected | EndReason::Cancelled | EndReason::Failed => {
                matches!(self.state, State::Offered) || self.is_wanted()
            }
        };
        if concerned {
            self.end(state, Some(reason_text(&self.ledger.record.peer, end)), step);
        }
    }

    /// The user does not want it (any more); `false` when it is too late.
    pub(super) fn stop(&mut self, reason: EndReason, text: &str, step: &mut Step<'_>) -> bool {
        if !(matches!(self.state, State::Offered) || self.is_wanted()) {
            return false;
        }
        let state = match reason {
            EndReason::Rejected => TransferState::Rejected,
            EndReason::Cancelled | EndReason::Decided => TransferState::Cancelled,
            EndReason::Failed => TransferState::Failed,
        };
        step.out.push(self.end_letter(reason, text));
        self.end(state, (!text.is_empty()).then(|| text.to_owned()), step);
        true
    }

    fn fail(&mut self, failure: Failure, step: &mut Step<'_>) {
        step.out.push(self.end_letter(EndReason::Failed, &failure.told));
        self.end(TransferState::Failed, Some(failure.text), step);
    }

    fn end_letter(&self, reason: EndReason, text: &str) -> TransferEffect {
        TransferEffect::Letter {
            to: self.ledger.record.peer.clone(),
            device: self.ledger.record.device,
            body: LetterBody::OfferEnd(OfferEnd { transfer: self.id(), reason, text: Text::truncated(text) }),
        }
    }

    /// Ends it on this side.
    pub(super) fn end(&mut self, state: TransferState, text: Option<String>, step: &mut Step<'_>) {
        match self.state {
            State::Over => {}
            State::Telling { .. } => self.forget(step.out),
            State::Offered
            | State::Paused
            | State::Queued { .. }
            | State::Running { .. }
            | State::Verifying { .. } => {
                self.state = State::Over;
                self.ledger.enter(state, step.now);
                self.ledger.change().error = text;
                step.out.push(TransferEffect::Job(TransferJob::Stop { transfer: self.id(), discard: true }));
            }
        }
    }
}
