//! Letters as lines.

use super::letter::name;
use super::said;
use super::shown;
use crate::core::view::{LetterState, LetterView};

/// `2026-11-21 07:34:17Z  alice  read       Hello`
pub(super) fn human(letter: &LetterView, author_width: usize) -> String {
    let author = letter.from.name().to_string();
    let head = format!("{}  {author:author_width$}  {:9}  ", time(&letter.at), name(letter.state));
    let mut text = format!("{head}{}", said::content(letter, head.chars().count()));
    if letter.state == LetterState::Failed
        && let Some(error) = &letter.error
    {
        text.push_str(&format!("  [{}]", shown::line(error)));
    }
    text
}

/// An RFC 3339 time without what nobody reads: `2026-11-21 07:34:17Z`.
pub(super) fn time(at: &str) -> String {
    match (at.get(..10), at.get(10..11), at.get(11..19)) {
        (Some(day), Some("T"), Some(time)) => format!("{day} {time}Z"),
        _ => shown::line(at),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn letter(text: &str) -> LetterView {
        let view = json!({
            "id": "aaaaaaaaaaaaaaaaaaaaaaaaaa",
            "from": "bob@localhost",
            "to": "alice@localhost",
            "text": text,
            "at": "2026-11-21T07:34:17.123Z",
            "received_at": "2026-11-21T07:34:17.123Z",
            "state": "read",
            "devices": [],
        });
        serde_json::from_value(view).unwrap()
    }

    #[test]
    fn a_letter_is_one_aligned_block() {
        let expected =
            "2026-11-21 07:34:17Z  bob    read       Hi\n                                        there";
        assert_eq!(human(&letter("Hi\nthere"), 5), expected);
    }

    #[test]
    fn a_letter_cannot_draw_on_the_terminal() {
        assert!(human(&letter("\u{1b}[1mX"), 3).ends_with(r"  \u{1b}[1mX"));
    }
}
