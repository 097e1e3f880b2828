//! Which limits hold now, and who must know them: what we send is shaped here, and each sender is told what it may send to us.

use std::collections::BTreeMap;
use std::time::Duration;

use hobnob_wire::Address;

use super::TransferEffect;
use super::job::TransferJob;
use super::limits::{Limits, Rates, Share, shares};
use super::shaper::Limited;
use crate::core::input::LinkId;
use crate::core::time::Now;

/// How often a limit of all that is received is divided anew, by what each link can use.
const DIVIDE_EVERY: Duration = Duration::from_secs(1);
/// A link must have had its part for so long before what it used of it counts: rates look back as far.
const USED_AFTER: Duration = Duration::from_secs(2);
/// A link that uses little now may always begin to use this much: 64 KiB/s.
const LINK_LEAST: u64 = 64 << 10;

/// A link over which something is received now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) link: LinkId,
    pub(super) peer: Address,
    /// Of all transfers on it.
    pub(super) weight: u64,
    /// Bytes per second now.
    pub(super) rate: u64,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    bytes_per_s: u64,
    since: Duration,
}

/// The limits, and what was told of them.
#[derive(Debug, Default)]
pub(super) struct Valve {
    limits: Limits,
    utc_offset_s: i32,
    /// What the shaper keeps to.
    up: BTreeMap<Limited, u64>,
    /// What senders were told.
    down: BTreeMap<LinkId, Told>,
    /// Links that use less than their part, and what they may use.
    used: BTreeMap<LinkId, u64>,
    /// When the schedule may change something.
    hour_at: Option<Duration>,
    /// When to divide anew.
    divide_at: Option<Duration>,
}

impl Valve {
    /// The user's limits have changed.
    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The clock on the wall has changed: seconds east of UTC.
    pub(super) const fn set_utc_offset(&mut self, seconds: i32) {
        self.utc_offset_s = seconds;
    }

    /// What a link's other side asked for.
    pub(super) fn handle_pace(link: LinkId, bytes_per_s: u64, out: &mut Vec<TransferEffect>) {
        out.push(limit(Limited::Link(link), bytes_per_s));
    }

    /// A link is gone.
    pub(super) fn handle_link_down(&mut self, link: LinkId, out: &mut Vec<TransferEffect>) {
        self.down.remove(&link);
        out.push(limit(Limited::Link(link), 0));
    }

    /// When to call [`Valve::apply`] again.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.hour_at.into_iter().chain(self.divide_at).min()
    }

    /// Tells shaper and senders what has changed.
    pub(super) fn apply(&mut self, receipts: &[Receipt], now: Now, out: &mut Vec<TransferEffect>) {
        let offset_ms = i64::from(self.utc_offset_s) * 1_000;
        let local_ms = now.unix_ms.saturating_add_signed(offset_ms);
        let wait = self.limits.next_change_ms(local_ms);
        self.hour_at = wait.map(|wait| now.monotonic + Duration::from_millis(wait));
        let total = self.limits.total(local_ms);
        self.apply_up(total, out);
        self.apply_down(total, receipts, now.monotonic, out);
    }

    fn apply_up(&mut self, total: Rates, out: &mut Vec<TransferEffect>) {
        let peers = self.limits.peers.iter().map(|(peer, rates)| (Limited::Peer(peer.clone()), rates.up));
        let wanted: BTreeMap<Limited, u64> =
            peers.chain([(Limited::Total, total.up)]).filter(|(_, rate)| *rate > 0).collect();
        let lifted = self.up.keys().filter(|of| !wanted.contains_key(of));
        out.extend(lifted.map(|of| limit(of.clone(), 0)));
        let changed = wanted.iter().filter(|(of, rate)| self.up.get(of) != Some(rate));
        out.extend(changed.map(|(of, rate)| limit(of.clone(), *rate)));
        self.up = wanted;
    }

    fn apply_down(
        &mut self,
        total: Rates,
        receipts: &[Receipt],
        now: Duration,
        out: &mut Vec<TransferEffect>,
    ) {
        self.used.retain(|link, _| receipts.iter().any(|receipt| receipt.link == *link));
        // What links use is looked at only now and then, or every input would move all parts a little.
        if self.divide_at.is_none_or(|at| at <= now) {
            self.used = receipts.iter().filter_map(|receipt| self.uses_less(receipt, now)).collect();
        }
        let divided = total.down > 0 && receipts.len() > 1;
        let at = self.divide_at.filter(|at| *at > now).unwrap_or(now + DIVIDE_EVERY);
        self.divide_at = divided.then_some(at);
        let all: Vec<Share> = receipts.iter().map(|receipt| self.share(receipt, receipts)).collect();
        for (receipt, bytes_per_s) in receipts.iter().zip(shares(total.down, &all)) {
            let told = self.down.get(&receipt.link).map_or(0, |told| told.bytes_per_s);
            if told != bytes_per_s {
                self.down.insert(receipt.link, Told { bytes_per_s, since: now });
                out.push(TransferEffect::PaceLink { link: receipt.link, bytes_per_s });
            }
        }
    }

    /// A link that leaves a part of what it may use, and what it may use instead.
    fn uses_less(&self, receipt: &Receipt, now: Duration) -> Option<(LinkId, u64)> {
        let told = self.down.get(&receipt.link)?;
        let is_steady = now.saturating_sub(told.since) >= USED_AFTER || self.used.contains_key(&receipt.link);
        let uses_less = receipt.rate < told.bytes_per_s / 10 * 9;
        (is_steady && uses_less).then(|| (receipt.link, (receipt.rate / 4 * 5).max(LINK_LEAST)))
    }

    fn share(&self, receipt: &Receipt, all: &[Receipt]) -> Share {
        let links = all.iter().filter(|other| other.peer == receipt.peer).count().max(1) as u64;
        let own = match self.limits.peer(&receipt.peer).down {
            0 => None,
            down => Some((down / links).max(1)),
        };
        let used = self.used.get(&receipt.link).copied();
        Share { weight: receipt.weight, most: own.into_iter().chain(used).min().unwrap_or(0) }
    }
}

