//! One receiver of a send to several: who else is there, what they know of each other, and who helps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hobnob_wire::bounded::List;
use hobnob_wire::limits::WANT_SPANS_MAX;
use hobnob_wire::swarm::{MemberMark, Swarm, SwarmFrame};
use hobnob_wire::transfer::{Span, TransferFrame};
use hobnob_wire::{Address, SwarmId, TransferId};

use super::borrowing::{Borrowed, Hashes};
use super::lending::Loan;
use crate::core::input::LinkId;
use crate::core::time::Now;
use crate::core::transfer::backoff::Backoff;
use crate::core::transfer::record::TransferRecord;
use crate::core::transfer::valve::Receipt;
use crate::core::transfer::{SpanSet, Step, TransferEffect, TransferJob};

/// Least time between two tellings of what has come. Ranges come by the dozen on a quick line.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// How long the sender is told to count on those who are not linked yet: a link takes a second at most.
const EXPECTED_FOR: Duration = Duration::from_secs(3);
/// Least time between two questions to the sender because others failed.
const ASK_AGAIN_EVERY: Duration = Duration::from_secs(1);
/// Spans that one other may name; what is more is not remembered.
const HAVE_SPANS_MAX: usize = 4 * WANT_SPANS_MAX;

/// How the own transfer stands.
#[derive(Debug, Default)]
pub(in crate::core::transfer) struct Own {
    /// Whether it takes part: wanted and not paused, or here.
    pub(in crate::core::transfer) active: bool,
    /// The link to the sender.
    pub(in crate::core::transfer) sender: Option<LinkId>,
    /// Whether others may be asked for ranges now.
    pub(in crate::core::transfer) borrows: bool,
    /// What is verified here.
    pub(in crate::core::transfer) here: SpanSet,
    /// What is not, and is to come.
    pub(in crate::core::transfer) wanted: SpanSet,
    /// Ranges in all; 0 while that is not known.
    pub(in crate::core::transfer) ranges: u64,
    /// Its share beside others.
    pub(in crate::core::transfer) weight: u32,
}

/// Another member, on the link to one of its devices.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) address: Address,
    pub(super) mark: MemberMark,
    /// Whether it has said anything.
    spoke: bool,
    /// Whether it has said that it gives what it has.
    pub(super) lends: bool,
    pub(super) have: SpanSet,
    pub(super) borrowed: Borrowed,
    pub(super) loan: Loan,
}

/// One receiver of a send to several.
#[derive(Debug)]
pub(in crate::core::transfer) struct Member {
    pub(super) transfer: TransferId,
    pub(super) swarm: Swarm,
    pub(super) sealed: bool,
    /// Members whom this device knows.
    known: BTreeMap<Address, MemberMark>,
    pub(super) others: BTreeMap<LinkId, Other>,
    /// Who sent other bytes than the sender says; asked for nothing any more.
    pub(super) liars: BTreeSet<Address>,
    /// Known members without a link, and when to look for them.
    seeking: BTreeMap<Address, (Backoff, Duration)>,
    active: bool,
    /// Whether others were told that they get ranges here.
    lends: bool,
    /// Whether what is here could not be read.
    pub(super) is_broken: bool,
    /// What others were told is here.
    told: SpanSet,
    told_at: Duration,
    /// What came from others and the sender does not know of.
    pub(super) got: SpanSet,
    /// Who helps, as the sender was told on this link.
    helped: Option<(LinkId, BTreeSet<MemberMark>)>,
    expected_until: Option<Duration>,
    /// When bytes came last, from anybody.
    pub(super) heard_at: Duration,
    pub(super) hashes: Hashes,
    /// When it is over here, ranges and until when others get them.
    ended: Option<(u64, Duration)>,
    /// When the sender was asked again because of others.
    asked_again_at: Option<Duration>,
    wake: Option<Duration>,
}

