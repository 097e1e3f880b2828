//! What Hobnob's machines say to each other.
//!
//! Every byte between machines is defined here and nowhere else: frames and their limits, validated
//! identifiers, the chain of an account's devices, the Noise handshake of a link, and the sealing of
//! what travels on it. The crate opens no socket, reads no clock and keeps no state between calls.
//!
//! | module | what it defines |
//! | --- | --- |
//! | [`limits`], [`codec`], [`bounded`] | how long things may be, and how they become bytes |
//! | [`ids`], [`address`], [`invite`] | names of things |
//! | [`keys`], [`device`] | public keys, signatures, the device list; [`safety`] is how people compare them |
//! | [`opaque`], [`account`] | how an account proves itself |
//! | [`session`] | peer ↔ rendezvous; [`contact`], [`presence`], [`mailbox`], [`signal`] are its parts |
//! | [`datagram`] | what travels beside QUIC: connectivity checks, the relay; [`tunnel`] carries both where UDP is blocked |
//! | [`link`] | peer ↔ peer; [`noise`], [`seal`], [`record`] protect it |
//! | [`overlay`] | how devices meet without a rendezvous |
//! | [`letter`], [`transfer`], [`choice`], [`layout`], [`tree`] | what peers say and send to each other; [`swarm`] who helps whom |
//! | [`refusal`], [`close`] | how a machine says no |

pub mod account;
pub mod address;
pub mod bounded;
pub mod choice;
pub mod close;
pub mod codec;
pub mod contact;
pub mod datagram;
pub mod device;
pub mod ids;
pub mod invite;
pub mod keys;
pub mod layout;
pub mod letter;
pub mod limits;
pub mod link;
pub mod mailbox;
pub mod noise;
pub mod opaque;
pub mod overlay;
pub mod presence;
pub mod record;
pub mod refusal;
pub mod safety;
pub mod seal;
pub mod session;
pub mod signal;
pub mod swarm;
pub mod transfer;
pub mod tree;
pub mod tunnel;

pub use address::{Address, Domain, Name};
pub use bounded::{List, Opaque, Text};
pub use codec::{DecodeError, EncodeError, Frame};
pub use ids::{AttemptId, DeviceId, LetterId, RequestId, SwarmId, TransferId};
pub use refusal::Refusal;
