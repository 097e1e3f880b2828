//! What a user decides about the identity of a contact: that it is the right one, or that another one is.

use hobnob_wire::Address;
use hobnob_wire::safety::SafetyNumber;

use super::trust::{Pinned, Trust, Verdict};
use super::{Identity, Keyring};
use crate::core::command::{CommandError, ErrorKind};
use crate::core::store::Store;
use crate::core::view::{Verification, VerificationView};

/// What users ask about the identity of a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustCommand {
    /// The safety number. Answer: [`Reply::Verification`](crate::core::command::Reply::Verification).
    Show {
        /// Whose.
        address: Address,
    },
    /// The user has compared: the other side sees this number.
    /// Answer: [`Reply::Verification`](crate::core::command::Reply::Verification).
    Compare {
        /// Whose.
        address: Address,
        /// What the other side sees.
        number: SafetyNumber,
    },
    /// The user takes that back. Answer: [`Reply::Verification`](crate::core::command::Reply::Verification).
    Undo {
        /// Whose.
        address: Address,
    },
    /// The contact has another identity now, and the user takes it for the right one.
    /// Answer: [`Reply::Verification`](crate::core::command::Reply::Verification).
    Accept {
        /// Whose.
        address: Address,
        /// The number of the new identity, as the user was shown it.
        number: SafetyNumber,
    },
}

impl TrustCommand {
    /// Whom it is about.
    #[must_use]
    pub const fn address(&self) -> &Address {
        match self {
            Self::Show { address }
            | Self::Compare { address, .. }
            | Self::Undo { address }
            | Self::Accept { address, .. } => address,
        }
    }
}

impl Pinned {
    /// How far the identity is known to be the right one.
    #[must_use]
    pub fn verification(&self) -> Verification {
        Verification::of(self.verified.map(|root| root == self.root), self.offered.is_some())
    }

    /// What users see of it.
    fn view(&self, own: &Identity, address: &Address) -> VerificationView {
        let number = SafetyNumber::of((&own.address, &own.root), (address, &self.root));
        VerificationView {
            address: address.clone(),
            verification: self.verification(),
            link: number.link(&own.address),
            number: number.to_string(),
            new_number: self.new_number(own, address).map(|number| number.to_string()),
            warning: self.warning.clone(),
        }
    }

    fn new_number(&self, own: &Identity, address: &Address) -> Option<SafetyNumber> {
        let root = &self.offered.as_ref()?.certificate.root;
        Some(SafetyNumber::of((&own.address, &own.root), (address, root)))
    }
}

/// What came of a decision: what to show, and what it did to the trust in the account.
pub(crate) type Decided = Result<(VerificationView, Option<Verdict>), CommandError>;

/// Does what the user decides.
pub(crate) fn decide<S: Store>(
    store: &mut S,
    keys: &mut Keyring,
    command: &TrustCommand,
) -> Result<Decided, S::Error> {
    let address = command.address();
    let Some(mut pinned) = store.pin(address)? else {
        return Ok(Err(unknown(address)));
    };
    let own = &keys.identity;
    let verdict = match command {
        TrustCommand::Show { .. } => None,
        TrustCommand::Compare { number, .. } => {
            if let Err(error) = compare(&pinned, own, address, number) {
                return Ok(Err(error));
            }
            pinned.verified = Some(pinned.root);
            keys.trust.decided(store, address, &pinned)?;
            None
        }
        TrustCommand::Undo { .. } => {
            pinned.verified = None;
            keys.trust.decided(store, address, &pinned)?;
            None
        }
        TrustCommand::Accept { number, .. } => {
            if let Err(error) = acceptable(&pinned, own, address, number) {
                return Ok(Err(error));
            }
            if !keys.trust.accept(store, address, &mut pinned)? {
                return Ok(Err(not_a_new_identity(address, &pinned)));
            }
            Some(Verdict::Renewed)
        }
    };
    Ok(Ok((pinned.view(&keys.identity, address), verdict)))
}

fn compare(
    pinned: &Pinned,
    own: &Identity,
    address: &Address,
    number: &SafetyNumber,
) -> Result<(), CommandError> {
    if pinned.offered.is_some() {
        let text = format!(
            "Another identity of {address} waits for your decision. See both numbers with `hobnob verify {address}`, and decide with `hobnob contact trust {address}`."
        );
        return Err(CommandError::new(ErrorKind::Conflict, text));
    }
    let ours = SafetyNumber::of((&own.address, &own.root), (address, &pinned.root));
    if ours == *number {
        return Ok(());
    }
    let text = format!(
        "The numbers differ. Here it is {ours}. Check the digits; if they are right, then somebody stands between you and {address}, or one of you compared with somebody else. Write nothing secret until you know."
    );
    Err(CommandError::new(ErrorKind::Conflict, text))
}

fn acceptable(
    pinned: &Pinned,
    own: &Identity,
    address: &Address,
    number: &SafetyNumber,
) -> Result<(), CommandError> {
    match pinned.new_number(own, address) {
        None => Err(not_a_new_identity(address, pinned)),
        Some(new) if new == *number => Ok(()),
        Some(new) => {
            let text = format!(
                "The new identity of {address} has the number {new}, and not the one given. Look again with `hobnob verify {address}`: it may have changed once more."
            );
            Err(CommandError::new(ErrorKind::Conflict, text))
        }
    }
}

/// There is nothing that the user may accept. A list that was taken back or has two ends is a lie of the rendezvous, or
/// two owners of one key; neither becomes right by the word of a contact.
fn not_a_new_identity(address: &Address, pinned: &Pinned) -> CommandError {
    let text = match &pinned.warning {
        None => format!("There is nothing to decide: the identity of {address} has not changed."),
        Some(warning) => format!(
            "{warning} This cannot be accepted by you: the identity is the same, and only its owner can say which devices are theirs. Only a new identity can be accepted."
        ),
    };
    CommandError::new(ErrorKind::Conflict, text)
}

fn unknown(address: &Address) -> CommandError {
    let text = format!(
        "The identity of {address} is not known yet. It is learned once you are contacts and there is a session."
    );
    CommandError::new(ErrorKind::NotFound, text)
}

impl Trust {
    /// Takes up what the user decided without another list.
    fn decided<S: Store>(
        &mut self,
        store: &mut S,
        address: &Address,
        pinned: &Pinned,
    ) -> Result<(), S::Error> {
        self.forget(address);
        store.put_pin(address, pinned)
    }

    /// The identity that was offered is the account's from now on. `false` when there is none that is worth it.
    fn accept<S: Store>(
        &mut self,
        store: &mut S,
        address: &Address,
        pinned: &mut Pinned,
    ) -> Result<bool, S::Error> {
        let Some(list) = pinned.offered.take() else {
            return Ok(false);
        };
        let Ok(verified) = list.verify() else {
            return Ok(false);
        };
        // What the user compared was the identity before: it stays, and is shown as changed.
        *pinned = Pinned { verified: pinned.verified, ..Pinned::first(&list, &verified) };
        self.decided(store, address, pinned)?;
        Ok(true)
    }
}
