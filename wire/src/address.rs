//! Addresses of accounts: `name@domain`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::bounded::bounded_str;
use crate::limits::{ADDRESS_BYTES_MAX, DOMAIN_BYTES_MAX, NAME_BYTES_MAX};

/// Why a text is not an address.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// The part before the `@` breaks a rule.
    #[error(
        "a name is 1 to {NAME_BYTES_MAX} of a-z, 0-9, `.`, `_`, `-` and begins and ends with a letter or digit"
    )]
    Name,
    /// The part after the `@` breaks a rule.
    #[error("a domain is labels of a-z, 0-9 and `-` joined by dots, at most {DOMAIN_BYTES_MAX} bytes")]
    Domain,
    /// There is no `@`, and no domain to complete it with.
    #[error("an address is name@domain")]
    NoDomain,
}

/// The local part of an address, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

/// The domain of an address, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(Box<str>);

/// An account's address. Always complete; upper case is folded when parsed from text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// `name@domain`; one allocation, because lists hold many.
    text: Box<str>,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= NAME_BYTES_MAX
        && bytes.first().is_some_and(|first| is_word(*first))
        && bytes.last().is_some_and(|last| is_word(*last))
        && bytes.iter().all(|byte| is_word(*byte) || matches!(byte, b'.' | b'_' | b'-'))
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|byte| is_word(*byte) || *byte == b'-')
            && bytes[0] != b'-'
            && bytes[bytes.len() - 1] != b'-'
    };
    text.len() <= DOMAIN_BYTES_MAX && text.split('.').all(is_label)
}

fn is_address(text: &str) -> Result<(), AddressError> {
    let (name, domain) = text.split_once('@').ok_or(AddressError::NoDomain)?;
    if !is_name(name) {
        return Err(AddressError::Name);
    }
    if is_domain(domain) { Ok(()) } else { Err(AddressError::Domain) }
}

impl Name {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Domain {
    /// The domain.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Address {
    /// Puts a name and a domain together.
    #[must_use]
    pub fn new(name: &Name, domain: &Domain) -> Self {
        Self { text: format!("{}@{}", name.0, domain.0).into() }
    }

    /// Parses an address, completing a missing domain with `home`.
    ///
    /// # Errors
    /// [`AddressError`] naming the part that is wrong.
    pub fn parse(text: &str, home: &Domain) -> Result<Self, AddressError> {
        if text.contains('@') { text.parse() } else { Ok(Self::new(&text.parse()?, home)) }
    }

    /// The part before the `@`.
    #[must_use]
    pub fn name(&self) -> Name {
        Name(self.text.split_once('@').map_or("", |(name, _)| name).into())
    }

    /// The part after the `@`.
    #[must_use]
    pub fn domain(&self) -> Domain {
        Domain(self.text.split_once('@').map_or("", |(_, domain)| domain).into())
    }

    /// `name@domain`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Name {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > NAME_BYTES_MAX {
            return Err(AddressError::Name);
        }
        let text = text.to_ascii_lowercase();
        if is_name(&text) { Ok(Self(text.into())) } else { Err(AddressError::Name) }
    }
}

impl FromStr for Domain {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > DOMAIN_BYTES_MAX {
            return Err(AddressError::Domain);
        }
        let text = text.to_ascii_lowercase();
        if is_domain(&text) { Ok(Self(text.into())) } else { Err(AddressError::Domain) }
    }
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (name, domain) = text.split_once('@').ok_or(AddressError::NoDomain)?;
        Ok(Self::new(&name.parse()?, &domain.parse()?))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! validated_str {
    ($name:ident, $max:ident, $field:tt, $check:expr) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.$field)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = bounded_str::<D, $max>(deserializer)?;
                $check(&text).map_err(de::Error::custom)?;
                Ok(Self { $field: text })
            }
        }
    };
}

validated_str!(Name, NAME_BYTES_MAX, 0, |text: &str| is_name(text).then_some(()).ok_or(AddressError::Name));
validated_str!(Domain, DOMAIN_BYTES_MAX, 0, |text: &str| is_domain(text)
    .then_some(())
    .ok_or(AddressError::Domain));
validated_str!(Address, ADDRESS_BYTES_MAX, text, is_address);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_case_is_folded_and_a_missing_domain_is_completed() {
        let home: Domain = "Example.org".parse().unwrap();
        assert_eq!(Address::parse("Alice", &home).unwrap().as_str(), "alice@example.org");
        assert_eq!(Address::parse("Bob@Elsewhere.net", &home).unwrap().as_str(), "bob@elsewhere.net");
    }

    #[test]
    fn names_and_domains_that_could_mislead_are_refused() {
        for text in ["", "-a", "a-", ".a", "a b", "ä", "a@", "a@b@c", "a@-b", "a@b..c", "a@b.", "a\u{202e}b"]
        {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
        assert_eq!("a".repeat(33).parse::<Name>(), Err(AddressError::Name));
        assert_eq!("alice".parse::<Address>(), Err(AddressError::NoDomain));
    }
}
