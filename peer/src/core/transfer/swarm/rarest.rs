//! Which range comes first: the one that the fewest have.

use crate::core::transfer::SpanSet;

/// The number among `candidates` that is in the fewest of the sets `held`; among equals the first from `from` on, and after
/// the last the first. So those who begin at different places take different ranges, each in runs.
pub(super) fn rarest(candidates: &SpanSet, held: &[&SpanSet], from: u64) -> Option<u64> {
    let mut edges: Vec<(u64, bool)> = Vec::new();
    for span in held.iter().flat_map(|set| set.iter()) {
        edges.push((span.start, true));
        edges.push((span.end, false));
    }
    edges.sort_unstable();
    let mut edges = edges.into_iter().peekable();
    let mut holders = 0_usize;
    let mut best: Option<(usize, bool, u64)> = None;
    for span in candidates.iter() {
        let mut at = span.start;
        while at < span.end {
            while let Some((_, begins)) = edges.next_if(|(edge, _)| *edge <= at) {
                holders = if begins { holders + 1 } else { holders.saturating_sub(1) };
            }
            // Nothing changes before the next edge.
            let end = edges.peek().map_or(span.end, |(edge, _)| span.end.min(*edge));
            let number = if (at..end).contains(&from) { from } else { at };
            let this = (holders, number < from, number);
            best = Some(best.map_or(this, |best| best.min(this)));
            at = end;
        }
    }
    best.map(|(_, _, number)| number)
}

#[cfg(test)]
mod tests {
    use hobnob_wire::transfer::Span;
    use proptest::prelude::*;

    use super::*;

    fn sets() -> impl Strategy<Value = SpanSet> {
        proptest::collection::vec((0..40_u64, 0..40_u64), 0..6).prop_map(|spans| {
            let spans: Vec<Span> = spans.into_iter().map(|(start, end)| Span { start, end }).collect();
            SpanSet::from_spans(&spans, 40)
        })
    }

    proptest! {
        #[test]
        fn it_is_what_counting_one_by_one_finds(
            candidates in sets(),
            held in proptest::collection::vec(sets(), 0..4),
            from in 0..40_u64,
        ) {
            let held: Vec<&SpanSet> = held.iter().collect();
            let holders = |number: &u64| held.iter().filter(|set| set.contains(*number)).count();
            let plain = (0..40)
                .filter(|number| candidates.contains(*number))
                .min_by_key(|number| (holders(number), *number < from, *number));
            prop_assert_eq!(rarest(&candidates, &held, from), plain);
        }
    }
}
