//! What transfers ask and get.

use hobnob_wire::link::LinkFrame;

use super::Engine;
use crate::core::effect::Effect;
use crate::core::letters::compose::{self, Draft};
use crate::core::settings;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::transfer::{TransferEffect, TransferInput};
use crate::core::turn::Turn;

impl Engine {
    /// Gives an input to the transfers and performs what follows inside the core.
    pub(super) fn transfers<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        input: TransferInput,
    ) -> Result<(), S::Error> {
        let effects = self.transfers.handle(turn.store, input, turn.now, turn.entropy)?;
        for effect in effects {
            match effect {
                TransferEffect::Reply { id, result } => turn.reply(id, result),
                TransferEffect::Event(event) => turn.event(event),
                TransferEffect::Letter { to, device, body } => {
                    compose::write(turn, &mut self.keys, &Draft { to, device, body })?;
                }
                TransferEffect::LetterToOthers { to, but, body } => {
                    for device in compose::devices(turn.store, &mut self.keys, &to)?.unwrap_or_default() {
                        if device != but {
                            let (to, body) = (to.clone(), body.clone());
                            compose::write(turn, &mut self.keys, &Draft { to, device: Some(device), body })?;
                        }
                    }
                }
                TransferEffect::NeedLink { address, device } => {
                    if self.session.is_up() {
                        self.links.want(turn, &mut self.keys, &self.contacts, (&address, device))?;
                    }
                }
                TransferEffect::NeedLinks { address } => {
                    if self.session.is_up() && self.contacts.online(&address) {
                        for device in
                            compose::devices(turn.store, &mut self.keys, &address)?.unwrap_or_default()
                        {
                            self.links.want(turn, &mut self.keys, &self.contacts, (&address, device))?;
                        }
                    }
                }
                TransferEffect::SendSwarm { link, frame } => {
                    self.links.used(link, turn.now.monotonic);
                    turn.effect(Effect::SendFrame { link, frame: Box::new(LinkFrame::Swarm(frame)) });
                }
                TransferEffect::SendFrame { link, frame } => {
                    self.links.used(link, turn.now.monotonic);
                    let frame = Box::new(LinkFrame::Transfer(frame));
                    turn.effect(Effect::SendFrame { link, frame });
                }
                TransferEffect::PaceLink { link, bytes_per_s } => {
                    let frame = Box::new(LinkFrame::Pace { bytes_per_s });
                    turn.effect(Effect::SendFrame { link, frame });
                }
                TransferEffect::Job(job) => turn.effect(Effect::Transfer(job)),
            }
        }
        Ok(())
    }

    /// Tells the transfers what the user set.
    pub(super) fn tell_settings<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
    ) -> Result<(), S::Error> {
        let settings = settings::files(turn.store)?;
        self.transfers(turn, TransferInput::Settings(settings))
    }
}
