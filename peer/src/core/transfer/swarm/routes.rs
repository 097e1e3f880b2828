//! Which member a frame, a report or a link concerns.

use std::time::Duration;

use hobnob_wire::bounded::List;
use hobnob_wire::limits::SWARM_RANGES_MAX;
use hobnob_wire::swarm::{MemberMark, Swarm, SwarmFrame};
use hobnob_wire::transfer::{Span, TransferFrame};
use hobnob_wire::{Address, SwarmId, TransferId};

use super::member::{Member, Own};
use crate::core::input::LinkId;
use crate::core::time::{Entropy, Now};
use crate::core::transfer::job::TransferFault;
use crate::core::transfer::record::{TransferRecord, TransferStore};
use crate::core::transfer::transfers::Transfers;
use crate::core::transfer::valve::Receipt;
use crate::core::transfer::{SpanSet, Step, TransferEffect, TransferJob};

/// Marks in an offer are filled up to a multiple of this.
const MARKS_STEP: usize = 8;

/// A new swarm of these people, and the mark of each.
pub(in crate::core::transfer) fn found<S: TransferStore>(
    store: &mut S,
    to: &[Address],
    entropy: &mut impl Entropy,
) -> Result<(Swarm, Vec<MemberMark>), S::Error> {
    let id = SwarmId::new(entropy.array());
    let mut marks = Vec::new();
    for address in to {
        // Whose key is not known here, nobody can be told how to find.
        marks.push(match store.root(address)? {
            Some(root) => MemberMark::of(id, &root),
            None => MemberMark::new(entropy.array()),
        });
    }
    let mut members = marks.clone();
    while !members.len().is_multiple_of(MARKS_STEP) {
        members.push(MemberMark::new(entropy.array()));
    }
    members.sort_unstable();
    Ok((Swarm { id, members: List::new(members).unwrap_or_default() }, marks))
}

impl Transfers {
    /// A transfer to this device that is one of several begins, or goes on after a restart.
    pub(in crate::core::transfer) fn join<S: TransferStore>(
        &mut self,
        store: &mut S,
        record: &TransferRecord,
    ) -> Result<(), S::Error> {
        let Some(swarm) = record.swarm.clone() else { return Ok(()) };
        let mut member = Member::new(record, swarm);
        for (address, root) in store.acquaintances()? {
            let mark = MemberMark::of(member.swarm(), &root);
            member.meet(address, mark);
        }
        self.members.insert(record.id, member);
        Ok(())
    }

    /// How a transfer to this device stands.
    fn own(&self, id: TransferId) -> Option<Own> {
        if let Some(own) = self.members.get(&id)?.ended() {
            return Some(own);
        }
        let receiving = self.receiving.get(&id)?;
        Some(receiving.own(Self::link_to(&self.links, &receiving.ledger.record)))
    }

    /// A link came up to somebody who may be a member.
    pub(in crate::core::transfer) fn link_up_to_member<S: TransferStore>(
        &mut self,
        store: &mut S,
        (link, address): (LinkId, &Address),
        step: &mut Step<'_>,
    ) -> Result<(), S::Error> {
        if self.members.is_empty() {
            return Ok(());
        }
        let Some(root) = store.root(address)? else { return Ok(()) };
        let ids: Vec<TransferId> = self.members.keys().copied().collect();
        for id in ids {
            let own = self.own(id).unwrap_or_default();
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.meet(address.clone(), MemberMark::of(member.swarm(), &root));
            member.handle_link_up(link, address, &own, step);
        }
        Ok(())
    }

    /// A link is gone.
    pub(in crate::core::transfer) fn link_down_to_member(&mut self, link: LinkId, step: &mut Step<'_>) {
        self.sharing.handle_link_down(link);
        self.members.values_mut().for_each(|member| member.handle_link_down(link, step));
    }

    /// Another member, perhaps, says something.
    pub(in crate::core::transfer) fn handle_swarm(
        &mut self,
        link: LinkId,
        frame: SwarmFrame,
        step: &mut Step<'_>,
    ) {
        let is_it = |member: &&Member| member.swarm() == frame.swarm();
        let Some(id) = self.members.values().find(is_it).map(|member| member.transfer) else { return };
        let own = self.own(id).unwrap_or_default();
        if let Some(member) = self.members.get_mut(&id) {
            member.handle_frame(link, frame, &own, step);
        }
    }

    /// Bytes of a transfer move.
    pub(in crate::core::transfer) fn handle_member_moved(&mut self, id: TransferId, now: Now) {
        if let Some(member) = self.members.get_mut(&id) {
            member.heard_at = now.monotonic;
        }
    }

    /// A range is here that the sender sent.
    pub(in crate::core::transfer) fn handle_received(&mut self, id: TransferId, range: u64, now: Now) {
        if let Some(member) = self.members.get_mut(&id) {
            member.handle_here(range, now.monotonic);
        }
    }

