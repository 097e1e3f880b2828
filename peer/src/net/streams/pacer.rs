//! Keeps a transfer under its limit, whatever the number of its streams.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::lock;
use crate::core::transfer::pace::Bucket;

/// The limit of one transfer.
#[derive(Debug)]
pub(super) struct Pacer {
    started: Instant,
    bucket: Mutex<Bucket>,
    /// Held while waiting: streams of a transfer take turns.
    turn: tokio::sync::Mutex<()>,
    changed: Notify,
}

impl Default for Pacer {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            bucket: Mutex::new(Bucket::new(0, Duration::ZERO)),
            turn: tokio::sync::Mutex::default(),
            changed: Notify::new(),
        }
    }
}

impl Pacer {
    /// Changes the limit, also for those who wait; 0 for none.
    pub(super) fn set_limit(&self, bytes_per_s: u64) {
        lock(&self.bucket).set_limit(bytes_per_s, self.started.elapsed());
        self.changed.notify_waiters();
    }

    /// How many bytes to write at a time.
    pub(super) fn portion(&self) -> usize {
        lock(&self.bucket).portion()
    }

    /// Waits until `bytes` may go.
    pub(super) async fn pass(&self, bytes: usize) {
        if lock(&self.bucket).limit() == 0 {
            return;
        }
        let _turn = self.turn.lock().await;
        loop {
            let changed = self.changed.notified();
            let taken = lock(&self.bucket).take(bytes, self.started.elapsed());
            let Err(wait) = taken else { return };
            tokio::select! {
                () = sleep(wait) => {}
                () = changed => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_change_of_the_limit_wakes_all_who_wait() {
        let pacer = Arc::new(Pacer::default());
        // At a byte a second nobody passes while this test runs.
        pacer.set_limit(1);
        let streams: Vec<_> = (0..8)
            .map(|_| {
                let pacer = Arc::clone(&pacer);
                tokio::spawn(async move { pacer.pass(64 << 10).await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(streams.iter().all(|stream| !stream.is_finished()));
        pacer.set_limit(0);
        for stream in streams {
            tokio::time::timeout(Duration::from_secs(30), stream).await.unwrap().unwrap();
        }
    }
}
