//! Counts what a sender has sent again, by its log.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;

/// What is logged for each range.
const SENDING: &str = "sending a range";

/// The log of a sender, and where in it somebody was killed.
pub(crate) struct Waste {
    log: PathBuf,
    /// Bytes of the log that have been read.
    read: usize,
    known: BTreeSet<u64>,
    /// Bytes that were sent again, between one mark and the next.
    again: Vec<u64>,
}

impl Waste {
    pub(crate) const fn new(log: PathBuf) -> Self {
        Self { log, read: 0, known: BTreeSet::new(), again: Vec::new() }
    }

    /// Counts up to here: somebody is about to be killed, or all is over.
    pub(crate) fn mark(&mut self) -> Result<()> {
        let log = fs::read(&self.log)?;
        let new = String::from_utf8_lossy(&log[self.read..]);
        let end = new.rfind('\n').map_or(0, |at| at + 1);
        let mut again = 0;
        for line in new[..end].lines().filter(|line| line.contains(SENDING)) {
            let field = |name: &str| {
                line.split_whitespace().find_map(|word| word.strip_prefix(name)?.parse::<u64>().ok())
            };
            if let (Some(range), Some(bytes)) = (field("range="), field("bytes="))
                && !self.known.insert(range)
            {
                again += bytes;
            }
        }
        self.read += end;
        self.again.push(again);
        Ok(())
    }

    /// For each kill, what was sent again after it and before the next one.
    pub(crate) fn sent_again(&self) -> Vec<u64> {
        self.again.iter().skip(1).copied().collect()
    }
}
