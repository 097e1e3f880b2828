//! A daemon and what it tells.

use std::path::Path;
use std::process::Command;

use crate::events::Events;
use crate::process::Process;

/// `hobnob up`, and a `hobnob tail` beside it.
#[derive(Debug)]
pub struct Daemon {
    /// What has happened since the daemon was ready.
    pub events: Events,
    /// The daemon.
    pub process: Process,
    /// Where its local API answers, `http://127.0.0.1:PORT`.
    pub api: String,
}

impl Daemon {
    /// Starts `hobnob` with these commands; their messages go to `log`.
    ///
    /// # Panics
    /// When the daemon does not become ready.
    #[must_use]
    pub fn start(up: Command, tail: Command, log: &Path) -> Self {
        let mut process = Process::start(up, log);
        let ready = process.next_object();
        assert_eq!(ready["event"], "ready", "{ready}");
        let api = ready["api"].as_str().expect("a text").to_owned();
        Self { events: Events::follow(tail, log), process, api }
    }
}
