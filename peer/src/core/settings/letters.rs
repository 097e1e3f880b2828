//! Settings of letters and chats.

use std::time::Duration;

use super::{Applies, Setting, is_switch, kept};
use crate::core::store::SettingStore;

/// Whether contacts are told when the user writes, unless something else is set for a chat: `on` or `off`.
pub const TYPING: &str = "letters.typing";
/// How often they are told at most, in seconds.
pub const TYPING_EVERY: &str = "letters.typing_every";
/// Whether nudges are shown, unless something else is set for a chat: `on` or `off`.
pub const NUDGES: &str = "letters.nudges";
/// Words that make a letter deserve attention, with commas between them.
pub const KEYWORDS: &str = "letters.keywords";

/// Keywords that are looked for.
const KEYWORDS_MAX: usize = 32;

pub(super) const SETTINGS: [Setting; 4] = [
    Setting { key: TYPING, applies: Applies::Now, first: "on", is_valid: is_switch, wanted: "`on` or `off`" },
    Setting {
        key: TYPING_EVERY,
        applies: Applies::Now,
        first: "5",
        is_valid: |value| value.parse().is_ok_and(|seconds: u64| (1..=60).contains(&seconds)),
        wanted: "seconds, from 1 to 60",
    },
    Setting { key: NUDGES, applies: Applies::Now, first: "on", is_valid: is_switch, wanted: "`on` or `off`" },
    Setting {
        key: KEYWORDS,
        applies: Applies::Now,
        first: "",
        is_valid: |value| words(value).count() <= KEYWORDS_MAX,
        wanted: "empty, or up to 32 words with commas between them",
    },
];

fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// How often contacts are told that the user writes; `None` when they are not.
pub(crate) fn typing<S: SettingStore>(store: &mut S) -> Result<Option<Duration>, S::Error> {
    if kept(store, TYPING)? != "on" {
        return Ok(None);
    }
    Ok(Some(Duration::from_secs(kept(store, TYPING_EVERY)?.parse().unwrap_or(5))))
}

/// Whether nudges are shown.
pub(crate) fn nudges<S: SettingStore>(store: &mut S) -> Result<bool, S::Error> {
    Ok(kept(store, NUDGES)? == "on")
}

/// Words that make a letter deserve attention.
pub(crate) fn keywords<S: SettingStore>(store: &mut S) -> Result<Vec<String>, S::Error> {
    Ok(words(&kept(store, KEYWORDS)?).map(str::to_owned).collect())
}
