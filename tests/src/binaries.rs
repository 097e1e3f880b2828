//! The programs under test.
//!
//! Cargo tells a crate where its own programs are, not where those of others are. They stand in the same folder as the
//! test itself, two levels up, and cargo knows best whether they are up to date.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Set by a test for itself when it starts again inside a namespace: the folder of programs that are up to date.
pub(crate) const BUILT: &str = "HOBNOB_TEST_PROGRAMS";

/// The app.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn hobnob() -> PathBuf {
    folder().join("hobnob")
}

/// The server.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn hobnob_rendezvous() -> PathBuf {
    folder().join("hobnob-rendezvous")
}

/// A command that runs a program behind the words of `prefix`, if there are any.
pub(crate) fn command(prefix: &[String], program: &Path) -> Command {
    let Some((first, rest)) = prefix.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    command
}

/// The folder of the programs, which are built once per process. Cargo's own lock keeps processes apart.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| match env::var_os(BUILT) {
        Some(folder) => folder.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let own = env::current_exe().expect("a running program knows its own path");
    let mut folder = own.parent().expect("a program is in a folder").to_owned();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev".to_owned(),
        Some(name) => name.to_owned(),
    };
    let target = folder.parent().expect("a profile's folder is in the target folder");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let features: &[&str] =
        if cfg!(feature = "passphrase") { &["--features", "hobnob-peer/passphrase"] } else { &[] };
    let output = Command::new(cargo)
        .args(["build", "--package", "hobnob-peer", "--package", "hobnob-rendezvous", "--profile", &profile])
        .args(features)
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .output()
        .expect("cargo runs");
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the programs under test do not build:\n{report}");
    folder
}
