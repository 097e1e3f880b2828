//! The receiver's side of one transfer.
//!
//! It knows what it has, asks for the rest, and goes after a link when there is none.

use std::time::Duration;

use hobnob_wire::TransferId;
use hobnob_wire::bounded::{List, Text};
use hobnob_wire::letter::{EndReason, LetterBody, OfferEnd};
use hobnob_wire::limits::WANT_SPANS_MAX;
use hobnob_wire::transfer::{Hold, Span, TransferFrame};

use super::backoff::Backoff;
use super::job::{Failure, Layouted, TransferFault, TransferJob};
use super::ledger::Ledger;
use super::record::TransferRecord;
use super::sending::{held, reason_text};
use super::spans::SpanSet;
use super::{Step, TransferEffect};
use crate::core::input::LinkId;
use crate::core::time::Now;
use crate::core::view::TransferState;

/// A running transfer of which nothing is heard for so long asks again: longer than a link needs to be noticed dead.
const SILENCE: Duration = Duration::from_secs(30);
/// How often a finished transfer tells the sender on a link without an answer: a quarter of an hour of links in all.
const TELLS_MAX: u32 = 20;

#[derive(Debug)]
enum State {
    /// The user has not decided.
    Offered,
    /// Wanted; needs a link.
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
    /// Ranges that are not here, once the manifest is.
    missing: Option<SpanSet>,
}

impl Receiving {
    /// An offer that has just arrived.
    pub(super) fn offered(record: TransferRecord) -> Self {
        Self { ledger: Ledger::new(record, true), state: State::Offered, missing: None }
    }

    /// A transfer that an earlier run left open. What it had received is asked for again.
    pub(super) fn reopen(mut record: TransferRecord) -> Self {
        let retry_at = Duration::ZERO;
        let backoff = Backoff::default();
        let state = match (record.state, record.digest) {
            (TransferState::Offered, _) => State::Offered,
            (TransferState::Done, Some(digest)) => State::Telling { digest, backoff, retry_at, tells: 0 },
            _ => {
                record.state = TransferState::Queued;
                record.done = 0;
                State::Queued { backoff, retry_at }
            }
        };
        Self { ledger: Ledger::new(record, false), state, missing: None }
    }

    fn id(&self) -> TransferId {
        self.ledger.record.id
    }

    /// The link it runs over.
    pub(super) const fn link(&self) -> Option<LinkId> {
        match self.state {
            State::Running { link, .. } | State::Verifying { link: Some(link) } => Some(link),
            State::Offered
            | State::Queued { .. }
            | State::Verifying { link: None }
            | State::Telling { .. }
            | State::Over => None,
        }
    }

