//! The thread that owns the store: takes a batch of jobs, handles them in one transaction, commits, and only then performs
//! what came of them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::random::SystemRandom;
use bytes::Bytes;
use hobnob_nat::RelayServer;
use hobnob_wire::close::SessionClose;
use hobnob_wire::codec::encode_prefixed;
use hobnob_wire::session::ClientFrame;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::core::quota::Block;
use crate::core::store::StoreError;
use crate::core::{Effect, Input, Now, Rendezvous, SessionId, Tally};
use crate::outbox::Outbox;
use crate::store::Sqlite;

/// Jobs in one transaction: where the gain of a common sync ends and waiting for each other begins.
const BATCH_MAX: usize = 128;

/// Jobs that may wait. With them wait at most [`WAITING_KIB_MAX`](crate::connection::WAITING_KIB_MAX) of frames.
pub(crate) const WAITING_MAX: usize = 1024;

/// What is to be done in the store's thread.
#[expect(clippy::large_enum_variant, reason = "nearly all jobs are frames")]
pub(crate) enum Job {
    /// A session is about to say its first words.
    Opened { session: SessionId, exporter: [u8; 32], from: Block, outbox: Outbox },
    /// A session said something. Its places in the queues are free again once that has been answered.
    Said { session: SessionId, frame: ClientFrame, at: IpAddr, places: [OwnedSemaphorePermit; 2] },
    /// A session is over.
    Gone { session: SessionId },
    /// The rendezvous stops: what waits behind this is not handled any more.
    Stop,
}

/// The rendezvous with its store and its sessions' queues.
pub(crate) struct Engine {
    rendezvous: Rendezvous,
    store: Sqlite,
    outboxes: BTreeMap<SessionId, Outbox>,
    /// Absent where nothing is relayed.
    relay: Option<Arc<RelayServer>>,
    started: Instant,
}

impl Engine {
    pub(crate) fn new(rendezvous: Rendezvous, store: Sqlite, relay: Option<Arc<RelayServer>>) -> Self {
        Self { rendezvous, store, outboxes: BTreeMap::new(), relay, started: Instant::now() }
    }

    /// Handles jobs until one of them is [`Job::Stop`]; then every session is told.
    ///
    /// # Errors
    /// [`StoreError`]: something could not be made durable. Nothing of it was acknowledged, and the process must end.
    pub(crate) fn run(mut self, mut jobs: mpsc::Receiver<Job>) -> Result<Tally, StoreError> {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while jobs.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
            if self.handle(&mut batch)? {
                break;
            }
        }
        for outbox in std::mem::take(&mut self.outboxes).into_values() {
            outbox.close(SessionClose::GoingAway);
        }
        self.store.checkpoint()?;
        let relay = self.relay.map(|relay| relay.tally()).unwrap_or_default();
        Ok(Tally { relay, ..self.rendezvous.tally() })
    }

    /// Handles a batch; `true` when it is the last one.
    fn handle(&mut self, batch: &mut Vec<Job>) -> Result<bool, StoreError> {
        let now = self.now();
        let mut effects = Vec::new();
        let mut places = Vec::with_capacity(batch.len());
        let mut stops = false;
        let mut tx = self.store.begin()?;
        for job in batch.drain(..) {
            let input = match job {
                Job::Opened { session, exporter, from, outbox } => {
                    self.outboxes.insert(session, outbox);
                    Input::Opened { session, exporter, from }
                }
                Job::Said { session, frame, at, places: taken } => {
                    places.push(taken);
                    Input::Said { session, frame, at }
                }
                Job::Gone { session } => {
                    self.outboxes.remove(&session);
                    Input::Gone { session }
                }
                Job::Stop => {
                    stops = true;
                    break;
                }
            };
            effects.extend(self.rendezvous.handle(&mut tx, &mut SystemRandom, now, input)?);
        }
        tx.commit()?;
        for effect in effects {
            self.perform(effect);
        }
        Ok(stops)
    }

    fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now { elapsed: self.started.elapsed(), unix_s: unix.as_secs() }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send { to, frame } => match encode_prefixed(&frame) {
                Ok(bytes) => {
                    let bytes = Bytes::from(bytes);
                    for outbox in to.iter().filter_map(|session| self.outboxes.get(session)) {
                        outbox.send(bytes.clone());
                    }
                }
                Err(error) => tracing::error!(%error, "a frame was not sent"),
            },
            Effect::Admit { session } => {
                if let Some(outbox) = self.outboxes.get(&session) {
                    outbox.admit();
                }
            }
            Effect::Relay(order) => {
                if let Some(relay) = &self.relay {
                    relay.order(order);
                }
            }
            Effect::Close { session, code } => {
                if let Some(outbox) = self.outboxes.remove(&session) {
                    tracing::debug!(session = session.0, %code, "a session is closed");
                    outbox.close(code);
                }
            }
        }
    }
}
