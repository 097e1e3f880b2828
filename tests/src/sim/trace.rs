//! What happened, in order: enough to compare two runs and to read a failure, and nothing that differs between two
//! runs of one seed. Keys and ciphertext do differ, because Olm draws its own randomness.

use std::fmt::{self, Debug, Display, Write};
use std::time::Duration;

/// A record of events: their hash, and on demand their words.
#[derive(Debug)]
pub(super) struct Trace {
    hash: blake3::Hasher,
    line: String,
    lines: Option<Vec<String>>,
    events: u64,
}

impl Trace {
    /// An empty record, which keeps its lines or does not.
    pub(super) fn new(keeps_lines: bool) -> Self {
        let lines = keeps_lines.then(Vec::new);
        Self { hash: blake3::Hasher::new(), line: String::new(), lines, events: 0 }
    }

    /// Adds an event.
    pub(super) fn note(&mut self, now: Duration, what: fmt::Arguments<'_>) {
        self.line.clear();
        // A string takes whatever is written.
        let _ = writeln!(self.line, "{:>14.3} {what}", now.as_secs_f64());
        self.hash.update(self.line.as_bytes());
        self.events += 1;
        if let Some(lines) = &mut self.lines {
            lines.push(self.line.trim_end().to_owned());
        }
    }

    /// How many events there were, and their hash in hexadecimal.
    pub(super) fn sum(&self) -> (u64, String) {
        (self.events, self.hash.finalize().to_hex().to_string())
    }

    /// The events themselves, if they were kept.
    pub(super) fn take_lines(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}

/// Shows the names of an enum's variant and of those nested in it, as `Pushed(Letter(Delivery`, and none of their content.
pub(super) struct Named<'v, V>(pub(super) &'v V);

impl<V: Debug> Display for Named<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Names { out: f, failed: false };
        // It fails at the end of the names, on purpose.
        let _ = write!(names, "{:?}", self.0);
        if names.failed { Err(fmt::Error) } else { Ok(()) }
    }
}

struct Names<'o, 'f> {
    out: &'o mut fmt::Formatter<'f>,
    failed: bool,
}

impl Write for Names<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = text.find(|c: char| !(c.is_alphabetic() || c == '(')).unwrap_or(text.len());
        self.failed = self.out.write_str(&text[..end]).is_err();
        if self.failed || end < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_variants_are_shown() {
        assert_eq!(Named(&Some(Some(7))).to_string(), "Some(Some(");
        assert_eq!(Named(&None::<u8>).to_string(), "None");
        assert_eq!(Named(&Duration::from_secs(1)).to_string(), "");
    }

    #[test]
    fn the_same_events_have_the_same_hash() {
        let sum = |word: &str| {
            let mut trace = Trace::new(true);
            trace.note(Duration::from_millis(1_500), format_args!("{word}"));
            (trace.sum(), trace.take_lines())
        };
        assert_eq!(sum("a"), sum("a"));
        assert_ne!(sum("a").0, sum("b").0);
        assert_eq!(sum("a").1, ["         1.500 a"]);
    }
}
