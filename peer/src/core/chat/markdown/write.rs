//! From tree to plain text and to HTML.

use super::{Block, Inline};

/// The words alone, with what marks quotes, lists and links in plain text.
#[must_use]
pub fn plain(blocks: &[Block]) -> String {
    let parts: Vec<String> = blocks.iter().map(plain_block).collect();
    parts.join("\n\n")
}

fn plain_block(block: &Block) -> String {
    match block {
        Block::Paragraph(inlines) | Block::Heading(_, inlines) => plain_inlines(inlines),
        Block::Quote(blocks) => indented(&plain(blocks), "> ", "> "),
        Block::List(first, items) => {
            let numbers = first.unwrap_or(0)..;
            let lines: Vec<String> = numbers
                .zip(items)
                .map(|(number, item)| {
                    let mark = first.map_or_else(|| "• ".to_owned(), |_| format!("{number}. "));
                    indented(&plain(item), &mark, "  ")
                })
                .collect();
            lines.join("\n")
        }
        Block::Code { text, .. } => text.trim_end_matches('\n').to_owned(),
        Block::Rule => "———".to_owned(),
    }
}

fn indented(text: &str, first: &str, others: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(number, line)| format!("{}{line}", if number == 0 { first } else { others }))
        .collect();
    lines.join("\n")
}

fn plain_inlines(inlines: &[Inline]) -> String {
    let mut out = String::new();
    for inline in inlines {
        match inline {
            Inline::Text(text) | Inline::Code(text) => out.push_str(text),
            Inline::Emphasis(inner) | Inline::Strong(inner) | Inline::Struck(inner) => {
                out.push_str(&plain_inlines(inner));
            }
            Inline::Link { to, text } => {
                let shown = plain_inlines(text);
                out.push_str(&if shown == *to || shown.is_empty() {
                    to.clone()
                } else {
                    format!("{shown} ({to})")
                });
            }
            Inline::Break => out.push('\n'),
        }
    }
    out
}

/// HTML made of a few elements without styles, scripts or anything that is loaded. All text is escaped.
#[must_use]
pub fn html(blocks: &[Block]) -> String {
    let mut out = String::new();
    write_blocks(blocks, &mut out);
    out
}

fn write_blocks(blocks: &[Block], out: &mut String) {
    for block in blocks {
        match block {
            Block::Paragraph(inlines) => element("p", inlines, out),
            Block::Heading(level, inlines) => element(&format!("h{level}"), inlines, out),
            Block::Quote(blocks) => {
                out.push_str("<blockquote>");
                write_blocks(blocks, out);
                out.push_str("</blockquote>");
            }
            Block::List(first, items) => write_list(*first, items, out),
            Block::Code { language, text } => {
                out.push_str("<pre><code");
                if !language.is_empty() {
                    out.push_str(" class=\"language-");
                    escape(language, out);
                    out.push('"');
                }
                out.push('>');
                escape(text, out);
                out.push_str("</code></pre>");
            }
            Block::Rule => out.push_str("<hr>"),
        }
    }
}

fn write_list(first: Option<u64>, items: &[Vec<Block>], out: &mut String) {
    let name = if first.is_some() { "ol" } else { "ul" };
    match first {
        Some(number) if number != 1 => out.push_str(&format!("<ol start=\"{number}\">")),
        Some(_) | None => out.push_str(&format!("<{name}>")),
    }
    for item in items {
        out.push_str("<li>");
        match item.as_slice() {
            // A paragraph alone is not one.
            [Block::Paragraph(inlines)] => write_inlines(inlines, out),
            blocks => write_blocks(blocks, out),
        }
        out.push_str("</li>");
    }
    out.push_str(&format!("</{name}>"));
}

fn element(name: &str, inlines: &[Inline], out: &mut String) {
    out.push_str(&format!("<{name}>"));
    write_inlines(inlines, out);
    out.push_str(&format!("</{name}>"));
}

fn write_inlines(inlines: &[Inline], out: &mut String) {
    for inline in inlines {
        match inline {
            Inline::Text(text) => escape(text, out),
            Inline::Emphasis(inner) => element("em", inner, out),
            Inline::Strong(inner) => element("strong", inner, out),
            Inline::Struck(inner) => element("del", inner, out),
            Inline::Code(code) => {
                out.push_str("<code>");
                escape(code, out);
                out.push_str("</code>");
            }
            Inline::Link { to, text } => {
                out.push_str("<a href=\"");
                escape(to, out);
                out.push_str("\" rel=\"noopener noreferrer nofollow\">");
                if text.is_empty() {
                    escape(to, out)
                } else {
                    write_inlines(text, out)
                }
                out.push_str("</a>");
            }
            Inline::Break => out.push_str("<br>"),
        }
    }
}

fn escape(text: &str, out: &mut String) {
    for mark in text.chars() {
        match mark {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            mark => out.push(mark),
        }
    }
}
