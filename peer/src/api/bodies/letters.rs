//! What is asked about letters and chats.

use std::collections::BTreeMap;

use hobnob_wire::LetterId;
use serde::{Deserialize, Serialize};

use crate::core::chat::view::ScheduledView;
use crate::core::view::{LetterState, as_text};

/// `POST /v1/letters`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LetterSend {
    /// To whom; the own address for a note to oneself.
    pub to: String,
    /// The words. Left out when a draft or another letter is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What they are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Their language, as `pt-br`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    /// The same in other languages.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alternatives: BTreeMap<String, String>,
    /// A letter of the thread that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// The letter that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Seconds after which it disappears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_after_s: Option<u32>,
    /// A letter to pass on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<String>,
    /// Whether the draft of the chat is sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub draft: bool,
    /// When to send it, in Unix milliseconds; now when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_unix_ms: Option<u64>,
}

/// A letter that was written, and what `hobnob send` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterSent {
    /// The letter.
    #[serde(with = "as_text")]
    pub id: LetterId,
    /// How far it is already.
    pub state: LetterState,
}

/// Answer to whatever writes a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sent {
    /// It is on its way.
    Now(LetterSent),
    /// It will be.
    Later(ScheduledView),
}

/// `PUT /v1/letters/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LetterEdit {
    /// What it says now.
    pub text: String,
    /// What that is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    /// The same in other languages.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alternatives: BTreeMap<String, String>,
}

/// `PUT /v1/letters/{id}/reaction`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReactionSet {
    /// An emoji, as a rule; empty to take it back.
    pub reaction: String,
}

/// `PUT /v1/letters/{id}/vote`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteSet {
    /// Places of the options, from 0; none to take a vote back.
    pub choices: Vec<u8>,
}

/// Answer of `GET /v1/letters/{id}/rendered`: the words without their Markdown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    /// As plain text.
    pub plain: String,
    /// As HTML of a few elements, all text escaped.
    pub html: String,
}

/// `POST /v1/nudges`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NudgeSend {
    /// Whom.
    pub to: String,
}

/// `POST /v1/cards`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardSend {
    /// To whom.
    pub to: String,
    /// Who is introduced.
    pub address: String,
    /// What one calls this person.
    #[serde(default)]
    pub name: String,
    /// A word about this person.
    #[serde(default)]
    pub note: String,
}

/// `POST /v1/locations`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocationSend {
    /// To whom.
    pub to: String,
    /// Degrees north of the equator (WGS 84).
    pub latitude: f64,
    /// Degrees east of Greenwich.
    pub longitude: f64,
    /// How far off it may be, in meters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<u32>,
    /// What the place is called.
    #[serde(default)]
    pub place: String,
}

/// `POST /v1/polls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollSend {
    /// To whom.
    pub to: String,
    /// The question.
    pub question: String,
    /// The answers, two at least.
    pub options: Vec<String>,
    /// Whether one may choose several.
    #[serde(default)]
    pub multiple: bool,
}

/// `PUT /v1/chats/{address}/draft`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftSet {
    /// The words; empty for none.
    pub text: String,
}

/// `PUT /v1/chats/{address}`; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatWish {
    /// Whether it is to be looked at again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<bool>,
    /// Whether the other side is told when the user writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typing: Option<bool>,
    /// Whether nudges are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nudges: Option<bool>,
    /// What is played when a letter comes; as in general when empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
}

/// `PUT /v1/scheduled/{id}`; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduledChange {
    /// When to send it, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_unix_ms: Option<u64>,
    /// The words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}
