//! The life of a link: dialed or accepted, introduced, admitted, up, gone. One task each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hobnob_nat::{Arrival, Endpoint, Place, Reach, raise_link_limits, remote_address};
use hobnob_wire::close::LinkClose;
use hobnob_wire::keys::AgreementKey;
use hobnob_wire::link::{LinkHello, seal_frame};
use hobnob_wire::noise::NoiseKeypair;
use hobnob_wire::seal::SealKey;
use hobnob_wire::{AttemptId, DeviceId};
use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};

use super::LinkHandle;
use super::handshake::{Control, Failed, Met, initiate, read_sealed, respond};
use super::links::{Closer, LinkControl, Order};
use super::measured::{Measured, Meters};
use super::streams::TransferShell;
use crate::core::input::{Input, LinkId};
use crate::driver::{Inputs, Message};

/// Links at a time, those to be included. Contacts in hundreds do not all talk at once.
const LINKS_MAX: usize = 64;

/// How long the Noise handshake may take, the engine's decision included.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// How long the last frames may take to be read when the app stops.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// Frames are gathered into writes of about this size.
const WRITE_BYTES: usize = 64 << 10;

/// What all links share.
#[derive(Debug)]
pub(crate) struct LinkRoom {
    endpoint: Endpoint,
    noise: NoiseKeypair,
    inputs: Inputs,
    transfers: TransferShell,
    meters: Meters,
    places: Arc<Semaphore>,
    next: AtomicU64,
}

/// Whom to dial.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) attempt: AttemptId,
    pub(crate) device: DeviceId,
    pub(crate) noise: AgreementKey,
    pub(crate) hello: Box<LinkHello>,
}

/// A connection that may become a link.
struct Candidate {
    connection: Connection,
    closer: Closer,
    /// Set when we dialed.
    attempt: Option<AttemptId>,
    /// When dialing or the handshake of QUIC began.
    began: Instant,
    /// When the handshake of Noise must be over.
    deadline: Instant,
    /// Held for as long as the link lives. A newcomer gets one once it has proved a key.
    permit: Option<OwnedSemaphorePermit>,
    /// Held until the other side has proved itself.
    place: Option<Place>,
}

impl LinkRoom {
    pub(crate) fn new(
        endpoint: Endpoint,
        noise: NoiseKeypair,
        inputs: Inputs,
        transfers: TransferShell,
    ) -> Self {
        let places = Arc::new(Semaphore::new(LINKS_MAX));
        Self {
            endpoint,
            noise,
            inputs,
            transfers,
            meters: Meters::default(),
            places,
            next: AtomicU64::new(1),
        }
    }

    #[cfg(test)]
    pub(super) fn free_places(&self) -> usize {
        self.places.available_permits()
    }

    /// What is measured on the link to a device.
    pub(crate) fn measured(&self, device: DeviceId) -> Option<Measured> {
        self.meters.of(device)
    }

    /// Waits until there is no link, nor a link to be that has proved a key.
    pub(crate) async fn idle(&self) {
        let all = u32::try_from(LINKS_MAX).unwrap_or(u32::MAX);
        // Fails only when closed, which nobody does.
        let _ = self.places.acquire_many(all).await;
    }

    /// Accepts links until the driver or the endpoint stops.
    pub(crate) async fn accept_all(self: Arc<Self>) {
        loop {
            let arrival = tokio::select! {
                arrival = self.endpoint.accept() => arrival,
                () = self.inputs.closed() => None,
            };
            let Some(arrival) = arrival else { return };
            // The endpoint bounds how many of these have not proved who they are, and the places all others.
            tokio::spawn(Arc::clone(&self).accept(arrival));
        }
    }

