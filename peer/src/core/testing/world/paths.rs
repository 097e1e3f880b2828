//! Paths between devices, as whoever finds them would report them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hobnob_nat::Way;
use hobnob_nat::core::agent::{PathKind, PathReport};
use hobnob_wire::DeviceId;
use hobnob_wire::signal::{Candidate, CandidateKind, Mapping};

use super::{LATENCY, World};
use crate::core::effect::ReachOrder;
use crate::core::input::Input;

/// Where a node can be reached.
pub(super) fn own(node: usize) -> Input {
    let at = SocketAddr::from(([192, 0, 2, 1], 7_000 + u16::try_from(node).unwrap()));
    let candidates = vec![Candidate { kind: CandidateKind::Host, at: at.into() }];
    Input::Own { candidates, mapping: Mapping::NoNat }
}

/// A path as it is reported.
fn report(kind: PathKind, way: Option<Way>) -> Arc<PathReport> {
    Arc::new(PathReport {
        kind,
        way,
        rtt: Some(LATENCY * 2),
        since: Duration::ZERO,
        why_not_direct: None,
        notes: Vec::new(),
        sent: 0,
    })
}

impl World {
    /// Finds the paths that there are: over the relay with a channel, else where the other side says that it is.
    pub(super) fn reach(&mut self, node: usize, order: &ReachOrder) {
        let (device, kind, way) = match order {
            ReachOrder::Channel { device, channel: Some(_) } | ReachOrder::Helper { device, .. }
                if !self.knows(node, *device) =>
            {
                (*device, PathKind::Relayed, None)
            }
            ReachOrder::Remote { device, remote }
                if self.is_direct(node, *device) && !remote.candidates.is_empty() =>
            {
                let way = remote.candidates.first().map(|candidate| Way::main(candidate.at.into()));
                (*device, PathKind::Lan, way)
            }
            ReachOrder::Channel { .. }
            | ReachOrder::Remote { .. }
            | ReachOrder::Exchange { .. }
            | ReachOrder::Helper { .. }
            | ReachOrder::Forget { .. } => return,
        };
        if self.reachable {
            self.tell(node, Input::Path { device, report: report(kind, way) });
        }
    }

    /// Whether a direct path from a node to a device can be found.
    fn is_direct(&self, node: usize, to: DeviceId) -> bool {
        let is_apart = |nodes: [usize; 2]| {
            nodes.contains(&node) && nodes.iter().any(|other| self.nodes[*other].device == to)
        };
        self.direct && !self.apart.is_some_and(is_apart)
    }

    /// Whether a node has found the direct path to a device.
    fn knows(&self, node: usize, of: DeviceId) -> bool {
        let told = |order: &ReachOrder| match order {
            ReachOrder::Remote { device, remote } => *device == of && !remote.candidates.is_empty(),
            ReachOrder::Exchange { .. }
            | ReachOrder::Channel { .. }
            | ReachOrder::Helper { .. }
            | ReachOrder::Forget { .. } => false,
        };
        self.is_direct(node, of) && self.nodes[node].reach.iter().any(told)
    }

    /// The path to a device is another now.
    pub(crate) fn path(&mut self, node: usize, to: usize, kind: PathKind) {
        let device = self.nodes[to].device;
        self.input(node, Input::Path { device, report: report(kind, None) });
    }
}
