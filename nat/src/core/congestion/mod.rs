//! How much may be in flight on a link: our congestion controller, without a clock and without quinn.
//!
//! quinn paces at 1.25 × window / smoothed RTT, so in the long run the window alone decides the rate. The controller
//! looks at what each round trip shows, the *queue* (least RTT of the round above the least RTT of the path) and the part that was lost, and
//! is in one of three phases:
//!
//! - `startup`: doubles each round, or grows by half after a switch, until packets begin to wait, or too many are lost.
//! - `polite`: keeps the bottleneck busy and its queue a few milliseconds long. Losses say little here: what a
//!   radio loses at random is no reason to slow down, so only a loss well above the path's own noise is.
//! - `contending`: somebody else fills the queue and would take everything from a polite sender, so we do as CUBIC
//!   (RFC 9438) does, until a look every few seconds shows that the queue is ours alone. What the look shows of the
//!   others, how much is in flight beside ours, tells the window of an equal share, at which the growth aims.
//!
//! When the path below is switched, everything learned is forgotten but the rate, of which half is kept.
//! Left to others: when a packet counts as lost (quinn, by the thresholds of [`transport`](crate::transport)) and when a path is
//! switched (the demux).

mod contending;
mod cubic;
mod polite;
mod recent;
mod round;
mod startup;

use std::time::Duration;

use self::contending::Contending;
use self::polite::Polite;
use self::recent::Recent;
use self::round::{Batch, Round};
use self::startup::Startup;

/// The first window, in packets: 38 KiB, of which quinn sends 10 at once and paces the rest.
const INITIAL_PACKETS: f64 = 32.0;

/// The window is never smaller, so that losses are noticed by later packets.
const LEAST_PACKETS: f64 = 4.0;

/// The window is never larger: 1 Gbit/s over 500 ms. The window of a link's flow control ends before.
const WINDOW_MAX: f64 = 64_000_000.0;

/// For how long the least RTT seen counts as that of the path, at least; at most twice as long.
const BASE_RTT_HOLDS: Duration = Duration::from_secs(30);

/// Longer queues than this are a reason to slow down. Large against the scheduling of both ends, small against what a
/// person notices; half of what 125 KB hold at 100 Mbit/s.
const QUEUE_MAX: Duration = Duration::from_millis(5);

/// Shorter queues than this many packets are no reason either.
const QUEUE_PACKETS: f64 = 4.0;

/// A queue is full from this part of the longest one on.
const FULL: f64 = 0.75;

/// A packet that found no place counts as lost at most so many round trips after it was sent.
const LOSS_ROUNDS: u8 = 4;

/// For how long the greatest RTT seen tells how long the queue can be, at least; at most twice as long.
const PEAK_RTT_HOLDS: Duration = Duration::from_secs(10);

/// What the phases share: the window and what is known of the path.
#[derive(Clone, Debug)]
struct Path {
    /// Bytes that may be in flight.
    window: f64,
    /// Bytes of a packet.
    packet: f64,
    /// RTT without a queue.
    base: Recent,
    /// RTT with as long a queue as there can be.
    peak: Recent,
    /// RTT now.
    latest: Duration,
    /// The RTT of the last rounds.
    rounds: [Duration; LOSS_ROUNDS as usize],
}

impl Path {
    fn new(packet: f64, window: f64) -> Self {
        Self {
            window,
            packet,
            base: Recent::least(BASE_RTT_HOLDS),
            peak: Recent::greatest(PEAK_RTT_HOLDS),
            latest: Duration::ZERO,
            rounds: [Duration::ZERO; LOSS_ROUNDS as usize],
        }
    }

    fn set_window(&mut self, window: f64) {
        self.window = window.clamp(LEAST_PACKETS * self.packet, WINDOW_MAX);
    }

    /// RTT without a queue; zero before the first acknowledgement.
    fn base(&self) -> Duration {
        self.base.get().unwrap_or_default()
    }

    /// How long packets wait whose round trip takes so long.
    fn queue(&self, rtt: Duration) -> Duration {
        rtt.saturating_sub(self.base())
    }

    fn note_rtt(&mut self, now: Duration, rtt: Duration) {
        self.base.add(now, rtt);
        self.latest = rtt;
    }

    /// A round has ended. Its least RTT tells how full the queue was; single acknowledgements may be late by chance.
    fn note_round(&mut self, now: Duration, rtt: Duration) {
        self.peak.add(now, rtt);
        self.rounds.rotate_right(1);
        self.rounds[0] = rtt;
    }

    /// Whether the queue has been about as long as it can be. A packet counts as lost only some time after the queue had no
    /// place for it, hence not the queue of this moment.
    fn was_full(&self) -> bool {
        let longest = self.queue(self.peak.get().unwrap_or_default());
        self.rounds.into_iter().any(|rtt| self.queue(rtt) >= longest.mul_f64(FULL))
    }

    /// The longest queue that is no reason to slow down: of a slow path some packets, since quinn sends that many at once.
    fn queue_max(&self) -> Duration {
        QUEUE_MAX.max(self.latest.mul_f64((QUEUE_PACKETS * self.packet / self.window).min(1.0)))
    }

    /// The part of the window that would just fill the path if a window's round trip takes so long.
    fn filling(&self, rtt: Duration) -> f64 {
        let spare = self.queue_max() / 8;
        ((self.base() + spare).as_secs_f64() / rtt.as_secs_f64().max(1e-6)).min(1.0)
    }
}

