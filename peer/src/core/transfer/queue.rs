//! Which transfers run when not all may, and in which order.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use hobnob_wire::TransferId;

use crate::core::view::Priority;

/// What this device's user wants of a transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Before or after others, and how large a share beside them.
    pub priority: Priority,
    /// Place among those of the same priority; smaller is earlier.
    pub place: u64,
    /// Whether nothing may move for now.
    pub paused: bool,
}

/// Where to put a transfer among those of its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Before all.
    First,
    /// After all.
    Last,
    /// Right before another.
    Before(TransferId),
}

/// Order in the queue, earliest first.
pub(super) type Rank = (Reverse<Priority>, u64, TransferId);

impl Wishes {
    /// Where a transfer stands in the queue.
    pub(super) const fn rank(&self, id: TransferId) -> Rank {
        (Reverse(self.priority), self.place, id)
    }
}

impl Priority {
    /// Share beside others under a common limit.
    pub(super) const fn weight(self) -> u32 {
        match self {
            Self::Low => 1,
            Self::Normal => 2,
            Self::High => 4,
        }
    }
}

/// Those that may run of those that could, when so many may at a time.
pub(super) fn may_run(could: impl Iterator<Item = Rank>, at_once: usize) -> BTreeSet<TransferId> {
    let mut ranks: Vec<Rank> = could.collect();
    ranks.sort_unstable();
    ranks.into_iter().take(at_once).map(|(_, _, id)| id).collect()
}

/// The order after a move; `None` when there is no place before which to put it.
pub(super) fn moved(order: &[TransferId], id: TransferId, to: Move) -> Option<Vec<TransferId>> {
    let mut order: Vec<TransferId> = order.iter().copied().filter(|other| *other != id).collect();
    let at = match to {
        Move::First => 0,
        Move::Last => order.len(),
        Move::Before(other) => order.iter().position(|at| *at == other)?,
    };
    order.insert(at, id);
    Some(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> TransferId {
        TransferId::new([number; 16])
    }

    fn rank(number: u8, priority: Priority, place: u64) -> Rank {
        Wishes { priority, place, paused: false }.rank(id(number))
    }

    #[test]
    fn priority_comes_before_place_and_place_before_age() {
        let all = [
            rank(1, Priority::Normal, 5),
            rank(2, Priority::Low, 1),
            rank(3, Priority::Normal, 2),
            rank(4, Priority::High, 9),
        ];
        let runs = |at_once| may_run(all.into_iter(), at_once).into_iter().collect::<Vec<_>>();
        assert_eq!(runs(1), [id(4)]);
        assert_eq!(runs(2), [id(3), id(4)]);
        assert_eq!(runs(3), [id(1), id(3), id(4)]);
        assert_eq!(runs(9).len(), 4);
    }

    #[test]
    fn a_move_changes_one_place_and_keeps_the_order_of_the_others() {
        let order = [id(1), id(2), id(3)];
        assert_eq!(moved(&order, id(3), Move::First), Some(vec![id(3), id(1), id(2)]));
        assert_eq!(moved(&order, id(1), Move::Last), Some(vec![id(2), id(3), id(1)]));
        assert_eq!(moved(&order, id(3), Move::Before(id(2))), Some(vec![id(1), id(3), id(2)]));
        assert_eq!(moved(&order, id(1), Move::Before(id(9))), None);
    }
}
