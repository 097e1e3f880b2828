//! When to try the rendezvous again after the session was lost or could not be made.

use std::time::Duration;

use super::time::Entropy;

/// Wait before the first new try, on average. Short: most losses are a rendezvous that restarts or a
/// network that changes.
const FIRST: Duration = Duration::from_millis(500);

/// Longest wait, on average. A phone that comes out of a tunnel should not wait longer.
const LONGEST: Duration = Duration::from_secs(30);

/// A session that held so long was no part of the trouble before it.
const STEADY: Duration = Duration::from_secs(60);

/// Doubling waits with jitter, so that a rendezvous that comes back is not asked by everybody at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reconnect {
    failures: u32,
}

impl Reconnect {
    /// The session was lost after it had been up for `held`.
    pub fn lost(&mut self, held: Duration) {
        if held >= STEADY {
            self.failures = 0;
        }
    }

    /// There is news that make a try worthwhile at once, as another network: waits begin anew.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait before the next try: between half and one and a half of the wait due.
    pub fn wait(&mut self, entropy: &mut impl Entropy) -> Duration {
        let due = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let jitter = f64::from(u16::from_be_bytes(entropy.array())) / f64::from(u16::MAX);
        due.mul_f64(0.5 + jitter)
    }

    /// How long to wait when the cause will hardly go away by itself soon.
    pub fn long_wait(&mut self, entropy: &mut impl Entropy) -> Duration {
        self.failures = u32::MAX;
        self.wait(entropy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let mut reconnect = Reconnect::default();
        let low: Vec<u128> = (0..9).map(|_| reconnect.wait(&mut Fixed(0)).as_millis()).collect();
        assert_eq!(low, [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
        assert_eq!(reconnect.wait(&mut Fixed(0xff)), Duration::from_secs(45));
    }

    #[test]
    fn a_session_that_held_begins_the_waits_anew_and_a_flapping_one_does_not() {
        let mut reconnect = Reconnect::default();
        for _ in 0..5 {
            reconnect.wait(&mut Fixed(0));
        }
        reconnect.lost(Duration::from_secs(1));
        assert_eq!(reconnect.wait(&mut Fixed(0)), Duration::from_secs(8));
        reconnect.lost(STEADY);
        assert_eq!(reconnect.wait(&mut Fixed(0)), Duration::from_millis(250));
    }
}
