//! What people do to their contacts, on disk and told to both sides.

use hobnob_wire::contact::{ContactChange, ContactRequest, ContactText, Pending};
use hobnob_wire::session::Push;
use hobnob_wire::{Address, Name, Refusal};

use super::contact::{Relation, Standing};
use super::presence;
use super::session::Proof;
use super::store::{AccountId, Contact};
use super::turn::{Fault, Turn};

/// A contact request of any kind.
pub(super) fn handle(turn: &mut Turn<'_>, me: &Proof, request: &ContactRequest) -> Result<(), Fault> {
    let (address, words) = match request {
        ContactRequest::Ask { address, text } | ContactRequest::Remove { address, text } => {
            (address, text.clone())
        }
        ContactRequest::Accept { address, .. } | ContactRequest::Reject { address } => {
            (address, ContactText::default())
        }
    };
    let peer = turn.local_name(address)?;
    if peer == me.name {
        return Err(Refusal::NotAllowed.into());
    }
    let other = turn.store.account(&peer)?;
    let before = Pair {
        mine: turn.store.contact(me.account, &peer)?.unwrap_or_default(),
        theirs: match other {
            Some(other) => turn.store.contact(other, &me.name)?.unwrap_or_default(),
            None => Contact::default(),
        },
    };
    let after = match request {
        ContactRequest::Ask { .. } => {
            turn.house.quota.ask(me.account, turn.now.elapsed)?;
            expect_room(turn, me, before.mine.standing)?;
            before.relation().ask()?
        }
        ContactRequest::Accept { mutual, .. } => before.relation().accept(*mutual)?,
        ContactRequest::Reject { .. } => before.relation().reject()?,
        ContactRequest::Remove { .. } => before.relation().remove()?,
    };
    let peer = Peer { name: peer, account: other };
    write(turn, me, &peer, &before, (after, words))
}

/// The other side; it may be nobody.
struct Peer {
    name: Name,
    account: Option<AccountId>,
}

/// Both sides as they are on disk.
struct Pair {
    mine: Contact,
    theirs: Contact,
}

impl Pair {
    fn relation(&self) -> Relation {
        Relation { mine: self.mine.standing, theirs: self.theirs.standing }
    }
}

fn expect_room(turn: &mut Turn<'_>, me: &Proof, mine: Standing) -> Result<(), Fault> {
    let adds = mine == Standing::NONE;
    if adds && turn.store.roster_size(me.account)?.contacts >= turn.house.limits.contacts_max {
        return Err(Refusal::QuotaRequired.into());
    }
    Ok(())
}

fn write(
    turn: &mut Turn<'_>,
    me: &Proof,
    peer: &Peer,
    before: &Pair,
    (after, words): (Relation, ContactText),
) -> Result<(), Fault> {
    if after.mine != before.mine.standing {
        let asks_nobody = peer.account.is_none() && after.mine.pending == Pending::Out;
        let said = if asks_nobody { words.clone() } else { ContactText::default() };
        let heard = if after.mine.is_contact() { before.mine.heard.clone() } else { ContactText::default() };
        let contact = Contact { standing: after.mine, heard, said };
        put(turn, me.account, &turn.address(&peer.name), &contact)?;
    }
    let Some(other) = peer.account else {
        return Ok(());
    };
    if after.theirs != before.theirs.standing && takes(turn, other, before.theirs.standing)? {
        let contact = Contact { standing: after.theirs, heard: words, said: ContactText::default() };
        put(turn, other, &me.address, &contact)?;
    }
    if after.mine.sees() && !before.mine.standing.sees() {
        let to = turn.house.online.listening(me.account).collect();
        presence::show(turn, to, other, &peer.name)?;
    }
    if after.theirs.sees() && !before.theirs.standing.sees() {
        let to = turn.house.online.listening(other).collect();
        presence::show(turn, to, me.account, &me.name)?;
    }
    Ok(())
}

/// Whether there is room in the other's roster. When there is not, the request waits with its asker only, who
/// cannot tell.
fn takes(turn: &mut Turn<'_>, other: AccountId, theirs: Standing) -> Result<bool, Fault> {
    if theirs != Standing::NONE {
        return Ok(true);
    }
    let size = turn.store.roster_size(other)?;
    let limits = &turn.house.limits;
    Ok(size.contacts < limits.contacts_max && size.requests_in < limits.requests_max)
}

/// Writes one side and tells its devices.
fn put(turn: &mut Turn<'_>, owner: AccountId, peer: &Address, contact: &Contact) -> Result<(), Fault> {
    let version = turn.store.put_contact(owner, &peer.name(), contact)?;
    let to = turn.house.online.listening(owner).collect();
    turn.push(to, Push::Contact(change(version, peer.clone(), contact)));
    Ok(())
}

fn change(version: u64, address: Address, contact: &Contact) -> ContactChange {
    let Standing { subscription, pending } = contact.standing;
    ContactChange { version, address, subscription, pending, text: contact.heard.clone() }
}

/// Pushes all that changed in the roster after `version`.
pub(super) fn catch_up(turn: &mut Turn<'_>, me: &Proof, version: u64) -> Result<(), Fault> {
    let now = turn.store.roster_version(me.account)?;
    // A version that we never gave out means that the peer has another store's roster.
    let version = if version > now { 0 } else { version };
    for changed in turn.store.contacts_since(me.account, version)? {
        let address = turn.address(&changed.peer);
        let push = Push::Contact(change(changed.version, address, &changed.contact));
        turn.push(vec![me.session], push);
    }
    for (peer, head) in turn.store.devices_changed_since(me.account, version)? {
        let address = turn.address(&peer);
        turn.push(vec![me.session], Push::DevicesChanged { address, head });
    }
    turn.push(vec![me.session], Push::RosterComplete { version: now });
    Ok(())
}
