//! Dialing: why it fails, and how one link is made from many candidates.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hobnob_wire::invite::Pin;
use hobnob_wire::limits::CANDIDATES_MAX;
use quinn::{ConnectError, Connection, ConnectionError, TransportErrorCode};
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout_at};

use crate::endpoint::Endpoint;

/// How long a dial may take, for one address as for many. Ten round trips of a satellite path.
pub const DIAL_WITHIN: Duration = Duration::from_secs(5);

/// How much later each further candidate is dialed. On a local network the better candidate has answered by then, so that no
/// second handshake is begun; a dead one costs hardly any time.
const STAGGER: Duration = Duration::from_millis(50);

/// Why there is no connection to an address.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialError {
    /// The rendezvous shows another certificate than the pinned one. Never retry by itself: somebody may be in between.
    #[error("the rendezvous has another identity: expected pin {expected}, got {presented}")]
    PinMismatch {
        /// The pin that was asked for.
        expected: Pin,
        /// The pin of the certificate that was shown.
        presented: Pin,
    },
    /// Nobody answered in time: wrong address, firewall, or the other side is off.
    #[error("nobody answered within {} s", DIAL_WITHIN.as_secs())]
    TimedOut,
    /// The other side has too many newcomers at the moment; try again later.
    #[error("the other side is too busy for new connections")]
    Refused,
    /// What answers there does not speak this protocol, or another version of it.
    #[error("what answers there does not speak this protocol")]
    Incompatible,
    /// This socket cannot send to that address: port 0, or IPv6 from a machine without it.
    #[error("this machine cannot send to that address")]
    Unroutable,
    /// The connection was lost while it was being made.
    #[error("the connection was lost: {0}")]
    Lost(ConnectionError),
    /// This endpoint has been closed.
    #[error("this endpoint is closed")]
    EndpointClosed,
}

impl From<ConnectError> for DialError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::EndpointStopping | ConnectError::CidsExhausted => Self::EndpointClosed,
            ConnectError::UnsupportedVersion => Self::Incompatible,
            // The name and the configuration are ours and constant; what remains is the address.
            ConnectError::InvalidRemoteAddress(_)
            | ConnectError::InvalidServerName(_)
            | ConnectError::NoDefaultClientConfig => Self::Unroutable,
        }
    }
}

impl From<ConnectionError> for DialError {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::VersionMismatch => Self::Incompatible,
            ConnectionError::LocallyClosed => Self::EndpointClosed,
            ConnectionError::ConnectionClosed(ref close)
                if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
            {
                Self::Refused
            }
            ConnectionError::ConnectionClosed(ref close) if is_tls_alert(close.error_code) => {
                Self::Incompatible
            }
            ConnectionError::TransportError(ref fault) if is_tls_alert(fault.code) => Self::Incompatible,
            ConnectionError::ConnectionClosed(_)
            | ConnectionError::TransportError(_)
            | ConnectionError::ApplicationClosed(_)
            | ConnectionError::Reset
            | ConnectionError::CidsExhausted => Self::Lost(error),
        }
    }
}

/// Whether a transport error carries a TLS alert (RFC 9001 §4.8).
fn is_tls_alert(code: TransportErrorCode) -> bool {
    (0x100..0x200).contains(&u64::from(code))
}

/// Opens a link to the first of `candidates` that answers. They are dialed in their order, each a little after the one before
/// (RFC 8305 in spirit); the first handshake that is finished wins and the others are given up. Candidates beyond the
/// [`CANDIDATES_MAX`]th are not dialed. Takes [`DIAL_WITHIN`] at the longest.
///
/// Foreign candidates go through [`foreign_candidates`](crate::core::candidate::foreign_candidates) first.
///
/// # Errors
/// What went wrong with each candidate, in the order in which they failed; empty when there was none.
pub async fn open_link_any(
    endpoint: &Endpoint,
    candidates: &[SocketAddr],
) -> Result<Connection, Vec<(SocketAddr, DialError)>> {
    let deadline = Instant::now() + DIAL_WITHIN;
    let candidates = &candidates[..candidates.len().min(CANDIDATES_MAX)];
    let mut attempts: FuturesUnordered<_> = (0_u32..)
        .zip(candidates)
        .map(|(turn, addr)| async move {
            sleep(STAGGER * turn).await;
            (*addr, endpoint.open_link(*addr).await)
        })
        .collect();
    let mut failures = Vec::with_capacity(candidates.len());
    while let Ok(attempt) = timeout_at(deadline, attempts.next()).await {
        match attempt {
            Some((_, Ok(connection))) => return Ok(connection),
            Some((addr, Err(error))) => failures.push((addr, error)),
            None => return Err(failures),
        }
    }
    for addr in candidates {
        if !failures.iter().any(|(failed, _)| failed == addr) {
            failures.push((*addr, DialError::TimedOut));
        }
    }
    Err(failures)
}
