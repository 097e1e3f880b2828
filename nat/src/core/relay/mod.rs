//! What a relay and its reflectors do with a datagram: forward it, answer it, or nothing.
//!
//! A peer has an **allocation** from when its session is proved until it ends, and **binds** it to the address that it is at
//! by showing that it receives there (`cookie`). A **channel** joins two allocations; a datagram in it goes from the
//! bound address of the one to that of the other as it is, as far as the budgets allow (`budget`). Nothing else is ever
//! sent, except answers: those are no longer than the request, which must be authentic and new, and are few.
//!
//! Whoever owns a [`Relay`] gives it orders, shows it datagrams, and sends what it says. It takes no memory for anything that a
//! datagram says.

mod allocation;
mod budget;
mod cookie;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hobnob_wire::datagram::{AllocationId, Channel, Cookie, Datagram, DatagramKey, Transaction, parse};
use zeroize::Zeroizing;

use self::allocation::{Allocation, Bound};
use self::budget::{Budget, Quantity};
use self::cookie::Cookies;

pub use self::allocation::Hop;
pub use self::budget::Load;

/// Channels of one allocation. With one more, the one that was not used for the longest time ends.
pub const CHANNELS_PER_ALLOCATION_MAX: usize = 256;

/// Channels in all, at about 300 bytes each. No more are opened.
pub const CHANNELS_MAX: usize = 1 << 18;

/// How long a channel may wait for both sides to be bound before it is used for the first time.
pub const UNBOUND_MAX: Duration = Duration::from_secs(30);

/// How long an address counts as that of a peer after it was last proved.
pub const BINDING_LASTS: Duration = Duration::from_secs(300);

/// How often what has expired is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// What a relay gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayLimits {
    /// Bytes per second in one channel, both ways together.
    pub channel_bytes_per_s: u64,
    /// Bytes of one channel until it is closed to both sides; a new session opens another.
    pub channel_bytes_max: u64,
    /// Bytes per second that one account sends, over all its channels.
    pub account_bytes_per_s: u64,
    /// Bytes that one account sends in a day.
    pub account_bytes_per_day: u64,
    /// How long a channel is kept that is not used and whose sides are not both bound.
    pub idle: Duration,
}

/// Whose budget pays for what an allocation sends: an account, as the rendezvous numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Payer(pub u64);

/// What the rendezvous wants of the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// A session was proved.
    Allocate {
        /// Its place.
        allocation: AllocationId,
        /// Authenticates its datagrams.
        key: DatagramKey,
        /// Its account.
        payer: Payer,
    },
    /// Two sessions may talk. Repeating it keeps the channel.
    Open {
        /// The number, which nobody else has.
        channel: Channel,
        /// Their places.
        between: [AllocationId; 2],
    },
    /// A session has ended: nothing is left of it, its channels included.
    Release {
        /// Its place.
        allocation: AllocationId,
    },
}

/// Where a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The relay, which reflects too.
    Relay,
    /// A reflector, which does nothing else.
    Reflector,
}

/// What has been done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayTally {
    /// Bytes forwarded.
    pub bytes: u64,
    /// Datagrams forwarded.
    pub datagrams: u64,
    /// Datagrams in a channel from one of its sides that a budget did not allow.
    pub over_budget: u64,
    /// Datagrams that nothing was done for: of strangers, repeated, too many, or for somebody who is not there.
    pub refused: u64,
    /// Requests answered.
    pub answers: u64,
}

/// Why a datagram is not forwarded.
#[derive(Clone, Copy, Debug)]
enum Dropped {
    OverBudget,
    Refused,
}

/// One side of a channel.
#[derive(Clone, Copy, Debug)]
struct End {
    allocation: AllocationId,
    payer: Payer,
    /// A copy of what the allocation has, so that forwarding looks up one thing.
    bound: Option<Bound>,
}

#[derive(Debug)]
struct Conduit {
    ends: [End; 2],
    budget: Budget,
    used_at: Duration,
    is_used: bool,
}

impl Conduit {
    fn is_expired(&self, idle: Duration, now: Duration) -> bool {
        let is_bound = |end: &End| end.bound.is_some_and(|bound| bound.holds(now));
        let patience = if self.is_used { idle } else { UNBOUND_MAX };
        !self.ends.iter().all(is_bound) && now.saturating_sub(self.used_at) > patience
    }
}

/// What one account may still send, and how many places it has.
#[derive(Debug)]
struct Account {
    budget: Budget,
    allocations: usize,
}

