//! What can be typed.

mod devices;
mod history;
pub(super) mod letters;
mod store;

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use hobnob_nat::core::proxy::{NoProxy, Proxy};
use hobnob_wire::invite::Invite;
use hobnob_wire::safety::SafetyNumber;
use hobnob_wire::{Address, Name, TransferId};

use self::devices::parse_name;
pub(super) use self::devices::{Device, OwnAccount, Recover, Verify};
pub(super) use self::history::{Export, ExportFormat, History as TypedHistory, HistoryCommand, ShowChat};
pub(super) use self::store::Store;
use crate::api::bodies::{PathsAllowed, PresenceState};
use crate::core::transfer::limits::parse_rate;
use crate::core::view::{LetterState, Priority};
use crate::events::Cursor;

/// Letters and files straight to your contacts.
#[derive(Debug, Parser)]
#[command(name = "hobnob", version, arg_required_else_help = true, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Folder of one profile [default: $XDG_DATA_HOME/hobnob]
    #[arg(long, global = true, value_name = "DIR", env = "HOBNOB_HOME", hide_env_values = true)]
    pub(super) home: Option<PathBuf>,
    /// Print one JSON object per line
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Print data only, no messages
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Log more; twice for every decision
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an account, with this device as its first
    Register {
        #[command(flatten)]
        account: Account,
        /// Write the recovery code to this new file instead of printing it
        #[arg(long, value_name = "FILE")]
        recovery_file: Option<PathBuf>,
    },
    /// Add this device to an account that exists
    Login {
        #[command(flatten)]
        account: Account,
    },
    /// Set a new password with the recovery code, and add this device to the account
    Recover(Recover),
    /// Run the daemon in the foreground; all other commands talk to it
    Up {
        /// Port of the local API on 127.0.0.1 [default: one that the system chooses]
        #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
        api_port: u16,
        /// Read the passphrase of the store from the first line of this file; - is standard input
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// The passphrase that guards everything this device keeps, while the daemon is stopped
    #[command(subcommand)]
    Store(Store),
    /// Show the own address, device, session and links
    Status,
    /// Show what this network allows, and what would help
    Netcheck,
    /// Show how a contact is reached, and what the last attempt met with
    Path {
        /// Whom
        #[arg(value_parser = parse_address)]
        address: String,
    },
    /// The devices of the account
    #[command(subcommand)]
    Device(Device),
    /// The account itself
    #[command(subcommand)]
    Account(OwnAccount),
    /// Contacts and requests
    #[command(subcommand)]
    Contact(Contact),
    /// Show and compare the safety number of a contact
    Verify(Verify),
    /// What contacts see of you
    #[command(subcommand)]
    Presence(Presence),
    #[command(flatten)]
    Letters(letters::Letters),
    /// Show the letters of a chat, oldest first, and mark them read; find, forget, export, import
    History(TypedHistory),
    /// Print every event as it happens
    Tail {
        /// Begin with what has happened after this event; 0 for everything that is kept
        #[arg(long, value_name = "CURSOR")]
        after: Option<Cursor>,
    },
    /// Files and folders
    #[command(subcommand)]
    File(File),
    /// Settings
    #[command(subcommand)]
    Config(Config),
    /// Show everything at once: a rendezvous and two people on this machine
    Demo {
        /// What to send; a file of 256 MiB is made when absent
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Leave everything running at the end
        #[arg(long)]
        keep: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Account {
    /// Name at the rendezvous: the part before the @
    #[arg(value_parser = parse_name)]
    pub(super) name: Name,
    /// Invite of the rendezvous: hobnob://HOST:PORT/#PIN
    #[arg(long, value_name = "INVITE")]
    pub(super) server: Invite,
    /// Go through a proxy: http://HOST:PORT or socks5://HOST:PORT, with USER:PASSWORD@ before the host if it asks for
    /// them. Kept as the setting net.proxy
    #[arg(long, value_name = "URL", env = "HOBNOB_PROXY", hide_env_values = true)]
    pub(super) proxy: Option<TypedProxy>,
    /// Read the password from the first line of this file; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
}

/// A proxy as it was typed. Always taken, because a refusal of clap's would repeat the password.
#[derive(Clone, Debug)]
pub(super) struct TypedProxy(pub(super) Result<Proxy, NoProxy>);

impl FromStr for TypedProxy {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.parse()))
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Contact {
    /// Ask somebody to become a contact
    Add {
        /// Whom
        #[arg(value_parser = parse_address)]
        address: String,
        /// A word about yourself; the rendezvous can read it
        #[arg(long, value_name = "T", default_value = "", hide_default_value = true)]
        text: String,
    },
    /// Accept a request; both see each other then
    Accept {
        /// Who asked
        #[arg(value_parser = parse_address)]
        address: String,
    },
    /// Reject a request
    Reject {
        /// Who asked
        #[arg(value_parser = parse_address)]
        address: String,
    },
    /// Remove a contact on both sides
    Remove {
        /// Whom
        #[arg(value_parser = parse_address)]
        address: String,
        /// A last word; the rendezvous can read it
        #[arg(long, value_name = "T", default_value = "", hide_default_value = true)]
        text: String,
    },
    /// Choose over which paths a contact may reach you, and so what it learns of your addresses
    Paths {
        /// Whom
        #[arg(value_parser = parse_address)]
        address: String,
        /// What is allowed
        paths: PathsAllowed,
    },
    /// Accept that a contact has another identity now
    Trust {
        /// Whom
        #[arg(value_parser = parse_address)]
        address: String,
        /// The number of the new identity, as the other side sees it
        #[arg(long, value_name = "N")]
        number: Option<SafetyNumber>,
    },
    /// Limit all transfers with a contact together
    Limit {
        /// Whom
        #[arg(value_parser = parse_address)]
        address: String,
        /// What is sent: bytes per second, as 500KiB, 5MB, 1GiB; 0 for no limit
        #[arg(long, value_name = "RATE", value_parser = parse_rate)]
        up: Option<u64>,
        /// What is received: bytes per second, as 500KiB, 5MB, 1GiB; 0 for no limit
        #[arg(long, value_name = "RATE", value_parser = parse_rate)]
        down: Option<u64>,
    },
    /// List contacts
    List,
}

#[derive(Debug, Subcommand)]
pub(super) enum Presence {
    /// Set it, until it is set again
    Set {
        /// What contacts are to see
        state: PresenceState,
        /// Status text
        #[arg(
            short = 'm',
            long = "message",
            value_name = "TEXT",
            default_value = "",
            hide_default_value = true
        )]
        text: String,
    },
}

