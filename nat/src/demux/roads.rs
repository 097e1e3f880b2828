//! Roads: datagrams that travel otherwise than by UDP, through the TCP tunnel. Whoever comes or is reached by one is a traveller
//! and has a virtual address.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll};

use quinn::udp::Transmit;
use tokio::sync::mpsc;

use super::address;

/// Datagrams that wait for one road. More are dropped, as a full queue of a router does. At 1 Mbit/s they are less than a
/// second's worth.
const LEAVING_MAX: usize = 64;

/// Datagrams that have come by any road and wait for the endpoint. Whoever brings more waits, fairly.
const ARRIVED_MAX: usize = 256;

/// Roads that may exist at the same time.
const ROADS_MAX: usize = 8192;

/// What has come by a road.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) from: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// The roads of one endpoint.
#[derive(Debug)]
pub(crate) struct Roads {
    leaving: RwLock<HashMap<SocketAddr, mpsc::Sender<Vec<u8>>>>,
    arriving: mpsc::Sender<Parcel>,
    arrived: Mutex<mpsc::Receiver<Parcel>>,
    number: AtomicU64,
}

impl Roads {
    pub(super) fn new() -> Self {
        let (arriving, arrived) = mpsc::channel(ARRIVED_MAX);
        Self { leaving: RwLock::default(), arriving, arrived: Mutex::new(arrived), number: AtomicU64::new(1) }
    }

    /// Opens a road to a traveller. `None` when there are too many.
    pub(crate) fn open(self: &Arc<Self>) -> Option<Road> {
        let address = address::of_traveller(self.number.fetch_add(1, Ordering::Relaxed));
        let (datagrams, leaving) = mpsc::channel(LEAVING_MAX);
        let mut roads = self.leaving.write().unwrap_or_else(PoisonError::into_inner);
        if roads.len() >= ROADS_MAX {
            return None;
        }
        roads.insert(address, datagrams);
        let entry = RoadEntry { address, arriving: self.arriving.clone() };
        Some(Road { entry, exit: RoadExit { leaving, address, roads: Arc::clone(self) } })
    }

    /// Sends datagrams to a traveller. They are lost when the road is full or no longer there.
    pub(super) fn send(&self, to: SocketAddr, transmit: &Transmit<'_>) {
        let roads = self.leaving.read().unwrap_or_else(PoisonError::into_inner);
        let Some(road) = roads.get(&to) else { return };
        let stride = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for datagram in transmit.contents.chunks(stride) {
            if road.try_send(datagram.to_vec()).is_err() {
                return tracing::trace!("datagrams are dropped: the road is full");
            }
        }
    }

    pub(super) fn poll_arrived(&self, cx: &mut Context<'_>) -> Poll<Parcel> {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        match arrived.poll_recv(cx) {
            Poll::Ready(Some(parcel)) => Poll::Ready(parcel),
            // Never `None`: this struct holds a sender.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn close(&self, address: SocketAddr) {
        self.leaving.write().unwrap_or_else(PoisonError::into_inner).remove(&address);
    }
}

/// A road to one traveller, who is there for as long as the exit is held.
#[derive(Debug)]
pub struct Road {
    /// Takes what has come from the other side.
    pub entry: RoadEntry,
    /// Gives what is to be brought to the other side.
    pub exit: RoadExit,
}

impl Road {
    /// The address that the endpoint knows the traveller by: where to dial, or where a newcomer comes from.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.entry.address
    }
}

/// Takes datagrams from the other side.
#[derive(Clone, Debug)]
pub struct RoadEntry {
    address: SocketAddr,
    arriving: mpsc::Sender<Parcel>,
}

impl RoadEntry {
    /// Hands a datagram to the endpoint; waits while it is busy. `false` once the endpoint is gone.
    pub async fn deliver(&self, bytes: Vec<u8>) -> bool {
        self.arriving.send(Parcel { from: self.address, bytes }).await.is_ok()
    }
}

/// Gives datagrams for the other side. Dropping it closes the road.
#[derive(Debug)]
pub struct RoadExit {
    leaving: mpsc::Receiver<Vec<u8>>,
    address: SocketAddr,
    roads: Arc<Roads>,
}

impl RoadExit {
    /// The next datagram for the other side; `None` once the endpoint is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        self.leaving.recv().await
    }

    /// The next datagram if there is one at once.
    pub fn try_next(&mut self) -> Option<Vec<u8>> {
        self.leaving.try_recv().ok()
    }
}

impl Drop for RoadExit {
    fn drop(&mut self) {
        self.roads.close(self.address);
    }
}
