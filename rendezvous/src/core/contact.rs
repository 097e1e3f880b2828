//! Who sees whom: the relation of two accounts, and what each may do to it.
//!
//! A relation is two standings, one from each side. The rules here change both at once, so that the sides
//! never disagree: I see you exactly when you are seen by me, and what waits for you was asked by me. One
//! thing is left apart on purpose: a rejected request stays with its asker, who is not told.

use hobnob_wire::Refusal;
use hobnob_wire::contact::{Pending, Subscription};

/// How one side stands to the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Who sees whom.
    pub subscription: Subscription,
    /// What waits for an answer.
    pub pending: Pending,
}

/// Both sides of a relation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relation {
    /// Of the side that acts.
    pub mine: Standing,
    /// Of the other side.
    pub theirs: Standing,
}

impl Standing {
    /// Nothing, or nothing any more.
    pub const NONE: Self = Self { subscription: Subscription::None, pending: Pending::None };

    /// Whether this side sees the other.
    #[must_use]
    pub fn sees(self) -> bool {
        matches!(self.subscription, Subscription::To | Subscription::Both)
    }

    /// Whether one of the two sees the other, so that they may write to each other.
    #[must_use]
    pub fn is_contact(self) -> bool {
        self.subscription != Subscription::None
    }

    fn seeing(self) -> Self {
        let subscription = match self.subscription {
            Subscription::None | Subscription::To => Subscription::To,
            Subscription::From | Subscription::Both => Subscription::Both,
        };
        Self { subscription, ..self }
    }

    fn seen(self) -> Self {
        let subscription = match self.subscription {
            Subscription::None | Subscription::From => Subscription::From,
            Subscription::To | Subscription::Both => Subscription::Both,
        };
        Self { subscription, ..self }
    }

    fn waiting(self, pending: Pending) -> Self {
        Self { pending, ..self }
    }
}

impl Relation {
    /// I ask to see them. When they ask the same, we see each other. Asking again changes nothing.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] when I see them already.
    pub fn ask(self) -> Result<Self, Refusal> {
        let Self { mine, theirs } = self;
        if mine.sees() {
            return Err(Refusal::Conflict);
        }
        if mine.pending == Pending::Out {
            return Ok(self);
        }
        if theirs.pending == Pending::Out {
            return Ok(self.settled(true, true));
        }
        Ok(Self { mine: mine.waiting(Pending::Out), theirs: theirs.waiting(Pending::In) })
    }

    /// I let them see me, and, if `mutual`, see them too: who asks agrees to be seen.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] when they did not ask.
    pub fn accept(self, mutual: bool) -> Result<Self, Refusal> {
        if self.mine.pending != Pending::In {
            return Err(Refusal::Conflict);
        }
        Ok(self.settled(mutual, true))
    }

    /// I do not let them see me. Their request stays with them, as if I had not answered.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] when they did not ask.
    pub fn reject(self) -> Result<Self, Refusal> {
        if self.mine.pending != Pending::In {
            return Err(Refusal::Conflict);
        }
        Ok(Self { mine: self.mine.waiting(Pending::None), ..self })
    }

    /// Whatever was between us is over, on both sides.
    ///
    /// # Errors
    /// [`Refusal::ItemNotFound`] when there is nothing on my side.
    pub fn remove(self) -> Result<Self, Refusal> {
        if self.mine == Standing::NONE {
            return Err(Refusal::ItemNotFound);
        }
        Ok(Self::default())
    }

