//! A newcomer between its first packet and the proof of who it is.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quinn::{Connecting, Connection, ConnectionError};
use thiserror::Error;
use tokio::time::timeout;

use crate::core::admission::Admission;
use crate::tunnel::guests::{Guests, InUse};

/// Why a newcomer did not become a connection.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EstablishError {
    /// The handshake was not finished in time; the newcomer's fault or its network's.
    #[error("the handshake was not finished within {0:?}")]
    TimedOut(Duration),
    /// The handshake failed, as with another protocol or a broken certificate.
    #[error("the handshake failed: {0}")]
    Failed(#[from] ConnectionError),
}

/// A newcomer that has been admitted and now shakes hands.
#[derive(Debug)]
pub struct Arrival {
    connecting: Connecting,
    place: Place,
    from: SocketAddr,
    within: Duration,
}

impl Arrival {
    pub(crate) fn new(connecting: Connecting, place: Place, from: SocketAddr, within: Duration) -> Self {
        Self { connecting, place, from, within }
    }

    /// Where the newcomer comes from. Not validated before the handshake is done.
    pub fn remote_address(&self) -> SocketAddr {
        self.from
    }

    /// Finishes the TLS handshake within the endpoint's limit. The connection is unproved: it holds a [`Place`], which is to
    /// be kept until it has authenticated, and small windows, which are then to be raised.
    ///
    /// # Errors
    /// [`EstablishError`]. The newcomer is disconnected then and its place free again.
    pub async fn establish(self) -> Result<(Connection, Place), EstablishError> {
        let connection = timeout(self.within, self.connecting)
            .await
            .map_err(|_| EstablishError::TimedOut(self.within))??;
        Ok((connection, self.place))
    }
}

/// A place among the unproved connections of an endpoint. Drop it when the connection is gone; when it has proved who it is,
/// call [`Place::prove`].
#[derive(Debug)]
#[must_use = "a place that is dropped at once does not count the unproved connection"]
pub struct Place {
    admission: Arc<Mutex<Admission>>,
    from: IpAddr,
    guest: Option<(Guests, SocketAddr)>,
}

impl Place {
    pub(crate) fn new(admission: Arc<Mutex<Admission>>, from: IpAddr) -> Self {
        Self { admission, from, guest: None }
    }

    /// The place of a connection from this address, behind which there may be a tunnel.
    pub(crate) fn of_guest(mut self, guests: &Guests, address: SocketAddr) -> Self {
        self.guest = Some((guests.clone(), address));
        self
    }

    /// Where the newcomer really is, also when its connection comes through a tunnel and so from an address that stands for it.
    #[must_use]
    pub fn origin(&self) -> IpAddr {
        self.from
    }

    /// The connection has proved who it is: its place is free again. Keep the result as long as the connection lives, since
    /// a tunnel is closed when nobody proved is in it.
    #[must_use]
    pub fn prove(mut self) -> Proved {
        let guest = self.guest.take();
        Proved { _in_use: guest.and_then(|(guests, address)| guests.prove(address)) }
    }
}

/// A connection that has proved who it is, for as long as it lives.
#[derive(Debug)]
pub struct Proved {
    _in_use: Option<InUse>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner).leave(self.from);
    }
}
