//! One connection: from its handshake to its end, and what it may cost until it has proved who it is.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hobnob_nat::{Arrival, Place, exporter, remote_address};
use hobnob_wire::close::SessionClose;
use hobnob_wire::codec::{self, Frame, LENGTH_BYTES};
use hobnob_wire::limits::HELLO_FRAME_BYTES_MAX;
use hobnob_wire::session::{ClientFrame, EXPORTER_LABEL};
use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};

use crate::config::SessionConfig;
use crate::core::SessionId;
use crate::core::quota::Block;
use crate::engine::Job;
use crate::outbox::{Gate, close, outbox};

/// Frames on their way to the store, all sessions together, in KiB.
pub(crate) const WAITING_KIB_MAX: usize = 64 * 1024;

/// What every connection needs.
pub(crate) struct Hall {
    pub(crate) limits: SessionConfig,
    jobs: mpsc::Sender<Job>,
    /// Free KiB for frames on their way to the store.
    waiting: Arc<Semaphore>,
    next_session: AtomicU64,
    /// Held, upgraded, by every session that may still have something to say.
    speaking: mpsc::WeakSender<Infallible>,
}

impl Hall {
    pub(crate) fn new(
        limits: SessionConfig,
        jobs: mpsc::Sender<Job>,
        speaking: mpsc::WeakSender<Infallible>,
    ) -> Self {
        let waiting = Arc::new(Semaphore::new(WAITING_KIB_MAX));
        Self { limits, jobs, waiting, next_session: AtomicU64::new(0), speaking }
    }
}

/// Why a session's reader stopped.
enum End {
    /// The connection is lost or closed, by whomever.
    Lost,
    /// The peer has said all it had to say.
    Finished,
    /// What it said was not a frame.
    BadFrame,
    /// The rendezvous stops.
    Stopping,
}

/// Serves a newcomer until its connection ends.
pub(crate) async fn serve(arrival: Arrival, hall: Arc<Hall>) {
    let (connection, place) = match arrival.establish().await {
        Ok(established) => established,
        Err(error) => return tracing::debug!(%error, "a newcomer did not get in"),
    };
    let deadline = Instant::now() + hall.limits.authenticate_within();
    match timeout_at(deadline, connection.accept_bi()).await {
        // Boxed, so that a connection that stays silent does not hold room for what it might say.
        Ok(Ok(streams)) => Box::pin(session(connection, place, streams, deadline, hall)).await,
        Ok(Err(_)) => {}
        Err(_) => close(&connection, SessionClose::AuthenticationTimeout),
    }
}

async fn session(
    connection: Connection,
    place: Place,
    (send, mut recv): (SendStream, RecvStream),
    deadline: Instant,
    hall: Arc<Hall>,
) {
    let Ok(exporter) = exporter(&connection, EXPORTER_LABEL) else {
        return close(&connection, SessionClose::InternalError);
    };
    let id = SessionId(hall.next_session.fetch_add(1, Ordering::Relaxed));
    let gate = Gate::new();
    let (outbox, letterbox) = outbox(&connection, &gate, hall.limits.queue_bytes_max);
    let from = Block::of(place.origin());
    if hall.jobs.send(Job::Opened { session: id, exporter, from, outbox }).await.is_err() {
        return;
    }
    let (speaking, write_within) = (hall.speaking.upgrade(), hall.limits.write_within());
    let writer = tokio::spawn(async move {
        letterbox.deliver(send, write_within).await;
        drop(speaking);
    });
    let mut reader = Reader { id, connection: &connection, recv: &mut recv, gate: &gate, hall: &hall };
    let end = match timeout_at(deadline, reader.read_until_admitted()).await {
        Ok(Ok(())) => {
            let _proved = place.prove();
            tracing::debug!(session = id.0, "a session is proved");
            reader.read_until_end().await
        }
        Ok(Err(end)) => end,
        Err(_) => {
            close(&connection, SessionClose::AuthenticationTimeout);
            End::Lost
        }
    };
    match end {
        End::Lost | End::Stopping => {}
        End::Finished => close(&connection, SessionClose::Done),
        End::BadFrame => close(&connection, SessionClose::BadFrame),
    }
    // When this fails, the rendezvous stops and nobody needs to know.
    let _ = hall.jobs.send(Job::Gone { session: id }).await;
    // The writer ends with its queue, which the store's thread drops; it may still have last words to say.
    let _ = writer.await;
}

/// Reads frames and brings them to the store.
struct Reader<'a> {
    id: SessionId,
    connection: &'a Connection,
    recv: &'a mut RecvStream,
    gate: &'a Gate,
    hall: &'a Hall,
}

impl Reader<'_> {
    /// Reads small frames, one at a time, until one of them has proved who the peer is.
    async fn read_until_admitted(&mut self) -> Result<(), End> {
        loop {
            // The place is free when the frame before has been answered; then it is settled whether that was the proof.
            let place = Arc::clone(&self.gate.requests).acquire_owned().await.map_err(|_| End::Stopping)?;
            if self.gate.is_admitted() {
                return Ok(());
            }
            self.pass_on(HELLO_FRAME_BYTES_MAX, place).await?;
        }
    }

    async fn read_until_end(&mut self) -> End {
        loop {
            let Ok(place) = Arc::clone(&self.gate.requests).acquire_owned().await else {
                return End::Stopping;
            };
            if let Err(end) = self.pass_on(ClientFrame::BYTES_MAX, place).await {
                return end;
            }
        }
    }

    /// Reads one frame and brings it to the store.
    async fn pass_on(&mut self, max: usize, place: OwnedSemaphorePermit) -> Result<(), End> {
        let mut prefix = [0; LENGTH_BYTES];
        self.fill(&mut prefix).await?;
        let len = codec::prefixed_len(prefix, ClientFrame::NAME, max).map_err(|_| End::BadFrame)?;
        let kib = u32::try_from(len.div_ceil(1024)).map_err(|_| End::BadFrame)?;
        let mut body = vec![0; len];
        self.fill(&mut body).await?;
        let room = Arc::clone(&self.hall.waiting).acquire_many_owned(kib).await.map_err(|_| End::Stopping)?;
        let frame = codec::decode(&body).map_err(|_| End::BadFrame)?;
        drop(body);
        let at = remote_address(self.connection).ip();
        let job = Job::Said { session: self.id, frame, at, places: [place, room] };
        self.hall.jobs.send(job).await.map_err(|_| End::Stopping)
    }

    async fn fill(&mut self, buffer: &mut [u8]) -> Result<(), End> {
        match self.recv.read_exact(buffer).await {
            Ok(()) => Ok(()),
            Err(quinn::ReadExactError::FinishedEarly(0)) => Err(End::Finished),
            Err(quinn::ReadExactError::FinishedEarly(_)) => Err(End::BadFrame),
            Err(quinn::ReadExactError::ReadError(_)) => Err(End::Lost),
        }
    }
}
