//! Keeps what is sent under its limits, whatever the number of streams.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use hobnob_wire::TransferId;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep};

use super::lock;
use crate::core::transfer::shaper::{Flow, Limited, Shaper, Ticket};

/// The limits of all that is sent. Streams that wait take turns at looking at the clock for all of them.
#[derive(Debug)]
pub(super) struct Pacer {
    started: Instant,
    waiting: Mutex<Waiting>,
    /// Held by whoever looks at the clock.
    turn: tokio::sync::Mutex<()>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    shaper: Shaper,
    streams: BTreeMap<Ticket, oneshot::Sender<()>>,
}

/// A ticket that is taken back unless it is granted.
struct Asked<'a> {
    pacer: &'a Pacer,
    transfer: TransferId,
    ticket: Ticket,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut waiting = lock(&self.pacer.waiting);
        if waiting.streams.remove(&self.ticket).is_some() {
            waiting.shaper.take_back(self.transfer, self.ticket);
        }
    }
}

impl Default for Pacer {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            waiting: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            changed: Notify::new(),
        }
    }
}

impl Pacer {
    /// Changes a limit, also for those who wait; 0 for none.
    pub(super) fn set_limit(&self, of: Limited, bytes_per_s: u64) {
        lock(&self.waiting).shaper.set_limit(of, bytes_per_s, self.started.elapsed());
        self.changed.notify_waiters();
    }

    /// A transfer begins, or goes on elsewhere or with another weight.
    pub(super) fn set_flow(&self, flow: Flow) {
        lock(&self.waiting).shaper.set_flow(flow);
        self.changed.notify_waiters();
    }

    /// A transfer is over.
    pub(super) fn remove(&self, transfer: TransferId) {
        lock(&self.waiting).shaper.remove(transfer);
    }

    /// How many bytes of a transfer to write at a time.
    pub(super) fn portion(&self, transfer: TransferId) -> usize {
        lock(&self.waiting).shaper.portion(transfer)
    }

    /// Lets go what may, and says how long until to look again while others wait.
    fn grant(&self, waiting: &mut Waiting) -> Option<Duration> {
        let (tickets, wait) = waiting.shaper.grant(self.started.elapsed());
        for stream in tickets.iter().filter_map(|ticket| waiting.streams.remove(ticket)) {
            // It fails only when the stream has just ended.
            let _ = stream.send(());
        }
        wait
    }

    /// Waits until `bytes` of a transfer may go.
    pub(super) async fn pass(&self, transfer: TransferId, bytes: usize) {
        let (send, mut granted) = oneshot::channel();
        let _asked = {
            let mut waiting = lock(&self.waiting);
            let Some(ticket) = waiting.shaper.ask(transfer, bytes) else { return };
            waiting.streams.insert(ticket, send);
            self.grant(&mut waiting);
            Asked { pacer: self, transfer, ticket }
        };
        if granted.try_recv().is_ok() {
            return;
        }
        // It may be due before what the one who looks at the clock waits for.
        self.changed.notify_waiters();
        let _turn = tokio::select! {
            biased;
            _ = &mut granted => return,
            turn = self.turn.lock() => turn,
        };
        loop {
            let changed = self.changed.notified();
            let wait = self.grant(&mut lock(&self.waiting));
            // A transfer that is over has no queue any more, and its streams are being stopped.
            let rest = async {
                match wait {
                    Some(wait) => sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = &mut granted => return,
                () = rest => {}
                () = changed => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::input::LinkId;

    fn id(number: u8) -> TransferId {
        TransferId::new([number; 16])
    }

    fn pacer() -> Arc<Pacer> {
        let pacer = Pacer::default();
        for number in 0..8 {
            let peer = "bob@localhost".parse().unwrap();
            pacer.set_flow(Flow { transfer: id(number), peer, link: LinkId(1), weight: 1 });
        }
        Arc::new(pacer)
    }

    #[tokio::test]
    async fn a_change_of_a_limit_wakes_all_who_wait() {
        let pacer = pacer();
        // At a byte a second only the first passes while this test runs.
        pacer.set_limit(Limited::Total, 1);
        pacer.pass(id(0), 64 << 10).await;
        let streams: Vec<_> = (0..8)
            .map(|number| {
                let pacer = Arc::clone(&pacer);
                tokio::spawn(async move { pacer.pass(id(number), 64 << 10).await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(streams.iter().all(|stream| !stream.is_finished()));
        pacer.set_limit(Limited::Total, 1 << 40);
        for stream in streams {
            tokio::time::timeout(Duration::from_secs(30), stream).await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_stream_that_ends_while_it_waits_holds_nobody_up() {
        let pacer = pacer();
        pacer.set_limit(Limited::Total, 1_000_000);
        pacer.pass(id(0), 64 << 10).await;
        let gone = tokio::spawn({
            let pacer = Arc::clone(&pacer);
            async move { pacer.pass(id(1), 64 << 10).await }
        });
        tokio::task::yield_now().await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        tokio::time::timeout(Duration::from_secs(30), pacer.pass(id(2), 64 << 10)).await.unwrap();
        assert!(lock(&pacer.waiting).streams.is_empty());
    }
}
