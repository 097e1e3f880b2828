//! Takes a manifest in: checks it against the offer, gives its names a form that fits this disk, and prepares the folder.

use std::sync::Arc;

use hobnob_wire::choice::{Choice, Chooser};
use hobnob_wire::close::StreamClose;
use hobnob_wire::codec;
use hobnob_wire::transfer::{EntryKind, ManifestEntry, ManifestHasher, ManifestPart};

use super::incoming::{Incoming, Promise};
use super::opening::layouted;
use super::records::{Records, StreamError};
use super::{TransferShell, blocking, lock};
use crate::core::transfer::job::{Failure, Layouted, TransferFault, TransferReport};
use crate::core::transfer::names::{BadName, Names};
use crate::core::view::Chosen;
use crate::disk::calls::Disk;
use crate::disk::selection::Selection;
use crate::disk::spool::{Spool, SpoolHead, SpoolWriter, spool_path};
use crate::disk::staging::Staging;
use crate::disk::trouble::DiskError;

/// A manifest that is arriving.
struct Arriving {
    promise: Promise,
    hasher: ManifestHasher,
    names: Names,
    /// Whether a link has come: then nothing else does any more.
    links: bool,
    chooser: Option<Chooser>,
    selection: Selection,
    writer: SpoolWriter,
}

impl Arriving {
    fn begin(disk: &Disk, promise: Promise) -> Result<Self, DiskError> {
        let head = SpoolHead { roots: Vec::new(), folder: Some(promise.folder.clone()) };
        let writer = SpoolWriter::create(disk, spool_path(disk, promise.transfer), &head)?;
        let chooser = promise.choice.as_ref().map(Choice::chooser);
        let selection = if chooser.is_some() { Selection::nothing() } else { Selection::everything() };
        let (hasher, names) = (ManifestHasher::default(), Names::default());
        Ok(Self { promise, hasher, names, links: false, chooser, selection, writer })
    }

    /// Takes one encoded part.
    fn take(&mut self, part: &[u8]) -> Result<(), TransferFault> {
        let bad = |why: &dyn std::fmt::Display| {
            TransferFault::Peer(format!("the list of files cannot be used: {why}; ask for a new offer"))
        };
        self.hasher.update(part);
        let part: ManifestPart = codec::decode(part).map_err(|error| bad(&error))?;
        for entry in part.entries.into_vec() {
            if entry.kind != EntryKind::File && entry.size != 0 {
                return Err(bad(&"what is no file claims to have bytes"));
            }
            // Rules and people judge by the name.
            if self.promise.entries == 1 && entry.path.as_str() != self.promise.name {
                return Err(bad(&"the file has another name than was offered"));
            }
            self.links |= matches!(entry.kind, EntryKind::Link { .. });
            if self.links && !matches!(entry.kind, EntryKind::Link { .. }) {
                return Err(bad(&"something is listed after a link"));
            }
            if self.chooser.as_ref().is_some_and(|chooser| chooser.takes(&entry.path)) {
                // A number that does not fit is over the promise, too.
                self.selection.insert(u32::try_from(self.writer.entries()).unwrap_or(u32::MAX));
            }
            let entry = self.rename(entry).map_err(|error| bad(&error))?;
            self.writer.push(entry)?;
        }
        // Checked for each part, so that a manifest without end takes no disk without end.
        if self.writer.entries() > self.promise.entries || self.writer.bytes() > self.promise.bytes {
            return Err(differs());
        }
        Ok(())
    }

    /// The entry as it is called here.
    fn rename(&mut self, entry: ManifestEntry) -> Result<ManifestEntry, BadName> {
        let path = self.names.map(&entry.path, &entry.kind)?;
        let kind = match entry.kind {
            EntryKind::Link { target } => {
                EntryKind::Link { target: self.names.target(&entry.path, &target)? }
            }
            kind @ (EntryKind::File | EntryKind::Folder) => kind,
        };
        Ok(ManifestEntry { path, kind, ..entry })
    }

