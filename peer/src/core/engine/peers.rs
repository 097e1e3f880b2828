//! What links bring.

use std::sync::Arc;
use std::time::Duration;

use hobnob_nat::core::agent::PathReport;
use hobnob_wire::link::{LinkFrame, RelayFrame};
use hobnob_wire::mailbox::Sealed;
use hobnob_wire::{Address, DeviceId, LetterId};

use super::Engine;
use crate::core::effect::Effect;
use crate::core::event::Event;
use crate::core::input::LinkId;
use crate::core::keys::trust::Verdict;
use crate::core::letters::store::Incoming;
use crate::core::link::{Grant, Greeting};
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::transfer::TransferInput;
use crate::core::turn::Turn;

impl Engine {
    pub(super) fn greeted<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        greeting: &Greeting,
    ) -> Result<(), S::Error> {
        let verdict = self.links.greeted(turn, &mut self.keys, &self.contacts, greeting)?;
        match verdict {
            None | Some(Verdict::Same | Verdict::StillStopped) => Ok(()),
            Some(verdict) => self.judged(turn, &greeting.hello.address, verdict),
        }
    }

    pub(super) fn link_up<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        link: LinkId,
        handshake: Duration,
    ) -> Result<(), S::Error> {
        let Some(replaced) = self.links.came_up(turn, link, handshake) else {
            return Ok(());
        };
        for link in replaced {
            self.outbox.link_down(link);
            self.relaying.link_down(turn, link);
            self.transfers(turn, TransferInput::LinkDown { link })?;
        }
        let Some((address, device)) =
            self.links.peer(link).map(|(address, device)| (address.clone(), device))
        else {
            return Ok(());
        };
        self.contact_event(turn, &address);
        self.relaying.link_up(turn, link);
        let path = self.links.path_to(device);
        self.transfers(turn, TransferInput::LinkUp { link, address, device, path })
    }

    /// What is known of the path to a device has changed.
    pub(super) fn path_changed<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        device: DeviceId,
        report: Arc<PathReport>,
    ) -> Result<(), S::Error> {
        let relay = self.relay();
        let Some((link, view)) = self.links.path_changed(device, report, (turn.now.unix_ms, &relay)) else {
            return Ok(());
        };
        let address = view.address.clone();
        turn.event(Event::Path(view));
        self.contact_event(turn, &address);
        let path = self.links.path_to(device);
        self.transfers(turn, TransferInput::PathChanged { link, path })
    }

    pub(super) fn link_down<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        link: LinkId,
        reason: String,
    ) -> Result<(), S::Error> {
        self.outbox.link_down(link);
        self.relaying.link_down(turn, link);
        let gone = self.links.went_down(turn, link, reason);
        if let Some((address, _)) = gone {
            self.contact_event(turn, &address);
        }
        self.transfers(turn, TransferInput::LinkDown { link })
    }

    pub(super) fn link_frame<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        link: LinkId,
        frame: LinkFrame,
    ) -> Result<(), S::Error> {
        let Some((address, device)) =
            self.links.peer(link).map(|(address, device)| (address.clone(), device))
        else {
            return Ok(());
        };
        self.links.used(link, turn.now.monotonic);
        match frame {
            // Belongs to the handshake.
            LinkFrame::Ready => Ok(()),
            LinkFrame::Letter { letter, sealed } => {
                self.letter_on_link(turn, link, (address, device), (letter, sealed))
            }
            LinkFrame::LetterAck { letter } => {
                let own = self.keys.identity.address.clone();
                self.outbox.acknowledged(turn, &own, (letter, device))
            }
            LinkFrame::Typing { active } => {
                if address != self.keys.identity.address {
                    self.chat.heard_typing(turn, address, active);
                }
                Ok(())
            }
            LinkFrame::Pace { bytes_per_s } => {
                self.transfers(turn, TransferInput::LinkPace { link, bytes_per_s })
            }
            LinkFrame::Relay(frame) => {
                self.relay_frame(turn, link, frame);
                Ok(())
            }
            LinkFrame::Swarm(frame) => self.transfers(turn, TransferInput::Swarm { link, frame }),
            LinkFrame::Transfer(frame) => self.transfers(turn, TransferInput::Frame { link, frame }),
        }
    }

    fn relay_frame<S, E: Entropy>(&mut self, turn: &mut Turn<'_, S, E>, link: LinkId, frame: RelayFrame) {
        match frame {
            RelayFrame::Offer => self.links.helper_offers(link),
            RelayFrame::Ask { attempt, device } => {
                self.relaying.asked(turn, &self.links, (link, attempt, device));
            }
            RelayFrame::Grant { attempt, channel, allocation, key } => {
                self.links.helper_grants(turn, link, Grant { attempt, channel, allocation, key });
            }
        }
    }

    fn letter_on_link<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        link: LinkId,
        (from, device): (Address, DeviceId),
        (letter, sealed): (LetterId, Sealed),
    ) -> Result<(), S::Error> {
        let incoming = Incoming { from, device, letter, sealed, by_mailbox: false };
        let arrived = self.desk().receive(turn, &incoming)?;
        turn.effect(Effect::SendFrame { link, frame: Box::new(LinkFrame::LetterAck { letter }) });
        arrived.map_or(Ok(()), |arrived| self.arrived(turn, arrived))
    }
}
