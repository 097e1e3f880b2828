//! One question that is repeated until it is answered.

use std::time::Duration;

use hobnob_wire::datagram::Transaction;

/// Waits for an answer, one after each request; then none is expected any more. The last one is repeated by those who go on asking.
const WAITS: [Duration; 6] = [
    Duration::from_millis(150),
    Duration::from_millis(300),
    Duration::from_millis(600),
    Duration::from_millis(1_200),
    Duration::from_millis(2_400),
    Duration::from_secs(5),
];

/// A question, asked now or settled.
#[derive(Debug)]
pub(super) struct Question {
    /// Requests without an answer: when each was sent.
    sent: Vec<(Transaction, Duration)>,
    requests: usize,
    due: Option<Duration>,
}

impl Question {
    /// A question to be asked at once.
    pub(super) fn asked(now: Duration) -> Self {
        Self { sent: Vec::with_capacity(WAITS.len()), requests: 0, due: Some(now) }
    }

    /// When to ask (again); `None` when it is settled.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// A request is sent.
    pub(super) fn ask(&mut self, transaction: Transaction, now: Duration) {
        if self.sent.len() == WAITS.len() {
            self.sent.remove(0);
        }
        self.sent.push((transaction, now));
        self.due = Some(now + WAITS[self.requests.min(WAITS.len() - 1)]);
        self.requests += 1;
    }

    /// The answer was another question, to be answered at once; but not for ever.
    pub(super) fn ask_on(&mut self, now: Duration) {
        if !self.is_unanswered() {
            self.due = Some(now);
        }
    }

    /// Whether it has been asked so often that nobody seems to be there.
    pub(super) fn is_unanswered(&self) -> bool {
        self.requests >= WAITS.len()
    }

    /// The round trip, if it is the answer to one of the requests.
    pub(super) fn answered(&self, transaction: Transaction, now: Duration) -> Option<Duration> {
        self.due?;
        let (_, at) = self.sent.iter().find(|(sent, _)| *sent == transaction)?;
        Some(now.saturating_sub(*at))
    }

    /// Nothing more is to be asked.
    pub(super) fn settle(&mut self) {
        self.due = None;
        self.sent.clear();
    }
}
