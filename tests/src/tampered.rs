//! Programs whose system calls fail on command: each is run by strace, which answers one call in the kernel's place.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A system call that fails once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tampering {
    /// Its name, as `pwrite64`.
    pub call: &'static str,
    /// How it fails, as `EIO`.
    pub error: &'static str,
    /// Which call of that name by one thread, from 1.
    pub when: u32,
}

impl Tampering {
    /// Words before a program that let it meet this. What happened is written to `log`. The program stays a child of
    /// whoever starts it.
    #[must_use]
    pub fn prefix(&self, log: &Path) -> Vec<String> {
        let Self { call, error, when } = self;
        let log = log.to_string_lossy();
        let words =
            ["strace", "-D", "-f", "-qq", "-o", &log, "-e", &format!("trace={call}")].map(str::to_owned);
        let inject = ["-e".to_owned(), format!("inject={call}:error={error}:when={when}")];
        words.into_iter().chain(inject).collect()
    }

    /// Whether it came to that.
    #[must_use]
    pub fn has_happened(log: &Path) -> bool {
        fs::read_to_string(log).is_ok_and(|log| log.contains("(INJECTED)"))
    }
}

/// Words before a program that let no file of it grow beyond so many bytes: the write that would is cut short, and the next
/// one fails.
#[must_use]
pub fn no_file_beyond(bytes: u64) -> Vec<String> {
    // A shell counts in blocks of 512 bytes. Without the trap a signal would end the program.
    let limit = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", bytes / 512);
    ["sh", "-c", &limit, "sh"].map(str::to_owned).to_vec()
}

/// Whether programs can be tampered with here: strace is there, and allowed.
#[must_use]
pub fn is_possible(scratch: &Path) -> bool {
    let log: PathBuf = scratch.join("probe.strace");
    let tampering = Tampering { call: "fsync", error: "EIO", when: 1 };
    let prefix = tampering.prefix(&log);
    let probe = scratch.join("probe");
    let wrote = fs::write(&probe, "probe").is_ok();
    let status = Command::new(&prefix[0]).args(&prefix[1..]).arg("sync").arg(&probe).status();
    wrote && status.is_ok_and(|status| !status.success())
}
