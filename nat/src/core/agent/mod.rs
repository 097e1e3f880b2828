//! Decides how datagrams reach one peer: over the relay at once, directly as soon as a way is proved, over the best way
//! that works from then on (after ICE, RFC 8445).
//!
//! Time is a [`Duration`] since any fixed moment and never goes back. The driver tells what happened by
//! [`Agent::handle`], then performs what [`Agent::poll`] gives until it gives nothing, and comes back with
//! [`Input::Tick`] at [`Agent::deadline`].

mod input;
mod report;
mod way;

use std::collections::VecDeque;
use std::time::Duration;

pub use input::{Exchange, Input, Local, Output, Remote, Selection};
pub use report::{NOTES_MAX, Note, PathKind, PathReport, WhyNot};
pub use way::{Policy, Role, SocketId, Way};

/// Sockets that an agent asks for at once, at most: more would not make guessing a port noticeably quicker.
pub const SOCKETS_MAX: u16 = 256;

/// The machine for one peer.
#[derive(Debug)]
pub struct Agent {
    outputs: VecDeque<Output>,
    relay: bool,
    selection: Selection,
    since: Duration,
}

impl Agent {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self { outputs: VecDeque::new(), relay: false, selection: Selection::Nothing, since: now }
    }

    /// Something happened.
    pub fn handle(&mut self, input: Input<'_>, now: Duration) {
        if let Input::Relay(relay) = input {
            self.relay = relay;
            self.selection = if relay { Selection::Relay } else { Selection::Nothing };
            self.since = now;
            self.outputs.push_back(Output::Select(self.selection));
        }
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due; `None` when nothing waits.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        None
    }

    /// The path as it is now.
    #[must_use]
    pub fn report(&self, _now: Duration) -> PathReport {
        PathReport {
            kind: if self.relay { PathKind::Relayed } else { PathKind::None },
            way: None,
            rtt: None,
            since: self.since,
            why_not_direct: Some(WhyNot::NotAsked),
            notes: Vec::new(),
            sent: 0,
        }
    }
}
