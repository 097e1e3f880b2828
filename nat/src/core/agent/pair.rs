//! One way to the peer: when it is checked, and what is known about it.

use std::net::SocketAddr;
use std::time::Duration;

use hobnob_wire::signal::CandidateKind;

use super::way::Way;

/// When an unproved way is checked, in ms after the start. The early ones outlast loss and two sides that do not start at
/// the same moment; all are over within 2 s, so that an address that somebody made us check is left by then.
const BURST_MS: [u64; 9] = [0, 20, 50, 100, 200, 400, 800, 1200, 1600];
/// The round with which a later try begins, so that it is three packets.
const RETRY_ROUND: usize = 6;
/// Checks of a guessed way that are sent whatever is answered, so that a rare hit is not lost to one packet.
const GUESSED_BURST_MIN: usize = 4;
/// How soon after a check an authentic one from there may cause another.
const TRIGGER_GAP: Duration = Duration::from_millis(10);
/// When the round-trip time of a proved way that is not selected is measured again for the first time.
const ALTERNATIVE_FIRST: Duration = Duration::from_secs(6);
/// And from then on.
const ALTERNATIVE_EVERY: Duration = Duration::from_secs(600);
/// A way that fell is tried again after this time; each fourth time the wait doubles.
const LOST_FIRST: Duration = Duration::from_millis(250);
/// Tries of a way that has never been proved, though an authentic check came from there: some seconds.
const UNPROVED_TRIES_MAX: u32 = 8;
/// Longest wait between two tries.
const LOST_EVERY: Duration = Duration::from_secs(60);
/// Longest wait while another way works.
const LOST_EVERY_BESIDE: Duration = Duration::from_secs(600);
/// How long a way from which the peer came keeps us from guessing ports: the time of a slow round trip.
const PROMISE_LASTS: Duration = Duration::from_millis(600);
/// How long an answer shows that a way that is not selected works: most NATs keep a mapping that long.
const PROOF_LASTS: Duration = Duration::from_secs(28);

/// How we know an address of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// From the peer's signal.
    Told(CandidateKind),
    /// From an authentic check ("peer-reflexive").
    Discovered,
    /// By guessing a port, of our NAT or the peer's.
    Guessed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schedule {
    /// Nothing is due.
    Idle,
    Burst {
        from: Duration,
        round: usize,
    },
    /// Proved; the next measurement.
    Resting {
        due: Duration,
    },
    /// Proved once, silent now; the next try.
    Lost {
        tries: u32,
        due: Duration,
    },
}

/// A proof that the way works both ways.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof {
    /// When the first answer came.
    pub(super) since: Duration,
    pub(super) at: Duration,
    /// Smoothed (RFC 6298 §2).
    pub(super) rtt: Duration,
    /// Where the peer sees us.
    pub(super) seen: SocketAddr,
}

/// One way to the peer.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) way: Way,
    pub(super) origin: Origin,
    /// The peer told it once and does not any more: it has left the place.
    pub(super) untold: bool,
    pub(super) proof: Option<Proof>,
    /// Last authentic datagram from there.
    pub(super) heard: Option<Duration>,
    /// First authentic datagram from there.
    pub(super) found: Option<Duration>,
    /// The newest transaction by which the controlling side chose it.
    pub(super) nominated: Option<u64>,
    /// The controlled side has answered our nomination.
    pub(super) confirmed: bool,
    pub(super) admitted: bool,
    /// It worked once in this agent's life.
    pub(super) was_proved: bool,
    schedule: Schedule,
    last_sent: Option<Duration>,
    triggered: Option<Duration>,
}

impl Pair {
    pub(super) const fn new(way: Way, origin: Origin) -> Self {
        Self {
            way,
            origin,
            untold: false,
            proof: None,
            heard: None,
            found: None,
            nominated: None,
            confirmed: false,
            admitted: false,
            was_proved: false,
            schedule: Schedule::Idle,
            last_sent: None,
            triggered: None,
        }
    }

    /// Checks it quickly from `now` on.
    pub(super) const fn begin(&mut self, now: Duration) {
        self.schedule = Schedule::Burst { from: now, round: 0 };
    }

    /// Whether quick checks are under way.
    pub(super) const fn is_checking(&self) -> bool {
        matches!(self.schedule, Schedule::Burst { .. }) || self.triggered.is_some()
    }

    /// Checks it again with a few packets, when nothing else is due.
    pub(super) const fn retry(&mut self, now: Duration) {
        if matches!(self.schedule, Schedule::Idle) {
            let skipped = Duration::from_millis(BURST_MS[RETRY_ROUND]);
            self.schedule = Schedule::Burst { from: now.saturating_sub(skipped), round: RETRY_ROUND };
        }
    }

