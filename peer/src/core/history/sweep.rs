//! Forgetting by age, by itself: the setting `history.keep_days`.

use std::time::Duration;

use super::store::Forgetting;
use crate::core::settings;
use crate::core::store::Store;
use crate::core::turn::Turn;

/// How often to look for what is too old.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// How long to wait before going on where there is more, so that others get their turn.
const SWEEP_AGAIN: Duration = Duration::from_millis(100);
/// Letters that are forgotten in one turn: a few milliseconds.
pub(crate) const FORGET_MAX: u32 = 500;

const DAY_MS: u64 = 86_400_000;

/// When to look next.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// `None` while letters are kept for good.
    due: Option<Duration>,
}

impl Default for Sweep {
    /// At once.
    fn default() -> Self {
        Self { due: Some(Duration::ZERO) }
    }
}

impl Sweep {
    /// When [`Sweep::tick`] is due.
    pub(crate) const fn deadline(&self) -> Option<Duration> {
        self.due
    }

    /// The user has changed how long letters are kept.
    pub(crate) const fn setting_changed(&mut self) {
        self.due = Some(Duration::ZERO);
    }

    /// Forgets what is older than the user wants letters to be, when it is time.
    pub(crate) fn tick<S: Store, E>(&mut self, turn: &mut Turn<'_, S, E>) -> Result<(), S::Error> {
        let now = turn.now.monotonic;
        if self.due.is_none_or(|due| now < due) {
            return Ok(());
        }
        self.due = None;
        let Some(days) = settings::keep_days(turn.store)? else {
            return Ok(());
        };
        let before = turn.now.unix_ms.saturating_sub(u64::from(days) * DAY_MS);
        let what = Forgetting { chat: None, before: Some(before) };
        let forgotten = turn.store.forget(&what, FORGET_MAX)?;
        self.due = Some(now + if forgotten == FORGET_MAX { SWEEP_AGAIN } else { SWEEP_EVERY });
        Ok(())
    }
}
