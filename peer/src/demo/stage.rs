//! The three processes, and how they start and end.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::folder::Folder;
use super::person::{Home, Person};
use super::process::Process;
use super::program;
use crate::cli::{Output, Stop};

/// What runs. A process that is not there has not been started, or is away.
#[derive(Debug, Default)]
pub(super) struct Stage {
    rendezvous: Option<Process>,
    /// Where the rendezvous keeps everything.
    pub(super) rendezvous_home: PathBuf,
    /// Alice's daemon.
    pub(super) alice: Option<Process>,
    /// Bob's daemon.
    pub(super) bob: Option<Process>,
    /// Where everything of the demonstration is.
    pub(super) folder: PathBuf,
}

/// The two people.
#[derive(Debug)]
pub(super) struct People {
    pub(super) alice: Person,
    pub(super) bob: Person,
    pub(super) bob_home: Home,
}

/// What was left running.
#[derive(Debug, Serialize)]
pub(super) struct Kept {
    /// Where everything is.
    pub(super) folder: PathBuf,
    /// The app.
    pub(super) program: PathBuf,
    /// Rendezvous, Alice and Bob.
    pub(super) processes: Vec<u32>,
}

#[derive(Deserialize)]
struct Ready {
    listen: String,
    invite: String,
}

impl Stage {
    /// Starts everything, with an account for Alice and one for Bob.
    pub(super) async fn set(&mut self, folder: &Folder, output: Output) -> Result<People, Stop> {
        folder.path().clone_into(&mut self.folder);
        self.rendezvous_home = folder.path().join("rendezvous");
        let ready = self.open_rendezvous(folder.path(), output).await?;
        output.note(&format!("  ✓ A rendezvous listens on {}.", ready.listen));

        let homes = ["alice", "bob"].map(|name| Home::new(folder.path(), name));
        let [alice_home, bob_home] = homes;
        tokio::try_join!(alice_home.register(&ready.invite), bob_home.register(&ready.invite))?;
        let (process, alice) = alice_home.up().await?;
        self.alice = Some(process);
        let (process, bob) = bob_home.up().await?;
        self.bob = Some(process);
        output.note(&format!("  ✓ {} and {} have registered.", alice.address, bob.address));
        Ok(People { alice, bob, bob_home })
    }

    async fn open_rendezvous(&mut self, folder: &Path, output: Output) -> Result<Ready, Stop> {
        let mut command = Command::new(program::rendezvous(output).await?);
        command.args(["serve", "--listen", "127.0.0.1:0", "--json", "--home"]).arg(&self.rendezvous_home);
        let (process, ready) = Process::start(command, &folder.join("rendezvous.log")).await?;
        self.rendezvous = Some(process);
        Ok(ready)
    }

    /// Stops everything, in the order in which the least is said about it. What does not stop is killed.
    pub(super) async fn stop(&mut self) {
        for process in [self.alice.take(), self.bob.take(), self.rendezvous.take()].into_iter().flatten() {
            // The report is there already, or says why it is not.
            let _ = process.stop().await;
        }
    }

    /// Leaves everything running.
    pub(super) fn keep(self, folder: PathBuf) -> Result<Kept, Stop> {
        let processes = [self.rendezvous, self.alice, self.bob];
        let processes = processes.into_iter().flatten().map(Process::release).collect();
        Ok(Kept { folder, program: program::own()?, processes })
    }
}
