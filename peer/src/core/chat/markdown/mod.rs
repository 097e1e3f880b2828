//! Words as a safe tree, as plain text and as HTML.
//!
//! The source is a subset of Markdown (CommonMark with `~~struck~~`): paragraphs, headings, quotes, lists, code,
//! emphasis and links. Whatever else it may look like is text: HTML, images, tables, references to anything that would
//! be loaded. A line break is a line break, as in every messenger.

mod read;
mod smileys;
mod write;

pub use read::read;
pub use write::{html, plain};

/// How deep blocks and emphasis may nest; what lies deeper belongs to what is around it.
pub const DEPTH_MAX: usize = 16;

/// A block of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A paragraph.
    Paragraph(Vec<Inline>),
    /// A heading, 1 to 6.
    Heading(u8, Vec<Inline>),
    /// What somebody else said.
    Quote(Vec<Self>),
    /// A list, numbered from a number or not.
    List(Option<u64>, Vec<Vec<Self>>),
    /// Code in its own lines, and its language.
    Code {
        /// As the author named it; may be empty.
        language: String,
        /// The code.
        text: String,
    },
    /// A line across.
    Rule,
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inline {
    /// Plain text, with emoji for text smileys.
    Text(String),
    /// Emphasized.
    Emphasis(Vec<Self>),
    /// Strongly emphasized.
    Strong(Vec<Self>),
    /// Struck through.
    Struck(Vec<Self>),
    /// Code.
    Code(String),
    /// A link that leads to `http`, `https` or `mailto`.
    Link {
        /// Where.
        to: String,
        /// What is shown of it.
        text: Vec<Self>,
    },
    /// A line break.
    Break,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn html_of(source: &str) -> String {
        html(&read(source))
    }

    fn plain_of(source: &str) -> String {
        plain(&read(source))
    }

    #[test]
    fn what_people_use_is_rendered() {
        let table = [
            (
                "Hi *you* and **you** and ~~them~~",
                "<p>Hi <em>you</em> and <strong>you</strong> and <del>them</del></p>",
            ),
            ("one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"),
            ("# Plan\n1. eat\n2. sleep", "<h1>Plan</h1><ol><li>eat</li><li>sleep</li></ol>"),
            ("3. three", "<ol start=\"3\"><li>three</li></ol>"),
            ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
            ("> said", "<blockquote><p>said</p></blockquote>"),
            ("`a<b` ```", "<p><code>a&lt;b</code> ```</p>"),
            (
                "```rust\nlet a = 1 < 2;\n```",
                "<pre><code class=\"language-rust\">let a = 1 &lt; 2;\n</code></pre>",
            ),
            ("---", "<hr>"),
            (
                "[here](https://a.example/?x=1&y=\"2\")",
                "<p><a href=\"https://a.example/?x=1&amp;y=&quot;2&quot;\" rel=\"noopener noreferrer nofollow\">here</a></p>",
            ),
        ];
        for (source, expected) in table {
            assert_eq!(html_of(source), expected, "{source}");
        }
    }

    #[test]
    fn nothing_but_the_allowed_elements_comes_out() {
        let table = [
            ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
            ("a <b onclick=x>b</b>", "<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>"),
            ("[x](javascript:alert(1))", "<p>x</p>"),
            ("[x](data:text/html,y)", "<p>x</p>"),
            ("[x](JAVASCRIPT:alert(1))", "<p>x</p>"),
            (
                "![pixel](https://spy.example/1.gif)",
                "<p><a href=\"https://spy.example/1.gif\" rel=\"noopener noreferrer nofollow\">pixel</a></p>",
            ),
            ("```\" onload=\"x\ny\n```", "<pre><code>y\n</code></pre>"),
        ];
        for (source, expected) in table {
            assert_eq!(html_of(source), expected, "{source}");
        }
    }

    #[test]
    fn plain_text_keeps_what_is_said() {
        let source = "# Plan\n> *said*\n\n- a\n- b\n\n[here](https://a.example)\n\n```\ncode\n```";
        assert_eq!(plain_of(source), "Plan\n\n> said\n\n• a\n• b\n\nhere (https://a.example)\n\ncode");
        assert_eq!(plain_of("7. a\n8. b"), "7. a\n8. b");
        assert_eq!(plain_of("two\nlines"), "two\nlines");
    }

    #[test]
    fn text_smileys_become_emoji_but_not_in_code_or_words() {
        assert_eq!(plain_of("Hi :-) and ;) <3"), "Hi 🙂 and 😉 ❤\u{fe0f}");
        assert_eq!(plain_of("`:-)` http://x:D a:)b"), ":-) http://x:D a:)b");
    }

    #[test]
    fn nesting_without_end_ends() {
        for source in [">".repeat(30_000), "- ".repeat(15_000), "*a ".repeat(10_000), "[".repeat(30_000)] {
            let tree = read(&source);
            assert!(html(&tree).len() < 1_000_000);
            drop(plain(&tree));
        }
    }

    /// Every element that [`html`] writes.
    const ELEMENTS: [&str; 16] = [
        "p",
        "br",
        "strong",
        "em",
        "del",
        "code",
        "pre",
        "blockquote",
        "ul",
        "ol",
        "li",
        "hr",
        "a",
        "h1",
        "h2",
        "h3",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_words_give_html_of_the_allowed_elements_only(source in "([ -~]|\n|[<>&\"'`*_#\\[\\]()!]|é){0,80}") {
            for part in html_of(&source).split('<').skip(1) {
                let name: String =
                    part.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
                let heading = matches!(name.as_str(), "h4" | "h5" | "h6");
                prop_assert!(heading || ELEMENTS.contains(&name.as_str()), "{name} in {part}");
                let tag = part.split('>').next().unwrap_or_default();
                prop_assert!(!tag.to_lowercase().contains("javascript:"), "{tag}");
            }
        }

        #[test]
        fn words_without_marks_stay_what_they_are(source in "[a-z]{1,8}( [a-z]{1,8}){0,6}") {
            prop_assert_eq!(plain_of(&source), source);
        }
    }
}
