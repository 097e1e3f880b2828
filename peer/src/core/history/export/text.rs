//! Plain text. All lines of a letter but its first are indented, so that none can pass for another letter.

use super::{Line, lines};

const INDENT: &str = "    ";

fn underlined(text: &str, with: char) -> String {
    let text: String = lines(text).collect::<Vec<_>>().join(" ");
    let line: String = text.chars().map(|_| with).collect();
    format!("{text}\n{line}\n\n")
}

pub(super) fn begin(title: &str) -> String {
    underlined(title, '=')
}

pub(super) fn chat(with: &str) -> String {
    underlined(with, '-')
}

pub(super) fn day(day: &str) -> String {
    format!("{day}\n\n")
}

pub(super) fn line(line: &Line, time: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    if !line.text.is_empty() {
        parts.push(lines(&line.text).collect::<Vec<_>>().join(&format!("\n{INDENT}")));
    }
    if let Some(file) = &line.file {
        let name: String = lines(&file.name).collect();
        let place = file.href.as_ref().map_or(String::new(), |href| format!(" {href}"));
        parts.push(format!("[file: {name}{place}]"));
    }
    if let Some(note) = &line.note {
        parts.push(format!("[{}]", lines(note).collect::<String>()));
    }
    format!("{time}  {}: {}\n", line.from, parts.join(" "))
}
