//! Sessions between peers and the rendezvous: in order and complete while they last. What is lost, is lost from some
//! moment on to the end, and both sides notice in their own time, as with QUIC.

use std::time::Duration;

use hobnob_peer::core::input::{Input, RequestError};
use hobnob_rendezvous::core::quota::Block;
use hobnob_rendezvous::core::{Input as ServerInput, SessionId};
use hobnob_wire::account::{AccountAnswer, AccountRequest};
use hobnob_wire::session::{Answer, ClientFrame, Push, Request, ServerFrame};
use hobnob_wire::{Refusal, RequestId};

use super::HERE;
use super::peer::Message;
use super::trace::Named;
use super::world::{Action, World};

/// The number of the request that proves a device; the engine has none yet.
const AUTHENTICATE: RequestId = RequestId(0);

/// The longest wait of a peer before it connects again.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    /// Whose.
    pub(super) peer: usize,
    /// What the device signs.
    exporter: [u8; 32],
    /// Whether the device has been welcomed.
    welcomed: bool,
    /// Nothing that would arrive later does.
    lost_from: Option<Duration>,
    /// Whether each side still has it.
    pub(super) at_server: bool,
    pub(super) at_peer: bool,
    /// When the last frame arrives, each way.
    last_to_server: Duration,
    last_to_peer: Duration,
}

impl World {
    /// A peer opens a session, if there can be one.
    pub(super) fn connect(&mut self, index: usize, run: u64) {
        let peer = &self.peers[index];
        if peer.run != run || peer.engine.is_none() || peer.session.is_some() || peer.revoked {
            return;
        }
        if peer.offline {
            // It tries again when it is back.
            return;
        }
        if !self.server.runs() {
            return self.connect_later(index);
        }
        let session = SessionId(self.number());
        let mut exporter = [0; 32];
        exporter[..8].copy_from_slice(&self.chance.draw().to_be_bytes());
        let Some((address, device, signature)) = self.peers[index].proof(&exporter) else { return };
        self.peers[index].session = Some(session);
        self.sessions.insert(
            session,
            Session {
                peer: index,
                exporter,
                welcomed: false,
                lost_from: None,
                at_server: true,
                at_peer: true,
                last_to_server: self.now,
                last_to_peer: self.now,
            },
        );
        let request = AccountRequest::Authenticate { address, device, signature };
        let frame = ClientFrame::Request { id: AUTHENTICATE, request: Request::Account(request) };
        self.say_to_server(session, frame);
    }

    /// The peer tries again after a while.
    pub(super) fn connect_later(&mut self, index: usize) {
        let wait = self.chance.spread(Duration::from_millis(50), CONNECT_WITHIN);
        let run = self.peers[index].run;
        self.after(wait, Action::Connect(index, run));
    }

    /// Sends a frame to the rendezvous.
    pub(super) fn say_to_server(&mut self, session: SessionId, frame: ClientFrame) {
        let arrives = self.now + self.latency();
        let Some(line) = self.sessions.get_mut(&session).filter(|line| line.at_peer) else { return };
        line.last_to_server = line.last_to_server.max(arrives);
        let at = line.last_to_server;
        self.frames += 1;
        self.at(at, Action::ToServer(session, Box::new(frame)));
    }

    /// Sends a frame to a peer.
    pub(super) fn say_to_peer(&mut self, session: SessionId, frame: ServerFrame) {
        let arrives = self.now + self.latency();
        let Some(line) = self.sessions.get_mut(&session).filter(|line| line.at_server) else { return };
        line.last_to_peer = line.last_to_peer.max(arrives);
        let at = line.last_to_peer;
        self.frames += 1;
        self.at(at, Action::ToPeer(session, Box::new(frame)));
    }

    pub(super) fn arrives_at_server(&mut self, session: SessionId, frame: ClientFrame) {
        let now = self.now;
        let Some(line) = self.sessions.get(&session) else { return };
        if !line.at_server || line.lost_from.is_some_and(|from| from <= now) || !self.server.runs() {
            return;
        }
        if !self.server.knows(session) {
            let input = ServerInput::Opened { session, exporter: line.exporter, from: Block::of(HERE) };
            self.server.take(session, input);
        }
        self.server.take(session, ServerInput::Said { session, frame, at: HERE });
        self.wake_server();
    }

