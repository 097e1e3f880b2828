//! Keeps the session: connects, authenticates, carries frames both ways, and connects again.
//!
//! One task does it all. What the frames mean is the engine's to say; this says how long to wait before
//! the next try and tells the user what is wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hobnob_nat::core::proxy::Proxy;
use hobnob_nat::reach::Session as RelayAccess;
use hobnob_nat::{Endpoint, Loopback, Reach, Tunnel, exporter, remote_address};
use hobnob_wire::account::{AccountAnswer, AccountRequest};
use hobnob_wire::close::SessionClose;
use hobnob_wire::keys::Purpose;
use hobnob_wire::session::{Answer, ClientFrame, EXPORTER_LABEL, Push, Request, ServerFrame};
use hobnob_wire::signal::RelayGrant;
use hobnob_wire::{Refusal, RequestId, codec};
use quinn::{Connection, ConnectionError, RecvStream, SendStream, VarInt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::LinkRoom;
use super::connect::{ConnectError, Connector, Line};
use super::frames::{ReadError, read_frame};
use crate::core::input::{Input, RequestError};
use crate::core::keys::Identity;
use crate::core::reconnect::Reconnect;
use crate::driver::{Inputs, Message, SystemEntropy};

/// Frames that wait to be written. The driver waits for room, so a slow rendezvous slows the app's work
/// for it and not its memory.
const QUEUE_MAX: usize = 256;

/// How long the rendezvous may take to welcome us.
const WELCOME_WITHIN: Duration = Duration::from_secs(10);

/// How long the last frames may take to arrive when the app stops.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// How long the rendezvous may take to answer from where we are after the network changed. A session follows its device
/// at once or, when its own addresses are of another kind now, never.
const FOLLOW_WITHIN: Duration = Duration::from_secs(2);

/// Frames are gathered into writes of about this size.
const WRITE_BYTES: usize = 64 << 10;

/// The number of the one request that is not the engine's; its answer comes before the engine asks.
const AUTHENTICATE: RequestId = RequestId(0);

/// The keeper of the session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) endpoint: Endpoint,
    pub(crate) identity: Arc<Identity>,
    pub(crate) inputs: Inputs,
    /// What may still need the relay when the app stops.
    pub(crate) links: Arc<LinkRoom>,
    /// Told which relay there is to use.
    pub(crate) reach: Reach,
    /// Shown the connection while the session is up.
    pub(crate) current: watch::Sender<Option<Connection>>,
    /// What to go through, if the network asks for it.
    pub(crate) proxy: Option<Proxy>,
}

/// How a session, or the try to make one, ended.
#[derive(Debug)]
enum End {
    /// The app stops.
    Stopped,
    /// There is a better road, or the old one is gone: connect again at once.
    Moved(String),
    /// Try again soon.
    Lost(String),
    /// Try again, but it will hardly help soon.
    Slow(String),
    /// Another try may do harm or is pointless until the user has acted.
    Final(String),
}

impl Session {
    /// Keeps the session until the driver stops, or until only the user can help.
    pub(crate) async fn keep(mut self) {
        let mut reconnect = Reconnect::default();
        let mut network = self.reach.changed();
        let mut connector =
            Connector::new(self.endpoint.clone(), self.identity.rendezvous.clone(), self.proxy.take());
        let mut told = None;
        loop {
            let began = Instant::now();
            let end = self.once(&mut connector, &mut told).await;
            reconnect.lost(began.elapsed());
            let (problem, wait) = match end {
                End::Stopped => return,
                End::Moved(why) => {
                    reconnect.reset();
                    (why, Some(Duration::ZERO))
                }
                End::Lost(problem) => (problem, Some(reconnect.wait(&mut SystemEntropy))),
                End::Slow(problem) => (problem, Some(reconnect.long_wait(&mut SystemEntropy))),
                End::Final(problem) => (problem, None),
            };
            tracing::info!(%problem, wait_ms = wait.map(|wait| wait.as_millis()), "no session");
            if told.as_ref() != Some(&problem) {
                told = Some(problem.clone());
                if self.inputs.send(Input::SessionDown { problem }).await.is_err() {
                    return;
                }
            }
            let Some(wait) = wait else { return };
            tokio::select! {
                () = sleep(wait) => {}
                Ok(()) = network.changed() => {
                    reconnect.reset();
                    connector.network_changed();
                }
                () = self.inputs.closed() => return,
            }
        }
    }

