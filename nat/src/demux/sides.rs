//! Sockets besides the main one, which the birthday method needs. They receive into the same buffers, so each costs what the
//! system takes for a socket.

use std::io::{self, IoSliceMut};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

use super::send::send_by;
use crate::core::agent::SocketId;

/// Sockets besides the main one that may be open at the same time.
pub(crate) const SIDES_MAX: usize = 256;

/// The sockets besides the main one.
#[derive(Debug, Default)]
pub(super) struct Sides {
    open: RwLock<Vec<Side>>,
    turn: AtomicUsize,
    last: AtomicUsize,
}

#[derive(Clone, Debug)]
struct Side {
    id: SocketId,
    socket: Arc<dyn AsyncUdpSocket>,
    /// Whether it takes IPv6 addresses; the main socket may be of the other kind.
    is_v6: bool,
    /// Its buffer was full when we last sent.
    full: Arc<AtomicBool>,
}

impl Sides {
    /// Takes a socket; `None` when there are too many, or it has no address.
    pub(super) fn add(&self, socket: Arc<dyn AsyncUdpSocket>) -> Option<SocketId> {
        let is_v6 = socket.local_addr().ok()?.is_ipv6();
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= SIDES_MAX {
            return None;
        }
        let id = loop {
            // Numbers come again after 65,535 sockets; by then most are free.
            let number = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            let id = SocketId(u16::try_from(number & usize::from(u16::MAX)).unwrap_or(0));
            if id != SocketId::MAIN && open.iter().all(|side| side.id != id) {
                break id;
            }
        };
        open.push(Side { id, socket, is_v6, full: Arc::default() });
        Some(id)
    }

    pub(super) fn remove(&self, id: SocketId) {
        self.open.write().unwrap_or_else(PoisonError::into_inner).retain(|side| side.id != id);
    }

    pub(super) fn socket(&self, id: SocketId) -> Option<Arc<dyn AsyncUdpSocket>> {
        self.find(id).map(|side| side.socket)
    }

    /// Sends over a socket. One that is closed loses what it is given.
    pub(super) fn send(&self, id: SocketId, transmit: &Transmit<'_>) -> io::Result<()> {
        let Some(side) = self.find(id) else { return Ok(()) };
        let sent = send_by(&*side.socket, side.is_v6, transmit);
        if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            side.full.store(true, Ordering::Relaxed);
        }
        sent
    }

    /// The number of datagrams that any of the sockets takes at once.
    pub(super) fn segments_max(&self) -> usize {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.iter().map(|side| side.socket.max_transmit_segments()).min().unwrap_or(usize::MAX)
    }

    /// Receives from whichever socket has something, each in its turn. One that fails is closed.
    pub(super) fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<(SocketId, usize)> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        if open.is_empty() {
            return Poll::Pending;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % open.len();
        let mut broken = None;
        for side in open.iter().cycle().skip(turn).take(open.len()) {
            match side.socket.poll_recv(cx, buffers, metas) {
                Poll::Ready(Ok(count)) => return Poll::Ready((side.id, count)),
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "a socket is closed");
                    broken = Some(side.id);
                }
                Poll::Pending => {}
            }
        }
        drop(open);
        if let Some(id) = broken {
            self.remove(id);
        }
        Poll::Pending
    }

    fn find(&self, id: SocketId) -> Option<Side> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).iter().find(|side| side.id == id).cloned()
    }

    fn full(&self) -> Option<Side> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.iter().find(|side| side.full.load(Ordering::Relaxed)).cloned()
    }
}

/// Waits until the main socket takes something, and until those others do that have refused something. quinn does not say
/// where it will send, and would spin if it were told to go on while its socket is still full.
#[derive(Debug)]
pub(super) struct Writable {
    pub(super) main: Pin<Box<dyn UdpPoller>>,
    pub(super) sides: Arc<Sides>,
    pub(super) waits_for: Option<(SocketId, Pin<Box<dyn UdpPoller>>)>,
}

impl UdpPoller for Writable {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.main.as_mut().poll_writable(cx))?;
        while let Some(side) = this.sides.full() {
            let id = side.id;
            let waits_for = match &mut this.waits_for {
                Some((waits_for, poller)) if *waits_for == id => poller,
                other => &mut other.insert((id, Arc::clone(&side.socket).create_io_poller())).1,
            };
            // A socket that is broken is found so by the next send.
            let _ = ready!(waits_for.as_mut().poll_writable(cx));
            side.full.store(false, Ordering::Relaxed);
        }
        this.waits_for = None;
        Poll::Ready(Ok(()))
    }
}
