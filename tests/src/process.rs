//! A program that runs beside the test.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::PATIENCE;

/// Processor time in `/proc` is counted in these (`USER_HZ`), on every architecture that Linux runs on today.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a program must do after SIGTERM, at most.
const STOPS_WITHIN: Duration = Duration::from_secs(30);

/// A running program. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    /// Where its standard error goes.
    log: PathBuf,
}

impl Process {
    /// Starts a program whose messages are added to `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut command: Command, log: &Path) -> Self {
        let messages = File::options().create(true).append(true).open(log).expect("a log can be opened");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(messages);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let stdout = child.stdout.take().expect("standard output is a pipe");
        Self { child, lines: read_lines(stdout), log: log.to_owned() }
    }

    /// The next line of standard output, which must be a JSON object.
    ///
    /// # Panics
    /// When the program ends first, prints something else, or takes longer than [`PATIENCE`].
    pub fn next_object(&mut self) -> Value {
        self.try_next_object().unwrap_or_else(|| panic!("ended early; {}", self.log_tail()))
    }

    /// The next line of standard output, which must be a JSON object; `None` when the program ends first.
    ///
    /// # Panics
    /// When it prints something else, or takes longer than [`PATIENCE`].
    pub fn try_next_object(&mut self) -> Option<Value> {
        let line = match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("nothing printed in time; {}", self.log_tail()),
            Err(RecvTimeoutError::Disconnected) => return None,
        };
        let object = serde_json::from_str(&line);
        Some(object.unwrap_or_else(|error| panic!("not JSON ({error}): {line}; {}", self.log_tail())))
    }

    /// How it has ended, if it has.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Lines of standard output from now on, for a reader of its own; [`Process::next_object`] gets none of them.
    pub fn take_lines(&mut self) -> Receiver<String> {
        std::mem::replace(&mut self.lines, channel().1)
    }

    /// Asks the program to end (SIGTERM) and waits until it has.
    ///
    /// # Panics
    /// When it does not end within 30 s.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_until(Instant::now() + STOPS_WITHIN)
    }

    /// Waits until the program ends by itself.
    ///
    /// # Panics
    /// When it does not end within [`PATIENCE`].
    pub fn wait(&mut self) -> ExitStatus {
        self.wait_until(Instant::now() + PATIENCE)
    }

    /// Ends the program at once (SIGKILL), as a crash or a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// The process' number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Memory in use now (resident set), in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.status_kib("VmRSS:") << 10
    }

    /// The most memory that was ever in use (resident set), in bytes.
    #[must_use]
    pub fn peak_memory_bytes(&self) -> u64 {
        self.status_kib("VmHWM:") << 10
    }

    /// Processor time used so far, in seconds: that of the process and of its children that have ended.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(&self.pid().to_string())
    }

    /// The last lines that it has logged, for messages.
    #[must_use]
    pub fn log_tail(&self) -> String {
        log_tail(&self.log)
    }

    /// The ports of its UDP sockets.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn udp_ports(&self) -> Vec<u16> {
        let process = format!("/proc/{}", self.pid());
        let open = fs::read_dir(format!("{process}/fd")).expect("the process is there");
        let open: Vec<PathBuf> = open.flatten().filter_map(|fd| fs::read_link(fd.path()).ok()).collect();
        let tables = ["udp", "udp6"].map(|table| fs::read_to_string(format!("{process}/net/{table}")));
        let rows = tables.iter().flatten().flat_map(|table| table.lines().skip(1));
        rows.filter_map(|row| {
            // sl, local address as hex IP:PORT, …; the tenth column is the inode.
            let mut columns = row.split_whitespace().skip(1);
            let (_, port) = columns.next()?.split_once(':')?;
            let socket = format!("socket:[{}]", columns.nth(7)?);
            open.iter().any(|fd| *fd == Path::new(&socket)).then(|| u16::from_str_radix(port, 16).ok())?
        })
        .collect()
    }

    fn wait_until(&mut self, deadline: Instant) -> ExitStatus {
        // Standard output closes when the program ends; until then whatever it still prints is read.
        while match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(_) => true,
            Err(RecvTimeoutError::Disconnected) => false,
            Err(RecvTimeoutError::Timeout) => panic!("did not end in time; {}", self.log_tail()),
        } {}
        self.child.wait().expect("a child can be waited for")
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("a child that was not waited for can be signalled");
    }

    fn status_kib(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        number.unwrap_or_else(|| panic!("no {field} in /proc: the process is gone; {}", self.log_tail()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

/// Processor time of a process (`self`, or its number) and of its children that have ended, in seconds.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn cpu_seconds(process: &str) -> f64 {
    /// Fields after the name in `/proc/PID/stat` before the four times (proc_pid_stat(5): 14 to 17).
    const BEFORE_TIMES: usize = 11;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("the process is there");
    let (_, fields) = stat.rsplit_once(')').expect("the name stands in brackets");
    let times = fields.split_whitespace().skip(BEFORE_TIMES).take(4);
    times.map(|ticks| ticks.parse::<f64>().expect("a time is a number")).sum::<f64>() / TICKS_PER_SECOND
}

/// The last lines of a log.
#[must_use]
pub(crate) fn log_tail(log: &Path) -> String {
    const LINES: usize = 25;
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = &lines[lines.len().saturating_sub(LINES)..];
    format!("the last {} lines of {}:\n{}\n", tail.len(), log.display(), tail.join("\n"))
}

/// Lines of a program's output as they come. The channel closes when the output does.
fn read_lines(stdout: ChildStdout) -> Receiver<String> {
    let (send, receive) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Nobody may be listening any more; the output is read all the same, so that the program never blocks.
            drop(send.send(line));
        }
    });
    receive
}
