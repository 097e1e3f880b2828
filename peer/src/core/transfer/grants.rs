//! Which transfer may send the next range on a link.
//!
//! The one with the fewest ranges on their way for its weight comes first; among equals, the one whose last turn is longest ago. So
//! transfers on one link share it evenly, whatever their sizes.

use std::collections::BTreeMap;

use hobnob_wire::TransferId;

use super::TransferEffect;
use super::sending::Sending;
use super::swarm::Sharing;
use crate::core::input::LinkId;

/// Ranges on their way over one link at a time. Each is up to a mebibyte of memory on both sides.
pub(super) const LINK_IN_FLIGHT_MAX: usize = 16;

/// Shares out the links.
#[derive(Debug, Default)]
pub(super) struct Grants {
    turn: u64,
}

impl Grants {
    /// Grants as many ranges on `link` as may be on their way.
    pub(super) fn fill(
        &mut self,
        sending: &mut BTreeMap<TransferId, Sending>,
        sharing: &Sharing,
        link: LinkId,
        out: &mut Vec<TransferEffect>,
    ) {
        let mut in_flight: usize = sending.values().map(|transfer| transfer.in_flight(link)).sum();
        while in_flight < LINK_IN_FLIGHT_MAX {
            let ready = sending.iter().filter_map(|(id, transfer)| Some((transfer.ready(link)?, *id)));
            let next = ready.filter_map(|(rank, id)| Some((rank, id, sharing.choose(id, sending)?))).min();
            let Some((_, id, range)) = next else { return };
            let Some(transfer) = sending.get_mut(&id) else { return };
            self.turn += 1;
            out.extend(transfer.grant(range, self.turn));
            in_flight += 1;
        }
    }
}
