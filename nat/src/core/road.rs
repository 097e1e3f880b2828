//! Chooses the road to a rendezvous: UDP, or the tunnel through TCP where UDP is blocked.
//!
//! UDP is always dialed first. When it gives no answer within a head start the tunnel is dialed beside it, and the first of
//! the two that is open carries the session. A session in a tunnel probes UDP from time to time and moves when it works.
//! How to dial, probe and move is left to the shell.

use std::time::Duration;

/// What a session is told to take at most to be open over the tunnel when UDP is dead: the head start and four round trips
/// of 0.4 s (TCP, TLS, QUIC, the proof of the device) are within it.
pub const IN_USE_WITHIN: Duration = Duration::from_secs(3);

/// How long UDP is alone. Three round trips of a slow path, and one lost first packet on a quick one.
const HEAD_START: Duration = Duration::from_millis(1_200);

/// How long UDP is alone where it did not work the last time.
const SHORT_HEAD_START: Duration = Duration::from_millis(200);

/// The first probe of UDP while tunnelled, and the longest wait between two. Each costs a handshake's packets.
const PROBES: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(300)];

/// What carries a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Road {
    /// Datagrams on their own.
    Udp,
    /// Datagrams inside a TLS connection.
    Tunnel,
}

/// Which roads the user allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Roads {
    /// UDP, and the tunnel when UDP is silent.
    #[default]
    Both,
    /// A proxy is to be used: it knows no UDP, and what went beside it would give the own address away.
    TunnelOnly,
}

/// Remembers how UDP did. One for each rendezvous, kept from session to session.
#[derive(Debug)]
pub struct Chooser {
    roads: Roads,
    /// UDP gave no answer when it was tried last.
    udp_is_silent: bool,
    /// How long until the next probe.
    probe_wait: Duration,
}

/// What to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// UDP now; the tunnel beside it when UDP is not open after `alone`, or has failed before.
    Udp {
        /// The head start.
        alone: Duration,
    },
    /// The tunnel and nothing else.
    Tunnel,
}

impl Chooser {
    /// Nothing is known about the network yet.
    #[must_use]
    pub const fn new(roads: Roads) -> Self {
        Self { roads, udp_is_silent: false, probe_wait: PROBES[0] }
    }

    /// How to open the next session.
    #[must_use]
    pub const fn plan(&self) -> Plan {
        match self.roads {
            Roads::TunnelOnly => Plan::Tunnel,
            Roads::Both if self.udp_is_silent => Plan::Udp { alone: SHORT_HEAD_START },
            Roads::Both => Plan::Udp { alone: HEAD_START },
        }
    }

    /// A session is open over `road`.
    pub const fn opened(&mut self, road: Road) {
        match road {
            Road::Udp => *self = Self::new(self.roads),
            Road::Tunnel => self.udp_is_silent = true,
        }
    }

    /// When to probe UDP next, counted from now, while the session is in a tunnel. Each answer is longer than the one
    /// before, up to five minutes.
    pub fn next_probe(&mut self) -> Option<Duration> {
        if self.roads == Roads::TunnelOnly {
            return None;
        }
        let wait = self.probe_wait;
        self.probe_wait = (wait * 2).min(PROBES[1]);
        Some(wait)
    }

    /// The machine is on another network: what was learnt is void.
    pub const fn network_changed(&mut self) {
        *self = Self::new(self.roads);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn udp_has_a_head_start_that_is_shorter_where_it_failed_before() {
        let mut chooser = Chooser::new(Roads::Both);
        assert_eq!(chooser.plan(), Plan::Udp { alone: HEAD_START });
        chooser.opened(Road::Tunnel);
        assert_eq!(chooser.plan(), Plan::Udp { alone: SHORT_HEAD_START });
        chooser.opened(Road::Udp);
        assert_eq!(chooser.plan(), Plan::Udp { alone: HEAD_START });
    }

    #[test]
    fn udp_is_probed_every_30_seconds_at_first_and_every_5_minutes_in_the_end() {
        let mut chooser = Chooser::new(Roads::Both);
        chooser.opened(Road::Tunnel);
        let waits: Vec<u64> = (0..6).map(|_| chooser.next_probe().unwrap().as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 300, 300]);
        chooser.opened(Road::Tunnel);
        assert_eq!(chooser.next_probe(), Some(PROBES[1]));
        chooser.network_changed();
        assert_eq!(chooser.next_probe(), Some(PROBES[0]));
        assert_eq!(chooser.plan(), Chooser::new(Roads::Both).plan());
    }

    #[test]
    fn with_a_proxy_nothing_goes_beside_it() {
        let mut chooser = Chooser::new(Roads::TunnelOnly);
        assert_eq!(chooser.plan(), Plan::Tunnel);
        chooser.opened(Road::Tunnel);
        assert_eq!(chooser.next_probe(), None);
    }

    #[test]
    fn the_head_start_leaves_four_round_trips_of_400_ms() {
        assert!(HEAD_START + Duration::from_millis(400) * 4 <= IN_USE_WITHIN);
    }
}