    /// One session, from connecting to its end. Forgets in `told` what the user was told once it is up.
    async fn once(&self, connector: &mut Connector, told: &mut Option<String>) -> End {
        let opened = tokio::select! {
            opened = self.open(connector) => opened,
            () = self.inputs.closed() => return End::Stopped,
        };
        let Opened { line: Line { connection, tunnel, v4 }, welcome, send, receive } = match opened {
            Ok(opened) => opened,
            Err(end) => return end,
        };
        *told = None;
        let (frames, queue) = mpsc::channel(QUEUE_MAX);
        // Must not keep the session when the driver has let go of it.
        let nudges = frames.downgrade();
        if self.inputs.send(Message::SessionUp { welcome: Box::new(welcome), frames }).await.is_err() {
            close(&connection, SessionClose::Done);
            return End::Stopped;
        }
        tracing::info!("the session is up");
        self.current.send_replace(Some(connection.clone()));
        // Its place at the relay, if there is one, is told later.
        self.reach.session(Some(reached(&connection, v4, None)));
        let end = tokio::select! {
            end = self.read((&connection, v4), receive) => end,
            () = async {
                write(queue, send).await;
                // Without us the relay would forward no goodbye.
                let _ = timeout(2 * FLUSH_WITHIN, self.links.idle()).await;
            } => {
                close(&connection, SessionClose::Done);
                End::Lost("the rendezvous does not take what it is sent; trying again".into())
            }
            end = outgrown(connector, tunnel.as_ref(), self.reach.changed()) => {
                close(&connection, SessionClose::Done);
                end
            }
            () = left_behind(&connection, &nudges, self.reach.changed()) => {
                close(&connection, SessionClose::Done);
                End::Moved("the network has changed; connecting again".into())
            }
        };
        self.reach.session(None);
        self.current.send_replace(None);
        end
    }

    /// Connects and authenticates.
    async fn open(&self, connector: &mut Connector) -> Result<Opened, End> {
        let line = connector.connect().await.map_err(|error| unconnected(&error))?;
        let connection = &line.connection;
        match timeout(WELCOME_WITHIN, authenticate(connection, &self.identity)).await {
            Ok(Ok((welcome, send, receive))) => Ok(Opened { line, welcome, send, receive }),
            Ok(Err(end)) => {
                close(connection, SessionClose::Done);
                Err(end)
            }
            Err(_) => {
                close(connection, SessionClose::AuthenticationTimeout);
                Err(End::Lost("the rendezvous answers, but does not let us in; trying again".into()))
            }
        }
    }

    async fn read(
        &self,
        (connection, v4): (&Connection, Option<SocketAddr>),
        mut receive: RecvStream,
    ) -> End {
        loop {
            let input = match read_frame::<ServerFrame>(&mut receive).await {
                Ok(ServerFrame::Answer { id, answer }) => {
                    Input::Answered { id, result: Ok(Box::new(answer)) }
                }
                Ok(ServerFrame::Refused { id, refusal }) => {
                    Input::Answered { id, result: Err(RequestError::Refused(refusal)) }
                }
                Ok(ServerFrame::Push(Push::Relay(grant))) => {
                    self.reach.session(Some(reached(connection, v4, Some(grant))));
                    continue;
                }
                Ok(ServerFrame::Push(push)) => Input::Pushed(Box::new(push)),
                Err(error) => return broken(connection, &error).await,
            };
            if self.inputs.send(input).await.is_err() {
                // The writer still has the last frames to bring across, and ends the session then.
                return std::future::pending().await;
            }
        }
    }
}

