//! What the rendezvous says unasked.

use hobnob_wire::Address;
use hobnob_wire::close::LinkClose;
use hobnob_wire::contact::ContactChange;
use hobnob_wire::device::ListHead;
use hobnob_wire::mailbox::Delivery;
use hobnob_wire::session::Push;

use super::{Engine, RECEIPTS_WAIT};
use crate::core::contact::Changed;
use crate::core::effect::Effect;
use crate::core::event::Event;
use crate::core::letters::outbox::ask_devices;
use crate::core::letters::store::Incoming;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::transfer::TransferInput;
use crate::core::turn::Turn;

impl Engine {
    pub(super) fn pushed<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        push: Push,
    ) -> Result<(), S::Error> {
        // A session whose device list is not trusted is not listened to.
        if !self.session.is_up() {
            return Ok(());
        }
        match push {
            Push::Contact(change) => self.contact_changed(turn, change),
            Push::RosterComplete { version } => self.session.roster_complete(turn.store, version),
            Push::Presence(change) => {
                let Some(came) = self.contacts.presence_changed(&change.address, &change.presence) else {
                    return Ok(());
                };
                self.contact_event(turn, &change.address);
                if came {
                    self.links.came_online(&change.address);
                    self.transfers(turn, TransferInput::Available(change.address))?;
                }
                Ok(())
            }
            Push::DevicesChanged { address, head } => self.devices_changed(turn, &address, head),
            Push::Letter(delivery) => self.delivered(turn, delivery),
            Push::Signal(delivery) => self.links.signalled(turn, &mut self.keys, &self.contacts, &delivery),
            // For whoever finds paths; the shell passes it on.
            Push::Relay(_) => Ok(()),
            Push::Arrived(arrival) => self.device_arrived(turn, arrival),
            Push::PrekeysLow { left } => self.session.prekeys_low(turn, &mut self.keys, left),
        }
    }

    fn contact_changed<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        change: ContactChange,
    ) -> Result<(), S::Error> {
        let changed = self.contacts.changed(turn.store, &change)?;
        self.session.roster_changed(turn.store, change.version)?;
        let address = change.address;
        match changed {
            Changed::Nothing => Ok(()),
            Changed::Removed => {
                let text = change.text.as_str().to_owned();
                turn.event(Event::ContactRemoved { address: address.clone(), text });
                self.links.close_all(turn, &address, LinkClose::NotAContact);
                self.transfers(turn, TransferInput::ContactRemoved(address))
            }
            Changed::Contact => {
                self.contact_event(turn, &address);
                // Its root is pinned now, not when somebody has had time to change it.
                if self.contacts.accepted(&address) && turn.store.pin(&address)?.is_none() {
                    ask_devices(turn, &address);
                }
                Ok(())
            }
        }
    }

    fn devices_changed<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        address: &Address,
        head: ListHead,
    ) -> Result<(), S::Error> {
        let known = self.keys.trust.list(turn.store, address)?.map(|list| list.head());
        let ours = *address == self.keys.identity.address || self.contacts.accepted(address);
        if ours && known != Some(head) {
            ask_devices(turn, address);
        }
        Ok(())
    }

    fn delivered<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        delivery: Delivery,
    ) -> Result<(), S::Error> {
        let incoming = Incoming {
            from: delivery.from,
            device: delivery.device,
            letter: delivery.letter,
            sealed: delivery.sealed,
            by_mailbox: true,
        };
        let arrived = self.desk().receive(turn, &incoming)?;
        turn.effect(Effect::MailboxAck { up_to: delivery.seq });
        let due = turn.now.monotonic + RECEIPTS_WAIT;
        self.receipts_due.get_or_insert(due);
        arrived.map_or(Ok(()), |arrived| self.arrived(turn, arrived))
    }
}
