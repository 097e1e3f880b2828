//! Cuts text of any language into words, alike for what is found and what is looked for.
//!
//! Words are folded: compatibility forms, case, and the marks that people leave out when they type do not
//! count. Scripts that put no spaces between words are cut into overlapping pairs of characters, and the last
//! character of a run stands alone as well. So every character begins exactly one word: two characters are
//! found as they stand, more by pairs that follow each other, and one by what a word begins with. An emoji is
//! a word.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Characters of a word that count; nobody types more, and what is longer is no word of a language.
const WORD_CHARS_MAX: usize = 64;

/// A word, folded, and where it stands in the text it was cut from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Letters, digits and marks, or one emoji; never a space, a quote or another character of ASCII.
    pub folded: String,
    /// Bytes of the text.
    pub at: Range<usize>,
}

/// What a character is to its neighbors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Part of a word between spaces.
    Letter,
    /// Of a script without spaces.
    Dense,
    /// A word by itself.
    Picture,
    /// Changes only the look of what stands before it.
    Silent,
    /// Between words.
    Gap,
}

const fn kind(character: char) -> Kind {
    match character {
        '\u{ad}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' => {
            Kind::Silent
        }
        // Thai, Lao, Myanmar, Khmer, but for their digits and signs of money.
        '\u{e01}'..='\u{e3a}' | '\u{e40}'..='\u{e4e}' | '\u{e81}'..='\u{ece}' | '\u{1000}'..='\u{103f}'
        | '\u{1050}'..='\u{109d}' | '\u{1780}'..='\u{17d3}'
        // Japanese, Chinese, Korean, also in their narrow forms.
        | '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}'
        | '\u{3105}'..='\u{312f}' | '\u{31a0}'..='\u{31bf}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9d}'
        | '\u{20000}'..='\u{323af}' => Kind::Dense,
        '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{23ff}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}'
        | '\u{1f000}'..='\u{1faff}' => Kind::Picture,
        _ => Kind::Gap,
    }
}

fn kind_of(character: char) -> Kind {
    if character.is_ascii() {
        return if character.is_ascii_alphanumeric() { Kind::Letter } else { Kind::Gap };
    }
    let kind = kind(character);
    let is_letter = kind == Kind::Gap && (character.is_alphanumeric() || is_combining_mark(character));
    if is_letter { Kind::Letter } else { kind }
}

/// All words of a text, in order.
#[must_use]
pub fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut characters = text.char_indices().peekable();
    while let Some((start, first)) = characters.next() {
        let kind = kind_of(first);
        let mut run = vec![(start, first)];
        let mut end = start + first.len_utf8();
        if matches!(kind, Kind::Letter | Kind::Dense) {
            while let Some((at, next)) =
                characters.next_if(|(_, next)| [kind, Kind::Silent].contains(&kind_of(*next)))
            {
                end = at + next.len_utf8();
                if kind_of(next) != Kind::Silent {
                    run.push((at, next));
                }
            }
        }
        match kind {
            Kind::Letter => words.extend(letters(&text[start..end], start..end)),
            Kind::Dense => pairs(&run, end, &mut words),
            Kind::Picture => words.push(Word { folded: first.to_string(), at: start..end }),
            Kind::Silent | Kind::Gap => {}
        }
    }
    words
}

fn letters(text: &str, at: Range<usize>) -> Option<Word> {
    let folded: String = fold(text).chars().take(WORD_CHARS_MAX).collect();
    (!folded.is_empty()).then_some(Word { folded, at })
}

/// The words of a run without spaces.
fn pairs(run: &[(usize, char)], end: usize, words: &mut Vec<Word>) {
    for (place, (start, character)) in run.iter().enumerate() {
        let mut folded = fold(character.encode_utf8(&mut [0; 4]));
        let mut until = start + character.len_utf8();
        if let Some((at, next)) = run.get(place + 1) {
            folded.push_str(&fold(next.encode_utf8(&mut [0; 4])));
            until = at + next.len_utf8();
        }
        if !folded.is_empty() {
            words.push(Word { folded, at: *start..until.min(end) });
        }
    }
}

/// One form for all that people take for the same: `Über`, `uber` and `UBER`, `ёлка` and `елка`, `ﬁ` and `fi`.
fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    let mut before = None;
    for character in
        text.nfkd().flat_map(char::to_lowercase).filter(|character| kind_of(*character) != Kind::Silent)
    {
        match character {
            'ß' => folded.push_str("ss"),
            // A letter of its own, not an и with a mark.
            '\u{306}' if before == Some('и') => folded.push(character),
            mark if is_optional(mark) => {}
            // What a compatibility form holds beside letters would be a gap.
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => {}
            other => folded.push(other),
        }
        before = Some(character);
    }
    folded.nfc().collect()
}

/// Accents of Latin, Greek and Cyrillic, vowel points of Hebrew and Arabic. Marks of other scripts make
/// another word.
const fn is_optional(mark: char) -> bool {
    matches!(mark, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5bd}' | '\u{5bf}'..='\u{5c7}' | '\u{64b}'..='\u{65f}' | '\u{670}')
}

/// Words that follow each other, as they are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// The words, folded; at least one.
    words: Vec<String>,
    /// Whether the last one need only be how a word begins.
    open: bool,
}