    pub(super) fn arrives_at_peer(&mut self, session: SessionId, frame: ServerFrame) {
        let now = self.now;
        let Some(line) = self.sessions.get_mut(&session) else { return };
        if !line.at_peer || line.lost_from.is_some_and(|from| from <= now) {
            return;
        }
        let index = line.peer;
        if line.welcomed {
            return self.tell_frame(index, frame);
        }
        match frame {
            ServerFrame::Answer { id: AUTHENTICATE, answer: Answer::Account(welcome) }
                if matches!(welcome, AccountAnswer::Welcome { .. }) =>
            {
                line.welcomed = true;
                self.post(index, Message::Up(session, Box::new(welcome)));
            }
            ServerFrame::Refused { id: AUTHENTICATE, refusal } => {
                self.trace.note(now, format_args!("{} is refused: {refusal}", self.peers[index].name));
                if refusal == Refusal::UnknownDevice && !self.peers[index].revoked {
                    self.broken(format!("{} is refused, and nobody revoked it", self.peers[index].name));
                }
                self.end_session(session);
            }
            ServerFrame::Answer { .. } | ServerFrame::Refused { .. } | ServerFrame::Push(_) => {}
        }
    }

    /// A frame of a welcomed session.
    fn tell_frame(&mut self, index: usize, frame: ServerFrame) {
        let answered = |id, result| Input::Answered { id, result };
        let input = match frame {
            ServerFrame::Answer { id, answer } => answered(id, Ok(Box::new(answer))),
            ServerFrame::Refused { id, refusal } => answered(id, Err(RequestError::Refused(refusal))),
            ServerFrame::Push(Push::Relay(_)) => return,
            ServerFrame::Push(push) => Input::Pushed(Box::new(push)),
        };
        self.tell(index, input);
    }

    /// From now on nothing arrives on a session; each side notices later.
    pub(super) fn lose_session(&mut self, session: SessionId) {
        let now = self.now;
        let Some(line) = self.sessions.get_mut(&session) else { return };
        line.lost_from.get_or_insert(now);
        let (server, peer) = (self.silence(), self.silence());
        self.after(server, Action::ServerNotices(session));
        self.after(peer, Action::PeerNotices(session));
    }

    /// A peer is done with a session; the rendezvous hears of it in order.
    fn end_session(&mut self, session: SessionId) {
        self.peer_notices(session);
        let wait = self.latency();
        self.after(wait, Action::ServerNotices(session));
    }

    /// The rendezvous is done with a session; the peer hears of it in order.
    pub(super) fn close_session(&mut self, session: SessionId, why: &dyn std::fmt::Debug) {
        self.trace.note(self.now, format_args!("the rendezvous closes {}: {}", session.0, Named(&why)));
        let arrives = self.now + self.latency();
        let Some(line) = self.sessions.get_mut(&session) else { return };
        line.at_server = false;
        let at = line.last_to_peer.max(arrives);
        self.at(at, Action::PeerNotices(session));
    }

    pub(super) fn server_notices(&mut self, session: SessionId) {
        if let Some(line) = self.sessions.get_mut(&session)
            && std::mem::take(&mut line.at_server)
        {
            self.server.take(session, ServerInput::Gone { session });
            self.wake_server();
        }
        self.forget_session(session);
    }

    pub(super) fn peer_notices(&mut self, session: SessionId) {
        if let Some(line) = self.sessions.get_mut(&session)
            && std::mem::take(&mut line.at_peer)
        {
            let (index, welcomed) = (line.peer, line.welcomed);
            self.peers[index].session = None;
            if welcomed {
                self.post(index, Message::Down);
            }
            self.connect_later(index);
        }
        self.forget_session(session);
    }

    /// Forgets a session that neither side has any more.
    fn forget_session(&mut self, session: SessionId) {
        if self.sessions.get(&session).is_some_and(|line| !line.at_server && !line.at_peer) {
            self.sessions.remove(&session);
        }
    }
}

impl Session {
    /// Nothing arrives any more that would arrive from this moment on.
    pub(super) fn lose_from(&mut self, now: Duration) {
        self.lost_from.get_or_insert(now);
    }
}
