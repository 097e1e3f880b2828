//! One peer's place: its key, where it is, and which of its requests are new.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hobnob_wire::datagram::{Channel, DatagramKey, Transaction};

use super::{BINDING_LASTS, Payer};

/// One more request of a peer is answered each so often. Binding and asking all reflectors by both families takes under
/// 15.
const ANSWER_EVERY: Duration = Duration::from_millis(100);

/// Requests of a peer that are answered at once when it was quiet before.
const ANSWERS_AT_ONCE: u32 = 50;

/// Where a peer is, and which of the own addresses it knows: what it is sent comes from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The peer's address.
    pub peer: SocketAddr,
    /// The own address that it writes to, where the system tells.
    pub here: Option<IpAddr>,
}

/// The address of a peer, as proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) to: Hop,
    proved_at: Duration,
}

impl Bound {
    pub(super) fn holds(&self, now: Duration) -> bool {
        now.saturating_sub(self.proved_at) <= BINDING_LASTS
    }
}

#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) key: DatagramKey,
    pub(super) payer: Payer,
    pub(super) bound: Option<Bound>,
    pub(super) channels: Vec<Channel>,
    /// The request that bound it last.
    bound_by: Option<Transaction>,
    window: Window,
    /// When it will be as if nothing had been answered.
    rested_at: Duration,
}

impl Allocation {
    pub(super) fn new(key: DatagramKey, payer: Payer) -> Self {
        Self {
            key,
            payer,
            bound: None,
            channels: Vec::new(),
            bound_by: None,
            window: Window::default(),
            rested_at: Duration::ZERO,
        }
    }

    /// Takes an authentic request, if it is new and not one too many.
    pub(super) fn take(&mut self, transaction: Transaction, now: Duration) -> Option<()> {
        let rested_at = self.rested_at.max(now) + ANSWER_EVERY;
        if !self.window.take(transaction) || rested_at - now > ANSWER_EVERY * ANSWERS_AT_ONCE {
            return None;
        }
        self.rested_at = rested_at;
        Some(())
    }

    /// The peer has proved that it receives at an address. `false` if it has proved another since.
    pub(super) fn bind(&mut self, to: Hop, transaction: Transaction, now: Duration) -> bool {
        if self.bound_by >= Some(transaction) {
            return false;
        }
        self.bound_by = Some(transaction);
        self.bound = Some(Bound { to, proved_at: now });
        true
    }
}

/// Which transactions were taken: each once, in any order within a few of the newest (as in RFC 4303 §3.4.3), because requests to
/// several reflectors overtake each other.
#[derive(Debug, Default)]
struct Window {
    newest: u64,
    /// The newest is the lowest bit.
    taken: u64,
}

impl Window {
    fn take(&mut self, Transaction(number): Transaction) -> bool {
        if let Some(ahead) = number.checked_sub(self.newest).filter(|ahead| *ahead > 0) {
            let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.taken = self.taken.checked_shl(shift).unwrap_or(0) | 1;
            self.newest = number;
            return true;
        }
        let Some(bit) = u32::try_from(self.newest - number).ok().and_then(|behind| 1_u64.checked_shl(behind))
        else {
            return false;
        };
        let is_new = self.taken & bit == 0;
        self.taken |= bit;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_transaction_is_taken_once_and_at_once_when_it_is_the_newest(numbers: Vec<u8>, base in 0..=u64::MAX - 255) {
            let (mut window, mut taken, mut newest) = (Window::default(), BTreeSet::new(), None);
            for number in numbers {
                let number = base + u64::from(number);
                let is_taken = window.take(Transaction(number));
                prop_assert!(!(is_taken && taken.contains(&number)), "{number} is taken twice");
                let is_near = newest.is_none_or(|newest| number + 64 > newest);
                prop_assert!(is_taken || taken.contains(&number) || !is_near, "{number} is new and refused");
                if is_taken {
                    taken.insert(number);
                }
                newest = newest.max(Some(number));
            }
        }
    }
}