    /// Everything has arrived: prepares the folder.
    fn finish(self, disk: &Disk) -> Result<Staging, TransferFault> {
        let Self { promise, hasher, names, mut selection, writer, .. } = self;
        drop(names);
        if hasher.finish() != promise.manifest
            || (writer.entries(), writer.bytes()) != (promise.entries, promise.bytes)
        {
            return Err(differs());
        }
        let transfer = promise.transfer;
        writer.finish()?;
        let spool = Spool::open(disk, spool_path(disk, transfer))?;
        if selection.is_partial() {
            selection.add_folders(&spool)?;
            selection.save(disk, transfer, &spool.digest())?;
        }
        if let Some(Chosen { files: 0, of, .. }) = selection.sum(spool.layout()) {
            let text = format!(
                "none of the {of} files is among those that were chosen; choose others of a new offer"
            );
            return Err(TransferFault::Lasting(Failure::shared(text)));
        }
        Ok(Staging::open(disk, transfer, promise.plan(spool, selection))?)
    }
}

fn differs() -> TransferFault {
    TransferFault::Peer("the list of files is not the one that was offered; ask for a new offer".to_owned())
}

impl TransferShell {
    pub(super) async fn receive_manifest(&self, incoming: Arc<Incoming>, mut records: Records) {
        let transfer = incoming.promise.transfer;
        if incoming.staging.borrow().is_some()
            || std::mem::replace(&mut *lock(&incoming.manifest_claimed), true)
        {
            records.stop(StreamClose::Unexpected);
            return;
        }
        let result = self.read_manifest(&incoming, &mut records).await;
        // One that was taken is the only one: another would clear the folder under ranges that have arrived.
        *lock(&incoming.manifest_claimed) = result.is_ok();
        let (staging, result) = match result {
            Ok((staging, layouted)) => (Some(Arc::new(staging)), Ok(layouted)),
            Err(fault) => {
                records.stop(match fault {
                    TransferFault::Disk(_) | TransferFault::Lasting(_) | TransferFault::Changed(_) => {
                        StreamClose::Disk
                    }
                    TransferFault::Stalled => StreamClose::Stalled,
                    TransferFault::LinkLost
                    | TransferFault::Stopped
                    | TransferFault::Differs
                    | TransferFault::Peer(_) => StreamClose::BadRecord,
                });
                (None, Err(fault))
            }
        };
        // First the report, then the ranges: the core knows the manifest before it hears of a range.
        self.report(TransferReport::ManifestReceived { transfer, result }).await;
        if let Some(staging) = staging {
            incoming.staging.send_replace(Some(Arc::clone(&staging)));
            // The list may have been lost while ranges were not.
            self.check(&incoming, staging).await;
        }
    }

    async fn read_manifest(
        &self,
        incoming: &Arc<Incoming>,
        records: &mut Records,
    ) -> Result<(Staging, Layouted), TransferFault> {
        let (promise, disk) = (incoming.promise.clone(), self.0.disk.clone());
        let mut arriving = blocking(move || Arriving::begin(&disk, promise)).await?;
        let mut room = Records::room();
        loop {
            let (len, last) = records.next(&mut room).await.map_err(|error| match error {
                StreamError::Lost => TransferFault::LinkLost,
                StreamError::Stalled => TransferFault::Stalled,
                StreamError::Record(_) | StreamError::Frame(_) | StreamError::Packed => TransferFault::Peer(
                    format!("the list of files did not arrive as it was sent ({error}); ask for a new offer"),
                ),
            })?;
            let taken;
            (arriving, room, taken) = blocking(move || {
                let taken = arriving.take(&room[..len]);
                (arriving, room, taken)
            })
            .await;
            taken?;
            if last {
                break;
            }
        }
        let (incoming, disk) = (Arc::clone(incoming), self.0.disk.clone());
        let prepare = move || {
            let staging = incoming.prepare(|| arriving.finish(&disk))?;
            let layouted = layouted(&staging)?;
            Ok((staging, layouted))
        };
        blocking(prepare).await
    }
}
