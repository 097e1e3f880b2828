//! The recovery code: 128 random bits on paper from which the account root A can be made again.
//!
//! It is written as six groups of five of Crockford's 32 symbols: no I, L, O or U, upper or lower case,
//! look-alikes read as what they look like. The last 22 bits check the others, so a slip of the pen is
//! noticed before a wrong key is made.

use std::fmt;

use hobnob_wire::keys::SigningKey;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::core::time::Entropy;

const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_BYTES: usize = 16;
/// Code and check, cut off after the symbols' 150 bits.
const PACKED_BYTES: usize = 19;
const CODE_SYMBOLS: usize = 30;
const GROUP: usize = 5;
/// Bits of the last packed byte that symbols carry.
const LAST_MASK: u8 = 0b1111_1100;

/// Whoever has it owns the account. Wiped when dropped, never shown by `Debug`.
#[derive(PartialEq, Eq)]
pub struct RecoveryCode(Zeroizing<[u8; CODE_BYTES]>);

/// The text is not a recovery code.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RecoveryCodeError {
    /// There are more or fewer symbols than a code has.
    #[error("a recovery code has {CODE_SYMBOLS} letters and digits; this has {0}")]
    Length(usize),
    /// A symbol that codes do not use.
    #[error("`{0}` does not occur in recovery codes")]
    Symbol(char),
    /// The check does not fit: some symbol was mistyped.
    #[error("the recovery code has a typing error")]
    Check,
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode")
    }
}

impl RecoveryCode {
    /// A new code.
    #[must_use]
    pub fn new(entropy: &mut impl Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; CODE_BYTES]);
        entropy.fill(bytes.as_mut_slice());
        Self(bytes)
    }

    /// A, the account root that belongs to the code.
    #[must_use]
    pub fn root(&self) -> SigningKey {
        let seed = Zeroizing::new(blake3::derive_key("hobnob 1 account root", self.0.as_slice()));
        SigningKey::from_seed(&seed)
    }

    /// The code as its owner writes it down.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        let packed = self.packed();
        let mut text = Zeroizing::new(String::with_capacity(CODE_SYMBOLS + CODE_SYMBOLS / GROUP));
        for symbol in 0..CODE_SYMBOLS {
            if symbol > 0 && symbol % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(SYMBOLS[usize::from(five_bits(&packed, symbol))]));
        }
        text
    }

    /// Reads a code as people type it: any case, with or without dashes and spaces.
    ///
    /// # Errors
    /// [`RecoveryCodeError`].
    pub fn parse(text: &str) -> Result<Self, RecoveryCodeError> {
        let mut packed = Zeroizing::new([0u8; PACKED_BYTES]);
        let mut count = 0;
        for symbol in text.chars().filter(|symbol| !symbol.is_whitespace() && *symbol != '-') {
            let value = value_of(symbol).ok_or(RecoveryCodeError::Symbol(symbol))?;
            if count < CODE_SYMBOLS {
                put_five_bits(&mut packed, count, value);
            }
            count += 1;
        }
        if count != CODE_SYMBOLS {
            return Err(RecoveryCodeError::Length(count));
        }
        let mut code = Zeroizing::new([0; CODE_BYTES]);
        code.copy_from_slice(&packed[..CODE_BYTES]);
        let code = Self(code);
        if *code.packed() == *packed { Ok(code) } else { Err(RecoveryCodeError::Check) }
    }

    fn packed(&self) -> Zeroizing<[u8; PACKED_BYTES]> {
        let mut packed = Zeroizing::new([0; PACKED_BYTES]);
        packed[..CODE_BYTES].copy_from_slice(self.0.as_slice());
        let check = blake3::derive_key("hobnob 1 recovery code check", self.0.as_slice());
        packed[CODE_BYTES..].copy_from_slice(&check[..PACKED_BYTES - CODE_BYTES]);
        packed[PACKED_BYTES - 1] &= LAST_MASK;
        packed
    }
}

fn value_of(symbol: char) -> Option<u8> {
    let symbol = match symbol.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let place = SYMBOLS.iter().position(|known| char::from(*known) == symbol)?;
    u8::try_from(place).ok()
}

fn five_bits(packed: &[u8; PACKED_BYTES], symbol: usize) -> u8 {
    (0..GROUP).fold(0, |value, bit| {
        let at = symbol * GROUP + bit;
        value << 1 | packed[at / 8] >> (7 - at % 8) & 1
    })
}

fn put_five_bits(packed: &mut [u8; PACKED_BYTES], symbol: usize, value: u8) {
    for bit in 0..GROUP {
        let at = symbol * GROUP + bit;
        packed[at / 8] |= (value >> (GROUP - 1 - bit) & 1) << (7 - at % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> RecoveryCode {
        RecoveryCode(Zeroizing::new(*b"sixteen bytes ok"))
    }

    #[test]
    fn a_code_reads_back_however_it_is_typed() {
        let text = code().text();
        assert_eq!(text.as_str(), "EDMQG-X35CN-Q20RK-SEHJQ-683FD-C5FQS");
        assert_eq!(RecoveryCode::parse(&text), Ok(code()));
        let sloppy = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        assert_eq!(RecoveryCode::parse(&sloppy), Ok(code()));
    }

    #[test]
    fn every_single_typing_error_is_noticed() {
        let text = code().text();
        for place in (0..text.len()).filter(|place| text.as_bytes()[*place] != b'-') {
            for symbol in SYMBOLS.iter().filter(|symbol| **symbol != text.as_bytes()[place]) {
                let mut wrong = text.as_bytes().to_vec();
                wrong[place] = *symbol;
                let wrong = String::from_utf8(wrong).unwrap();
                assert_eq!(RecoveryCode::parse(&wrong), Err(RecoveryCodeError::Check), "{wrong}");
            }
        }
    }

    #[test]
    fn what_is_no_code_says_why() {
        assert_eq!(RecoveryCode::parse("ABC"), Err(RecoveryCodeError::Length(3)));
        assert_eq!(RecoveryCode::parse("u"), Err(RecoveryCodeError::Symbol('u')));
    }

    #[test]
    fn the_same_code_makes_the_same_root() {
        let other = RecoveryCode::parse(&code().text()).unwrap();
        assert_eq!(code().root().verify_key(), other.root().verify_key());
    }
}
