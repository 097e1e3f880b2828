//! Which files of an offer are taken: patterns, and what they match.
//!
//! Both sides apply the same patterns to the paths of the manifest, so that both know what is to come without
//! naming it file by file.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bounded::Text;
use crate::limits::PATTERNS_BYTES_MAX;
use crate::transfer::RelativePath;

/// Stands between two patterns; no path holds it.
const BETWEEN: char = '\0';

/// The files of an offer that its receiver takes. Both without a pattern: all.
///
/// A pattern has parts joined by `/`. In a part `*` stands for any run of characters and `?` for one; `**` alone is a part that
/// stands for any number of parts. A pattern of one part matches whatever has a part like it, a longer one what begins like it.
/// What matches a folder matches everything in it. Whether ASCII letters are large or small does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Only what one of these matches, with a zero byte between them; everything when there is none.
    only: Text<PATTERNS_BYTES_MAX>,
    /// Nothing of what one of these matches.
    except: Text<PATTERNS_BYTES_MAX>,
}

/// Patterns that cannot travel.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BadChoice {
    /// One is empty or holds a zero byte.
    #[error("a pattern is empty or holds a zero byte")]
    Pattern,
    /// They are too long.
    #[error("patterns have at most {PATTERNS_BYTES_MAX} bytes in all")]
    TooLong,
}

impl Choice {
    /// # Errors
    /// [`BadChoice`].
    pub fn new(only: &[String], except: &[String]) -> Result<Self, BadChoice> {
        let joined = |patterns: &[String]| {
            if patterns.iter().any(|pattern| pattern.is_empty() || pattern.contains(BETWEEN)) {
                return Err(BadChoice::Pattern);
            }
            Text::new(patterns.join(BETWEEN.encode_utf8(&mut [0; 4]))).map_err(|_| BadChoice::TooLong)
        };
        Ok(Self { only: joined(only)?, except: joined(except)? })
    }

    /// Whether everything is taken.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.only().next().is_none() && self.except().next().is_none()
    }

    /// Only what one of these matches is taken; everything when there is none.
    pub fn only(&self) -> impl Iterator<Item = &str> {
        patterns(&self.only)
    }

    /// Nothing that one of these matches is taken.
    pub fn except(&self) -> impl Iterator<Item = &str> {
        patterns(&self.except)
    }

    /// Ready to be applied to many paths.
    #[must_use]
    pub fn chooser(&self) -> Chooser {
        Chooser {
            only: self.only().map(Pattern::new).collect(),
            except: self.except().map(Pattern::new).collect(),
        }
    }
}

fn patterns(joined: &Text<PATTERNS_BYTES_MAX>) -> impl Iterator<Item = &str> {
    joined.as_str().split(BETWEEN).filter(|pattern| !pattern.is_empty())
}

/// A [`Choice`] that is applied to paths.
#[derive(Clone, Debug)]
pub struct Chooser {
    only: Vec<Pattern>,
    except: Vec<Pattern>,
}

impl Chooser {
    /// Whether what lies at this path is taken.
    #[must_use]
    pub fn takes(&self, path: &RelativePath) -> bool {
        let parts: Vec<Vec<char>> = path.parts().map(letters).collect();
        let is_matched = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(&parts));
        (self.only.is_empty() || is_matched(&self.only)) && !is_matched(&self.except)
    }
}

/// The letters of a part, large ones of ASCII as small ones.
fn letters(part: &str) -> Vec<char> {
    part.chars().map(|letter| letter.to_ascii_lowercase()).collect()
}

#[derive(Clone, Debug)]
struct Pattern(Vec<Vec<char>>);

impl Pattern {
    fn new(pattern: &str) -> Self {
        Self(pattern.trim_end_matches('/').split('/').map(letters).collect())
    }

    fn matches(&self, path: &[Vec<char>]) -> bool {
        let fits = |pattern: &[char], part: &[char]| {
            is_like(pattern, part, |letter| *letter == '*', |letter, other| *letter == '?' || letter == other)
        };
        if let [pattern] = self.0.as_slice() {
            return path.iter().any(|part| fits(pattern, part));
        }
        let is_run = |pattern: &Vec<char>| pattern.as_slice() == ['*', '*'];
        // What matches a folder matches what is in it: any beginning of the path will do.
        (1..=path.len())
            .any(|end| is_like(&self.0, &path[..end], is_run, |pattern, part| fits(pattern, part)))
    }
}

