//! Notices when the network around changes, and when the machine has slept.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::core::candidate::LocalAddress;
use crate::network::{Network, Preferred};

/// How often the network is looked at. Looking takes a tenth of a millisecond; people expect a change to be noticed within 2 s.
const EVERY: Duration = Duration::from_secs(1);

/// How often a glance at the default routes is taken while there is traffic with a peer, which is not to pause for long when
/// the network changes. That takes some microseconds.
const EVERY_WHILE_BUSY: Duration = Duration::from_millis(100);

/// By how much a clock may be ahead of what was expected without a sleep of the machine: more than corrections of a clock and
/// a moment of overload, less than it takes a network to forget us.
const SLEPT_MIN: Duration = Duration::from_secs(5);

/// One moment by two clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Stands still on some systems while the machine sleeps.
    pub(super) running: Instant,
    /// Never does, but people may set it.
    pub(super) wall: SystemTime,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { running: Instant::now(), wall: SystemTime::now() }
    }

    /// The time since `former`, by whichever clock says more.
    fn since(self, former: Self) -> Duration {
        let on_the_wall = self.wall.duration_since(former.wall).unwrap_or_default();
        on_the_wall.max(self.running.duration_since(former.running))
    }
}

/// What has become of the network since it was last looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing.
    AsBefore,
    /// An address or a route is another one.
    Changed,
    /// The machine has slept: it may be anywhere, and whoever it talked to may have given it up.
    Slept,
}

/// The network around, as it was when last looked at.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) addresses: Vec<LocalAddress>,
    preferred: Preferred,
    /// When all of it was looked at.
    looked: Instant,
    /// The last look or glance.
    last: Moment,
}

impl Surroundings {
    pub(super) fn look(network: &dyn Network, now: Moment) -> Self {
        let preferred = network.preferred();
        Self { addresses: addresses(network), preferred, looked: now.running, last: now }
    }

    /// When to look again.
    pub(super) fn due(&self, is_busy: bool) -> Instant {
        let look = self.looked + EVERY;
        if is_busy { look.min(self.last.running + EVERY_WHILE_BUSY) } else { look }
    }

    /// Leaves out one look.
    pub(super) fn postpone(&mut self, now: Moment) {
        (self.looked, self.last) = (now.running, now);
    }

    /// Looks again: at the routes, and at the addresses when these are others or it is time.
    pub(super) fn look_again(&mut self, network: &dyn Network, now: Moment) -> Seen {
        let slept = now.since(self.last) > EVERY + SLEPT_MIN;
        let preferred = network.preferred();
        let mut changed = self.preferred != preferred;
        if changed || slept || now.running >= self.looked + EVERY {
            let addresses = addresses(network);
            changed |= self.addresses != addresses;
            (self.addresses, self.looked) = (addresses, now.running);
        }
        (self.preferred, self.last) = (preferred, now);
        match (slept, changed) {
            (true, _) => Seen::Slept,
            (false, true) => Seen::Changed,
            (false, false) => Seen::AsBefore,
        }
    }
}

fn addresses(network: &dyn Network) -> Vec<LocalAddress> {
    network.addresses().unwrap_or_else(|error| {
        tracing::debug!(%error, "the system does not list its addresses");
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::{Arc, Mutex};

    use quinn::AsyncUdpSocket;

    use super::*;

    /// A network of one interface, whose address changes.
    #[derive(Debug)]
    struct Wire(Mutex<[u8; 4]>);

    impl Wire {
        fn ip(&self) -> Ipv4Addr {
            Ipv4Addr::from(*self.0.lock().unwrap())
        }
    }

    impl Network for Wire {
        fn bind(&self, _: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn addresses(&self) -> io::Result<Vec<LocalAddress>> {
            Ok(vec![LocalAddress { interface: "eth0".to_owned(), ip: self.ip().into() }])
        }

        fn preferred(&self) -> Preferred {
            Preferred { v4: Some(self.ip()), v6: None }
        }
    }

    /// Clocks that are set by hand.
    struct Clocks(Moment);

    impl Clocks {
        fn pass(&mut self, running: Duration, wall: Duration) -> Moment {
            self.0 = Moment { running: self.0.running + running, wall: self.0.wall + wall };
            self.0
        }
    }

    fn begin() -> (Wire, Clocks, Surroundings) {
        let (wire, clocks) = (Wire(Mutex::new([192, 0, 2, 1])), Clocks(Moment::now()));
        let surroundings = Surroundings::look(&wire, clocks.0);
        (wire, clocks, surroundings)
    }

    #[test]
    fn a_machine_that_slept_is_noticed_at_the_first_look_whichever_clock_stood_still() {
        const NIGHT: Duration = Duration::from_secs(8 * 3600);
        for (running, wall) in [(EVERY, NIGHT), (NIGHT, NIGHT), (NIGHT, EVERY)] {
            let (wire, mut clocks, mut surroundings) = begin();
            assert_eq!(surroundings.look_again(&wire, clocks.pass(EVERY, EVERY)), Seen::AsBefore);
            assert_eq!(surroundings.look_again(&wire, clocks.pass(running, wall)), Seen::Slept);
            assert_eq!(surroundings.look_again(&wire, clocks.pass(EVERY, EVERY)), Seen::AsBefore);
        }
    }

    #[test]
    fn corrections_of_a_clock_and_moments_of_overload_are_no_sleep() {
        let (wire, mut clocks, mut surroundings) = begin();
        let second = Duration::from_secs(1);
        for (running, wall) in [(EVERY, 5 * second), (5 * second, EVERY), (EVERY, Duration::ZERO)] {
            assert_eq!(surroundings.look_again(&wire, clocks.pass(running, wall)), Seen::AsBefore);
        }
        clocks.0.wall -= Duration::from_secs(86_400);
        assert_eq!(surroundings.look_again(&wire, clocks.pass(EVERY, EVERY)), Seen::AsBefore, "set back");
        surroundings.postpone(clocks.pass(EVERY, EVERY));
        assert_eq!(surroundings.look_again(&wire, clocks.pass(EVERY, EVERY)), Seen::AsBefore);
    }

    #[test]
    fn another_route_is_noticed_within_a_tenth_of_a_second_while_there_is_traffic_and_within_one_else() {
        for (is_busy, within) in [(true, EVERY_WHILE_BUSY), (false, EVERY)] {
            let (wire, mut clocks, mut surroundings) = begin();
            *wire.0.lock().unwrap() = [198, 51, 100, 1];
            let wait = surroundings.due(is_busy) - clocks.0.running;
            assert_eq!(wait, within);
            assert_eq!(surroundings.look_again(&wire, clocks.pass(wait, wait)), Seen::Changed);
            assert_eq!(surroundings.addresses[0].ip, wire.ip());
        }
    }
}
