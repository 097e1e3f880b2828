//! The shell of transfers: moves and hashes the bytes that the core grants.
//!
//! Every range and every manifest travels on a unidirectional stream of its own, with less urgency than the control stream.
//! Reading, hashing and sealing of one range happen in one go on a blocking thread, while others are on the wire. In memory is at most
//! a mebibyte for each range on its way.
//!
//! The stream number in the key of a sealed stream is the whole identifier of QUIC (RFC 9000 §2.1), its two low bits included.
//!
//! | module | job |
//! | --- | --- |
//! | `coding` | how the bytes of a range travel |
//! | `outgoing` | sends manifests and ranges |
//! | `opening` | makes ready to receive, with what an earlier run left |
//! | `incoming` | takes streams of the other side in, and puts in place |
//! | `lending` | gives others what was received, and hashes to those who need them |
//! | `manifest` | takes a manifest in |
//! | `records` | reads records from a stream |
//! | `pacer` | keeps what is sent under its limits |
//! | `tasks` | ends the tasks of a transfer together |
//! | `moved` | tells the core how much moves |

mod coding;
mod incoming;
mod lending;
mod manifest;
mod moved;
mod opening;
mod outgoing;
mod pacer;
mod records;
mod tasks;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hobnob_wire::TransferId;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use self::incoming::Incoming;
use self::lending::Lent;
use self::outgoing::Outgoing;
use self::pacer::Pacer;
use super::handle::LinkHandle;
use crate::core::input::LinkId;
use crate::core::transfer::job::{Failure, TransferFault, TransferJob, TransferReport};
use crate::disk::calls::Disk;
use crate::disk::trouble::DiskError;
use crate::disk::{leftovers, scan};

/// Ranges that one link may have in memory on the receiving side. As many as an honest sender has on their way.
const LINK_RANGES_MAX: usize = 16;
/// Bulk goes after the control stream, whose priority is quinn's default, 0.
const BULK_PRIORITY: i32 = -1;

/// Performs the jobs of the core's transfers. Cheap to clone; clones are the same shell.
#[derive(Clone, Debug)]
pub struct TransferShell(Arc<Shell>);

#[derive(Debug)]
struct Shell {
    disk: Disk,
    runtime: Handle,
    reports: mpsc::Sender<TransferReport>,
    links: Mutex<BTreeMap<LinkId, Link>>,
    outgoing: Mutex<BTreeMap<TransferId, Arc<Outgoing>>>,
    incoming: Mutex<BTreeMap<TransferId, Arc<Incoming>>>,
    /// Transfers that are being stopped: what is opened anew waits for that.
    endings: Mutex<BTreeMap<TransferId, JoinHandle<()>>>,
    /// Buffers of ranges that have been written, to be used again.
    buffers: Mutex<Vec<Vec<u8>>>,
    pacer: Pacer,
    lent: Lent,
}

