//! What can be asked of the program, and what it prints.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, Parser, Subcommand};
use hobnob_rendezvous::config::DEFAULT;
use hobnob_rendezvous::{Config, Server, Tally};
use hobnob_wire::Domain;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Variable that says what is logged, such as `debug` or `hobnob_rendezvous=trace`.
const LOG_VARIABLE: &str = "HOBNOB_LOG";

/// A Hobnob rendezvous: who is who, who is online, what must wait, and introductions.
#[derive(Debug, Parser)]
#[command(name = "hobnob-rendezvous", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C.
    ///
    /// The first start makes the identity; its pin is part of the invite that is printed. Logs go to standard error, as much
    /// as HOBNOB_LOG says (error, warn, info, debug, trace).
    Serve(Serve),
    /// Look at settings.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Debug, Args)]
struct Serve {
    #[command(flatten)]
    place: Place,
    /// UDP address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// Domain of all accounts; settled at the first start.
    #[arg(long, value_name = "NAME")]
    domain: Option<Domain>,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Place {
    /// Folder with everything of this rendezvous [default: $XDG_DATA_HOME/hobnob-rendezvous]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Settings [default: config.toml in the folder, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print every setting with its default and what it means.
    Default,
    /// Check the settings that `serve` would use.
    Check(Place),
}

impl Place {
    fn home(&self) -> anyhow::Result<PathBuf> {
        if let Some(home) = &self.home {
            return Ok(home.clone());
        }
        let set = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = set("XDG_DATA_HOME").filter(|data| data.is_absolute());
        let data = data.or_else(|| Some(set("HOME")?.join(".local/share")));
        let data =
            data.ok_or_else(|| anyhow!("neither XDG_DATA_HOME nor HOME is set: name a folder with --home"))?;
        Ok(data.join("hobnob-rendezvous"))
    }

    fn load(&self, home: &Path) -> anyhow::Result<Config> {
        let usual = home.join("config.toml");
        let file = self.config.clone().or_else(|| usual.exists().then_some(usual));
        let environment = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        Ok(Config::load(file.as_deref(), environment)?)
    }
}

/// Does what the command line says.
pub(crate) fn run() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Serve(serve) => {
            log_to_stderr();
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(serve.run())
        }
        Command::Config { command: ConfigCommand::Default } => print(DEFAULT.trim_end()),
        Command::Config { command: ConfigCommand::Check(place) } => {
            let home = place.home()?;
            place.load(&home)?;
            print("the settings are in order")
        }
    }
}

/// Prints why the program ends.
pub(crate) fn complain(error: &anyhow::Error) {
    // When even this fails, the exit code remains.
    let _ = writeln!(io::stderr(), "hobnob-rendezvous: {}", words(error));
}

/// The error and its causes, but no cause that an error before it has told already.
fn words(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        if said.is_empty() {
            cause
        } else if said.contains(&cause) {
            said
        } else {
            format!("{said}: {cause}")
        }
    })
}

impl Serve {
    async fn run(self) -> anyhow::Result<()> {
        let home = self.place.home()?;
        let mut config = self.place.load(&home)?;
        config.server.listen = self.listen.unwrap_or(config.server.listen);
        config.server.domain = self.domain.clone().or(config.server.domain);
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;

        let mut server = Server::start(config, &home).await?;
        tracing::info!(listen = %server.listen(), domain = %server.domain(), home = %home.display(), "serving");
        self.announce(&server, &home)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            error = server.failed() => return Err(error.into()),
        }
        tracing::info!("stopping");
        let tally = server.stop().await?;
        tracing::info!(
            sessions = tally.sessions,
            letters = tally.letters,
            letter_bytes = tally.letter_bytes,
            relayed_bytes = tally.relay.bytes,
            "stopped"
        );
        self.take_leave(tally)
    }

    fn announce(&self, server: &Server, home: &Path) -> anyhow::Result<()> {
        let (listen, domain, invite) = (server.listen(), server.domain(), server.invite());
        if self.json {
            // Written out, because programs that wait for this line may compare it as text.
            return print(&format!(
                r#"{{"event":"ready","listen":"{listen}","domain":"{domain}","invite":"{invite}"}}"#
            ));
        }
        print(&format!(
            "Serving {domain} on {listen} (UDP), from {home}.\n\
             Invite people with:\n\n    {invite}\n\n\
             They register with: hobnob register NAME --server '{invite}'\n\
             Stop with Ctrl-C.",
            home = home.display(),
        ))
    }

    fn take_leave(&self, tally: Tally) -> anyhow::Result<()> {
        let Tally { sessions, letters, letter_bytes, relay } = tally;
        if self.json {
            let stopped = json!({
                "event": "stopped",
                "sessions": sessions,
                "letters": letters,
                "letter_bytes": letter_bytes,
                "relay": {
                    "bytes": relay.bytes,
                    "datagrams": relay.datagrams,
                    "over_budget": relay.over_budget,
                    "refused": relay.refused,
                    "answers": relay.answers,
                },
            });
            return print(&stopped.to_string());
        }
        print(&format!(
            "Stopped after {sessions} sessions, {letters} sealed letters ({letter_bytes} bytes) and {} relayed \
             packets ({} bytes).",
            relay.datagrams, relay.bytes,
        ))
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        // Whoever read it has seen enough, as after `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

fn log_to_stderr() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .with_env_var(LOG_VARIABLE)
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let busy = || io::Error::other("address in use");
        let plain = anyhow::Error::new(busy()).context("cannot listen");
        assert_eq!(words(&plain), "cannot listen: address in use");
        let told = anyhow::Error::new(busy()).context("cannot listen: address in use");
        assert_eq!(words(&told), "cannot listen: address in use");
    }
}
