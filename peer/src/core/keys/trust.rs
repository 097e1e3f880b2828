//! Trust: the root of each account is pinned at first sight, and its device list must go on from what
//! was seen. A list that does not is a hard stop for that account until one comes that does.

use std::collections::BTreeMap;

use hobnob_wire::Address;
use hobnob_wire::device::{DeviceList, ListError, ListHead, VerifiedList};
use hobnob_wire::keys::VerifyKey;

use crate::core::store::Store;

/// What is remembered of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// A, as first seen.
    pub root: VerifyKey,
    /// The highest head ever seen, in a list or in a letter.
    pub head: ListHead,
    /// The last list that could be trusted.
    pub list: DeviceList,
    /// Why nothing goes to or comes from this account.
    pub warning: Option<String>,
    /// A, as it was when the user compared safety numbers.
    pub verified: Option<VerifyKey>,
    /// The list of another identity under the same address, which waits for the user's decision.
    pub offered: Option<DeviceList>,
}

impl Pinned {
    /// First sight.
    #[must_use]
    pub fn first(list: &DeviceList, verified: &VerifiedList) -> Self {
        Self {
            root: verified.root(),
            head: verified.head(),
            list: list.clone(),
            warning: None,
            verified: None,
            offered: None,
        }
    }
}

/// What a list, or a head, did to the trust in an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As known before.
    Same,
    /// New devices, or trust again: what waits may go on.
    Renewed,
    /// Not to be trusted; it was not before either.
    StillStopped,
    /// Not to be trusted: hard stop. The user must be told this.
    Stopped(String),
    /// The head is newer than the list we have: fetch it.
    Newer,
}

/// Trust in one account, in memory.
#[derive(Debug)]
struct Known {
    pinned: Pinned,
    verified: VerifiedList,
}

/// Whom this device trusts.
#[derive(Debug, Default)]
pub struct Trust {
    known: BTreeMap<Address, Known>,
}

/// What happened, and what to do, for the user.
fn explain(address: &Address, error: ListError) -> String {
    let what = match error {
        ListError::Root => {
            return format!(
                "The account {address} suddenly has another root key. Either its owner has set it up anew, or \
                 somebody, perhaps the rendezvous, tries to pass for them. Nothing is sent to {address} and its \
                 letters are held back until you have decided. Ask its owner by another way, compare the new \
                 number with `hobnob verify {address}`, and only if it is the same accept it with \
                 `hobnob contact trust {address}`."
            );
        }
        ListError::Rollback { known, offered } => {
            format!("The device list of {address} was rolled back from entry {known} to {offered}.")
        }
        ListError::Fork { seq } => {
            format!("The device list of {address} was changed at entry {seq}, where it was known before.")
        }
        // Everything else is a list that was never right.
        ListError::Entry { .. }
        | ListError::Signature
        | ListError::Chain { .. }
        | ListError::Operation { .. }
        | ListError::Size
        | _ => format!("The device list of {address} is forged or damaged: {error}."),
    };
    warning(&what, address)
}

fn warning(what: &str, address: &Address) -> String {
    format!(
        "{what} Somebody, perhaps the rendezvous, may be trying to read along. Nothing is sent to {address} \
         and its letters are held back until its true list is seen again. Ask its owner by another way \
         whether they set up their account anew, and tell whoever runs the rendezvous."
    )
}

impl Trust {
    fn load<S: Store>(&mut self, store: &mut S, address: &Address) -> Result<Option<&mut Known>, S::Error> {
        if !self.known.contains_key(address)
            && let Some(pinned) = store.pin(address)?
            && let Ok(verified) = pinned.list.verify()
        {
            self.known.insert(address.clone(), Known { pinned, verified });
        }
        Ok(self.known.get_mut(address))
    }

    /// The devices of an account, if they are known and may be trusted.
    ///
    /// # Errors
    /// The store's.
    pub fn list<S: Store>(
        &mut self,
        store: &mut S,
        address: &Address,
    ) -> Result<Option<&VerifiedList>, S::Error> {
        let known = self.load(store, address)?;
        Ok(known.filter(|known| known.pinned.warning.is_none()).map(|known| &known.verified))
    }

    /// Why an account is not trusted, if it is not.
    ///
    /// # Errors
    /// The store's.
    pub fn warning<S: Store>(
        &mut self,
        store: &mut S,
        address: &Address,
    ) -> Result<Option<String>, S::Error> {
        Ok(self.load(store, address)?.and_then(|known| known.pinned.warning.clone()))
    }

    /// The last trusted list, as it travels.
    ///
    /// # Errors
    /// The store's.
    pub fn travelling<S: Store>(
        &mut self,
        store: &mut S,
        address: &Address,
    ) -> Result<Option<DeviceList>, S::Error> {
        Ok(self.load(store, address)?.map(|known| known.pinned.list.clone()))
    }

