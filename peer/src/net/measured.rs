//! What QUIC measures on links that are up, by device.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hobnob_wire::DeviceId;
use quinn::Connection;

use crate::core::input::LinkId;

/// What one link meets with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measured {
    /// Round-trip time, in microseconds.
    pub(crate) rtt_us: u64,
    /// Packets lost of a million sent.
    pub(crate) loss_ppm: u32,
    /// Largest packet that passes, in bytes.
    pub(crate) mtu: u16,
}

/// The links that are up. There is one to a device; of two for a moment, the later counts.
#[derive(Debug, Default)]
pub(crate) struct Meters(Mutex<BTreeMap<LinkId, (DeviceId, Connection)>>);

impl Meters {
    pub(crate) fn insert(&self, link: LinkId, device: DeviceId, connection: Connection) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(link, (device, connection));
    }

    pub(crate) fn remove(&self, link: LinkId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&link);
    }

    pub(crate) fn of(&self, device: DeviceId) -> Option<Measured> {
        let links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, connection) = links.values().rev().find(|(known, _)| *known == device)?;
        let path = connection.stats().path;
        Some(Measured {
            rtt_us: u64::try_from(path.rtt.as_micros()).unwrap_or(u64::MAX),
            loss_ppm: ppm(path.lost_packets, path.sent_packets),
            mtu: path.current_mtu,
        })
    }
}

/// Parts in a million; nothing of nothing is nothing.
fn ppm(part: u64, whole: u64) -> u32 {
    let ppm = u128::from(part) * 1_000_000 / u128::from(whole.max(1));
    u32::try_from(ppm).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::ppm;

    #[test]
    fn loss_is_counted_in_parts_of_a_million() {
        assert_eq!(ppm(0, 0), 0);
        assert_eq!(ppm(1, 100), 10_000);
        assert_eq!(ppm(3, 1_000_000), 3);
        assert_eq!(ppm(u64::MAX, u64::MAX), 1_000_000);
    }
}