impl Member {
    pub(super) fn new(record: &TransferRecord, swarm: Swarm) -> Self {
        Self {
            transfer: record.id,
            swarm,
            sealed: record.sealed,
            known: BTreeMap::new(),
            others: BTreeMap::new(),
            liars: BTreeSet::new(),
            seeking: BTreeMap::new(),
            active: false,
            lends: false,
            is_broken: false,
            told: SpanSet::default(),
            told_at: Duration::ZERO,
            got: SpanSet::default(),
            helped: None,
            expected_until: None,
            heard_at: Duration::ZERO,
            hashes: Hashes::default(),
            ended: None,
            asked_again_at: None,
            wake: None,
        }
    }

    pub(super) const fn swarm(&self) -> SwarmId {
        self.swarm.id
    }

    /// This account is known, and a member if its mark is among those of the offer.
    pub(super) fn meet(&mut self, address: Address, mark: MemberMark) {
        if self.swarm.members.contains(&mark) {
            self.known.insert(address, mark);
        }
    }

    /// A link came up.
    pub(super) fn handle_link_up(&mut self, link: LinkId, address: &Address, own: &Own, step: &mut Step<'_>) {
        self.seeking.remove(address);
        let Some(mark) = self.known.get(address).filter(|_| self.active) else { return };
        let loan = Loan::new(self.transfer, link);
        let other = Other {
            address: address.clone(),
            mark: *mark,
            spoke: false,
            lends: false,
            have: SpanSet::default(),
            borrowed: Borrowed::default(),
            loan,
        };
        self.others.insert(link, other);
        self.tell(&[link], true, &own.here, step.out);
    }

    /// A link is gone.
    pub(super) fn handle_link_down(&mut self, link: LinkId, step: &mut Step<'_>) {
        if let Some(other) = self.others.remove(&link) {
            other.loan.end(step.out);
            self.seeking.insert(other.address, (Backoff::default(), step.now.monotonic));
        }
        self.helped.take_if(|(told_on, _)| *told_on == link);
    }

    /// Another member says something.
    pub(super) fn handle_frame(&mut self, link: LinkId, frame: SwarmFrame, own: &Own, step: &mut Step<'_>) {
        let Some(other) = self.others.get_mut(&link) else { return };
        match frame {
            SwarmFrame::Have { hello, lends, ranges, .. } => {
                if hello {
                    other.have = SpanSet::default();
                }
                (other.spoke, other.lends) = (true, lends);
                if other.have.gaps() + ranges.len() <= HAVE_SPANS_MAX {
                    other.have.insert_all(&SpanSet::from_spans(&ranges, u64::MAX));
                }
                if hello {
                    self.tell(&[link], false, &own.here, step.out);
                }
            }
            SwarmFrame::Want { transfer, ranges, .. } if self.lends => {
                other.loan.want(transfer, &ranges, &own.here);
            }
            SwarmFrame::Want { .. } => {}
            SwarmFrame::Leave { .. } => {
                (other.lends, other.have) = (false, SpanSet::default());
                other.borrowed = Borrowed::default();
                other.loan.end(step.out);
                other.loan = Loan::new(self.transfer, link);
            }
        }
    }

    /// All of it is here and in place; others get it for a while.
    pub(super) const fn end(&mut self, ranges: u64, until: Duration) {
        self.ended = Some((ranges, until));
    }

    /// How it stands when the own transfer is over; `None` while that is not, or when nobody gets it any more.
    pub(super) fn ended(&self) -> Option<Own> {
        let (ranges, _) = self.ended?;
        Some(Own { active: true, here: SpanSet::below(ranges), ranges, weight: 1, ..Own::default() })
    }