    async fn accept(self: Arc<Self>, arrival: Arrival) {
        let began = Instant::now();
        let (connection, place) = match arrival.establish().await {
            Ok(established) => established,
            Err(error) => return tracing::debug!(%error, "a newcomer did not become a link"),
        };
        let mut candidate = Candidate::new(connection, None, began, None, Some(place));
        match timeout_at(candidate.deadline, respond(&candidate.connection, &self.noise)).await {
            Ok(Ok(met)) => {
                // Not before: whoever has shown nothing must not keep contacts out, nor us from dialing.
                let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() else {
                    candidate.closer.close(LinkClose::Done);
                    return tracing::debug!("a newcomer is turned away: there are too many links");
                };
                candidate.permit = Some(permit);
                self.introduce(candidate, met).await;
            }
            Ok(Err(failed)) => {
                let reason = candidate.fail(failed).await;
                tracing::debug!(%reason, "a newcomer did not become a link");
            }
            Err(_) => candidate.closer.close(LinkClose::HandshakeTimeout),
        }
    }

    /// Dials a peer and sees the link through to its end.
    pub(crate) async fn dial(self: Arc<Self>, dial: Dial) {
        let attempt = dial.attempt;
        if let Err(reason) = self.try_dial(dial).await {
            // Without a driver nobody is left who wants to know.
            let _ = self.inputs.send(Input::DialFailed { attempt, reason }).await;
        }
    }

    async fn try_dial(&self, dial: Dial) -> Result<(), String> {
        let began = Instant::now();
        let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err(format!("there are {LINKS_MAX} links already"));
        };
        let connection = tokio::select! {
            opened = self.endpoint.open_link(Reach::address(dial.device)) => {
                opened.map_err(|error| format!("the other device does not answer: {error}"))?
            }
            () = self.inputs.closed() => return Ok(()),
        };
        let candidate = Candidate::new(connection, Some(dial.attempt), began, Some(permit), None);
        let met = initiate(&candidate.connection, &self.noise, &dial.noise, &dial.hello);
        match timeout_at(candidate.deadline, met).await {
            Ok(Ok(met)) => {
                self.introduce(candidate, met).await;
                Ok(())
            }
            Ok(Err(failed)) => Err(candidate.fail(failed).await),
            Err(_) => Err(candidate.fail(Failed::Close(LinkClose::HandshakeTimeout)).await),
        }
    }

    /// Tells the engine who wants to link, and when the link or link to be is gone.
    async fn introduce(&self, candidate: Candidate, met: Met) {
        let link = LinkId(self.next.fetch_add(1, Ordering::Relaxed));
        let (control, orders) = LinkControl::new(candidate.closer.clone());
        let Met { hello, noise, rest } = met;
        // Each device has an address of its own here, and what comes from there was proved with its key.
        if remote_address(&candidate.connection) != Reach::address(hello.device) {
            return candidate.closer.close(LinkClose::HandshakeFailed);
        }
        self.meters.insert(link, hello.device, candidate.connection.clone());
        let greeting = Message::Greeting { link, attempt: candidate.attempt, hello, noise, control };
        if self.inputs.send(greeting).await.is_err() {
            self.meters.remove(link);
            return candidate.closer.close(LinkClose::GoingAway);
        }
        let mut orders = orders;
        let closer = candidate.closer.clone();
        let finished = tokio::select! {
            finished = timeout_at(candidate.deadline, rest.finish(&mut orders)) => finished,
            _ = closer.closed() => Ok(Err(Failed::Ended)),
        };
        let failed = match finished {
            Ok(Ok(control)) => self.live(candidate, link, control, orders).await,
            Ok(Err(failed)) => failed,
            Err(_) => Failed::Close(LinkClose::HandshakeTimeout),
        };
        self.meters.remove(link);
        let reason = end(&closer, failed).await;
        tracing::debug!(link = link.0, %reason, "a link is gone");
        // Without a driver nobody is left who wants to know.
        let _ = self.inputs.send(Input::LinkDown { link, reason }).await;
    }

    /// The link is up: carries frames both ways and hands streams on until it ends.
    async fn live(
        &self,
        mut candidate: Candidate,
        link: LinkId,
        control: Control,
        orders: mpsc::Receiver<Order>,
    ) -> Failed {
        let connection = candidate.connection.clone();
        raise_link_limits(&connection);
        candidate.place = None;
        let Control { send, receive, keys } = control;
        self.transfers.link_up(LinkHandle {
            id: link,
            connection: connection.clone(),
            secret: Arc::new(keys.streams),
            direction: keys.direction,
        });
        let up = Input::LinkUp { link, handshake: candidate.began.elapsed() };
        if self.inputs.send(up).await.is_err() {
            self.transfers.link_down(link);
            return Failed::Close(LinkClose::GoingAway);
        }
        tracing::debug!(link = link.0, "a link is up");
        let failed = tokio::select! {
            failed = self.read(link, receive, keys.receive) => failed,
            failed = write(orders, send, keys.send, &candidate.closer) => failed,
            () = self.hand_on(link, &connection) => Failed::Ended,
            _ = candidate.closer.closed() => Failed::Ended,
        };
        self.transfers.link_down(link);
        failed
    }

    async fn read(&self, link: LinkId, mut receive: RecvStream, mut key: SealKey) -> Failed {
        loop {
            let frame = match read_sealed(&mut receive, &mut key).await {
                Ok(frame) => Box::new(frame),
                Err(failed) => return failed,
            };
            if self.inputs.send(Input::LinkFrame { link, frame }).await.is_err() {
                // The writer still has the last frames to bring across, and ends the link then.
                return std::future::pending().await;
            }
        }
    }

    /// Passes every stream that the peer opens to the transfers.
    async fn hand_on(&self, link: LinkId, connection: &Connection) {
        while let Ok(stream) = connection.accept_uni().await {
            self.transfers.incoming(link, stream);
        }
    }
}

