//! Letters as users see them.

use hobnob_wire::Address;
use hobnob_wire::codec::decode;
use hobnob_wire::letter::TextBody;

use super::store::{Copy, StoredLetter};
use crate::core::store::Store;
use crate::core::time::rfc3339;
use crate::core::view::{DeviceStateView, LetterState, LetterView};

/// The furthest of the copies' states; what the letter itself says without copies.
fn furthest(letter: &StoredLetter, devices: &[DeviceStateView]) -> LetterState {
    devices.iter().map(|device| device.state).max().unwrap_or(letter.state)
}

/// A letter with the state of its copies on the recipient's devices. Letters that are not text have no
/// words.
pub(crate) fn view<S: Store>(
    store: &mut S,
    own: &Address,
    letter: &StoredLetter,
) -> Result<LetterView, S::Error> {
    let copies = if letter.author == *own { store.copies(letter.id)? } else { Vec::new() };
    let for_recipient = |copy: &Copy| copy.address == letter.to;
    let devices: Vec<_> = copies
        .into_iter()
        .filter(for_recipient)
        .map(|copy| DeviceStateView { device: copy.device, state: copy.state })
        .collect();
    let text = decode::<TextBody>(&letter.body).map_or_else(|_| String::new(), |body| body.text.to_string());
    Ok(LetterView {
        id: letter.id,
        from: letter.author.clone(),
        to: letter.to.clone(),
        text,
        at: rfc3339(letter.at_unix_ms),
        state: furthest(letter, &devices),
        devices,
        error: letter.error.clone(),
    })
}
