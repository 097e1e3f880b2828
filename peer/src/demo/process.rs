//! One of the three processes.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::cli::Stop;
use crate::core::command::ErrorKind;

/// What a process may take until it is ready, and until it has stopped.
const PATIENCE: Duration = Duration::from_secs(30);
/// Processor time in `/proc` is counted in these (`USER_HZ`), on every architecture that Linux runs on today.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process that runs in a process group of its own, so that Ctrl-C reaches only us, and we stop it in order.
/// Killed when dropped, unless it is released.
#[derive(Debug)]
pub(super) struct Process {
    child: Option<Child>,
    pid: u32,
}

impl Process {
    /// Starts a program, and reads the first line that it prints. What it logs goes to `log`.
    pub(super) async fn start<T: DeserializeOwned>(
        mut command: Command,
        log: &Path,
    ) -> Result<(Self, T), Stop> {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        let failed = |why: String| {
            let said = fs::read_to_string(log).unwrap_or_default();
            Stop::failure(format!("{name} did not start: {why}\n{}", said.trim_end()))
        };
        let messages = File::options().create(true).append(true).open(log);
        let messages = messages.map_err(|error| failed(format!("no log: {error}")))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(messages);
        command.process_group(0).kill_on_drop(false);
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let stdout = child.stdout.take();
        let process = Self { pid: child.id().unwrap_or(0), child: Some(child) };
        let mut line = String::new();
        if let Some(stdout) = stdout {
            match timeout(PATIENCE, BufReader::new(stdout).read_line(&mut line)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(failed(error.to_string())),
                Err(_) => return Err(failed(format!("it said nothing for {} s", PATIENCE.as_secs()))),
            }
        }
        let ready = serde_json::from_str(&line).map_err(|_| failed("it was not ready".into()))?;
        Ok((process, ready))
    }

    /// Asks it to stop (SIGTERM), and waits until it has.
    pub(super) async fn stop(mut self) -> Result<(), Stop> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        if let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.try_into().unwrap_or(0))) {
            // It fails only when the process has ended already.
            let _ = kill_process(pid, Signal::TERM);
        }
        let ended = timeout(PATIENCE, child.wait()).await;
        if ended.is_err() {
            let _ = child.kill().await;
        }
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Stop::failure(format!("process {} ended with {status}", self.pid))),
            Ok(Err(error)) => Err(Stop::failure(format!("process {} is lost: {error}", self.pid))),
            Err(_) => {
                let text = format!("process {} did not stop within {} s", self.pid, PATIENCE.as_secs());
                Err(Stop::because(ErrorKind::TimedOut, text))
            }
        }
    }

    /// Lets it run on without us.
    pub(super) fn release(mut self) -> u32 {
        self.child = None;
        self.pid
    }

    /// Processor time used so far, in seconds, where the system tells it.
    pub(super) fn cpu_seconds(&self) -> Option<f64> {
        /// Fields of `/proc/PID/stat` between the name and user and system time (proc_pid_stat(5): 14, 15).
        const BEFORE_TIMES: usize = 11;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        let mut ticks =
            fields.split_whitespace().skip(BEFORE_TIMES).map_while(|field| field.parse::<f64>().ok());
        Some((ticks.next()? + ticks.next()?) / TICKS_PER_SECOND)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It fails only when the process has ended already.
            let _ = child.start_kill();
        }
    }
}
