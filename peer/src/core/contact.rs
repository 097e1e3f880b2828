//! Contacts: the roster as the rendezvous pushes it, presence, and the commands that change it.

use std::collections::BTreeMap;

use hobnob_nat::core::agent::Policy;
use hobnob_wire::contact::{ContactChange, ContactRequest, ContactText, Pending, Subscription};
use hobnob_wire::limits::{CONTACT_TEXT_BYTES_MAX, CONTACTS_MAX};
use hobnob_wire::presence::{Availability, Presence};
use hobnob_wire::{Address, Refusal};

use super::command::{CommandError, ErrorKind};
use super::link::policy_name;
use super::store::Store;
use super::view::{ContactView, Verification};

/// Contacts that may be held at a time: a little more than the rendezvous allows, so that removals that
/// are still on their way do not matter.
const ROSTER_MAX: usize = CONTACTS_MAX + 100;

/// One contact as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Who sees whom.
    pub subscription: Subscription,
    /// What waits for an answer.
    pub pending: Pending,
    /// Text that came with the request.
    pub text: String,
    /// Why nothing is exchanged with it, if so.
    pub warning: Option<String>,
    /// How far its identity is known to be the right one.
    pub verification: Verification,
    /// Over which paths it may reach us, when that is not as in general.
    pub paths: Option<Policy>,
}

/// The roster in memory.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    contacts: BTreeMap<Address, Contact>,
    presence: BTreeMap<Address, Presence>,
}

/// What a user wants of a contact.
#[derive(Debug)]
pub(crate) enum Change {
    Add(Address, String),
    Accept(Address),
    Reject(Address),
    Remove(Address, String),
}

/// What a change of the roster means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// A contact is new or other than before.
    Contact,
    /// A contact is gone.
    Removed,
    /// Nothing we know of.
    Nothing,
}

impl Contacts {
    pub(crate) fn open<S: Store>(store: &mut S) -> Result<Self, S::Error> {
        Ok(Self { contacts: store.contacts()?.into_iter().collect(), presence: BTreeMap::new() })
    }

    /// Whether letters and links with this account are allowed.
    pub(crate) fn accepted(&self, address: &Address) -> bool {
        self.contacts.get(address).is_some_and(|contact| contact.subscription != Subscription::None)
    }

    /// Whether the account is a contact or has to do with a request.
    pub(crate) fn knows(&self, address: &Address) -> bool {
        self.contacts.contains_key(address)
    }

    /// Whether letters and files may be written to an account.
    ///
    /// # Errors
    /// When not: why, and what to do.
    pub(crate) fn may_write(&self, to: &Address) -> Result<(), CommandError> {
        let Some(contact) = self.contacts.get(to) else {
            return Err(not_a_contact(to));
        };
        if let Some(warning) = &contact.warning {
            return Err(CommandError::new(ErrorKind::Denied, warning));
        }
        if self.accepted(to) {
            return Ok(());
        }
        let text = match contact.pending {
            Pending::In => {
                format!("You have not accepted {to} yet. Do so with `hobnob contact accept {to}`.")
            }
            Pending::None | Pending::Out => {
                format!("{to} has not accepted your request yet. Wait for the answer.")
            }
        };
        Err(CommandError::new(ErrorKind::Denied, text))
    }

    /// The same for letters, which one may write to oneself as well.
    ///
    /// # Errors
    /// When not: why, and what to do.
    pub(crate) fn may_write_letters(&self, own: &Address, to: &Address) -> Result<(), CommandError> {
        if to == own { Ok(()) } else { self.may_write(to) }
    }

    /// Whether the account shows that it is there.
    pub(crate) fn online(&self, address: &Address) -> bool {
        self.presence.get(address).is_some_and(|presence| presence.availability != Availability::Offline)
    }

    /// Over which paths the account may reach us, when that is not as in general.
    pub(crate) fn paths(&self, address: &Address) -> Option<Policy> {
        self.contacts.get(address).and_then(|contact| contact.paths)
    }

