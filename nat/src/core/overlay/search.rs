//! The distributed hash table: under which tags to be found, and whom to look for when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use hobnob_wire::DeviceId;
use hobnob_wire::overlay::{PairSecret, Tag};

use super::Output;

/// Tags that one device is found under at a time.
const PROVIDED_MAX: usize = 256;

/// Searches at a time.
const SEARCHES_MAX: usize = 4;

/// Nodes that are asked because one search named them. Whoever forges more gains nothing.
const PROVIDERS_MAX: u32 = 4;

/// A device that was not found is looked for again after this time, in which one that starts together with this one becomes
/// known to the table; doubles with each further search.
const SEARCH_WAIT: Duration = Duration::from_secs(5);

/// Longest wait between two searches for a device.
const SEARCH_LONGEST: Duration = Duration::from_secs(900);

/// A device for which a signal waits is looked for again after this time.
const WANTED_WAIT: Duration = Duration::from_secs(10);

/// When a device is looked for.
#[derive(Clone, Copy, Debug)]
struct Want {
    /// `None` while it is here.
    next: Option<Duration>,
    last: Duration,
    wait: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Search {
    /// Days whose tags are looked for; the first is today. None when the table is not used.
    days: Vec<u32>,
    wants: BTreeMap<DeviceId, Want>,
    /// Searches under way: for whom, and how many nodes each has named.
    running: BTreeMap<Tag, (DeviceId, u32)>,
    /// The tags to be found under have changed.
    stale: bool,
}

impl Search {
    pub(super) fn begin(&mut self, days: &[u32]) {
        self.stale |= self.days.first() != days.first();
        self.days = days.to_vec();
    }

    /// Whom to find and to be found by.
    pub(super) fn set(&mut self, devices: impl Iterator<Item = DeviceId>, now: Duration) {
        let devices: BTreeSet<DeviceId> = devices.collect();
        self.wants.retain(|device, _| devices.contains(device));
        for device in devices {
            self.wants.entry(device).or_insert(Want { next: Some(now), last: now, wait: SEARCH_WAIT });
        }
        self.stale = true;
    }

    pub(super) fn met(&mut self, device: DeviceId) {
        if let Some(want) = self.wants.get_mut(&device) {
            want.next = None;
        }
    }

    pub(super) fn lost(&mut self, device: DeviceId) {
        if let Some(want) = self.wants.get_mut(&device) {
            *want = Want { next: Some(want.last + WANTED_WAIT), wait: SEARCH_WAIT, ..*want };
        }
    }

    /// A signal waits for a device.
    pub(super) fn wanted(&mut self, device: DeviceId, now: Duration) {
        if let Some(want) = self.wants.get_mut(&device) {
            want.wait = SEARCH_WAIT;
            want.next = want.next.map(|next| next.min(now.max(want.last + WANTED_WAIT)));
        }
    }

    /// For whom a search is that named one more node; `None` when it has named enough.
    pub(super) fn take_provider(&mut self, tag: &Tag) -> Option<DeviceId> {
        let (device, named) = self.running.get_mut(tag)?;
        *named += 1;
        (*named <= PROVIDERS_MAX).then_some(*device)
    }

    pub(super) fn ended(&mut self, tag: &Tag) {
        self.running.remove(tag);
    }

    pub(super) fn advance(
        &mut self,
        secrets: &BTreeMap<DeviceId, PairSecret>,
        own: DeviceId,
        now: Duration,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(today) = self.days.first() else {
            return;
        };
        if std::mem::take(&mut self.stale) {
            let tags = secrets.values().take(PROVIDED_MAX).map(|secret| secret.tag(*today, own));
            outputs.push_back(Output::Provide(tags.collect()));
        }
        for (device, want) in &mut self.wants {
            let Some(secret) = secrets.get(device) else {
                continue;
            };
            if self.running.len() >= SEARCHES_MAX || want.next.is_none_or(|next| next > now) {
                continue;
            }
            *want =
                Want { next: Some(now + want.wait), last: now, wait: (want.wait * 2).min(SEARCH_LONGEST) };
            for day in &self.days {
                let tag = secret.tag(*day, *device);
                self.running.insert(tag, (*device, 0));
                outputs.push_back(Output::Find(tag));
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        if self.days.is_empty() || self.running.len() >= SEARCHES_MAX {
            return None;
        }
        self.wants.values().filter_map(|want| want.next).min()
    }
}
