//! Links: which connection leads to which device, which of two is kept, and when one is closed.
//!
//! | module | job |
//! | --- | --- |
//! | `attempt` | how a link comes to be: signals, who dials when, backing off |
//! | `greeting` | who is let in |

pub(crate) mod attempt;
mod greeting;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hobnob_wire::close::LinkClose;
use hobnob_wire::limits::CANDIDATES_MAX;
use hobnob_wire::link::LinkHello;
use hobnob_wire::{Address, DeviceId};

use self::attempt::Attempts;
pub(crate) use self::greeting::Greeting;
use super::effect::Effect;
use super::event::Event;
use super::input::{LinkId, PathKind};
use super::keys::Keyring;
use super::store::Store;
use super::turn::Turn;
use super::view::LinkView;

/// A link on which nothing was said for so long is closed.
const IDLE_WAIT: Duration = Duration::from_secs(120);

/// A handshake that takes longer is given up.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// Two links that came up within this time were dialed at once; later ones follow a loss that one side
/// has not noticed.
const SIMULTANEOUS: Duration = Duration::from_secs(10);

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
    Up { path: PathKind, handshake: Duration, since: Duration, used: Duration },
}

/// All links.
#[derive(Debug, Default)]
pub(crate) struct Links {
    links: BTreeMap<LinkId, Link>,
    attempts: Attempts,
    candidates: Vec<SocketAddr>,
}

/// Which of two links between the same devices is kept, as both sides compute it: the one that the device
/// with the smaller identifier dialed. `None` when the same device dialed both.
pub(crate) fn survivor(first_dialer: DeviceId, second_dialer: DeviceId) -> Option<Kept> {
    match first_dialer.cmp(&second_dialer) {
        std::cmp::Ordering::Less => Some(Kept::First),
        std::cmp::Ordering::Greater => Some(Kept::Second),
        std::cmp::Ordering::Equal => None,
    }
}

/// See [`survivor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The first of the two.
    First,
    /// The second of the two.
    Second,
}

impl Links {
    /// Own addresses, best first.
    pub(crate) fn set_candidates(&mut self, candidates: Vec<SocketAddr>) {
        self.candidates = candidates;
        self.candidates.truncate(CANDIDATES_MAX);
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

    /// The path to an account as users see it: that of any link to it.
    pub(crate) fn path(&self, address: &Address) -> &'static str {
        let path = |link: &Link| match link.state {
            State::Up { path, .. } if link.address == *address => Some(path.as_str()),
            State::Up { .. } | State::Admitted { .. } => None,
        };
        self.links.values().find_map(path).unwrap_or("none")
    }

    /// All links that are up, as users see them.
    pub(crate) fn views(&self) -> Vec<LinkView> {
        self.links.values().filter_map(view).collect()
    }

    /// Something was said on a link.
    pub(crate) fn used(&mut self, id: LinkId, now: Duration) {
        if let Some(Link { state: State::Up { used, .. }, .. }) = self.links.get_mut(&id) {
            *used = now;
        }
    }

    /// A handshake is over. `None` when the link is not to be used, because another to the same device is
    /// kept; else the links that it replaces.
    pub(crate) fn came_up<S, E>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        id: LinkId,
        path: PathKind,
        handshake: Duration,
    ) -> Option<Vec<LinkId>> {
        let now = turn.now.monotonic;
        let Some(link) = self.links.get_mut(&id) else {
            turn.effect(Effect::CloseLink { link: id, code: LinkClose::HandshakeFailed });
            return None;
        };
        link.state = State::Up { path, handshake, since: now, used: now };
        let (device, dialer) = (link.device, link.dialer);
        self.attempts.succeeded(device);
        let mut replaced = Vec::new();
        let others: Vec<_> = self.others(id, device, now).collect();
        for (other, simultaneous, other_dialer) in others {
            let kept = if simultaneous { survivor(other_dialer, dialer) } else { None };
            if kept == Some(Kept::First) {
                self.links.remove(&id);
                turn.effect(Effect::CloseLink { link: id, code: LinkClose::Duplicate });
                return None;
            }
            self.links.remove(&other);
            turn.effect(Effect::CloseLink { link: other, code: LinkClose::Duplicate });
            replaced.push(other);
        }
        if let Some(view) = self.links.get(&id).and_then(view) {
            turn.event(Event::LinkUp(view));
        }
        Some(replaced)
    }

    /// Other links to a device that are up: whether they came at the same time, and who dialed them.
    fn others(
        &self,
        id: LinkId,
        device: DeviceId,
        now: Duration,
    ) -> impl Iterator<Item = (LinkId, bool, DeviceId)> {
        self.links.iter().filter_map(move |(other, link)| match link.state {
            State::Up { since, .. } if link.device == device && *other != id => {
                Some((*other, now.saturating_sub(since) <= SIMULTANEOUS, link.dialer))
            }
            State::Up { .. } | State::Admitted { .. } => None,
        })
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

    /// Closes links on which nothing was said for a while, unless `busy`.
    pub(crate) fn close_idle<S, E>(&mut self, turn: &mut Turn<'_, S, E>, busy: impl Fn(LinkId) -> bool) {
        let now = turn.now.monotonic;
        for (id, link) in &mut self.links {
            let State::Up { used, .. } = &mut link.state else {
                continue;
            };
            if now < *used + IDLE_WAIT {
                continue;
            }
            if !busy(*id) {
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
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let due = self.links.values().map(|link| match link.state {
            State::Up { used, .. } => used + IDLE_WAIT,
            State::Admitted { until } => until,
        });
        due.chain(self.attempts.deadline()).min()
    }
}

fn view(link: &Link) -> Option<LinkView> {
    let State::Up { path, handshake, .. } = link.state else {
        return None;
    };
    Some(LinkView {
        address: link.address.clone(),
        device: link.device,
        path: path.as_str().to_owned(),
        handshake_us: u64::try_from(handshake.as_micros()).unwrap_or(u64::MAX),
    })
}

/// What to say of ourselves in a handshake; `None` when our own list cannot be trusted.
fn hello<S: Store>(store: &mut S, keys: &mut Keyring) -> Result<Option<Box<LinkHello>>, S::Error> {
    let (address, device) = (keys.identity.address.clone(), keys.identity.device);
    let list = keys.trust.travelling(store, &address)?;
    Ok(list.map(|list| Box::new(LinkHello { address, device, list })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_links_both_sides_keep_the_one_that_the_smaller_device_dialed() {
        let (small, large) = (DeviceId::new([1; 16]), DeviceId::new([2; 16]));
        assert_eq!(survivor(small, large), Some(Kept::First));
        assert_eq!(survivor(large, small), Some(Kept::Second));
        assert_eq!(survivor(small, small), None);
    }
}
