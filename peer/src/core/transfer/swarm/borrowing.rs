//! Which ranges a receiver takes from whom, and whom it takes none from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hobnob_wire::bounded::List;
use hobnob_wire::limits::SWARM_RANGES_MAX;
use hobnob_wire::swarm::SwarmFrame;
use hobnob_wire::transfer::{Span, TransferFrame};

use super::member::{Member, Other, Own, without};
use super::rarest::rarest;
use crate::core::input::LinkId;
use crate::core::time::Now;
use crate::core::transfer::job::TransferFault;
use crate::core::transfer::meter::Meter;
use crate::core::transfer::{SpanSet, Step, TransferEffect, TransferJob};

/// Ranges that one other is asked for at a time, at first and at most: it grows with each that comes.
const ASKED_FIRST: usize = 2;
const ASKED_MAX: usize = 12;
/// One who sends no range for so long while it was asked for some is late: the sender is not told to count on it any more.
const LATE_AFTER: Duration = Duration::from_secs(10);
/// How long that holds. Meanwhile it is asked for one range at a time.
const LATE_FOR: Duration = Duration::from_secs(60);
/// Hashes that are asked for again are asked for after so long.
const HASHES_AGAIN: Duration = Duration::from_secs(5);
/// More hashes are asked for when fewer are at hand.
const HASHES_LEAST: u64 = 64;

/// What was asked of one other.
#[derive(Debug)]
pub(super) struct Borrowed {
    pub(super) asked: BTreeSet<u64>,
    /// When it was asked for the first of them, or a range came.
    since: Duration,
    window: usize,
    late_until: Duration,
    pub(super) meter: Meter,
}

impl Default for Borrowed {
    fn default() -> Self {
        Self {
            asked: BTreeSet::new(),
            since: Duration::ZERO,
            window: ASKED_FIRST,
            late_until: Duration::ZERO,
            meter: Meter::default(),
        }
    }
}

impl Borrowed {
    fn is_late(&self, now: Duration) -> bool {
        now < self.late_until
    }

    fn set_late(&mut self, now: Duration) {
        self.asked.clear();
        (self.late_until, self.window) = (now + LATE_FOR, 1);
    }
}

/// What the sender said of ranges that others have.
#[derive(Debug, Default)]
pub(super) struct Hashes {
    known: BTreeMap<u64, [u8; 32]>,
    numbers: SpanSet,
    /// Asked for, and when.
    asked: Option<(SpanSet, Duration)>,
    /// Those that the sender did not know, and until when that is believed.
    unknown: SpanSet,
    unknown_until: Duration,
}

impl Hashes {
    fn forget(&mut self, range: u64) {
        self.known.remove(&range);
        self.numbers.remove(range);
    }

    /// Asks for those of `need` that are not here, when there are few.
    fn ask(&mut self, need: &SpanSet, from: u64, now: Duration) -> Option<Vec<Span>> {
        if self.unknown_until <= now {
            self.unknown = SpanSet::default();
        }
        if self.asked.as_ref().is_some_and(|(_, at)| now < *at + HASHES_AGAIN) {
            return None;
        }
        let mut at_hand = self.numbers.clone();
        at_hand.retain_all(need);
        if at_hand.count() >= HASHES_LEAST {
            return None;
        }
        // What is at hand and not needed now may be so again, but not without end.
        if self.known.len() > 2 * SWARM_RANGES_MAX {
            self.numbers = at_hand;
            self.known.retain(|range, _| self.numbers.contains(*range));
        }
        let lacking = without(&without(need, &self.numbers), &self.unknown).some_from(from, SWARM_RANGES_MAX);
        if lacking.is_empty() {
            return None;
        }
        let spans = lacking.spans(SWARM_RANGES_MAX);
        self.asked = Some((lacking, now));
        Some(spans)
    }
}

impl Member {
    /// Others who give what they have and are not late.
    pub(super) fn helpers(&self, now: Duration) -> impl Iterator<Item = (&LinkId, &Other)> {
        let helps = move |other: &Other| {
            other.lends && !other.borrowed.is_late(now) && !self.liars.contains(&other.address)
        };
        self.others.iter().filter(move |(_, other)| helps(other))
    }

    /// Where this receiver begins, so that not all begin at the same place.
    fn first_of(&self, ranges: u64) -> u64 {
        let [a, b, c, d, ..] = *self.transfer.as_bytes();
        u64::from(u32::from_be_bytes([a, b, c, d])).checked_rem(ranges).unwrap_or(0)
    }

    /// Asks others for ranges, and the sender for their hashes.
    pub(super) fn borrow(&mut self, own: &Own, step: &mut Step<'_>) {
        let now = step.now.monotonic;
        let (Some(sender), true) = (own.sender, own.borrows && !own.wanted.is_empty()) else {
            self.heard_at = now;
            return;
        };
        self.judge(now);
        let mut need = SpanSet::default();
        self.others.values().filter(|other| other.lends).for_each(|other| need.insert_all(&other.have));
        need.retain_all(&own.wanted);
        for range in self.others.values().flat_map(|other| &other.borrowed.asked) {
            need.remove(*range);
        }
        let from = self.first_of(own.ranges);
        if let Some(spans) = self.hashes.ask(&need, from, now) {
            let ranges = List::new(spans).unwrap_or_default();
            let frame = TransferFrame::AskHashes { transfer: self.transfer, ranges };
            step.out.push(TransferEffect::SendFrame { link: sender, frame });
        }
        need.retain_all(&self.hashes.numbers);
        self.ask_others(need, from, step);
    }

