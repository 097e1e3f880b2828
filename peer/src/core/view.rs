//! What users see: the objects of the local API and of `--json` output. Field names and values are
//! stable; new fields may be added.

use hobnob_wire::{Address, DeviceId, SwarmId, TransferId};
use serde::{Deserialize, Serialize};

mod devices;

pub use self::devices::{DeviceView, NoticeView, Verification, VerificationView};
pub use super::chat::view::{ChatView, DeviceStateView, LetterKind, LetterView, ScheduledView};

/// How far a letter has come, in this order. Shown only once it is committed where it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LetterState {
    /// Could not be sent; see the reason.
    Failed,
    /// On this device.
    Queued,
    /// In the mailbox at the rendezvous.
    Accepted,
    /// On the other device.
    Delivered,
    /// Seen by its user.
    Read,
}

/// Own state of the connection to the rendezvous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// Authenticated.
    Up,
    /// Not connected; the app keeps trying.
    Down,
}

/// `hobnob status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// Own address.
    pub address: Address,
    /// Whether the session is up.
    pub session: SessionState,
    /// Why the session is down, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// This device.
    #[serde(with = "as_text")]
    pub device: DeviceId,
    /// Where the rendezvous is, `host:port`.
    pub rendezvous: String,
    /// Links that are up.
    pub links: Vec<LinkView>,
    /// Other devices of the account that joined or were used at a new place in the last seven days.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<NoticeView>,
}

/// A link that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    /// The contact.
    pub address: Address,
    /// The contact's device.
    #[serde(with = "as_text")]
    pub device: DeviceId,
    /// As in [`PathView::path`].
    pub path: String,
    /// Time from dialing to the end of the handshake, in microseconds.
    pub handshake_us: u64,
}

/// `hobnob path`: how one device of a contact is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathView {
    /// The contact.
    pub address: Address,
    /// The contact's device.
    #[serde(with = "as_text")]
    pub device: DeviceId,
    /// `lan`, `direct-v4`, `direct-v6`, `mapped`, `punched`, `predicted`, `relayed`, `tunnelled`, or `none`.
    pub path: String,
    /// Who relays, `host:port`, when somebody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
    /// Where the device is, when the path is direct.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Since when the path is what it is: RFC 3339, UTC, milliseconds.
    pub since: String,
    /// Round-trip time, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<u64>,
    /// Packets lost of a million sent over the life of the link. Not told in events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_ppm: Option<u32>,
    /// Largest packet that passes, in bytes. Not told in events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// Why there is no direct path, and what would help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not_direct: Option<String>,
    /// Packets that were sent to find the path.
    pub checks: u32,
    /// What happened in the last attempt, oldest first. Not told in events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<PathNote>,
}

/// Something that happened on the way to a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathNote {
    /// Milliseconds after the first note.
    pub after_ms: u64,
    /// In words.
    pub text: String,
}

/// One line of `hobnob contact list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactView {
    /// The contact.
    pub address: Address,
    /// `none`, `to`, `from` or `both`.
    pub subscription: String,
    /// `none`, `in` or `out`.
    pub pending: String,
    /// `online`, `away`, `busy` or `offline`.
    pub presence: String,
    /// Status text.
    pub status_text: String,
    /// As in [`PathView::path`]; `none` without a link.
    pub path: String,
    /// Over which paths this contact may reach us: `default` (as `net.paths` says), `all`, `no-lan` or `relay-only`.
    pub paths: String,
    /// Text that came with a request or a removal.
    pub text: String,
    /// How far its identity is known to be the right one.
    #[serde(default)]
    pub verification: Verification,
    /// Why nothing is sent to this contact, when its device list cannot be trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// How much is taken of an offer that is not taken whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// Files that are taken.
    pub files: u64,
    /// Files that are offered.
    pub of: u64,
    /// Bytes of those that are taken.
    pub bytes: u64,
}

