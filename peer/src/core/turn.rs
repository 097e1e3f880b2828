//! One turn of the engine: the store, the time, randomness, and what is to be done afterwards.

use std::collections::BTreeMap;

use hobnob_wire::device::SignedEntry;
use hobnob_wire::session::Request;
use hobnob_wire::{Address, AttemptId, DeviceId, LetterId, RequestId};

use super::command::{CommandError, CommandId, Reply};
use super::effect::Effect;
use super::event::Event;
use super::time::Now;

/// Why something was asked of the rendezvous, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A user changes a contact or the presence.
    ForCommand(CommandId),
    /// The presence is shown again after the session came up.
    Presence,
    /// A user looks at the own devices.
    Sightings(CommandId),
    /// A user changes the own device list.
    Append(CommandId, Box<SignedEntry>),
    /// The devices of an account.
    Devices(Address),
    /// A prekey of a device.
    Prekey(Address, DeviceId),
    /// Copies of a letter go to the mailboxes of devices.
    Deposit(LetterId, Address, Vec<DeviceId>),
    /// Own prekeys are published.
    Publish,
    /// An offer or an answer is passed on.
    Signal(AttemptId),
    /// A device is told that we can be reached elsewhere now.
    Update(DeviceId),
}

/// What was asked of the rendezvous and is not answered.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    next: u32,
    open: BTreeMap<RequestId, Asked>,
}

impl Requests {
    /// Takes what an answer belongs to.
    pub(crate) fn answered(&mut self, id: RequestId) -> Option<Asked> {
        self.open.remove(&id)
    }

    /// Whether exactly this has been asked and not answered.
    pub(crate) fn is_open(&self, asked: &Asked) -> bool {
        self.open.values().any(|open| open == asked)
    }

    fn open(&mut self, asked: Asked) -> RequestId {
        let id = RequestId(self.next);
        self.next = self.next.wrapping_add(1);
        self.open.insert(id, asked);
        id
    }
}

/// What children of the engine work with while one input is handled.
#[derive(Debug)]
pub(crate) struct Turn<'a, S, E> {
    pub(crate) store: &'a mut S,
    pub(crate) entropy: &'a mut E,
    pub(crate) now: Now,
    pub(crate) requests: &'a mut Requests,
    pub(crate) effects: Vec<Effect>,
}

impl<S, E> Turn<'_, S, E> {
    /// Adds an effect.
    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Tells users and programs.
    pub(crate) fn event(&mut self, event: Event) {
        self.effects.push(Effect::Event(Box::new(event)));
    }

    /// Answers a command.
    pub(crate) fn reply(&mut self, id: CommandId, result: Result<Reply, CommandError>) {
        self.effects.push(Effect::Reply { id, result });
    }

    /// Asks the rendezvous, unless the same is asked already.
    pub(crate) fn ask(&mut self, asked: Asked, request: Request) {
        if !self.requests.is_open(&asked) {
            let id = self.requests.open(asked);
            self.effects.push(Effect::Request { id, request: Box::new(request) });
        }
    }
}