    /// Sets over which paths a contact may reach us; as in general when absent.
    ///
    /// # Errors
    /// When it is no contact.
    pub(crate) fn set_paths<S: Store>(
        &mut self,
        store: &mut S,
        address: &Address,
        paths: Option<Policy>,
    ) -> Result<Result<(), CommandError>, S::Error> {
        let Some(contact) = self.contacts.get_mut(address) else {
            return Ok(Err(not_a_contact(address)));
        };
        contact.paths = paths;
        store.put_contact(address, contact)?;
        Ok(Ok(()))
    }

    /// All contacts.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.contacts.keys()
    }

    /// Contacts that are not trusted at present.
    pub(crate) fn warned(&self) -> Vec<Address> {
        let warned = self.contacts.iter().filter(|(_, contact)| contact.warning.is_some());
        warned.map(|(address, _)| address.clone()).collect()
    }

    /// Sets or clears the warning that is shown with a contact. Whether that changed it.
    pub(crate) fn warn(&mut self, address: &Address, warning: Option<String>) -> bool {
        let Some(contact) = self.contacts.get_mut(address) else {
            return false;
        };
        let changed = contact.warning != warning;
        contact.warning = warning;
        changed
    }

    /// Sets how far the identity of a contact is known to be the right one. Whether that changed it.
    pub(crate) fn verified(&mut self, address: &Address, verification: Verification) -> bool {
        let Some(contact) = self.contacts.get_mut(address) else {
            return false;
        };
        let changed = contact.verification != verification;
        contact.verification = verification;
        changed
    }

    /// The rendezvous pushed a change.
    pub(crate) fn changed<S: Store>(
        &mut self,
        store: &mut S,
        change: &ContactChange,
    ) -> Result<Changed, S::Error> {
        let address = &change.address;
        if change.subscription == Subscription::None && change.pending == Pending::None {
            store.remove_contact(address)?;
            self.presence.remove(address);
            let known = self.contacts.remove(address).is_some();
            return Ok(if known { Changed::Removed } else { Changed::Nothing });
        }
        if self.contacts.len() >= ROSTER_MAX && !self.contacts.contains_key(address) {
            return Ok(Changed::Nothing);
        }
        let (warning, verification) = store.standing(address)?;
        let contact = Contact {
            subscription: change.subscription,
            pending: change.pending,
            text: change.text.as_str().to_owned(),
            warning,
            verification,
            paths: self.paths(address),
        };
        if self.contacts.get(address) == Some(&contact) {
            return Ok(Changed::Nothing);
        }
        store.put_contact(address, &contact)?;
        self.contacts.insert(address.clone(), contact);
        Ok(Changed::Contact)
    }

    /// The rendezvous pushed a presence. Whether the contact has come just now; `None` when it is no
    /// contact or nothing changed.
    pub(crate) fn presence_changed(&mut self, address: &Address, presence: &Presence) -> Option<bool> {
        if !self.contacts.contains_key(address) {
            return None;
        }
        let shown = presence.availability != Availability::Offline;
        let before = self.presence.insert(address.clone(), presence.clone()).unwrap_or_default();
        (before != *presence).then_some(shown && before.availability == Availability::Offline)
    }

    /// Nobody is seen any more. Returns who was.
    pub(crate) fn all_offline(&mut self) -> Vec<Address> {
        let seen = std::mem::take(&mut self.presence);
        let there = seen.into_iter().filter(|(_, presence)| *presence != Presence::default());
        there.map(|(address, _)| address).collect()
    }

    /// A contact as users see it, on this path.
    pub(crate) fn view(&self, address: &Address, path: &str) -> Option<ContactView> {
        let contact = self.contacts.get(address)?;
        let presence = self.presence.get(address).cloned().unwrap_or_default();
        Some(ContactView {
            address: address.clone(),
            subscription: subscription(contact.subscription).to_owned(),
            pending: pending(contact.pending).to_owned(),
            presence: availability(presence.availability).to_owned(),
            status_text: presence.text.as_str().to_owned(),
            path: path.to_owned(),
            paths: contact.paths.map_or("default", policy_name).to_owned(),
            text: contact.text.clone(),
            verification: contact.verification,
            warning: contact.warning.clone(),
        })
    }

    /// What a command about contacts asks of the rendezvous.
    ///
    /// # Errors
    /// The command's.
    pub(crate) fn request(&self, own: &Address, change: Change) -> Result<ContactRequest, CommandError> {
        match change {
            Change::Add(address, _) if address == *own => {
                Err(CommandError::new(ErrorKind::Usage, "That is your own address. Give somebody else's."))
            }
            Change::Add(address, text) => Ok(ContactRequest::Ask { address, text: contact_text(text)? }),
            Change::Accept(address) => {
                self.asked(&address)?;
                Ok(ContactRequest::Accept { address, mutual: true })
            }
            Change::Reject(address) => {
                self.asked(&address)?;
                Ok(ContactRequest::Reject { address })
            }
            Change::Remove(address, text) => {
                if !self.contacts.contains_key(&address) {
                    return Err(not_a_contact(&address));
                }
                Ok(ContactRequest::Remove { address, text: contact_text(text)? })
            }
        }
    }

    fn asked(&self, address: &Address) -> Result<(), CommandError> {
        match self.contacts.get(address) {
            Some(contact) if contact.pending == Pending::In => Ok(()),
            Some(_) => Err(CommandError::new(
                ErrorKind::Conflict,
                format!("{address} has not asked to become a contact, so there is nothing to answer."),
            )),
            None => Err(CommandError::new(
                ErrorKind::NotFound,
                format!("There is no request from {address}. See the requests with `hobnob contact list`."),
            )),
        }
    }
}

