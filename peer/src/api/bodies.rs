//! JSON objects of the local API that are not views: what is asked, and short answers.
//!
//! Addresses come as text, because the daemon completes a missing domain with its own.

mod devices;
mod letters;

use std::path::PathBuf;

use hobnob_nat::core::agent::Policy;
use hobnob_wire::presence::Availability;
use serde::{Deserialize, Serialize};

pub use self::devices::{DeviceRename, DeviceRevoke, Number, Password, PasswordChange};
use crate::core::history::record::Record;
use crate::core::settings::Applies;
use crate::core::view::Priority;
use crate::events::Cursor;

pub use self::letters::{
    CardSend, ChatWish, DraftSet, LetterEdit, LetterSend, LetterSent, LocationSend, NudgeSend, PollSend,
    ReactionSet, Rendered, ScheduledChange, Sent, VoteSet,
};

/// `POST /v1/contacts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactAdd {
    /// Whom.
    pub address: String,
    /// Why.
    #[serde(default)]
    pub text: String,
}

/// A word that goes with a removal, a rejection or a cancellation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The word.
    #[serde(default)]
    pub text: String,
}

/// Over which paths a contact may reach us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum PathsAllowed {
    /// As the setting `net.paths` says.
    Default,
    /// All; it learns every address of this device.
    All,
    /// All but the local network; it learns no private address.
    NoLan,
    /// The relay's only; it learns no address.
    RelayOnly,
}

impl PathsAllowed {
    /// As the core has it.
    #[must_use]
    pub const fn policy(self) -> Option<Policy> {
        match self {
            Self::Default => None,
            Self::All => Some(Policy::All),
            Self::NoLan => Some(Policy::NoLan),
            Self::RelayOnly => Some(Policy::RelayOnly),
        }
    }
}

/// `PUT /v1/contacts/{address}/paths`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactPaths {
    /// What is allowed.
    pub paths: PathsAllowed,
}

/// What to show of oneself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum PresenceState {
    /// Here.
    Online,
    /// Not at the device.
    Away,
    /// Not to be disturbed.
    Busy,
    /// Here, but shown offline to everybody.
    Hidden,
    /// Not here.
    Offline,
}

impl PresenceState {
    /// The state, and whether to hide.
    #[must_use]
    pub const fn parts(self) -> (Availability, bool) {
        match self {
            Self::Online => (Availability::Online, false),
            Self::Away => (Availability::Away, false),
            Self::Busy => (Availability::Busy, false),
            Self::Hidden => (Availability::Online, true),
            Self::Offline => (Availability::Offline, false),
        }
    }
}

/// `PUT /v1/presence`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresenceSet {
    /// State.
    pub state: PresenceState,
    /// Status text.
    #[serde(default)]
    pub text: String,
}

/// Query of `GET /v1/chats/{address}/letters`: the newest letters, or those at one of the places that can be named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LettersQuery {
    /// At most so many; at most [`LETTERS_MAX`].
    #[serde(default = "default_letters")]
    pub limit: u32,
    /// Only letters before this one.
    #[serde(default)]
    pub before: Option<String>,
    /// Only letters after this one.
    #[serde(default)]
    pub after: Option<String>,
    /// This one, with as many on each side.
    #[serde(default)]
    pub around: Option<String>,
    /// The first as young as this date, and those after it.
    #[serde(default)]
    pub since: Option<String>,
}

/// Query of `GET /v1/search`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchQuery {
    /// What is looked for.
    pub q: String,
    /// At most so many; at most 100.
    #[serde(default = "default_found")]
    pub limit: u32,
    /// `next` of the answer before.
    #[serde(default)]
    pub before: Option<i64>,
}

/// Letters in the answer to a search unless another number is asked for.
pub const FOUND_DEFAULT: u32 = 20;

const fn default_found() -> u32 {
    FOUND_DEFAULT
}

/// Query of `DELETE /v1/letters` and of `DELETE /v1/chats/{address}/letters`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetQuery {
    /// Only letters older than this date or age.
    #[serde(default)]
    pub before: Option<String>,
    /// Whether only to count them.
    #[serde(default)]
    pub dry: bool,
}

/// Query of `GET /v1/records`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordsQuery {
    /// Of which chat; of all when absent.
    #[serde(default)]
    pub chat: Option<String>,
    /// At most so many; at most [`LETTERS_MAX`].
    #[serde(default = "default_letters")]
    pub limit: u32,
    /// `next` of the answer before.
    #[serde(default)]
    pub before: Option<i64>,
}

/// `POST /v1/records`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordsPut {
    /// Letters, newest first.
    pub records: Vec<Record>,
}

/// Letters in one answer unless another number is asked for.
pub const LETTERS_DEFAULT: u32 = 50;
/// Most letters in one answer: 32 MiB of text.
pub const LETTERS_MAX: u32 = 1_000;

const fn default_letters() -> u32 {
    LETTERS_DEFAULT
}

/// `POST /v1/typing`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Typing {
    /// Whom to tell.
    pub to: String,
    /// Whether the user is writing.
    pub active: bool,
}

/// `POST /v1/transfers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferSend {
    /// To whom: an address, or a list of them. Several get it from each other, too.
    #[serde(deserialize_with = "one_or_more")]
    pub to: Vec<String>,
    /// Absolute paths of files and folders.
    pub paths: Vec<PathBuf>,
    /// Bytes per second; 0 for no limit.
    #[serde(default)]
    pub limit: u64,
    /// Whether content is sealed with keys of its own inside QUIC.
    #[serde(default = "default_sealed")]
    pub sealed: bool,
    /// Whether symbolic links that stay inside what is offered are sent, as links.
    #[serde(default)]
    pub links: bool,
    /// A word about it.
    #[serde(default)]
    pub text: String,
    /// Before or after others.
    #[serde(default)]
    pub priority: Priority,
}

/// A text by itself is a list of one.
fn one_or_more<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Texts {
        One(String),
        More(Vec<String>),
    }
    Ok(match Texts::deserialize(deserializer)? {
        Texts::One(text) => vec![text],
        Texts::More(texts) => texts,
    })
}

const fn default_sealed() -> bool {
    true
}

/// `POST /v1/transfers/{id}/accept`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferAccept {
    /// Absolute folder; the configured one when absent.
    #[serde(default)]
    pub to: Option<PathBuf>,
    /// Whether files that are there already are brought up to date; else they are left alone.
    #[serde(default)]
    pub update: bool,
    /// Patterns: only what one of them matches; everything when there is none.
    #[serde(default)]
    pub only: Vec<String>,
    /// Patterns: nothing of what one of them matches.
    #[serde(default)]
    pub except: Vec<String>,
}

/// `POST /v1/transfers/{id}/limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferLimit {
    /// Bytes per second; 0 for no limit.
    pub limit: u64,
}

/// `POST /v1/transfers/{id}/move`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferMove {
    /// `first`, `last`, or the transfer before which to put it.
    pub to: String,
}

/// `POST /v1/transfers/{id}/priority`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferPriority {
    /// Before or after others.
    pub priority: Priority,
}

/// `PUT /v1/config`, and what `hobnob config get` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Its name, as in `files.auto_accept`.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Answer of `PUT /v1/config`, and what `hobnob config set` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingSet {
    /// Its name.
    pub key: String,
    /// When its new value counts.
    pub applies: Applies,
}

/// Query of `GET /v1/events`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Only events after this cursor; those from now on when absent.
    #[serde(default)]
    pub after: Option<Cursor>,
}
