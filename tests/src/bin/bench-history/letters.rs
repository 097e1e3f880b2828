//! Letters as people write them, as far as a search is concerned: few words are frequent and most are rare.

use hobnob_peer::LetterState;
use hobnob_peer::core::letters::store::StoredLetter;
use hobnob_wire::bounded::Text;
use hobnob_wire::letter::{LetterBody, TextBody, Words};
use hobnob_wire::{Address, LetterId};

const DAY_MS: u64 = 86_400_000;
/// When the searches are made: 2026-11-21.
pub(crate) const NOW: u64 = 20_778 * DAY_MS;
/// Days over which the letters are spread.
const DAYS: u64 = 3 * 365;
/// Words that there are.
const VOCABULARY: u64 = 100_000;
/// Chats, of which few have most of the letters.
const CHATS: u64 = 200;
/// Characters of Chinese that are used.
const CHARACTERS: u64 = 3_000;

/// Makes letters and queries, the same from the same seed.
#[derive(Debug)]
pub(crate) struct Letters {
    state: u64,
}

/// Who searches.
pub(crate) fn own() -> Address {
    "alice@example.org".parse().expect("it is an address")
}

fn chat(number: u64) -> Address {
    format!("friend{number}@example.org").parse().expect("it is an address")
}

/// A word of syllables, the same for the same number.
fn word(number: u64) -> String {
    const SYLLABLES: [&str; 16] =
        ["ba", "de", "gi", "ko", "lu", "ma", "ne", "pi", "ro", "su", "ta", "ve", "wi", "xo", "zu", "än"];
    let mut word = String::new();
    let mut rest = number + 16;
    while rest > 0 {
        word.push_str(SYLLABLES[(rest % 16) as usize]);
        rest /= 16;
    }
    word
}

fn character(number: u64) -> char {
    u32::try_from(0x4e00 + number).ok().and_then(char::from_u32).unwrap_or('一')
}

impl Letters {
    /// Kinds of queries.
    pub(crate) const KINDS: [&str; 11] = [
        "a rare word",
        "a frequent word",
        "two words",
        "a phrase",
        "a beginning",
        "two characters of Chinese",
        "one character of Chinese",
        "a person and a word",
        "a chat without a word",
        "a frequent word of a week",
        "a rare word before a year",
    ];

    pub(crate) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `count`; the chance of each falls as its reciprocal (Zipf).
    fn rank(&mut self, count: u64) -> u64 {
        let share = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        ((count as f64).powf(share) - 1.0) as u64
    }

    pub(crate) fn letter(&mut self, number: usize, of: usize) -> StoredLetter {
        let chat = chat(self.rank(CHATS));
        let is_own = self.next().is_multiple_of(2);
        let text = if self.next().is_multiple_of(10) { self.chinese() } else { self.sentence() };
        let words = Words { text: Text::new(text).expect("it is short"), ..Words::default() };
        let body = LetterBody::Text(TextBody { words, ..TextBody::default() });
        let (kind, body) = body.encode().expect("it is short");
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.next().to_be_bytes());
        id[8..].copy_from_slice(&(number as u64).to_be_bytes());
        let at_unix_ms = NOW - DAYS * DAY_MS + number as u64 * DAYS * DAY_MS / of as u64;
        StoredLetter {
            id: LetterId::new(id),
            author: if is_own { own() } else { chat.clone() },
            to: if is_own { chat.clone() } else { own() },
            chat,
            at_unix_ms,
            received_unix_ms: at_unix_ms,
            kind,
            body,
            thread: None,
            expires: None,
            state: LetterState::Read,
            error: None,
        }
    }

    fn sentence(&mut self) -> String {
        let count = 2 + self.next() % 18;
        (0..count).map(|_| word(self.rank(VOCABULARY))).collect::<Vec<_>>().join(" ")
    }

    fn chinese(&mut self) -> String {
        let count = 5 + self.next() % 30;
        (0..count).map(|_| character(self.rank(CHARACTERS))).collect()
    }

    /// What somebody types.
    pub(crate) fn query(&mut self, kind: &str) -> String {
        let rare = |letters: &mut Self| word(1_000 + letters.next() % (VOCABULARY - 1_000));
        let frequent = |letters: &mut Self| word(letters.next() % 20);
        let usual = |letters: &mut Self| word(letters.rank(1_000));
        match kind {
            "a rare word" => rare(self),
            "a frequent word" => frequent(self),
            "two words" => format!("{} {}", usual(self), usual(self)),
            "a phrase" => format!("\"{} {}\"", usual(self), usual(self)),
            "a beginning" => format!("{}*", rare(self).chars().take(5).collect::<String>()),
            "two characters of Chinese" => {
                [character(self.rank(CHARACTERS)), character(self.rank(CHARACTERS))].iter().collect()
            }
            "one character of Chinese" => character(self.rank(CHARACTERS)).to_string(),
            "a person and a word" => format!("from:friend{} {}", self.rank(CHATS), usual(self)),
            "a chat without a word" => format!("in:friend{} -{}", self.rank(CHATS), frequent(self)),
            "a frequent word of a week" => {
                let ago = 10 + self.next() % (DAYS - 20);
                format!("{} after:{}d before:{}d", frequent(self), ago + 7, ago)
            }
            _ => format!("{} before:2025", rare(self)),
        }
    }

    /// The words of a letter.
    pub(crate) fn text(letter: &StoredLetter) -> String {
        match LetterBody::decode(letter.kind, &letter.body) {
            Ok(LetterBody::Text(text)) => text.words.text.to_string(),
            Ok(_) | Err(_) => String::new(),
        }
    }
}
