//! Ends the tasks of a transfer together.

use std::sync::Mutex;

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::lock;

/// Tasks of one transfer; `None` once they have been stopped.
#[derive(Debug)]
pub(super) struct Tasks(Mutex<Option<JoinSet<()>>>);

impl Default for Tasks {
    fn default() -> Self {
        Self(Mutex::new(Some(JoinSet::new())))
    }
}

impl Tasks {
    /// Runs a task until it is done or all are stopped. After that nothing runs.
    pub(super) fn spawn(&self, runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *lock(&self.0) {
            // What is done is forgotten here, so that the set does not grow with the transfer.
            while tasks.try_join_next().is_some() {}
            tasks.spawn_on(task, runtime);
        }
    }

    /// Stops what runs; more may come.
    pub(super) fn halt(&self) {
        let mut tasks = lock(&self.0);
        if tasks.is_some() {
            drop(tasks.replace(JoinSet::new()));
        }
    }

    /// Stops all.
    pub(super) fn stop(&self) {
        let tasks = lock(&self.0).take();
        drop(tasks);
    }
}
