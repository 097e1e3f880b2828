//! When bytes may go under limits that stand above one another: in total, for a contact, on a link, for a transfer.
//!
//! Whoever has bytes asks for a portion and gets a ticket; [`Shaper::grant`] says which tickets may go. Among transfers
//! that could go, the one that has had the least for its weight goes first, so that they share whatever limit they have in common
//! by weight, and none waits forever (start-time fair queueing, Goyal et al. 1996).

mod bucket;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hobnob_wire::{Address, TransferId};

use self::bucket::Bucket;
use crate::core::input::LinkId;

/// What a limit is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limited {
    /// Everything that this device sends.
    Total,
    /// Everything to one contact.
    Peer(Address),
    /// Everything on one link: what its other side asked for.
    Link(LinkId),
    /// One transfer.
    Transfer(TransferId),
}

/// A transfer whose bytes are to go under limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Which.
    pub transfer: TransferId,
    /// To whom.
    pub peer: Address,
    /// On which link.
    pub link: LinkId,
    /// Its share beside others; at least 1.
    pub weight: u32,
}

/// Bytes that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// Fixed-point factor of virtual time: a byte of weight 1.
const SCALE: u128 = 1 << 20;

#[derive(Debug)]
struct Queue {
    /// Limits that it is under.
    under: [Limited; 4],
    weight: u32,
    /// Virtual time at which its first ticket starts.
    start: u128,
    waiting: VecDeque<(Ticket, usize)>,
}

/// All limits, and all that waits for them.
#[derive(Debug, Default)]
pub struct Shaper {
    buckets: BTreeMap<Limited, Bucket>,
    queues: BTreeMap<TransferId, Queue>,
    tickets: u64,
    /// Virtual time: where the ticket that went last started.
    virtual_now: u128,
}

impl Shaper {
    /// Limits something from now on, in bytes per second; 0 for no limit.
    pub fn set_limit(&mut self, of: Limited, bytes_per_s: u64, now: Duration) {
        if bytes_per_s == 0 {
            self.buckets.remove(&of);
            return;
        }
        self.buckets
            .entry(of)
            .and_modify(|bucket| bucket.set_limit(bytes_per_s, now))
            .or_insert_with(|| Bucket::new(bytes_per_s, now));
    }

    /// A transfer begins, or goes on elsewhere or with another weight.
    pub fn set_flow(&mut self, flow: Flow) {
        let Flow { transfer, peer, link, weight } = flow;
        let under = [Limited::Total, Limited::Peer(peer), Limited::Link(link), Limited::Transfer(transfer)];
        let start = self.virtual_now;
        let queue = self.queues.entry(transfer).or_insert_with(|| Queue {
            under: under.clone(),
            weight: 1,
            start,
            waiting: VecDeque::new(),
        });
        queue.under = under;
        queue.weight = weight.max(1);
    }

    /// A transfer is over; what it waited for is forgotten.
    pub fn remove(&mut self, transfer: TransferId) {
        self.queues.remove(&transfer);
        self.buckets.remove(&Limited::Transfer(transfer));
    }

    /// Whether a transfer is under no limit at all.
    #[must_use]
    pub fn is_free(&self, transfer: TransferId) -> bool {
        self.buckets.is_empty() || self.limit(transfer).is_none()
    }

    /// The lowest limit of a transfer.
    fn limit(&self, transfer: TransferId) -> Option<u64> {
        let queue = self.queues.get(&transfer)?;
        queue.under.iter().filter_map(|of| self.buckets.get(of)).map(Bucket::limit).min()
    }

    /// How many bytes to ask for at most at a time: a twentieth of a second's worth, so that slow transfers flow, too.
    #[must_use]
    pub fn portion(&self, transfer: TransferId) -> usize {
        const LEAST: usize = 1024;
        const MOST: usize = 64 * 1024;
        match self.limit(transfer) {
            None => usize::MAX,
            Some(rate) => usize::try_from(rate / 20).unwrap_or(MOST).clamp(LEAST, MOST),
        }
    }

    /// Asks for `bytes` of a transfer; `None` when they may go at once, because nothing limits them.
    pub fn ask(&mut self, transfer: TransferId, bytes: usize) -> Option<Ticket> {
        if self.is_free(transfer) {
            return None;
        }
        let virtual_now = self.virtual_now;
        let queue = self.queues.get_mut(&transfer)?;
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        if queue.waiting.is_empty() {
            // Time without anything to send is not saved up.
            queue.start = queue.start.max(virtual_now);
        }
        queue.waiting.push_back((ticket, bytes));
        Some(ticket)
    }

    /// Whoever asked is gone.
    pub fn take_back(&mut self, transfer: TransferId, ticket: Ticket) {
        if let Some(queue) = self.queues.get_mut(&transfer) {
            queue.waiting.retain(|(waiting, _)| *waiting != ticket);
        }
    }

    /// Which tickets may go now, in order, and how long until to ask again while others wait.
    pub fn grant(&mut self, now: Duration) -> (Vec<Ticket>, Option<Duration>) {
        let mut granted = Vec::new();
        loop {
            let mut waits = Vec::new();
            let mut best: Option<(u128, TransferId)> = None;
            for (id, queue) in &self.queues {
                if queue.waiting.is_empty() {
                    continue;
                }
                let wait = wait(&mut self.buckets, queue, now);
                if !wait.is_zero() {
                    waits.push(wait);
                } else if best.is_none_or(|(start, _)| queue.start < start) {
                    best = Some((queue.start, *id));
                }
            }
            let Some((start, id)) = best else { return (granted, waits.into_iter().min()) };
            self.virtual_now = self.virtual_now.max(start);
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            let Some((ticket, bytes)) = queue.waiting.pop_front() else { continue };
            queue.start += bytes as u128 * SCALE / u128::from(queue.weight);
            for of in &queue.under {
                if let Some(bucket) = self.buckets.get_mut(of) {
                    bucket.take(bytes);
                }
            }
            granted.push(ticket);
        }
    }
}

/// How long until a queue may send, for all limits that it is under.
fn wait(buckets: &mut BTreeMap<Limited, Bucket>, queue: &Queue, now: Duration) -> Duration {
    let wait = |of: &Limited| buckets.get_mut(of).map(|bucket| bucket.wait(now));
    queue.under.iter().filter_map(wait).max().unwrap_or_default()
}
