//! How far each copy of a letter has come. Said to users once it is on disk, never taken back.

use hobnob_wire::codec::decode;
use hobnob_wire::letter::{Reached, Receipt, kind};
use hobnob_wire::{Address, DeviceId, LetterId, Refusal};

use super::show;
use super::store::Copy;
use crate::core::chat::{GONE, Shown, shown};
use crate::core::event::Event;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::turn::Turn;
use crate::core::view::LetterState;

/// Whether a copy may go from one state to the other. States never run backwards, and what arrived has
/// not failed.
const fn goes_on(from: LetterState, to: LetterState) -> bool {
    match (from, to) {
        (LetterState::Queued, LetterState::Failed) => true,
        (_, LetterState::Failed) => false,
        (LetterState::Failed, to) => matches!(to, LetterState::Delivered | LetterState::Read),
        (from, to) => to as u8 > from as u8,
    }
}

/// A copy has come further. Late and repeated news change nothing.
pub(super) fn advance<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    own: &Address,
    (letter, device): (LetterId, DeviceId),
    state: LetterState,
) -> Result<bool, S::Error> {
    let Some(copy) = turn.store.copy(letter, device)? else {
        return Ok(false);
    };
    if !goes_on(copy.state, state) {
        return Ok(false);
    }
    turn.store.set_copy_state(letter, device, state)?;
    let Some(stored) = turn.store.letter(own, letter)? else {
        return Ok(true);
    };
    if shown(stored.kind) != Shown::Not {
        if copy.address == stored.to {
            turn.event(Event::LetterState { id: letter, to: stored.to, device, state });
        }
        return Ok(true);
    }
    if stored.kind == GONE {
        return Ok(true);
    }
    // Nobody looks at other letters once they have arrived. Nobody answers a receipt of delivery, so it
    // has arrived when it is in the mailbox.
    let delivered = |body: &[u8]| decode(body).is_ok_and(|body: Receipt| body.reached == Reached::Delivered);
    let enough = if stored.kind == kind::RECEIPT && delivered(&stored.body) {
        LetterState::Accepted
    } else {
        LetterState::Delivered
    };
    let over = |copy: &Copy| copy.state == LetterState::Failed || copy.state >= enough;
    if turn.store.copies(letter)?.iter().all(over) {
        turn.store.remove_letter(own, letter)?;
    }
    Ok(true)
}

/// A copy cannot be sent.
pub(super) fn fail<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    own: &Address,
    key: (LetterId, DeviceId),
    refusal: Refusal,
) -> Result<(), S::Error> {
    fail_because(turn, own, key, &refusal.to_string())
}

/// A copy cannot be sent, for a reason in words.
pub(super) fn fail_because<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    own: &Address,
    key: (LetterId, DeviceId),
    words: &str,
) -> Result<(), S::Error> {
    turn.store.set_letter_state(own, key.0, LetterState::Failed, Some(words))?;
    advance(turn, own, key, LetterState::Failed)?;
    Ok(())
}

/// An account's devices cannot be had: letters that wait for them have failed.
pub(super) fn fail_unaddressed<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    own: &Address,
    address: &Address,
    refusal: Refusal,
) -> Result<(), S::Error> {
    for id in turn.store.take_unaddressed(address)? {
        turn.store.set_letter_state(own, id, LetterState::Failed, Some(&refusal.to_string()))?;
        let Some(letter) = turn.store.letter(own, id)? else {
            continue;
        };
        if shown(letter.kind) != Shown::Not {
            let view = show::view(turn.store, own, &letter)?;
            turn.event(Event::Letter(Box::new(view)));
        } else {
            turn.store.remove_letter(own, id)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use LetterState::{Accepted, Delivered, Failed, Queued, Read};

    #[test]
    fn states_never_run_backwards() {
        let all = [Failed, Queued, Accepted, Delivered, Read];
        let allowed: Vec<_> = all
            .iter()
            .flat_map(|from| all.iter().map(move |to| (*from, *to)))
            .filter(|(from, to)| goes_on(*from, *to))
            .collect();
        let expected = [
            (Failed, Delivered),
            (Failed, Read),
            (Queued, Failed),
            (Queued, Accepted),
            (Queued, Delivered),
            (Queued, Read),
            (Accepted, Delivered),
            (Accepted, Read),
            (Delivered, Read),
        ];
        assert_eq!(allowed, expected);
    }
}
