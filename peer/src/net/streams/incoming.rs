//! Takes streams of the other side in, verifies ranges, and puts what is complete in place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use hobnob_wire::TransferId;
use hobnob_wire::choice::Choice;
use hobnob_wire::close::StreamClose;
use hobnob_wire::codec;
use hobnob_wire::layout::Range;
use hobnob_wire::record::RecordError;
use hobnob_wire::seal::TAG_BYTES;
use hobnob_wire::transfer::{RangeCoding, RangeTrailer, StreamHeader};
use hobnob_wire::tree::RangeHasher;
use quinn::RecvStream;
use tokio::sync::{Semaphore, watch};

use super::coding;
use super::moved::Moved;
use super::records::{Records, StreamError, stop};
use super::tasks::Tasks;
use super::{TransferShell, blocking, lock};
use crate::core::input::LinkId;
use crate::core::transfer::job::{TransferFault, TransferReport};
use crate::disk::staging::Staging;

/// Room for the record of a trailer: its 32 bytes and a tag.
const TRAILER_ROOM: usize = 64;

/// What the offer promised.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    pub(super) transfer: TransferId,
    pub(super) folder: PathBuf,
    pub(super) manifest: [u8; 32],
    pub(super) name: String,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) sealed: bool,
    pub(super) update: bool,
    pub(super) choice: Option<Choice>,
    pub(super) programs: bool,
}

/// A transfer that we receive.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) promise: Promise,
    /// The link on which it is expected.
    link: Mutex<Option<LinkId>>,
    /// Whether it has been given up; held while the folder is prepared.
    abandoned: Mutex<bool>,
    /// Where it is written, once the manifest is here.
    pub(super) staging: watch::Sender<Option<Arc<Staging>>>,
    /// Whether the manifest is on its way, or here, or nobody has looked yet whether it is.
    pub(super) manifest_claimed: Mutex<bool>,
    /// Ranges on their way.
    claimed: Mutex<BTreeSet<u64>>,
    /// Ranges that others are to send, and the hashes that the sender told.
    borrowed: Mutex<BTreeMap<(LinkId, u64), [u8; 32]>>,
    moved: Moved,
    pub(super) tasks: Tasks,
}

/// A range that no other stream may bring while this one does.
struct Claim {
    incoming: Arc<Incoming>,
    range: u64,
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.incoming.claimed).remove(&self.range);
    }
}

/// A range that is being read, and where it goes.
struct Awaited {
    number: u64,
    range: Range,
    coding: RangeCoding,
    from: Giver,
    staging: Arc<Staging>,
}

/// Who sends a stream.
#[derive(Clone, Copy)]
enum Giver {
    /// Who offered it.
    Sender,
    /// Another receiver, of a range that has this hash by the sender's word.
    Other { link: LinkId, hash: [u8; 32] },
}

impl Giver {
    /// What came of a range.
    const fn report(
        self,
        transfer: TransferId,
        range: u64,
        result: Result<u64, TransferFault>,
    ) -> TransferReport {
        match self {
            Self::Sender => TransferReport::RangeReceived { transfer, range, result },
            Self::Other { link, .. } => TransferReport::RangeBorrowed { transfer, link, range, result },
        }
    }
}

/// Why a range is not here.
enum RangeError {
    /// Something went wrong on the way.
    Stream(StreamError),
    /// It is not what it should be.
    Fault(StreamClose, TransferFault),
}

impl From<StreamError> for RangeError {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

impl Incoming {
    pub(super) fn new(promise: Promise) -> Self {
        Self {
            promise,
            link: Mutex::default(),
            abandoned: Mutex::default(),
            staging: watch::Sender::new(None),
            manifest_claimed: Mutex::new(true),
            claimed: Mutex::default(),
            borrowed: Mutex::default(),
            moved: Moved::default(),
            tasks: Tasks::default(),
        }
    }

    /// Streams are expected on this link from now on, and on no other.
    pub(super) fn expect_on(&self, link: LinkId) {
        *lock(&self.link) = Some(link);
    }

    fn is_expected_on(&self, link: LinkId) -> bool {
        *lock(&self.link) == Some(link)
    }

