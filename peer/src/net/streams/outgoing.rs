//! Sends manifests and ranges.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hobnob_wire::TransferId;
use hobnob_wire::choice::Choice;
use hobnob_wire::close::StreamClose;
use hobnob_wire::seal::SealKey;
use hobnob_wire::transfer::StreamHeader;
use quinn::{SendStream, VarInt, WriteError};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::coding::{RecordCutter, prepare};
use super::moved::Moved;
use super::tasks::Tasks;
use super::{BULK_PRIORITY, TransferShell, blocking};
use crate::core::input::LinkId;
use crate::core::transfer::job::{TransferFault, TransferReport};
use crate::disk::source::Source;
use crate::disk::trouble::DiskError;

/// A stream of which the other side takes nothing for so long is given up: longer than a busy disk lets it wait.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);

/// A transfer that we send.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    source: OnceCell<Arc<Source>>,
    moved: Moved,
    pub(super) tasks: Tasks,
}

/// A stream that is reset unless everything was written to it.
pub(super) struct Bulk {
    stream: SendStream,
    pub(super) code: Option<StreamClose>,
}

impl Drop for Bulk {
    fn drop(&mut self) {
        if let Some(code) = self.code {
            // It fails only when the stream has ended.
            let _ = self.stream.reset(VarInt::from_u32(code.code()));
        }
    }
}

impl Bulk {
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), TransferFault> {
        let written = timeout(TAKEN_WITHIN, self.stream.write_chunk(bytes)).await;
        written.map_err(|_| TransferFault::Stalled)?.map_err(|error| match error {
            WriteError::Stopped(_) => TransferFault::Stopped,
            WriteError::ConnectionLost(_) | WriteError::ClosedStream | WriteError::ZeroRttRejected => {
                TransferFault::LinkLost
            }
        })
    }

    /// Ends the stream and waits until the other side has all of it, so that what counts as sent is not sent again after a
    /// crash but for little more than what is on its way.
    pub(super) async fn finish(mut self) -> Result<(), TransferFault> {
        self.stream.finish().map_err(|_| TransferFault::Stopped)?;
        let taken = timeout(TAKEN_WITHIN, self.stream.stopped()).await;
        match taken.map_err(|_| TransferFault::Stalled)? {
            Ok(None) => {
                self.code = None;
                Ok(())
            }
            Ok(Some(_)) => Err(TransferFault::Stopped),
            Err(_) => Err(TransferFault::LinkLost),
        }
    }
}

impl TransferShell {
    pub(super) fn send_manifest(&self, transfer: TransferId, link: LinkId, sealed: bool) {
        let (shell, outgoing) = (self.clone(), self.outgoing(transfer));
        self.outgoing(transfer).tasks.spawn(&self.0.runtime, async move {
            let result = shell.try_send_manifest(&outgoing, transfer, link, sealed).await;
            shell.report(TransferReport::ManifestSent { transfer, link, result }).await;
        });
    }

    pub(super) fn send_range(
        &self,
        (transfer, range): (TransferId, u64),
        link: LinkId,
        compare: bool,
        sealed: bool,
    ) {
        let (shell, outgoing) = (self.clone(), self.outgoing(transfer));
        self.outgoing(transfer).tasks.spawn(&self.0.runtime, async move {
            let result = shell.try_send_range(&outgoing, (transfer, range, compare), link, sealed).await;
            shell.report(TransferReport::RangeSent { transfer, link, range, result }).await;
        });
    }

    /// Finds out how much a choice takes.
    pub(super) fn choose(&self, transfer: TransferId, choice: Choice) {
        let (shell, outgoing) = (self.clone(), self.outgoing(transfer));
        self.outgoing(transfer).tasks.spawn(&self.0.runtime, async move {
            let result = async {
                let source = shell.source(&outgoing, transfer).await?;
                let chosen = move || {
                    let selection = source.selection(Some(&choice))?;
                    Ok::<_, DiskError>(selection.sum(source.spool().layout()).unwrap_or_default())
                };
                Ok(blocking(chosen).await?)
            };
            let result = result.await;
            shell.report(TransferReport::Chosen { transfer, result }).await;
        });
    }