impl Candidate {
    fn new(
        connection: Connection,
        attempt: Option<AttemptId>,
        began: Instant,
        permit: Option<OwnedSemaphorePermit>,
        place: Option<Place>,
    ) -> Self {
        let closer = Closer::new(connection.clone());
        let deadline = Instant::now() + HANDSHAKE_WITHIN;
        Self { connection, closer, attempt, began, deadline, permit, place }
    }

    /// Closes the connection; says why, in words.
    async fn fail(&self, failed: Failed) -> String {
        end(&self.closer, failed).await
    }
}

/// Makes sure that the connection is closed; says why, in words.
async fn end(closer: &Closer, failed: Failed) -> String {
    match failed {
        // Without effect when the connection itself has ended; else the other side ended its control stream, as an app
        // that stops does, and waits until everything has been read.
        Failed::Ended => closer.close_saying(LinkClose::Done, LinkClose::GoingAway.to_string()),
        Failed::Close(code) => closer.close(code),
    }
    closer.closed().await
}

/// Seals and writes what is queued, as few writes as possible. Returns when the queue has no sender any more
/// and what was in it has arrived, or never will.
async fn write(
    mut orders: mpsc::Receiver<Order>,
    mut send: SendStream,
    mut key: SealKey,
    closer: &Closer,
) -> Failed {
    let mut buffer = Vec::new();
    while let Some(order) = orders.recv().await {
        let mut next = Some(order);
        while let Some(order) = next.take() {
            if let Err(failed) = append(&mut buffer, &mut key, order) {
                return failed;
            }
            if buffer.len() < WRITE_BYTES {
                next = orders.try_recv().ok();
            }
        }
        if send.write_all(&buffer).await.is_err() {
            return Failed::Ended;
        }
        buffer.clear();
    }
    if send.finish().is_ok() {
        // The other side closes the link once it has read everything.
        closer.expect_end(LinkClose::GoingAway);
        let _ = timeout(FLUSH_WITHIN, closer.closed()).await;
    }
    Failed::Close(LinkClose::GoingAway)
}

fn append(buffer: &mut Vec<u8>, key: &mut SealKey, order: Order) -> Result<(), Failed> {
    let Order::Send(frame) = order else { return Ok(()) };
    match seal_frame(key, &frame) {
        Ok(bytes) => buffer.extend_from_slice(&bytes),
        Err(error) => {
            tracing::error!(%error, "a frame of ours does not fit a link");
            return Err(Failed::Close(LinkClose::Done));
        }
    }
    Ok(())
}
