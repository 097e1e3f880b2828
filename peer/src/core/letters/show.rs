//! Letters as users see them.

use hobnob_wire::Address;

use super::store::{Copy, StoredLetter};
use crate::core::chat::content;
use crate::core::store::Store;
use crate::core::view::{DeviceStateView, LetterView};

/// A letter with everything that came of it, and the state of its copies on the recipient's devices.
pub(crate) fn view<S: Store>(
    store: &mut S,
    own: &Address,
    letter: &StoredLetter,
) -> Result<LetterView, S::Error> {
    let copies = if letter.author == *own { store.copies(letter.id)? } else { Vec::new() };
    let for_recipient = |copy: &Copy| copy.address == letter.to;
    let devices = copies
        .into_iter()
        .filter(for_recipient)
        .map(|copy| DeviceStateView { device: copy.device, state: copy.state })
        .collect();
    content::view(store, own, letter, devices)
}
