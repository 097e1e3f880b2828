//! A command that ends, what it printed and how it ended.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::PATIENCE;

/// What a command printed and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// The command, for messages.
    pub command: String,
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub text: String,
    /// Its standard error.
    pub messages: String,
}

impl Output {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it does not start, is ended by a signal, or takes longer than [`PATIENCE`].
    #[must_use]
    pub fn of(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let text = read_all(child.stdout.take().expect("standard output is a pipe"));
        let messages = read_all(child.stderr.take().expect("standard error is a pipe"));
        let deadline = Instant::now() + PATIENCE;
        let (text, messages) =
            (await_end(&mut child, &text, deadline), await_end(&mut child, &messages, deadline));
        let (Some(text), Some(messages)) = (text, messages) else {
            panic!("{command:?} did not end within {PATIENCE:?}");
        };
        let status = child.wait().expect("a child can be waited for");
        let code = status.code().unwrap_or_else(|| panic!("{command:?} ended by a signal: {messages}"));
        Self { command: format!("{command:?}"), code, text, messages }
    }

    /// The objects that it printed, after a success.
    ///
    /// # Panics
    /// When the exit code is not 0, or a line is not a JSON object.
    #[must_use]
    #[track_caller]
    pub fn objects(&self) -> Vec<Value> {
        assert_eq!(self.code, 0, "{self:?}");
        let object = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        self.text.lines().map(object).collect()
    }

    /// The only object that it printed, after a success.
    ///
    /// # Panics
    /// When the exit code is not 0, or there is not exactly one object.
    #[must_use]
    #[track_caller]
    pub fn object(&self) -> Value {
        let mut objects = self.objects();
        assert_eq!(objects.len(), 1, "{self:?}");
        objects.remove(0)
    }

    /// What it said about a failure with this exit code.
    ///
    /// # Panics
    /// When it ended in another way or gave no reason.
    #[track_caller]
    pub fn refusal(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "{self:?}");
        assert!(!self.messages.trim().is_empty(), "no reason given: {self:?}");
        &self.messages
    }
}

type End = std::sync::mpsc::Receiver<Vec<u8>>;

fn read_all(mut pipe: impl Read + Send + 'static) -> End {
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if pipe.read_to_end(&mut bytes).is_ok() {
            drop(send.send(bytes));
        }
    });
    receive
}

/// Everything that came out of a pipe, once it is closed; `None` when that took too long, and the command is killed.
fn await_end(child: &mut Child, end: &End, deadline: Instant) -> Option<String> {
    match end.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(bytes) => Some(String::from_utf8(bytes).expect("output is UTF-8")),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            drop(child.kill());
            None
        }
    }
}
