//! Makes ready to receive: finds what an earlier run left, sees that the rest has room, and reads again what is there.

use std::sync::Arc;

use hobnob_wire::transfer::Span;

use super::incoming::{Incoming, Promise};
use super::{TransferShell, blocking, lock};
use crate::core::transfer::SpanSet;
use crate::core::transfer::job::{Held, Layouted, TransferFault, TransferReport};
use crate::disk::calls::Disk;
use crate::disk::room;
use crate::disk::selection::Selection;
use crate::disk::spool::{Spool, spool_path};
use crate::disk::staging::{Plan, Staging};
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
            let (opening, disk) = (Arc::clone(&incoming), shell.0.disk.clone());
            let opened = blocking(move || opening.prepare(|| reopen(&disk, &opening.promise))).await;
            let (staging, result) = match opened {
                Ok((staging, held)) => (staging, Ok(held)),
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
pub(super) fn layouted(staging: &Staging) -> Result<Layouted, DiskError> {
    let (layout, selection) = (staging.layout(), staging.selection());
    Ok(Layouted {
        ranges: layout.ranges(),
        wanted: selection.ranges(layout).spans(usize::MAX),
        chosen: selection.sum(layout),
        doubted: staging.tally().noted().spans(usize::MAX),
        known: staging.known_ranges()?.spans(usize::MAX),
    })
}

impl Promise {
    /// What is to be done with the list of files that was promised.
    pub(super) fn plan(self, spool: Spool, selection: Selection) -> Plan {
        let Self { folder, update, programs, .. } = self;
        Plan { folder, update, spool, selection, programs }
    }
}

/// What an earlier run left, if it is what was promised.
fn reopen(disk: &Disk, promise: &Promise) -> Result<(Option<Staging>, Held), TransferFault> {
    let transfer = promise.transfer;
    match listed(disk, promise) {
        Ok(Some((spool, selection))) => {
            let staging = Staging::open(disk, transfer, promise.clone().plan(spool, selection))?;
            let held = if staging.tally().is_whole().map_err(TransferFault::from)? {
                Held::Everything
            } else {
                Held::Manifest(layouted(&staging)?)
            };
            return Ok((Some(staging), held));
        }
        Ok(None) => {}
        // The sender has it still.
        Err(DiskError::Spool { .. }) => {
            tracing::warn!(%transfer, "the list of files of a transfer is damaged and asked for again");
        }
        Err(error) => return Err(error.into()),
    }
    // How much is taken of it will be known when the list is here.
    let bytes = if promise.choice.is_some() { 0 } else { promise.bytes };
    room::prepare(disk, &promise.folder, bytes)?;
    Ok((None, Held::Nothing))
}

/// The list of files that an earlier run kept, and what is taken of it.
fn listed(disk: &Disk, promise: &Promise) -> Result<Option<(Spool, Selection)>, DiskError> {
    let path = spool_path(disk, promise.transfer);
    if !path.exists() {
        return Ok(None);
    }
    let spool = Spool::open(disk, path.clone())?;
    let selection = match promise.choice {
        Some(_) => Selection::load(disk, promise.transfer, &spool.digest())?,
        None => Some(Selection::everything()),
    };
    let fits = selection.filter(|_| spool_fits(&spool, promise));
    fits.map(|selection| Some((spool, selection))).ok_or(DiskError::Spool { path })
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
            let range = staging.layout().range(*number);
            bytes += range.map_or(0, |range| staging.selection().bytes_of(&range));
        } else {
            spoiled.insert(*number);
        }
    }
    (sound.spans(usize::MAX), bytes, spoiled.spans(usize::MAX))
}
