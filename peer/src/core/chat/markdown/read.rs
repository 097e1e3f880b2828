//! From source to tree.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag};

use super::smileys::smileys;
use super::{Block, DEPTH_MAX, Inline};

/// Longest name of a code block's language.
const LANGUAGE_BYTES_MAX: usize = 32;

/// What is open around the present place.
enum Kind {
    Root,
    Paragraph,
    Heading(u8),
    Quote,
    List(Option<u64>),
    Item,
    Code(String),
    Emphasis,
    Strong,
    Struck,
    Link(String),
    /// Something that is not shown as such, but what is in it is.
    Other,
}

struct Open {
    kind: Kind,
    blocks: Vec<Block>,
    inlines: Vec<Inline>,
    items: Vec<Vec<Block>>,
}

impl Open {
    const fn new(kind: Kind) -> Self {
        Self { kind, blocks: Vec::new(), inlines: Vec::new(), items: Vec::new() }
    }

    fn text(&mut self, text: &str) {
        if let Some(Inline::Text(before)) = self.inlines.last_mut() {
            before.push_str(text);
        } else {
            self.inlines.push(Inline::Text(text.to_owned()));
        }
    }

    /// What is open is over: its pieces, as they are shown.
    fn inlines(&mut self) -> Vec<Inline> {
        let mut inlines = std::mem::take(&mut self.inlines);
        while inlines.last() == Some(&Inline::Break) {
            inlines.pop();
        }
        for inline in &mut inlines {
            if let Inline::Text(text) = inline {
                *text = smileys(text);
            }
        }
        inlines
    }

    /// Lines outside of a paragraph are one.
    fn flush(&mut self) {
        let inlines = self.inlines();
        if !inlines.is_empty() {
            self.blocks.push(Block::Paragraph(inlines));
        }
    }

    fn block(&mut self, block: Block) {
        self.flush();
        self.blocks.push(block);
    }

    fn blocks(mut self) -> Vec<Block> {
        self.flush();
        self.blocks
    }
}

/// Reads words. Never fails: whatever is not understood is text.
#[must_use]
pub fn read(source: &str) -> Vec<Block> {
    let mut stack = vec![Open::new(Kind::Root)];
    // Starts that are too deep, whose ends are to be passed over.
    let mut skipped = 0_usize;
    for event in Parser::new_ext(source, Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Start(_) if stack.len() > DEPTH_MAX => skipped += 1,
            Event::Start(tag) => stack.push(Open::new(kind(tag))),
            Event::End(_) if skipped > 0 => skipped -= 1,
            Event::End(_) => close(&mut stack),
            Event::Text(_)
            | Event::Code(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::Rule
            | Event::TaskListMarker(_) => {
                if let Some(top) = stack.last_mut() {
                    piece(top, &event);
                }
            }
        }
    }
    while stack.len() > 1 {
        close(&mut stack);
    }
    stack.pop().map(Open::blocks).unwrap_or_default()
}

fn kind(tag: Tag<'_>) -> Kind {
    match tag {
        Tag::Paragraph => Kind::Paragraph,
        Tag::Heading { level, .. } => Kind::Heading(level as u8),
        Tag::BlockQuote(_) => Kind::Quote,
        Tag::CodeBlock(CodeBlockKind::Fenced(language)) => Kind::Code(language_of(&language)),
        Tag::CodeBlock(CodeBlockKind::Indented) => Kind::Code(String::new()),
        Tag::List(first) => Kind::List(first),
        Tag::Item => Kind::Item,
        Tag::Emphasis => Kind::Emphasis,
        Tag::Strong => Kind::Strong,
        Tag::Strikethrough => Kind::Struck,
        // A picture is not loaded: whoever wants to see it follows the link.
        Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } if is_allowed(&dest_url) => {
            Kind::Link(dest_url.into_string())
        }
        Tag::Link { .. }
        | Tag::Image { .. }
        | Tag::HtmlBlock
        | Tag::FootnoteDefinition(_)
        | Tag::DefinitionList
        | Tag::DefinitionListTitle
        | Tag::DefinitionListDefinition
        | Tag::Table(_)
        | Tag::TableHead
        | Tag::TableRow
        | Tag::TableCell
        | Tag::Superscript
        | Tag::Subscript
        | Tag::MetadataBlock(_) => Kind::Other,
    }
}

/// The language of a code block, when it can be one.
fn language_of(info: &str) -> String {
    let language = info.split_whitespace().next().unwrap_or_default();
    let is_part = |mark: char| mark.is_ascii_alphanumeric() || matches!(mark, '+' | '-' | '#' | '_' | '.');
    let is_language = language.len() <= LANGUAGE_BYTES_MAX && language.chars().all(is_part);
    if is_language { language.to_owned() } else { String::new() }
}

/// Whether a link may lead there.
fn is_allowed(to: &str) -> bool {
    let scheme = to.split_once(':').map_or("", |(scheme, _)| scheme);
    ["http", "https", "mailto"].iter().any(|allowed| scheme.eq_ignore_ascii_case(allowed))
        && !to.chars().any(|mark| mark.is_control() || mark.is_whitespace())
}

fn piece(top: &mut Open, event: &Event<'_>) {
    match event {
        Event::Code(code) => top.inlines.push(Inline::Code(code.to_string())),
        Event::SoftBreak | Event::HardBreak => top.inlines.push(Inline::Break),
        Event::Rule => top.block(Block::Rule),
        Event::Text(text)
        | Event::Html(text)
        | Event::InlineHtml(text)
        | Event::InlineMath(text)
        | Event::DisplayMath(text)
        | Event::FootnoteReference(text) => top.text(text),
        Event::Start(_) | Event::End(_) | Event::TaskListMarker(_) => {}
    }
}

/// Closes what is on top and puts it into what is below.
fn close(stack: &mut Vec<Open>) {
    let Some(mut open) = stack.pop() else { return };
    let Some(below) = stack.last_mut() else { return };
    match std::mem::replace(&mut open.kind, Kind::Other) {
        Kind::Paragraph => {
            let inlines = open.inlines();
            below.block(Block::Paragraph(inlines));
        }
        Kind::Heading(level) => {
            let inlines = open.inlines();
            below.block(Block::Heading(level, inlines));
        }
        Kind::Quote => below.block(Block::Quote(open.blocks())),
        Kind::List(first) => below.block(Block::List(first, open.items)),
        Kind::Item => below.items.push(open.blocks()),
        Kind::Code(language) => {
            let text = open.inlines.into_iter();
            let text =
                text.filter_map(|piece| if let Inline::Text(text) = piece { Some(text) } else { None });
            below.block(Block::Code { language, text: text.collect() });
        }
        Kind::Emphasis => below.inlines.push(Inline::Emphasis(open.inlines())),
        Kind::Strong => below.inlines.push(Inline::Strong(open.inlines())),
        Kind::Struck => below.inlines.push(Inline::Struck(open.inlines())),
        Kind::Link(to) => below.inlines.push(Inline::Link { to, text: open.inlines() }),
        Kind::Root | Kind::Other => {
            below.inlines.append(&mut open.inlines);
            for block in open.blocks {
                below.block(block);
            }
        }
    }
}
