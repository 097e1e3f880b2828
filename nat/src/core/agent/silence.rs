//! Decides when the selected way has been silent for too long although we send (consent freshness, RFC 7675, but much
//! quicker: whoever sends without an answer finds out within a second).

use std::time::Duration;

/// An acknowledgement that leaves this soon after something was heard asks for no answer.
const REPLY_WITHIN: Duration = Duration::from_millis(30);

/// Since when the selected way owes us an answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Silence {
    since: Option<Duration>,
    heard: Option<Duration>,
}

impl Silence {
    /// QUIC was last sent to the selected way at `sent` and heard from it at `heard`.
    pub(super) fn traffic(&mut self, sent: Option<Duration>, heard: Option<Duration>) {
        if let Some(heard) = heard {
            self.hear(heard);
        }
        let Some(sent) = sent else {
            return;
        };
        let asks = self.heard.is_none_or(|heard| sent > heard + REPLY_WITHIN);
        if asks && self.since.is_none() {
            self.since = Some(sent);
        }
    }

    /// A check went out.
    pub(super) fn sent(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    /// Something authentic, or QUIC, came in.
    pub(super) fn hear(&mut self, at: Duration) {
        if self.heard.is_none_or(|heard| at > heard) {
            self.heard = Some(at);
        }
        if self.since.is_some_and(|since| at >= since) {
            self.since = None;
        }
    }

    /// Since when an answer is missing.
    pub(super) const fn since(&self) -> Option<Duration> {
        self.since
    }

    /// When something was last heard.
    pub(super) const fn heard(&self) -> Option<Duration> {
        self.heard
    }
}

/// How long a missing answer is not yet suspicious; then checks ask.
pub(super) fn suspect_after(rtt: Duration) -> Duration {
    (rtt * 3 / 2 + Duration::from_millis(30)).max(Duration::from_millis(80))
}

/// How long until a way without an answer is left: three round trips, from 300 to 900 ms, but never before the answer to
/// the first check could have come.
pub(super) fn leave_after(rtt: Duration) -> Duration {
    let patience = (rtt * 3).clamp(Duration::from_millis(300), Duration::from_millis(900));
    patience.max(suspect_after(rtt) + rtt + Duration::from_millis(50))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_sent_after_the_last_answer_begins_the_silence_and_any_answer_ends_it() {
        let mut silence = Silence::default();
        silence.traffic(Some(ms(100)), None);
        silence.traffic(Some(ms(150)), None);
        assert_eq!(silence.since(), Some(ms(100)));
        silence.traffic(Some(ms(200)), Some(ms(140)));
        assert_eq!(silence.since(), Some(ms(200)));
        silence.hear(ms(210));
        assert_eq!(silence.since(), None);
    }

    #[test]
    fn an_acknowledgement_asks_for_nothing() {
        let mut silence = Silence::default();
        silence.traffic(Some(ms(1025)), Some(ms(1000)));
        assert_eq!(silence.since(), None);
        silence.traffic(Some(ms(1031)), Some(ms(1000)));
        assert_eq!(silence.since(), Some(ms(1031)));
    }

    #[test]
    fn a_way_is_left_within_a_second_and_never_before_an_answer_could_have_come() {
        for rtt in [1, 40, 100, 200, 280] {
            let left = leave_after(ms(rtt));
            assert!(left >= ms(300) && left <= ms(900), "{rtt}: {left:?}");
            assert!(left > suspect_after(ms(rtt)) + ms(rtt), "{rtt}");
        }
        assert!(leave_after(ms(2000)) > ms(5000));
    }
}