    /// Whether ranges are asked for and may come.
    pub(super) const fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Whether nothing will happen any more.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// When to look at it again.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Queued { retry_at, .. } | State::Telling { retry_at, .. } => Some(*retry_at),
            State::Running { heard_at, .. } => Some(*heard_at + SILENCE),
            State::Offered | State::Verifying { .. } | State::Over => None,
        }
    }

    /// The user, or a setting, accepts the offer.
    pub(super) fn accept(&mut self, folder: std::path::PathBuf, now: Now) {
        if matches!(self.state, State::Offered) {
            self.ledger.change().folder = Some(folder);
            self.ledger.enter(TransferState::Queued, now);
            self.state = State::Queued { backoff: Backoff::default(), retry_at: now.monotonic };
        }
    }

    /// The sender can be reached again, it seems.
    pub(super) fn hurry(&mut self, now: Now) {
        if let State::Queued { backoff, retry_at } | State::Telling { backoff, retry_at, .. } =
            &mut self.state
        {
            *backoff = Backoff::default();
            *retry_at = now.monotonic;
        }
    }

    /// Does what is due, on `link` when there is one to the sender's device.
    pub(super) fn proceed(&mut self, link: Option<LinkId>, step: &mut Step<'_>) {
        if self.deadline().is_none_or(|at| step.now.monotonic < at) {
            return;
        }
        if let State::Running { link, heard_at, .. } = &mut self.state {
            *heard_at = step.now.monotonic;
            let link = *link;
            self.ask(link, step.out);
            return;
        }
        let transfer = self.id();
        match (&mut self.state, link) {
            (State::Queued { .. }, Some(link)) => self.start(link, step),
            (State::Queued { backoff, retry_at }, None) => {
                *retry_at = backoff.next(step.now.monotonic);
                self.need_link(step.out);
            }
            (State::Telling { tells: TELLS_MAX, .. }, _) => self.forget(),
            (State::Telling { digest, backoff, retry_at, tells }, link) => {
                *retry_at = backoff.next(step.now.monotonic);
                let Some(link) = link else { return self.need_link(step.out) };
                *tells += 1;
                let frame = TransferFrame::Complete { transfer, digest: *digest };
                step.out.push(TransferEffect::SendFrame { link, frame });
            }
            (State::Offered | State::Running { .. } | State::Verifying { .. } | State::Over, _) => {}
        }
    }

    fn need_link(&self, out: &mut Vec<TransferEffect>) {
        let record = &self.ledger.record;
        if let Some(device) = record.device {
            out.push(TransferEffect::NeedLink { address: record.peer.clone(), device });
        }
    }

    fn start(&mut self, link: LinkId, step: &mut Step<'_>) {
        let record = &self.ledger.record;
        let Some(folder) = record.folder.clone() else { return };
        let (transfer, limit) = (record.id, record.limit);
        step.out.push(TransferEffect::Job(TransferJob::Receive {
            transfer,
            link,
            folder,
            manifest: record.manifest,
            entries: record.entries,
            bytes: record.bytes,
            sealed: record.sealed,
        }));
        self.state = State::Running { link, wanted: SpanSet::default(), heard_at: step.now.monotonic };
        self.ledger.enter(TransferState::Running, step.now);
        if limit > 0 {
            let frame = TransferFrame::Pace { transfer, bytes_per_s: limit };
            step.out.push(TransferEffect::SendFrame { link, frame });
        }
        self.ask(link, step.out);
    }

    /// Asks for everything that is missing, or for as much as one frame can name.
    fn ask(&mut self, link: LinkId, out: &mut Vec<TransferEffect>) {
        let transfer = self.id();
        let spans = match &self.missing {
            None => vec![Span { start: 0, end: u64::MAX }],
            Some(missing) => missing.spans(WANT_SPANS_MAX),
        };
        if let State::Running { wanted, .. } = &mut self.state {
            *wanted = SpanSet::from_spans(&spans, u64::MAX);
        }
        let manifest = self.missing.is_none();
        let want = List::new(spans).unwrap_or_default();
        out.push(TransferEffect::SendFrame {
            link,
            frame: TransferFrame::Accept { transfer, manifest, want },
        });
    }

    /// The shell knows the manifest, or refuses it.
    pub(super) fn handle_manifest(&mut self, result: Result<Layouted, TransferFault>, step: &mut Step<'_>) {
        // It may come after its link was lost, and counts then, too; but it counts once.
        if self.missing.is_some() || !matches!(self.state, State::Queued { .. } | State::Running { .. }) {
            return;
        }
        match result {
            Ok(layouted) => {
                let missing = SpanSet::from_spans(&layouted.missing, layouted.ranges);
                if let State::Running { heard_at, wanted, .. } = &mut self.state {
                    *heard_at = step.now.monotonic;
                    wanted.clone_from(&missing);
                }
                self.missing = Some(missing);
                self.ledger.verified(layouted.bytes);
                self.finish_if_complete(step);
            }
            // The silence is noticed, and it is asked for again.
            Err(TransferFault::LinkLost | TransferFault::Stopped) => {}
            Err(TransferFault::Disk(failure)) => self.fail(failure, step),
            Err(TransferFault::Peer(text)) => self.fail(Failure::shared(text), step),
        }
    }

    /// A range is here, or was refused.
    pub(super) fn handle_range(
        &mut self,
        range: u64,
        result: Result<u64, TransferFault>,
        step: &mut Step<'_>,
    ) {
        if matches!(
            self.state,
            State::Offered | State::Verifying { .. } | State::Telling { .. } | State::Over
        ) {
            return;
        }
        match result {
            Ok(bytes) => {
                if !self.missing.as_mut().is_some_and(|missing| missing.remove(range)) {
                    return;
                }
                self.ledger.verified(self.ledger.record.done + bytes);
                let mut asked_all = None;
                if let State::Running { link, wanted, heard_at } = &mut self.state {
                    *heard_at = step.now.monotonic;
                    wanted.remove(range);
                    asked_all = wanted.is_empty().then_some(*link);
                }
                self.finish_if_complete(step);
                if let (Some(link), State::Running { .. }) = (asked_all, &self.state) {
                    self.ask(link, step.out);
                }
            }
            Err(TransferFault::LinkLost | TransferFault::Stopped) => {}
            Err(TransferFault::Disk(failure)) => self.fail(failure, step),
            Err(TransferFault::Peer(text)) => self.fail(Failure::shared(text), step),
        }
    }

    fn finish_if_complete(&mut self, step: &mut Step<'_>) {
        if self.missing.as_ref().is_some_and(SpanSet::is_empty) {
            self.state = State::Verifying { link: self.link() };
            self.ledger.enter(TransferState::Verifying, step.now);
            step.out.push(TransferEffect::Job(TransferJob::Finish { transfer: self.id() }));
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
                let bytes = self.ledger.record.bytes;
                let record = self.ledger.change();
                record.digest = Some(digest);
                record.untold = true;
                self.ledger.verified(bytes);
                self.ledger.enter(TransferState::Done, step.now);
                let backoff = Backoff::default();
                self.state = State::Telling { digest, backoff, retry_at: step.now.monotonic, tells: 0 };
                self.proceed(link, step);
            }
            Err(TransferFault::Disk(failure)) => self.fail(failure, step),
            Err(TransferFault::Peer(text)) => self.fail(Failure::shared(text), step),
            Err(TransferFault::LinkLost | TransferFault::Stopped) => {}
        }
    }

    /// The sender knows no such transfer (any more): told, or too late.
    pub(super) fn handle_gone(&mut self, step: &mut Step<'_>) {
        match self.state {
            State::Telling { .. } => self.forget(),
            State::Queued { .. } | State::Running { .. } => {
                let text = "the sender no longer has it on offer; ask for it to be sent again".to_owned();
                self.end(TransferState::Failed, Some(text), step);
            }
            State::Offered | State::Verifying { .. } | State::Over => {}
        }
    }

    fn forget(&mut self) {
        self.ledger.change().untold = false;
        self.state = State::Over;
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

    /// The sender holds it, or goes on.
    pub(super) fn handle_hold(&mut self, on: LinkId, hold: Hold, now: Now) {
        if self.is_running() && self.link() == Some(on) {
            self.ledger.enter(held(hold), now);
        }
    }

    /// A link is gone. The transfer goes after another one at once.
    pub(super) fn handle_link_down(&mut self, down: LinkId, now: Now) {
        match &mut self.state {
            State::Running { link, .. } if *link == down => {
                self.state = State::Queued { backoff: Backoff::default(), retry_at: now.monotonic };
                self.ledger.enter(TransferState::Queued, now);
            }
            State::Verifying { link } if *link == Some(down) => *link = None,
            State::Offered
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
        if matches!(self.state, State::Offered | State::Queued { .. } | State::Running { .. }) {
            self.end(state, Some(reason_text(&self.ledger.record.peer, end)), step);
        }
    }

    /// The user does not want it (any more); `false` when it is too late.
    pub(super) fn stop(&mut self, reason: EndReason, text: &str, step: &mut Step<'_>) -> bool {
        if !matches!(self.state, State::Offered | State::Queued { .. } | State::Running { .. }) {
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
            State::Telling { .. } => self.forget(),
            State::Offered | State::Queued { .. } | State::Running { .. } | State::Verifying { .. } => {
                self.state = State::Over;
                self.ledger.enter(state, step.now);
                self.ledger.change().error = text;
                step.out.push(TransferEffect::Job(TransferJob::Stop { transfer: self.id(), discard: true }));
            }
        }
    }
}
