//! What changes how a letter is shown, and the rules that merge it.
//!
//! Each account holds at most one change of each kind to each letter: the latest, by the author's clock, then
//! by identifier. What is held is therefore the same in whatever order changes come and however often, and a
//! change may come before the letter. Stored letters are never altered, but for what a deletion erases.

use hobnob_wire::codec::decode;
use hobnob_wire::letter::kind::{DELETE, EDIT, REACTION, VOTE};
use hobnob_wire::letter::{Delete, Edit, LetterBody, LetterRef, Reaction, Vote, Words};
use hobnob_wire::{Address, LetterId};

/// When something was said, for deciding what is later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Unix milliseconds by the author's clock.
    pub at_unix_ms: u64,
    /// The letter that said it.
    pub id: [u8; LetterId::LEN],
}

impl Stamp {
    /// The stamp of a letter.
    #[must_use]
    pub const fn new(at_unix_ms: u64, id: LetterId) -> Self {
        Self { at_unix_ms, id: *id.as_bytes() }
    }
}

/// The place that a change takes; the next one of the same account takes it over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// In which chat.
    pub chat: Address,
    /// Which letter.
    pub letter: LetterRef,
    /// The kind of change: a number as in [`hobnob_wire::letter::kind`].
    pub kind: u16,
    /// Who changes it.
    pub by: Address,
}

/// A change, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it changes, and whose it is.
    pub slot: Slot,
    /// When.
    pub stamp: Stamp,
    /// The encoded body of the letter that brought it.
    pub body: Vec<u8>,
}

impl Change {
    /// The change that the body of a letter brings; `None` when it brings none.
    ///
    /// `by` is the account that the letter's sealing proves: edits and deletions are always about letters of
    /// their own author.
    #[must_use]
    pub fn of(chat: &Address, by: &Address, stamp: Stamp, body: &LetterBody) -> Option<Self> {
        let own = |id: &LetterId| LetterRef { author: by.clone(), id: *id };
        let letter = match body {
            LetterBody::Edit(edit) => own(&edit.letter),
            LetterBody::Delete(delete) => own(&delete.letter),
            LetterBody::Reaction(reaction) => reaction.letter.clone(),
            LetterBody::Vote(vote) => vote.poll.clone(),
            LetterBody::Text(_)
            | LetterBody::Receipt(_)
            | LetterBody::Offer(_)
            | LetterBody::OfferEnd(_)
            | LetterBody::Nudge(_)
            | LetterBody::ContactCard(_)
            | LetterBody::Location(_)
            | LetterBody::Poll(_)
            | LetterBody::OwnSync(_)
            | LetterBody::Unknown { .. } => return None,
        };
        let (kind, body) = body.encode().ok()?;
        Some(Self { slot: Slot { chat: chat.clone(), letter, kind, by: by.clone() }, stamp, body })
    }

    /// Whether it takes the place of what is held there.
    #[must_use]
    pub fn replaces(&self, held: Option<&Self>) -> bool {
        held.is_none_or(|held| held.stamp < self.stamp)
    }
}

/// What came of a letter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Other words than those it was written with, and when they were written.
    pub edited: Option<(Words, u64)>,
    /// Whether its author took it back.
    pub deleted: bool,
    /// Reactions in the order of their stamps, each with whose it is.
    pub reactions: Vec<(String, Vec<Address>)>,
    /// Chosen options, by account in the order of stamps.
    pub votes: Vec<(Address, Vec<u8>)>,
}