/// A link and its share of memory.
#[derive(Clone, Debug)]
struct Link {
    handle: LinkHandle,
    slots: Arc<Semaphore>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TransferShell {
    /// A shell that keeps its spools in `home/transfers` and tells `reports` what came of the jobs. Of transfers that are not in
    /// `open` nothing is kept. Must be called within a tokio runtime, on which it will work.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(
        home: &Path,
        open: &BTreeSet<TransferId>,
        reports: mpsc::Sender<TransferReport>,
    ) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let folder = home.join("transfers");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let disk = Disk::new(folder);
        leftovers::remove_all_but(&disk, open).map_err(io::Error::other)?;
        Ok(Self::on(disk, reports))
    }

    /// A shell that keeps its spools where `disk` says. Must be called within a tokio runtime, on which it will work.
    #[must_use]
    pub fn on(disk: Disk, reports: mpsc::Sender<TransferReport>) -> Self {
        Self(Arc::new(Shell {
            disk,
            runtime: Handle::current(),
            reports,
            links: Mutex::default(),
            outgoing: Mutex::default(),
            incoming: Mutex::default(),
            endings: Mutex::default(),
            buffers: Mutex::default(),
            pacer: Pacer::default(),
            lent: Lent::default(),
        }))
    }

    /// A link came up; jobs may name it from now on.
    pub fn link_up(&self, handle: LinkHandle) {
        let slots = Arc::new(Semaphore::new(LINK_RANGES_MAX));
        lock(&self.0.links).insert(handle.id, Link { handle, slots });
    }

    /// A link is gone. Its streams end by themselves.
    pub fn link_down(&self, link: LinkId) {
        lock(&self.0.links).remove(&link);
        lock(&self.0.incoming).values().for_each(|incoming| incoming.refuse_on(link));
    }

    /// A peer opened a unidirectional stream on a link.
    pub fn incoming(&self, link: LinkId, stream: quinn::RecvStream) {
        let shell = self.clone();
        self.0.runtime.spawn(async move { shell.take_in(link, stream).await });
    }

    /// Begins a job. Never waits; what comes of it is reported.
    pub fn perform(&self, job: TransferJob) {
        match job {
            TransferJob::Scan { transfer, paths, links, also } => {
                let shell = self.clone();
                self.0.runtime.spawn(async move {
                    let disk = shell.0.disk.clone();
                    let result = blocking(move || scan::scan(&disk, (transfer, &also), &paths, links)).await;
                    let result = result.map_err(|error| error.to_string());
                    shell.report(TransferReport::Scanned { transfer, result }).await;
                });
            }
            TransferJob::SendManifest { transfer, link, sealed } => {
                self.send_manifest(transfer, link, sealed)
            }
            TransferJob::SendRange { transfer, link, range, compare, sealed } => {
                self.send_range((transfer, range), link, compare, sealed);
            }
            TransferJob::Choose { transfer, choice } => self.choose(transfer, choice),
            TransferJob::Digest { transfer, choice } => self.digest(transfer, choice),
            TransferJob::Open {
                transfer,
                folder,
                manifest,
                name,
                entries,
                bytes,
                sealed,
                update,
                choice,
                programs,
            } => self.open(incoming::Promise {
                transfer,
                folder,
                manifest,
                name,
                entries,
                bytes,
                sealed,
                update,
                choice,
                programs,
            }),
            TransferJob::Expect { transfer, link } => {
                if let Some(incoming) = lock(&self.0.incoming).get(&transfer) {
                    incoming.expect_on(link);
                }
            }
            TransferJob::Hashes { transfer, link, ranges } => self.look_up(transfer, link, ranges),
            TransferJob::Borrow { transfer, link, ranges } => {
                if let Some(incoming) = lock(&self.0.incoming).get(&transfer) {
                    incoming.borrow_on(link, ranges);
                }
            }
            TransferJob::Refuse { transfer, link } => {
                if let Some(incoming) = lock(&self.0.incoming).get(&transfer) {
                    incoming.refuse_on(link);
                }
            }
            TransferJob::Share { transfer, share } => self.share(transfer, share),
            TransferJob::LendRange { transfer, loan, asker, link, range, sealed } => {
                self.lend((transfer, range), (loan, asker), link, sealed);
            }
            TransferJob::Finish { transfer } => self.finish(transfer),
            TransferJob::Halt { transfer } => self.outgoing(transfer).tasks.halt(),
            TransferJob::Limit { of, bytes_per_s } => self.0.pacer.set_limit(of, bytes_per_s),
            TransferJob::Flow(flow) => self.0.pacer.set_flow(flow),
            TransferJob::Stop { transfer, discard } => self.stop(transfer, discard),
        }
    }

    fn stop(&self, transfer: TransferId, discard: bool) {
        if let Some(outgoing) = lock(&self.0.outgoing).remove(&transfer) {
            outgoing.tasks.stop();
        }
        self.0.pacer.remove(transfer);
        let incoming = lock(&self.0.incoming).remove(&transfer);
        if let Some(incoming) = &incoming {
            incoming.tasks.stop();
        }
        if !discard && incoming.is_none() {
            return;
        }
        let mut endings = lock(&self.0.endings);
        endings.retain(|_, ending| !ending.is_finished());
        let before = endings.remove(&transfer);
        let disk = self.0.disk.clone();
        let ending = self.0.runtime.spawn(async move {
            if let Some(before) = before {
                // It fails only when the runtime ends.
                let _ = before.await;
            }
            let end = move || {
                if let Some(incoming) = incoming {
                    incoming.abandon();
                }
                if discard && let Err(error) = leftovers::remove(&disk, transfer) {
                    tracing::warn!(%transfer, %error, "what a transfer left behind could not be removed");
                }
            };
            blocking(end).await;
        });
        endings.insert(transfer, ending);
    }

    fn link(&self, link: LinkId) -> Option<Link> {
        lock(&self.0.links).get(&link).cloned()
    }

    /// What is known of a transfer that we send.
    fn outgoing(&self, transfer: TransferId) -> Arc<Outgoing> {
        Arc::clone(lock(&self.0.outgoing).entry(transfer).or_default())
    }

    async fn report(&self, report: TransferReport) {
        // Nobody listens only when the app ends.
        let _ = self.0.reports.send(report).await;
    }

    fn buffer(&self, len: usize) -> Vec<u8> {
        let mut buffer = lock(&self.0.buffers).pop().unwrap_or_default();
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        buffer
    }

    fn give_back(&self, buffer: Vec<u8>) {
        let mut buffers = lock(&self.0.buffers);
        if buffers.len() < LINK_RANGES_MAX {
            buffers.push(buffer);
        }
    }
}

/// Runs `work` where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends: nobody will ask for the result.
            Err(_) => std::future::pending().await,
        },
    }
}

impl From<DiskError> for TransferFault {
    fn from(error: DiskError) -> Self {
        let failure = Failure { text: error.to_string(), told: error.told() };
        if let DiskError::Changed { .. } = error {
            return Self::Changed(failure);
        }
        if error.is_lasting() { Self::Lasting(failure) } else { Self::Disk(failure) }
    }
}
