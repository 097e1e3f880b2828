//! Takes tunnels on a rendezvous: how many, from whom, for how long.
//!
//! A tunnel costs memory for TLS and its queues, so tunnels are counted as sessions are: those without a proved session in
//! them by address block ([`core::admission`](crate::core::admission)), all of them in total. One without a proved
//! session is closed after a while, whatever travels in it.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::guests::Guests;
use super::{carry, tune};
use crate::arrival::Place;
use crate::core::admission::{Admission, AdmissionLimits, Verdict};
use crate::endpoint::Endpoint;
use crate::tls::{self, ServerIdentity};

/// Connections that the system may hold before we take them.
const BACKLOG: i32 = 1024;

/// How long to wait when the system has no room for another connection.
const NO_ROOM_WAIT: Duration = Duration::from_millis(100);

/// What tunnels may cost a rendezvous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelLimits {
    /// All of them. Each may hold 250 KiB at worst: 30 of TLS, 100 in each queue; an idle one 40.
    pub tunnels_max: u32,
    /// Those without a proved session.
    pub unproved: AdmissionLimits,
    /// How long a tunnel may have no proved session in it.
    pub unused_max: Duration,
    /// How long nothing may come out of one.
    pub idle_max: Duration,
}

/// Listens for tunnels. What it has taken lives until it is dropped.
#[derive(Debug)]
pub struct TunnelServer {
    _tasks: JoinSet<()>,
}

/// What every listener needs.
#[derive(Clone, Debug)]
struct Hall {
    endpoint: Endpoint,
    acceptor: Acceptor,
    limits: TunnelLimits,
    admission: Arc<Mutex<Admission>>,
    room: Arc<Semaphore>,
}

/// How TLS is accepted. It has nothing to show.
#[derive(Clone)]
struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Endpoint {
    /// Takes tunnels on sockets that [`bind`] made, under the identity that sessions know, until the result is dropped. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// When the system does not let the sockets be waited for.
    pub fn take_tunnels(
        &self,
        listeners: Vec<StdListener>,
        identity: &ServerIdentity,
        limits: TunnelLimits,
    ) -> io::Result<TunnelServer> {
        let hall = Hall {
            endpoint: self.clone(),
            acceptor: Acceptor(TlsAcceptor::from(Arc::new(tls::tunnel_server(identity)))),
            limits,
            admission: Arc::new(Mutex::new(Admission::new(limits.unproved))),
            room: Arc::new(Semaphore::new(limits.tunnels_max as usize)),
        };
        let mut tasks = JoinSet::new();
        for listener in listeners {
            tasks.spawn(hall.clone().listen(TcpListener::from_std(listener)?));
        }
        Ok(TunnelServer { _tasks: tasks })
    }
}

impl Hall {
    async fn listen(self, listener: TcpListener) {
        let mut tunnels = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, from)) => {
                        if let Some((place, room)) = self.admit(from) {
                            tunnels.spawn(self.clone().serve(stream, from, place, room));
                        }
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a connection could not be taken");
                        sleep(NO_ROOM_WAIT).await;
                    }
                },
                Some(_) = tunnels.join_next() => {}
            }
        }
    }

    /// A place for a newcomer. TCP has proved the address.
    fn admit(&self, from: SocketAddr) -> Option<(Place, OwnedSemaphorePermit)> {
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            tracing::debug!("there are too many tunnels: a newcomer is refused");
            return None;
        };
        let verdict = self.admission.lock().unwrap_or_else(PoisonError::into_inner).judge(from.ip(), true);
        if verdict == Verdict::Accept {
            Some((Place::new(Arc::clone(&self.admission), from.ip()), room))
        } else {
            tracing::debug!("there are too many unproved tunnels: a newcomer is refused");
            None
        }
    }

    async fn serve(self, stream: TcpStream, from: SocketAddr, place: Place, room: OwnedSemaphorePermit) {
        let shaken = async {
            tune(&stream)?;
            self.acceptor.0.accept(stream).await
        };
        let stream = match timeout(self.limits.unproved.handshake_within, shaken).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%error, "no tunnel: the handshake failed"),
            Err(_) => return tracing::debug!("no tunnel: the handshake took too long"),
        };
        let Some(road) = self.endpoint.road() else {
            return tracing::debug!("no tunnel: there are too many");
        };
        let address = road.address();
        self.endpoint.guests().enter(address, from.ip().to_canonical(), place);
        let _leave = Leave { guests: self.endpoint.guests().clone(), address };
        tracing::debug!(%address, "a tunnel is open");
        tokio::select! {
            end = carry::carry(stream, road, self.limits.idle_max, pending::<()>()) => {
                tracing::debug!(%address, %end, "a tunnel has ended");
            }
            () = self.unused(address) => tracing::debug!(%address, "a tunnel is closed: no session runs in it"),
        }
        drop(room);
    }

    /// Waits until no proved session has run in a tunnel for too long.
    async fn unused(&self, address: SocketAddr) {
        loop {
            let since = self.endpoint.guests().unused_since(address);
            let deadline = since.unwrap_or_else(Instant::now) + self.limits.unused_max;
            if since.is_some() && deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
    }
}

/// Forgets a tunnel however its task ends.
struct Leave {
    guests: Guests,
    address: SocketAddr,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.guests.leave(self.address);
    }
}

/// Binds a TCP socket for tunnels. An unspecified IPv6 address serves both families, or IPv4 alone where the system has no
/// IPv6.
///
/// # Errors
/// Those of the system: a port below 1024 may need a privilege, or be in use.
pub fn bind(listen: SocketAddr) -> io::Result<StdListener> {
    match open(listen) {
        Err(error) if crate::socket::is_v6_missing(listen, &error) => {
            open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, listen.port())))
        }
        result => result,
    }
}

fn open(listen: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(listen), Type::STREAM, Some(Protocol::TCP))?;
    if listen.is_ipv6() && listen.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    // Connections of the process before may still be winding down; they do not hold the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&listen.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