/// Merges what is held about one letter, in any order.
#[must_use]
pub fn merge(author: &Address, mut changes: Vec<Change>) -> Merged {
    changes.sort_by(|one, other| one.stamp.cmp(&other.stamp).then_with(|| one.slot.cmp(&other.slot)));
    let mut merged = Merged::default();
    for Change { slot, stamp, body } in &changes {
        let own = slot.by == *author;
        match slot.kind {
            EDIT if own => {
                let words = decode::<Edit>(body).ok().map(|edit| (edit.words, stamp.at_unix_ms));
                merged.edited = words.or(merged.edited);
            }
            DELETE if own => merged.deleted |= decode::<Delete>(body).is_ok(),
            REACTION => {
                if let Ok(Reaction { reaction, .. }) = decode(body) {
                    react(&mut merged.reactions, reaction.as_str(), &slot.by);
                }
            }
            VOTE => {
                if let Ok(Vote { choices, .. }) = decode(body) {
                    merged.votes.push((slot.by.clone(), choices.into_vec()));
                }
            }
            _ => {}
        }
    }
    if merged.deleted {
        return Merged { deleted: true, ..Merged::default() };
    }
    merged
}

fn react(reactions: &mut Vec<(String, Vec<Address>)>, reaction: &str, by: &Address) {
    if reaction.is_empty() {
        return;
    }
    match reactions.iter_mut().find(|(known, _)| known == reaction) {
        Some((_, people)) => people.push(by.clone()),
        None => reactions.push((reaction.to_owned(), vec![by.clone()])),
    }
}

