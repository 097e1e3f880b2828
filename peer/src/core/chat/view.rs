//! Letters and chats as users see them: objects of the local API and of `--json` output.

use std::collections::BTreeMap;

use hobnob_wire::{Address, DeviceId, LetterId};
use serde::{Deserialize, Serialize};

use crate::core::view::{LetterState, as_text};

/// What a letter is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LetterKind {
    /// Words.
    #[default]
    Text,
    /// A nudge.
    Nudge,
    /// Somebody is introduced.
    Card,
    /// A place.
    Location,
    /// A question with answers to choose from.
    Poll,
    /// Something that a newer version will show.
    Unknown,
}

/// One line of `hobnob history`: a letter with everything that came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LetterView {
    /// The letter.
    #[serde(with = "as_text")]
    pub id: LetterId,
    /// Author.
    pub from: Address,
    /// Addressee.
    pub to: Address,
    /// What it is.
    #[serde(default)]
    pub kind: LetterKind,
    /// The words, as last edited: the source of a subset of Markdown. Of other kinds what words can say of them; empty
    /// when deleted. May hold anything Unicode allows; whoever shows it isolates and escapes it.
    pub text: String,
    /// When it was written: RFC 3339, UTC, milliseconds, by the author's clock.
    pub at: String,
    /// When it came to this device, or was written on it.
    pub received_at: String,
    /// How many seconds the author's clock goes before ours at least; absent when that cannot be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead_s: Option<u64>,
    /// The furthest state that any of the recipient's devices has reached. For letters that we received:
    /// `delivered`, or `read` once marked.
    pub state: LetterState,
    /// State on each of the recipient's devices; empty for letters that we received.
    pub devices: Vec<DeviceStateView>,
    /// Why it failed, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the words are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Language of the words: a tag as `pt-br`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    /// The same in other languages.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alternatives: BTreeMap<String, String>,
    /// Who is mentioned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Address>,
    /// Whether it deserves more attention than others: it came from somebody else and mentions the user, or one of the
    /// words of the setting `letters.keywords`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alert: bool,
    /// The first letter of its thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<QuoteView>,
    /// The letter that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<QuoteView>,
    /// Who wrote the words first, when they were passed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded_from: Option<Address>,
    /// Seconds after which it disappears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_after_s: Option<u32>,
    /// When it disappears here, once that is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When it was last edited, by the author's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<String>,
    /// Whether its author took it back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// What people feel about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<ReactionView>,
    /// Who is introduced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<CardView>,
    /// The place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<LocationView>,
    /// The poll and its votes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<PollView>,
    /// The number of a kind that this version does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_kind: Option<u16>,
}

/// State of a letter on one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceStateView {
    /// The device.
    #[serde(with = "as_text")]
    pub device: DeviceId,
    /// How far the letter has come.
    pub state: LetterState,
}

/// Another letter that a letter refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteView {
    /// The letter.
    #[serde(with = "as_text")]
    pub id: LetterId,
    /// Its author.
    pub from: Address,
    /// How its words begin, as they are now; absent when it is not here, or not any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// One reaction and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReactionView {
    /// The reaction, an emoji as a rule.
    pub reaction: String,
    /// Whose.
    pub by: Vec<Address>,
}

/// Somebody who is introduced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardView {
    /// Whom to ask.
    pub address: Address,
    /// What the author calls this person.
    pub name: String,
    /// A word about this person.
    pub note: String,
}

/// A place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocationView {
    /// Degrees north of the equator (WGS 84).
    pub latitude: f64,
    /// Degrees east of Greenwich.
    pub longitude: f64,
    /// How far off it may be, in meters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<u32>,
    /// What the place is called.
    pub place: String,
}

/// A poll and its votes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollView {
    /// The question.
    pub question: String,
    /// The answers, in their order.
    pub options: Vec<OptionView>,
    /// Whether one may choose several.
    pub multiple: bool,
}

/// One answer of a poll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionView {
    /// The answer.
    pub text: String,
    /// Who has chosen it.
    pub by: Vec<Address>,
}

/// What came of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LetterChange {
    /// Its author changed the words.
    Edited,
    /// Its author took it back.
    Deleted,
    /// Somebody's reaction came, changed or went.
    Reaction,
    /// Somebody's vote came, changed or went.
    Vote,
}

/// One line of `hobnob chats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatView {
    /// With whom; the own address for notes to oneself.
    pub address: Address,
    /// Letters that have not been read, at most [`UNREAD_COUNT_MAX`].
    pub unread: u32,
    /// The first of them: where to begin to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_unread: Option<String>,
    /// What the user has begun to write, on any own device; empty for nothing.
    pub draft: String,
    /// Whether the user wants to look at it again, although everything has been read.
    pub marked_unread: bool,
    /// Whether the other side is told when the user writes.
    pub typing: bool,
    /// Whether nudges of the other side are shown.
    pub nudges: bool,
    /// What is played when a letter comes; as in general when empty.
    pub sound: String,
    /// The newest letter. Not told in events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Box<LetterView>>,
}

/// Unread letters of one chat are counted up to here: nobody reads a larger number.
pub const UNREAD_COUNT_MAX: u32 = 1_000;

/// One line of `hobnob scheduled list`: a letter that is sent later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledView {
    /// The letter that it will be.
    #[serde(with = "as_text")]
    pub id: LetterId,
    /// To whom.
    pub to: Address,
    /// When it is sent: RFC 3339, UTC, milliseconds, by this device's clock.
    pub due: String,
    /// What it is.
    pub kind: LetterKind,
    /// The words, or what words can say of it.
    pub text: String,
}
