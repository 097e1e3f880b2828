//! Words.

use serde::{Deserialize, Serialize};

use super::{Language, LetterRef};
use crate::address::Address;
use crate::bounded::{List, Text};
use crate::limits::{ALTERNATIVES_MAX, LETTER_TEXT_BYTES_MAX, MENTIONS_MAX, SUBJECT_BYTES_MAX};

/// Kind 1: words, and what they belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextBody {
    /// What is said.
    pub words: Words,
    /// The first letter of the thread that it belongs to.
    pub thread: Option<LetterRef>,
    /// The letter that it answers.
    pub reply_to: Option<LetterRef>,
    /// Seconds after which it disappears on both sides: counted on the author's devices from writing, on the
    /// recipient's from reading.
    pub expires_after_s: Option<u32>,
    /// Who wrote the words first, when they are passed on.
    pub forwarded_from: Option<Address>,
}

/// What somebody says, in Unicode normalization form C. The source of a subset of Markdown; whoever shows it
/// may show it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// The words.
    pub text: Text<LETTER_TEXT_BYTES_MAX>,
    /// What they are about, in one line.
    pub subject: Option<Text<SUBJECT_BYTES_MAX>>,
    /// Their language.
    pub lang: Option<Language>,
    /// The same in other languages.
    pub alternatives: List<Alternative, ALTERNATIVES_MAX>,
    /// Who is mentioned.
    pub mentions: List<Address, MENTIONS_MAX>,
}

/// The same words in another language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// Which.
    pub lang: Language,
    /// The words. Counts towards the limit of the whole body.
    pub text: Text<LETTER_TEXT_BYTES_MAX>,
}
