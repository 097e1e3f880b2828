//! Markdown. Words are quoted with their emphasis; what could load something or be markup of another kind is
//! escaped.

use super::{Line, lines};

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | '<' | '>' | '[' | ']' | '&' | '|') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

fn one_line(text: &str) -> String {
    escaped(&lines(text).collect::<Vec<_>>().join(" "))
}

pub(super) fn begin(title: &str) -> String {
    format!("# {}\n\n", one_line(title))
}

pub(super) fn chat(with: &str) -> String {
    format!("## {}\n\n", one_line(with))
}

pub(super) fn day(day: &str) -> String {
    format!("### {day}\n\n")
}

pub(super) fn line(line: &Line, time: &str) -> String {
    let mut md = format!("**{}** {time}", one_line(&line.from));
    if let Some(note) = &line.note {
        md.push_str(&format!(" ({})", one_line(note)));
    }
    md.push_str("\n\n");
    if !line.text.is_empty() {
        let quoted: Vec<String> = lines(&line.text).map(|line| escaped(&line)).collect();
        md.push_str(&format!("> {}\n\n", quoted.join("  \n> ")));
    }
    if let Some(file) = &line.file {
        let name = one_line(&file.name);
        md.push_str(&match &file.href {
            Some(href) => format!("[{name}]({href})\n\n"),
            None => format!("{name}\n\n"),
        });
    }
    md
}
