//! The overlay of a world: who looks for whom, and who is found.

use std::collections::BTreeMap;

use hobnob_nat::core::overlay::Acquaintance;

use super::World;
use crate::core::effect::OverlayOrder;
use crate::core::input::{Input, OverlayReport};

/// Devices in the overlay.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    /// Whether they find each other.
    pub(crate) open: bool,
    /// Whom each looks for.
    pub(crate) looking: BTreeMap<usize, Vec<Acquaintance>>,
    /// Signals that went this way.
    pub(crate) signals: usize,
}

impl World {
    /// Does what a device wants of the overlay.
    pub(super) fn overlay(&mut self, node: usize, order: OverlayOrder) {
        match order {
            OverlayOrder::Meet(acquaintances) => {
                self.overlay.looking.insert(node, acquaintances);
                for other in 0..self.nodes.len() {
                    if self.overlay.open && self.meet(node, other) {
                        self.report(node, OverlayReport::Seen(self.nodes[other].device));
                        self.report(other, OverlayReport::Seen(self.nodes[node].device));
                    }
                }
            }
            OverlayOrder::Signal { device, sealed } => {
                let other = self.nodes.iter().position(|other| other.device == device).unwrap();
                if self.meet(node, other) {
                    self.overlay.signals += 1;
                    self.report(other, OverlayReport::Signal { device: self.nodes[node].device, sealed });
                }
            }
            OverlayOrder::Leave => {
                self.overlay.looking.remove(&node);
                for other in 0..self.nodes.len() {
                    self.report(other, OverlayReport::Lost(self.nodes[node].device));
                }
            }
        }
    }

    /// Whether two devices look for each other, under the same secret.
    fn meet(&self, one: usize, other: usize) -> bool {
        let secret = |by: usize, of: usize| {
            let looking = self.overlay.looking.get(&by)?;
            looking.iter().find(|it| it.device == self.nodes[of].device).map(|it| &it.secret)
        };
        secret(one, other).is_some() && secret(one, other) == secret(other, one)
    }

    fn report(&mut self, node: usize, report: OverlayReport) {
        self.tell(node, Input::Overlay(report));
    }
}
