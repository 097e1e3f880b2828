//! The part of a text that shows why it was found.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::words::{Phrase, words};

/// Characters of a snippet.
const SNIPPET_CHARS_MAX: usize = 160;
/// Characters before the first mark.
const LEAD_CHARS: usize = 40;

/// A part of a text, and what in it was looked for. The marks are places, not markup, so whoever shows them
/// need not read the text as anything but text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snippet {
    /// The part, in one line; `…` stands for what was cut off.
    pub text: String,
    /// What was looked for: where it begins and how long it is, in Unicode characters (code points) of the
    /// part.
    pub marks: Vec<(usize, usize)>,
}

/// The part of `text` around the first of `phrases`, or its beginning when there is none.
#[must_use]
pub fn snippet<'a>(text: &str, phrases: impl IntoIterator<Item = &'a Phrase>) -> Snippet {
    let words = words(text);
    let mut found: Vec<Range<usize>> =
        phrases.into_iter().flat_map(|phrase| phrase.places(&words).collect::<Vec<_>>()).collect();
    found.sort_unstable_by_key(|at| (at.start, at.end));
    let first = found.first().map_or(0, |at| at.start);
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let place = |byte: usize| starts.partition_point(|start| *start < byte);
    let all = starts.len() - 1;

    let end = (place(first).saturating_sub(LEAD_CHARS) + SNIPPET_CHARS_MAX).min(all);
    let begin = place(first).saturating_sub(LEAD_CHARS).min(end.saturating_sub(SNIPPET_CHARS_MAX));
    let mut part = String::new();
    let mut shift = 0;
    if begin > 0 {
        part.push('…');
        shift = 1;
    }
    part.extend(text[starts[begin]..starts[end]].chars().map(|character| {
        if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') { ' ' } else { character }
    }));
    if end < all {
        part.push('…');
    }
    let mut marks: Vec<(usize, usize)> = Vec::new();
    for at in found {
        let (from, to) = (place(at.start).max(begin), place(at.end).min(end));
        if from >= to {
            continue;
        }
        let (from, to) = (from - begin + shift, to - begin + shift);
        match marks.last_mut() {
            Some((start, length)) if *start + *length >= from => *length = (*length).max(to - *start),
            _ => marks.push((from, to - from)),
        }
    }
    Snippet { text: part, marks }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, wanted: &[&str]) -> (String, Vec<String>) {
        let phrases: Vec<Phrase> = wanted.iter().map(|wanted| Phrase::new(wanted, false).unwrap()).collect();
        let snippet = snippet(text, &phrases);
        let marked = |(start, length): &(usize, usize)| {
            snippet.text.chars().skip(*start).take(*length).collect::<String>()
        };
        (snippet.text.clone(), snippet.marks.iter().map(marked).collect())
    }

    #[test]
    fn what_was_looked_for_is_marked_as_it_was_written() {
        let (text, marked) = shown("Grüße aus Köln\nund 東京都!", &["GRUSSE", "köln und", "東京"]);
        assert_eq!(text, "Grüße aus Köln und 東京都!");
        assert_eq!(marked, ["Grüße", "Köln und", "東京"]);
    }

    #[test]
    fn marks_that_touch_are_one() {
        assert_eq!(shown("東京都庁", &["東京", "京都"]).1, ["東京都"]);
        assert_eq!(shown("a b c", &["a b", "b c"]).1, ["a b c"]);
    }

    #[test]
    fn a_long_text_is_cut_around_the_first_mark() {
        let text = format!("{} needle {}", "ö ".repeat(500), "x ".repeat(500));
        let (part, marked) = shown(&text, &["needle"]);
        assert_eq!(part.chars().count(), SNIPPET_CHARS_MAX + 2);
        assert!(part.starts_with('…') && part.ends_with('…'));
        assert_eq!(marked, ["needle"]);
        let (part, marked) = shown(&text, &["nowhere"]);
        assert!(part.starts_with("ö ö") && part.ends_with('…') && marked.is_empty());
        let text = format!("{} end", "ö ".repeat(500));
        let (part, marked) = shown(&text, &["end"]);
        assert!(part.starts_with('…') && part.ends_with(" end"));
        assert_eq!((part.chars().count(), marked), (SNIPPET_CHARS_MAX + 1, vec!["end".to_owned()]));
        assert_eq!(shown("", &["x"]), (String::new(), vec![]));
    }
}
