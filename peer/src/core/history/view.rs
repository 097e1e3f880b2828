//! What users see of history: objects of the local API and of `--json` output.

use hobnob_wire::Address;
use serde::{Deserialize, Serialize};

use super::record::Record;
use super::snippet::Snippet;
use crate::core::view::LetterView;

/// One line of `hobnob history search`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundView {
    /// Where it stands among all letters; a search goes on before the last one.
    pub place: i64,
    /// Whom the chat is with.
    pub chat: Address,
    /// The letter.
    pub letter: LetterView,
    /// The part of it that was looked for.
    pub snippet: Snippet,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchView {
    /// Newest first.
    pub found: Vec<FoundView>,
    /// Where the search goes on; absent when there is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// How much a chat holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldingView {
    /// Whom it is with.
    pub address: Address,
    /// Letters that it holds.
    pub letters: u64,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgottenView {
    /// Letters that are gone, or would be.
    pub letters: u64,
    /// Whether there are more: ask again.
    pub more: bool,
}

/// Letters to be carried elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsView {
    /// Newest first.
    pub records: Vec<Record>,
    /// Where the next ones are; absent when there is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// What became of letters that were brought from elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedView {
    /// Letters that are new here.
    pub added: u64,
    /// Letters that were here already.
    pub known: u64,
    /// Records that are damaged, or of another account.
    pub refused: u64,
}