    /// These ranges, with these hashes, are expected on another link, too.
    pub(super) fn borrow_on(&self, link: LinkId, ranges: Vec<(u64, [u8; 32])>) {
        lock(&self.borrowed).extend(ranges.into_iter().map(|(range, hash)| ((link, range), hash)));
    }

    /// None are any more.
    pub(super) fn refuse_on(&self, link: LinkId) {
        lock(&self.borrowed).retain(|(on, _), _| *on != link);
    }

    /// Who is to send a stream, if anybody.
    fn expects(&self, header: &StreamHeader, link: LinkId) -> Option<Giver> {
        if self.is_expected_on(link) {
            return Some(Giver::Sender);
        }
        let StreamHeader::Range { range, .. } = header else { return None };
        let hash = lock(&self.borrowed).remove(&(link, *range))?;
        Some(Giver::Other { link, hash })
    }

    /// Ends writing, for good. Blocks until nothing is being written.
    pub(super) fn abandon(&self) {
        *lock(&self.abandoned) = true;
        let staging = self.staging.borrow().clone();
        if let Some(staging) = staging {
            staging.close();
        }
    }

    /// Prepares the folder, unless it has been given up: whoever gives it up removes what is there then, once.
    pub(super) fn prepare<T>(
        &self,
        prepare: impl FnOnce() -> Result<T, TransferFault>,
    ) -> Result<T, TransferFault> {
        let abandoned = lock(&self.abandoned);
        if *abandoned { Err(TransferFault::Stopped) } else { prepare() }
    }

    fn claim(self: &Arc<Self>, range: u64) -> Option<Claim> {
        let is_free = lock(&self.claimed).insert(range);
        is_free.then(|| Claim { incoming: Arc::clone(self), range })
    }
}

/// What follows the header of a range's stream.
struct Body<'a> {
    incoming: &'a Incoming,
    records: &'a mut Records,
    /// Room for the range and [`TRAILER_ROOM`].
    buffer: Vec<u8>,
    /// Bytes of the range.
    len: usize,
}

impl Body<'_> {
    /// Reads the bytes of the range to the start of the buffer, hashing them on the way.
    async fn read_plain(
        &mut self,
        hasher: &mut RangeHasher,
        shell: &TransferShell,
    ) -> Result<(), StreamError> {
        let mut filled = 0;
        while filled < self.len {
            let (read, last) = self.records.next(&mut self.buffer[filled..self.len + TAG_BYTES]).await?;
            if last || read == 0 || read > self.len - filled {
                return Err(RecordError::Length(read).into());
            }
            hasher.update(&self.buffer[filled..filled + read]);
            filled += read;
            self.moved(read, shell);
        }
        Ok(())
    }

    /// Reads compressed bytes, fewer than the range has, to the start of the buffer; returns how many, and the trailer.
    async fn read_packed(&mut self, shell: &TransferShell) -> Result<(usize, RangeTrailer), StreamError> {
        let mut filled = 0;
        loop {
            let (read, last) = self.records.next(&mut self.buffer[filled..self.len + TRAILER_ROOM]).await?;
            let record = &self.buffer[filled..filled + read];
            if last {
                return Ok((filled, codec::decode(record)?));
            }
            if read == 0 || filled + read >= self.len {
                return Err(RecordError::Length(read).into());
            }
            filled += read;
            self.moved(read, shell);
        }
    }

    async fn read_trailer(&mut self) -> Result<RangeTrailer, StreamError> {
        let mut trailer = [0; TRAILER_ROOM];
        let (read, last) = self.records.next(&mut trailer).await?;
        if !last {
            return Err(RecordError::Length(read).into());
        }
        Ok(codec::decode(&trailer[..read])?)
    }

    fn moved(&self, bytes: usize, shell: &TransferShell) {
        self.incoming.moved.add(bytes, self.incoming.promise.transfer, &shell.0.reports);
    }
}