/// Who chose each of `options` options. A vote that the poll does not allow counts for nothing.
#[must_use]
pub fn count(options: usize, multiple: bool, votes: &[(Address, Vec<u8>)]) -> Vec<Vec<Address>> {
    let mut counted = vec![Vec::new(); options];
    for (by, choices) in votes {
        let mut chosen: Vec<usize> = choices.iter().map(|choice| usize::from(*choice)).collect();
        chosen.sort_unstable();
        chosen.dedup();
        let allowed = chosen.len() <= if multiple { options } else { 1 };
        if allowed && chosen.iter().all(|choice| *choice < options) {
            chosen.iter().for_each(|choice| counted[*choice].push(by.clone()));
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hobnob_wire::bounded::{List, Text};
    use proptest::prelude::*;

    use super::*;

    fn person(name: &str) -> Address {
        format!("{name}@localhost").parse().unwrap()
    }

    const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];

    /// The letter is Alice's.
    fn letter() -> LetterRef {
        LetterRef { author: person("alice"), id: LetterId::new([1; 16]) }
    }

    fn words(text: &str) -> Words {
        Words { text: Text::new(text).unwrap(), ..Words::default() }
    }

    fn body() -> impl Strategy<Value = LetterBody> {
        let id = letter().id;
        prop_oneof![
            4 => "[a-z]{1,3}".prop_map(move |text| LetterBody::Edit(Edit { letter: id, words: words(&text) })),
            1 => Just(LetterBody::Delete(Delete { letter: id })),
            4 => "[😀👍]{0,1}".prop_map(|reaction| {
                LetterBody::Reaction(Reaction { letter: letter(), reaction: Text::new(reaction).unwrap() })
            }),
            4 => prop::collection::vec(0..4u8, 0..3).prop_map(|choices| {
                LetterBody::Vote(Vote { poll: letter(), choices: List::new(choices).unwrap() })
            }),
        ]
    }

    fn change() -> impl Strategy<Value = Change> {
        (0..PEOPLE.len(), 0..4u64, 0..4u8, body()).prop_map(|(by, at, id, body)| {
            let by = person(PEOPLE[by]);
            let stamp = Stamp::new(at, LetterId::new([id; 16]));
            Change::of(&person("bob"), &by, stamp, &body).unwrap()
        })
    }

    /// What a device holds after all that has arrived, one after the other.
    fn held(arrived: &[Change]) -> Vec<Change> {
        let mut held: BTreeMap<Slot, Change> = BTreeMap::new();
        for change in arrived {
            if change.replaces(held.get(&change.slot)) {
                held.insert(change.slot.clone(), change.clone());
            }
        }
        held.into_values().filter(|change| change.slot.letter == letter()).collect()
    }

    /// Two letters never share a stamp: no account uses an identifier twice.
    fn with_distinct_stamps(mut changes: Vec<Change>) -> Vec<Change> {
        let mut stamps = std::collections::BTreeSet::new();
        changes.retain(|change| stamps.insert((change.slot.by.clone(), change.stamp)));
        changes
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_order_of_arrival_and_every_repetition_shows_the_same(
            changes in prop::collection::vec(change(), 0..12),
            again in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            seed in any::<u64>(),
        ) {
            let changes = with_distinct_stamps(changes);
            let expected = merge(&person("alice"), held(&changes));
            let mut arrived = changes.clone();
            if !changes.is_empty() {
                arrived.extend(again.iter().map(|index| index.get(&changes).clone()));
            }
            let mut state = seed;
            for place in (1..arrived.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                arrived.swap(place, (state >> 33) as usize % (place + 1));
            }
            prop_assert_eq!(merge(&person("alice"), held(&arrived)), expected);
        }

        #[test]
        fn nobody_but_the_author_edits_or_deletes(changes in prop::collection::vec(change(), 0..12)) {
            let forged: Vec<Change> = changes
                .into_iter()
                .filter(|change| change.slot.by != person("alice"))
                .map(|mut change| { change.slot.letter = letter(); change })
                .collect();
            let merged = merge(&person("alice"), forged);
            prop_assert!(merged.edited.is_none() && !merged.deleted);
        }
    }

    fn at(at_unix_ms: u64, by: &str, body: &LetterBody) -> Change {
        let id = LetterId::new([u8::try_from(at_unix_ms).unwrap(); 16]);
        Change::of(&person("bob"), &person(by), Stamp::new(at_unix_ms, id), body).unwrap()
    }

    #[test]
    fn the_latest_words_count_and_a_deletion_takes_everything_with_it() {
        let id = letter().id;
        let edit =
            |at_ms, text| at(at_ms, "alice", &LetterBody::Edit(Edit { letter: id, words: words(text) }));
        let merged = merge(&person("alice"), held(&[edit(2, "second"), edit(1, "first")]));
        assert_eq!(merged.edited, Some((words("second"), 2)));
        // Its time does not matter: nothing undoes it.
        let delete = at(0, "alice", &LetterBody::Delete(Delete { letter: id }));
        let merged = merge(&person("alice"), held(&[edit(2, "second"), delete]));
        assert_eq!(merged, Merged { deleted: true, ..Merged::default() });
    }

    #[test]
    fn a_forged_edit_or_deletion_is_about_a_letter_of_its_own_author() {
        for body in [
            LetterBody::Edit(Edit { letter: letter().id, words: words("forged") }),
            LetterBody::Delete(Delete { letter: letter().id }),
        ] {
            assert_eq!(at(1, "bob", &body).slot.letter.author, person("bob"));
        }
    }

    #[test]
    fn reactions_are_gathered_and_an_empty_one_takes_the_earlier_back() {
        let react = |at_ms, by, text: &str| {
            let reaction = Reaction { letter: letter(), reaction: Text::new(text).unwrap() };
            at(at_ms, by, &LetterBody::Reaction(reaction))
        };
        let all =
            [react(1, "alice", "👍"), react(2, "bob", "👍"), react(3, "carol", "🎉"), react(4, "carol", "")];
        let merged = merge(&person("alice"), held(&all));
        assert_eq!(merged.reactions, [("👍".to_owned(), vec![person("alice"), person("bob")])]);
    }

    #[test]
    fn a_vote_that_the_poll_does_not_allow_counts_for_nothing() {
        let votes = [(person("alice"), vec![0, 1]), (person("bob"), vec![1, 1]), (person("carol"), vec![2])];
        assert_eq!(count(2, false, &votes), [vec![], vec![person("bob")]]);
        assert_eq!(count(2, true, &votes), [vec![person("alice")], vec![person("alice"), person("bob")]]);
    }
}
