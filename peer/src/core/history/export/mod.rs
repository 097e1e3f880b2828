//! Letters as documents that people read, in the order in which they came: HTML, RTF, plain text, Markdown.
//!
//! Each is written piece by piece, so that a history of any length takes no more memory than one letter. What
//! people wrote stays text: in no format can it become markup, load anything, or pass for another letter.

mod html;
mod markdown;
mod rtf;
mod text;

/// A format of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One page for a browser, without scripts.
    Html,
    /// Rich text for word processors.
    Rtf,
    /// Plain text.
    Txt,
    /// Markdown.
    Md,
}

/// One letter, or one file, in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was written: RFC 3339, UTC.
    pub at: String,
    /// Who wrote it.
    pub from: String,
    /// Whether the owner of the history did.
    pub own: bool,
    /// The words.
    pub text: String,
    /// What is to be said about it, as that it could not be sent.
    pub note: Option<String>,
    /// The file that came with it.
    pub file: Option<FileLink>,
}

/// A file of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLink {
    /// What it is called.
    pub name: String,
    /// Where it is: a relative reference or a `file:` address (RFC 3986); `None` when it is not there any more.
    pub href: Option<String>,
}

/// Writes one document.
#[derive(Debug)]
pub struct Document {
    format: Format,
    /// The day of the last line: `2026-11-21`.
    day: String,
}

impl Document {
    /// A document, and how it begins.
    #[must_use]
    pub fn begin(format: Format, title: &str) -> (Self, String) {
        let text = match format {
            Format::Html => html::begin(title),
            Format::Rtf => rtf::begin(title),
            Format::Txt => text::begin(title),
            Format::Md => markdown::begin(title),
        };
        (Self { format, day: String::new() }, text)
    }

    /// A chat begins.
    #[must_use]
    pub fn chat(&mut self, with: &str) -> String {
        self.day.clear();
        match self.format {
            Format::Html => html::chat(with),
            Format::Rtf => rtf::chat(with),
            Format::Txt => text::chat(with),
            Format::Md => markdown::chat(with),
        }
    }

    /// A letter, behind its day when that is another than before.
    #[must_use]
    pub fn line(&mut self, line: &Line) -> String {
        let (day, time) = (line.at.get(..10).unwrap_or_default(), line.at.get(11..19).unwrap_or_default());
        let mut piece = String::new();
        if self.day != day {
            day.clone_into(&mut self.day);
            piece.push_str(&match self.format {
                Format::Html => html::day(day),
                Format::Rtf => rtf::day(day),
                Format::Txt => text::day(day),
                Format::Md => markdown::day(day),
            });
        }
        piece.push_str(&match self.format {
            Format::Html => html::line(line, time),
            Format::Rtf => rtf::line(line, time),
            Format::Txt => text::line(line, time),
            Format::Md => markdown::line(line, time),
        });
        piece
    }

    /// How the document ends.
    #[must_use]
    pub const fn end(&self) -> &'static str {
        match self.format {
            Format::Html => html::END,
            Format::Rtf => rtf::END,
            Format::Txt | Format::Md => "",
        }
    }
}

/// A character that may stand in a document: those that command a machine, break lines in unexpected places or
/// turn the direction of what follows are replaced.
const fn shown(character: char) -> char {
    match character {
        '\n' | '\t' => character,
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => '\u{fffd}',
        _ => character,
    }
}

/// The lines of a text, with every way to end one.
fn lines(text: &str) -> impl Iterator<Item = String> {
    text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line).chars().map(shown).collect())
}

/// A path as a reference: what a reference cannot hold is written in percent (RFC 3986 §2.1).
#[must_use]
pub fn reference(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(text: &str) -> Line {
        Line {
            at: "2026-11-21T07:40:21.123Z".into(),
            from: "bob@localhost".into(),
            own: false,
            text: text.into(),
            note: None,
            file: None,
        }
    }

    fn document(format: Format, lines: &[Line]) -> String {
        let (mut document, mut text) = Document::begin(format, "Letters of alice@localhost");
        text.push_str(&document.chat("bob@localhost"));
        lines.iter().for_each(|line| text.push_str(&document.line(line)));
        text.push_str(document.end());
        text
    }

    const EVIL: &str = "<script>alert(1)</script> \"'&amp; ![x](http://e) {\\b \u{202e}x\u{1b}[2J\0";

    #[test]
    fn plain_text_is_aligned_and_nothing_passes_for_another_letter() {
        let mut answer = letter("me too");
        answer.own = true;
        answer.note = Some("not sent: x".into());
        let expected = "\
Letters of alice@localhost\n==========================\n\nbob@localhost\n-------------\n\n2026-11-21\n\n\
07:40:21  bob@localhost: Hi\n    07:40:22  alice@localhost: I owe you\n\
07:40:21  bob@localhost: me too [not sent: x]\n";
        let lines = [letter("Hi\r\n07:40:22  alice@localhost: I owe you"), answer];
        assert_eq!(document(Format::Txt, &lines), expected);
    }

    #[test]
    fn html_has_no_scripts_loads_nothing_and_shows_what_was_written() {
        let html = document(Format::Html, &[letter(EVIL)]);
        assert!(html.contains("default-src 'none'"));
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt; &quot;&#39;&amp;amp; ![x](http://e) {\\b \u{fffd}x\u{fffd}[2J\u{fffd}"));
        assert_eq!(html.matches("<script").count(), 0);
        assert!(html.ends_with("</html>\n"));
    }

    #[test]
    fn rtf_is_ascii_and_has_no_foreign_commands() {
        let rtf = document(Format::Rtf, &[letter("ä 😀 {\\b x}\nnew")]);
        assert!(rtf.is_ascii());
        assert!(rtf.contains("\\u228? \\u-10179?\\u-8704? \\{\\\\b x\\}\\line new"), "{rtf}");
        let open = rtf.replace("\\{", "").replace("\\}", "");
        assert_eq!(open.matches('{').count(), open.matches('}').count());
    }

    #[test]
    fn markdown_keeps_emphasis_and_neither_loads_nor_runs_anything() {
        let md = document(Format::Md, &[letter("*so* <img src=x> ![x](http://e)\n# second")]);
        assert!(md.contains("> *so* \\<img src=x\\> !\\[x\\](http://e)  \n> # second\n"), "{md}");
    }

    #[test]
    fn files_are_linked_while_they_are_there() {
        let mut line = letter("");
        line.file = Some(FileLink { name: "a <b>.txt".into(), href: Some(reference("files/a <b>\".txt")) });
        let html = document(Format::Html, &[line.clone()]);
        assert!(html.contains("<a href=\"files/a%20%3Cb%3E%22.txt\">a &lt;b&gt;.txt</a>"), "{html}");
        assert!(document(Format::Md, &[line.clone()]).contains("[a \\<b\\>.txt](files/a%20%3Cb%3E%22.txt)"));
        line.file = Some(FileLink { name: "gone".into(), href: None });
        assert!(document(Format::Txt, &[line]).contains("[file: gone]"));
    }

    #[test]
    fn each_day_and_each_chat_has_its_head() {
        let (mut document, _) = Document::begin(Format::Txt, "x");
        let first = document.line(&letter("a"));
        let second = document.line(&letter("b"));
        assert!(first.contains("2026-11-21\n") && !second.contains("2026-11-21\n"));
        let _ = document.chat("carol@localhost");
        assert!(document.line(&letter("c")).contains("2026-11-21\n"));
    }
}
