//! What other receivers get from here.

use std::collections::BTreeSet;

use hobnob_wire::TransferId;
use hobnob_wire::limits::SWARM_RANGES_MAX;
use hobnob_wire::transfer::Span;

use super::member::{Member, Other};
use crate::core::input::LinkId;
use crate::core::transfer::job::TransferFault;
use crate::core::transfer::shaper::Flow;
use crate::core::transfer::{SpanSet, TransferEffect, TransferJob};

/// Ranges that are on their way to one other receiver at a time. Each is up to a mebibyte of memory on both sides.
const LENT_AT_ONCE: usize = 8;

/// What one other receiver gets.
#[derive(Debug)]
pub(super) struct Loan {
    /// Names it to the shell, as a transfer of its own.
    id: TransferId,
    /// The other one's transfer, once it has asked.
    asker: Option<TransferId>,
    wanted: SpanSet,
    in_flight: BTreeSet<u64>,
}

impl Loan {
    /// Nothing yet. Only this device sees the name.
    pub(super) fn new(transfer: TransferId, link: LinkId) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("hobnob 2026-11 loan");
        hasher.update(transfer.as_bytes()).update(&link.0.to_be_bytes());
        let mut id = [0; TransferId::LEN];
        hasher.finalize_xof().fill(&mut id);
        let (wanted, in_flight) = (SpanSet::default(), BTreeSet::new());
        Self { id: TransferId::new(id), asker: None, wanted, in_flight }
    }

    /// The other one asks. What is not here it is not given.
    pub(super) fn want(&mut self, asker: TransferId, ranges: &[Span], here: &SpanSet) {
        let mut wanted = SpanSet::from_spans(ranges, u64::MAX);
        wanted.retain_all(here);
        for range in &self.in_flight {
            wanted.remove(*range);
        }
        let room = (SWARM_RANGES_MAX as u64).saturating_sub(self.wanted.count());
        self.wanted.insert_all(&wanted.some_from(0, usize::try_from(room).unwrap_or(0)));
        self.asker = Some(asker);
    }

    pub(super) fn is_at_work(&self) -> bool {
        !self.wanted.is_empty() || !self.in_flight.is_empty()
    }

    /// Nothing more of it goes.
    pub(super) fn end(&self, out: &mut Vec<TransferEffect>) {
        if self.asker.is_some() {
            out.push(TransferEffect::Job(TransferJob::Stop { transfer: self.id, discard: false }));
        }
    }

    fn grant(&mut self, (transfer, sealed): (TransferId, bool), link: LinkId) -> Option<TransferJob> {
        let asker = self.asker?;
        if self.in_flight.len() >= LENT_AT_ONCE {
            return None;
        }
        let range = self.wanted.pop_first()?;
        self.in_flight.insert(range);
        Some(TransferJob::LendRange { transfer, loan: self.id, asker, link, range, sealed })
    }
}

impl Member {
    /// Lets others have what they asked for.
    pub(super) fn lend(&mut self, weight: u32, out: &mut Vec<TransferEffect>) {
        for (link, Other { address, loan, .. }) in &mut self.others {
            let (transfer, link) = (loan.id, *link);
            if loan.in_flight.is_empty() && !loan.wanted.is_empty() {
                let flow = Flow { transfer, peer: address.clone(), link, weight };
                out.push(TransferEffect::Job(TransferJob::Flow(flow)));
            }
            while let Some(job) = loan.grant((self.transfer, self.sealed), link) {
                out.push(TransferEffect::Job(job));
            }
        }
    }

    /// A range has gone to another receiver, or could not.
    pub(super) fn handle_lent(&mut self, link: LinkId, range: u64, result: &Result<u64, TransferFault>) {
        if let Some(other) = self.others.get_mut(&link) {
            other.loan.in_flight.remove(&range);
        }
        if matches!(
            result,
            Err(TransferFault::Disk(_) | TransferFault::Lasting(_) | TransferFault::Changed(_))
        ) {
            self.is_broken = true;
        }
    }
}
