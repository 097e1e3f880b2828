//! The socket that quinn is given: one UDP socket for QUIC and all that travels beside it, and a stable virtual address for each peer.
//!
//! Received datagrams go to quinn, under the address that it knows the sender by, or to whoever takes what is beside QUIC,
//! or nowhere. Sent ones go where the selected route leads. Which routes there are is decided elsewhere.

pub(crate) mod address;
pub(crate) mod beside;
pub(crate) mod roads;
pub(crate) mod routes;
mod sides;
mod split;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use hobnob_wire::datagram::{CHANNEL_HEADER_BYTES, Channel};
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::sync::Notify;
use tokio::time::Instant;

use self::address::{canonical, is_virtual, mapped};
use self::beside::{Batch, Beside, Outlet};
use self::roads::Roads;
use self::routes::{Routes, Strangers};
use self::sides::{Sides, Writable};
use self::split::Spilled;
use crate::core::agent::{Selection, SocketId, Way};

/// How often in a row we look for something that quinn wants before it is others' turn.
const ROUNDS: usize = 16;

/// A peer to whom nothing was sent for so long has been idle: whoever watches its route wants to know of the first datagram.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

thread_local! {
    /// Where channel headers are put before datagrams. Never larger than what one call sends: 64 KiB and the headers.
    static HEADED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What carried datagrams here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Socket(SocketId),
    Road,
}

/// What one receive brought: so many buffers are filled.
#[derive(Clone, Copy, Debug)]
struct Received {
    by: By,
    count: usize,
}

/// The socket under a quinn endpoint.
#[derive(Debug)]
pub(crate) struct Demux {
    main: Arc<dyn AsyncUdpSocket>,
    /// Whether the main socket takes IPv6 addresses.
    is_v6: bool,
    /// Whether quinn is shown IPv6 addresses only. It dials virtual addresses, which are IPv6, from such sockets alone.
    shows_v6: bool,
    sides: Arc<Sides>,
    roads: Arc<Roads>,
    routes: RwLock<Routes>,
    beside: Arc<dyn Beside>,
    spilled: Mutex<VecDeque<Spilled>>,
    /// The task that receives: to be woken when there is another source to receive from.
    receiver: AtomicWaker,
    turn: AtomicUsize,
    /// Told when something is sent to a peer after a pause.
    stirred: Notify,
}

impl Demux {
    /// Wraps `main`.
    ///
    /// # Errors
    /// When the socket does not tell its address.
    pub(crate) fn new(
        main: Arc<dyn AsyncUdpSocket>,
        beside: Arc<dyn Beside>,
        strangers: Strangers,
        shows_v6: bool,
    ) -> io::Result<Self> {
        let is_v6 = main.local_addr()?.is_ipv6();
        Ok(Self {
            main,
            is_v6,
            shows_v6,
            sides: Arc::default(),
            roads: Arc::new(Roads::new()),
            routes: RwLock::new(Routes::new(strangers)),
            beside,
            spilled: Mutex::default(),
            receiver: AtomicWaker::new(),
            turn: AtomicUsize::new(0),
            stirred: Notify::new(),
        })
    }

    /// The address of the main socket.
    ///
    /// # Errors
    /// When the system has lost the socket.
    pub(crate) fn main_addr(&self) -> io::Result<SocketAddr> {
        self.main.local_addr()
    }

    /// The roads to travellers.
    pub(crate) fn roads(&self) -> &Arc<Roads> {
        &self.roads
    }