/// Whether `text` is like `pattern`, in which what `is_run` stands for any number of things. Takes at most as many steps as
/// the product of both lengths.
fn is_like<P, T>(
    pattern: &[P],
    text: &[T],
    is_run: impl Fn(&P) -> bool,
    fits: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut at, mut done) = (0, 0);
    // Where to go on when what was tried last does not fit: behind the last run, which takes one more.
    let mut again = None;
    while let Some(next) = text.get(done) {
        match pattern.get(at) {
            Some(run) if is_run(run) => {
                at += 1;
                again = Some((at, done));
            }
            Some(one) if fits(one, next) => (at, done) = (at + 1, done + 1),
            Some(_) | None => {
                let Some((behind, from)) = again else { return false };
                again = Some((behind, from + 1));
                (at, done) = (behind, from + 1);
            }
        }
    }
    pattern[at..].iter().all(is_run)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn choice(only: &[&str], except: &[&str]) -> Result<Choice, BadChoice> {
        let owned =
            |patterns: &[&str]| patterns.iter().map(|&pattern| pattern.to_owned()).collect::<Vec<_>>();
        Choice::new(&owned(only), &owned(except))
    }

    fn takes(only: &[&str], except: &[&str], path: &str) -> bool {
        choice(only, except).unwrap().chooser().takes(&RelativePath::new(path).unwrap())
    }

    #[test]
    fn a_pattern_matches_what_the_table_says() {
        for (pattern, path, expected) in [
            ("*.jpg", "photos/a.jpg", true),
            ("*.jpg", "photos/A.JPG", true),
            ("*.jpg", "photos/a.jpeg", false),
            ("*.jpg", "photos.jpg/a.txt", true),
            ("photo?", "photos/a.txt", true),
            ("photo?", "photo", false),
            ("a/b", "a/b/c/d", true),
            ("a/b", "x/a/b", false),
            ("a/*", "a/b", true),
            ("a/*/c", "a/b/c", true),
            ("a/*/c", "a/b/b/c", false),
            ("a/**/c", "a/b/b/c", true),
            ("a/**/c", "a/c", true),
            ("**/c", "c", true),
            ("a/", "a/b", true),
            ("*", "a", true),
            ("**", "a/b", true),
            ("*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("море*", "Море.txt", false),
            ("?оре*", "Море.txt", true),
        ] {
            assert_eq!(takes(&[pattern], &[], path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn what_is_excepted_is_not_taken_and_without_patterns_everything_is() {
        assert!(takes(&[], &[], "a"));
        assert!(takes(&["*.txt", "*.md"], &[], "a.md"));
        assert!(!takes(&["*.txt"], &["b"], "b/a.txt"));
        assert!(takes(&[], &["b"], "a/a.txt"));
        assert!(choice(&[], &[]).unwrap().is_everything() && !choice(&[], &["b"]).unwrap().is_everything());
        assert_eq!(choice(&[""], &[]), Err(BadChoice::Pattern));
        assert_eq!(choice(&["a\0b"], &[]), Err(BadChoice::Pattern));
        assert_eq!(choice(&["a"; 3_000], &[]), Err(BadChoice::TooLong));
    }

    proptest! {
        /// Against the definition itself, which needs exponential time.
        #[test]
        fn a_run_stands_for_any_number(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            fn defined(pattern: &[char], text: &[char]) -> bool {
                match (pattern, text) {
                    ([], text) => text.is_empty(),
                    (['*', rest @ ..], text) => (0..=text.len()).any(|end| defined(rest, &text[end..])),
                    ([one, rest @ ..], [next, after @ ..]) => (*one == '?' || one == next) && defined(rest, after),
                    (_, []) => false,
                }
            }
            let (pattern, text) = (letters(&pattern), letters(&text));
            let found = is_like(&pattern, &text, |one| *one == '*', |one, next| *one == '?' || one == next);
            prop_assert_eq!(found, defined(&pattern, &text));
        }
    }
}
