//! What the shell reports, and which transfer it concerns.

use hobnob_wire::TransferId;
use hobnob_wire::transfer::Span;

use super::job::{Scanned, TransferJob, TransferReport};
use super::record::TransferStore;
use super::sending::Sending;
use super::transfers::Transfers;
use super::{Step, TransferEffect};
use crate::core::command::{CommandError, ErrorKind, Reply};

impl Transfers {
    /// The shell reports.
    pub(super) fn handle_report<S: TransferStore>(
        &mut self,
        store: &mut S,
        report: TransferReport,
        step: &mut Step<'_>,
    ) -> Result<(), S::Error> {
        let id = report.transfer();
        match report {
            TransferReport::Scanned { result, .. } => self.handle_scanned(id, result, step),
            TransferReport::RangeBorrowed { link, range, result, .. } => {
                self.handle_borrowed(id, (link, range), result, step);
            }
            TransferReport::RangeLent { link, range, result, .. } => {
                self.handle_lent(store, id, (link, range), &result)?;
            }
            TransferReport::Hashes { link, hashes, .. } => self.tell_hashes(id, link, &hashes, step),
            report @ (TransferReport::ManifestSent { .. }
            | TransferReport::RangeSent { .. }
            | TransferReport::Opened { .. }
            | TransferReport::Checked { .. }
            | TransferReport::ManifestReceived { .. }
            | TransferReport::RangeReceived { .. }
            | TransferReport::Finished { .. }
            | TransferReport::Chosen { .. }
            | TransferReport::Digested { .. }
            | TransferReport::Moved { .. }) => self.handle_progress(id, report, step),
        }
        Ok(())
    }

    fn handle_progress(&mut self, id: TransferId, report: TransferReport, step: &mut Step<'_>) {
        if let Some(transfer) = self.sending.get_mut(&id) {
            match report {
                TransferReport::ManifestSent { link, result, .. } => {
                    transfer.handle_sent(link, None, result, step);
                }
                TransferReport::RangeSent { link, range, result, .. } => {
                    if let Ok(bytes) = result
                        && !transfer.compares()
                    {
                        transfer.ledger.sent(bytes);
                        self.sharing.has(id, &[Span { start: range, end: range + 1 }]);
                    }
                    transfer.handle_sent(link, Some(range), result.map(drop), step);
                }
                TransferReport::Chosen { result, .. } => transfer.handle_chosen(&result),
                TransferReport::Digested { result, .. } => transfer.handle_digest(result, step),
                TransferReport::Moved { bytes, .. } => transfer.ledger.moved(bytes, step.now),
                TransferReport::Scanned { .. }
                | TransferReport::Opened { .. }
                | TransferReport::Checked { .. }
                | TransferReport::ManifestReceived { .. }
                | TransferReport::RangeReceived { .. }
                | TransferReport::Hashes { .. }
                | TransferReport::RangeBorrowed { .. }
                | TransferReport::RangeLent { .. }
                | TransferReport::Finished { .. } => {}
            }
        } else if let Some(transfer) = self.receiving.get_mut(&id) {
            match report {
                TransferReport::Opened { result, .. } => transfer.handle_opened(result, step),
                TransferReport::Checked { sound, bytes, spoiled, .. } => {
                    transfer.handle_checked((&sound, bytes), &spoiled, step);
                }
                TransferReport::ManifestReceived { result, .. } => {
                    transfer.handle_manifest(result, step);
                }
                TransferReport::RangeReceived { range, result, .. } => {
                    if let Ok(bytes) = result {
                        let from = transfer.ledger.record.peer.clone();
                        transfer.ledger.came_from(&from, bytes);
                    }
                    let is_here = result.is_ok();
                    transfer.handle_range(range, result, step);
                    if is_here {
                        self.handle_received(id, range, step.now);
                    }
                }
                TransferReport::Finished { result, .. } => {
                    transfer.handle_finished(result, step);
                    self.handle_placed(id, step.now.monotonic);
                }
                TransferReport::Moved { bytes, .. } => {
                    transfer.handle_moved(bytes, step.now);
                    self.handle_member_moved(id, step.now);
                }
                TransferReport::Scanned { .. }
                | TransferReport::ManifestSent { .. }
                | TransferReport::RangeSent { .. }
                | TransferReport::Chosen { .. }
                | TransferReport::Hashes { .. }
                | TransferReport::RangeBorrowed { .. }
                | TransferReport::RangeLent { .. }
                | TransferReport::Digested { .. } => {}
            }
        }
    }

    fn handle_scanned(&mut self, id: TransferId, result: Result<Scanned, String>, step: &mut Step<'_>) {
        let Some(scan) = self.scans.remove(&id) else { return };
        let command = scan.command;
        match result {
            Ok(scanned) => {
                let (mut views, mut letters) = (Vec::new(), Vec::new());
                for record in scan.records(id, &scanned, (step.now, self.last_place())) {
                    let id = record.id;
                    self.sharing.join(&record);
                    let (mut sending, letter) = Sending::offer(record, scan.swarm());
                    views.push(sending.ledger.view(None, step.now));
                    letters.push(letter);
                    self.sending.insert(id, sending);
                }
                if let Some(id) = command {
                    step.out.push(TransferEffect::Reply { id, result: Ok(Reply::Transfers(views)) });
                }
                step.out.extend(letters);
            }
            Err(text) => {
                if let Some(id) = command {
                    let result = Err(CommandError::new(ErrorKind::Failure, text));
                    step.out.push(TransferEffect::Reply { id, result });
                }
                for transfer in scan.ids(id) {
                    step.out.push(TransferEffect::Job(TransferJob::Stop { transfer, discard: true }));
                }
            }
        }
    }
}
