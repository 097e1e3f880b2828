//! Rich text (RTF 1.5) in ASCII.

use super::{Line, shown};

pub(super) const END: &str = "}\n";

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars().filter(|character| *character != '\r').map(shown) {
        match character {
            '\\' | '{' | '}' => out.extend(['\\', character]),
            '\n' => out.push_str("\\line "),
            '\t' => out.push_str("\\tab "),
            ascii if ascii.is_ascii() => out.push(ascii),
            // Units of UTF-16 as signed numbers, each with what an old reader shows instead.
            other => other
                .encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|unit| out.push_str(&format!("\\u{}?", unit.cast_signed()))),
        }
    }
    out
}

pub(super) fn begin(title: &str) -> String {
    format!(
        "{{\\rtf1\\ansi\\ansicpg1252\\uc1\\deff0{{\\fonttbl{{\\f0\\fswiss Helvetica;}}}}\n\
         \\pard\\b\\fs32 {}\\b0\\fs22\\par\n",
        escaped(title)
    )
}

pub(super) fn chat(with: &str) -> String {
    format!("\\pard\\par\\b\\fs28 {}\\b0\\fs22\\par\n", escaped(with))
}

pub(super) fn day(day: &str) -> String {
    format!("\\pard\\par\\i {day}\\i0\\par\n")
}

pub(super) fn line(line: &Line, time: &str) -> String {
    let mut rtf =
        format!("\\pard\\li200\\sa80 {time}  {{\\b {}}}: {}", escaped(&line.from), escaped(&line.text));
    if let Some(file) = &line.file {
        let name = escaped(&file.name);
        rtf.push_str(&match &file.href {
            // A reference holds neither braces nor backslashes.
            Some(href) => format!(" {{\\field{{\\*\\fldinst HYPERLINK \"{href}\"}}{{\\fldrslt {name}}}}}"),
            None => format!(" [{name}]"),
        });
    }
    if let Some(note) = &line.note {
        rtf.push_str(&format!(" {{\\i [{}]}}", escaped(note)));
    }
    rtf.push_str("\\par\n");
    rtf
}