/// There is no such contact.
pub(crate) fn not_a_contact(address: &Address) -> CommandError {
    CommandError::new(
        ErrorKind::NotFound,
        format!("{address} is not a contact. Add it with `hobnob contact add {address}`."),
    )
}

fn contact_text(text: String) -> Result<ContactText, CommandError> {
    ContactText::new(text).map_err(|error| {
        CommandError::new(
            ErrorKind::Usage,
            format!("The text has {} bytes; at most {CONTACT_TEXT_BYTES_MAX} fit. Shorten it.", error.len),
        )
    })
}

/// A refusal in the words of a failed command.
pub(crate) fn refused(refusal: Refusal) -> CommandError {
    let kind = match refusal {
        Refusal::Forbidden
        | Refusal::NotAllowed
        | Refusal::WrongCredentials
        | Refusal::SessionRequired
        | Refusal::UnknownDevice => ErrorKind::Denied,
        Refusal::ItemNotFound | Refusal::RemoteServerNotFound => ErrorKind::NotFound,
        Refusal::AddressMalformed | Refusal::NotAcceptable => ErrorKind::Usage,
        Refusal::RecipientUnavailable => ErrorKind::Offline,
        Refusal::RemoteServerTimeout => ErrorKind::TimedOut,
        Refusal::NameTaken | Refusal::Conflict | Refusal::StaleDeviceList => ErrorKind::Conflict,
        Refusal::InternalServerError
        | Refusal::QuotaRequired
        | Refusal::Redirect
        | Refusal::ResourceConstraint
        | Refusal::ServiceUnavailable
        | Refusal::UndefinedCondition
        | Refusal::TooManyRequests
        | Refusal::UnsupportedVersion => ErrorKind::Failure,
    };
    CommandError::new(kind, format!("The rendezvous refused: {refusal}."))
}

const fn subscription(subscription: Subscription) -> &'static str {
    match subscription {
        Subscription::None => "none",
        Subscription::To => "to",
        Subscription::From => "from",
        Subscription::Both => "both",
    }
}

const fn pending(pending: Pending) -> &'static str {
    match pending {
        Pending::None => "none",
        Pending::Out => "out",
        Pending::In => "in",
    }
}

/// A state as users read it.
pub(crate) const fn availability(availability: Availability) -> &'static str {
    match availability {
        Availability::Offline => "offline",
        Availability::Online => "online",
        Availability::Away => "away",
        Availability::Busy => "busy",
    }
}