impl Phrase {
    /// The words of `text`; `None` when it has none. With `open` the last may be the beginning of a word.
    #[must_use]
    pub fn new(text: &str, open: bool) -> Option<Self> {
        let mut found = words(text);
        let last = found.last()?;
        let mut open = open;
        if text[last.at.clone()].chars().all(|character| kind_of(character) == Kind::Dense) {
            // Where the run goes on in the letter, its last character begins another pair.
            let pair_before = found.len() > 1 && found[found.len() - 2].at.end == last.at.end;
            if pair_before {
                found.pop();
            }
            open = !pair_before;
        }
        Some(Self { words: found.into_iter().map(|word| word.folded).collect(), open })
    }

    /// The words, in order.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether the last word need only be how a word begins.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Where the phrase stands among `words` of a text: bytes of that text, in order.
    pub fn places<'a>(&'a self, words: &'a [Word]) -> impl Iterator<Item = Range<usize>> + 'a {
        words.windows(self.words.len()).filter(|window| self.is(window)).map(|window| {
            let (first, last) = (&window[0], &window[window.len() - 1]);
            first.at.start..last.at.end
        })
    }

    fn is(&self, window: &[Word]) -> bool {
        let last = self.words.len() - 1;
        window.iter().zip(&self.words).enumerate().all(|(place, (word, wanted))| {
            word.folded == *wanted || (self.open && place == last && word.folded.starts_with(wanted))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.folded).collect()
    }

    fn finds(wanted: &str, text: &str) -> bool {
        Phrase::new(wanted, false).is_some_and(|phrase| phrase.places(&words(text)).next().is_some())
    }

    #[test]
    fn words_are_cut_at_what_is_no_letter_and_folded() {
        assert_eq!(folded("Hello, WORLD! don't x-ray 42%"), ["hello", "world", "don", "t", "x", "ray", "42"]);
        assert_eq!(folded("Müller, ÄRZTE, Straße, Łódź"), ["muller", "arzte", "strasse", "łodz"]);
        assert_eq!(folded("Съешь ещё этих Йогуртов"), ["съешь", "еще", "этих", "йогуртов"]);
        assert_eq!(folded("ﬁne ＦＵＬＬ ½"), ["fine", "full", "1⁄2"]);
        assert_eq!(folded("שָׁלוֹם مَرْحَبًا"), ["שלום", "مرحبا"]);
        assert_eq!(folded("हिन्दी में नमस्ते"), ["हिन्दी", "में", "नमस्ते"]);
        assert_eq!(folded(" ,.-\n\u{200d}\"'"), Vec::<String>::new());
    }

    #[test]
    fn scripts_without_spaces_are_cut_into_pairs() {
        assert_eq!(folded("東京都"), ["東京", "京都", "都"]);
        assert_eq!(folded("a東b"), ["a", "東", "b"]);
        assert_eq!(folded("ไทย"), ["ไท", "ทย", "ย"]);
        assert_eq!(folded("ｶﾅ"), ["カナ", "ナ"]);
    }

    #[test]
    fn emoji_are_words_whatever_they_look_like() {
        assert_eq!(folded("ok👍🏽ok"), ["ok", "👍", "ok"]);
        assert_eq!(folded("❤\u{fe0f}"), ["❤"]);
        assert_eq!(folded("👩\u{200d}👧"), ["👩", "👧"]);
    }

    #[test]
    fn a_word_says_where_it_stands() {
        let text = "a Müll 東京";
        let at: Vec<&str> = words(text).into_iter().map(|word| &text[word.at]).collect();
        assert_eq!(at, ["a", "Müll", "東京", "京"]);
    }

    #[test]
    fn what_is_looked_for_is_found_in_every_language() {
        for (wanted, text) in [
            ("привет", "Ну, ПРИВЕТ!"),
            ("елка", "Новогодняя Ёлка"),
            ("uber", "Über den Wolken"),
            ("Über den", "uber DEN wolken"),
            ("京", "東京都"),
            ("東", "東京都"),
            ("東京", "東京都"),
            ("京都", "東京都"),
            ("東京都", "東京都に行く"),
            ("東京tower", "新東京Tower"),
            ("テキスト", "日本語のテキスト"),
            ("한국", "한국어는"),
            ("ภาษา", "นี่คือภาษาไทย"),
            ("👍", "ok 👍🏿"),
            ("straße", "STRASSE"),
            ("don't", "I don’t know, don't ask"),
        ] {
            assert!(finds(wanted, text), "{wanted} in {text}");
        }
        for (wanted, text) in [
            ("東都", "東京都"),
            ("京東", "東京"),
            ("ur", "über"),
            ("und", "hundert"),
            ("мои", "мой"),
            ("👎", "👍"),
            ("a c", "a b c"),
        ] {
            assert!(!finds(wanted, text), "{wanted} in {text}");
        }
        assert_eq!(Phrase::new("?!", false), None);
    }

    #[test]
    fn an_open_phrase_finds_how_a_word_begins() {
        let open = Phrase::new("big hou", true).unwrap();
        let found = words("the big house, a big mouse");
        let places: Vec<_> = open.places(&found).map(|at| (at.start, at.end)).collect();
        assert_eq!(places, [(4, 13)]);
    }

    #[test]
    fn a_word_has_an_end() {
        assert_eq!(folded(&"x".repeat(1_000)), ["x".repeat(WORD_CHARS_MAX)]);
    }
}
