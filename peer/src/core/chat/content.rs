//! What a letter says, as it is shown: its words as they are now, and what came of it.

use std::collections::BTreeMap;

use hobnob_wire::letter::{ContactCard, LetterBody, LetterRef, Location, Poll, TextBody, Words};
use hobnob_wire::{Address, LetterId};

use super::change::{Merged, count, merge};
use super::view::{
    CardView, LetterKind, LetterView, LocationView, OptionView, PollView, QuoteView, ReactionView,
};
use super::{Shown, shown};
use crate::core::letters::store::{Expires, StoredLetter};
use crate::core::settings;
use crate::core::store::Store;
use crate::core::time::rfc3339;
use crate::core::view::{DeviceStateView, LetterState};

/// Marks of a quoted letter that are shown.
const QUOTE_MARKS_MAX: usize = 120;

/// A clock is not said to be ahead for less: devices that agree differ by this much.
const AHEAD_S_MIN: u64 = 3;

/// A letter and everything that came of it.
pub(crate) fn view<S: Store>(
    store: &mut S,
    own: &Address,
    letter: &StoredLetter,
    devices: Vec<DeviceStateView>,
) -> Result<LetterView, S::Error> {
    let merged = merge(&letter.author, store.changes(&letter.chat, &reference(letter))?);
    let mut view = LetterView {
        id: letter.id,
        from: letter.author.clone(),
        to: letter.to.clone(),
        kind: kind(letter.kind),
        text: String::new(),
        at: rfc3339(letter.at_unix_ms),
        received_at: rfc3339(letter.received_unix_ms),
        clock_ahead_s: ahead(letter),
        state: state(letter, own, &devices),
        devices,
        error: letter.error.clone(),
        subject: None,
        lang: None,
        alternatives: BTreeMap::new(),
        mentions: Vec::new(),
        alert: false,
        thread: None,
        reply_to: None,
        forwarded_from: None,
        expires_after_s: None,
        expires_at: match letter.expires {
            Some(Expires::At { unix_ms }) => Some(rfc3339(unix_ms)),
            Some(Expires::AfterReading { .. }) | None => None,
        },
        edited_at: None,
        deleted: merged.deleted,
        reactions: merged
            .reactions
            .iter()
            .map(|(reaction, by)| ReactionView { reaction: reaction.clone(), by: by.clone() })
            .collect(),
        card: None,
        location: None,
        poll: None,
        unknown_kind: None,
    };
    if !merged.deleted {
        fill(store, letter, merged, &mut view)?;
        view.alert = letter.author != *own && (view.mentions.contains(own) || alerts(store, &view.text)?);
    }
    Ok(view)
}

/// The words of a letter as they are now, for searching and quoting; empty when it is deleted.
///
/// # Errors
/// The store's.
pub(crate) fn plain<S: Store>(store: &mut S, letter: &StoredLetter) -> Result<String, S::Error> {
    let merged = merge(&letter.author, store.changes(&letter.chat, &reference(letter))?);
    if merged.deleted {
        return Ok(String::new());
    }
    Ok(match (merged.edited, body(letter)) {
        (Some((words, _)), Some(LetterBody::Text(_))) => words.text.to_string(),
        (_, Some(body)) => said(&body),
        (_, None) => String::new(),
    })
}

/// How a letter is named.
pub(crate) fn reference(letter: &StoredLetter) -> LetterRef {
    LetterRef { author: letter.author.clone(), id: letter.id }
}

/// What a stored letter says; `None` when it is erased.
pub(super) fn body(letter: &StoredLetter) -> Option<LetterBody> {
    LetterBody::decode(letter.kind, &letter.body).ok()
}

/// What words can say of a letter.
pub(super) fn said(body: &LetterBody) -> String {
    match body {
        LetterBody::Text(TextBody { words, .. }) => words.text.to_string(),
        LetterBody::ContactCard(card) => name_of(card),
        LetterBody::Location(location) => location.place.to_string(),
        LetterBody::Poll(poll) => poll.question.to_string(),
        LetterBody::Receipt(_)
        | LetterBody::Offer(_)
        | LetterBody::OfferEnd(_)
        | LetterBody::Edit(_)
        | LetterBody::Delete(_)
        | LetterBody::Reaction(_)
        | LetterBody::Nudge(_)
        | LetterBody::Vote(_)
        | LetterBody::OwnSync(_)
        | LetterBody::Unknown { .. } => String::new(),
    }
}

/// The kind of a letter, for users.
pub(super) const fn kind(kind: u16) -> LetterKind {
    use hobnob_wire::letter::kind;
    match kind {
        kind::TEXT => LetterKind::Text,
        kind::NUDGE => LetterKind::Nudge,
        kind::CONTACT_CARD => LetterKind::Card,
        kind::LOCATION => LetterKind::Location,
        kind::POLL => LetterKind::Poll,
        _ => LetterKind::Unknown,
    }
}

fn name_of(card: &ContactCard) -> String {
    if card.name.as_str().is_empty() { card.address.to_string() } else { card.name.to_string() }
}