/// A relay without its sockets. Time is since some start and never goes back.
#[derive(Debug)]
pub struct Relay {
    limits: RelayLimits,
    cookies: Cookies,
    allocations: BTreeMap<AllocationId, Allocation>,
    channels: BTreeMap<Channel, Conduit>,
    accounts: BTreeMap<Payer, Account>,
    swept_at: Duration,
    tally: RelayTally,
}

impl Relay {
    /// A relay with nobody at it. `secret` is random and makes its cookies.
    #[must_use]
    pub fn new(limits: RelayLimits, secret: Zeroizing<[u8; 32]>) -> Self {
        Self {
            limits,
            cookies: Cookies::new(secret),
            allocations: BTreeMap::new(),
            channels: BTreeMap::new(),
            accounts: BTreeMap::new(),
            swept_at: Duration::ZERO,
            tally: RelayTally::default(),
        }
    }

    /// What has been done.
    #[must_use]
    pub fn tally(&self) -> RelayTally {
        self.tally
    }

    /// How many allocations and channels there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.allocations.len(), self.channels.len())
    }

    /// Does what the rendezvous wants. What makes no sense (any more) changes nothing.
    pub fn order(&mut self, order: Order, now: Duration) {
        if now.saturating_sub(self.swept_at) >= SWEEP_EVERY {
            self.sweep(now);
        }
        match order {
            Order::Allocate { allocation, key, payer } => self.allocate(allocation, key, payer),
            Order::Open { channel, between } => self.open(channel, between, now),
            Order::Release { allocation } => self.release(allocation),
        }
    }

    fn allocate(&mut self, id: AllocationId, key: DatagramKey, payer: Payer) {
        if self.allocations.contains_key(&id) {
            return;
        }
        self.allocations.insert(id, Allocation::new(key, payer));
        let limits = &self.limits;
        let new = || {
            let quantity = Quantity::PerDay(limits.account_bytes_per_day);
            Account { budget: Budget::new(limits.account_bytes_per_s, quantity), allocations: 0 }
        };
        self.accounts.entry(payer).or_insert_with(new).allocations += 1;
    }

    fn open(&mut self, channel: Channel, between: [AllocationId; 2], now: Duration) {
        if let Some(conduit) = self.channels.get_mut(&channel) {
            // Numbers are random: another pair's does not come up, and would not be given away if it did.
            if conduit.ends.iter().all(|end| between.contains(&end.allocation)) {
                conduit.used_at = now;
            }
            return;
        }
        let [Some(left), Some(right)] = between.map(|id| self.allocations.get(&id).map(|at| (id, at))) else {
            return;
        };
        if between[0] == between[1] || self.channels.len() >= CHANNELS_MAX {
            return;
        }
        let end =
            |(id, at): (AllocationId, &Allocation)| End { allocation: id, payer: at.payer, bound: at.bound };
        let ends = [end(left), end(right)];
        for id in between {
            self.make_room(id);
            if let Some(allocation) = self.allocations.get_mut(&id) {
                allocation.channels.push(channel);
            }
        }
        let quantity = Quantity::Once(self.limits.channel_bytes_max);
        let budget = Budget::new(self.limits.channel_bytes_per_s, quantity);
        self.channels.insert(channel, Conduit { ends, budget, used_at: now, is_used: false });
    }

    /// Ends the least used channel of an allocation that has as many as it may.
    fn make_room(&mut self, id: AllocationId) {
        let Some(allocation) = self.allocations.get(&id) else { return };
        if allocation.channels.len() < CHANNELS_PER_ALLOCATION_MAX {
            return;
        }
        let used_at = |channel: &&Channel| self.channels.get(channel).map(|conduit| conduit.used_at);
        if let Some(channel) = allocation.channels.iter().min_by_key(used_at).copied() {
            self.close(channel);
        }
    }

    fn close(&mut self, channel: Channel) {
        let Some(conduit) = self.channels.remove(&channel) else { return };
        for end in conduit.ends {
            if let Some(allocation) = self.allocations.get_mut(&end.allocation) {
                allocation.channels.retain(|other| *other != channel);
            }
        }
    }

    fn release(&mut self, id: AllocationId) {
        let Some(allocation) = self.allocations.get(&id) else { return };
        let payer = allocation.payer;
        for channel in allocation.channels.clone() {
            self.close(channel);
        }
        self.allocations.remove(&id);
        if let Some(account) = self.accounts.get_mut(&payer) {
            account.allocations -= 1;
        }
    }

    /// Forgets channels that have expired, and accounts that have no place here and whose day is over.
    fn sweep(&mut self, now: Duration) {
        self.swept_at = now;
        let idle = self.limits.idle;
        let expired = self.channels.iter().filter(|(_, conduit)| conduit.is_expired(idle, now));
        let expired: Vec<Channel> = expired.map(|(channel, _)| *channel).collect();
        expired.into_iter().for_each(|channel| self.close(channel));
        self.accounts.retain(|_, account| account.allocations > 0 || !account.budget.is_rested(now));
    }

    /// Where datagrams of a channel that came from an address go, and from which of the own; `None`: nowhere. To be called once for those that came in one
    /// go, and cheap: a look-up of the channel and one of the account.
    pub fn forward(&mut self, from: SocketAddr, channel: Channel, load: Load, now: Duration) -> Option<Hop> {
        let to = self.onward(from, channel, load, now);
        match to {
            Ok(_) => {
                self.tally.bytes += load.bytes;
                self.tally.datagrams += load.datagrams;
            }
            Err(Dropped::OverBudget) => self.tally.over_budget += load.datagrams,
            Err(Dropped::Refused) => self.tally.refused += load.datagrams,
        }
        to.ok()
    }

    fn onward(
        &mut self,
        from: SocketAddr,
        channel: Channel,
        load: Load,
        now: Duration,
    ) -> Result<Hop, Dropped> {
        let conduit = self.channels.get_mut(&channel).ok_or(Dropped::Refused)?;
        let at = |end: &End| end.bound.filter(|bound| bound.holds(now)).map(|bound| bound.to);
        let is_from = |hop: &Hop| hop.peer == from;
        let (payer, to) = match conduit.ends.each_ref().map(at) {
            [Some(left), right] if is_from(&left) => (conduit.ends[0].payer, right),
            [left, Some(right)] if is_from(&right) => (conduit.ends[1].payer, left),
            _ => return Err(Dropped::Refused),
        };
        let to = to.filter(|to| !is_from(to)).ok_or(Dropped::Refused)?;
        let account = self.accounts.get_mut(&payer).ok_or(Dropped::Refused)?;
        if !conduit.budget.allows(now) || !account.budget.allows(now) {
            return Err(Dropped::OverBudget);
        }
        conduit.budget.spend(load, now);
        account.budget.spend(load, now);
        (conduit.used_at, conduit.is_used) = (now, true);
        Ok(to)
    }

    /// The answer to a request; `None` for everything that is not an authentic new one. It goes back to where the request came
    /// from, from the address that it came to.
    pub fn answer(&mut self, from: Hop, bytes: &[u8], door: Door, now: Duration) -> Option<Vec<u8>> {
        let answer = self.respond(from, bytes, door, now);
        match answer {
            Some(_) => self.tally.answers += 1,
            None => self.tally.refused += 1,
        }
        answer
    }

    fn respond(&mut self, from: Hop, bytes: &[u8], door: Door, now: Duration) -> Option<Vec<u8>> {
        let unproved = parse(bytes).ok()?;
        let id = unproved.allocation()?;
        if door == Door::Reflector && !matches!(unproved.claims(), Datagram::Reflect { .. }) {
            return None;
        }
        let allocation = self.allocations.get_mut(&id)?;
        let request = unproved.prove(&allocation.key)?;
        let answer = match request {
            Datagram::Bind { transaction, cookie, .. } => {
                allocation.take(transaction, now)?;
                self.bind((id, from), transaction, cookie, now)?
            }
            Datagram::Reflect { transaction, .. } => {
                allocation.take(transaction, now)?;
                Datagram::Reflected { transaction, seen: from.peer.into() }
            }
            Datagram::Check { .. }
            | Datagram::CheckAnswer { .. }
            | Datagram::Stop { .. }
            | Datagram::Challenge { .. }
            | Datagram::Bound { .. }
            | Datagram::Reflected { .. } => return None,
        };
        Some(answer.seal(&self.allocations.get(&id)?.key))
    }

    fn bind(
        &mut self,
        (id, from): (AllocationId, Hop),
        transaction: Transaction,
        cookie: Cookie,
        now: Duration,
    ) -> Option<Datagram> {
        if !self.cookies.accepts(cookie, (id, from.peer), now) {
            return Some(Datagram::Challenge {
                transaction,
                cookie: self.cookies.make((id, from.peer), now),
            });
        }
        let allocation = self.allocations.get_mut(&id)?;
        if allocation.bind(from, transaction, now) {
            let bound = allocation.bound;
            for channel in &allocation.channels {
                let conduit = self.channels.get_mut(channel);
                let ends = conduit.into_iter().flat_map(|conduit| &mut conduit.ends);
                ends.filter(|end| end.allocation == id).for_each(|end| end.bound = bound);
            }
        }
        Some(Datagram::Bound { transaction, seen: from.peer.into() })
    }
}
