//! Letters: from the user's words to every device, and back.
//!
//! | module | job |
//! | --- | --- |
//! | [`store`] | what is kept of letters |
//! | `compose` | from words to letters and copies |
//! | `seal` | from waiting copies to ciphertext, within the window of each Olm session |
//! | `outbox` | which way each copy goes |
//! | `progress` | how far each copy has come |
//! | `former` | letters for devices that are gone |
//! | `inbox` | from ciphertext to letters, once each |
//! | `show` | letters as users see them |

pub(crate) mod compose;
pub(crate) mod former;
pub(crate) mod inbox;
pub(crate) mod outbox;
mod progress;
pub(crate) mod seal;
pub(crate) mod show;
pub mod store;
