//! Names of languages.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::bounded::bounded_str;
use crate::limits::LANGUAGE_BYTES_MAX;

/// A language tag as `de`, `pt-BR` or `zh-Hant-TW`: a primary subtag of two to eight letters, then subtags of
/// one to eight letters and digits (BCP 47, RFC 5646 §2.1). Kept in lower case; whether there is such a
/// language is not checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(Box<str>);

/// The text is not a language tag.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a language is a tag as `de`, `pt-BR` or `zh-Hant-TW`, at most {LANGUAGE_BYTES_MAX} bytes")]
pub struct NotALanguage;

fn is_language(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut parts = text.split('-');
    let primary = parts.next().unwrap_or_default();
    text.len() <= LANGUAGE_BYTES_MAX
        && (2..=8).contains(&primary.len())
        && primary.bytes().all(|byte| byte.is_ascii_lowercase())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(is_part))
}

impl Language {
    /// The tag, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Language {
    type Err = NotALanguage;
    fn from_str(text: &str) -> Result<Self, NotALanguage> {
        if text.len() > LANGUAGE_BYTES_MAX {
            return Err(NotALanguage);
        }
        let tag = text.to_ascii_lowercase();
        if is_language(&tag) { Ok(Self(tag.into())) } else { Err(NotALanguage) }
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Language {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = bounded_str::<D, LANGUAGE_BYTES_MAX>(deserializer)?;
        if is_language(&text) { Ok(Self(text)) } else { Err(de::Error::custom(NotALanguage)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_folded_and_checked_by_form() {
        for tag in ["de", "pt-br", "zh-hant-tw", "sl-rozaj-biske-1994", "de-x-a"] {
            assert_eq!(tag.parse::<Language>().unwrap().as_str(), tag);
        }
        assert_eq!("pt-BR".parse::<Language>().unwrap().as_str(), "pt-br");
        for text in ["", "d", "d3", "de-", "-de", "de--x", "abcdefghi", "de-abcdefghi", "dé", "de_DE", "x y"]
        {
            assert_eq!(text.parse::<Language>(), Err(NotALanguage), "{text}");
        }
        assert_eq!("de".repeat(20).parse::<Language>(), Err(NotALanguage));
    }
}
