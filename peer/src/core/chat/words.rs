//! From what people type to what letters carry: normalized, checked, with whom it mentions.

use hobnob_wire::bounded::{List, Text};
use hobnob_wire::codec::Frame;
use hobnob_wire::letter::{Alternative, LetterBody, Words};
use hobnob_wire::limits::{ALTERNATIVES_MAX, LETTER_TEXT_BYTES_MAX, MENTIONS_MAX};
use hobnob_wire::{Address, codec};
use unicode_normalization::UnicodeNormalization;

use super::command::NewWords;
use crate::core::command::{CommandError, ErrorKind};

pub(super) fn usage(text: impl Into<String>) -> CommandError {
    CommandError::new(ErrorKind::Usage, text)
}

/// A text within its limit, in normalization form C. Direction marks stay; whoever shows the text isolates them.
pub(super) fn text<const MAX: usize>(what: &str, text: &str) -> Result<Text<MAX>, CommandError> {
    let text: String = text.nfc().collect();
    Text::new(text)
        .map_err(|error| usage(format!("{what} has {} bytes; at most {MAX} fit. Shorten it.", error.len)))
}

/// The same, without line breaks and not empty.
pub(super) fn line<const MAX: usize>(what: &str, words: &str) -> Result<Text<MAX>, CommandError> {
    let words = words.trim();
    if words.is_empty() || words.chars().any(char::is_control) {
        return Err(usage(format!("{what} must be one line that says something.")));
    }
    text(what, words)
}

fn said(words: &str) -> Result<Text<LETTER_TEXT_BYTES_MAX>, CommandError> {
    let words: String = words.nfc().collect();
    if words.is_empty() {
        return Err(usage("There is nothing to send. Write some text."));
    }
    Text::new(words).map_err(|error| {
        usage(format!(
            "The text has {} bytes; a letter holds at most {LETTER_TEXT_BYTES_MAX}. Send it as a file, or in parts.",
            error.len
        ))
    })
}

/// Words as they are sent. `knows` says whom they can mention.
pub(super) fn words(
    new: &NewWords,
    own: &Address,
    knows: impl Fn(&Address) -> bool,
) -> Result<Words, CommandError> {
    let text = said(&new.text)?;
    let subject = new.subject.as_deref().map(|subject| line("The subject", subject)).transpose()?;
    let mut alternatives = Vec::new();
    for (lang, words) in &new.alternatives {
        alternatives.push(Alternative { lang: lang.clone(), text: said(words)? });
    }
    let alternatives = List::new(alternatives).map_err(|error| {
        usage(format!("There are {} alternatives; at most {ALTERNATIVES_MAX} fit.", error.len))
    })?;
    let mut mentions = mentions(text.as_str(), own);
    mentions.retain(|address| knows(address));
    mentions.truncate(MENTIONS_MAX);
    let mentions = List::new(mentions).unwrap_or_default();
    Ok(Words { text, subject, lang: new.lang.clone(), alternatives, mentions })
}

/// Whether a body fits a letter as a whole.
pub(super) fn fits(body: &LetterBody) -> Result<(), CommandError> {
    match body.encode() {
        Ok(_) => Ok(()),
        Err(error) => Err(usage(format!(
            "All of it together is longer than the {} bytes of a letter. Shorten it, or leave an alternative out.",
            error.max
        ))),
    }
}

/// Who is meant by `@name` and `@name@domain`, each once. A name without a domain gets our own.
pub(crate) fn mentions(text: &str, own: &Address) -> Vec<Address> {
    let home = own.domain();
    let mut found: Vec<Address> = Vec::new();
    let part = |mark: char| mark.is_ascii_alphanumeric() || matches!(mark, '.' | '_' | '-' | '@');
    let mut before: Option<char> = None;
    let mut rest = text;
    while let Some(mark) = rest.chars().next() {
        let after = &rest[mark.len_utf8()..];
        if mark == '@' && before.is_none_or(|before| !part(before)) {
            let end = after.find(|mark| !part(mark)).unwrap_or(after.len());
            // What ends a sentence is no part of a name.
            let name = after[..end].trim_end_matches(['.', '-', '_', '@']);
            if let Ok(address) = Address::parse(name, &home)
                && !found.contains(&address)
            {
                found.push(address);
            }
        }
        before = Some(mark);
        rest = after;
    }
    found
}

/// Decodes a stored body; what is erased or damaged says nothing.
pub(super) fn stored<F: Frame>(body: &[u8]) -> Option<F> {
    codec::decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Address {
        "alice@example.org".parse().unwrap()
    }

    fn new(text: &str) -> NewWords {
        NewWords { text: text.to_owned(), ..NewWords::default() }
    }

    fn all(_: &Address) -> bool {
        true
    }

    #[test]
    fn words_are_composed_and_keep_their_direction_marks() {
        let words = words(&new("e\u{301}\u{202e}א"), &own(), all).unwrap();
        assert_eq!(words.text.as_str(), "é\u{202e}א");
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        let refused = |text: &str| words(&new(text), &own(), all).unwrap_err().kind;
        assert_eq!(refused(""), ErrorKind::Usage);
        assert!(words(&new(&"x".repeat(LETTER_TEXT_BYTES_MAX)), &own(), all).is_ok());
        assert_eq!(refused(&"x".repeat(LETTER_TEXT_BYTES_MAX + 1)), ErrorKind::Usage);
    }

    #[test]
    fn a_subject_is_one_line() {
        let with = |subject: &str| NewWords { subject: Some(subject.to_owned()), ..new("x") };
        assert!(words(&with("Lunch"), &own(), all).is_ok());
        for subject in ["", "  ", "two\nlines"] {
            words(&with(subject), &own(), all).unwrap_err();
        }
    }

    #[test]
    fn names_after_an_at_sign_are_mentions() {
        let found = |text: &str| mentions(text, &own()).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(found("@bob, ask @Carol@Example.com."), ["bob@example.org", "carol@example.com"]);
        assert_eq!(found("(@bob) @bob @bob@example.org"), ["bob@example.org"]);
        assert_eq!(found("mail bob@example.org, x@y, @, @@bob, @-bob"), [""; 0]);
        assert_eq!(found("grüß @bob!"), ["bob@example.org"]);
    }

    #[test]
    fn only_people_one_knows_are_mentioned() {
        let known = |address: &Address| address.name().as_str() == "bob";
        let words = words(&new("@bob and @nobody"), &own(), known).unwrap();
        assert_eq!(words.mentions.len(), 1);
    }
}
