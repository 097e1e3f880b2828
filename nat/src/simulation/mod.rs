//! An Internet in memory: NATs of every kind of RFC 4787, links that delay and lose, private networks behind each other, and a
//! [`Network`](crate::network::Network) over it, so that real quinn runs through it under tokio's paused time.
//!
//! [`Internet`] is pure: packets and the time go in, packets come out, and the same seed gives the same Internet.
//! [`Simulation`] drives it by tokio's clock and hands out [`Machine`]s, each of which is a network to one endpoint.
//! The lab joins real processes with the same [`Internet`].
//!
//! Left out: fragments (what does not fit is lost), ICMP, ECN, multicast.

mod behavior;
mod internet;
mod link;
mod machine;
mod nat;
mod place;
mod random;
mod realm;
mod socket;

#[cfg(test)]
mod story;

pub use self::behavior::{Behavior, Dependence, Ports};
pub use self::internet::{Counts, HostId, Internet, Packet, Protocol};
pub use self::link::Shape;
pub use self::machine::{Machine, Simulation};
pub use self::place::{Place, RENDEZVOUS_V4, RENDEZVOUS_V6};
pub use self::random::Random;
pub use self::realm::RealmId;
pub use self::socket::SimulatedSocket;
