//! The event stream of a daemon.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::Process;

/// Everything that `hobnob tail` has printed so far, with the moment at which it did.
#[derive(Debug)]
pub struct Events {
    shared: Arc<Shared>,
    _tail: Process,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Vec<(Instant, Value)>>,
    changed: Condvar,
}

impl Events {
    /// Starts to read; `tail` is the command that prints one event per line.
    #[must_use]
    pub fn follow(tail: Command, log: &Path) -> Self {
        let mut tail = Process::start(tail, log);
        let shared = Arc::<Shared>::default();
        let lines = tail.take_lines();
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for line in lines {
                    let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                    shared.seen().push((Instant::now(), event));
                    shared.changed.notify_all();
                }
            }
        });
        Self { shared, _tail: tail }
    }

    /// How many events there were; a place to wait from.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.seen().len()
    }

    /// Events from a place on, with the moments at which they came.
    #[must_use]
    pub fn since(&self, place: usize) -> Vec<(Instant, Value)> {
        self.shared.seen().iter().skip(place).cloned().collect()
    }

    /// The first event from a place on that `is_it` wants, once there is one; `None` when `deadline` passes first.
    pub fn wait_for(&self, place: usize, deadline: Instant, is_it: impl Fn(&Value) -> bool) -> Option<Value> {
        let mut seen = self.shared.seen();
        let mut next = place;
        loop {
            if let Some((_, event)) = seen.iter().skip(next).find(|(_, event)| is_it(event)) {
                return Some(event.clone());
            }
            next = next.max(seen.len());
            let left = deadline.checked_duration_since(Instant::now())?;
            seen = self.shared.wait(seen, left);
        }
    }

    /// Returns when there are more than `count` events, or after `at_most`.
    pub fn wait_for_more(&self, count: usize, at_most: Duration) {
        let seen = self.shared.seen();
        if seen.len() <= count {
            drop(self.shared.wait(seen, at_most));
        }
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Vec<(Instant, Value)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        seen: MutexGuard<'a, Vec<(Instant, Value)>>,
        at_most: Duration,
    ) -> MutexGuard<'a, Vec<(Instant, Value)>> {
        self.changed.wait_timeout(seen, at_most).unwrap_or_else(PoisonError::into_inner).0
    }
}