/// The furthest of the copies' states; what the letter itself says without copies. A note to oneself has arrived.
fn state(letter: &StoredLetter, own: &Address, devices: &[DeviceStateView]) -> LetterState {
    if letter.author == *own && letter.to == *own {
        return LetterState::Read;
    }
    devices.iter().map(|device| device.state).max().unwrap_or(letter.state)
}

fn ahead(letter: &StoredLetter) -> Option<u64> {
    let ahead_s = letter.at_unix_ms.saturating_sub(letter.received_unix_ms) / 1_000;
    (ahead_s >= AHEAD_S_MIN).then_some(ahead_s)
}

fn fill<S: Store>(
    store: &mut S,
    letter: &StoredLetter,
    merged: Merged,
    view: &mut LetterView,
) -> Result<(), S::Error> {
    match body(letter) {
        Some(LetterBody::Text(text)) => {
            let TextBody { words, thread, reply_to, expires_after_s, forwarded_from } = text;
            view.expires_after_s = expires_after_s;
            view.forwarded_from = forwarded_from;
            view.thread = quote(store, &letter.chat, thread)?;
            view.reply_to = quote(store, &letter.chat, reply_to)?;
            view.edited_at = merged.edited.as_ref().map(|(_, at_unix_ms)| rfc3339(*at_unix_ms));
            fill_words(view, merged.edited.map_or(words, |(words, _)| words));
        }
        Some(LetterBody::ContactCard(card)) => {
            let ContactCard { address, name, note } = card;
            view.card = Some(CardView { address, name: name.to_string(), note: note.to_string() });
        }
        Some(LetterBody::Location(location)) => view.location = Some(place(&location)),
        Some(LetterBody::Poll(poll)) => view.poll = Some(counted(&poll, &merged.votes)),
        Some(_) | None => {
            view.unknown_kind = (shown(letter.kind) == Shown::Unknown).then_some(letter.kind);
            return Ok(());
        }
    }
    if letter.kind != hobnob_wire::letter::kind::TEXT {
        view.text = body(letter).as_ref().map(said).unwrap_or_default();
    }
    Ok(())
}

fn fill_words(view: &mut LetterView, words: Words) {
    view.text = words.text.to_string();
    view.subject = words.subject.map(|subject| subject.to_string());
    view.lang = words.lang.map(|lang| lang.to_string());
    view.alternatives =
        words.alternatives.iter().map(|other| (other.lang.to_string(), other.text.to_string())).collect();
    view.mentions = words.mentions.into_vec();
}

fn place(location: &Location) -> LocationView {
    const TEN_MILLIONTHS: f64 = 1e7;
    LocationView {
        latitude: f64::from(location.latitude.ten_millionths()) / TEN_MILLIONTHS,
        longitude: f64::from(location.longitude.ten_millionths()) / TEN_MILLIONTHS,
        accuracy_m: location.accuracy_m,
        place: location.place.to_string(),
    }
}

fn counted(poll: &Poll, votes: &[(Address, Vec<u8>)]) -> PollView {
    let counted = count(poll.options.len(), poll.multiple, votes);
    let options = poll.options.iter().zip(counted);
    PollView {
        question: poll.question.to_string(),
        options: options.map(|(text, by)| OptionView { text: text.to_string(), by }).collect(),
        multiple: poll.multiple,
    }
}

/// How a letter begins that another one refers to. Letters of other chats are not looked at.
fn quote<S: Store>(
    store: &mut S,
    chat: &Address,
    letter: Option<LetterRef>,
) -> Result<Option<QuoteView>, S::Error> {
    let Some(LetterRef { author, id }) = letter else {
        return Ok(None);
    };
    let quoted = store.letter(&author, id)?.filter(|quoted| quoted.chat == *chat);
    let words = quoted.map(|quoted| plain(store, &quoted)).transpose()?.filter(|words| !words.is_empty());
    let text = words.map(|words| words.chars().take(QUOTE_MARKS_MAX).collect());
    Ok(Some(QuoteView { id, from: author, text }))
}

/// Whether one of the user's keywords stands in words, as a word, in any case.
fn alerts<S: Store>(store: &mut S, text: &str) -> Result<bool, S::Error> {
    let keywords = settings::keywords(store)?;
    if keywords.is_empty() {
        return Ok(false);
    }
    let text = text.to_lowercase();
    Ok(keywords.iter().any(|keyword| has_word(&text, &keyword.to_lowercase())))
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |mark: Option<char>| mark.is_some_and(char::is_alphanumeric);
    text.match_indices(word).any(|(at, _)| {
        !is_part(text[..at].chars().next_back()) && !is_part(text[at + word.len()..].chars().next())
    })
}

/// A letter of a chat by its identifier, whoever wrote it.
pub(super) fn find<S: Store>(
    store: &mut S,
    chat: Option<&Address>,
    id: LetterId,
) -> Result<Option<StoredLetter>, S::Error> {
    let found = store.any_letter(id)?.filter(|letter| shown(letter.kind) != Shown::Not);
    Ok(found.filter(|letter| chat.is_none_or(|chat| letter.chat == *chat)))
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn a_keyword_is_a_word_of_its_own() {
        assert!(has_word("the build, again", "build"));
        assert!(has_word("größe!", "größe"));
        assert!(!has_word("rebuild builds", "build"));
    }
}
