//! What of a letter can be found: its words, and facts about it.
//!
//! Both are lists of words with spaces between them that hold nothing but letters, digits and marks, so a
//! store needs to know nothing of languages. A fact is a letter that tells what it is about, and a value.

use data_encoding::HEXLOWER;
use hobnob_wire::Address;
use hobnob_wire::letter::{LetterBody, Words, kind};

use super::words::words;
use crate::core::letters::store::StoredLetter;

/// What a letter may hold besides words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    /// The address of a page or of something else.
    Link,
    /// Somebody who is introduced.
    Contact,
    /// A place.
    Location,
    /// A question with answers to choose from.
    Poll,
}

impl Holds {
    /// All of them, by the names that people type.
    pub const ALL: [(&'static str, Self); 4] = [
        ("link", Self::Link),
        ("contact", Self::Contact),
        ("location", Self::Location),
        ("poll", Self::Poll),
    ];

    /// The fact that a letter holds it.
    #[must_use]
    pub const fn fact(self) -> &'static str {
        match self {
            Self::Link => "hlink",
            Self::Contact => "hcontact",
            Self::Location => "hlocation",
            Self::Poll => "hpoll",
        }
    }
}

/// A fact that every letter has, so that a search may name nothing but what it does not want.
pub const ANY: &str = "any";

/// The fact that an account wrote a letter.
#[must_use]
pub fn from(author: &Address) -> String {
    format!("f{}", HEXLOWER.encode(author.as_str().as_bytes()))
}

/// The fact that a letter belongs to a chat.
#[must_use]
pub fn within(chat: &Address) -> String {
    format!("c{}", HEXLOWER.encode(chat.as_str().as_bytes()))
}

/// What is kept to find a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its words, in order.
    pub words: String,
    /// Facts about it.
    pub facts: String,
}

/// What a letter says, in words, as last `edited`; `None` for letters that say nothing.
#[must_use]
pub fn spoken(letter: &StoredLetter, edited: Option<&Words>) -> Option<String> {
    match LetterBody::decode(letter.kind, &letter.body).ok()? {
        LetterBody::Text(text) => Some(all(edited.unwrap_or(&text.words))),
        LetterBody::ContactCard(card) => {
            Some([card.name.as_str(), card.address.as_str(), card.note.as_str()].join("\n"))
        }
        LetterBody::Location(location) => Some(location.place.to_string()),
        LetterBody::Poll(poll) => {
            let options = poll.options.iter().map(|option| option.as_str());
            Some([poll.question.as_str()].into_iter().chain(options).collect::<Vec<_>>().join("\n"))
        }
        LetterBody::Nudge(_)
        | LetterBody::Receipt(_)
        | LetterBody::Offer(_)
        | LetterBody::OfferEnd(_)
        | LetterBody::Edit(_)
        | LetterBody::Delete(_)
        | LetterBody::Reaction(_)
        | LetterBody::Vote(_)
        | LetterBody::OwnSync(_)
        | LetterBody::Unknown { .. } => None,
    }
}

/// Words with their subject, in all languages.
fn all(said: &Words) -> String {
    let subject = said.subject.iter().map(|subject| subject.as_str());
    let others = said.alternatives.iter().map(|other| other.text.as_str());
    subject.chain([said.text.as_str()]).chain(others).collect::<Vec<_>>().join("\n")
}

/// What is kept to find a letter that says `text`.
#[must_use]
pub fn entry(letter: &StoredLetter, text: &str) -> Entry {
    let mut facts = vec![ANY.to_owned(), from(&letter.author), within(&letter.chat)];
    let holds = [
        (has_link(text), Holds::Link),
        (letter.kind == kind::CONTACT_CARD, Holds::Contact),
        (letter.kind == kind::LOCATION, Holds::Location),
        (letter.kind == kind::POLL, Holds::Poll),
    ];
    facts.extend(holds.iter().filter(|(holds, _)| *holds).map(|(_, what)| what.fact().to_owned()));
    let folded: Vec<String> = words(text).into_iter().map(|word| word.folded).collect();
    Entry { words: folded.join(" "), facts: facts.join(" ") }
}

/// Whether a text holds `scheme://something`.
fn has_link(text: &str) -> bool {
    text.match_indices("://").any(|(at, _)| {
        let scheme = text[..at].ends_with(|before: char| before.is_ascii_alphanumeric());
        let rest = text[at + 3..].chars().next();
        scheme && rest.is_some_and(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use hobnob_wire::LetterId;
    use hobnob_wire::bounded::{List, Text};
    use hobnob_wire::letter::{Poll, TextBody};

    use super::*;
    use crate::core::view::LetterState;

    fn letter(body: &LetterBody) -> StoredLetter {
        let (kind, body) = body.encode().unwrap();
        StoredLetter {
            id: LetterId::new([1; 16]),
            author: "bob@b".parse().unwrap(),
            to: "alice@a".parse().unwrap(),
            chat: "bob@b".parse().unwrap(),
            at_unix_ms: 0,
            received_unix_ms: 0,
            kind,
            body,
            thread: None,
            expires: None,
            state: LetterState::Read,
            error: None,
        }
    }

    fn said(text: &str) -> Words {
        let subject = Some(Text::new("Address").unwrap());
        Words { text: Text::new(text).unwrap(), subject, ..Words::default() }
    }

    #[test]
    fn an_entry_has_the_words_and_the_facts() {
        let words = said("See https://example.org/Ä");
        let letter = letter(&LetterBody::Text(TextBody { words, ..TextBody::default() }));
        let first = entry(&letter, &spoken(&letter, None).unwrap());
        assert_eq!(first.words, "address see https example org a");
        assert_eq!(first.facts, "any f626f624062 c626f624062 hlink");
        let edited = entry(&letter, &spoken(&letter, Some(&said("nowhere"))).unwrap());
        assert_eq!(
            edited,
            Entry { words: "address nowhere".into(), facts: "any f626f624062 c626f624062".into() }
        );
    }

    #[test]
    fn a_poll_is_found_by_its_options() {
        let option = |text: &str| Text::new(text).unwrap();
        let options = List::new(vec![option("Monday"), option("Tuesday")]).unwrap();
        let poll = Poll { question: Text::new("When?").unwrap(), options, multiple: false };
        let letter = letter(&LetterBody::Poll(poll));
        let entry = entry(&letter, &spoken(&letter, None).unwrap());
        assert_eq!(entry.words, "when monday tuesday");
        assert!(entry.facts.ends_with(" hpoll"));
    }

    #[test]
    fn a_letter_that_says_nothing_is_not_found() {
        assert_eq!(spoken(&letter(&LetterBody::Nudge(hobnob_wire::letter::Nudge {})), None), None);
    }

    #[test]
    fn a_link_has_a_scheme_and_goes_somewhere() {
        for (text, is_link) in [
            ("http://a", true),
            ("(see ftp://b.c)", true),
            ("https://пример.рф", true),
            ("://x", false),
            ("a :// b", false),
            ("a://", false),
            ("and/or", false),
        ] {
            assert_eq!(has_link(text), is_link, "{text}");
        }
    }
}