    /// Whether it is over here for good.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.ended.is_none_or(|(_, until)| until <= now)
    }

    /// Whether the sender may be asked again because others failed: they may all fail at once.
    pub(super) fn may_ask_again(&mut self, now: Duration) -> bool {
        let may = self.asked_again_at.is_none_or(|at| at + ASK_AGAIN_EVERY <= now);
        if may {
            self.asked_again_at = Some(now);
        }
        may
    }

    /// When to look at it again.
    pub(in crate::core::transfer) const fn deadline(&self) -> Option<Duration> {
        self.wake
    }

    /// Whether a link must stay for it.
    pub(in crate::core::transfer) fn uses(&self, link: LinkId) -> bool {
        self.others
            .get(&link)
            .is_some_and(|other| !other.borrowed.asked.is_empty() || other.loan.is_at_work())
    }

    /// Does what is due. `links` are all that are up.
    pub(super) fn proceed(
        &mut self,
        own: &Own,
        (links, lends): (&[(LinkId, Address)], bool),
        step: &mut Step<'_>,
    ) {
        let now = step.now.monotonic;
        let lends = lends && !self.is_broken;
        if self.active != own.active {
            self.set_active(own, (links, lends), step);
        }
        if !self.active {
            self.wake = None;
            return;
        }
        if lends != self.lends || !without(&self.told, &own.here).is_empty() {
            if lends != self.lends {
                self.lends = lends;
                self.share(lends, step.out);
            }
            let all: Vec<LinkId> = self.others.keys().copied().collect();
            self.tell(&all, true, &own.here, step.out);
        }
        if own.sender.is_none() {
            (self.expected_until, self.helped) = (None, None);
        } else if self.expected_until.is_none() {
            self.expected_until = Some(now + EXPECTED_FOR);
        }
        self.seek(own, step);
        self.tell_helped(own, step);
        self.tell_news(own, step);
        self.borrow(own, step);
        if self.lends {
            self.lend(own.weight, step.out);
        }
        self.wake = self.next_wake(own, now);
    }

    fn set_active(&mut self, own: &Own, (links, lends): (&[(LinkId, Address)], bool), step: &mut Step<'_>) {
        self.active = own.active;
        self.lends = lends;
        self.told = SpanSet::default();
        self.share(own.active && lends, step.out);
        if own.active {
            self.heard_at = step.now.monotonic;
            let now = step.now.monotonic;
            self.seeking =
                self.known.keys().map(|address| (address.clone(), (Backoff::default(), now))).collect();
            for (link, address) in links {
                self.handle_link_up(*link, address, own, step);
            }
        } else {
            self.leave(step.out);
        }
    }

    fn share(&self, share: bool, out: &mut Vec<TransferEffect>) {
        out.push(TransferEffect::Job(TransferJob::Share { transfer: self.transfer, share }));
    }

    /// Takes no part any more.
    pub(super) fn leave(&mut self, out: &mut Vec<TransferEffect>) {
        for (link, other) in std::mem::take(&mut self.others) {
            let frame = SwarmFrame::Leave { swarm: self.swarm.id };
            out.push(TransferEffect::SendSwarm { link, frame });
            out.push(TransferEffect::Job(TransferJob::Refuse { transfer: self.transfer, link }));
            other.loan.end(out);
        }
        self.seeking.clear();
        (self.expected_until, self.helped) = (None, None);
    }

    /// Tells others what is here.
    fn tell(&mut self, links: &[LinkId], hello: bool, here: &SpanSet, out: &mut Vec<TransferEffect>) {
        let given = if self.lends { here.spans(HAVE_SPANS_MAX) } else { Vec::new() };
        let mut hello = hello;
        // One frame at least, so that the other one knows of us.
        let first: &[Span] = &[];
        let chunks = given.chunks(WANT_SPANS_MAX).chain(given.is_empty().then_some(first));
        for chunk in chunks {
            for link in links {
                out.push(self.have(*link, hello, chunk));
            }
            hello = false;
        }
        self.told = SpanSet::from_spans(&given, u64::MAX);
    }

    fn have(&self, link: LinkId, hello: bool, ranges: &[Span]) -> TransferEffect {
        let ranges = List::new(ranges.to_vec()).unwrap_or_default();
        let frame = SwarmFrame::Have { swarm: self.swarm.id, hello, lends: self.lends, ranges };
        TransferEffect::SendSwarm { link, frame }
    }

    /// Looks for members without a link.
    fn seek(&mut self, own: &Own, step: &mut Step<'_>) {
        if !own.borrows || own.wanted.is_empty() {
            return;
        }
        let linked: BTreeSet<Address> = self.others.values().map(|other| other.address.clone()).collect();
        for (address, (backoff, at)) in &mut self.seeking {
            if *at <= step.now.monotonic && !linked.contains(address) && !self.liars.contains(address) {
                *at = backoff.next(step.now.monotonic);
                step.out.push(TransferEffect::NeedLinks { address: address.clone() });
            }
        }
    }

    /// Tells the sender who helps, when that has changed.
    fn tell_helped(&mut self, own: &Own, step: &mut Step<'_>) {
        let Some(link) = own.sender else { return };
        let now = step.now.monotonic;
        let mut by: BTreeSet<MemberMark> = BTreeSet::new();
        if own.borrows {
            by.extend(self.helpers(now).map(|(_, other)| other.mark));
            if self.expected_until.is_some_and(|until| now < until) {
                let is_open = |address: &Address| {
                    !self.liars.contains(address)
                        && !self.others.values().any(|other| other.spoke && other.address == *address)
                };
                by.extend(self.known.iter().filter(|(address, _)| is_open(address)).map(|(_, mark)| *mark));
            }
        }
        let told = self.helped.as_ref().filter(|(told_on, _)| *told_on == link).map(|(_, by)| by);
        if told.map_or(by.is_empty(), |told| *told == by) {
            return;
        }
        let marks = List::new(by.iter().copied().collect()).unwrap_or_default();
        let frame = TransferFrame::Helped { transfer: self.transfer, by: marks };
        step.out.push(TransferEffect::SendFrame { link, frame });
        self.helped = Some((link, by));
    }

    /// Tells others what has come, and the sender what has come from others.
    fn tell_news(&mut self, own: &Own, step: &mut Step<'_>) {
        let now = step.now.monotonic;
        if now < self.told_at + TELL_EVERY {
            return;
        }
        let news = without(&own.here, &self.told);
        if self.lends && !news.is_empty() && !self.others.is_empty() {
            self.told_at = now;
            let some = news.spans(WANT_SPANS_MAX);
            for link in self.others.keys() {
                step.out.push(self.have(*link, false, &some));
            }
            self.told.insert_all(&SpanSet::from_spans(&some, u64::MAX));
        }
        if let Some(link) = own.sender.filter(|_| !self.got.is_empty()) {
            self.told_at = now;
            let ranges = self.got.spans(WANT_SPANS_MAX);
            self.got.remove_all(&SpanSet::from_spans(&ranges, u64::MAX));
            let ranges = List::new(ranges).unwrap_or_default();
            let frame = TransferFrame::Got { transfer: self.transfer, ranges };
            step.out.push(TransferEffect::SendFrame { link, frame });
        }
    }

    fn next_wake(&self, own: &Own, now: Duration) -> Option<Duration> {
        let has_news = !self.got.is_empty() && own.sender.is_some()
            || self.lends && !self.others.is_empty() && !without(&own.here, &self.told).is_empty();
        let news = has_news.then(|| self.told_at + TELL_EVERY);
        let is_seeking = own.borrows && !own.wanted.is_empty();
        let seeking = self.seeking.values().filter(|_| is_seeking).map(|(_, at)| *at).min();
        let ended = self.ended.map(|(_, until)| until);
        [news, seeking, ended, self.expected_until]
            .into_iter()
            .flatten()
            .chain(self.borrow_wakes(own))
            .filter(|at| *at > now)
            .min()
    }

    /// Links over which ranges come from others now.
    pub(super) fn receipts(&mut self, weight: u32, now: Now) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for (link, other) in self.others.iter_mut().filter(|(_, other)| !other.borrowed.asked.is_empty()) {
            receipts.push(Receipt {
                link: *link,
                peer: other.address.clone(),
                weight: weight.into(),
                rate: other.borrowed.meter.rate(now.monotonic),
            });
        }
        receipts
    }
}

/// What is in one set and not in another.
pub(super) fn without(set: &SpanSet, other: &SpanSet) -> SpanSet {
    let mut rest = set.clone();
    rest.remove_all(other);
    rest
}