/// How far a letter can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Wait {
    /// In the mailbox at the rendezvous
    Accepted,
    /// On a device of the addressee
    Delivered,
    /// Seen by the addressee
    Read,
}

impl From<Wait> for LetterState {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::Accepted => Self::Accepted,
            Wait::Delivered => Self::Delivered,
            Wait::Read => Self::Read,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum File {
    /// Offer files and folders
    Send(FileSend),
    /// List transfers
    List,
    /// Accept an offer
    Accept {
        /// Id of the transfer, as `file list` shows it
        id: TransferId,
        /// Put it into this folder [default: files.dir]
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Bring what is there already up to date: only what differs is sent and replaced
        #[arg(long)]
        update: bool,
        /// Take only what matches one of these patterns, as '*.jpg' or 'photos/2026/**'
        #[arg(long, value_name = "PATTERN", num_args = 1..)]
        only: Vec<String>,
        /// Take nothing that matches one of these patterns
        #[arg(long, value_name = "PATTERN", num_args = 1..)]
        except: Vec<String>,
    },
    /// Reject an offer
    Reject {
        /// Id of the transfer, as `file list` shows it
        id: TransferId,
        /// Why, for the other side
        #[arg(long, value_name = "T", default_value = "", hide_default_value = true)]
        text: String,
    },
    /// Stop a transfer, or take an offer back
    Cancel {
        /// Id of the transfer, as `file list` shows it
        id: TransferId,
        /// Why, for the other side
        #[arg(long, value_name = "T", default_value = "", hide_default_value = true)]
        text: String,
    },
    /// Show everything about a transfer
    Show {
        /// Id of the transfer, as `file list` shows it
        id: TransferId,
    },
    /// Pause a transfer; what is here already stays
    Pause {
        /// Id of the transfer, as `file list` shows it
        id: TransferId,
    },
    /// Let a paused transfer go on
    Resume {
        /// Id of the transfer, as `file list` shows it
        id: TransferId,
    },
    /// Offer again what did not come through, or ask its sender to
    Retry {
        /// Id of the transfer, as `file list` shows it
        id: TransferId,
    },
    /// Put a transfer at another place of the queue
    Move {
        /// Id of the transfer, as `file list` shows it
        id: TransferId,
        /// first, last, or the id of the transfer before which to put it
        #[arg(value_name = "PLACE")]
        to: String,
    },
    /// Put a transfer before or after all others
    Priority {
        /// Id of the transfer, as `file list` shows it
        id: TransferId,
        /// low, normal or high
        #[arg(value_parser = parse_priority)]
        priority: Priority,
    },
    /// Follow all transfers as they go
    Watch,
    /// List transfers that are over, oldest first
    History {
        /// Only those with this contact
        #[arg(value_parser = parse_address)]
        address: Option<String>,
    },
    /// Limit the rate of a transfer
    Limit {
        /// Id of the transfer, as `file list` shows it
        id: TransferId,
        /// Bytes per second, as 500KiB, 5MB, 1GiB; 0 for no limit
        #[arg(value_parser = parse_rate, allow_negative_numbers = true)]
        rate: u64,
    },
}

#[derive(Debug, Args)]
pub(super) struct FileSend {
    /// To whom; several with commas between them get it from each other, too
    #[arg(value_name = "ADDRESS[,ADDRESS]", value_parser = parse_addresses)]
    pub(super) to: Addresses,
    /// Files and folders, all in one offer
    #[arg(value_name = "PATH", required = true)]
    pub(super) paths: Vec<PathBuf>,
    /// Bytes per second, as 500KiB, 5MB, 1GiB; 0 for no limit
    #[arg(long, value_name = "RATE", value_parser = parse_rate, allow_negative_numbers = true, default_value = "0", hide_default_value = true)]
    pub(super) limit: u64,
    /// A word about it
    #[arg(long, value_name = "T", default_value = "", hide_default_value = true)]
    pub(super) text: String,
    /// Before or after others, and the share beside them: low, normal or high
    #[arg(long, value_name = "P", value_parser = parse_priority, default_value = "normal")]
    pub(super) priority: Priority,
    /// Leave the second encryption out; the connection's own stays
    #[arg(long)]
    pub(super) as_is: bool,
    /// Send symbolic links that stay inside the folder, as links
    #[arg(long)]
    pub(super) links: bool,
    /// Show progress until it is done
    #[arg(long)]
    pub(super) wait: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Show a setting, or all
    Get {
        /// Its name, as in files.auto_accept
        key: Option<String>,
    },
    /// Change a setting
    Set {
        /// Its name, as in files.auto_accept
        key: String,
        /// Its value
        value: String,
    },
}

/// Addresses with commas between them, which no address holds.
#[derive(Clone, Debug)]
pub(super) struct Addresses(pub(super) Vec<String>);

fn parse_addresses(text: &str) -> Result<Addresses, String> {
    text.split(',').map(parse_address).collect::<Result<_, _>>().map(Addresses)
}

/// An address, with or without its domain, which the daemon completes.
fn parse_address(text: &str) -> Result<String, String> {
    let parsed = if text.contains('@') {
        text.parse::<Address>().map(|address| address.to_string())
    } else {
        text.parse::<Name>().map(|name| name.to_string())
    };
    parsed.map_err(|error| error.to_string())
}

/// `low`, `normal` or `high`.
fn parse_priority(text: &str) -> Result<Priority, String> {
    match text {
        "low" => Ok(Priority::Low),
        "normal" => Ok(Priority::Normal),
        "high" => Ok(Priority::High),
        _ => Err("low, normal or high is wanted".to_owned()),
    }
}

/// A span of time in seconds, as in `2` or `0.5`.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds is wanted".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "a number of seconds, 0 or more, is wanted".to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use clap::CommandFactory;