#[derive(Clone, Debug)]
enum Phase {
    Startup(Startup),
    Polite(Polite),
    Contending(Contending),
}

/// The congestion controller of one link. All times are since one moment of the caller's choice, monotonic.
#[derive(Clone, Debug)]
pub struct Congestion {
    path: Path,
    phase: Phase,
    batch: Batch,
    round: Round,
    /// When the path was switched last: what was sent before says nothing about it.
    switched_at: Duration,
    /// The RTT of the path before, until the new path has answered.
    before: Option<Duration>,
}

impl Congestion {
    /// A controller for a path on which packets of `mtu` bytes are sent.
    #[must_use]
    pub fn new(mtu: u16, now: Duration) -> Self {
        let packet = f64::from(mtu);
        Self {
            path: Path::new(packet, INITIAL_PACKETS * packet),
            phase: Phase::Startup(Startup::new()),
            batch: Batch::default(),
            round: Round::starting(now),
            switched_at: Duration::ZERO,
            before: None,
        }
    }

    /// Bytes that may be in flight.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within four packets and 64 MB"
    )]
    pub fn window(&self) -> u64 {
        self.path.window as u64
    }

    /// The first window, in bytes.
    #[must_use]
    pub fn initial_window(mtu: u16) -> u64 {
        u64::from(mtu) * 32
    }

    /// Packets have another size from now on.
    pub fn handle_mtu(&mut self, mtu: u16) {
        self.path.packet = f64::from(mtu);
        self.path.set_window(self.path.window);
    }

    /// The path below has been switched. What is known of it is void; half the rate is kept until the new path answers,
    /// which neither floods a slower one nor starves the receiver.
    pub fn handle_switch(&mut self, now: Duration) {
        let packet = self.path.packet;
        let window = (self.path.window / 2.0).max(INITIAL_PACKETS * packet).min(self.path.window);
        *self = Self {
            path: Path::new(packet, window),
            phase: Phase::Startup(Startup::on_new_path()),
            batch: Batch::default(),
            round: Round::starting(now),
            switched_at: now,
            before: self.path.base.get().or(self.before),
        };
    }

    /// One packet that was sent at `sent` has arrived.
    pub fn handle_ack(&mut self, now: Duration, sent: Duration, bytes: u64) {
        if sent >= self.switched_at {
            self.batch.add(now, sent, bytes);
        }
    }

    /// All acknowledgements that came in at this moment have been handled. `app_limited`: there was nothing more to send before they came.
    pub fn handle_acks_end(&mut self, now: Duration, app_limited: bool) {
        let batch = std::mem::take(&mut self.batch);
        if batch.bytes == 0.0 {
            return;
        }
        if let Some(before) = self.before.take() {
            self.keep_rate(before, batch.rtt);
        }
        self.path.note_rtt(now, batch.rtt);
        self.round.add(&batch, app_limited);
        if !app_limited {
            self.grow(now, batch.bytes);
        }
        if batch.newest >= self.round.started {
            let round = std::mem::replace(&mut self.round, Round::starting(now));
            self.handle_round(now, &round);
        }
    }

    /// Packets were lost, the last of which was sent at `sent`; 0 bytes stand for a mark of congestion (ECN). `all`: nothing
    /// arrived for so long that the path may be gone.
    pub fn handle_loss(&mut self, now: Duration, sent: Duration, bytes: u64, all: bool) {
        if sent < self.switched_at {
            return;
        }
        if all {
            self.path.set_window(0.0);
            self.phase = Phase::Startup(Startup::new());
            self.round = Round::starting(now);
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "bytes in flight")]
        self.round.lose(bytes as f64);
        match &mut self.phase {
            Phase::Startup(startup) => {
                if let Some(polite) = startup.handle_loss(&mut self.path, &self.round) {
                    self.phase = Phase::Polite(polite);
                }
            }
            Phase::Contending(contending) => {
                let full = bytes == 0 || self.path.was_full();
                contending.handle_loss(&mut self.path, now, sent, full);
            }
            Phase::Polite(_) => {}
        }
    }

    /// The first answer over a new path: its round trips take another time, at the same rate another window.
    fn keep_rate(&mut self, before: Duration, rtt: Duration) {
        let longer = rtt.as_secs_f64() / before.as_secs_f64().max(1e-4);
        if longer < 1.0 {
            let initial = INITIAL_PACKETS * self.path.packet;
            self.path.set_window((self.path.window * longer).max(initial.min(self.path.window)));
        }
    }

    fn grow(&mut self, now: Duration, bytes: f64) {
        let path = &mut self.path;
        let next = match &mut self.phase {
            Phase::Startup(startup) => startup.handle_acks(path, bytes).map(Phase::Polite),
            Phase::Polite(polite) => {
                polite.handle_acks(path, bytes);
                None
            }
            Phase::Contending(contending) => {
                contending.handle_acks(path, now, bytes);
                None
            }
        };
        if let Some(next) = next {
            self.phase = next;
        }
    }

    fn handle_round(&mut self, now: Duration, round: &Round) {
        let path = &mut self.path;
        path.note_round(now, round.rtt);
        let next = match &mut self.phase {
            Phase::Startup(startup) => {
                startup.handle_round(round);
                None
            }
            Phase::Polite(polite) => polite.handle_round(path, round, now).map(Phase::Contending),
            Phase::Contending(contending) => contending.handle_round(path, round, now).map(Phase::Polite),
        };
        if let Some(next) = next {
            self.phase = next;
        }
    }
}