/// Which way a transfer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransferDirection {
    /// To us.
    In,
    /// From us.
    Out,
}

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransferState {
    /// Waits for the receiver's decision.
    Offered,
    /// Accepted; waits for a link.
    Queued,
    /// Bytes move.
    Running,
    /// Held by a user.
    Paused,
    /// All bytes are here; they are being checked and put in place.
    Verifying,
    /// In place.
    Done,
    /// Could not go on; see the error.
    Failed,
    /// Stopped by a user.
    Cancelled,
    /// Not wanted.
    Rejected,
    /// A disk refuses, here or at the other side; goes on by itself when it does not any more. See the error.
    Waiting,
}

impl TransferState {
    /// Whether nothing will change any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled | Self::Rejected)
    }
}

/// Before or after other transfers, and how large a share beside them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// When nothing else waits; a small share.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// Before all others; a large share.
    High,
}

/// Why a transfer does not move though it could.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeldBy {
    /// Others are before it, here or on the other side.
    Queue,
    /// This user paused it.
    Own,
    /// The other user paused it.
    Peer,
}

/// One line of `hobnob file list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransferView {
    /// The transfer.
    #[serde(with = "as_text")]
    pub id: TransferId,
    /// The contact.
    pub peer: Address,
    /// Which way.
    pub direction: TransferDirection,
    /// What it is called.
    pub name: String,
    /// Files and folders that are offered.
    pub entries: u64,
    /// Bytes that are to come in all: of an offer that is not taken whole those of the files that are taken, once they are
    /// known.
    pub size: u64,
    /// How much is taken of an offer that is not taken whole, once it is known.
    pub chosen: Option<Chosen>,
    /// Bytes verified at the receiver.
    pub done: u64,
    /// Bytes that left this device: to the receiver, or from a receiver to others who got the same offer.
    pub sent: u64,
    /// At a receiver, who sent how many of its bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceView>,
    /// What all transfers of one send to several people have in common.
    #[serde(default, with = "as_text_if_any", skip_serializing_if = "Option::is_none")]
    pub swarm: Option<SwarmId>,
    /// Where it stands.
    pub state: TransferState,
    /// Bytes per second now.
    pub rate: u64,
    /// Seconds to go at this rate.
    pub eta: Option<u64>,
    /// As in [`PathView::path`]; `none` without a link.
    pub path: String,
    /// Limit in bytes per second; 0 for none.
    pub limit: u64,
    /// Before or after others.
    pub priority: Priority,
    /// Why it does not move.
    pub held: Option<HeldBy>,
    /// When it was offered here: RFC 3339, UTC, milliseconds.
    pub offered_at: String,
    /// When it was over here.
    pub ended_at: Option<String>,
    /// Whether content is sealed with keys of its own inside QUIC.
    pub sealed: bool,
    /// Text of the offer.
    pub text: String,
    /// Where it is, or will be, on this device's disk.
    pub folder: Option<String>,
    /// Hex digest over all file hashes, once it is done; equal on both sides.
    pub digest: Option<String>,
    /// What went wrong and what to do about it.
    pub error: Option<String>,
}

/// Where bytes came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceView {
    /// Who sent them.
    pub address: Address,
    /// Verified bytes.
    pub bytes: u64,
}

/// The same for identifiers that may be absent.
pub mod as_text_if_any {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    /// Writes the identifier's text, if there is one.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<T: Display, S: Serializer>(id: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match id {
            Some(id) => serializer.collect_str(id),
            None => serializer.serialize_none(),
        }
    }

    /// Reads an identifier's text, if there is one.
    ///
    /// # Errors
    /// When the text is no identifier.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(de::Error::custom)).transpose()
    }
}

/// Serializes identifiers as people see them.
pub mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    /// Writes the identifier's text.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<T: Display, S: Serializer>(id: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    /// Reads an identifier's text.
    ///
    /// # Errors
    /// When the text is no identifier.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