impl TransferShell {
    /// Finds out what a stream is and hands it to its transfer.
    pub(super) async fn take_in(&self, link_id: LinkId, mut stream: RecvStream) {
        let Some(link) = self.link(link_id) else {
            stop(&mut stream, StreamClose::Unexpected);
            return;
        };
        let (records, header) = match Records::open(stream, &link.handle).await {
            Ok(opened) => opened,
            Err(error) => {
                tracing::debug!(link = link_id.0, %error, "a stream was not understood");
                return;
            }
        };
        let (StreamHeader::Manifest { transfer } | StreamHeader::Range { transfer, .. }) = header;
        let incoming = lock(&self.0.incoming).get(&transfer).cloned();
        let from = incoming.as_ref().and_then(|incoming| incoming.expects(&header, link_id));
        let (Some(incoming), Some(from)) = (incoming, from) else {
            records.stop(StreamClose::Unexpected);
            return;
        };
        let (shell, tasks) = (self.clone(), Arc::clone(&incoming));
        if incoming.promise.sealed != records.is_sealed() {
            records.stop(StreamClose::Unexpected);
            if let (Giver::Other { .. }, StreamHeader::Range { range, .. }) = (from, header) {
                let fault = TransferFault::Peer("a range was protected in another way".to_owned());
                self.report(from.report(transfer, range, Err(fault))).await;
                return;
            }
            let fault = TransferFault::Peer(
                "the sender protects the files in another way than it offered; ask it to offer them again"
                    .to_owned(),
            );
            self.report(TransferReport::ManifestReceived { transfer, result: Err(fault) }).await;
            return;
        }
        match header {
            StreamHeader::Manifest { .. } => tasks.tasks.spawn(&self.0.runtime, async move {
                shell.receive_manifest(incoming, records).await;
            }),
            StreamHeader::Range { range, coding, .. } => tasks.tasks.spawn(&self.0.runtime, async move {
                shell.receive_range(incoming, records, (range, coding, from), &link.slots).await;
            }),
        }
    }

    async fn receive_range(
        &self,
        incoming: Arc<Incoming>,
        mut records: Records,
        (number, coding, from): (u64, RangeCoding, Giver),
        slots: &Semaphore,
    ) {
        let transfer = incoming.promise.transfer;
        // Without a claim nothing is kept of it, so that a peer cannot make us hold what nobody asked for.
        let Some(claim) = incoming.claim(number) else {
            records.stop(StreamClose::Unexpected);
            if let Giver::Other { .. } = from {
                self.report(from.report(transfer, number, Err(TransferFault::Stopped))).await;
            }
            return;
        };
        let mut staging = incoming.staging.subscribe();
        let Ok(Some(staging)) = staging.wait_for(Option::is_some).await.map(|staging| staging.clone()) else {
            return;
        };
        let Ok(_slot) = slots.acquire().await else { return };
        let is_wanted = !staging.tally().has(number);
        let range = staging.layout().range(number);
        let Some(range) = range.filter(|range| is_wanted && staging.selection().needs(range)) else {
            records.stop(StreamClose::Unexpected);
            drop(claim);
            if let Giver::Other { .. } = from {
                self.report(from.report(transfer, number, Err(TransferFault::Stopped))).await;
            }
            return;
        };
        let awaited = Awaited { number, range, coding, from, staging: Arc::clone(&staging) };
        let result = match self.read_range(&incoming, &mut records, awaited).await {
            Ok(taken) => Ok(taken),
            Err(RangeError::Stream(StreamError::Lost)) => Err(TransferFault::LinkLost),
            Err(RangeError::Stream(StreamError::Stalled)) => {
                records.stop(StreamClose::Stalled);
                Err(TransferFault::Stalled)
            }
            Err(RangeError::Stream(error)) => {
                records.stop(StreamClose::BadRecord);
                let file = staging.file_of(number);
                Err(TransferFault::Peer(format!("{file} did not arrive as it was sent ({error})")))
            }
            Err(RangeError::Fault(code, fault)) => {
                records.stop(code);
                Err(fault)
            }
        };
        if let Err(TransferFault::Peer(error)) = &result {
            tracing::warn!(%transfer, range = number, error, "a range arrived broken");
        }
        drop(claim);
        self.report(from.report(transfer, number, result)).await;
    }

