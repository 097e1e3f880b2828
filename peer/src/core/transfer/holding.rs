//! What a receiver has of one transfer.

use std::collections::BTreeMap;

use hobnob_wire::transfer::Span;

use super::job::Layouted;
use super::spans::SpanSet;

/// How often one range may arrive broken before the transfer fails: chance does not strike three times.
const REFUSALS_MAX: u8 = 3;
/// How many ranges of one transfer may arrive broken before it fails.
const REFUSED_MAX: usize = 64;

/// What is here.
#[derive(Debug, Default)]
pub(super) enum Holding {
    /// Nobody has looked.
    #[default]
    Unknown,
    /// The shell is looking.
    Asked,
    /// Nothing, not even the manifest.
    Nothing,
    /// The manifest, and perhaps ranges.
    Ranges(Ranges),
}

impl Holding {
    /// Whether somebody has looked.
    pub(super) const fn is_known(&self) -> bool {
        matches!(self, Self::Nothing | Self::Ranges(_))
    }

    /// The same, to look at.
    pub(super) const fn known_ranges(&self) -> Option<&Ranges> {
        match self {
            Self::Ranges(ranges) => Some(ranges),
            Self::Unknown | Self::Asked | Self::Nothing => None,
        }
    }

    /// The ranges, once the manifest is here.
    pub(super) const fn ranges(&mut self) -> Option<&mut Ranges> {
        match self {
            Self::Ranges(ranges) => Some(ranges),
            Self::Unknown | Self::Asked | Self::Nothing => None,
        }
    }
}

/// Which ranges are here.
#[derive(Debug)]
pub(super) struct Ranges {
    /// How many there are.
    total: u64,
    /// Those that are not verified on disk.
    missing: SpanSet,
    /// Those among them that an earlier run wrote and that are being read again: nobody is asked for them meanwhile.
    doubted: SpanSet,
    /// Those among the missing that may lie in the folder already: their hashes are asked for first.
    known: SpanSet,
    /// How often each range arrived broken.
    refused: BTreeMap<u64, u8>,
}

impl Ranges {
    pub(super) fn new(layouted: &Layouted) -> Self {
        Self {
            total: layouted.ranges,
            missing: SpanSet::from_spans(&layouted.wanted, layouted.ranges),
            doubted: SpanSet::from_spans(&layouted.doubted, layouted.ranges),
            known: SpanSet::from_spans(&layouted.known, layouted.ranges),
            refused: BTreeMap::new(),
        }
    }

    /// Whether hashes are to be asked for, to compare with what is in the folder.
    pub(super) fn compares(&self) -> bool {
        !self.known.is_empty()
    }

    /// How many there are.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// Those that are verified on disk.
    pub(super) fn here(&self) -> SpanSet {
        let mut here = SpanSet::below(self.total);
        here.remove_all(&self.missing);
        here
    }

    /// What to ask for.
    pub(super) fn wanted(&self) -> SpanSet {
        let mut wanted = if self.compares() { self.known.clone() } else { self.missing.clone() };
        wanted.remove_all(&self.doubted);
        wanted
    }

    /// A range is here, verified; `false` when it was before.
    pub(super) fn arrived(&mut self, range: u64) -> bool {
        self.doubted.remove(range);
        self.known.remove(range);
        self.missing.remove(range)
    }

    /// A range is not in the folder as it is offered; `false` when nobody asked to compare it.
    pub(super) fn differs(&mut self, range: u64) -> bool {
        self.known.remove(range)
    }

    /// What an earlier run wrote has been read again.
    pub(super) fn checked(&mut self, sound: &[Span], spoiled: &[Span]) {
        let (sound, spoiled) = (SpanSet::from_spans(sound, u64::MAX), SpanSet::from_spans(spoiled, u64::MAX));
        self.missing.remove_all(&sound);
        self.doubted.remove_all(&sound);
        self.doubted.remove_all(&spoiled);
    }

    /// A range arrived broken. How often it did is too often when this is `Some`.
    pub(super) fn refused(&mut self, range: u64) -> Option<u8> {
        let times = self.refused.entry(range).or_default();
        *times += 1;
        let times = *times;
        (times >= REFUSALS_MAX || self.refused.len() > REFUSED_MAX).then_some(times)
    }

    /// Whether all is here, verified.
    pub(super) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_run_wrote_is_asked_for_only_when_it_is_spoiled() {
        let span = |start, end| Span { start, end };
        let mut ranges = Ranges::new(&Layouted { doubted: vec![span(2, 8)], ..Layouted::whole(10) });
        assert_eq!(ranges.wanted().spans(9), [span(0, 2), span(8, 10)]);
        ranges.checked(&[span(2, 4), span(5, 8)], &[span(4, 5)]);
        assert_eq!(ranges.wanted().spans(9), [span(0, 2), span(4, 5), span(8, 10)]);
        assert!([0, 1, 4, 8, 9].into_iter().all(|range| ranges.arrived(range)));
        assert!(ranges.is_complete() && !ranges.arrived(4));
    }

    #[test]
    fn what_lies_in_the_folder_is_compared_before_anything_else_is_asked_for() {
        let span = |start, end| Span { start, end };
        let mut ranges = Ranges::new(&Layouted { known: vec![span(1, 3)], ..Layouted::whole(5) });
        assert_eq!((ranges.compares(), ranges.wanted().spans(9)), (true, vec![span(1, 3)]));
        assert!(ranges.arrived(1));
        assert!(ranges.differs(2) && !ranges.differs(2));
        assert_eq!((ranges.compares(), ranges.wanted().spans(9)), (false, vec![span(0, 1), span(2, 5)]));
    }

    #[test]
    fn a_range_may_arrive_broken_twice_and_no_more_than_64_ranges_once() {
        let mut ranges = Ranges::new(&Layouted::whole(100));
        assert_eq!([1, 1, 1].map(|range| ranges.refused(range)), [None, None, Some(3)]);
        assert!((2..65).all(|range| ranges.refused(range).is_none()));
        assert_eq!(ranges.refused(65), Some(1));
    }
}
