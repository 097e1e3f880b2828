//! What can be typed about history.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::parse_address;
use crate::api::bodies::{FOUND_DEFAULT, LETTERS_DEFAULT, LETTERS_MAX};
use crate::core::history::moment::moment;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(in crate::cli) struct History {
    #[command(subcommand)]
    pub(in crate::cli) command: Option<HistoryCommand>,
    #[command(flatten)]
    pub(in crate::cli) chat: ShowChat,
}

/// `hobnob history ADDRESS`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ShowChat {
    /// With whom
    #[arg(value_parser = parse_address, required = true)]
    pub(in crate::cli) address: Option<String>,
    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = LETTERS_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=i64::from(LETTERS_MAX)))]
    pub(in crate::cli) limit: u32,
    /// Do not tell the author that the letters have been read
    #[arg(long)]
    pub(in crate::cli) keep_unread: bool,
    /// Only letters before the one with this id
    #[arg(long, value_name = "ID", group = "place")]
    pub(in crate::cli) before: Option<String>,
    /// Only letters after the one with this id
    #[arg(long, value_name = "ID", group = "place")]
    pub(in crate::cli) after: Option<String>,
    /// The letter with this id, and as many on each side
    #[arg(long, value_name = "ID", group = "place")]
    pub(in crate::cli) around: Option<String>,
    /// The first letter as young as this date, as 2026-11-21 or 7d, and those after it
    #[arg(long, value_name = "DATE", group = "place", value_parser = parse_date)]
    pub(in crate::cli) since: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum HistoryCommand {
    /// Find letters: words, "a phrase", begin*, -not, from:bob, in:bob, has:poll, before:2026-11-21, after:7d
    Search {
        /// What to look for; in quotes, or behind --, when a word begins with -
        #[arg(required = true, value_name = "QUERY")]
        query: Vec<String>,
        /// At most so many, the newest
        #[arg(long, value_name = "N", default_value_t = FOUND_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
        /// Only letters before this place, as the last answer names it
        #[arg(long, value_name = "PLACE", allow_negative_numbers = true)]
        before: Option<i64>,
    },
    /// Say how many letters there are in a chat, or in each
    Count {
        /// The chat with whom
        #[arg(value_parser = parse_address)]
        address: Option<String>,
    },
    /// Forget letters for good, on this device
    Clear {
        /// The chat with whom
        #[arg(value_parser = parse_address, required_unless_present = "all")]
        address: Option<String>,
        /// All chats
        #[arg(long, conflicts_with = "address")]
        all: bool,
        /// Only letters older than this age or date, as 30d or 2026-11-21
        #[arg(long, value_name = "AGE", value_parser = parse_date)]
        older_than: Option<String>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
        /// Only say how many it would be
        #[arg(long)]
        dry_run: bool,
    },
    /// Write letters to a new file: .html, .rtf, .txt, .md, or .json, which can be imported again
    Export(Export),
    /// Bring in letters from a file that `history export` wrote as json
    Import {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// The chat with whom
    #[arg(value_parser = parse_address, required_unless_present = "all")]
    pub(in crate::cli) address: Option<String>,
    /// All chats
    #[arg(long, conflicts_with = "address")]
    pub(in crate::cli) all: bool,
    /// The new file
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) to: PathBuf,
    /// Its format [default: as the name of the file ends]
    #[arg(long)]
    pub(in crate::cli) format: Option<ExportFormat>,
    /// Put the files that were sent and received, as far as they still exist, into a folder beside it
    #[arg(long)]
    pub(in crate::cli) with_files: bool,
}

/// How letters are written to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExportFormat {
    /// One page for a browser
    Html,
    /// For word processors
    Rtf,
    /// Plain text
    Txt,
    /// Markdown
    Md,
    /// All that is kept, to be imported again
    Json,
}

/// A date or an age, which the daemon reads again by its own clock.
fn parse_date(text: &str) -> Result<String, String> {
    // Whether it is one does not depend on the time.
    moment(text, 0)
        .map(|_| text.to_owned())
        .ok_or_else(|| "a date as 2026-11-21, or an age as 12h, 7d, 2w, 1y, is wanted".to_owned())
}
