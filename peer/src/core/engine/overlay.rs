//! What the overlay brings.

use hobnob_wire::Opaque;
use hobnob_wire::signal::SignalDelivery;

use super::Engine;
use crate::core::input::OverlayReport;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::transfer::TransferInput;
use crate::core::turn::Turn;

impl Engine {
    pub(super) fn overlay_report<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        report: OverlayReport,
    ) -> Result<(), S::Error> {
        let device = report.device();
        // What was said before the overlay was left is of no use.
        let Some(address) = self.overlay.account(device).cloned() else {
            return Ok(());
        };
        match report {
            OverlayReport::Seen(_) => {
                self.overlay.seen(device, true);
                self.links.set_overlay(self.overlay.here().clone());
                self.links.came_online(&address);
                // At once, so that it is shown who is there.
                self.links.want(turn, &mut self.keys, &self.contacts, (&address, device))?;
                self.transfers(turn, TransferInput::Available(address))
            }
            OverlayReport::Lost(_) => {
                self.overlay.seen(device, false);
                self.links.set_overlay(self.overlay.here().clone());
                Ok(())
            }
            OverlayReport::Signal { sealed, .. } => {
                let Ok(sealed) = Opaque::new(sealed) else {
                    return Ok(());
                };
                let delivery = SignalDelivery { from: address, device, sealed, channel: None, at: None };
                self.links.signalled(turn, &mut self.keys, &self.contacts, &delivery)
            }
        }
    }
}
