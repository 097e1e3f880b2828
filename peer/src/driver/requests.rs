//! What has been asked of the rendezvous and not been answered.

use std::collections::BTreeSet;
use std::time::Duration;

use hobnob_wire::session::{ClientFrame, Request};
use hobnob_wire::{Refusal, RequestId, codec};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::timeout;

use crate::core::input::{Input, RequestError};

/// How long the driver waits for a session that takes nothing any more, before it gives the session up. A
/// session that is dead ends by itself a little later.
const PATIENCE: Duration = Duration::from_secs(10);

/// The driver's hold on the session, and what is pending on it.
#[derive(Debug, Default)]
pub(super) struct Requests {
    session: Session,
    pending: BTreeSet<RequestId>,
}

#[derive(Debug, Default)]
enum Session {
    /// There is none.
    #[default]
    Down,
    /// Takes encoded frames.
    Up(mpsc::Sender<Vec<u8>>),
    /// Has been given up, and will report its end.
    Ending,
}

impl Requests {
    /// A session is up.
    pub(super) fn up(&mut self, frames: mpsc::Sender<Vec<u8>>) {
        self.session = Session::Up(frames);
    }

    /// The session is down. Returns the answers to all that was pending on it.
    pub(super) fn down(&mut self) -> impl Iterator<Item = Input> + use<> {
        self.session = Session::Down;
        std::mem::take(&mut self.pending).into_iter().map(lost)
    }

    /// Whether somebody waits for this answer; it is pending no more.
    pub(super) fn answered(&mut self, id: RequestId) -> bool {
        self.pending.remove(&id)
    }

    /// Sends a request. Returns its answer when there is nobody to ask.
    pub(super) fn ask(&mut self, id: RequestId, request: Request, clock: &Runtime) -> Option<Input> {
        if matches!(self.session, Session::Down) {
            return Some(lost(id));
        }
        let frame = match codec::encode_prefixed(&ClientFrame::Request { id, request }) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::error!(%error, "a request of ours does not fit a frame");
                return Some(Input::Answered {
                    id,
                    result: Err(RequestError::Refused(Refusal::NotAcceptable)),
                });
            }
        };
        self.pending.insert(id);
        self.write(frame, clock);
        None
    }

    /// Sends a frame that has no answer. Without a session it is dropped; the next one begins with news of its own.
    pub(super) fn say(&mut self, frame: &ClientFrame, clock: &Runtime) {
        match codec::encode_prefixed(frame) {
            Ok(frame) => self.write(frame, clock),
            Err(error) => tracing::error!(%error, "a word of ours does not fit a frame"),
        }
    }

    /// Writes to the session, waiting for room: whoever feeds the driver waits with it.
    fn write(&mut self, frame: Vec<u8>, clock: &Runtime) {
        let Session::Up(frames) = &self.session else { return };
        let written = match frames.try_send(frame) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(frame)) => clock.block_on(async {
                timeout(PATIENCE, frames.send(frame)).await.is_ok_and(|sent| sent.is_ok())
            }),
        };
        if !written {
            self.session = Session::Ending;
        }
    }
}

fn lost(id: RequestId) -> Input {
    Input::Answered { id, result: Err(RequestError::SessionLost) }
}

#[cfg(test)]
mod tests {
    use hobnob_wire::presence::PresenceSet;

    use super::*;

    fn request() -> Request {
        Request::Presence(PresenceSet { presence: hobnob_wire::presence::Presence::default(), hidden: true })
    }

    fn clock() -> Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    fn ids(inputs: impl IntoIterator<Item = Input>) -> Vec<u32> {
        let id = |input| {
            let Input::Answered { id, result: Err(RequestError::SessionLost) } = input else {
                panic!("{input:?}")
            };
            id.0
        };
        inputs.into_iter().map(id).collect()
    }

    #[test]
    fn a_request_without_a_session_is_answered_at_once() {
        let mut requests = Requests::default();
        assert_eq!(ids(requests.ask(RequestId(7), request(), &clock())), [7]);
        assert_eq!(ids(requests.down()), Vec::<u32>::new());
    }

    #[test]
    fn what_was_pending_is_lost_with_the_session_and_what_was_answered_is_not() {
        let (mut requests, clock, (frames, mut queue)) = (Requests::default(), clock(), mpsc::channel(4));
        requests.up(frames);
        for id in 1..=3 {
            assert!(requests.ask(RequestId(id), request(), &clock).is_none());
        }
        assert!(requests.answered(RequestId(2)));
        assert!(!requests.answered(RequestId(2)));
        assert_eq!(ids(requests.down()), [1, 3]);
        let first = ClientFrame::Request { id: RequestId(1), request: request() };
        assert_eq!(queue.try_recv().unwrap(), codec::encode_prefixed(&first).unwrap());
    }

    #[test]
    fn requests_to_a_session_that_ends_wait_for_its_end() {
        let (mut requests, clock, (frames, queue)) = (Requests::default(), clock(), mpsc::channel(4));
        requests.up(frames);
        drop(queue);
        assert!(requests.ask(RequestId(1), request(), &clock).is_none());
        assert!(requests.ask(RequestId(2), request(), &clock).is_none());
        assert_eq!(ids(requests.down()), [1, 2]);
    }
}
