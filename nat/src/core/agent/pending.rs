//! Remembers the checks that may still be answered.

use std::collections::BTreeMap;
use std::time::Duration;

use hobnob_wire::datagram::Transaction;
use hobnob_wire::ids::AttemptId;

use super::way::Way;

/// How long an answer counts. Nothing on Earth takes longer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Checks remembered at once; the oldest go first. Twice the packets that guessing ports may take.
const PENDING_MAX: usize = 3072;

/// A check that we sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) way: Way,
    pub(super) at: Duration,
    pub(super) attempt: AttemptId,
    pub(super) nominated: bool,
    /// No pair has this way; the port was guessed.
    pub(super) guessed: bool,
}

/// All of them, by transaction.
#[derive(Debug, Default)]
pub(super) struct Pending {
    checks: BTreeMap<u64, Sent>,
    last: u64,
}

impl Pending {
    /// The next transaction, which nobody answers.
    pub(super) fn number(&mut self) -> Transaction {
        self.last += 1;
        Transaction(self.last)
    }

    /// Remembers a check and forgets those that are too old.
    pub(super) fn insert(&mut self, transaction: Transaction, sent: Sent) {
        self.checks.insert(transaction.0, sent);
        while let Some(oldest) = self.checks.first_entry() {
            if oldest.get().at + ANSWER_WITHIN >= sent.at && self.checks.len() <= PENDING_MAX {
                break;
            }
            self.checks.pop_first();
        }
    }

    /// The check that `transaction` answers, when the answer came back the way of the check (RFC 8445 §7.2.5.2.1).
    pub(super) fn find(&self, transaction: Transaction, way: Way, now: Duration) -> Option<Sent> {
        let sent = self.checks.get(&transaction.0)?;
        (sent.way == way && now.saturating_sub(sent.at) <= ANSWER_WITHIN).then_some(*sent)
    }

    /// It has been answered; a second answer is a replay.
    pub(super) fn remove(&mut self, transaction: Transaction) {
        self.checks.remove(&transaction.0);
    }
}