    /// Who was asked and sends nothing is late, and when nothing comes from anybody all are.
    fn judge(&mut self, now: Duration) {
        let is_stalled = now >= self.heard_at + LATE_AFTER;
        if is_stalled {
            self.heard_at = now;
        }
        for borrowed in self.others.values_mut().map(|other| &mut other.borrowed) {
            if is_stalled || !borrowed.asked.is_empty() && now >= borrowed.since + LATE_AFTER {
                borrowed.set_late(now);
            }
        }
    }

    fn ask_others(&mut self, mut need: SpanSet, from: u64, step: &mut Step<'_>) {
        let now = step.now.monotonic;
        let links: Vec<LinkId> = self.others.keys().copied().collect();
        for link in links {
            let held: Vec<SpanSet> = self
                .others
                .iter()
                .filter(|(id, other)| **id != link && other.lends)
                .map(|(_, other)| other.have.clone())
                .collect();
            let held: Vec<&SpanSet> = held.iter().collect();
            let Some(other) = self.others.get_mut(&link) else { continue };
            if !other.lends || self.liars.contains(&other.address) {
                continue;
            }
            let mut candidates = other.have.clone();
            candidates.retain_all(&need);
            let mut asked = Vec::new();
            if other.borrowed.asked.is_empty() {
                other.borrowed.since = now;
                other.borrowed.meter.start(now);
            }
            while other.borrowed.asked.len() < other.borrowed.window
                && let Some(range) = rarest(&candidates, &held, from)
                && let Some(hash) = self.hashes.known.get(&range)
            {
                candidates.remove(range);
                need.remove(range);
                other.borrowed.asked.insert(range);
                asked.push((range, *hash));
            }
            if asked.is_empty() {
                continue;
            }
            let mut spans = SpanSet::default();
            asked.iter().for_each(|(range, _)| spans.insert(*range));
            let (transfer, swarm) = (self.transfer, self.swarm.id);
            // First the shell must know what to let in.
            step.out.push(TransferEffect::Job(TransferJob::Borrow { transfer, link, ranges: asked }));
            let ranges = List::new(spans.spans(ASKED_MAX)).unwrap_or_default();
            let frame = SwarmFrame::Want { swarm, transfer, ranges };
            step.out.push(TransferEffect::SendSwarm { link, frame });
        }
    }

    /// The sender told hashes.
    pub(super) fn handle_hashes(&mut self, ranges: &[Span], hashes: &[[u8; 32]], now: Now) {
        // Only what was asked for, so that it cannot grow by more than one answer.
        let Some((mut asked, _)) = self.hashes.asked.take() else { return };
        for (range, hash) in
            SpanSet::from_spans(ranges, u64::MAX).iter().flat_map(|span| span.start..span.end).zip(hashes)
        {
            if asked.remove(range) {
                self.hashes.known.insert(range, *hash);
                self.hashes.numbers.insert(range);
            }
        }
        if self.hashes.unknown.is_empty() {
            self.hashes.unknown_until = now.monotonic + HASHES_AGAIN;
        }
        self.hashes.unknown.insert_all(&asked);
    }

    /// A range is here, verified, whoever sent it.
    pub(super) fn handle_here(&mut self, range: u64, now: Duration) {
        self.heard_at = now;
        self.hashes.forget(range);
        for other in self.others.values_mut() {
            other.borrowed.asked.remove(&range);
        }
    }

    /// What another one was asked for has come, or has not. Whether it was worth something, and who sent it.
    pub(super) fn handle_borrowed(
        &mut self,
        (link, range): (LinkId, u64),
        result: &Result<u64, TransferFault>,
        step: &mut Step<'_>,
    ) {
        let Some(other) = self.others.get_mut(&link) else { return };
        other.borrowed.asked.remove(&range);
        match result {
            Ok(bytes) => {
                let borrowed = &mut other.borrowed;
                borrowed.since = step.now.monotonic;
                borrowed.window = (borrowed.window + 1).min(ASKED_MAX);
                borrowed.meter.add(*bytes, step.now.monotonic);
                self.got.insert(range);
            }
            Err(TransferFault::Peer(_)) => {
                other.borrowed.asked.clear();
                self.liars.insert(other.address.clone());
                let transfer = self.transfer;
                step.out.push(TransferEffect::Job(TransferJob::Refuse { transfer, link }));
            }
            Err(TransferFault::Stalled) => other.borrowed.set_late(step.now.monotonic),
            Err(
                TransferFault::LinkLost
                | TransferFault::Stopped
                | TransferFault::Differs
                | TransferFault::Disk(_)
                | TransferFault::Lasting(_)
                | TransferFault::Changed(_),
            ) => {}
        }
    }

    /// When to look again at who is late.
    pub(super) fn borrow_wakes(&self, own: &Own) -> impl Iterator<Item = Duration> {
        let is_borrowing = own.borrows && own.sender.is_some() && !own.wanted.is_empty();
        let late = self.others.values().filter(|other| !other.borrowed.asked.is_empty());
        let late: Vec<Duration> = late.map(|other| other.borrowed.since + LATE_AFTER).collect();
        let again = self.others.values().map(|other| other.borrowed.late_until);
        let hashes = self.hashes.asked.as_ref().map(|(_, at)| *at + HASHES_AGAIN);
        let unknown = (!self.hashes.unknown.is_empty()).then_some(self.hashes.unknown_until);
        let stalled = self.heard_at + LATE_AFTER;
        let wakes = late.into_iter().chain(again).chain(hashes).chain(unknown).chain([stalled]);
        wakes.filter(move |_| is_borrowing).collect::<Vec<_>>().into_iter()
    }
}
