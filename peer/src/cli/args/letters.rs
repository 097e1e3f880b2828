//! What can be typed about letters and chats.

use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use hobnob_wire::LetterId;
use hobnob_wire::letter::Language;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{Wait, parse_address, parse_seconds};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Letters {
    /// Send a letter
    Send(Box<Send>),
    /// Change the words of a letter of yours
    Edit(Edit),
    /// Take a letter of yours back, on both sides
    Delete {
        /// Id of the letter, as `send` and `history --json` show it
        id: LetterId,
    },
    /// Show what you feel about a letter
    React {
        /// Id of the letter
        id: LetterId,
        /// An emoji
        #[arg(required_unless_present = "remove")]
        reaction: Option<String>,
        /// Take it back
        #[arg(long, conflicts_with = "reaction")]
        remove: bool,
    },
    /// Ask for a contact's attention
    Nudge {
        /// Whom
        #[arg(value_parser = parse_address)]
        address: String,
    },
    /// Send the address of somebody
    Card(Card),
    /// Send a place
    Location(Location),
    /// Send a question with answers to choose from
    Poll(Poll),
    /// Answer a poll
    Vote {
        /// Id of the poll
        id: LetterId,
        /// Numbers of the options, from 1
        #[arg(required_unless_present = "none", value_parser = clap::value_parser!(u8).range(1..=32))]
        options: Vec<u8>,
        /// Take the vote back
        #[arg(long, conflicts_with = "options")]
        none: bool,
    },
    /// Tell a contact that you are writing, over the link
    Typing {
        /// Whom
        #[arg(value_parser = parse_address)]
        address: String,
        /// That you are not any more
        #[arg(long)]
        stop: bool,
    },
    /// Show one letter
    Show {
        /// Id of the letter
        id: LetterId,
        /// Its words as HTML, which holds a few elements only
        #[arg(long, conflicts_with = "plain")]
        html: bool,
        /// Its words without Markdown
        #[arg(long)]
        plain: bool,
    },
    /// Show the letters of a thread, oldest first
    Thread {
        /// Id of any of its letters
        id: LetterId,
    },
    /// Show or keep what you have begun to write; your other devices have it too
    Draft(Draft),
    /// Letters that are sent later
    #[command(subcommand)]
    Scheduled(Scheduled),
    /// List chats with what is unread, the newest first
    Chats,
    /// Show a chat, or choose how it behaves, on all of your devices
    Chat(ChatSet),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Send {
    /// To whom; your own name for a note to yourself
    #[arg(value_parser = parse_address)]
    pub(in crate::cli) address: String,
    /// The words; *emphasis*, `code`, lists, > quotes and [links](https://…) as in Markdown
    #[arg(required_unless_present_any = ["forward", "draft"])]
    pub(in crate::cli) text: Option<String>,
    /// What it is about
    #[arg(long, value_name = "T", requires = "text")]
    pub(in crate::cli) subject: Option<String>,
    /// Language of the words, as de or pt-BR
    #[arg(long, value_name = "TAG", requires = "text")]
    pub(in crate::cli) lang: Option<Language>,
    /// The same in another language; can be repeated
    #[arg(long, value_name = "TAG=T", value_parser = parse_alternative, requires = "text")]
    pub(in crate::cli) also: Vec<(Language, String)>,
    /// Answer the letter with this id
    #[arg(long, value_name = "ID", requires = "text")]
    pub(in crate::cli) reply: Option<LetterId>,
    /// Belong to the thread of the letter with this id
    #[arg(long, value_name = "ID", requires = "text")]
    pub(in crate::cli) thread: Option<LetterId>,
    /// Disappear on both sides: so long after it is read, here after it is sent; as 30s, 5m, 12h, 7d
    #[arg(long, value_name = "SPAN", value_parser = parse_span, requires = "text")]
    pub(in crate::cli) expires: Option<Duration>,
    /// Pass a letter on; can be repeated
    #[arg(long, value_name = "ID", conflicts_with_all = ["text", "draft"])]
    pub(in crate::cli) forward: Vec<LetterId>,
    /// Send the draft of the chat
    #[arg(long, conflicts_with = "text")]
    pub(in crate::cli) draft: bool,
    /// Send it at a time: 2026-12-24T18:00 by your clock, or 2026-12-24T18:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(in crate::cli) at: Option<u64>,
    /// Send it after a while, as 30s, 5m, 12h, 7d
    #[arg(long = "in", value_name = "SPAN", value_parser = parse_span, conflicts_with = "at")]
    pub(in crate::cli) after: Option<Duration>,
    /// Wait until the letter has come this far
    #[arg(long, value_name = "STATE", conflicts_with_all = ["at", "after"])]
    pub(in crate::cli) wait: Option<Wait>,
    /// Wait at most so many seconds [default: without end]
    #[arg(long, value_name = "S", requires = "wait", value_parser = parse_seconds)]
    pub(in crate::cli) timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Edit {
    /// Id of the letter
    pub(in crate::cli) id: LetterId,
    /// What it says now
    pub(in crate::cli) text: String,
    /// What that is about
    #[arg(long, value_name = "T")]
    pub(in crate::cli) subject: Option<String>,
    /// Language of the words, as de or pt-BR
    #[arg(long, value_name = "TAG")]
    pub(in crate::cli) lang: Option<Language>,
    /// The same in another language; can be repeated
    #[arg(long, value_name = "TAG=T", value_parser = parse_alternative)]
    pub(in crate::cli) also: Vec<(Language, String)>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Card {
    /// To whom
    #[arg(value_parser = parse_address)]
    pub(in crate::cli) address: String,
    /// Who is introduced
    #[arg(value_parser = parse_address)]
    pub(in crate::cli) contact: String,
    /// What you call this person
    #[arg(long, value_name = "T", default_value = "", hide_default_value = true)]
    pub(in crate::cli) name: String,
    /// A word about this person
    #[arg(long, value_name = "T", default_value = "", hide_default_value = true)]
    pub(in crate::cli) note: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Location {
    /// To whom
    #[arg(value_parser = parse_address)]
    pub(in crate::cli) address: String,
    /// Degrees north, -90 to 90
    #[arg(allow_negative_numbers = true)]
    pub(in crate::cli) latitude: f64,
    /// Degrees east, -180 to 180
    #[arg(allow_negative_numbers = true)]
    pub(in crate::cli) longitude: f64,
    /// How far off it may be, in meters
    #[arg(long, value_name = "M")]
    pub(in crate::cli) accuracy: Option<u32>,
    /// What the place is called
    #[arg(long, value_name = "T", default_value = "", hide_default_value = true)]
    pub(in crate::cli) place: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Poll {
    /// To whom
    #[arg(value_parser = parse_address)]
    pub(in crate::cli) address: String,
    /// The question
    pub(in crate::cli) question: String,
    /// The answers
    #[arg(required = true, num_args = 2..)]
    pub(in crate::cli) options: Vec<String>,
    /// One may choose several
    #[arg(long)]
    pub(in crate::cli) multiple: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Draft {
    /// With whom
    #[arg(value_parser = parse_address)]
    pub(in crate::cli) address: String,
    /// What is kept; shows what is there when absent
    pub(in crate::cli) text: Option<String>,
    /// Forget it
    #[arg(long, conflicts_with = "text")]
    pub(in crate::cli) clear: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Scheduled {
    /// List them, the next first
    List,
    /// Change one
    Change {
        /// Id of the letter
        id: LetterId,
        /// What it says instead
        #[arg(required_unless_present_any = ["at", "after"])]
        text: Option<String>,
        /// When it is sent instead
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        at: Option<u64>,
        /// After what while from now it is sent instead
        #[arg(long = "in", value_name = "SPAN", value_parser = parse_span, conflicts_with = "at")]
        after: Option<Duration>,
    },
    /// Do not send one after all
    Cancel {
        /// Id of the letter
        id: LetterId,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ChatSet {
    /// With whom
    #[arg(value_parser = parse_address)]
    pub(in crate::cli) address: String,
    /// Whether the other side is told when you write
    #[arg(long, value_name = "ON")]
    pub(in crate::cli) typing: Option<Switch>,
    /// Whether nudges of the other side are shown
    #[arg(long, value_name = "ON")]
    pub(in crate::cli) nudges: Option<Switch>,
    /// What is played when a letter comes; empty for what is played in general
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) sound: Option<String>,
    /// Mark it as unread, to look at it again
    #[arg(long)]
    pub(in crate::cli) unread: bool,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Switch {
    /// Yes
    On,
    /// No
    Off,
}

impl From<Switch> for bool {
    fn from(switch: Switch) -> Self {
        matches!(switch, Switch::On)
    }
}

/// When something is due, in Unix milliseconds: at a time, or after a while from now.
pub(in crate::cli) fn due(at: Option<u64>, after: Option<Duration>) -> Option<u64> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let later = after.map(|after| u64::try_from((now + after).as_millis()).unwrap_or(u64::MAX));
    at.or(later)
}

/// A language and words: `de=Hallo`.
fn parse_alternative(text: &str) -> Result<(Language, String), String> {
    let (tag, words) = text.split_once('=').ok_or("TAG=TEXT is wanted, as de=Hallo")?;
    Ok((tag.parse().map_err(|error| format!("{error}"))?, words.to_owned()))
}

/// A span of time, as `90`, `30s`, `5m`, `1h30m`, `7d`.
fn parse_span(text: &str) -> Result<Duration, String> {
    let wanted = || "a span is wanted, as 30s, 5m, 12h, 7d".to_owned();
    let text =
        if text.ends_with(|mark: char| mark.is_ascii_digit()) { format!("{text}s") } else { text.to_owned() };
    let mut rest = text.as_str();
    let mut seconds = 0_u64;
    while !rest.is_empty() {
        let end = rest.find(|mark: char| !mark.is_ascii_digit()).ok_or_else(wanted)?;
        let number: u64 = rest[..end].parse().map_err(|_| wanted())?;
        let unit = match rest[end..].chars().next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            Some('w') => 604_800,
            _ => return Err(wanted()),
        };
        seconds = number.checked_mul(unit).and_then(|more| seconds.checked_add(more)).ok_or_else(wanted)?;
        rest = &rest[end + 1..];
    }
    if seconds == 0 { Err(wanted()) } else { Ok(Duration::from_secs(seconds)) }
}

/// A moment in Unix milliseconds: with an offset from UTC, or by the clock on the wall.
fn parse_time(text: &str) -> Result<u64, String> {
    let moment = text.parse::<Timestamp>().or_else(|_| {
        let civil: DateTime = text.parse()?;
        Ok::<_, jiff::Error>(civil.to_zoned(TimeZone::system())?.timestamp())
    });
    let moment =
        moment.map_err(|_| "a time is wanted, as 2026-12-24T18:00 or 2026-12-24T18:00Z".to_owned())?;
    u64::try_from(moment.as_millisecond()).map_err(|_| "a time after 1970 is wanted".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ID, parse};
    use super::*;

    #[test]
    fn spans_are_numbers_with_units() {
        let seconds = |text: &str| parse_span(text).map(|span| span.as_secs());
        assert_eq!(seconds("90"), Ok(90));
        assert_eq!(seconds("1h30m"), Ok(5_400));
        assert_eq!(seconds("2w"), Ok(1_209_600));
        for text in ["", "0s", "m", "5x", "-5s", "5 m", "99999999999999999999d"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_an_offset_or_are_those_of_the_wall() {
        assert_eq!(parse_time("2026-12-24T18:00:00Z"), Ok(1_798_135_200_000));
        assert_eq!(parse_time("2026-12-24T18:00+01:00"), Ok(1_798_131_600_000));
        assert!(parse_time("2026-12-24T18:00").is_ok());
        assert!(parse_time("2026-12-24 18:00").is_ok());
        for text in ["", "tomorrow", "2026-13-01T00:00Z"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_command_of_the_guide_is_understood() {
        let lines = [
            "send bob hi --subject S --lang pt-BR --also de=Hallo --expires 5m --in 1h30m".into(),
            format!("send bob hi --reply {ID} --thread {ID} --at 2026-12-24T18:00"),
            format!("send bob --forward {ID} --forward {ID}"),
            "send bob --draft".into(),
            format!("edit {ID} other --subject S"),
            format!("delete {ID}"),
            format!("react {ID} x"),
            format!("react {ID} --remove"),
            "nudge bob".into(),
            "card bob carol --name Carol --note friend".into(),
            "location bob 52.5 -13.4 --accuracy 30 --place gate".into(),
            "poll bob What? tea coffee --multiple".into(),
            format!("vote {ID} 1 2"),
            format!("vote {ID} --none"),
            "typing bob --stop".into(),
            format!("show {ID} --html"),
            format!("thread {ID}"),
            "draft bob hello".into(),
            "draft bob --clear".into(),
            "scheduled list".into(),
            format!("scheduled change {ID} other --in 1h"),
            format!("scheduled cancel {ID}"),
            "chats".into(),
            "chat bob --typing off --nudges on --sound bell --unread".into(),
        ];
        for line in lines {
            assert!(parse(&line).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_is_done() {
        use clap::error::ErrorKind::{
            ArgumentConflict, MissingRequiredArgument, TooFewValues, ValueValidation,
        };
        let table = [
            ("send bob hi --draft", ArgumentConflict),
            ("send bob hi --lang x", ValueValidation),
            ("send bob hi --at tomorrow", ValueValidation),
            ("send bob hi --expires 0", ValueValidation),
            ("poll bob What? tea", TooFewValues),
            ("vote aaaaaaaaaaaaaaaaaaaaaaaaaa 0", ValueValidation),
            ("scheduled change aaaaaaaaaaaaaaaaaaaaaaaaaa", MissingRequiredArgument),
        ];
        for (line, expected) in table {
            assert_eq!(parse(line).map(|_| ()), Err(expected), "{line}");
        }
    }
}
