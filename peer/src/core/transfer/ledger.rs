//! What both sides of a transfer keep alike: its record, its rate, and when it was last shown.

use std::time::Duration;

use data_encoding::HEXLOWER;
use hobnob_nat::core::agent::PathKind;
use hobnob_wire::Address;

use super::meter::Meter;
use super::queue::Rank;
use super::record::TransferRecord;
use crate::core::time::{Now, rfc3339};
use crate::core::view::{Chosen, HeldBy, SourceView, TransferState, TransferView};

/// Least time between two reports of progress, to users and to the other side.
pub(super) const SHOW_EVERY: Duration = Duration::from_millis(250);

/// The record of a transfer and what is shown of it.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) record: TransferRecord,
    /// The other side's limit; 0 for none.
    pub(super) their_limit: u64,
    /// Why it does not move though it could.
    held: Option<HeldBy>,
    meter: Meter,
    /// Whether the record differs from what is on disk.
    changed: bool,
    /// Whether users have not seen the newest progress.
    progressed: bool,
    shown_at: Duration,
    shown_rate: u64,
}

/// What is due after an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Save and show it.
    Change,
    /// Show it.
    Progress,
}

impl Ledger {
    pub(super) fn new(record: TransferRecord, changed: bool) -> Self {
        Self {
            record,
            their_limit: 0,
            held: None,
            meter: Meter::default(),
            changed,
            progressed: false,
            shown_at: Duration::ZERO,
            shown_rate: 0,
        }
    }

    /// Changes the record; it is saved and shown after the input.
    pub(super) fn change(&mut self) -> &mut TransferRecord {
        self.changed = true;
        &mut self.record
    }

    /// Enters a state. Nothing leaves a final one.
    pub(super) fn enter(&mut self, state: TransferState, now: Now) {
        debug_assert!(!self.record.state.is_final(), "{:?} is final", self.record.state);
        if state == TransferState::Running && self.record.state != state {
            self.meter.start(now.monotonic);
        }
        if state.is_final() {
            self.change().ended_unix_ms = now.unix_ms;
            self.held = None;
        }
        if self.record.state != state {
            self.change().state = state;
        }
    }

    /// Waits because a disk refuses, for this reason.
    pub(super) fn hold_up(&mut self, why: String, now: Now) {
        self.enter(TransferState::Waiting, now);
        if self.record.error.as_deref() != Some(&why) {
            self.change().error = Some(why);
        }
    }

    /// Enters a state in which nothing refuses any more.
    pub(super) fn go_on(&mut self, state: TransferState, now: Now) {
        self.enter(state, now);
        if self.record.error.is_some() {
            self.change().error = None;
        }
    }

    /// So much is taken of it.
    pub(super) fn chosen(&mut self, sum: Option<Chosen>) {
        let known = self.record.part.as_ref().and_then(|part| part.sum);
        if known != sum
            && let Some(part) = &mut self.change().part
        {
            part.sum = sum;
        }
    }

    /// Bytes have moved, verified or not.
    pub(super) fn moved(&mut self, bytes: u64, now: Now) {
        self.meter.add(bytes, now.monotonic);
        self.progressed = true;
    }

    /// So much is verified at the receiver.
    pub(super) fn verified(&mut self, bytes: u64) {
        // Not saved for each range: what is verified is counted anew after a restart.
        self.record.done = bytes.min(self.record.wanted_bytes());
        self.progressed = true;
    }

    /// So many verified bytes came from this account.
    pub(super) fn came_from(&mut self, address: &Address, bytes: u64) {
        let sources = &mut self.record.sources;
        match sources.iter_mut().find(|(known, _)| known == address) {
            Some((_, sum)) => *sum += bytes,
            None => sources.push((address.clone(), bytes)),
        }
    }

    /// So many bytes of it left this device.
    pub(super) const fn sent(&mut self, bytes: u64) {
        self.record.sent += bytes;
        self.progressed = true;
    }