    fn settled(self, i_see: bool, they_see: bool) -> Self {
        let Self { mut mine, mut theirs } = self;
        if i_see {
            (mine, theirs) = (mine.seeing(), theirs.seen());
        }
        if they_see {
            (mine, theirs) = (mine.seen(), theirs.seeing());
        }
        Self { mine: mine.waiting(Pending::None), theirs: theirs.waiting(Pending::None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    enum Act {
        Ask,
        Accept(bool),
        Reject,
        Remove,
    }

    fn act() -> impl Strategy<Value = (bool, Act)> {
        let act = prop_oneof![
            Just(Act::Ask),
            any::<bool>().prop_map(Act::Accept),
            Just(Act::Reject),
            Just(Act::Remove)
        ];
        (any::<bool>(), act)
    }

    fn swapped(relation: Relation) -> Relation {
        Relation { mine: relation.theirs, theirs: relation.mine }
    }

    fn mirrored(subscription: Subscription) -> Subscription {
        match subscription {
            Subscription::To => Subscription::From,
            Subscription::From => Subscription::To,
            both_or_none @ (Subscription::None | Subscription::Both) => both_or_none,
        }
    }

    proptest! {
        #[test]
        fn both_sides_agree_whatever_the_two_do(acts in prop::collection::vec(act(), 0..40)) {
            let mut relation = Relation::default();
            // Whether [the first, the second] account's request was rejected and still stays with it.
            let mut rejected = [false, false];
            for (second, act) in acts {
                let before = if second { swapped(relation) } else { relation };
                let result = match act {
                    Act::Ask => before.ask(),
                    Act::Accept(mutual) => before.accept(mutual),
                    Act::Reject => before.reject(),
                    Act::Remove => before.remove(),
                };
                if let Ok(after) = result {
                    relation = if second { swapped(after) } else { after };
                    match act {
                        Act::Reject => rejected[usize::from(!second)] = true,
                        Act::Ask | Act::Accept(_) | Act::Remove => {}
                    }
                }
                let Relation { mine, theirs } = relation;
                for (side, standing) in [mine, theirs].into_iter().enumerate() {
                    rejected[side] &= standing.pending == Pending::Out;
                }
                prop_assert_eq!(mine.subscription, mirrored(theirs.subscription));
                for (asker, [mine, theirs]) in [[mine, theirs], [theirs, mine]].into_iter().enumerate() {
                    let waits = mine.pending == Pending::Out && !rejected[asker];
                    prop_assert_eq!(waits, theirs.pending == Pending::In);
                    prop_assert!(!(mine.sees() && mine.pending == Pending::Out));
                }
                prop_assert!(mine.pending != Pending::Out || theirs.pending != Pending::Out);
            }
        }
    }

    fn standing(subscription: Subscription, pending: Pending) -> Standing {
        Standing { subscription, pending }
    }

    #[test]
    fn crossing_requests_make_both_see_each_other() {
        let asked = Relation::default().ask().unwrap();
        let crossed = swapped(asked).ask().unwrap();
        let both = standing(Subscription::Both, Pending::None);
        assert_eq!(crossed, Relation { mine: both, theirs: both });
    }

    #[test]
    fn a_rejected_request_stays_with_its_asker_and_is_met_by_a_later_one() {
        let asked = Relation::default().ask().unwrap();
        let rejected = swapped(asked).reject().unwrap();
        assert_eq!(rejected.mine, Standing::NONE);
        assert_eq!(rejected.theirs, standing(Subscription::None, Pending::Out));
        assert_eq!(rejected.ask().unwrap().mine, standing(Subscription::Both, Pending::None));
    }

    #[test]
    fn one_sided_acceptance_lets_the_asker_see_and_the_other_ask_later() {
        let asked = Relation::default().ask().unwrap();
        let accepted = swapped(asked).accept(false).unwrap();
        assert_eq!(accepted.mine, standing(Subscription::From, Pending::None));
        assert_eq!(accepted.theirs, standing(Subscription::To, Pending::None));
        let asked_back = accepted.ask().unwrap();
        assert_eq!(asked_back.mine, standing(Subscription::From, Pending::Out));
        assert_eq!(
            swapped(asked_back).accept(false).unwrap().mine,
            standing(Subscription::Both, Pending::None)
        );
    }

    #[test]
    fn nothing_to_answer_and_nothing_to_remove_are_refused() {
        let nothing = Relation::default();
        assert_eq!(nothing.accept(true), Err(Refusal::Conflict));
        assert_eq!(nothing.reject(), Err(Refusal::Conflict));
        assert_eq!(nothing.remove(), Err(Refusal::ItemNotFound));
        let both = swapped(nothing.ask().unwrap()).accept(true).unwrap();
        assert_eq!(both.ask(), Err(Refusal::Conflict));
    }
}
