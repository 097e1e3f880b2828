//! Tells the core how much moves.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hobnob_wire::TransferId;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::lock;
use crate::core::transfer::job::TransferReport;

/// Least time between two reports.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// Bytes of one transfer that have moved and are not reported yet.
#[derive(Debug)]
pub(super) struct Moved {
    bytes: AtomicU64,
    reported_at: Mutex<Instant>,
}

impl Default for Moved {
    fn default() -> Self {
        Self { bytes: AtomicU64::new(0), reported_at: Mutex::new(Instant::now()) }
    }
}

impl Moved {
    /// Counts bytes, and reports when it is time.
    pub(super) fn add(&self, bytes: usize, transfer: TransferId, reports: &mpsc::Sender<TransferReport>) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let mut reported_at = lock(&self.reported_at);
        if reported_at.elapsed() < REPORT_EVERY {
            return;
        }
        // When the core is behind, the next report says it all.
        if let Ok(room) = reports.try_reserve() {
            *reported_at = Instant::now();
            room.send(TransferReport::Moved { transfer, bytes: self.bytes.swap(0, Ordering::Relaxed) });
        }
    }
}
