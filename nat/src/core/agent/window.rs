//! Tells a request that is heard for the first time from a replay (as RFC 4303 §3.4.3 does).

/// How far behind the newest transaction an older one may arrive. More than a peer sends in 2 s at the highest rate.
const SPAN: u64 = 2048;
const WORDS: usize = 32;

/// Which of the last [`SPAN`] transactions of one sender have been heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    newest: u64,
    heard: [u64; WORDS],
}

impl Window {
    /// Whether `transaction` is heard for the first time. What is older than the window counts as heard.
    pub(super) fn admit(&mut self, transaction: u64) -> bool {
        if transaction > self.newest {
            let jump = transaction - self.newest;
            if jump >= SPAN {
                self.heard = [0; WORDS];
            } else {
                for skipped in self.newest + 1..=transaction {
                    let (word, bit) = place(skipped);
                    self.heard[word] &= !bit;
                }
            }
            self.newest = transaction;
        } else if self.newest - transaction >= SPAN {
            return false;
        }
        let (word, bit) = place(transaction);
        let first = self.heard[word] & bit == 0;
        self.heard[word] |= bit;
        first
    }
}

/// The word of a transaction and its bit there.
const fn place(transaction: u64) -> (usize, u64) {
    // The remainder is below 32, so nothing is lost.
    ((transaction / 64 % 32) as usize, 1 << (transaction % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transaction_counts_once_in_any_order() {
        let mut window = Window::default();
        for transaction in [5, 3, 4, 2000, 1, 2001, 6] {
            assert!(window.admit(transaction), "{transaction}");
        }
        for transaction in [5, 3, 4, 2000, 1, 2001, 6] {
            assert!(!window.admit(transaction), "{transaction} again");
        }
    }

    #[test]
    fn what_is_older_than_the_window_counts_as_heard() {
        let mut window = Window::default();
        assert!(window.admit(10_000));
        assert!(!window.admit(10_000 - SPAN));
        assert!(window.admit(10_001 - SPAN));
        assert!(window.admit(u64::MAX));
        assert!(!window.admit(10_002));
    }

    #[test]
    fn a_place_is_free_again_when_the_window_has_passed() {
        let mut window = Window::default();
        for transaction in 0..3 * SPAN {
            assert!(window.admit(transaction));
        }
    }
}
