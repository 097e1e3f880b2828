//! What changes how an earlier letter is shown, and a nudge.
//!
//! The author of a change is the account that its sealing proves. Changes are merged by rules that do not
//! depend on the order in which they arrive: of two changes of one account, the later by the author's clock
//! counts, and of two at the same time the one with the larger identifier.

use serde::{Deserialize, Serialize};

use super::{LetterRef, Words};
use crate::bounded::Text;
use crate::ids::LetterId;
use crate::limits::REACTION_BYTES_MAX;

/// Kind 5: other words for a text letter of the author's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Which letter.
    pub letter: LetterId,
    /// What it says now.
    pub words: Words,
}

/// Kind 6: a letter of the author's own is taken back, on both sides. Nothing undoes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// Which letter.
    pub letter: LetterId,
}

/// Kind 7: what the author feels about a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// Which letter.
    pub letter: LetterRef,
    /// An emoji, as a rule; empty to take an earlier reaction back.
    pub reaction: Text<REACTION_BYTES_MAX>,
}

/// Kind 8: the author wants the recipient's attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nudge {}
