//! Sets of range numbers, kept as spans.

use std::collections::BTreeMap;

use hobnob_wire::transfer::Span;

/// A set of range numbers. Its memory grows with the gaps, not with the numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanSet(BTreeMap<u64, u64>);

impl SpanSet {
    /// All numbers below `end`.
    #[must_use]
    pub fn below(end: u64) -> Self {
        Self::from_spans(&[Span { start: 0, end }], end)
    }

    /// The numbers of these spans, in any order and overlapping or not, that are below `end`.
    #[must_use]
    pub fn from_spans(spans: &[Span], end: u64) -> Self {
        let mut set = Self::default();
        for span in spans {
            set.insert_span(span.start, span.end.min(end));
        }
        set
    }

    fn insert_span(&mut self, mut start: u64, mut end: u64) {
        if start >= end {
            return;
        }
        while let Some((&first, &last)) = self.0.range(..=end).next_back()
            && last >= start
        {
            start = start.min(first);
            end = end.max(last);
            self.0.remove(&first);
        }
        self.0.insert(start, end);
    }

    /// Adds one number.
    pub fn insert(&mut self, number: u64) {
        self.insert_span(number, number.saturating_add(1));
    }

    /// Adds the numbers of another set.
    pub fn insert_all(&mut self, other: &Self) {
        for (&start, &end) in &other.0 {
            self.insert_span(start, end);
        }
    }

    /// Takes one number out; `false` when it was not in.
    pub fn remove(&mut self, number: u64) -> bool {
        let Some((&start, &end)) = self.0.range(..=number).next_back() else { return false };
        if number >= end {
            return false;
        }
        self.0.remove(&start);
        self.insert_span(start, number);
        self.insert_span(number + 1, end);
        true
    }

    /// Takes the numbers of another set out.
    pub fn remove_all(&mut self, other: &Self) {
        for (&start, &end) in &other.0 {
            self.remove_span(start, end);
        }
    }

    /// Takes the numbers out that another set does not have.
    pub fn retain_all(&mut self, other: &Self) {
        let mut foreign = self.clone();
        foreign.remove_all(other);
        self.remove_all(&foreign);
    }

    fn remove_span(&mut self, start: u64, end: u64) {
        while let Some((&first, &last)) = self.0.range(..end).next_back()
            && last > start
        {
            self.0.remove(&first);
            self.insert_span(first, start.min(last));
            self.insert_span(end.max(first), last);
            if first <= start {
                return;
            }
        }
    }

    /// Whether the number is in.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        self.0.range(..=number).next_back().is_some_and(|(_, end)| number < *end)
    }

    /// The smallest number.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.0.keys().next().copied()
    }

    /// Its spans, ascending and apart.
    pub fn iter(&self) -> impl Iterator<Item = Span> {
        self.0.iter().map(|(&start, &end)| Span { start, end })
    }

    /// How many numbers are in.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.iter().map(|span| span.end - span.start).sum()
    }

    /// The first `max` numbers from `from` on, and after the last the first.
    #[must_use]
    pub fn some_from(&self, from: u64, max: usize) -> Self {
        let mut rest = self.clone();
        let mut some = Self::default();
        let mut left = max as u64;
        let mut before = Self::default();
        before.insert_span(0, from);
        let mut after = rest.clone();
        after.remove_all(&before);
        rest.retain_all(&before);
        for span in after.iter().chain(rest.iter()) {
            let end = span.end.min(span.start.saturating_add(left));
            some.insert_span(span.start, end);
            left -= end - span.start;
        }
        some
    }

    /// How many spans it takes.
    #[must_use]
    pub fn gaps(&self) -> usize {
        self.0.len()
    }

    /// Takes the smallest number out.
    pub fn pop_first(&mut self) -> Option<u64> {
        let (start, end) = self.0.pop_first()?;
        self.insert_span(start + 1, end);
        Some(start)
    }

    /// Whether nothing is in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first `max` spans, ascending and apart.
    #[must_use]
    pub fn spans(&self, max: usize) -> Vec<Span> {
        self.0.iter().take(max).map(|(&start, &end)| Span { start, end }).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn span(start: u64, end: u64) -> Span {
        Span { start, end }
    }

    #[test]
    fn spans_that_touch_become_one_and_what_is_past_the_end_is_cut() {
        let set = SpanSet::from_spans(&[span(5, 7), span(0, 2), span(2, 3), span(6, u64::MAX)], 10);
        assert_eq!(set.spans(9), [span(0, 3), span(5, 10)]);
        assert_eq!(set.spans(1), [span(0, 3)]);
        assert_eq!(SpanSet::from_spans(&[span(3, 3), span(9, 4)], 10), SpanSet::default());
    }

    proptest! {
        #[test]
        fn it_holds_what_a_plain_set_would_hold(
            spans in proptest::collection::vec((0..40u64, 0..40u64), 0..6),
            others in proptest::collection::vec((0..40u64, 0..40u64), 0..6),
            steps in proptest::collection::vec((any::<bool>(), 0..40u64), 0..60),
        ) {
            let [spans, others] = [spans, others]
                .map(|spans| spans.into_iter().map(|(start, end)| span(start, end)).collect::<Vec<_>>());
            let mut set = SpanSet::from_spans(&spans, 30);
            let mut model: BTreeSet<u64> = spans.iter().flat_map(|s| s.start..s.end.min(30)).collect();
            set.remove_all(&SpanSet::from_spans(&others, 35));
            model.retain(|number| !others.iter().any(|s| (s.start..s.end.min(35)).contains(number)));
            for (insert, number) in steps {
                if insert {
                    set.insert(number);
                    model.insert(number);
                } else {
                    prop_assert_eq!(set.remove(number), model.remove(&number));
                }
                prop_assert_eq!(set.contains(number), model.contains(&number));
                let listed: Vec<u64> = set.spans(99).iter().flat_map(|s| s.start..s.end).collect();
                prop_assert_eq!(&listed, &model.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(set.first(), model.first().copied());
            }
            let others = SpanSet::from_spans(&others, 35);
            let (mut both, mut either) = (set.clone(), set.clone());
            both.retain_all(&others);
            either.insert_all(&others);
            for number in 0..40 {
                prop_assert_eq!(both.contains(number), set.contains(number) && others.contains(number));
                prop_assert_eq!(either.contains(number), set.contains(number) || others.contains(number));
            }
            prop_assert_eq!(set.pop_first(), model.pop_first());
        }
    }
}
