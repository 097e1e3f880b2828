//! Somebody with a home and a daemon.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use serde::Deserialize;
use tokio::process::Command;
use tokio::time::timeout;

use super::process::Process;
use super::program;
use crate::api::client::{ApiClient, EventStream};
use crate::cli::Stop;
use crate::core::command::{CommandError, ErrorKind};
use crate::core::view::SessionState;

/// What one step between the two may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A person whose daemon runs.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) address: String,
    pub(super) api: ApiClient,
    pub(super) events: EventStream,
}

/// A home, with or without a daemon.
#[derive(Clone, Debug)]
pub(super) struct Home {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
}

#[derive(Deserialize)]
struct Ready {
    address: String,
}

impl Home {
    pub(super) fn new(folder: &Path, name: &'static str) -> Self {
        Self { name, path: folder.join(name) }
    }

    /// Makes an account with a password that nobody knows.
    pub(super) async fn register(&self, invite: &str) -> Result<(), Stop> {
        let password = self.path.with_extension("password");
        write_password(&password)
            .map_err(|error| Stop::failure(format!("cannot write {}: {error}", password.display())))?;
        let mut command = self.command()?;
        command.args(["register", self.name, "--server", invite, "--password-file"]).arg(&password);
        command.arg("--recovery-file").arg(self.path.with_extension("recovery"));
        let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output().await;
        let ended =
            ended.map_err(|error| Stop::failure(format!("cannot register {}: {error}", self.name)))?;
        if ended.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&ended.stderr);
        Err(Stop::failure(format!("{} could not register: {}", self.name, said.trim())))
    }

    /// Starts the daemon, and waits for its session.
    pub(super) async fn up(&self) -> Result<(Process, Person), Stop> {
        let mut command = self.command()?;
        command.arg("up");
        let (process, ready) = Process::start::<Ready>(command, &self.path.with_extension("log")).await?;
        let api = ApiClient::find(&self.path)?;
        let events = api.events().await?;
        let mut person = Person { name: self.name, address: ready.address, api, events };
        person
            .until("its session", async |api| {
                Ok((api.status().await?.session == SessionState::Up).then_some(()))
            })
            .await?;
        Ok((process, person))
    }

    /// This program on this home, with output for programs.
    fn command(&self) -> Result<Command, Stop> {
        let mut command = Command::new(program::own()?);
        command.arg("--home").arg(&self.path).arg("--json").kill_on_drop(true);
        Ok(command)
    }
}

impl Person {
    /// Looks again after each event until `look` finds what it wants.
    pub(super) async fn until<T>(
        &mut self,
        what: &str,
        mut look: impl AsyncFnMut(&ApiClient) -> Result<Option<T>, CommandError>,
    ) -> Result<T, Stop> {
        let found = timeout(PATIENCE, async {
            loop {
                if let Some(found) = look(&self.api).await? {
                    return Ok(found);
                }
                self.events.next().await?;
            }
        });
        found.await.unwrap_or_else(|_| {
            let text = format!("{} waited {} s in vain for {what}", self.name, PATIENCE.as_secs());
            Err(Stop::because(ErrorKind::TimedOut, text))
        })
    }
}

fn write_password(path: &Path) -> std::io::Result<()> {
    let mut random = [0; 20];
    getrandom::fill(&mut random)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", BASE32_NOPAD.encode(&random))
}
