//! What waits to be sent to one session, and the task that sends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hobnob_wire::close::SessionClose;
use quinn::{Connection, SendStream, VarInt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

/// Frames that may wait; a full roster with everybody's presence and a window of letters is 11,256.
const FRAMES_MAX: usize = 16_384;

/// Requests of one proved session that may be on their way to the store.
const IN_FLIGHT: usize = 8;

/// How long a closed session has to take what was said before.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(1);

/// What the reader of a session and the store's thread share.
#[derive(Debug)]
pub(crate) struct Gate {
    admitted: AtomicBool,
    /// One place per request on its way to the store; before admission there is a single one.
    pub(crate) requests: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { admitted: AtomicBool::new(false), requests: Arc::new(Semaphore::new(1)) })
    }

    /// Whether the session has proved who it is. Settled once its only request before that has been answered.
    pub(crate) fn is_admitted(&self) -> bool {
        self.admitted.load(Ordering::Acquire)
    }
}

enum Outgoing {
    Frame(Bytes),
    Close(SessionClose),
}

/// The store's end of a session.
pub(crate) struct Outbox {
    connection: Connection,
    gate: Arc<Gate>,
    queue: mpsc::Sender<Outgoing>,
    queued_bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

/// The task's end.
pub(crate) struct Letterbox {
    connection: Connection,
    queue: mpsc::Receiver<Outgoing>,
    queued_bytes: Arc<AtomicUsize>,
}

/// An empty queue for a session, with both its ends.
pub(crate) fn outbox(connection: &Connection, gate: &Arc<Gate>, bytes_max: usize) -> (Outbox, Letterbox) {
    let (sender, receiver) = mpsc::channel(FRAMES_MAX);
    let queued_bytes = Arc::new(AtomicUsize::new(0));
    let outbox = Outbox {
        connection: connection.clone(),
        gate: Arc::clone(gate),
        queue: sender,
        queued_bytes: Arc::clone(&queued_bytes),
        bytes_max,
    };
    (outbox, Letterbox { connection: connection.clone(), queue: receiver, queued_bytes })
}

impl Outbox {
    /// Queues an encoded frame. A session that lets too much wait is closed.
    pub(crate) fn send(&self, frame: Bytes) {
        let len = frame.len();
        let before = self.queued_bytes.fetch_add(len, Ordering::Relaxed);
        let queued = before + len <= self.bytes_max && self.queue.try_send(Outgoing::Frame(frame)).is_ok();
        if !queued {
            close(&self.connection, SessionClose::TooSlow);
        }
    }

    /// Lifts what bounds a newcomer.
    pub(crate) fn admit(&self) {
        hobnob_nat::raise_session_limits(&self.connection);
        self.gate.admitted.store(true, Ordering::Release);
        self.gate.requests.add_permits(IN_FLIGHT - 1);
    }

    /// Closes the session after what is queued.
    pub(crate) fn close(self, code: SessionClose) {
        if self.queue.try_send(Outgoing::Close(code)).is_err() {
            close(&self.connection, code);
        }
    }
}

impl Letterbox {
    /// Sends what is queued until the session is over.
    pub(crate) async fn deliver(mut self, mut stream: SendStream, write_within: Duration) {
        while let Some(outgoing) = self.queue.recv().await {
            match outgoing {
                Outgoing::Frame(frame) => {
                    match timeout(write_within, stream.write_all(&frame)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return,
                        Err(_) => return close(&self.connection, SessionClose::TooSlow),
                    }
                    self.queued_bytes.fetch_sub(frame.len(), Ordering::Relaxed);
                }
                Outgoing::Close(code) => {
                    if stream.finish().is_ok() {
                        // Whether the last words were heard or not, the session is over.
                        let _ = timeout(LAST_WORDS_WITHIN, stream.stopped()).await;
                    }
                    return close(&self.connection, code);
                }
            }
        }
    }
}

/// Closes a connection with a code and its wording. A second close of the same connection says nothing.
pub(crate) fn close(connection: &Connection, code: SessionClose) {
    connection.close(VarInt::from_u32(code.code()), code.to_string().as_bytes());
}