    /// A range that was asked of another member is here, or is not.
    pub(in crate::core::transfer) fn handle_borrowed(
        &mut self,
        id: TransferId,
        (link, range): (LinkId, u64),
        result: Result<u64, TransferFault>,
        step: &mut Step<'_>,
    ) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let from = member.others.get(&link).map(|other| other.address.clone());
        member.handle_borrowed((link, range), &result, step);
        let Some(transfer) = self.receiving.get_mut(&id) else { return };
        match result {
            Ok(bytes) => {
                member.handle_here(range, step.now.monotonic);
                if let Some(from) = from {
                    transfer.ledger.came_from(&from, bytes);
                }
                transfer.handle_range(range, Ok(bytes), step);
            }
            Err(fault @ (TransferFault::Disk(_) | TransferFault::Lasting(_) | TransferFault::Changed(_))) => {
                transfer.handle_range(range, Err(fault), step);
            }
            Err(
                TransferFault::Peer(_)
                | TransferFault::LinkLost
                | TransferFault::Stopped
                | TransferFault::Stalled
                | TransferFault::Differs,
            ) => {
                // The sender may have been stopped when it brought the same range.
                if member.may_ask_again(step.now.monotonic) {
                    transfer.ask_again(step);
                }
            }
        }
    }

    /// A range has gone to another member, or could not. What of it counts when the own transfer is over is kept at once.
    pub(in crate::core::transfer) fn handle_lent<S: TransferStore>(
        &mut self,
        store: &mut S,
        id: TransferId,
        (link, range): (LinkId, u64),
        result: &Result<u64, TransferFault>,
    ) -> Result<(), S::Error> {
        if let Some(member) = self.members.get_mut(&id) {
            member.handle_lent(link, range, result);
        }
        let Ok(bytes) = result else { return Ok(()) };
        if let Some(transfer) = self.receiving.get_mut(&id) {
            transfer.ledger.sent(*bytes);
        } else if let Some(mut record) = store.transfer(id)? {
            record.sent += bytes;
            store.save_transfer(&record)?;
        }
        Ok(())
    }

    /// Everything is in place: others get it for as long as the user allows.
    pub(in crate::core::transfer) fn handle_placed(&mut self, id: TransferId, now: Duration) {
        let Some(own) = self.own(id).filter(|own| own.ranges > 0) else { return };
        if let Some(member) = self.members.get_mut(&id)
            && self.receiving.get(&id).is_some_and(|transfer| transfer.ledger.record.digest.is_some())
        {
            member.end(own.ranges, now + self.settings.serve);
        }
    }

    /// What a receiver says to the sender about others.
    pub(in crate::core::transfer) fn handle_of_others(
        &mut self,
        link: LinkId,
        frame: TransferFrame,
        step: &mut Step<'_>,
    ) {
        let id = frame.transfer();
        match frame {
            TransferFrame::Helped { by, .. } => self.sharing.helped(id, link, &by),
            TransferFrame::Got { ranges, .. } => {
                self.sharing.has(id, &ranges);
                if let Some(sending) = self.sending.get_mut(&id) {
                    sending.has_elsewhere(&SpanSet::from_spans(&ranges, u64::MAX));
                }
            }
            TransferFrame::AskHashes { ranges, .. } if self.sharing.may_tell(id) => {
                let some = SpanSet::from_spans(&ranges, u64::MAX).some_from(0, SWARM_RANGES_MAX);
                let ranges = some.iter().flat_map(|span| span.start..span.end).collect();
                step.out.push(TransferEffect::Job(TransferJob::Hashes { transfer: id, link, ranges }));
            }
            TransferFrame::AskHashes { .. }
            | TransferFrame::Accept { .. }
            | TransferFrame::Pace { .. }
            | TransferFrame::Progress { .. }
            | TransferFrame::Complete { .. }
            | TransferFrame::Gone { .. }
            | TransferFrame::Hold { .. }
            | TransferFrame::Wait { .. }
            | TransferFrame::Choose { .. }
            | TransferFrame::Hashes { .. } => {}
        }
    }

    /// The hashes that a receiver asked for are known.
    pub(in crate::core::transfer) fn tell_hashes(
        &mut self,
        transfer: TransferId,
        link: LinkId,
        hashes: &[(u64, [u8; 32])],
        step: &mut Step<'_>,
    ) {
        self.sharing.told(transfer);
        let mut ranges = SpanSet::default();
        hashes.iter().for_each(|(range, _)| ranges.insert(*range));
        let ranges = List::new(ranges.spans(SWARM_RANGES_MAX)).unwrap_or_default();
        let hashes = List::new(hashes.iter().map(|(_, hash)| *hash).collect()).unwrap_or_default();
        let frame = TransferFrame::Hashes { transfer, ranges, hashes };
        step.out.push(TransferEffect::SendFrame { link, frame });
    }

    /// The sender told hashes.
    pub(in crate::core::transfer) fn handle_hashes(
        &mut self,
        id: TransferId,
        ranges: &[Span],
        hashes: &[[u8; 32]],
        now: Now,
    ) {
        if let Some(member) = self.members.get_mut(&id) {
            member.handle_hashes(ranges, hashes, now);
        }
    }

    /// Lets members do what is due, and forgets those whose time is over.
    pub(in crate::core::transfer) fn proceed_members(&mut self, step: &mut Step<'_>) {
        if self.members.is_empty() {
            return;
        }
        let links: Vec<(LinkId, Address)> =
            self.links.iter().map(|(id, link)| (*id, link.address.clone())).collect();
        let lends = !self.settings.serve.is_zero();
        let ids: Vec<TransferId> = self.members.keys().copied().collect();
        for id in ids {
            let own = self.own(id).unwrap_or_default();
            let Some(member) = self.members.get_mut(&id) else { continue };
            if self.receiving.contains_key(&id) || lends && !member.is_over(step.now.monotonic) {
                member.proceed(&own, (&links, lends), step);
                continue;
            }
            member.leave(step.out);
            self.members.remove(&id);
            step.out.push(TransferEffect::Job(TransferJob::Share { transfer: id, share: false }));
        }
    }

    /// Links over which members send ranges now.
    pub(in crate::core::transfer) fn member_receipts(&mut self, now: Now) -> Vec<Receipt> {
        let weight = |id| self.receiving.get(id).map(|it| it.ledger.record.wishes.priority.weight());
        let members = self.members.iter_mut();
        members.flat_map(|(id, member)| member.receipts(weight(id).unwrap_or(1), now)).collect()
    }
}
