//! How fast and how much somebody may send.

use std::time::Duration;

/// A datagram counts as at least so many bytes, because small ones cost a relay as much as large ones.
const DATAGRAM_COST_MIN: u64 = 256;

/// How much of a second may go at once, after a pause.
const BURST: Duration = Duration::from_millis(250);

/// How long a quantity per day is counted.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Datagrams that came in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Their bytes.
    pub bytes: u64,
    /// How many they are.
    pub datagrams: u64,
}

impl Load {
    fn cost(self) -> u64 {
        self.bytes.max(self.datagrams.saturating_mul(DATAGRAM_COST_MIN))
    }
}

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Quantity {
    /// So much, then nothing.
    Once(u64),
    /// So much each day.
    PerDay(u64),
}

/// A rate and a quantity. A rate is kept by the time that what was sent takes at it.
#[derive(Debug)]
pub(super) struct Budget {
    bytes_per_s: u64,
    quantity: Quantity,
    spent: u64,
    day_began: Duration,
    rested_at: Duration,
}

impl Budget {
    pub(super) fn new(bytes_per_s: u64, quantity: Quantity) -> Self {
        let zero = Duration::ZERO;
        Self { bytes_per_s: bytes_per_s.max(1), quantity, spent: 0, day_began: zero, rested_at: zero }
    }

    /// Whether something may be sent now. It may then be of any size: a large one is paid for by waiting longer.
    pub(super) fn allows(&mut self, now: Duration) -> bool {
        let max = match self.quantity {
            Quantity::Once(max) => max,
            Quantity::PerDay(max) => {
                if now.saturating_sub(self.day_began) >= DAY {
                    (self.day_began, self.spent) = (now, 0);
                }
                max
            }
        };
        self.spent < max && self.rested_at.saturating_sub(now) <= BURST
    }

    /// Something is sent.
    pub(super) fn spend(&mut self, load: Load, now: Duration) {
        let cost = load.cost();
        let takes = u128::from(cost) * 1_000_000_000 / u128::from(self.bytes_per_s);
        let takes = Duration::from_nanos(u64::try_from(takes).unwrap_or(u64::MAX));
        self.rested_at = self.rested_at.max(now).saturating_add(takes);
        self.spent = self.spent.saturating_add(cost);
    }

    /// Whether forgetting it gives nothing away.
    pub(super) fn is_rested(&self, now: Duration) -> bool {
        self.rested_at <= now && (self.spent == 0 || now.saturating_sub(self.day_began) >= DAY)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn load(bytes: u64) -> Load {
        Load { bytes, datagrams: 1 }
    }

    proptest! {
        #[test]
        fn no_pattern_of_sending_gets_more_than_the_rate_and_a_burst(
            sends in prop::collection::vec((0_u64..50, 1_u64..65_536), 1..300),
            bytes_per_s in 1_000_u64..10_000_000,
        ) {
            let mut budget = Budget::new(bytes_per_s, Quantity::Once(u64::MAX));
            let (mut now, mut sent, mut last) = (Duration::ZERO, 0, 0);
            for (pause_ms, bytes) in sends {
                now += Duration::from_millis(pause_ms);
                if budget.allows(now) {
                    budget.spend(load(bytes), now);
                    sent += bytes.max(DATAGRAM_COST_MIN);
                    last = bytes.max(DATAGRAM_COST_MIN);
                }
            }
            let allowed = (now + BURST).as_secs_f64() * bytes_per_s as f64;
            prop_assert!((sent - last) as f64 <= allowed + 1.0, "{sent} bytes, {allowed} allowed");
        }
    }

    #[test]
    fn a_quantity_ends_and_that_of_a_day_comes_again() {
        let spend = |budget: &mut Budget, now| {
            let allowed = budget.allows(now);
            if allowed {
                budget.spend(load(1_000), now);
            }
            allowed
        };
        let mut once = Budget::new(u64::MAX, Quantity::Once(1_500));
        let mut daily = Budget::new(u64::MAX, Quantity::PerDay(1_500));
        let times = [Duration::ZERO, Duration::ZERO, Duration::ZERO, DAY];
        assert_eq!(times.map(|now| spend(&mut once, now)), [true, true, false, false]);
        assert_eq!(times.map(|now| spend(&mut daily, now)), [true, true, false, true]);
    }

    #[test]
    fn small_datagrams_are_paid_for_as_if_they_were_larger() {
        assert_eq!(Load { bytes: 100, datagrams: 10 }.cost(), 10 * DATAGRAM_COST_MIN);
        assert_eq!(Load { bytes: 12_000, datagrams: 10 }.cost(), 12_000);
    }
}