    /// Until when it is likely to be proved: an authentic check came from there a moment ago.
    pub(super) fn promises(&self) -> Option<Duration> {
        self.found.filter(|_| self.proof.is_none() && self.is_checking()).map(|found| found + PROMISE_LASTS)
    }

    /// An authentic check came from there, so ours will pass too.
    pub(super) fn trigger(&mut self, now: Duration) {
        self.heard = Some(now);
        self.found.get_or_insert(now);
        if self.proof.is_some() {
            return;
        }
        if !matches!(self.schedule, Schedule::Burst { .. }) {
            self.begin(now);
        } else if self.last_sent.is_none_or(|at| at + TRIGGER_GAP <= now) {
            self.triggered = Some(now);
        }
    }

    /// When the next check is due, keep-alive of the selected way aside.
    pub(super) fn due(&self) -> Option<Duration> {
        let scheduled = match self.schedule {
            Schedule::Idle => None,
            Schedule::Burst { from, round } => {
                BURST_MS.get(round).map(|ms| from + Duration::from_millis(*ms))
            }
            Schedule::Resting { due } | Schedule::Lost { due, .. } => Some(due),
        };
        self.triggered.or(scheduled)
    }

    /// Whether it is only measured now and then.
    pub(super) const fn is_resting(&self) -> bool {
        matches!(self.schedule, Schedule::Resting { .. })
    }

    /// A check goes out, or would if it were allowed. `beside`: another way is selected.
    pub(super) fn sent(&mut self, beside: bool, now: Duration) {
        self.last_sent = Some(now);
        if self.triggered.take().is_some() {
            return;
        }
        self.schedule = match self.schedule {
            Schedule::Idle => Schedule::Idle,
            Schedule::Burst { from, round } if round + 1 < BURST_MS.len() => {
                Schedule::Burst { from, round: round + 1 }
            }
            Schedule::Burst { from, .. } => {
                if self.proof.is_some_and(|proof| proof.at >= from) {
                    Schedule::Resting { due: now + ALTERNATIVE_FIRST }
                } else {
                    self.fall(now);
                    self.schedule
                }
            }
            Schedule::Resting { .. } => Schedule::Resting { due: now + ALTERNATIVE_EVERY },
            Schedule::Lost { tries, .. } if !self.was_proved && tries >= UNPROVED_TRIES_MAX => Schedule::Idle,
            Schedule::Lost { tries, .. } => {
                let longest = if beside { LOST_EVERY_BESIDE } else { LOST_EVERY };
                let wait = (LOST_FIRST * 2_u32.saturating_pow(tries.min(64) / 4)).min(longest);
                Schedule::Lost { tries: tries + 1, due: now + wait }
            }
        };
    }

    /// One of our checks was answered.
    pub(super) fn answered(&mut self, sample: Duration, seen: SocketAddr, now: Duration) {
        let rtt = self.proof.map_or(sample, |proof| (proof.rtt * 7 + sample) / 8);
        let since = self.proof.map_or(now, |proof| proof.since);
        self.proof = Some(Proof { since, at: now, rtt, seen });
        self.heard = Some(now);
        self.was_proved = true;
    }

    /// Quick checks have reached what they were for.
    pub(super) fn rest(&mut self, now: Duration) {
        let enough = match self.schedule {
            Schedule::Burst { round, .. } => self.origin != Origin::Guessed || round >= GUESSED_BURST_MIN,
            Schedule::Lost { .. } => true,
            Schedule::Idle | Schedule::Resting { .. } => false,
        };
        if enough {
            self.schedule = Schedule::Resting { due: now + ALTERNATIVE_FIRST };
            self.triggered = None;
        }
    }

    /// It does not work any more.
    pub(super) fn fall(&mut self, now: Duration) {
        self.proof = None;
        self.nominated = None;
        self.confirmed = false;
        self.schedule =
            if self.was_proved { Schedule::Lost { tries: 0, due: now + LOST_FIRST } } else { Schedule::Idle };
    }

    /// No more checks.
    pub(super) const fn stop(&mut self) {
        self.schedule = Schedule::Idle;
        self.triggered = None;
    }

    /// Whether QUIC may be moved here.
    pub(super) fn works(&self, now: Duration) -> bool {
        self.proof.is_some() && self.is_recent(now)
    }

    /// Whether anything authentic came from there lately.
    pub(super) fn is_recent(&self, now: Duration) -> bool {
        self.heard.is_some_and(|at| now.saturating_sub(at) < PROOF_LASTS)
    }

    /// When a check was last sent.
    pub(super) const fn last_sent(&self) -> Option<Duration> {
        self.last_sent
    }
}
