//! Letters that wait, one mailbox per device.
//!
//! A mailbox is pushed in order, as much as its device can have on the way at a time; each acknowledgement deletes
//! what came before it and makes room for more.

use std::collections::BTreeSet;

use hobnob_wire::mailbox::{Delivery, LetterCopy, MailboxRequest};
use hobnob_wire::session::{Answer, Push};
use hobnob_wire::{Address, DeviceId, LetterId, Refusal};

use super::online::Tray;
use super::prekey;
use super::session::Proof;
use super::store::{AccountId, NewLetter, Page};
use super::turn::{Fault, Turn};

/// A mailbox request of any kind.
pub(super) fn handle(turn: &mut Turn<'_>, me: &Proof, request: MailboxRequest) -> Result<Answer, Fault> {
    match request {
        MailboxRequest::Deposit { to, letter, copies } => {
            let account = turn.correspondent(me, &to)?;
            let fresh = expect_acceptable(turn, me, account, letter, &copies)?;
            for copy in fresh {
                deposit(turn, me, account, letter, copy)?;
            }
            Ok(Answer::Done)
        }
        MailboxRequest::PublishPrekeys { fallback, one_time } => {
            prekey::publish(turn, me, &fallback, &one_time)?;
            Ok(Answer::Done)
        }
        MailboxRequest::ClaimPrekey { address, device } => {
            prekey::claim(turn, me, &address, device).map(Answer::Prekey)
        }
    }
}

/// Checks a deposit as a whole, so that a refused one has changed nothing, and gives back the copies that do not wait
/// already.
fn expect_acceptable<'c>(
    turn: &mut Turn<'_>,
    me: &Proof,
    account: AccountId,
    letter: LetterId,
    copies: &'c [LetterCopy],
) -> Result<Vec<&'c LetterCopy>, Fault> {
    let mut named = BTreeSet::new();
    let mut fresh = Vec::with_capacity(copies.len());
    for copy in copies {
        if !named.insert(copy.device) {
            return Err(Refusal::NotAcceptable.into());
        }
        let known = turn.store.device(copy.device)?;
        if known.is_none_or(|known| known.account != account) {
            return Err(Refusal::UnknownDevice.into());
        }
        if turn.store.holds_letter(copy.device, letter, me.device)? {
            continue;
        }
        let size = turn.store.mailbox_size(copy.device)?;
        let bytes = size.bytes + copy.sealed.as_slice().len() as u64;
        let limits = &turn.house.limits;
        if size.letters >= limits.mailbox_letters_max || bytes > limits.mailbox_bytes_max {
            return Err(Refusal::ResourceConstraint.into());
        }
        fresh.push(copy);
    }
    Ok(fresh)
}

fn deposit(
    turn: &mut Turn<'_>,
    me: &Proof,
    account: AccountId,
    letter: LetterId,
    copy: &LetterCopy,
) -> Result<(), Fault> {
    let sealed = copy.sealed.as_slice();
    let new = NewLetter {
        from: &me.address,
        from_device: me.device,
        letter,
        sealed,
        deposited_at_unix_s: turn.now.unix_s,
    };
    let seq = turn.store.append_letter(copy.device, &new)?;
    turn.house.tally.letters += 1;
    turn.house.tally.letter_bytes += sealed.len() as u64;
    let Some(seat) = turn.house.online.seat(account, copy.device) else {
        return Ok(());
    };
    let session = seat.session;
    let Some(tray) = seat.tray.as_mut() else {
        return Ok(());
    };
    if !tray.takes() {
        tray.behind = true;
        return Ok(());
    }
    tray.note_sent(seq, sealed.len());
    let sealed = copy.sealed.clone();
    let delivery = Delivery { seq, from: me.address.clone(), device: me.device, letter, sealed };
    turn.push(vec![session], Push::Letter(delivery));
    Ok(())
}

/// The device has said where it left off: it wants its letters.
pub(super) fn open(turn: &mut Turn<'_>, me: &Proof) -> Result<(), Fault> {
    if let Some(seat) = turn.house.online.seat(me.account, me.device) {
        seat.tray = Some(Tray::with_letters());
    }
    push_page(turn, me)
}

/// Everything up to a place is on the device's disk.
pub(super) fn acknowledge(turn: &mut Turn<'_>, me: &Proof, up_to: u64) -> Result<(), Fault> {
    turn.store.delete_letters(me.device, up_to)?;
    if let Some(tray) = tray_of(turn, me.account, me.device) {
        tray.note_acknowledged(up_to);
    }
    push_page(turn, me)
}

fn tray_of<'t>(turn: &'t mut Turn<'_>, account: AccountId, device: DeviceId) -> Option<&'t mut Tray> {
    turn.house.online.seat(account, device)?.tray.as_mut()
}

/// Pushes as many waiting letters as may be on the way.
fn push_page(turn: &mut Turn<'_>, me: &Proof) -> Result<(), Fault> {
    let Some(tray) = tray_of(turn, me.account, me.device).filter(|tray| tray.behind) else {
        return Ok(());
    };
    let ((letters, bytes), after) = (tray.room(), tray.last);
    if !tray.takes() {
        return Ok(());
    }
    let page = turn.store.letters_after(me.device, after, Page { letters, bytes })?;
    let Some(tray) = tray_of(turn, me.account, me.device) else {
        return Ok(());
    };
    for delivery in &page {
        tray.note_sent(delivery.seq, delivery.sealed.as_slice().len());
    }
    tray.behind = !tray.takes();
    for delivery in page {
        turn.push(vec![me.session], Push::Letter(delivery));
    }
    Ok(())
}

/// The device whose mailbox an address and identifier name, if `me` may write to it.
pub(super) fn addressee(
    turn: &mut Turn<'_>,
    me: &Proof,
    address: &Address,
    device: DeviceId,
) -> Result<AccountId, Fault> {
    let account = turn.correspondent(me, address)?;
    let known = turn.store.device(device)?;
    if known.is_none_or(|known| known.account != account) {
        return Err(Refusal::UnknownDevice.into());
    }
    Ok(account)
}
