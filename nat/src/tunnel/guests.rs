//! Who is at the other end of each tunnel, and whether a proved session runs in it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::arrival::Place;

/// The tunnels that a rendezvous holds. Cheap to clone; clones are the same table. As many entries as there are tunnels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guests(Arc<Mutex<HashMap<SocketAddr, Guest>>>);

#[derive(Debug)]
struct Guest {
    origin: IpAddr,
    /// Proved sessions in the tunnel.
    sessions: u32,
    /// Since when there is none.
    unused_since: Instant,
    /// Among the unproved tunnels, until a session has proved itself.
    _place: Option<Place>,
}

impl Guests {
    /// A tunnel is open; `place` is its place among the unproved ones.
    pub(crate) fn enter(&self, address: SocketAddr, origin: IpAddr, place: Place) {
        let guest = Guest { origin, sessions: 0, unused_since: Instant::now(), _place: Some(place) };
        self.lock().insert(address, guest);
    }

    /// A tunnel has ended.
    pub(crate) fn leave(&self, address: SocketAddr) {
        self.lock().remove(&address);
    }

    /// Where somebody really is: the other end of the tunnel, or the address itself.
    pub(crate) fn origin(&self, address: SocketAddr) -> IpAddr {
        self.lock().get(&address).map_or(address.ip(), |guest| guest.origin)
    }

    /// Whether somebody comes through a tunnel.
    pub(crate) fn holds(&self, address: SocketAddr) -> bool {
        self.lock().contains_key(&address)
    }

    /// A session at this address is proved. While the result lives, its tunnel is of use.
    pub(crate) fn prove(&self, address: SocketAddr) -> Option<InUse> {
        let mut guests = self.lock();
        let guest = guests.get_mut(&address)?;
        guest.sessions += 1;
        guest._place = None;
        drop(guests);
        Some(InUse { guests: self.clone(), address })
    }

    /// Since when no proved session runs in this tunnel; `None` while one does.
    pub(crate) fn unused_since(&self, address: SocketAddr) -> Option<Instant> {
        let guests = self.lock();
        guests.get(&address).filter(|guest| guest.sessions == 0).map(|guest| guest.unused_since)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Guest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A proved session runs in a tunnel.
#[derive(Debug)]
pub(crate) struct InUse {
    guests: Guests,
    address: SocketAddr,
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(guest) = self.guests.lock().get_mut(&self.address) {
            guest.sessions -= 1;
            guest.unused_since = Instant::now();
        }
    }
}
