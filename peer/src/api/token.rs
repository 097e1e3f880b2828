//! The secret that this user's programs show to the local API.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;

/// A bearer token, new at each start of the daemon.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// A token of 32 bytes from the system's random source.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes)?;
        let token = Self(BASE64URL_NOPAD.encode(&bytes));
        bytes.zeroize();
        Ok(token)
    }

    /// Whether `shown` is this token, in a time that does not tell how much of it is right.
    #[must_use]
    pub fn matches(&self, shown: &str) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), shown.as_bytes()).is_ok()
    }

    /// The value of an `Authorization` header that shows this token.
    #[must_use]
    pub fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_matches_only_itself() {
        let token = Token::random().unwrap();
        let shown = token.header().strip_prefix("Bearer ").unwrap().to_owned();
        assert_eq!(shown.len(), 43);
        assert!(token.matches(&shown));
        assert!(!token.matches(&shown[1..]));
        assert!(!token.matches(""));
        assert!(!Token::random().unwrap().matches(&shown));
    }

    #[test]
    fn a_token_does_not_show_itself_in_logs() {
        assert_eq!(format!("{:?}", Token::random().unwrap()), "Token(…)");
    }
}
