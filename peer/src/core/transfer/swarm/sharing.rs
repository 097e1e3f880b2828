//! The sender's side of its swarms: which range goes to whom.
//!
//! A range that nobody has goes first, and to each receiver another one. What another one has who helps a receiver is not
//! sent to that receiver: it gets it there. It says itself who helps it, and takes that back when the help is not worth it.

use std::collections::{BTreeMap, BTreeSet};

use hobnob_wire::limits::WANT_SPANS_MAX;
use hobnob_wire::swarm::MemberMark;
use hobnob_wire::transfer::Span;
use hobnob_wire::{SwarmId, TransferId};

use super::rarest::rarest;
use crate::core::input::LinkId;
use crate::core::transfer::SpanSet;
use crate::core::transfer::record::TransferRecord;
use crate::core::transfer::sending::{Asked, Sending};

/// One receiver of a send to several.
#[derive(Debug)]
struct Receiver {
    swarm: SwarmId,
    mark: MemberMark,
    ranges: u64,
    /// What it has, as far as is known.
    has: SpanSet,
    /// Who helps it, as it said on this link.
    helped: Option<(LinkId, BTreeSet<MemberMark>)>,
    /// Whether its transfer is over, and it may help others.
    over: bool,
    /// Whether hashes that it asked for are being looked up: one question at a time.
    asking: bool,
}

/// All swarms that this device sends to.
#[derive(Debug, Default)]
pub(in crate::core::transfer) struct Sharing(BTreeMap<TransferId, Receiver>);

impl Sharing {
    /// A transfer begins, if it is one of several.
    pub(in crate::core::transfer) fn join(&mut self, record: &TransferRecord) {
        let Some(swarm) = &record.swarm else { return };
        let Some(mark) = swarm.members.first() else { return };
        let receiver = Receiver {
            swarm: swarm.id,
            mark: *mark,
            ranges: record.ranges,
            has: SpanSet::default(),
            helped: None,
            over: false,
            asking: false,
        };
        self.0.insert(record.id, receiver);
    }

    /// A transfer is over. Who has everything may help the others until theirs are, too.
    pub(in crate::core::transfer) fn over(&mut self, transfer: TransferId, is_done: bool) {
        let Some(receiver) = self.0.get_mut(&transfer) else { return };
        let swarm = receiver.swarm;
        if is_done {
            receiver.has = SpanSet::below(receiver.ranges);
            (receiver.over, receiver.helped) = (true, None);
        } else {
            self.0.remove(&transfer);
        }
        if self.0.values().all(|receiver| receiver.swarm != swarm || receiver.over) {
            self.0.retain(|_, receiver| receiver.swarm != swarm);
        }
    }

    /// A receiver asks: it has everything else.
    pub(in crate::core::transfer) fn asked(&mut self, transfer: TransferId, asked: &Asked) {
        let Some(receiver) = self.0.get_mut(&transfer) else { return };
        // It does not know yet what it has, or names only a part of what it lacks.
        if asked.manifest || asked.compare || asked.want.len() == WANT_SPANS_MAX {
            return;
        }
        receiver.has = SpanSet::below(receiver.ranges);
        receiver.has.remove_all(&SpanSet::from_spans(&asked.want, receiver.ranges));
    }

    /// A receiver has these.
    pub(in crate::core::transfer) fn has(&mut self, transfer: TransferId, ranges: &[Span]) {
        if let Some(receiver) = self.0.get_mut(&transfer) {
            receiver.has.insert_all(&SpanSet::from_spans(ranges, receiver.ranges));
        }
    }

    /// A receiver says who helps it.
    pub(in crate::core::transfer) fn helped(
        &mut self,
        transfer: TransferId,
        link: LinkId,
        by: &[MemberMark],
    ) {
        if let Some(receiver) = self.0.get_mut(&transfer).filter(|receiver| !receiver.over) {
            receiver.helped = Some((link, by.iter().copied().collect()));
        }
    }

    /// A receiver asks for hashes; whether it gets them.
    pub(in crate::core::transfer) fn may_tell(&mut self, transfer: TransferId) -> bool {
        let receiver = self.0.get_mut(&transfer).filter(|receiver| !receiver.over);
        receiver.is_some_and(|receiver| !std::mem::replace(&mut receiver.asking, true))
    }

    /// A receiver gets the hashes that it asked for.
    pub(in crate::core::transfer) fn told(&mut self, transfer: TransferId) {
        if let Some(receiver) = self.0.get_mut(&transfer) {
            receiver.asking = false;
        }
    }

    /// What was said on a link does not hold any more.
    pub(in crate::core::transfer) fn handle_link_down(&mut self, down: LinkId) {
        for receiver in self.0.values_mut() {
            // Whatever was being looked up goes nowhere.
            receiver.asking = false;
            receiver.helped.take_if(|(link, _)| *link == down);
        }
    }

    /// The range that is to go next; `None` when all that is wanted will come from others.
    pub(in crate::core::transfer) fn choose(
        &self,
        transfer: TransferId,
        sending: &BTreeMap<TransferId, Sending>,
    ) -> Option<u64> {
        let wanting = sending.get(&transfer)?;
        let wanted = wanting.wanted()?;
        let Some(receiver) = self.0.get(&transfer).filter(|_| !wanting.compares()) else {
            return wanted.first();
        };
        let mut candidates = wanted.clone();
        let (mut held, mut place, mut members) = (Vec::new(), 0, 0);
        for (id, other) in self.0.iter().filter(|(_, other)| other.swarm == receiver.swarm) {
            members += 1;
            place += u64::from(*id < transfer);
            if *id == transfer {
                continue;
            }
            let mut has = other.has.clone();
            if let Some(sending) = sending.get(id) {
                has.insert_all(&sending.on_their_way());
            }
            if receiver.helped.as_ref().is_some_and(|(_, by)| by.contains(&other.mark)) {
                candidates.remove_all(&has);
            }
            held.push(has);
        }
        let held: Vec<&SpanSet> = held.iter().collect();
        rarest(&candidates, &held, receiver.ranges / members * place)
    }
}
