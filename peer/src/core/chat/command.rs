//! What users ask about letters and chats.

use hobnob_wire::letter::Language;
use hobnob_wire::{Address, LetterId};

use super::view::{ChatView, ScheduledView};

/// What can be asked. All but lists are answered with [`Reply::Done`](crate::core::command::Reply::Done) or with what
/// is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatCommand {
    /// Writes a letter, now or later. Answer: [`Reply::Sent`](crate::core::command::Reply::Sent) once it is on this
    /// device's disk, or [`ChatReply::Scheduled`].
    Write {
        /// To whom; the own address for a note to oneself.
        to: Address,
        /// What.
        what: Saying,
        /// When, in Unix milliseconds by this device's clock; now when absent.
        due_unix_ms: Option<u64>,
    },
    /// Gives a letter of one's own other words.
    Edit {
        /// Which.
        id: LetterId,
        /// What it says now.
        words: NewWords,
    },
    /// Takes a letter of one's own back, on both sides.
    Delete {
        /// Which.
        id: LetterId,
    },
    /// Shows what one feels about a letter.
    React {
        /// Which.
        id: LetterId,
        /// An emoji, as a rule; empty to take it back.
        reaction: String,
    },
    /// Answers a poll.
    Vote {
        /// Which.
        id: LetterId,
        /// Places of the options, from 0; none to take an earlier vote back.
        choices: Vec<u8>,
    },
    /// Keeps what the user has begun to write, and tells the other own devices.
    Draft {
        /// With whom.
        with: Address,
        /// The words; empty for none.
        text: String,
    },
    /// Changes what the user wants of a chat. Answer: [`ChatReply::Chats`] with it.
    Mark {
        /// With whom.
        with: Address,
        /// What is other than before.
        wish: Wish,
    },
    /// All chats, that with the newest letter first. Answer: [`ChatReply::Chats`].
    List,
    /// One chat. Answer: [`ChatReply::Chats`] with it.
    Show {
        /// With whom.
        with: Address,
    },
    /// A thread. Answer: [`Reply::Letters`](crate::core::command::Reply::Letters), oldest first.
    Thread {
        /// Its first letter, or any of its letters.
        id: LetterId,
    },
    /// Letters that are sent later. Answer: [`ChatReply::Scheduled`].
    Scheduled,
    /// Changes a letter that is sent later. Answer: [`ChatReply::Scheduled`] with it.
    Reschedule {
        /// Which.
        id: LetterId,
        /// When instead.
        due_unix_ms: Option<u64>,
        /// Which words instead.
        text: Option<String>,
    },
    /// Does not send a letter after all.
    Unschedule {
        /// Which.
        id: LetterId,
    },
}

/// Answers of chats.
#[derive(Clone, Debug, PartialEq)]
pub enum ChatReply {
    /// Chats.
    Chats(Vec<ChatView>),
    /// Letters that are sent later.
    Scheduled(Vec<ScheduledView>),
}

/// Words as they are typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewWords {
    /// The words.
    pub text: String,
    /// What they are about.
    pub subject: Option<String>,
    /// Their language.
    pub lang: Option<Language>,
    /// The same in other languages.
    pub alternatives: Vec<(Language, String)>,
}

/// What a letter is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saying {
    /// Words.
    Words {
        /// Which.
        words: NewWords,
        /// A letter of the thread that it belongs to.
        thread: Option<LetterId>,
        /// The letter that it answers.
        reply_to: Option<LetterId>,
        /// Seconds after which it disappears.
        expires_after_s: Option<u32>,
    },
    /// The draft of the chat, which is one no more.
    Draft,
    /// What another letter says.
    Forward(LetterId),
    /// A nudge.
    Nudge,
    /// Somebody is introduced.
    Card {
        /// Whom to ask.
        address: Address,
        /// What one calls this person; may be empty.
        name: String,
        /// A word about this person; may be empty.
        note: String,
    },
    /// A place.
    Location {
        /// Degrees north of the equator (WGS 84), in ten millionths.
        latitude: i64,
        /// Degrees east of Greenwich, in ten millionths.
        longitude: i64,
        /// How far off it may be, in meters.
        accuracy_m: Option<u32>,
        /// What the place is called; may be empty.
        place: String,
    },
    /// A question with answers to choose from.
    Poll {
        /// The question.
        question: String,
        /// The answers, two at least.
        options: Vec<String>,
        /// Whether one may choose several.
        multiple: bool,
    },
}

impl Saying {
    /// Nothing but words.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        let words = NewWords { text: text.into(), ..NewWords::default() };
        Self::Words { words, thread: None, reply_to: None, expires_after_s: None }
    }
}

/// What is to be other in a chat than before; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Whether it is to be looked at again.
    pub unread: Option<bool>,
    /// Whether the other side is told when the user writes.
    pub typing: Option<bool>,
    /// Whether nudges are shown.
    pub nudges: Option<bool>,
    /// What is played when a letter comes; as in general when empty.
    pub sound: Option<String>,
}
