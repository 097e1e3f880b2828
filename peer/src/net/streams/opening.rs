//! Makes ready to receive: finds what an earlier run left, sees that the rest has room, and reads again what is there.

use std::path::Path;
use std::sync::Arc;

use hobnob_wire::transfer::Span;

use super::incoming::{Incoming, Promise};
use super::{TransferShell, blocking, lock};
use crate::core::transfer::SpanSet;
use crate::core::transfer::job::{Held, Layouted, TransferFault, TransferReport};
use crate::disk::room;
use crate::disk::spool::{Spool, spool_path};
use crate::disk::staging::Staging;
use crate::disk::trouble::DiskError;

/// Ranges that are read again between two reports.
const CHECKED_AT_ONCE: usize = 64;

impl TransferShell {
    pub(super) fn open(&self, promise: Promise) {
        let transfer = promise.transfer;
        let incoming = Arc::new(Incoming::new(promise));
        lock(&self.0.incoming).insert(transfer, Arc::clone(&incoming));
        let before = lock(&self.0.endings).remove(&transfer);
        let (shell, tasks) = (self.clone(), Arc::clone(&incoming));
        tasks.tasks.spawn(&self.0.runtime, async move {
            if let Some(before) = before {
                // It fails only when the runtime ends.
                let _ = before.await;
            }
            let (opening, transfers) = (Arc::clone(&incoming), shell.0.folder.clone());
            let opened = blocking(move || opening.prepare(|| reopen(&transfers, &opening.promise))).await;
            let (staging, result) = match opened {
                Ok(None) => (None, Ok(Held::Nothing)),
                Ok(Some(staging)) if staging.tally().is_whole() => (Some(staging), Ok(Held::Everything)),
                Ok(Some(staging)) => {
                    let layouted = layouted(&staging);
                    (Some(staging), Ok(Held::Manifest(layouted)))
                }
                Err(fault) => (None, Err(fault)),
            };
            let staging = staging.map(Arc::new);
            *lock(&incoming.manifest_claimed) = staging.is_some();
            if let Some(staging) = &staging {
                incoming.staging.send_replace(Some(Arc::clone(staging)));
            }
            let is_partial = matches!(result, Ok(Held::Manifest(_)));
            shell.report(TransferReport::Opened { transfer, result }).await;
            if let Some(staging) = staging.filter(|_| is_partial) {
                shell.check(&incoming, staging).await;
            }
        });
    }

    /// Reads again what an earlier run wrote.
    pub(super) async fn check(&self, incoming: &Incoming, staging: Arc<Staging>) {
        let transfer = incoming.promise.transfer;
        let doubted = staging.tally().noted().spans(usize::MAX);
        let numbers: Vec<u64> = doubted.iter().flat_map(|span| span.start..span.end).collect();
        for some in numbers.chunks(CHECKED_AT_ONCE) {
            let (some, staging) = (some.to_vec(), Arc::clone(&staging));
            let (sound, bytes, spoiled) = blocking(move || check(&staging, &some)).await;
            if !spoiled.is_empty() {
                tracing::warn!(%transfer, ?spoiled, "ranges that an earlier run wrote are spoiled");
            }
            self.report(TransferReport::Checked { transfer, sound, bytes, spoiled }).await;
        }
    }
}

/// What is known of a transfer that has just been opened.
pub(super) fn layouted(staging: &Staging) -> Layouted {
    let doubted = staging.tally().noted().spans(usize::MAX);
    Layouted { ranges: staging.layout().ranges(), doubted, known: staging.known_ranges().spans(usize::MAX) }
}

/// What an earlier run left, if it is what was promised.
fn reopen(transfers: &Path, promise: &Promise) -> Result<Option<Staging>, TransferFault> {
    let transfer = promise.transfer;
    let path = spool_path(transfers, transfer);
    if path.exists() {
        match Spool::open(path) {
            Ok(spool) if spool_fits(&spool, promise) => {
                return Ok(Some(Staging::open(
                    transfers,
                    (promise.folder.clone(), promise.update),
                    transfer,
                    spool,
                )?));
            }
            // The sender has it still.
            Ok(_) | Err(DiskError::Spool { .. }) => {
                tracing::warn!(%transfer, "the list of files of a transfer is damaged and asked for again");
            }
            Err(error) => return Err(error.into()),
        }
    }
    room::prepare(&promise.folder, promise.bytes)?;
    Ok(None)
}

fn spool_fits(spool: &Spool, promise: &Promise) -> bool {
    (u64::from(spool.layout().entries()), spool.layout().bytes()) == (promise.entries, promise.bytes)
}

/// The sound ones among these ranges, their bytes, and the spoiled ones.
fn check(staging: &Staging, numbers: &[u64]) -> (Vec<Span>, u64, Vec<Span>) {
    let (mut sound, mut bytes, mut spoiled) = (SpanSet::default(), 0, SpanSet::default());
    let mut buffer = Vec::new();
    for number in numbers {
        if staging.check(*number, &mut buffer) {
            sound.insert(*number);
            bytes += staging.layout().range(*number).map_or(0, |range| range.bytes());
        } else {
            spoiled.insert(*number);
        }
    }
    (sound.spans(usize::MAX), bytes, spoiled.spans(usize::MAX))
}