    /// Reads a range, verifies it, and writes it; returns the bytes of it that are taken.
    async fn read_range(
        &self,
        incoming: &Incoming,
        records: &mut Records,
        awaited: Awaited,
    ) -> Result<u64, RangeError> {
        let Awaited { number, range, coding, from, staging } = awaited;
        let len = usize::try_from(range.bytes()).unwrap_or(usize::MAX);
        if coding == RangeCoding::Known && (!incoming.promise.update || matches!(from, Giver::Other { .. })) {
            let fault = TransferFault::Peer(format!("{} was not sent", staging.file_of(number)));
            return Err(RangeError::Fault(StreamClose::Unexpected, fault));
        }
        let mut body = Body { incoming, records, buffer: self.buffer(len + TRAILER_ROOM), len };
        let (hash, trailer) = match coding {
            RangeCoding::Plain => {
                let mut hasher = RangeHasher::new(&range);
                body.read_plain(&mut hasher, self).await?;
                (hasher.finish(), body.read_trailer().await?)
            }
            RangeCoding::Zstd => {
                let (packed, trailer) = body.read_packed(self).await?;
                let (given, room) = (std::mem::take(&mut body.buffer), self.buffer(len));
                let unpack = coding::Unpack { range: range.clone(), given, packed, room };
                let unpacked = blocking(move || unpack.run()).await;
                self.give_back(unpacked.given);
                body.buffer = unpacked.room;
                (unpacked.hash.ok_or(StreamError::Packed)?, trailer)
            }
            RangeCoding::Hole => {
                let of_zeros = range.clone();
                let hash = blocking(move || coding::hash_of_zeros(&of_zeros)).await;
                let trailer = body.read_trailer().await?;
                body.buffer[..len].fill(0);
                (hash, trailer)
            }
            RangeCoding::Known => {
                let trailer = body.read_trailer().await?;
                let (known, of, mut buffer) =
                    (Arc::clone(&staging), range.clone(), std::mem::take(&mut body.buffer));
                let (hash, buffer) = blocking(move || (known.known(&of, &mut buffer[..len]), buffer)).await;
                body.buffer = buffer;
                match hash {
                    Some(hash) if hash.hash == trailer.hash => (hash, trailer),
                    Some(_) | None => {
                        self.give_back(body.buffer);
                        return Err(RangeError::Fault(StreamClose::Unexpected, TransferFault::Differs));
                    }
                }
            }
        };
        let is_right = match from {
            Giver::Sender => hash.hash == trailer.hash,
            // What it says of its own bytes is worth nothing.
            Giver::Other { hash: told, .. } => hash.hash == told,
        };
        if !is_right {
            let text = format!("the bytes of {} do not match their hash", staging.file_of(number));
            return Err(RangeError::Fault(StreamClose::HashMismatch, TransferFault::Peer(text)));
        }
        let buffer = body.buffer;
        let (written, buffer) = blocking(move || {
            let written = match (coding, &range) {
                (RangeCoding::Hole, Range::Slice(slice)) => staging.write_hole(number, slice, &hash),
                _ => staging.write(number, &buffer[..len], &hash),
            };
            (written, buffer)
        })
        .await;
        self.give_back(buffer);
        written.map_err(|error| RangeError::Fault(StreamClose::Disk, error.into()))
    }

    /// Puts everything in place and reports the digest over all files.
    pub(super) fn finish(&self, transfer: TransferId) {
        let Some(incoming) = lock(&self.0.incoming).get(&transfer).cloned() else { return };
        let (shell, tasks) = (self.clone(), Arc::clone(&incoming));
        tasks.tasks.spawn(&self.0.runtime, async move {
            let staging = incoming.staging.borrow().clone();
            let Some(staging) = staging else { return };
            let placed = Arc::clone(&staging);
            let result = blocking(move || staging.finish()).await.map_err(TransferFault::from);
            if result.is_ok() {
                shell.keep(transfer, &placed);
            }
            shell.report(TransferReport::Finished { transfer, result }).await;
        });
    }
}
