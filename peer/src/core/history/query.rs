//! What a person types to find letters.
//!
//! ```text
//! query  = term *( space term )
//! term   = [ "-" ] ( word [ "*" ] | quote phrase quote | field ":" value )
//! field  = "from" | "in" | "has" | "before" | "after"
//! ```
//!
//! All terms must hold; one with `-` must not. A word that ends in `*` is how a word begins. `from:me` is the
//! account itself; `before:` and `after:` take a [`moment`], and the day that is named belongs to what comes
//! after.

use hobnob_wire::Address;
use thiserror::Error;

use super::index::Holds;
use super::moment::moment;
use super::words::Phrase;

/// Longest query, in bytes.
pub const QUERY_BYTES_MAX: usize = 1_024;
/// Terms of one query. Each is looked up by itself.
pub const QUERY_TERMS_MAX: usize = 32;

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// What must hold.
    pub wanted: Vec<Term>,
    /// What must not.
    pub unwanted: Vec<Term>,
    /// Written at this time or later, in Unix milliseconds by the author's clock.
    pub after: Option<u64>,
    /// Written before this time.
    pub before: Option<u64>,
}

/// Something that a letter does or does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// These words.
    Words(Phrase),
    /// This author.
    From(Address),
    /// A place in this chat.
    In(Address),
    /// Something besides words.
    Has(Holds),
}

impl Query {
    /// The phrases that must be there.
    pub fn phrases(&self) -> impl Iterator<Item = &Phrase> {
        self.wanted.iter().filter_map(|term| match term {
            Term::Words(phrase) => Some(phrase),
            Term::From(_) | Term::In(_) | Term::Has(_) => None,
        })
    }
}

/// Why a text is no query. The fault of who typed it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum QueryError {
    /// It names nothing.
    #[error("there is nothing to look for: type words, a \"phrase\", or from:, in:, has:, before:, after:")]
    Empty,
    /// It is longer than anybody types.
    #[error("a search may have {QUERY_BYTES_MAX} bytes; this has {len}")]
    TooLong {
        /// Its bytes.
        len: usize,
    },
    /// It has more terms than anybody types.
    #[error("a search may have {QUERY_TERMS_MAX} words and filters")]
    TooManyTerms,
    /// A quote is open.
    #[error("a quote (\") is not closed")]
    OpenQuote,
    /// A filter without a value.
    #[error("{field}: wants a value right behind it, as in {field}:{example}")]
    NoValue {
        /// Which.
        field: &'static str,
        /// A value that it takes.
        example: &'static str,
    },
    /// The value is no address.
    #[error("`{value}` is not an address; {field}: takes a name or name@domain")]
    NotAnAddress {
        /// Of which filter.
        field: &'static str,
        /// The value.
        value: String,
    },
    /// The value is no date.
    #[error(
        "`{value}` is not a date; {field}: takes 2026, 2026-11, 2026-11-21, 2026-11-21T07:40, today, yesterday, or an age as 12h, 7d, 2w, 1y"
    )]
    NotADate {
        /// Of which filter.
        field: &'static str,
        /// The value.
        value: String,
    },
    /// Letters hold no such thing.
    #[error("`{value}` is nothing that a letter holds; has: takes {}", holds_names())]
    HasWhat {
        /// The value.
        value: String,
    },
    /// A date with a minus.
    #[error("-{field}: makes no sense; leave the - out, or turn before: and after: round")]
    NotADateToExclude {
        /// Which filter.
        field: &'static str,
    },
}

fn holds_names() -> String {
    Holds::ALL.map(|(name, _)| name).join(", ")
}

/// A filter that can be typed, and a value that it takes.
const FIELDS: [(&str, &str); 5] =
    [("from", "bob"), ("in", "bob"), ("has", "link"), ("before", "2026-11-21"), ("after", "7d")];

