//! From words to letters and copies.

use hobnob_wire::bounded::Text;
use hobnob_wire::device::VerifiedList;
use hobnob_wire::letter::{LetterBody, Reached, TextBody};
use hobnob_wire::limits::LETTER_TEXT_BYTES_MAX;
use hobnob_wire::{Address, DeviceId, LetterId};
use unicode_normalization::UnicodeNormalization;

use super::store::StoredLetter;
use crate::core::command::{CommandError, ErrorKind};
use crate::core::keys::Keyring;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::turn::Turn;
use crate::core::view::LetterState;

/// A letter to be written.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// To whom.
    pub(crate) to: Address,
    /// To which of its devices; to all when absent.
    pub(crate) device: Option<DeviceId>,
    /// What it says.
    pub(crate) body: LetterBody,
}

/// Number of the kind of text letters; see [`LetterBody`].
pub(crate) const TEXT: u16 = 1;

/// Number of the kind of receipts.
pub(crate) const RECEIPT: u16 = 2;

/// Words as they are sent: in normalization form C. Direction marks stay; whoever shows the words
/// isolates them.
pub(crate) fn words(text: &str) -> Result<LetterBody, CommandError> {
    let text: String = text.nfc().collect();
    if text.is_empty() {
        return Err(CommandError::new(ErrorKind::Usage, "There is nothing to send. Write some text."));
    }
    let text = Text::new(text).map_err(|error| {
        let text = format!(
            "The text has {} bytes; a letter holds at most {LETTER_TEXT_BYTES_MAX}. Send it as a file, or in parts.",
            error.len
        );
        CommandError::new(ErrorKind::Usage, text)
    })?;
    Ok(LetterBody::Text(TextBody { text }))
}

/// Whether the author's other devices get a copy too: what the user wrote and read, they must know.
const fn has_carbons(body: &LetterBody) -> bool {
    match body {
        LetterBody::Text(_) => true,
        LetterBody::Receipt(receipt) => matches!(receipt.reached, Reached::Read),
        LetterBody::Offer(_) | LetterBody::OfferEnd(_) | LetterBody::Unknown { .. } => false,
    }
}

/// Keeps a letter and its copies, to be sealed and sent. `None` when the body cannot be encoded, which is
/// the caller's fault.
pub(crate) fn write<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    keys: &mut Keyring,
    draft: &Draft,
) -> Result<Option<StoredLetter>, S::Error> {
    let Ok((kind, body)) = draft.body.encode() else {
        return Ok(None);
    };
    let letter = StoredLetter {
        id: LetterId::new(turn.entropy.array()),
        author: keys.identity.address.clone(),
        to: draft.to.clone(),
        chat: draft.to.clone(),
        at_unix_ms: turn.now.unix_ms,
        kind,
        body,
        state: LetterState::Queued,
        error: None,
    };
    turn.store.add_letter(&letter)?;
    match draft.device {
        Some(device) => turn.store.add_copies(letter.id, &draft.to, &[device])?,
        None => address(turn.store, keys, letter.id, &draft.to)?,
    }
    if has_carbons(&draft.body) {
        let own = keys.identity.address.clone();
        let others = devices(turn.store, keys, &own)?.unwrap_or_default();
        turn.store.add_copies(letter.id, &own, &others)?;
    }
    Ok(Some(letter))
}

/// Adds a letter's copies for all devices of its recipient, or notes that it waits for their list.
pub(crate) fn address<S: Store>(
    store: &mut S,
    keys: &mut Keyring,
    letter: LetterId,
    to: &Address,
) -> Result<(), S::Error> {
    match devices(store, keys, to)? {
        Some(devices) if !devices.is_empty() => store.add_copies(letter, to, &devices),
        _ => store.add_unaddressed(letter, to),
    }
}

/// The account's devices but this one, when they may be trusted.
pub(crate) fn devices<S: Store>(
    store: &mut S,
    keys: &mut Keyring,
    address: &Address,
) -> Result<Option<Vec<DeviceId>>, S::Error> {
    let own = keys.identity.device;
    let list = keys.trust.list(store, address)?;
    let others = |list: &VerifiedList| {
        list.devices().iter().map(|(device, _)| *device).filter(|device| *device != own).collect()
    };
    Ok(list.map(others))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_composed_and_keep_their_direction_marks() {
        let LetterBody::Text(body) = words("e\u{301}\u{202e}א").unwrap() else { panic!() };
        assert_eq!(body.text.as_str(), "é\u{202e}א");
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        assert_eq!(words("").unwrap_err().kind, ErrorKind::Usage);
        assert!(words(&"x".repeat(LETTER_TEXT_BYTES_MAX)).is_ok());
        assert_eq!(words(&"x".repeat(LETTER_TEXT_BYTES_MAX + 1)).unwrap_err().kind, ErrorKind::Usage);
    }
}
