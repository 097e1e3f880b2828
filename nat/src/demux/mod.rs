//! The socket that quinn is given: one UDP socket for QUIC and all that travels beside it, and a stable virtual address for each peer.
//!
//! Received datagrams go to quinn, under the address that it knows the sender by, or to whoever takes what is beside QUIC,
//! or nowhere. Sent ones go where the selected route leads. Which routes there are is decided elsewhere.

pub(crate) mod address;
pub(crate) mod beside;
mod receive;
pub(crate) mod roads;
pub(crate) mod routes;
mod send;
mod sides;
mod split;
pub(crate) mod usage;

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::sync::Notify;

use self::address::{canonical, mapped};
use self::beside::{Beside, Outlet};
use self::roads::Roads;
use self::routes::{Routes, Strangers};
use self::sides::{Sides, Writable};
use self::split::Spilled;
use crate::core::agent::SocketId;

/// How often in a row we look for something that quinn wants before it is others' turn.
const ROUNDS: usize = 16;

/// A peer to whom nothing was sent for so long has been idle: whoever watches its route wants to know of the first datagram.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

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
