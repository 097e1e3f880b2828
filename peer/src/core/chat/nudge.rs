//! Nudges, within bounds: nobody is nudged without end, whatever the other side's program does.

use std::collections::BTreeMap;
use std::time::Duration;

use hobnob_wire::Address;

use super::words::usage;
use crate::core::command::{CommandError, ErrorKind};

/// How long after a nudge the next one of the same contact is not shown, and none is sent to it.
const NUDGE_WAIT: Duration = Duration::from_secs(10);

/// When somebody was last nudged. One entry for each contact at most: nobody else's letters are opened.
#[derive(Debug, Default)]
pub(super) struct Nudges {
    sent: BTreeMap<Address, Duration>,
    heard: BTreeMap<Address, Duration>,
}

impl Nudges {
    /// Whether a nudge may go out; if so it does.
    ///
    /// # Errors
    /// When it is to go later, or the last one went a moment ago.
    pub(super) fn send(
        &mut self,
        to: &Address,
        due_unix_ms: Option<u64>,
        now: Duration,
    ) -> Result<(), CommandError> {
        if due_unix_ms.is_some() {
            return Err(usage("A nudge is for now; it cannot be scheduled."));
        }
        let since = self.sent.get(to).map(|last| now.saturating_sub(*last));
        if let Some(left) =
            since.and_then(|since| NUDGE_WAIT.checked_sub(since)).filter(|left| !left.is_zero())
        {
            let text = format!("You have nudged {to} a moment ago. Wait {} s.", left.as_secs() + 1);
            return Err(CommandError::new(ErrorKind::Conflict, text));
        }
        self.sent.insert(to.clone(), now);
        Ok(())
    }

    /// A nudge came. Whether it is shown.
    pub(super) fn heard(&mut self, from: &Address, now: Duration) -> bool {
        if self.heard.get(from).is_some_and(|last| now.saturating_sub(*last) < NUDGE_WAIT) {
            return false;
        }
        self.heard.insert(from.clone(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_nudge_in_ten_seconds_goes_out_and_one_is_shown() {
        let (bob, carol) = ("bob@localhost".parse().unwrap(), "carol@localhost".parse().unwrap());
        let mut nudges = Nudges::default();
        assert_eq!(nudges.send(&bob, None, SECOND), Ok(()));
        let error = nudges.send(&bob, None, 4 * SECOND).unwrap_err();
        assert_eq!(error.text, "You have nudged bob@localhost a moment ago. Wait 8 s.");
        assert_eq!(nudges.send(&carol, None, 4 * SECOND), Ok(()));
        assert_eq!(nudges.send(&bob, None, 11 * SECOND), Ok(()));
        assert_eq!(nudges.send(&carol, Some(1), 60 * SECOND).unwrap_err().kind, ErrorKind::Usage);
        let shown = [1, 5, 10, 11, 12].map(|at| nudges.heard(&bob, at * SECOND));
        assert_eq!(shown, [true, false, false, true, false]);
    }
}