/// What finding paths needs to know of a session.
fn reached(connection: &Connection, v4: Option<SocketAddr>, grant: Option<RelayGrant>) -> RelayAccess {
    let rendezvous = remote_address(connection);
    // Then peers may be on this machine, too.
    let loopback = if rendezvous.ip().is_loopback() { Loopback::Allowed } else { Loopback::Forbidden };
    RelayAccess { rendezvous, v4, grant, loopback }
}

/// A session that has just been welcomed.
struct Opened {
    line: Line,
    welcome: AccountAnswer,
    send: SendStream,
    receive: RecvStream,
}

/// Writes what is queued, as few writes as possible. Returns when the queue has no sender any more and what
/// was in it has arrived, or never will.
async fn write(mut queue: mpsc::Receiver<Vec<u8>>, mut send: SendStream) {
    let mut buffer = Vec::new();
    while let Some(frame) = queue.recv().await {
        buffer.extend_from_slice(&frame);
        while buffer.len() < WRITE_BYTES
            && let Ok(frame) = queue.try_recv()
        {
            buffer.extend_from_slice(&frame);
        }
        if send.write_all(&buffer).await.is_err() {
            // The reader learns why, and ends the session.
            return std::future::pending().await;
        }
        buffer.clear();
        buffer.shrink_to(WRITE_BYTES);
    }
    flush(send).await;
}

/// Returns when the session should not go on in its tunnel: UDP works, or the tunnel is broken, which QUIC would notice much
/// later. Never returns for a session that is in none.
async fn outgrown(connector: &mut Connector, tunnel: Option<&Tunnel>, network: watch::Receiver<()>) -> End {
    let Some(tunnel) = tunnel else { return std::future::pending().await };
    tokio::select! {
        () = tunnel.ended() => End::Lost("the tunnel to the rendezvous broke; trying again".into()),
        () = connector.find_udp(network) => {
            tracing::info!("UDP works again: the session leaves its tunnel");
            End::Moved("the network lets UDP pass again; connecting again".into())
        }
    }
}

/// Returns when the network has changed and the rendezvous does not answer from where we are now.
async fn left_behind(
    connection: &Connection,
    frames: &mpsc::WeakSender<Vec<u8>>,
    mut network: watch::Receiver<()>,
) {
    network.mark_unchanged();
    while network.changed().await.is_ok() {
        let heard = connection.stats().udp_rx.datagrams;
        // Acknowledges nothing, and makes QUIC say something from the new address.
        let nudge = codec::encode_prefixed(&ClientFrame::MailboxAck { up_to: 0 });
        let (Ok(nudge), Some(frames)) = (nudge, frames.upgrade()) else { break };
        // A full queue says enough.
        let _ = frames.try_send(nudge);
        drop(frames);
        sleep(FOLLOW_WITHIN).await;
        if connection.stats().udp_rx.datagrams == heard {
            return;
        }
    }
    std::future::pending().await
}

/// Ends a stream and waits a little for all of it to arrive.
async fn flush(mut send: SendStream) {
    if send.finish().is_ok() {
        // Either it arrived, or the connection is gone, or it took too long: it is over.
        let _ = timeout(FLUSH_WITHIN, send.stopped()).await;
    }
}

