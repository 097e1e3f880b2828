//! One direction of a line: when what goes in comes out, and whether.

use std::time::Duration;

use super::random::Random;

/// What a line does to packets.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Time that each packet takes.
    pub delay: Duration,
    /// At most this much more, at random; order is kept.
    pub jitter: Duration,
    /// Part of the packets that is lost.
    pub loss: f64,
    /// How many are lost in a row on average; at most 1 means that each is lost or not for itself.
    pub burst: f64,
    /// Part of the packets that is late.
    pub reorder: f64,
    /// How late they are.
    pub reorder_by: Duration,
    /// Part of the packets that comes twice.
    pub duplicate: f64,
    /// Bits per second; `None` for no limit.
    pub rate: Option<u64>,
    /// Bytes that wait for their turn at most; more are lost.
    pub queue_bytes: usize,
    /// The longest packet, IP header included; longer ones are lost.
    pub mtu: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: 0.0,
            burst: 1.0,
            reorder: 0.0,
            reorder_by: Duration::from_millis(5),
            duplicate: 0.0,
            rate: None,
            queue_bytes: 256 << 10,
            mtu: 1500,
        }
    }
}

impl Shape {
    /// A line that only takes time.
    #[must_use]
    pub fn delay(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }
}

/// A line with what is on it.
#[derive(Debug)]
pub(super) struct Link {
    shape: Shape,
    busy_until: Duration,
    last_out: Duration,
    losing: bool,
    random: Random,
}

/// When a packet comes out: not, once or twice.
pub(super) type Carried = [Option<Duration>; 2];

impl Link {
    pub(super) const fn new(shape: Shape, random: Random) -> Self {
        Self { shape, busy_until: Duration::ZERO, last_out: Duration::ZERO, losing: false, random }
    }

    /// Another shape from now on; what is on the line comes out as it would have.
    pub(super) fn reshape(&mut self, shape: Shape) {
        self.shape = shape;
    }

    /// Takes a packet of so many bytes.
    pub(super) fn carry(&mut self, now: Duration, bytes: usize) -> Carried {
        if bytes > self.shape.mtu {
            return [None; 2];
        }
        let Some(sent) = self.queue(now, bytes) else {
            return [None; 2];
        };
        if self.loses() {
            return [None; 2];
        }
        let mut out = sent + self.shape.delay + self.random.duration(self.shape.jitter);
        if self.random.chance(self.shape.reorder) {
            out += self.shape.reorder_by;
        } else {
            out = out.max(self.last_out);
            self.last_out = out;
        }
        [Some(out), self.random.chance(self.shape.duplicate).then_some(out)]
    }

    /// When the last bit is on the line; `None` when the queue is full.
    fn queue(&mut self, now: Duration, bytes: usize) -> Option<Duration> {
        let Some(rate) = self.shape.rate else {
            return Some(now);
        };
        let time_of = |bytes: usize| {
            let nanos = (bytes as u128 * 8 * 1_000_000_000) / u128::from(rate.max(1));
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        let start = self.busy_until.max(now);
        if start - now + time_of(bytes) > time_of(self.shape.queue_bytes) {
            return None;
        }
        self.busy_until = start + time_of(bytes);
        Some(self.busy_until)
    }

    /// Gilbert's model: a good and a bad state, left with the probabilities that give the wanted loss and length of bursts.
    fn loses(&mut self) -> bool {
        let Shape { loss, burst, .. } = self.shape;
        if burst <= 1.0 || loss >= 1.0 {
            return self.random.chance(loss);
        }
        let leave = 1.0 / burst;
        let enter = leave * loss / (1.0 - loss);
        self.losing = if self.losing { !self.random.chance(leave) } else { self.random.chance(enter) };
        self.losing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn link(shape: Shape) -> Link {
        Link::new(shape, Random::new(1))
    }

    #[test]
    fn a_packet_waits_for_its_turn_and_then_takes_its_time() {
        let mut link = link(Shape { rate: Some(8_000_000), ..Shape::delay(10 * MS) });
        assert_eq!(link.carry(MS, 1000), [Some(12 * MS), None]);
        assert_eq!(link.carry(MS, 500), [Some(12 * MS + MS / 2), None]);
        assert_eq!(link.carry(20 * MS, 1000), [Some(31 * MS), None]);
    }

    #[test]
    fn what_does_not_fit_into_the_queue_or_the_line_is_lost() {
        let mut link = link(Shape { rate: Some(8_000_000), queue_bytes: 3000, ..Shape::default() });
        let carried: Vec<Carried> = (0..4).map(|_| link.carry(Duration::ZERO, 1000)).collect();
        assert_eq!(carried, [[Some(MS), None], [Some(2 * MS), None], [Some(3 * MS), None], [None; 2]]);
        assert_eq!(link.carry(Duration::from_secs(1), 1501), [None; 2]);
    }

    #[test]
    fn losses_are_as_many_and_come_in_rows_as_long_as_wanted() {
        for (burst, rows) in [(1.0, 900..1100), (5.0, 170..240)] {
            let mut link = link(Shape { loss: 0.01, burst, ..Shape::default() });
            let lost: Vec<bool> =
                (0..100_000).map(|_| link.carry(Duration::ZERO, 100)[0].is_none()).collect();
            let total = lost.iter().filter(|lost| **lost).count();
            assert!((850..1150).contains(&total), "{total}");
            let begun = lost.windows(2).filter(|two| !two[0] && two[1]).count();
            assert!(rows.contains(&begun), "{begun}");
        }
    }

    #[test]
    fn jitter_keeps_the_order_and_reordering_does_not() {
        let mut link = link(Shape { jitter: 10 * MS, ..Shape::default() });
        let times: Vec<_> = (0..100).map(|n| link.carry(n * MS, 100)[0].unwrap()).collect();
        assert!(times.is_sorted());
        link.reshape(Shape { reorder: 0.1, ..Shape::default() });
        let times: Vec<_> = (200..300).map(|n| link.carry(n * MS, 100)[0].unwrap()).collect();
        assert!(!times.is_sorted());
    }
}
