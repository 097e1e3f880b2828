//! The command line: a client of the local API that knows nothing else. Only `register`, `login`,
//! `recover` and `up` work on a home themselves, because no daemon runs there yet.
//!
//! Data goes to standard output, messages to standard error; `--json` prints one object per line. The exit
//! code tells the kind of failure (`stop`).

mod account;
mod args;
mod chats;
mod config;
mod contact;
mod device;
mod file;
mod history;
mod letter;
mod letters;
mod netcheck;
mod opening;
mod output;
mod path;
mod progress;
mod said;
mod saying;
mod secret;
mod shown;
mod status;
mod stop;
mod store;
mod tail;
mod units;
mod verify;
mod watch;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
use tokio::runtime;
use tracing_subscriber::EnvFilter;

use self::args::{Arguments, Command, Global};
pub(crate) use self::output::{Output, table};
pub(crate) use self::progress::{follow, progress_line};
pub(crate) use self::stop::Stop;
pub(crate) use self::units::{elapsed, rate, size};
use crate::api::client::ApiClient;
use crate::client::Options;
use crate::core::command::{CommandError, ErrorKind};
use crate::store::Passphrase;
use crate::store::passphrase::is_locked;
use crate::{daemon, demo};

/// Runs the program: reads the command line, does what it says, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let Arguments { global, command } = arguments;
    let output = Output::new(global.json, global.quiet);
    match start_logs(&global).and_then(|()| run(&global, command, output)) {
        Ok(()) | Err(Stop::OutputClosed) => ExitCode::SUCCESS,
        Err(Stop::Failed(error)) => {
            output.error(&error);
            ExitCode::from(stop::exit_code(error.kind))
        }
    }
}

/// Answers `--help`, and what makes no sense.
fn refuse(error: &clap::Error) -> ExitCode {
    let is_help = !error.use_stderr() || error.kind() == DisplayHelpOnMissingArgumentOrSubcommand;
    if is_help {
        // There is nobody to tell when this cannot be written.
        let _ = error.print();
    } else {
        let is_json = env::args_os().any(|argument| argument == "--json");
        let text = error.render().to_string();
        let text = text.trim_start_matches("error: ").trim_end();
        let text = if is_json { text.lines().next().unwrap_or(text) } else { text };
        Output::new(is_json, false).error(&CommandError::new(ErrorKind::Usage, text));
    }
    ExitCode::from(if error.use_stderr() { stop::exit_code(ErrorKind::Usage) } else { 0 })
}

/// Logs go to standard error. `HOBNOB_LOG` says what is logged, else `-v` and `-q` do.
fn start_logs(global: &Global) -> Result<(), Stop> {
    let default = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "warn,hobnob=info,hobnob_peer=info,hobnob_nat=info",
        (false, _) => "info,hobnob=debug,hobnob_peer=debug,hobnob_nat=debug",
    };
    let filter = match env::var("HOBNOB_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(&filter).map_err(|error| {
            let text =
                format!("HOBNOB_LOG is not valid: {error}; it may be debug, or hobnob_peer=debug,warn");
            Stop::because(ErrorKind::Usage, text)
        })?,
        Ok(_) | Err(_) => EnvFilter::new(default),
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    Ok(())
}

fn run(global: &Global, command: Command, output: Output) -> Result<(), Stop> {
    let mut builder = if matches!(command, Command::Up { .. }) {
        runtime::Builder::new_multi_thread()
    } else {
        runtime::Builder::new_current_thread()
    };
    let runtime =
        builder.enable_all().build().map_err(|error| Stop::failure(format!("cannot start: {error}")))?;
    runtime.block_on(perform(global, command, output))
}

async fn perform(global: &Global, command: Command, output: Output) -> Result<(), Stop> {
    let home = || home(global);
    let api = || ApiClient::find(&home()?).map_err(Stop::from);
    match command {
        Command::Register { account, recovery_file } => {
            account::register(&home()?, &account, recovery_file.as_deref(), output).await
        }
        Command::Login { account } => account::login(&home()?, &account, output).await,
        Command::Recover(recover) => account::recover(&home()?, &recover, output).await,
        Command::Up { api_port, passphrase_file } => {
            let mut options = options(global, home()?);
            if is_locked(&options.home) {
                let typed = secret::password(passphrase_file.as_deref(), secret::Asked::Passphrase)?;
                options.passphrase = Some(Passphrase::new(typed));
            }
            daemon::run(options, api_port, output).await
        }
        Command::Store(store) => store::run(&home()?, store, output).await,
        Command::Status => status::show(&api()?, output).await,
        Command::Netcheck => netcheck::run(&api()?, output).await,
        Command::Path { address } => path::show(&api()?, &address, output).await,
        Command::Device(device) => device::run(&api()?, device, output).await,
        Command::Account(account) => device::account(&api()?, account, output).await,
        Command::Verify(verify) => verify::run(&api()?, verify, output).await,
        Command::Contact(contact) => contact::run(&api()?, contact, output).await,
        Command::Presence(presence) => status::presence(&api()?, presence, output).await,
        Command::Letters(command) => saying::run(&api()?, command, output).await,
        Command::History(history) => history::run(&api()?, history, output).await,
        Command::Tail { after } => tail::run(&api()?, after, output).await,
        Command::File(file) => file::run(&api()?, file, output).await,
        Command::Config(config) => config::run(&api()?, config, output).await,
        Command::Demo { files, keep } => demo::run(&files, keep, output).await,
    }
}

/// A profile that the user put somewhere keeps received files there too; else they go where downloads go.
fn options(global: &Global, home: PathBuf) -> Options {
    let mut options = Options::new(home);
    let user = env::var_os("HOME").map(PathBuf::from).filter(|user| user.is_absolute());
    if let (None, Some(user)) = (&global.home, user) {
        options.files = user.join("Downloads").join("Hobnob");
    }
    options
}

/// The folder of the profile: `--home`, `HOBNOB_HOME`, or the XDG data folder.
fn home(global: &Global) -> Result<PathBuf, Stop> {
    if let Some(home) = &global.home {
        return std::path::absolute(home)
            .map_err(|error| Stop::failure(format!("cannot use {}: {error}", home.display())));
    }
    let set = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    set("XDG_DATA_HOME")
        .or_else(|| set("HOME").map(|user| user.join(".local/share")))
        .map(|data| data.join("hobnob"))
        .ok_or_else(|| Stop::because(ErrorKind::Usage, "there is no home folder; name one with --home DIR"))
}