/// Opens the control stream and proves the device.
async fn authenticate(
    connection: &Connection,
    identity: &Identity,
) -> Result<(AccountAnswer, SendStream, RecvStream), End> {
    let exported = exporter(connection, EXPORTER_LABEL).map_err(|error| End::Lost(error.to_string()))?;
    let request = Request::Account(AccountRequest::Authenticate {
        address: identity.address.clone(),
        device: identity.device,
        signature: identity.signing.sign(Purpose::Session, &exported),
    });
    let frame = codec::encode_prefixed(&ClientFrame::Request { id: AUTHENTICATE, request })
        .map_err(|error| End::Final(error.to_string()))?;
    let Ok((mut send, mut receive)) = connection.open_bi().await else {
        return Err(lost(&connection.closed().await));
    };
    if send.write_all(&frame).await.is_err() {
        return Err(lost(&connection.closed().await));
    }
    match read_frame::<ServerFrame>(&mut receive).await {
        Ok(ServerFrame::Answer {
            id: AUTHENTICATE,
            answer: Answer::Account(welcome @ AccountAnswer::Welcome { .. }),
        }) => Ok((welcome, send, receive)),
        Ok(ServerFrame::Refused { id: AUTHENTICATE, refusal }) => Err(turned_away(refusal)),
        Ok(_) => Err(End::Slow("the rendezvous does not follow the protocol; update it or this app".into())),
        Err(error) => Err(broken(connection, &error).await),
    }
}

fn close(connection: &Connection, code: SessionClose) {
    connection.close(VarInt::from_u32(code.code()), code.to_string().as_bytes());
}

fn unconnected(error: &ConnectError) -> End {
    match error {
        ConnectError::PinChanged { .. } => {
            End::Final(format!("{error}. The app does not connect again until it is restarted"))
        }
        ConnectError::Incompatible { .. } => End::Slow(error.to_string()),
        ConnectError::Resolve { .. } | ConnectError::Unreachable { .. } | ConnectError::Tunnel(_) => {
            End::Lost(error.to_string())
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only three refusals have an advice of their own")]
fn turned_away(refusal: Refusal) -> End {
    match refusal {
        Refusal::UnknownDevice => revoked(),
        Refusal::UnsupportedVersion => {
            End::Slow("the rendezvous does not support this version; update the app or the rendezvous".into())
        }
        refusal => End::Slow(format!("the rendezvous does not let this device in: {refusal}; trying again")),
    }
}

fn revoked() -> End {
    End::Final(
        "this device no longer belongs to the account: it was revoked, or the rendezvous has lost it. Log in again with an empty home"
            .into(),
    )
}

/// What a stream that could not be read says about the session.
async fn broken(connection: &Connection, error: &ReadError) -> End {
    match error {
        ReadError::Bad(error) => {
            close(connection, SessionClose::BadFrame);
            End::Slow(format!("the rendezvous sent something unreadable ({error}); update it or this app"))
        }
        // A stream that ends comes with its connection's end, or before it.
        ReadError::Ended => match timeout(FLUSH_WITHIN, connection.closed()).await {
            Ok(error) => lost(&error),
            Err(_) => {
                close(connection, SessionClose::Done);
                End::Lost("the rendezvous ended the session; trying again".into())
            }
        },
    }
}

/// What the end of the connection means.
fn lost(error: &ConnectionError) -> End {
    let ConnectionError::ApplicationClosed(close) = error else {
        return End::Lost(if *error == ConnectionError::TimedOut {
            "the rendezvous no longer answers; trying again".into()
        } else {
            format!("the session was lost ({error}); trying again")
        });
    };
    match SessionClose::from_code(close.error_code.into_inner()) {
        Some(SessionClose::Revoked) => revoked(),
        Some(SessionClose::Replaced) => End::Slow(
            "this device has opened another session: a copy of its home is in use elsewhere. Stop one of the two".into(),
        ),
        Some(SessionClose::GoingAway | SessionClose::Done) => {
            End::Lost("the rendezvous is stopping; trying again".into())
        }
        Some(SessionClose::BadFrame | SessionClose::TooManyFailures) => End::Slow(
            "the rendezvous does not understand this app; update the app or the rendezvous".into(),
        ),
        Some(
            code @ (SessionClose::AuthenticationTimeout
            | SessionClose::TooManyConnections
            | SessionClose::TooSlow
            | SessionClose::InternalError),
        ) => End::Lost(format!("the session was lost: {code}; trying again")),
        None => End::Lost("the rendezvous closed the session; trying again".into()),
    }
}
