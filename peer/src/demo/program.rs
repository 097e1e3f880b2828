//! Where the two programs are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::cli::{Output, Stop};
use crate::core::command::ErrorKind;

const RENDEZVOUS: &str = "hobnob-rendezvous";

/// This program.
pub(super) fn own() -> Result<PathBuf, Stop> {
    env::current_exe()
        .map_err(|error| Stop::failure(format!("this program does not know its own path: {error}")))
}

/// The rendezvous, which stands beside this program. `cargo run` builds only the program that it runs; so when
/// cargo started this one, cargo is asked to build the other, too, or to see that it is up to date.
pub(super) async fn rendezvous(output: Output) -> Result<PathBuf, Stop> {
    let own = own()?;
    let program = own.with_file_name(RENDEZVOUS);
    if let Some(cargo) = Cargo::that_started_this() {
        if !program.is_file() {
            output.note("Building hobnob-rendezvous; this is done once.");
        }
        cargo.build(&own, program.is_file()).await?;
    }
    if program.is_file() {
        return Ok(program);
    }
    let text = format!(
        "{} is not there; put it beside hobnob, or build it with `cargo build --release -p {RENDEZVOUS}`",
        program.display()
    );
    Err(Stop::because(ErrorKind::NotFound, text))
}

/// The cargo that runs this program, and the folder of this crate's sources.
struct Cargo {
    program: PathBuf,
    sources: PathBuf,
}

impl Cargo {
    fn that_started_this() -> Option<Self> {
        let is_ours = env::var_os("CARGO_PKG_NAME").is_some_and(|name| name == env!("CARGO_PKG_NAME"));
        let program = env::var_os("CARGO").filter(|_| is_ours)?.into();
        let sources = env::var_os("CARGO_MANIFEST_DIR")?.into();
        Some(Self { program, sources })
    }

    async fn build(&self, own: &Path, quiet: bool) -> Result<(), Stop> {
        let folder = own.parent().unwrap_or(own);
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let mut command = Command::new(&self.program);
        command.args(["build", "--bin", RENDEZVOUS, "--profile", profile, "--target-dir"]);
        // In the workspace, not in a crate: with other features every dependency would be built again.
        command
            .arg(folder.parent().unwrap_or(folder))
            .current_dir(self.sources.parent().unwrap_or(&self.sources));
        if quiet {
            command.arg("--quiet");
        }
        // These speak of the package that runs; they would make build scripts run again.
        for (name, _) in env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
            {
                command.env_remove(name);
            }
        }
        let built = command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).status().await;
        match built {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(Stop::failure("hobnob-rendezvous does not build; cargo says why above")),
            Err(error) => Err(Stop::failure(format!("cannot run {}: {error}", self.program.display()))),
        }
    }
}
