//! A QUIC endpoint that reaches peers: one UDP socket, TLS as the protocol wants it, and the choice of addresses to dial.
//!
//! Two kinds of connection exist, told apart by their ALPN:
//!
//! - a **session** (`hobnob/1`) goes from a peer to its rendezvous, whose certificate the peer knows by its pin;
//! - a **link** (`hobnob-link/1`) goes from peer to peer. Both sides show a throw-away certificate, so the TLS of a link
//!   says nothing about who is at the other end; it gives confidentiality and an exporter value, no more.
//!
//! # Who the other side of a link is
//!
//! Right after the TLS handshake the dialer opens the first bidirectional stream, the control stream, and both sides run
//! `Noise_IKpsk0_25519_ChaChaPoly_BLAKE2s` on it ([`hobnob_wire::noise`]). Its pre-shared key is
//! [`exporter`]`(&connection, `[`link::EXPORTER_LABEL`](hobnob_wire::link::EXPORTER_LABEL)`)`: 32 bytes that only the two ends of *this* TLS connection can compute.
//! Somebody who ends TLS on both sides (a relay, a lying rendezvous) has two connections with two exporter values, so
//! its first Noise message fails on either side. Only after the Noise handshake has proved the peer does
//! [`raise_link_limits`] open the windows; until then a link holds little memory.
//! A session is proved the same way by another signature: the device key signs the [`exporter`] value under
//! [`session::EXPORTER_LABEL`](hobnob_wire::session::EXPORTER_LABEL), and the rendezvous then calls [`raise_session_limits`].
//!
//! # Where things are
//!
//! | module | decides or performs |
//! | --- | --- |
//! | `demux` | the socket that quinn is given: QUIC, what travels beside it, and a route to each peer |
//! | [`reach`] | paths to peers: the task that performs what the agents want |
//! | [`relay`], [`core::relay`] | what a rendezvous forwards between peers and tells them about their addresses |
//! | [`core::binding`] | the peer's side of that |
//! | [`congestion`], [`core::congestion`] | how much a link may have in flight |
//! | [`network`] | where sockets and addresses come from |
//! | [`core::admission`] | which newcomers may start a handshake |
//! | [`core::candidate`] | which addresses are offered and dialed, in which order |
//! | [`tls`] | identities, pins, key exchange, what is verified |
//! | [`transport`] | every number of the QUIC transport, before and after proof |
//! | [`endpoint`] | opens and accepts |
//! | [`arrival`] | a newcomer until it has proved itself |
//! | [`dial`] | one link from many candidates |
//! | [`core::road`], [`core::proxy`] | whether a session goes by UDP or in a tunnel; how a proxy is asked |
//! | [`portmap`], [`core::gateway`] | asks the router for a port |
//! | [`tunnel`] | carries datagrams over TCP where UDP is blocked |
//! | [`interfaces`] | the addresses of this machine |
//! | `simulation` | an Internet in memory, for tests (feature `simulation`) |
//! | [`core::overlay`], `overlay` | how contacts find each other without a rendezvous (feature `overlay`) |

pub mod arrival;
pub mod congestion;
pub mod core;
mod demux;
pub mod dial;
pub mod endpoint;
mod exporter;
pub mod interfaces;
pub mod network;
#[cfg(feature = "overlay")]
pub mod overlay;
pub mod portmap;
pub mod reach;
pub mod relay;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
mod socket;
pub mod tls;
pub mod transport;
pub mod tunnel;

pub use crate::arrival::{Arrival, EstablishError, Place, Proved};
pub use crate::congestion::PathEpoch;
pub use crate::core::admission::AdmissionLimits;
pub use crate::core::agent::{SocketId, Way};
pub use crate::core::candidate::{Loopback, PathKind};
pub use crate::demux::beside::{Batch, Beside, Outlet};
pub use crate::demux::roads::{Road, RoadEntry, RoadExit};
pub use crate::demux::routes::Strangers;
pub use crate::dial::DialError;
pub use crate::endpoint::{Endpoint, is_by_road, remote_address};
pub use crate::exporter::{ExporterError, exporter};
pub use crate::interfaces::local_candidates;
pub use crate::network::{Network, Preferred, System};
pub use crate::reach::Reach;
pub use crate::relay::{Reflector, RelayServer};
pub use crate::tls::{IdentityError, ServerIdentity, warm_up};
pub use crate::transport::{raise_link_limits, raise_session_limits};
pub use crate::tunnel::{Destination, Tunnel, TunnelError, TunnelLimits, TunnelServer};
