//! Gives other receivers of the same offer what was received, and receivers the hashes that tell whether it is right.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use hobnob_wire::TransferId;
use hobnob_wire::close::StreamClose;
use hobnob_wire::transfer::StreamHeader;

use super::outgoing::Outgoing;
use super::{TransferShell, blocking, coding, lock};
use crate::core::input::LinkId;
use crate::core::transfer::job::{Failure, TransferFault, TransferReport};
use crate::disk::staging::Staging;
use crate::disk::trouble::DiskError;

/// What is kept for others.
#[derive(Debug, Default)]
pub(super) struct Lent {
    /// Transfers that are to be kept.
    shared: Mutex<BTreeSet<TransferId>>,
    /// Those of them that are in place.
    placed: Mutex<BTreeMap<TransferId, Arc<Staging>>>,
}

impl TransferShell {
    /// Keeps a transfer for others from now on, or does not.
    pub(super) fn share(&self, transfer: TransferId, share: bool) {
        if share {
            lock(&self.0.lent.shared).insert(transfer);
        } else {
            lock(&self.0.lent.shared).remove(&transfer);
            lock(&self.0.lent.placed).remove(&transfer);
        }
    }

    /// A transfer is in place, and found there from now on.
    pub(super) fn keep(&self, transfer: TransferId, staging: &Arc<Staging>) {
        if lock(&self.0.lent.shared).contains(&transfer) {
            lock(&self.0.lent.placed).insert(transfer, Arc::clone(staging));
        }
    }

    /// Where a transfer is that is shared.
    fn shared(&self, transfer: TransferId) -> Option<Arc<Staging>> {
        if !lock(&self.0.lent.shared).contains(&transfer) {
            return None;
        }
        let placed = lock(&self.0.lent.placed).get(&transfer).cloned();
        placed.or_else(|| lock(&self.0.incoming).get(&transfer)?.staging.borrow().clone())
    }

    pub(super) fn lend(
        &self,
        (transfer, range): (TransferId, u64),
        (loan, asker): (TransferId, TransferId),
        link: LinkId,
        sealed: bool,
    ) {
        let (shell, outgoing) = (self.clone(), self.outgoing(loan));
        outgoing.tasks.spawn(&self.0.runtime, async move {
            let lent = Range { transfer, number: range, loan, asker, sealed };
            let result = shell.try_lend(lent, link).await;
            shell.report(TransferReport::RangeLent { transfer, link, range, result }).await;
        });
    }

    async fn try_lend(&self, lent: Range, link: LinkId) -> Result<u64, TransferFault> {
        let Range { transfer, number, loan, asker, sealed } = lent;
        let staging = self.shared(transfer).ok_or(TransferFault::Stopped)?;
        let (mut bulk, key) = self.open_stream(link, sealed).await?;
        tracing::debug!(%transfer, range = number, "lending a range");
        let read = move || {
            let (range, content, hash) = staging.lend(number)?.ok_or_else(|| changed(&staging, number))?;
            let header = |coding| StreamHeader::Range { transfer: asker, range: number, coding };
            let records = coding::prepare_lent((&range, &content, &hash), header, key)?;
            Ok::<_, TransferFault>((range.bytes(), records))
        };
        let (bytes, records) = blocking(read).await.inspect_err(|_| bulk.code = Some(StreamClose::Disk))?;
        for mut record in records {
            while !record.is_empty() {
                let portion = record.split_to(record.len().min(self.0.pacer.portion(loan)));
                self.0.pacer.pass(loan, portion.len()).await;
                bulk.write(portion).await?;
            }
        }
        bulk.finish().await?;
        Ok(bytes)
    }

    /// Looks hashes up that were noted when ranges were sent.
    pub(super) fn look_up(&self, transfer: TransferId, link: LinkId, ranges: Vec<u64>) {
        let (shell, outgoing) = (self.clone(), self.outgoing(transfer));
        self.outgoing(transfer).tasks.spawn(&self.0.runtime, async move {
            let hashes = shell.try_look_up(&outgoing, transfer, ranges).await.unwrap_or_else(|error| {
                // The ranges themselves are asked for next, and then it is told.
                tracing::debug!(%transfer, %error, "hashes cannot be looked up");
                Vec::new()
            });
            shell.report(TransferReport::Hashes { transfer, link, hashes }).await;
        });
    }

    async fn try_look_up(
        &self,
        outgoing: &Outgoing,
        transfer: TransferId,
        ranges: Vec<u64>,
    ) -> Result<Vec<(u64, [u8; 32])>, DiskError> {
        let source = self.source(outgoing, transfer).await?;
        blocking(move || {
            let mut hashes = Vec::new();
            for range in ranges {
                hashes.extend(source.tally().hash(range)?.map(|hash| (range, hash)));
            }
            Ok(hashes)
        })
        .await
    }
}

/// A range that another receiver gets.
#[derive(Clone, Copy)]
struct Range {
    transfer: TransferId,
    number: u64,
    loan: TransferId,
    asker: TransferId,
    sealed: bool,
}

/// What its owner has changed is not lent any more.
fn changed(staging: &Staging, range: u64) -> TransferFault {
    let text = format!("{} is not what was received any more", staging.file_of(range));
    TransferFault::Lasting(Failure::shared(text))
}
