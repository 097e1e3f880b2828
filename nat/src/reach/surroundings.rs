//! Notices when the network around changes.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::core::candidate::LocalAddress;
use crate::network::{Network, Preferred};

/// How often the network is looked at. Looking takes a tenth of a millisecond; people expect a change to be noticed within 2 s.
const EVERY: Duration = Duration::from_secs(1);

/// How often while there is traffic with a peer, which is not to pause for long when the network changes.
const EVERY_WHILE_BUSY: Duration = Duration::from_millis(200);

/// How much further the clock on the wall may move than the one that stands still while the machine sleeps: more than
/// corrections of the clock, less than it takes a network to forget us.
const SLEPT_MIN: Duration = Duration::from_secs(5);

/// The network around, as it was when last looked at.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) addresses: Vec<LocalAddress>,
    preferred: Preferred,
    looked: Instant,
    wall: SystemTime,
}

impl Surroundings {
    pub(super) fn look(network: &dyn Network) -> Self {
        let addresses = network.addresses().unwrap_or_else(|error| {
            tracing::debug!(%error, "the system does not list its addresses");
            Vec::new()
        });
        let preferred = network.preferred();
        Self { addresses, preferred, looked: Instant::now(), wall: SystemTime::now() }
    }

    /// When to look again.
    pub(super) fn due(&self, is_busy: bool) -> Instant {
        self.looked + if is_busy { EVERY_WHILE_BUSY } else { EVERY }
    }

    /// Leaves out one look.
    pub(super) fn postpone(&mut self) {
        self.looked = Instant::now();
        self.wall = SystemTime::now();
    }

    /// Looks again. Whether something is different, or the machine has slept.
    pub(super) fn look_again(&mut self, network: &dyn Network) -> bool {
        let former = std::mem::replace(self, Self::look(network));
        let on_the_wall = self.wall.duration_since(former.wall).unwrap_or_default();
        let slept = on_the_wall.saturating_sub(self.looked.duration_since(former.looked)) > SLEPT_MIN;
        slept || self.addresses != former.addresses || self.preferred != former.preferred
    }
}
