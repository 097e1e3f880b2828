//! Asks for ranges, and counts what arrives.

use hobnob_wire::bounded::List;
use hobnob_wire::limits::WANT_SPANS_MAX;
use hobnob_wire::transfer::{Span, TransferFrame};

use super::{Receiving, State};
use crate::core::transfer::holding::{Holding, Ranges};
use crate::core::transfer::job::{Layouted, TransferFault};
use crate::core::transfer::spans::SpanSet;
use crate::core::transfer::{Step, TransferEffect};

impl Receiving {
    /// Asks for everything that is missing, or for as much as one frame can name.
    pub(super) fn ask(&mut self, out: &mut Vec<TransferEffect>) {
        let transfer = self.id();
        let State::Running { link, wanted, .. } = &mut self.state else { return };
        let ranges = self.holding.ranges();
        let (manifest, compare) = (ranges.is_none(), ranges.as_ref().is_some_and(|ranges| ranges.compares()));
        let spans = match ranges {
            // Which ranges are needed, or in the folder already, is known once the manifest is.
            None if self.ledger.record.update || self.ledger.record.part.is_some() => Vec::new(),
            None => vec![Span { start: 0, end: u64::MAX }],
            Some(ranges) => ranges.wanted().spans(WANT_SPANS_MAX),
        };
        *wanted = SpanSet::from_spans(&spans, u64::MAX);
        let want = List::new(spans).unwrap_or_default();
        let frame = TransferFrame::Accept { transfer, manifest, compare, want };
        out.push(TransferEffect::SendFrame { link: *link, frame });
    }

    /// Asks again when everything that was asked for is here or was refused.
    pub(super) fn ask_for_the_rest(&mut self, out: &mut Vec<TransferEffect>) {
        let State::Running { wanted, .. } = &self.state else { return };
        let is_left = self.holding.ranges().is_some_and(|ranges| !ranges.wanted().is_empty());
        if wanted.is_empty() && is_left {
            self.ask(out);
        }
    }

    /// The shell knows the manifest, or refuses it.
    pub(in crate::core::transfer) fn handle_manifest(
        &mut self,
        result: Result<Layouted, TransferFault>,
        step: &mut Step<'_>,
    ) {
        // It may come after its link was lost, and counts then, too; but it counts once.
        let Holding::Nothing = &self.holding else { return };
        if !self.is_wanted() {
            return;
        };
        let layouted = match result {
            Ok(layouted) => layouted,
            Err(fault) => return self.handle_fault(fault, step),
        };
        let ranges = Ranges::new(&layouted);
        self.ledger.chosen(layouted.chosen);
        let asked_for_none = self.ledger.record.update || self.ledger.record.part.is_some();
        if let State::Running { heard_at, wanted, .. } = &mut self.state {
            *heard_at = step.now.monotonic;
            *wanted = if asked_for_none { SpanSet::default() } else { ranges.wanted() };
        }
        self.holding = Holding::Ranges(ranges);
        self.finish_if_complete(step);
        self.ask_for_the_rest(step.out);
    }

    /// What an earlier run left has been read again: so many bytes in sound ranges, and spoiled ones.
    pub(in crate::core::transfer) fn handle_checked(
        &mut self,
        (sound, bytes): (&[Span], u64),
        spoiled: &[Span],
        step: &mut Step<'_>,
    ) {
        let Some(ranges) = self.holding.ranges() else { return };
        ranges.checked(sound, spoiled);
        self.ledger.verified(self.ledger.record.done + bytes);
        self.finish_if_complete(step);
        self.ask_for_the_rest(step.out);
    }

    /// A range is here, or was refused.
    pub(in crate::core::transfer) fn handle_range(
        &mut self,
        range: u64,
        result: Result<u64, TransferFault>,
        step: &mut Step<'_>,
    ) {
        let Some(ranges) = self.holding.ranges() else { return };
        let fault = match result {
            Ok(bytes) => {
                if !ranges.arrived(range) {
                    return;
                }
                self.disk.reset();
                self.sender.reset();
                self.ledger.verified(self.ledger.record.done + bytes);
                None
            }
            Err(TransferFault::Peer(text)) => ranges.refused(range).map(|times| {
                let peer = &self.ledger.record.peer;
                TransferFault::Peer(format!("{peer} sent it broken {times} times: {text}"))
            }),
            Err(TransferFault::Stalled) => None,
            Err(TransferFault::Differs) if ranges.differs(range) => None,
            Err(TransferFault::Differs) => ranges.refused(range).map(|times| {
                let peer = &self.ledger.record.peer;
                TransferFault::Peer(format!("{peer} sent only the hash of a range {times} times"))
            }),
            Err(fault) => Some(fault),
        };
        if let Some(fault) = fault {
            return self.handle_fault(fault, step);
        }
        if let State::Running { wanted, heard_at, .. } = &mut self.state {
            *heard_at = step.now.monotonic;
            wanted.remove(range);
        }
        self.finish_if_complete(step);
        self.ask_for_the_rest(step.out);
    }
}
