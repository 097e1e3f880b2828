//! Connections to a rendezvous that never say anything.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hobnob_nat::Endpoint;
use hobnob_wire::invite::Invite;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};

use crate::PATIENCE;

/// Handshakes that the crowd makes at a time, so that it does not time out waiting for itself.
const HANDSHAKES: usize = 64;

/// A crowd that comes, stays silent, and comes again whenever it is shown out. Gone when dropped.
#[derive(Debug)]
pub struct Crowd {
    runtime: Runtime,
    here: watch::Receiver<usize>,
}

impl Crowd {
    /// So many connections to the rendezvous that `invite` names. It must be one with an address, not a host name.
    ///
    /// # Errors
    /// When there is no free port.
    ///
    /// # Panics
    /// When the invite is not one.
    pub fn gather(size: usize, invite: &str) -> io::Result<Self> {
        let invite: Invite = invite.parse().expect("an invite");
        let address = SocketAddr::new(invite.host.parse().expect("an address"), invite.port);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let entered = runtime.enter();
        let endpoint = Endpoint::peer(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let (tell, here) = watch::channel(0);
        let (tell, turns) = (Arc::new(tell), Arc::new(Semaphore::new(HANDSHAKES)));
        for _ in 0..size {
            let (endpoint, tell, turns) = (endpoint.clone(), Arc::clone(&tell), Arc::clone(&turns));
            tokio::spawn(async move {
                loop {
                    let turn = turns.acquire().await;
                    let dialed = endpoint.open_session(address, invite.pin).await;
                    drop(turn);
                    let Ok(connection) = dialed else { continue };
                    tell.send_modify(|here| *here += 1);
                    connection.closed().await;
                    tell.send_modify(|here| *here -= 1);
                }
            });
        }
        drop(entered);
        Ok(Self { runtime, here })
    }

    /// How many are connected now.
    #[must_use]
    pub fn size(&self) -> usize {
        *self.here.borrow()
    }

    /// Returns when at least `size` are connected, with how many there are.
    ///
    /// # Panics
    /// When that takes longer than [`PATIENCE`].
    pub fn wait_for(&mut self, size: usize) -> usize {
        let Self { runtime, here } = self;
        let enough = async { tokio::time::timeout(PATIENCE, here.wait_for(|here| *here >= size)).await };
        match runtime.block_on(enough) {
            Ok(Ok(here)) => *here,
            Ok(Err(_)) | Err(_) => panic!("the crowd never was {size}"),
        }
    }
}