    /// Hashes what has not been hashed while it was sent, and reports the digest of all that is taken.
    pub(super) fn digest(&self, transfer: TransferId, choice: Option<Choice>) {
        let (shell, outgoing) = (self.clone(), self.outgoing(transfer));
        self.outgoing(transfer).tasks.spawn(&self.0.runtime, async move {
            let result = async {
                let source = shell.source(&outgoing, transfer).await?;
                Ok(blocking(move || source.digest(choice.as_ref())).await?)
            };
            let result = result.await;
            shell.report(TransferReport::Digested { transfer, result }).await;
        });
    }

    pub(super) async fn source(
        &self,
        outgoing: &Outgoing,
        transfer: TransferId,
    ) -> Result<Arc<Source>, DiskError> {
        let open = || async {
            let disk = self.0.disk.clone();
            blocking(move || Source::open(&disk, transfer)).await.map(Arc::new)
        };
        outgoing.source.get_or_try_init(open).await.cloned()
    }

    pub(super) async fn open_stream(
        &self,
        link: LinkId,
        sealed: bool,
    ) -> Result<(Bulk, Option<SealKey>), TransferFault> {
        let link = self.link(link).ok_or(TransferFault::LinkLost)?.handle;
        let stream = link.connection.open_uni().await.map_err(|_| TransferFault::LinkLost)?;
        let key = sealed.then(|| link.secret.stream(VarInt::from(stream.id()).into_inner(), link.direction));
        stream.set_priority(BULK_PRIORITY).map_err(|_| TransferFault::LinkLost)?;
        Ok((Bulk { stream, code: Some(StreamClose::Cancelled) }, key))
    }

    async fn try_send_manifest(
        &self,
        outgoing: &Outgoing,
        transfer: TransferId,
        link: LinkId,
        sealed: bool,
    ) -> Result<(), TransferFault> {
        let source = self.source(outgoing, transfer).await?;
        let (mut bulk, key) = self.open_stream(link, sealed).await?;
        let mut records = RecordCutter::new(key, &StreamHeader::Manifest { transfer })?;
        bulk.write(records.take()).await?;
        let parts = source.spool().parts();
        for number in 0..parts {
            let source = Arc::clone(&source);
            let part = blocking(move || source.spool().part_bytes(number)).await;
            let part = part.inspect_err(|_| bulk.code = Some(StreamClose::Disk))?.unwrap_or_default();
            records.push(&part, number + 1 == parts)?;
            bulk.write(records.take()).await?;
        }
        bulk.finish().await
    }

    async fn try_send_range(
        &self,
        outgoing: &Arc<Outgoing>,
        (transfer, range, compare): (TransferId, u64, bool),
        link: LinkId,
        sealed: bool,
    ) -> Result<u64, TransferFault> {
        let source = self.source(outgoing, transfer).await?;
        let content = source.spool().layout().range(range).ok_or_else(unknown_range)?;
        let bytes = content.bytes();
        let (mut bulk, key) = self.open_stream(link, sealed).await?;
        tracing::debug!(%transfer, range, bytes, "sending a range");
        let read = move || {
            let (records, hash) = prepare(&source, &content, (transfer, range, compare), key)?;
            source.note(range, &content, &hash)?;
            Ok::<_, TransferFault>(records)
        };
        let records = blocking(read).await.inspect_err(|_| bulk.code = Some(StreamClose::Disk))?;
        for mut record in records {
            while !record.is_empty() {
                let portion = record.split_to(record.len().min(self.0.pacer.portion(transfer)));
                let len = portion.len();
                self.0.pacer.pass(transfer, len).await;
                bulk.write(portion).await?;
                outgoing.moved.add(len, transfer, &self.0.reports);
            }
        }
        bulk.finish().await?;
        Ok(bytes)
    }
}

fn unknown_range() -> TransferFault {
    TransferFault::Peer("a range was asked for that does not exist".to_owned())
}

/// A key is used up or a frame too long: neither happens within the limits of the protocol.
pub(super) fn broken() -> TransferFault {
    TransferFault::LinkLost
}
