//! From the name of a rendezvous to a connection with it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hobnob_nat::{DialError, Endpoint};
use hobnob_wire::invite::{Invite, Pin};
use thiserror::Error;
use tokio::time::{sleep, timeout};

/// How long the system may take to resolve a name.
const RESOLVE_WITHIN: Duration = Duration::from_secs(10);

/// Addresses of one name that are tried; more are a mistake or malice.
const ADDRESSES_MAX: usize = 8;

/// How much later each further address is dialed (RFC 8305 §8).
const STAGGER: Duration = Duration::from_millis(250);

/// Why there is no connection to a rendezvous.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The host's name leads nowhere.
    #[error(
        "the host {host} cannot be found ({cause}); check the name in the invite and this machine's network"
    )]
    Resolve {
        /// The host.
        host: String,
        /// What the system says.
        cause: io::Error,
    },
    /// The rendezvous shows another certificate than the pinned one.
    #[error(
        "the rendezvous at {at} shows another identity (pin {presented}) than the one known (pin {expected}). Somebody may be in between, or its operator has given it a new certificate: ask the operator for the pin, and use a new invite only if it is confirmed"
    )]
    PinChanged {
        /// Where.
        at: SocketAddr,
        /// The pin of the invite.
        expected: Pin,
        /// The pin of the certificate shown.
        presented: Pin,
    },
    /// What answers is no rendezvous, or one of another version.
    #[error(
        "what answers at {at} is not a Hobnob rendezvous of this version; check the address, or update this app or the rendezvous"
    )]
    Incompatible {
        /// Where.
        at: SocketAddr,
    },
    /// No address of it answered.
    #[error(
        "the rendezvous at {at} cannot be reached: {cause}. Check that it runs and that UDP to its port is not blocked"
    )]
    Unreachable {
        /// Where.
        at: SocketAddr,
        /// Why.
        cause: DialError,
    },
}

/// Opens a connection to the rendezvous of an invite, whichever of its addresses answers first. Every
/// address gets its try, a little after the one before.
pub(crate) async fn connect(endpoint: &Endpoint, invite: &Invite) -> Result<quinn::Connection, ConnectError> {
    let addresses = resolve(&invite.host, invite.port).await?;
    let mut attempts: FuturesUnordered<_> = (0_u32..)
        .zip(addresses)
        .map(|(turn, address)| async move {
            sleep(STAGGER * turn).await;
            (address, endpoint.open_session(address, invite.pin).await)
        })
        .collect();
    let mut worst = None;
    while let Some((address, outcome)) = attempts.next().await {
        match outcome {
            Ok(connection) => return Ok(connection),
            Err(error) => {
                let error = refused(address, error);
                if worst.as_ref().is_none_or(|worst| rank(&error) > rank(worst)) {
                    worst = Some(error);
                }
            }
        }
    }
    Err(worst.unwrap_or_else(|| ConnectError::Resolve {
        host: invite.host.clone(),
        cause: io::Error::other("it has no address"),
    }))
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    let failed = |cause| ConnectError::Resolve { host: host.to_owned(), cause };
    let addresses = timeout(RESOLVE_WITHIN, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
        .map_err(failed)?;
    Ok(addresses.take(ADDRESSES_MAX).collect())
}

fn refused(at: SocketAddr, error: DialError) -> ConnectError {
    if let DialError::PinMismatch { expected, presented } = error {
        ConnectError::PinChanged { at, expected, presented }
    } else if error == DialError::Incompatible {
        ConnectError::Incompatible { at }
    } else {
        ConnectError::Unreachable { at, cause: error }
    }
}

/// Which of several failures says most about what is wrong.
const fn rank(error: &ConnectError) -> u8 {
    match error {
        ConnectError::PinChanged { .. } => 3,
        ConnectError::Incompatible { .. } => 2,
        ConnectError::Unreachable { cause: DialError::Unroutable, .. } | ConnectError::Resolve { .. } => 0,
        ConnectError::Unreachable { .. } => 1,
    }
}