    /// Why it does not move though it could, or that it may.
    pub(super) fn hold(&mut self, held: Option<HeldBy>) {
        if self.held != held {
            self.held = held;
            self.progressed = true;
        }
    }

    /// Where it stands in the queue.
    pub(super) const fn rank(&self) -> Rank {
        self.record.wishes.rank(self.record.id)
    }

    /// Something that is not kept but shown has changed.
    pub(super) const fn show_again(&mut self) {
        self.progressed = true;
    }

    /// The lower of both sides' limits; 0 for none.
    pub(super) fn limit(&self) -> u64 {
        match (self.record.limit, self.their_limit) {
            (0, limit) | (limit, 0) => limit,
            (own, theirs) => own.min(theirs),
        }
    }

    /// The other side's limit has changed.
    pub(super) fn set_their_limit(&mut self, bytes_per_s: u64) {
        self.their_limit = bytes_per_s;
        self.progressed = true;
    }

    /// Bytes per second now.
    pub(super) fn rate(&mut self, now: Now) -> u64 {
        self.meter.rate(now.monotonic)
    }

    /// What is due now; the caller does it.
    pub(super) fn take_due(&mut self, now: Now) -> Option<Due> {
        let rate = self.meter.rate(now.monotonic);
        let due = if self.changed {
            Some(Due::Change)
        } else if self.show_at().is_some_and(|at| now.monotonic >= at) {
            Some(Due::Progress)
        } else {
            None
        };
        if due.is_some() {
            self.changed = false;
            self.progressed = false;
            self.shown_at = now.monotonic;
            self.shown_rate = rate;
        }
        due
    }

    /// When progress is due to be shown. A rate that was shown falls to nothing before everybody's eyes.
    pub(super) fn show_at(&self) -> Option<Duration> {
        let moving = self.shown_rate > 0 && self.record.state == TransferState::Running;
        (self.progressed || moving).then(|| self.shown_at + SHOW_EVERY)
    }

    /// As users see it.
    pub(super) fn view(&mut self, path: Option<PathKind>, now: Now) -> TransferView {
        let running = self.record.state == TransferState::Running;
        let rate = if running { self.meter.rate(now.monotonic) } else { 0 };
        let mut view = view(&self.record);
        view.rate = rate;
        view.eta = (rate > 0).then(|| (view.size - view.done).div_ceil(rate));
        view.limit = self.limit();
        view.held = if self.record.wishes.paused { Some(HeldBy::Own) } else { self.held };
        view.path = path.unwrap_or_default().as_str().to_owned();
        view
    }
}

/// A transfer that does not move, as users see it.
pub(super) fn view(record: &TransferRecord) -> TransferView {
    TransferView {
        id: record.id,
        peer: record.peer.clone(),
        direction: record.direction,
        name: record.name.clone(),
        entries: record.entries,
        size: record.wanted_bytes(),
        chosen: record.part.as_ref().and_then(|part| part.sum),
        done: record.done.min(record.wanted_bytes()),
        sent: record.sent,
        sources: record
            .sources
            .iter()
            .map(|(address, bytes)| SourceView { address: address.clone(), bytes: *bytes })
            .collect(),
        swarm: record.swarm.as_ref().map(|swarm| swarm.id),
        state: record.state,
        rate: 0,
        eta: None,
        path: "none".to_owned(),
        limit: record.limit,
        priority: record.wishes.priority,
        held: None,
        offered_at: rfc3339(record.offered_unix_ms),
        ended_at: (record.ended_unix_ms > 0).then(|| rfc3339(record.ended_unix_ms)),
        sealed: record.sealed,
        text: record.text.clone(),
        folder: record.folder.as_ref().map(|folder| folder.to_string_lossy().into_owned()),
        digest: record.digest.map(|digest| HEXLOWER.encode(&digest)),
        error: record.error.clone(),
    }
}