    use super::*;

    pub(super) const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";

    pub(super) fn parse(line: &str) -> Result<Arguments, clap::error::ErrorKind> {
        let words = std::iter::once("hobnob").chain(line.split_whitespace());
        Arguments::try_parse_from(words).map_err(|error| error.kind())
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_guide_is_understood() {
        let pin = "a".repeat(52);
        let invite = format!("hobnob://127.0.0.1:7700/#{pin}");
        let lines = [
            format!("register alice --server {invite} --password-file - --recovery-file code"),
            format!("login alice --server {invite} --password-file pw"),
            "up --api-port 4711".into(),
            "up --json".into(),
            "--home h --json status".into(),
            "contact add bob --text hello".into(),
            "contact accept bob@example.org".into(),
            "contact reject bob".into(),
            "contact remove bob --text bye".into(),
            "contact list --json".into(),
            "contact paths bob relay-only".into(),
            "contact paths bob default".into(),
            "path bob --json".into(),
            "netcheck --json".into(),
            format!("recover alice --server {invite} --code-file code --password-file pw --revoke-others"),
            "device list --json".into(),
            "device rename laptop old --password-file pw".into(),
            "device revoke aaaaaaaaaaaaaaaaaaaaaaaaaa --password-file -".into(),
            "account password --password-file old --new-password-file new".into(),
            "verify bob".into(),
            format!("verify bob --number {}", "1".repeat(60)),
            "verify bob --undo".into(),
            format!("contact trust bob --number {}", "1".repeat(60)),
            "presence set away -m lunch".into(),
            "presence set hidden".into(),
            "send bob hi --wait delivered --timeout 0.5".into(),
            "history bob --limit 10 --keep-unread".into(),
            format!("history bob --around {ID}"),
            "history bob --since 7d".into(),
            "history search --limit 5 --before -3 -- from:bob hello -boat".into(),
            "history count bob --json".into(),
            "history clear bob --older-than 30d --yes".into(),
            "history clear --all --dry-run".into(),
            "history export bob --to bob.html --with-files".into(),
            "history export --all --to all --format json".into(),
            "history import all.json".into(),
            "up --passphrase-file -".into(),
            "store status --json".into(),
            "store lock --passphrase-file p".into(),
            "store unlock".into(),
            "store passphrase --passphrase-file p --new-passphrase-file q".into(),
            "tail".into(),
            "tail --after 0".into(),
            "config get".into(),
            "config get files.dir".into(),
            "config set files.auto_accept contacts".into(),
            "demo a b --keep".into(),
        ];
        for line in lines {
            assert!(parse(&line).is_ok(), "{line}");
        }
    }

    #[test]
    fn every_command_about_files_is_understood() {
        let lines = [
            "file send bob a b --limit 5MB --as-is --wait".into(),
            "file list".into(),
            format!("file accept {ID} --to /tmp"),
            format!("file reject {ID}"),
            format!("file cancel {ID}"),
            format!("file limit {ID} 500KiB"),
            "file send bob a --text hello --priority high".into(),
            "file send bob,carol@example.org,dora a --wait".into(),
            format!("file show {ID}"),
            format!("file pause {ID}"),
            format!("file resume {ID}"),
            format!("file retry {ID}"),
            format!("file move {ID} first"),
            format!("file priority {ID} low"),
            format!("file cancel {ID} --text later"),
            "file watch".into(),
            "file history bob --json".into(),
            "contact limit bob --up 1MiB/s --down 0".into(),
        ];
        for line in lines {
            assert!(parse(&line).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_is_done() {
        use clap::error::ErrorKind::{
            InvalidValue, MissingRequiredArgument, UnknownArgument, ValueValidation,
        };
        let table = [
            ("register alice", MissingRequiredArgument),
            ("register Älice --server x", ValueValidation),
            ("register alice --server http://x", ValueValidation),
            ("register alice --password secret", UnknownArgument),
            ("send bob", MissingRequiredArgument),
            ("send b/b hi", ValueValidation),
            ("send bob hi --timeout 5", MissingRequiredArgument),
            ("send bob hi --wait queued", InvalidValue),
            ("send bob hi --wait read --timeout=-1", ValueValidation),
            ("send bob hi --wait read --timeout inf", ValueValidation),
            ("history bob --limit 0", ValueValidation),
            ("history", MissingRequiredArgument),
            ("history bob --since soon", ValueValidation),
            ("history clear", MissingRequiredArgument),
            ("history export bob", MissingRequiredArgument),
            ("file send bob", MissingRequiredArgument),
            ("file send bob,,dora a", ValueValidation),
            ("file accept x", ValueValidation),
            ("file send bob a --limit -5", ValueValidation),
            ("file limit aaaaaaaaaaaaaaaaaaaaaaaaaa -5", ValueValidation),
            ("presence set gone", InvalidValue),
            ("contact paths bob lan", InvalidValue),
            ("path", MissingRequiredArgument),
            ("verify bob --number 12", ValueValidation),
            ("device revoke", MissingRequiredArgument),
        ];
        for (line, expected) in table {
            assert_eq!(parse(line).map(|_| ()), Err(expected), "{line}");
        }
    }

    #[test]
    fn a_missing_domain_is_left_for_the_daemon_to_complete() {
        assert_eq!(parse_address("Bob").as_deref(), Ok("bob"));
        assert_eq!(parse_address("Bob@Example.org").as_deref(), Ok("bob@example.org"));
        parse_address("bob@").unwrap_err();
    }
}