    /// Changes the routes.
    pub(crate) fn route<T>(&self, change: impl FnOnce(&mut Routes) -> T) -> T {
        change(&mut self.routes.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until something is sent to a peer to whom nothing was sent for a while.
    pub(crate) async fn stirred(&self) {
        self.stirred.notified().await;
    }

    /// Opens another socket; `None` when there are too many.
    pub(crate) fn add_socket(&self, socket: Arc<dyn AsyncUdpSocket>) -> Option<SocketId> {
        let id = self.sides.add(socket)?;
        self.receiver.wake();
        Some(id)
    }

    /// Closes a socket other than the main one.
    pub(crate) fn close_socket(&self, id: SocketId) {
        self.sides.remove(id);
    }

    /// Waits until a socket takes something, which the system says for the first time a moment after it was bound.
    pub(crate) async fn writable(&self, id: SocketId) {
        let socket = if id == SocketId::MAIN { Some(Arc::clone(&self.main)) } else { self.sides.socket(id) };
        let Some(socket) = socket else { return };
        let mut poller = socket.create_io_poller();
        // A broken socket is noticed by whoever sends.
        let _ = std::future::poll_fn(|cx| poller.as_mut().poll_writable(cx)).await;
    }

    /// Sends a datagram beside QUIC, or loses it.
    pub(crate) fn send_beside(&self, way: Way, contents: &[u8]) {
        let transmit =
            Transmit { destination: way.to, ecn: None, contents, segment_size: None, src_ip: None };
        if let Err(error) = self.send_over(way.via, &transmit) {
            tracing::trace!(%error, "a datagram is dropped");
        }
    }

    /// Sends to a real address, or to a traveller.
    fn send_over(&self, via: SocketId, transmit: &Transmit<'_>) -> io::Result<()> {
        let to = transmit.destination;
        if is_virtual(to) {
            self.roads.send(to, transmit);
            return Ok(());
        }
        let destination = match (self.is_v6, canonical(to)) {
            (true, _) => mapped(to),
            (false, to @ SocketAddr::V4(_)) => to,
            (false, SocketAddr::V6(_)) => {
                tracing::trace!("a datagram is dropped: there is no IPv6");
                return Ok(());
            }
        };
        let transmit = Transmit { destination, ..transmit.clone() };
        if via == SocketId::MAIN { self.main.try_send(&transmit) } else { self.sides.send(via, &transmit) }
    }

    /// Sends what quinn has for a peer.
    fn send_to_peer(&self, peer: SocketAddr, transmit: &Transmit<'_>) -> io::Result<()> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let Some(route) = routes.to(peer) else { return Ok(()) };
        let (selection, channel, relay) = (route.selection, route.channel, routes.relay());
        let usage = Arc::clone(&route.usage);
        drop(routes);
        let sent = match (selection, channel, relay) {
            (Selection::Relay, Some(channel), Some(relay)) => {
                let way = Way { via: SocketId::MAIN, to: relay };
                self.send_headed(way, channel, transmit)
            }
            // The relay may have to take over: what does not pass with a header must not be found to pass without one.
            (Selection::Direct(way), Some(channel), _)
                if transmit.segment_size.is_none() && usage.is_search(transmit.contents.len()) =>
            {
                self.send_headed(way, channel, transmit)
            }
            (Selection::Direct(way), ..) => {
                let transmit = Transmit { destination: way.to, src_ip: None, ..transmit.clone() };
                self.send_over(way.via, &transmit)
            }
            (Selection::Nothing | Selection::Relay, ..) => {
                tracing::trace!("a datagram is dropped: there is no path yet");
                return Ok(());
            }
        };
        if sent.is_ok() && usage.note_sent(Instant::now(), PAUSE) {
            self.stirred.notify_one();
        }
        sent
    }

    /// Sends with a channel header before each datagram.
    fn send_headed(&self, way: Way, channel: Channel, transmit: &Transmit<'_>) -> io::Result<()> {
        let segment = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        HEADED.with_borrow_mut(|headed| {
            headed.clear();
            for datagram in transmit.contents.chunks(segment) {
                headed.extend_from_slice(&channel.header());
                headed.extend_from_slice(datagram);
            }
            let segment_size = transmit.segment_size.map(|size| size + CHANNEL_HEADER_BYTES);
            let headed = Transmit {
                destination: way.to,
                ecn: transmit.ecn,
                contents: headed,
                segment_size,
                src_ip: None,
            };
            self.send_over(way.via, &headed)
        })
    }

    /// Receives from one of the sockets or roads.
    fn poll_sources(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<Received>> {
        /// The main socket, the others, and the roads.
        const SOURCES: usize = 3;
        self.receiver.register(cx.waker());
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        for source in turn..turn + SOURCES {
            let received = match source % SOURCES {
                0 => self
                    .main
                    .poll_recv(cx, buffers, metas)
                    .map_ok(|count| Received { by: By::Socket(SocketId::MAIN), count }),
                1 => self
                    .sides
                    .poll_recv(cx, buffers, metas)
                    .map(|(id, count)| Ok(Received { by: By::Socket(id), count })),
                _ => self.poll_roads(cx, buffers, metas).map(|count| Ok(Received { by: By::Road, count })),
            };
            if received.is_ready() {
                return received;
            }
        }
        Poll::Pending
    }

    fn poll_roads(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<usize> {
        let mut count = 0;
        for (buffer, meta) in buffers.iter_mut().zip(metas) {
            let Poll::Ready(parcel) = self.roads.poll_arrived(cx) else { break };
            let len = parcel.bytes.len().min(buffer.len());
            buffer[..len].copy_from_slice(&parcel.bytes[..len]);
            *meta = RecvMeta { addr: parcel.from, len, stride: len, ecn: None, dst_ip: None };
            count += 1;
        }
        if count == 0 { Poll::Pending } else { Poll::Ready(count) }
    }

    /// Sorts what has been received into the first buffers. Returns how many of them are for quinn.
    fn sort(&self, received: Received, buffers: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) -> usize {
        let via = if let By::Socket(id) = received.by { id } else { SocketId::MAIN };
        let now = Instant::now();
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let mut kept = 0;
        let mut later: Vec<Spilled> = Vec::new();
        for index in 0..received.count {
            let meta = metas[index];
            let from = canonical(meta.addr);
            if is_virtual(from) && received.by != By::Road {
                // Only a forger sends from an address that nobody has.
                continue;
            }
            let source = routes.source(Way { via, to: from }, meta.addr, now);
            let beside = |bytes: &[u8]| {
                let (to, ecn) = (meta.dst_ip, meta.ecn);
                let batch = Batch { via, from, bytes, stride: meta.stride, to, ecn };
                self.beside.take(&batch, self);
            };
            let spilled_before = !later.is_empty();
            let place = |datagram: &[u8]| source.place(datagram);
            let sorted = split::split(&mut buffers[index], meta, place, beside, &mut later);
            let Some(mut sorted) = sorted else { continue };
            sorted.addr = self.shown(sorted.addr);
            if spilled_before {
                // It must not overtake what is waiting.
                let bytes = buffers[index][..sorted.len].to_vec();
                later.push(Spilled { meta: sorted, bytes });
                continue;
            }
            metas[kept] = sorted;
            buffers.swap(kept, index);
            kept += 1;
        }
        if !later.is_empty() {
            let mut spilled = self.spilled.lock().unwrap_or_else(PoisonError::into_inner);
            spilled.extend(later.into_iter().map(|Spilled { meta, bytes }| {
                let meta = RecvMeta { addr: self.shown(meta.addr), ..meta };
                Spilled { meta, bytes }
            }));
        }
        kept
    }

    /// Hands out what found no room before.
    fn take_spilled(&self, buffers: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) -> usize {
        let mut spilled = self.spilled.lock().unwrap_or_else(PoisonError::into_inner);
        let count = spilled.len().min(buffers.len()).min(metas.len());
        for ((Spilled { meta, bytes }, buffer), slot) in
            spilled.drain(..count).zip(buffers.iter_mut()).zip(metas.iter_mut())
        {
            buffer[..bytes.len()].copy_from_slice(&bytes);
            *slot = meta;
        }
        count
    }

    /// An address as quinn is shown it.
    fn shown(&self, address: SocketAddr) -> SocketAddr {
        if self.shows_v6 || self.is_v6 { mapped(address) } else { address }
    }
}

impl Outlet for Demux {
    fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.send_over(SocketId::MAIN, transmit)
    }

    fn segments_max(&self) -> usize {
        self.main.max_transmit_segments()
    }
}

impl AsyncUdpSocket for Demux {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable {
            main: Arc::clone(&self.main).create_io_poller(),
            sides: Arc::clone(&self.sides),
            waits_for: None,
        })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let destination = canonical(transmit.destination);
        if address::device_at(destination).is_some() {
            return self.send_to_peer(destination, transmit);
        }
        self.send_over(SocketId::MAIN, transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        for _ in 0..ROUNDS {
            let count = self.take_spilled(buffers, metas);
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
            let received = ready!(self.poll_sources(cx, buffers, metas))?;
            let count = self.sort(received, buffers, metas);
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.shown(self.main.local_addr()?))
    }

    fn max_transmit_segments(&self) -> usize {
        self.main.max_transmit_segments().min(self.sides.segments_max())
    }

    fn max_receive_segments(&self) -> usize {
        self.main.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.main.may_fragment()
    }
}
