//! The overlay: how contacts find each other and exchange signals while the rendezvous cannot be reached.
//!
//! libp2p, and only here: mDNS on the local network; beyond it a Kademlia hash table over devices that volunteer, and
//! circuits through them. Who is whom is decided by [`core::overlay`](crate::core::overlay); nothing but sealed signals is
//! carried, and the link that follows is the ordinary one. Each start has an identity of its own, which ends with the UTC
//! day.
//!
//! | module | job |
//! | --- | --- |
//! | `task` | one node: translates between libp2p and the core |
//! | `swarm` | the parts of libp2p, and their limits |
//! | `guard` | what may be dialed |
//! | `table` | what is kept for others |
//! | `codec` | frames on a stream |
//! | `node` | names of nodes |

mod codec;
mod guard;
mod node;
mod swarm;
mod table;
mod task;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;

use hobnob_wire::DeviceId;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use self::task::{Ports, Task};
use crate::core::candidate::Loopback;
pub use crate::core::overlay::Acquaintance;

/// Signals that wait for the task; more are dropped, as on any network.
const SIGNALS_MAX: usize = 64;

/// Events that wait for whoever started the overlay; more are dropped.
const EVENTS_MAX: usize = 256;

/// What a node does for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing.
    Member,
    /// Keeps tags and relays signals for others, if it can be reached.
    Volunteer,
    /// Does so at known addresses.
    Bootstrap {
        /// How others reach it by TCP.
        external: Vec<SocketAddr>,
    },
}

/// How to take part.
#[derive(Clone, Debug)]
pub struct Config {
    /// This device.
    pub device: DeviceId,
    /// What to do for others.
    pub role: Role,
    /// Where to listen (TCP). Port 0 is any.
    pub listen: Vec<SocketAddr>,
    /// Whether to look for contacts on the local network.
    pub discover: bool,
    /// Nodes of the hash table to begin with, as `host:port` (TCP). Without any, and without volunteering, the table is not
    /// used.
    pub bootstrap: Vec<String>,
    /// Whether other nodes may be on this machine.
    pub loopback: Loopback,
}

impl Config {
    /// Whether this node takes part in the hash table.
    fn uses_table(&self) -> bool {
        !self.bootstrap.is_empty() || self.role != Role::Member
    }
}

/// Why there is no overlay.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum StartError {
    /// No address could be listened on.
    #[error("the overlay cannot listen on any of its addresses")]
    Listen,
    /// An identity could not be made.
    #[error("the overlay could not make an identity")]
    Identity,
}

/// What the overlay tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A device is here, or has started again.
    Seen(DeviceId),
    /// A device is here no longer.
    Lost(DeviceId),
    /// A device sent a signal.
    Signal {
        /// Which, as it proved.
        device: DeviceId,
        /// The sealed signal.
        sealed: Vec<u8>,
    },
}

/// How the overlay stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Where this node listens.
    pub listens: Vec<SocketAddr>,
    /// Devices that are here.
    pub here: Vec<DeviceId>,
    /// Nodes of the hash table that are known.
    pub table: usize,
    /// Volunteers through which this node can be reached.
    pub relays: usize,
}

/// This device in the overlay, until it is dropped.
#[derive(Debug)]
pub struct Overlay {
    contacts: watch::Sender<Vec<Acquaintance>>,
    signals: mpsc::Sender<(DeviceId, Vec<u8>)>,
    status: watch::Receiver<Status>,
    task: JoinHandle<()>,
}

/// Where events come out.
pub struct Events(mpsc::Receiver<Event>);

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    /// The next event; `None` once the overlay has ended.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

impl Overlay {
    /// Takes part from now on. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: Config) -> Result<(Self, Events), StartError> {
        let (contacts, contacts_seen) = watch::channel(Vec::new());
        let (signals, signals_taken) = mpsc::channel(SIGNALS_MAX);
        let (events_told, events) = mpsc::channel(EVENTS_MAX);
        let (status_told, status) = watch::channel(Status::default());
        let ports = Ports {
            contacts: contacts_seen,
            signals: signals_taken,
            events: events_told,
            status: status_told,
        };
        let task = tokio::spawn(Task::start(config, ports)?.run());
        Ok((Self { contacts, signals, status, task }, Events(events)))
    }

    /// Whom to meet from now on; of more than [`MARKS_MAX`](hobnob_wire::limits::MARKS_MAX) the first.
    pub fn set_contacts(&self, contacts: Vec<Acquaintance>) {
        self.contacts.send_replace(contacts);
    }

    /// Sends a sealed signal to a device as soon as it is here, within some seconds.
    pub fn signal(&self, device: DeviceId, sealed: Vec<u8>) {
        if self.signals.try_send((device, sealed)).is_err() {
            tracing::debug!(%device, "The overlay is busy; a signal is dropped.");
        }
    }

    /// How it stands, now and whenever that changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        self.task.abort();
    }
}
