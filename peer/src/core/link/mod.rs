//! Links: which connection leads to which device, and when one is closed.
//!
//! | module | job |
//! | --- | --- |
//! | `signal` | what devices say to each other before there is a link, and while it lasts |
//! | `attempt` | how far an exchange of signals is, who dials when, backing off |
//! | `exchange` | what is kept of each device below its link: keys and path |
//! | `helpers` | which contacts relay for us |
//! | `policy` | who learns which of our addresses |
//! | `greeting` | who is let in |
//! | `shown` | what users see of paths |

mod attempt;
mod exchange;
mod greeting;
mod helpers;
mod policy;
mod shown;
mod signal;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hobnob_nat::core::agent::Policy;

use hobnob_wire::close::LinkClose;
use hobnob_wire::device::VerifiedList;
use hobnob_wire::link::LinkHello;
use hobnob_wire::{Address, DeviceId};

use self::attempt::Attempts;
use self::exchange::Exchanges;
pub(crate) use self::greeting::Greeting;
pub(crate) use self::helpers::Grant;
use self::helpers::Helpers;
pub(crate) use self::policy::{OwnSide, policy_name, policy_named};
pub(crate) use self::signal::Lost;
use super::contact::Contacts;
use super::effect::Effect;
use super::event::Event;
use super::input::LinkId;
use super::keys::Keyring;
use super::store::Store;
use super::turn::Turn;

/// A link on which nothing was said for so long is closed.
const IDLE_WAIT: Duration = Duration::from_secs(120);

/// A handshake that takes longer is given up.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// A link, or a link to be whose greeting was trusted.
#[derive(Clone, Debug)]
struct Link {
    address: Address,
    device: DeviceId,
    /// The device that dialed.
    dialer: DeviceId,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The handshake goes on, no longer than until then.
    Admitted { until: Duration },
    /// Frames may be sent.
    Up { handshake: Duration, used: Duration },
}

/// All links.
#[derive(Debug)]
pub(crate) struct Links {
    links: BTreeMap<LinkId, Link>,
    attempts: Attempts,
    exchanges: Exchanges,
    helpers: Helpers,
    own: OwnSide,
    /// Devices whose signals go by the overlay; none while the session is up.
    overlay: BTreeSet<DeviceId>,
    /// Who may learn our addresses, unless something else is set for a contact.
    general: Policy,
}

impl Links {
    pub(crate) fn new(general: Policy) -> Self {
        Self {
            links: BTreeMap::new(),
            attempts: Attempts::default(),
            exchanges: Exchanges::default(),
            helpers: Helpers::default(),
            own: OwnSide::default(),
            overlay: BTreeSet::new(),
            general,
        }
    }

    /// Who is reached by the overlay now.
    pub(crate) fn set_overlay(&mut self, here: BTreeSet<DeviceId>) {
        self.overlay = here;
    }

    /// Whether a link to the device can be agreed on without the session.
    pub(crate) fn nearby(&self, device: DeviceId) -> bool {
        self.overlay.contains(&device)
    }

    /// The session is up, and another than before.
    pub(crate) fn session_up(&mut self) {
        self.exchanges.session_up();
    }

