//! What others see of an account.
//!
//! An account shows one presence, whatever the number of its devices: what was last wished from any of them. It is kept
//! over reconnects. Without a session, or while the account hides, it is offline and says nothing.

use hobnob_wire::Name;
use hobnob_wire::presence::{Availability, Presence, PresenceChange, PresenceSet};
use hobnob_wire::session::Push;

use super::session::{Proof, SessionId};
use super::store::{AccountId, Circle};
use super::turn::{Fault, Turn};

/// What others see, given what the account wishes to show.
pub(super) fn shown(wish: &PresenceSet, is_online: bool) -> Presence {
    let hides = wish.hidden || wish.presence.availability == Availability::Offline;
    if is_online && !hides { wish.presence.clone() } else { Presence::default() }
}

/// What others see of an account now.
pub(super) fn of(turn: &mut Turn<'_>, account: AccountId) -> Result<Presence, Fault> {
    if !turn.house.online.is_online(account) {
        return Ok(Presence::default());
    }
    Ok(shown(&turn.store.presence(account)?, true))
}

/// An account wishes to show something else.
pub(super) fn set(turn: &mut Turn<'_>, me: &Proof, wish: &PresenceSet) -> Result<(), Fault> {
    let before = turn.store.presence(me.account)?;
    if before == *wish {
        return Ok(());
    }
    turn.house.quota.presence(me.account, turn.now.elapsed)?;
    turn.store.set_presence(me.account, wish)?;
    let now = shown(wish, true);
    if now != shown(&before, true) {
        tell(turn, me.account, &me.name, now)?;
    }
    Ok(())
}

/// The account has its first session.
pub(super) fn tell_coming(turn: &mut Turn<'_>, account: AccountId, name: &Name) -> Result<(), Fault> {
    let now = shown(&turn.store.presence(account)?, true);
    if now.availability == Availability::Offline {
        return Ok(());
    }
    tell(turn, account, name, now)
}

/// The account has no session any more.
pub(super) fn tell_going(turn: &mut Turn<'_>, account: AccountId, name: &Name) -> Result<(), Fault> {
    let before = shown(&turn.store.presence(account)?, true);
    if before.availability == Availability::Offline {
        return Ok(());
    }
    tell(turn, account, name, Presence::default())
}

fn tell(turn: &mut Turn<'_>, account: AccountId, name: &Name, presence: Presence) -> Result<(), Fault> {
    let watchers = turn.store.circle(account, Circle::Watchers)?;
    let online = &turn.house.online;
    let to = watchers.iter().flat_map(|(watcher, _)| online.listening(*watcher)).collect();
    let address = turn.address(name);
    turn.push(to, Push::Presence(PresenceChange { address, presence }));
    Ok(())
}

/// Shows one account to some sessions, unless there is nothing to see.
pub(super) fn show(
    turn: &mut Turn<'_>,
    to: Vec<SessionId>,
    account: AccountId,
    name: &Name,
) -> Result<(), Fault> {
    let presence = of(turn, account)?;
    if presence.availability != Availability::Offline {
        let address = turn.address(name);
        turn.push(to, Push::Presence(PresenceChange { address, presence }));
    }
    Ok(())
}

/// Shows everybody whom `me` may see to its session.
pub(super) fn show_all(turn: &mut Turn<'_>, me: &Proof) -> Result<(), Fault> {
    for (account, name) in turn.store.circle(me.account, Circle::Watched)? {
        if turn.house.online.is_online(account) {
            show(turn, vec![me.session], account, &name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(availability: Availability, hidden: bool) -> PresenceSet {
        let text = hobnob_wire::Text::new("in a meeting").unwrap();
        PresenceSet { presence: Presence { availability, text }, hidden }
    }

    #[test]
    fn who_hides_or_has_no_session_is_offline_and_says_nothing() {
        let busy = wish(Availability::Busy, false);
        assert_eq!(shown(&busy, true), busy.presence);
        assert_eq!(shown(&busy, false), Presence::default());
        assert_eq!(shown(&wish(Availability::Busy, true), true), Presence::default());
        assert_eq!(shown(&wish(Availability::Offline, false), true), Presence::default());
    }
}
