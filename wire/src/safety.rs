//! The safety number: what two people compare, by voice or by camera, to know that nobody stands between them.
//!
//! Each account has a half of 30 digits, made from its root A and its address; the number is both halves, the
//! smaller first, so both sides see the same. It changes only when one of the roots does: not with devices, and not
//! with a lost password.
//!
//! A half is worth 99 bits (10³⁰). An attacker who wants to pass for somebody must find a root whose half for that
//! very address is the same, which takes about 2⁹⁹ keys: out of reach without making the hash slow, so it is computed
//! once. Because the address goes into it, work against one account helps against no other.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::address::Address;
use crate::keys::VerifyKey;

/// Digits of a number.
const DIGITS: usize = 60;
/// Digits in one group.
const GROUP: usize = 5;
/// Groups in one half.
const HALF_GROUPS: usize = 6;
/// Bytes of the hash that become one group: 40 bits, so that no group is likelier than another by more than 10⁻⁷.
const GROUP_BYTES: usize = 5;
/// What a number begins with when it is shown as a code for cameras.
const LINK: &str = "hobnob:verify?";

/// 60 digits that are the same on both sides.
#[derive(Clone, PartialEq, Eq)]
pub struct SafetyNumber(String);

/// The text is not a safety number.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BadNumber {
    /// There are more or fewer digits.
    #[error("a safety number has 60 digits; this has {0}")]
    Length(usize),
    /// There is something else than digits and spaces.
    #[error("`{0}` does not occur in safety numbers")]
    Symbol(char),
}

impl SafetyNumber {
    /// The number of two accounts, each an address and its root, in any order.
    #[must_use]
    pub fn of(one: (&Address, &VerifyKey), other: (&Address, &VerifyKey)) -> Self {
        let mut halves = [half(one.0, one.1), half(other.0, other.1)];
        halves.sort();
        Self(halves.concat())
    }

    /// The digits without spaces.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// What a camera is shown: the number, and from whom it is.
    #[must_use]
    pub fn link(&self, from: &Address) -> String {
        format!("{LINK}from={from}&number={}", self.0)
    }
}

/// The half of one account.
fn half(address: &Address, root: &VerifyKey) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("hobnob 1 safety number");
    hasher.update(root.as_bytes()).update(address.as_str().as_bytes());
    let mut bytes = [0; HALF_GROUPS * GROUP_BYTES];
    hasher.finalize_xof().fill(&mut bytes);
    let group = |bytes: &[u8]| bytes.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    bytes.chunks(GROUP_BYTES).map(|bytes| format!("{:05}", group(bytes) % 100_000)).collect()
}

/// In groups of five with spaces between them.
impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, digit) in self.0.char_indices() {
            if at > 0 && at % GROUP == 0 {
                f.write_str(" ")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafetyNumber({self})")
    }
}

/// Reads a number as people type it, with any spaces, or as a camera sees it.
impl FromStr for SafetyNumber {
    type Err = BadNumber;

    fn from_str(text: &str) -> Result<Self, BadNumber> {
        let text = text.trim();
        let number = text.strip_prefix(LINK).map_or(text, |query| {
            query.split('&').find_map(|part| part.strip_prefix("number=")).unwrap_or_default()
        });
        let mut digits = String::with_capacity(DIGITS);
        let mut count = 0;
        for symbol in number.chars().filter(|symbol| !symbol.is_whitespace()) {
            if !symbol.is_ascii_digit() {
                return Err(BadNumber::Symbol(symbol));
            }
            count += 1;
            if count <= DIGITS {
                digits.push(symbol);
            }
        }
        if count == DIGITS { Ok(Self(digits)) } else { Err(BadNumber::Length(count)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SigningKey;

    fn account(name: &str, seed: u8) -> (Address, VerifyKey) {
        (name.parse().unwrap(), SigningKey::from_seed(&[seed; 32]).verify_key())
    }

    fn number(one: &(Address, VerifyKey), other: &(Address, VerifyKey)) -> SafetyNumber {
        SafetyNumber::of((&one.0, &one.1), (&other.0, &other.1))
    }

    #[test]
    fn both_sides_see_the_same_number_and_it_reads_back() {
        let (alice, bob) = (account("alice@example.org", 1), account("bob@example.org", 2));
        let seen = number(&alice, &bob);
        assert_eq!(seen, number(&bob, &alice));
        assert_eq!(seen.digits().len(), 60);
        assert_eq!(seen.to_string().len(), 71);
        assert_eq!(seen.to_string().parse(), Ok(seen.clone()));
        assert_eq!(seen.link(&alice.0).parse(), Ok(seen));
    }

    #[test]
    fn another_root_and_another_address_give_another_number() {
        let (alice, bob) = (account("alice@example.org", 1), account("bob@example.org", 2));
        let seen = number(&alice, &bob);
        assert_ne!(seen, number(&alice, &account("bob@example.org", 3)));
        assert_ne!(seen, number(&alice, &account("bob@example.com", 2)));
    }

    #[test]
    fn what_is_no_number_says_why() {
        assert_eq!("12345 678".parse::<SafetyNumber>(), Err(BadNumber::Length(8)));
        assert_eq!("12345x".parse::<SafetyNumber>(), Err(BadNumber::Symbol('x')));
        assert_eq!("1".repeat(61).parse::<SafetyNumber>(), Err(BadNumber::Length(61)));
        assert_eq!("hobnob:verify?from=a@b".parse::<SafetyNumber>(), Err(BadNumber::Length(0)));
    }
}
