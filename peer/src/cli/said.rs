//! What a letter says and what came of it, in a few lines for people.

use super::shown;
use crate::core::chat::view::{CardView, LetterKind, LetterView, LocationView, PollView, QuoteView};

/// What a letter says; all lines but the first begin with `indent` spaces.
pub(super) fn content(letter: &LetterView, indent: usize) -> String {
    let mut parts = Vec::new();
    if let Some(from) = &letter.forwarded_from {
        parts.push(format!("[from {from}]"));
    }
    if let Some(quote) = letter.reply_to.as_ref().or(letter.thread.as_ref()) {
        parts.push(quoted(quote));
    }
    if let Some(subject) = &letter.subject {
        parts.push(format!("{}:", shown::line(subject)));
    }
    parts.push(words(letter, indent));
    parts.extend(notes(letter));
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

fn words(letter: &LetterView, indent: usize) -> String {
    if letter.deleted {
        return "[taken back]".to_owned();
    }
    match letter.kind {
        LetterKind::Text => shown::lines(&letter.text, indent),
        LetterKind::Nudge => "[nudge]".to_owned(),
        LetterKind::Card => letter.card.as_ref().map(card).unwrap_or_default(),
        LetterKind::Location => letter.location.as_ref().map(location).unwrap_or_default(),
        LetterKind::Poll => letter.poll.as_ref().map(|poll| counted(poll, indent)).unwrap_or_default(),
        LetterKind::Unknown => {
            let number = letter.unknown_kind.unwrap_or_default();
            format!("[a letter of kind {number}, which a newer hobnob will show]")
        }
    }
}

fn quoted(quote: &QuoteView) -> String {
    let name = quote.from.name();
    let text = quote.text.as_deref().and_then(|text| text.lines().next());
    format!("[to {}: {}]", name.as_str(), text.map_or_else(|| "…".to_owned(), shown::line))
}

fn card(card: &CardView) -> String {
    let name = if card.name.is_empty() { String::new() } else { format!("{} ", shown::line(&card.name)) };
    let note = if card.note.is_empty() { String::new() } else { format!(" {}", shown::line(&card.note)) };
    format!("[contact] {name}<{}>{note}", card.address)
}

fn location(location: &LocationView) -> String {
    let within = location.accuracy_m.map_or_else(String::new, |meters| format!(" ±{meters} m"));
    let place =
        if location.place.is_empty() { String::new() } else { format!(" {}", shown::line(&location.place)) };
    format!("[place] {}, {}{within}{place}", location.latitude, location.longitude)
}

fn counted(poll: &PollView, indent: usize) -> String {
    let mut text = format!("[poll] {}", shown::line(&poll.question));
    for (number, option) in poll.options.iter().enumerate() {
        let votes = option.by.len();
        text.push_str(&format!("\n{:indent$}{}. {}: {votes}", "", number + 1, shown::line(&option.text)));
    }
    text
}

/// What came of it.
fn notes(letter: &LetterView) -> Vec<String> {
    let mut notes = Vec::new();
    if letter.edited_at.is_some() {
        notes.push("[edited]".to_owned());
    }
    for reaction in &letter.reactions {
        let people: Vec<String> = reaction.by.iter().map(|by| by.name().as_str().to_owned()).collect();
        notes.push(format!("[{} {}]", shown::line(&reaction.reaction), people.join(", ")));
    }
    if let Some(at) = &letter.expires_at {
        notes.push(format!("[until {}]", super::letters::time(at)));
    } else if let Some(seconds) = letter.expires_after_s {
        notes.push(format!("[for {seconds} s]"));
    }
    notes
}
