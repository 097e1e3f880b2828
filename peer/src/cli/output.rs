//! Where words go: data to standard output, messages to standard error.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::stop::Stop;
use crate::api::kind::ErrorBody;
use crate::core::command::CommandError;

/// Writes data and messages in the form that the user chose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) const fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether data is JSON.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Whether a line on standard error can be drawn over and somebody looks at it.
    pub(crate) fn is_live(self) -> bool {
        !self.json && !self.quiet && io::stderr().is_terminal()
    }

    /// Data: one JSON object, or what `human` makes of it.
    pub(crate) fn show<T: Serialize>(self, data: &T, human: impl FnOnce() -> String) -> Result<(), Stop> {
        if self.json {
            let text = serde_json::to_string(data).map_err(|error| Stop::failure(error.to_string()))?;
            self.line(&text)
        } else {
            self.line(&human())
        }
    }

    /// Data, as it is.
    pub(crate) fn line(self, text: &str) -> Result<(), Stop> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| Stop::from_output(&error))
    }

    /// A message for the person; nothing when quiet, or when a program reads.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet && !self.json {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Draws over the last live line; [`Output::is_live`] says whether to.
    pub(crate) fn live(self, text: &str) {
        let mut err = io::stderr().lock();
        let _ = write!(err, "{}", drawn_over(text)).and_then(|()| err.flush());
    }

    /// Draws several lines over those that were drawn last, and leaves the cursor above them, so that what is written next
    /// replaces them. Nothing unless [`Output::is_live`].
    pub(crate) fn above(self, lines: &[String]) {
        if self.is_live() {
            let mut err = io::stderr().lock();
            let _ = write!(err, "{}", drawn_below(lines)).and_then(|()| err.flush());
        }
    }

    /// Why the command failed.
    pub(crate) fn error(self, error: &CommandError) {
        let text = if self.json {
            serde_json::to_string(&ErrorBody::from(error)).unwrap_or_else(|_| error.text.clone())
        } else {
            format!("hobnob: {}", error.text)
        };
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// What draws `text` over the line of the cursor. A narrow terminal cuts the line off, because one that goes on
/// in the next row could not be drawn over.
fn drawn_over(text: &str) -> String {
    format!("\r\x1b[2K\x1b[?7l{text}\x1b[?7h")
}

/// What clears all below the cursor, draws `lines` there, and goes back to where it was.
fn drawn_below(lines: &[String]) -> String {
    let mut text = String::from("\r\x1b[J\x1b[?7l");
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("\x1b[?7h");
    if !lines.is_empty() {
        text.push_str(&format!("\x1b[{}A", lines.len()));
    }
    text
}

/// Rows as aligned columns, two spaces apart; the last column is not padded, so foreign text belongs there.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.truncate(text.trim_end_matches('\n').len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_line_stays_one_row_and_leaves_the_terminal_as_it_was() {
        assert_eq!(drawn_over("50 %"), "\r\u{1b}[2K\u{1b}[?7l50 %\u{1b}[?7h");
    }

    #[test]
    fn live_lines_are_drawn_over_as_a_block() {
        assert_eq!(drawn_below(&[]), "\r\u{1b}[J\u{1b}[?7l\u{1b}[?7h");
        let lines = ["a".to_owned(), "b".to_owned()];
        assert_eq!(drawn_below(&lines), "\r\u{1b}[J\u{1b}[?7la\nb\n\u{1b}[?7h\u{1b}[2A");
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_spaces_at_their_ends() {
        let rows = [vec!["ADDRESS", "STATE"], vec!["bob@localhost", ""], vec!["a@b", "online"]];
        let rows = rows.map(|row| row.into_iter().map(str::to_owned).collect());
        assert_eq!(table(&rows), "ADDRESS        STATE\nbob@localhost\na@b            online");
    }
}