fn limit(of: Limited, bytes_per_s: u64) -> TransferEffect {
    TransferEffect::Job(TransferJob::Limit { of, bytes_per_s })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(number: u64, rate: u64) -> Receipt {
        Receipt {
            link: LinkId(number),
            peer: format!("p{number}@localhost").parse().unwrap(),
            weight: 1,
            rate,
        }
    }

    fn at(seconds: u64) -> Now {
        Now { monotonic: Duration::from_secs(seconds), unix_ms: seconds * 1_000 }
    }

    fn told(valve: &mut Valve, receipts: &[Receipt], now: Now) -> Vec<(u64, u64)> {
        let mut out = Vec::new();
        valve.apply(receipts, now, &mut out);
        let told = |effect: &TransferEffect| {
            let TransferEffect::PaceLink { link, bytes_per_s } = effect else { return None };
            Some((link.0, *bytes_per_s))
        };
        out.iter().filter_map(told).collect()
    }

    #[test]
    fn senders_are_told_their_parts_and_what_one_does_not_use_goes_to_the_other() {
        let mut valve = Valve::default();
        valve.set_limits(Limits::new(Rates { up: 0, down: 10_000_000 }, BTreeMap::new(), 8));
        assert_eq!(told(&mut valve, &[receipt(1, 0)], at(0)), [(1, 10_000_000)]);
        let both = [receipt(1, 0), receipt(2, 0)];
        assert_eq!(told(&mut valve, &both, at(1)), [(1, 5_000_000), (2, 5_000_000)]);
        // Too early to know.
        assert_eq!(told(&mut valve, &[receipt(1, 5_000_000), receipt(2, 0)], at(2)), []);
        let slow = [receipt(1, 5_000_000), receipt(2, 800_000)];
        assert_eq!(told(&mut valve, &slow, at(4)), [(1, 9_000_000), (2, 1_000_000)]);
        assert_eq!(valve.deadline(), Some(Duration::from_secs(5)));
        // Now it uses what it may, so it may use more.
        let quick = [receipt(1, 9_000_000), receipt(2, 1_000_000)];
        assert_eq!(told(&mut valve, &quick, at(5)), [(1, 5_000_000), (2, 5_000_000)]);
        valve.set_limits(Limits::default());
        assert_eq!(told(&mut valve, &quick, at(6)), [(1, 0), (2, 0)]);
        assert_eq!(valve.deadline(), None);
    }

    #[test]
    fn the_schedule_follows_the_clock_on_the_wall() {
        let mut valve = Valve::default();
        valve.set_limits(Limits::default().with_schedule("08:00-18:00 up=5 down=6"));
        valve.set_utc_offset(2 * 3_600);
        let mut out = Vec::new();
        valve.apply(&[receipt(1, 0)], at(6 * 3_600 - 60), &mut out);
        assert_eq!(out, []);
        assert_eq!(valve.deadline(), Some(Duration::from_secs(6 * 3_600)));
        valve.apply(&[receipt(1, 0)], at(6 * 3_600), &mut out);
        assert_eq!(
            out,
            [limit(Limited::Total, 5), TransferEffect::PaceLink { link: LinkId(1), bytes_per_s: 6 }]
        );
    }

    #[test]
    fn a_contact_has_its_limit_whatever_the_number_of_its_links() {
        let mut valve = Valve::default();
        let two = [1, 2].map(|number| Receipt { link: LinkId(number), ..receipt(7, 0) });
        let peers = [(two[0].peer.clone(), Rates { up: 3, down: 100 })].into();
        valve.set_limits(Limits::new(Rates::default(), peers, 8));
        let mut out = Vec::new();
        valve.apply(&two, at(0), &mut out);
        let pace = |number| TransferEffect::PaceLink { link: LinkId(number), bytes_per_s: 50 };
        assert_eq!(out, [limit(Limited::Peer(two[0].peer.clone()), 3), pace(1), pace(2)]);
    }
}