/// A term as it was typed.
struct Typed<'a> {
    unwanted: bool,
    field: Option<(&'static str, &'static str)>,
    text: &'a str,
    quoted: bool,
}

/// Reads what `own` has typed at `now`, in Unix milliseconds.
///
/// # Errors
/// [`QueryError`], in words for the user.
pub fn parse(text: &str, own: &Address, now_unix_ms: u64) -> Result<Query, QueryError> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(QueryError::TooLong { len: text.len() });
    }
    let mut query = Query::default();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (typed, behind) = next(rest)?;
        take(&mut query, &typed, own, now_unix_ms)?;
        if query.wanted.len() + query.unwanted.len() > QUERY_TERMS_MAX {
            return Err(QueryError::TooManyTerms);
        }
        rest = behind.trim_start();
    }
    let is_empty = query.wanted.is_empty() && query.unwanted.is_empty();
    if is_empty && query.before.is_none() && query.after.is_none() {
        return Err(QueryError::Empty);
    }
    Ok(query)
}

/// The first term of `text`, and what is behind it.
fn next(text: &str) -> Result<(Typed<'_>, &str), QueryError> {
    let (unwanted, text) = match text.strip_prefix('-') {
        Some(rest) if rest.starts_with(|next: char| !next.is_whitespace()) => (true, rest),
        _ => (false, text),
    };
    let (field, text) = field(text);
    let (text, quoted, behind) = match text.strip_prefix('"') {
        Some(inside) => {
            let (inside, behind) = inside.split_once('"').ok_or(QueryError::OpenQuote)?;
            (inside, true, behind)
        }
        None => {
            let end = text.find(|next: char| next.is_whitespace() || next == '"').unwrap_or(text.len());
            (&text[..end], false, &text[end..])
        }
    };
    Ok((Typed { unwanted, field, text, quoted }, behind))
}

/// The filter that a text begins with, and what is behind its colon.
fn field(text: &str) -> (Option<(&'static str, &'static str)>, &str) {
    let known = text.split_once(':').and_then(|(name, rest)| {
        let known = FIELDS.iter().find(|(field, _)| name.eq_ignore_ascii_case(field))?;
        Some((*known, rest))
    });
    match known {
        Some((field, rest)) => (Some(field), rest),
        None => (None, text),
    }
}

fn take(query: &mut Query, typed: &Typed<'_>, own: &Address, now: u64) -> Result<(), QueryError> {
    let Some((field, example)) = typed.field else {
        let (text, open) = match typed.text.strip_suffix('*') {
            Some(beginning) if !typed.quoted => (beginning, true),
            _ => (typed.text, false),
        };
        // What holds no word, as a lone `&`, asks for nothing.
        if let Some(phrase) = Phrase::new(text, open) {
            push(query, typed.unwanted, Term::Words(phrase));
        }
        return Ok(());
    };
    let value = typed.text;
    if value.is_empty() {
        return Err(QueryError::NoValue { field, example });
    }
    let term = match field {
        "from" => Term::From(address(field, value, own)?),
        "in" => Term::In(address(field, value, own)?),
        "has" => {
            let known = Holds::ALL.iter().find(|(name, _)| value.eq_ignore_ascii_case(name));
            Term::Has(known.ok_or_else(|| QueryError::HasWhat { value: value.to_owned() })?.1)
        }
        _ if typed.unwanted => return Err(QueryError::NotADateToExclude { field }),
        _ => {
            let at =
                moment(value, now).ok_or_else(|| QueryError::NotADate { field, value: value.to_owned() })?;
            // Of several the narrowest counts.
            if field == "before" {
                query.before = Some(query.before.map_or(at, |before| before.min(at)));
            } else {
                query.after = Some(query.after.map_or(at, |after| after.max(at)));
            }
            return Ok(());
        }
    };
    push(query, typed.unwanted, term);
    Ok(())
}

