//! Foreign text on a terminal: it may neither command the terminal nor pass for something else.

/// Begins a run of text whose direction is its own (Unicode Standard Annex #9).
const FIRST_STRONG_ISOLATE: char = '\u{2068}';
/// Ends it.
const POP_DIRECTIONAL_ISOLATE: char = '\u{2069}';

/// One line of foreign text: what commands terminals or turns the direction of text is written out, and
/// text that is not plain ASCII is isolated from what stands around it.
pub(crate) fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 2 * POP_DIRECTIONAL_ISOLATE.len_utf8());
    let isolated = !text.is_ascii();
    if isolated {
        shown.push(FIRST_STRONG_ISOLATE);
    }
    for mark in text.chars() {
        if is_harmless(mark) {
            shown.push(mark);
        } else {
            shown.extend(mark.escape_default());
        }
    }
    if isolated {
        shown.push(POP_DIRECTIONAL_ISOLATE);
    }
    shown
}

/// Foreign text of several lines; all but the first begin with `indent` spaces.
pub(crate) fn lines(text: &str, indent: usize) -> String {
    let mut shown = String::new();
    for (number, part) in text.lines().enumerate() {
        if number > 0 {
            shown.push('\n');
            shown.extend(std::iter::repeat_n(' ', indent));
        }
        shown.push_str(&line(part));
    }
    shown
}

/// Neither a control character, nor a line or paragraph separator, nor an embedding, override or isolate,
/// nor an invisible tag.
fn is_harmless(mark: char) -> bool {
    !mark.is_control()
        && !matches!(mark,
            '\u{2028}' | '\u{2029}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_left_alone() {
        assert_eq!(line("Hello, Bob"), "Hello, Bob");
    }

    #[test]
    fn nothing_foreign_commands_the_terminal() {
        assert_eq!(line("\u{1b}[2J\u{7}\r\n\t\u{7f}"), r"\u{1b}[2J\u{7}\r\n\t\u{7f}");
        assert_eq!(line("\u{9b}31m"), "\u{2068}\\u{9b}31m\u{2069}");
    }

    #[test]
    fn text_of_any_direction_stays_within_its_isolate() {
        assert_eq!(line("שלום"), "\u{2068}שלום\u{2069}");
        assert_eq!(line("a\u{202e}gpj.exe"), "\u{2068}a\\u{202e}gpj.exe\u{2069}");
        assert_eq!(line("\u{2069}x"), "\u{2068}\\u{2069}x\u{2069}");
    }

    #[test]
    fn later_lines_are_indented() {
        assert_eq!(lines("one\r\ntwo\nthree", 4), "one\n    two\n    three");
        assert_eq!(lines("", 4), "");
    }
}
