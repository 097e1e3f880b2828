//! The session: a device's connection to its rendezvous.
//!
//! One bidirectional QUIC stream, opened by the peer, carries [`ClientFrame`]s one way and
//! [`ServerFrame`]s the other. Requests may overlap; each is answered once. Before the session is
//! authenticated only [`AccountRequest`]s are taken, and no frame may exceed
//! [`HELLO_FRAME_BYTES_MAX`](crate::limits::HELLO_FRAME_BYTES_MAX).

use serde::{Deserialize, Serialize};

use crate::account::{AccountAnswer, AccountRequest, Arrival};
use crate::address::Address;
use crate::codec::Frame;
use crate::contact::{ContactChange, ContactRequest};
use crate::datagram::Channel;
use crate::device::ListHead;
use crate::ids::RequestId;
use crate::limits::SESSION_FRAME_BYTES_MAX;
use crate::mailbox::{Delivery, MailboxRequest, Prekey};
use crate::presence::{PresenceChange, PresenceSet};
use crate::refusal::Refusal;
use crate::signal::{RelayGrant, SignalDelivery, SignalRequest};

/// Protocol name in TLS (ALPN, RFC 7301).
pub const ALPN: &[u8] = b"hobnob/1";
/// Label of the TLS exporter (RFC 8446 §7.5) that a device signs to authenticate.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-hobnob-session/1";

/// What a peer says.
#[expect(
    clippy::large_enum_variant,
    reason = "a box would let a small frame allocate more than four times its bytes"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientFrame {
    /// Asks for something.
    Request {
        /// Number that the answer repeats.
        id: RequestId,
        /// What is asked.
        request: Request,
    },
    /// Says, once after authentication, where the peer left off; the rendezvous then pushes what changed
    /// and what waits.
    Resume {
        /// Version of the roster that the peer has; 0 when it has none.
        roster: u64,
    },
    /// All letters up to this place in the mailbox are on the device's disk.
    MailboxAck {
        /// Place in the mailbox.
        up_to: u64,
    },
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// About accounts and devices.
    Account(AccountRequest),
    /// About contacts.
    Contact(ContactRequest),
    /// What to show of oneself.
    Presence(PresenceSet),
    /// About letters.
    Mailbox(MailboxRequest),
    /// Pass a signal on.
    Signal(SignalRequest),
}

/// What the rendezvous says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerFrame {
    /// The request was done.
    Answer {
        /// The request.
        id: RequestId,
        /// Its result.
        answer: Answer,
    },
    /// The request was refused and changed nothing.
    Refused {
        /// The request.
        id: RequestId,
        /// Why.
        refusal: Refusal,
    },
    /// Something happened.
    Push(Push),
}

/// Results of requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is done, and on disk.
    Done,
    /// About accounts.
    Account(AccountAnswer),
    /// A prekey to begin an Olm session with.
    Prekey(Prekey),
    /// The signal was passed on.
    Signalled {
        /// Where the relay forwards between the two devices; `None` when it does not.
        channel: Option<Channel>,
    },
}

/// What happens without being asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Push {
    /// A contact changed.
    Contact(ContactChange),
    /// All that changed in the roster since [`ClientFrame::Resume`] has been pushed.
    RosterComplete {
        /// Version of the roster now.
        version: u64,
    },
    /// A contact's presence changed.
    Presence(PresenceChange),
    /// A device list got a new entry.
    DevicesChanged {
        /// Whose.
        address: Address,
        /// Its new head.
        head: ListHead,
    },
    /// A letter waits for this device.
    Letter(Delivery),
    /// Another device wants to link.
    Signal(SignalDelivery),
    /// This device's place at the relay.
    Relay(RelayGrant),
    /// Few one-time prekeys of this device are left: publish more.
    PrekeysLow {
        /// How many are left.
        left: u16,
    },
    /// Another device of one's own has a session now.
    Arrived(Arrival),
}

impl Frame for ClientFrame {
    const NAME: &'static str = "client frame";
    const BYTES_MAX: usize = SESSION_FRAME_BYTES_MAX;
}

impl Frame for ServerFrame {
    const NAME: &'static str = "server frame";
    const BYTES_MAX: usize = SESSION_FRAME_BYTES_MAX;
}