    /// The rendezvous gave a list for an account.
    ///
    /// # Errors
    /// The store's.
    pub fn offered<S: Store>(
        &mut self,
        store: &mut S,
        address: &Address,
        list: &DeviceList,
    ) -> Result<Verdict, S::Error> {
        let verified = match list.verify() {
            Ok(verified) => verified,
            Err(error) => return self.stop(store, address, (error, None)),
        };
        let Some(known) = self.load(store, address)? else {
            // What was pinned counts also when the list kept with it is damaged.
            if let Some(pinned) = store.pin(address)?
                && let Err(error) = verified.continues(&pinned.root, &pinned.head)
            {
                return Ok(Verdict::Stopped(explain(address, error)));
            }
            let pinned = Pinned::first(list, &verified);
            store.put_pin(address, &pinned)?;
            self.known.insert(address.clone(), Known { pinned, verified });
            return Ok(Verdict::Renewed);
        };
        if let Err(error) = verified.continues(&known.pinned.root, &known.pinned.head) {
            // The owner may have set up the account anew; nothing else is for the user to decide.
            let offered = (error == ListError::Root).then_some(list);
            return self.stop(store, address, (error, offered));
        }
        if known.verified.head() == verified.head() && known.pinned.warning.is_none() {
            return Ok(Verdict::Same);
        }
        known.pinned.head = verified.head();
        known.pinned.list = list.clone();
        known.pinned.warning = None;
        known.pinned.offered = None;
        known.verified = verified;
        store.put_pin(address, &known.pinned)?;
        Ok(Verdict::Renewed)
    }

    /// A device of the account, whose word is authentic, knows the account's list up to `head`.
    ///
    /// # Errors
    /// The store's.
    pub fn heard<S: Store>(
        &mut self,
        store: &mut S,
        address: &Address,
        head: &ListHead,
    ) -> Result<Verdict, S::Error> {
        let Some(known) = self.load(store, address)? else {
            return Ok(Verdict::Newer);
        };
        match known.verified.continues(&known.pinned.root, head) {
            Ok(()) => Ok(Verdict::Same),
            // From now on a list that ends earlier is a rollback.
            Err(ListError::Rollback { .. }) => {
                if head.seq > known.pinned.head.seq {
                    known.pinned.head = *head;
                    store.put_pin(address, &known.pinned)?;
                }
                Ok(Verdict::Newer)
            }
            Err(error) => self.stop(store, address, (error, None)),
        }
    }

    /// A device showed a list of its own account in a handshake: older than ours is no offence there,
    /// because it may not have heard yet.
    ///
    /// # Errors
    /// The store's. `Err` inside: the list is not worth anything; nothing changed.
    pub fn shown<S: Store>(
        &mut self,
        store: &mut S,
        address: &Address,
        list: &DeviceList,
    ) -> Result<Result<Verdict, ListError>, S::Error> {
        let verified = match list.verify() {
            Ok(verified) => verified,
            Err(error) => return Ok(Err(error)),
        };
        let Some(known) = self.load(store, address)? else {
            return self.offered(store, address, list).map(Ok);
        };
        // Anybody can make a list with another root; only the account can make one with this root.
        if verified.root() != known.pinned.root {
            return Ok(Err(ListError::Root));
        }
        if verified.head().seq > known.verified.head().seq {
            return self.offered(store, address, list).map(Ok);
        }
        self.heard(store, address, &verified.head()).map(Ok)
    }

    /// The rendezvous handed out a prekey that the account's device did not sign: hard stop.
    ///
    /// # Errors
    /// The store's.
    pub fn forged_prekey<S: Store>(&mut self, store: &mut S, address: &Address) -> Result<Verdict, S::Error> {
        let what = format!("The rendezvous handed out a key for {address} that its device did not sign.");
        self.distrust(store, address, (warning(&what, address), None))
    }

    fn stop<S: Store>(
        &mut self,
        store: &mut S,
        address: &Address,
        (error, offered): (ListError, Option<&DeviceList>),
    ) -> Result<Verdict, S::Error> {
        self.distrust(store, address, (explain(address, error), offered))
    }

    fn distrust<S: Store>(
        &mut self,
        store: &mut S,
        address: &Address,
        (text, offered): (String, Option<&DeviceList>),
    ) -> Result<Verdict, S::Error> {
        // An account never seen before has nothing to stop: its devices stay unknown.
        let Some(known) = self.load(store, address)? else {
            return Ok(Verdict::Stopped(text));
        };
        let before = known.pinned.warning.replace(text.clone());
        if let Some(offered) = offered {
            known.pinned.offered = Some(offered.clone());
        }
        store.put_pin(address, &known.pinned)?;
        Ok(if before.is_some() { Verdict::StillStopped } else { Verdict::Stopped(text) })
    }

    /// What is remembered of an account is read anew.
    pub(super) fn forget(&mut self, address: &Address) {
        self.known.remove(address);
    }
}