fn push(query: &mut Query, unwanted: bool, term: Term) {
    let terms = if unwanted { &mut query.unwanted } else { &mut query.wanted };
    if !terms.contains(&term) {
        terms.push(term);
    }
}

fn address(field: &'static str, value: &str, own: &Address) -> Result<Address, QueryError> {
    if value.eq_ignore_ascii_case("me") {
        return Ok(own.clone());
    }
    Address::parse(value.strip_prefix('@').unwrap_or(value), &own.domain())
        .map_err(|_| QueryError::NotAnAddress { field, value: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_795_246_821_123; // 2026-11-21T07:40:21.123Z

    fn own() -> Address {
        "alice@example.org".parse().unwrap()
    }

    fn read(text: &str) -> Result<Query, QueryError> {
        parse(text, &own(), NOW)
    }

    fn phrase(text: &str, open: bool) -> Term {
        Term::Words(Phrase::new(text, open).unwrap())
    }

    #[test]
    fn words_phrases_and_exclusions() {
        let query = read(r#"hello "big house" -boat wor* -"a b" & hello"#).unwrap();
        let wanted = [phrase("hello", false), phrase("big house", false), phrase("wor", true)];
        assert_eq!(query.wanted, wanted);
        assert_eq!(query.unwanted, [phrase("boat", false), phrase("a b", false)]);
        assert_eq!(read("x-ray").unwrap().wanted, [phrase("x ray", false)]);
        assert_eq!(read("https://example.org").unwrap().wanted, [phrase("https example org", false)]);
        assert_eq!(read(r#""a*""#).unwrap().wanted, [phrase("a", false)]);
        assert_eq!(read("-only").unwrap().unwanted, [phrase("only", false)]);
    }

    #[test]
    fn filters_name_people_chats_things_and_times() {
        let query = read("from:bob IN:Carol@Other.org has:link -from:me after:7d before:2026-11-21").unwrap();
        let bob = "bob@example.org".parse().unwrap();
        let carol = "carol@other.org".parse().unwrap();
        assert_eq!(query.wanted, [Term::From(bob), Term::In(carol), Term::Has(Holds::Link)]);
        assert_eq!(query.unwanted, [Term::From(own())]);
        assert_eq!(query.after, Some(NOW - 7 * 86_400_000));
        assert_eq!(query.before, moment("2026-11-21", NOW));
        let narrow = read("after:2025 after:2026 before:2028 before:\"2027\"").unwrap();
        assert_eq!((narrow.after, narrow.before), (moment("2026", NOW), moment("2027", NOW)));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_would() {
        for (text, error) in [
            ("", QueryError::Empty),
            (" & - ", QueryError::Empty),
            ("\"a", QueryError::OpenQuote),
            ("from:", QueryError::NoValue { field: "from", example: "bob" }),
            ("after: 7d", QueryError::NoValue { field: "after", example: "7d" }),
            ("in:a@@b", QueryError::NotAnAddress { field: "in", value: "a@@b".into() }),
            ("before:soon", QueryError::NotADate { field: "before", value: "soon".into() }),
            ("has:wings", QueryError::HasWhat { value: "wings".into() }),
            ("-after:7d x", QueryError::NotADateToExclude { field: "after" }),
        ] {
            assert_eq!(read(text), Err(error), "{text}");
        }
        assert_eq!(read(&"a".repeat(1_025)), Err(QueryError::TooLong { len: 1_025 }));
        let many: Vec<String> = (0..33).map(|number| number.to_string()).collect();
        assert_eq!(read(&many.join(" ")), Err(QueryError::TooManyTerms));
    }

    proptest! {
        #[test]
        fn any_text_is_a_query_within_its_limits_or_refused(text in "\\PC{0,80}") {
            if let Ok(query) = read(&text) {
                prop_assert!(query.wanted.len() + query.unwanted.len() <= QUERY_TERMS_MAX);
                for phrase in query.phrases() {
                    prop_assert!(!phrase.words().is_empty());
                }
            }
        }
    }
}
