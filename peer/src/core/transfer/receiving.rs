//! The receiver's side of one transfer.
//!
//! It knows what it has, asks for the rest, and goes after a link when there is none.

mod end;
mod hold;
mod ranges;
mod shared;

use std::path::PathBuf;
use std::time::Duration;

use hobnob_wire::TransferId;
use hobnob_wire::choice::Choice;
use hobnob_wire::transfer::{Hold, TransferFrame};

use super::backoff::Backoff;
use super::holding::{Holding, Ranges};
use super::job::{Failure, Held, TransferFault, TransferJob};
use super::ledger::Ledger;
use super::record::{Part, TransferRecord};
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

/// How an offer is accepted.
#[derive(Debug, Default)]
pub(super) struct Terms {
    /// Where it goes; absolute.
    pub(super) folder: PathBuf,
    /// Whether files that are there already are brought up to date.
    pub(super) update: bool,
    /// Which files are taken; all when absent.
    pub(super) choice: Option<Choice>,
    /// Whether a rule puts it apart.
    pub(super) quarantined: bool,
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
    pub(super) fn accept(&mut self, terms: Terms, now: Now) {
        if matches!(self.state, State::Offered) {
            let record = self.ledger.change();
            record.folder = Some(terms.folder);
            record.update = terms.update;
            record.part = terms.choice.map(|choice| Part { choice, sum: None });
            record.quarantined = terms.quarantined;
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
            choice: record.choice(),
            programs: !record.quarantined,
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
            Held::Manifest(layouted) => {
                self.ledger.chosen(layouted.chosen);
                self.holding = Holding::Ranges(Ranges::new(&layouted));
            }
            Held::Everything => {
                self.ledger.verified(self.ledger.record.wanted_bytes());
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
        if let Some(choice) = self.ledger.record.choice() {
            let frame = TransferFrame::Choose { transfer, choice };
            step.out.push(TransferEffect::SendFrame { link, frame });
        }
        if limit > 0 {
            let frame = TransferFrame::Pace { transfer, bytes_per_s: limit };
            step.out.push(TransferEffect::SendFrame { link, frame });
        }
        self.ask(step.out);
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
            TransferFault::Lasting(failure) | TransferFault::Changed(failure) => self.fail(failure, step),
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
}