    /// The user lets others learn more or less of our addresses than before.
    pub(crate) fn set_policy<S, E>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        contacts: &Contacts,
        general: Policy,
    ) {
        self.general = general;
        self.follow_policies(turn, contacts);
    }

    /// Closes links under another policy than the one that holds now; those that follow obey it.
    pub(crate) fn follow_policies<S, E>(&mut self, turn: &mut Turn<'_, S, E>, contacts: &Contacts) {
        for (id, link) in &self.links {
            let policy = self.policy(contacts, &link.address);
            if self.exchanges.of(link.device).is_some_and(|known| known.policy != policy) {
                turn.effect(Effect::CloseLink { link: *id, code: LinkClose::Done });
            }
        }
    }

    /// The link to a device, if it is up.
    pub(crate) fn up(&self, device: DeviceId) -> Option<LinkId> {
        let up = |link: &Link| link.device == device && matches!(link.state, State::Up { .. });
        self.links.iter().find(|(_, link)| up(link)).map(|(id, _)| *id)
    }

    /// Links that are up to devices of an account.
    pub(crate) fn up_to(&self, address: &Address) -> Vec<LinkId> {
        let up = |link: &Link| link.address == *address && matches!(link.state, State::Up { .. });
        self.links.iter().filter(|(_, link)| up(link)).map(|(id, _)| *id).collect()
    }

    /// Whom a link that is up leads to.
    pub(crate) fn peer(&self, id: LinkId) -> Option<(&Address, DeviceId)> {
        let link = self.links.get(&id).filter(|link| matches!(link.state, State::Up { .. }))?;
        Some((&link.address, link.device))
    }

    /// Something was said on a link.
    pub(crate) fn used(&mut self, id: LinkId, now: Duration) {
        if let Some(Link { state: State::Up { used, .. }, .. }) = self.links.get_mut(&id) {
            *used = now;
        }
    }

    /// A handshake is over. `None` when nothing is known of the link; else the links to the same device that it replaces:
    /// their loss has not been noticed here yet.
    pub(crate) fn came_up<S, E>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        id: LinkId,
        handshake: Duration,
    ) -> Option<Vec<LinkId>> {
        let Some(link) = self.links.get_mut(&id) else {
            turn.effect(Effect::CloseLink { link: id, code: LinkClose::HandshakeFailed });
            return None;
        };
        link.state = State::Up { handshake, used: turn.now.monotonic };
        let device = link.device;
        self.attempts.succeeded(device);
        let earlier = |(other, link): (&LinkId, &Link)| {
            let replaced = link.device == device && *other != id && matches!(link.state, State::Up { .. });
            replaced.then_some(*other)
        };
        let replaced: Vec<LinkId> = self.links.iter().filter_map(earlier).collect();
        for other in &replaced {
            self.links.remove(other);
            turn.effect(Effect::CloseLink { link: *other, code: LinkClose::Duplicate });
            self.helper_gone(turn, device);
        }
        if let Some(view) = self.links.get(&id).and_then(|link| self.view(link)) {
            turn.event(Event::LinkUp(view));
        }
        Some(replaced)
    }

    /// A link, or a link to be, is gone. Whom it led to, if it was up.
    pub(crate) fn went_down<S, E>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        id: LinkId,
        reason: String,
    ) -> Option<(Address, DeviceId)> {
        let link = self.links.remove(&id)?;
        if matches!(link.state, State::Admitted { .. }) {
            return None;
        }
        self.helper_gone(turn, link.device);
        turn.event(Event::LinkDown { address: link.address.clone(), device: link.device, reason });
        Some((link.address, link.device))
    }

    /// Closes all links to an account.
    pub(crate) fn close_all<S, E>(&mut self, turn: &mut Turn<'_, S, E>, address: &Address, code: LinkClose) {
        for (id, _) in self.links.iter().filter(|(_, link)| link.address == *address) {
            turn.effect(Effect::CloseLink { link: *id, code });
        }
        self.attempts.forget(address);
    }

    /// Closes links to devices of an account that its list has no more.
    pub(crate) fn close_revoked<S, E>(
        &self,
        turn: &mut Turn<'_, S, E>,
        address: &Address,
        list: &VerifiedList,
    ) {
        let revoked = |link: &Link| link.address == *address && list.device(link.device).is_none();
        for (id, _) in self.links.iter().filter(|(_, link)| revoked(link)) {
            turn.effect(Effect::CloseLink { link: *id, code: LinkClose::Revoked });
        }
    }

    /// Closes links on which nothing was said for a while, unless `busy` or the other side relays for us.
    pub(crate) fn close_idle<S, E>(&mut self, turn: &mut Turn<'_, S, E>, busy: impl Fn(LinkId) -> bool) {
        let now = turn.now.monotonic;
        let helpers = self.exchanges.helpers();
        for (id, link) in &mut self.links {
            let State::Up { used, .. } = &mut link.state else {
                continue;
            };
            if now < *used + IDLE_WAIT {
                continue;
            }
            if !busy(*id) && !helpers.contains(&link.device) {
                turn.effect(Effect::CloseLink { link: *id, code: LinkClose::Idle });
            }
            // Asked again only after another while.
            *used = now;
        }
    }

    /// Closes links to be whose handshake does not come to an end.
    fn give_up_handshakes<S, E>(&mut self, turn: &mut Turn<'_, S, E>) {
        let now = turn.now.monotonic;
        self.links.retain(|id, link| match link.state {
            State::Admitted { until } if until <= now => {
                turn.effect(Effect::CloseLink { link: *id, code: LinkClose::HandshakeTimeout });
                false
            }
            State::Admitted { .. } | State::Up { .. } => true,
        });
    }

    /// Closes links to be that a device began before it began another, so that one device does not hold the places of
    /// many.
    fn give_up_earlier<S, E>(&mut self, turn: &mut Turn<'_, S, E>, device: DeviceId) {
        self.links.retain(|id, link| {
            let earlier = link.dialer == device && matches!(link.state, State::Admitted { .. });
            if earlier {
                turn.effect(Effect::CloseLink { link: *id, code: LinkClose::Duplicate });
            }
            !earlier
        });
    }

    /// How many links there are, those to be included.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.links.len()
    }

    /// When [`Self::close_idle`] or [`Self::tick`] is due.
    pub(crate) fn deadline(&self, session_up: bool) -> Option<Duration> {
        let due = self.links.values().map(|link| match link.state {
            State::Up { used, .. } => used + IDLE_WAIT,
            State::Admitted { until } => until,
        });
        due.chain(self.attempts.deadline())
            .chain(self.exchanges.deadline(&self.own, |device| session_up || self.nearby(device)))
            .min()
    }
}

/// What to say of ourselves in a handshake; `None` when our own list cannot be trusted.
fn hello<S: Store>(store: &mut S, keys: &mut Keyring) -> Result<Option<Box<LinkHello>>, S::Error> {
    let (address, device) = (keys.identity.address.clone(), keys.identity.device);
    let list = keys.trust.travelling(store, &address)?;
    Ok(list.map(|list| Box::new(LinkHello { address, device, list })))
}
