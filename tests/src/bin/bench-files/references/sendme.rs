//! sendme: a sender that hashes first and prints a ticket, and a receiver that fetches by it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hobnob_tests::process::{Process, cpu_seconds};

use crate::place::{Place, Side};
use crate::stage::Run;

/// Nobody else is asked where the other side is.
const ALONE: [&str; 3] = ["--relay", "disabled", "--no-progress"];
/// For the hash of what is sent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends once. The clock begins when the ticket is there, so that hashing does not count in seconds; it does in processor time.
pub(super) fn send(place: &Place, folder: &Path, into: &Path, sent: &[PathBuf]) -> Result<Run> {
    let [sent] = sent else { bail!("sendme sends one thing at a time") };
    let mut command = place.command(Side::Near, "sendme");
    command.arg("send").args(ALONE).args(["--ticket-type", "addresses"]).arg(sent).current_dir(folder);
    let mut sender = Process::start(command, &folder.join("log"));
    let ticket = ticket(&mut sender)?;
    let mut command = place.command(Side::Far, "sendme");
    command.arg("receive").args(ALONE).arg(ticket).current_dir(into);
    let (before, begin) = (cpu_seconds("self"), Instant::now());
    let output = command.output().context("sendme does not start")?;
    let seconds = begin.elapsed().as_secs_f64();
    ensure!(output.status.success(), "sendme: {}", String::from_utf8_lossy(&output.stderr));
    Ok(Run { seconds, near_cpu: sender.cpu_seconds(), far_cpu: cpu_seconds("self") - before })
}

/// What the sender says that the receiver must be given.
fn ticket(sender: &mut Process) -> Result<String> {
    let lines = sender.take_lines();
    loop {
        let line = lines.recv_timeout(PATIENCE).with_context(|| sender.log_tail())?;
        if let Some(ticket) = line.trim().strip_prefix("sendme receive ") {
            return Ok(ticket.to_owned());
        }
    }
}
