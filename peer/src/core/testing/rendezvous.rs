//! A rendezvous as small as the protocol allows. It can also lie.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hobnob_wire::account::{AccountAnswer, AccountRequest, WrappedKey};
use hobnob_wire::bounded::{List, Text};
use hobnob_wire::contact::{ContactChange, ContactRequest, Pending, Subscription};
use hobnob_wire::datagram::Channel;
use hobnob_wire::device::{DeviceList, DeviceOperation, RootCertificate, SignedEntry};
use hobnob_wire::mailbox::{Delivery, MailboxRequest, Prekey};
use hobnob_wire::presence::{Availability, Presence, PresenceChange};
use hobnob_wire::session::{Answer, Push, Request};
use hobnob_wire::signal::SignalDelivery;
use hobnob_wire::{Address, DeviceId, LetterId, Refusal};

/// A deposit: the letter, and each device with its ciphertext.
pub(crate) type Deposit = (LetterId, Vec<(DeviceId, Vec<u8>)>);

/// Who asks.
pub(crate) type Who = (Address, DeviceId);

#[derive(Debug, Default)]
struct Mailbox {
    last: u64,
    letters: VecDeque<Delivery>,
    seen: BTreeSet<LetterId>,
}

#[derive(Debug)]
struct Account {
    list: DeviceList,
    roster: BTreeMap<Address, ContactChange>,
    version: u64,
    presence: Presence,
}

/// State of the rendezvous, and what it says unasked.
#[derive(Debug, Default)]
pub(crate) struct Rendezvous {
    accounts: BTreeMap<Address, Account>,
    mailboxes: BTreeMap<DeviceId, Mailbox>,
    prekeys: BTreeMap<DeviceId, (Prekey, VecDeque<Prekey>)>,
    online: BTreeMap<DeviceId, Address>,
    pushes: Vec<(DeviceId, Push)>,
    /// S of each account, wrapped.
    pub(crate) wrapped: BTreeMap<Address, WrappedKey>,
    /// Lists that are shown instead of the true ones.
    pub(crate) forged_lists: BTreeMap<Address, DeviceList>,
    /// A prekey that is handed out instead of every true one.
    pub(crate) forged_prekey: Option<Prekey>,
    /// Deposits taken, with their copies.
    pub(crate) deposits: Vec<Deposit>,
    /// Signals passed on.
    pub(crate) signals: usize,
    /// Whether it relays.
    pub(crate) relays: bool,
    /// A device whose mailbox is full.
    pub(crate) full: Option<DeviceId>,
    /// Devices that were revoked, whose sessions end.
    pub(crate) closed: Vec<DeviceId>,
    /// How every deposit is refused.
    pub(crate) refuse_deposits: Option<Refusal>,
}

impl Rendezvous {
    pub(crate) fn register(&mut self, address: &Address, certificate: RootCertificate, entry: SignedEntry) {
        let list = DeviceList { certificate, entries: List::new(vec![entry]).unwrap() };
        let presence = Presence::default();
        let account = Account { list, roster: BTreeMap::new(), version: 0, presence };
        self.accounts.insert(address.clone(), account);
    }

    /// Puts another account in the place of one, with the same contacts, and tells whom it concerns.
    pub(crate) fn replace(&mut self, address: &Address, certificate: RootCertificate, entry: SignedEntry) {
        let account = self.accounts.get_mut(address).unwrap();
        account.list = DeviceList { certificate, entries: List::new(vec![entry]).unwrap() };
        let head = account.list.verify().unwrap().head();
        let told: Vec<_> = account.roster.keys().cloned().collect();
        for to in told {
            self.push_to(&to, &Push::DevicesChanged { address: address.clone(), head });
        }
    }

    /// Adds a device to an account and tells whom it concerns.
    pub(crate) fn append(&mut self, address: &Address, entry: SignedEntry) {
        let account = self.accounts.get_mut(address).unwrap();
        let mut entries = account.list.entries.clone().into_vec();
        entries.push(entry);
        account.list.entries = List::new(entries).unwrap();
        let head = account.list.verify().unwrap().head();
        let mut told: Vec<_> = account.roster.keys().cloned().collect();
        told.push(address.clone());
        for to in told {
            self.push_to(&to, &Push::DevicesChanged { address: address.clone(), head });
        }
    }

    /// The list as it is shown.
    pub(crate) fn list(&self, address: &Address) -> DeviceList {
        self.forged_lists.get(address).unwrap_or(&self.accounts[address].list).clone()
    }

    pub(crate) fn welcome(&self, address: &Address) -> AccountAnswer {
        AccountAnswer::Welcome {
            address: address.clone(),
            domain: address.domain(),
            list: self.list(address),
        }
    }

    pub(crate) fn arrives(&mut self, (address, device): &Who) {
        self.online.insert(*device, address.clone());
    }

    pub(crate) fn leaves(&mut self, (address, device): &Who) {
        self.online.remove(device);
        if !self.online.values().any(|other| other == address) {
            self.show(address, &Presence::default());
        }
    }

    pub(crate) fn take_pushes(&mut self) -> Vec<(DeviceId, Push)> {
        std::mem::take(&mut self.pushes)
    }

    /// Letters that wait for a device.
    pub(crate) fn waiting(&self, device: DeviceId) -> usize {
        self.mailboxes.get(&device).map_or(0, |mailbox| mailbox.letters.len())
    }

    pub(crate) fn resume(&mut self, (address, device): &Who, roster: u64) {
        let account = &self.accounts[address];
        let changes = account.roster.values().filter(|change| change.version > roster);
        let mut pushes: Vec<_> = changes.cloned().map(Push::Contact).collect();
        pushes.push(Push::RosterComplete { version: account.version });
        for contact in account.roster.keys() {
            if let Some(other) = self.accounts.get(contact) {
                let presence = other.presence.clone();
                if presence != Presence::default() {
                    pushes.push(Push::Presence(PresenceChange { address: contact.clone(), presence }));
                }
            }
        }
        if let Some(mailbox) = self.mailboxes.get(device) {
            pushes.extend(mailbox.letters.iter().cloned().map(Push::Letter));
        }
        self.pushes.extend(pushes.into_iter().map(|push| (*device, push)));
    }

    pub(crate) fn acknowledge(&mut self, (_, device): &Who, up_to: u64) {
        if let Some(mailbox) = self.mailboxes.get_mut(device) {
            mailbox.letters.retain(|letter| letter.seq > up_to);
        }
    }

    pub(crate) fn handle(&mut self, who: &Who, request: Request) -> Result<Answer, Refusal> {
        match request {
            Request::Account(AccountRequest::Devices { address }) => {
                if self.accounts.contains_key(&address) {
                    let list = self.list(&address);
                    Ok(Answer::Account(AccountAnswer::Devices { address, list }))
                } else {
                    Err(Refusal::ItemNotFound)
                }
            }
            Request::Account(AccountRequest::AppendEntry { entry }) => {
                let operation = entry.entry().map_err(|_| Refusal::NotAcceptable)?.operation;
                self.append(&who.0, entry);
                if let DeviceOperation::Revoke(device) = operation {
                    self.mailboxes.remove(&device);
                    self.prekeys.remove(&device);
                    self.closed.push(device);
                }
                Ok(Answer::Account(AccountAnswer::Done))
            }
            Request::Account(_) => Err(Refusal::NotAllowed),
            Request::Contact(request) => {
                self.contact(&who.0, request);
                Ok(Answer::Done)
            }
            Request::Presence(set) => {
                let shown = if set.hidden { Presence::default() } else { set.presence };
                self.show(&who.0, &shown);
                Ok(Answer::Done)
            }
            Request::Mailbox(request) => self.mailbox(who, request),
            Request::Signal(signal) => {
                if self.online.get(&signal.device) != Some(&signal.to) {
                    return Err(Refusal::RecipientUnavailable);
                }
                self.signals += 1;
                let (from, device, sealed) = (who.0.clone(), who.1, signal.sealed);
                let channel = self.relays.then(|| Channel::new([7; 7]));
                let delivery = SignalDelivery { from, device, sealed, channel, at: signal.at };
                self.pushes.push((signal.device, Push::Signal(delivery)));
                Ok(Answer::Signalled { channel })
            }
        }
    }

    fn mailbox(&mut self, who: &Who, request: MailboxRequest) -> Result<Answer, Refusal> {
        match request {
            MailboxRequest::Deposit { to: _, letter, copies } => {
                if let Some(refusal) = self.refuse_deposits {
                    return Err(refusal);
                }
                if copies.iter().any(|copy| Some(copy.device) == self.full) {
                    return Err(Refusal::ResourceConstraint);
                }
                let bytes =
                    |copy: &hobnob_wire::mailbox::LetterCopy| (copy.device, copy.sealed.as_slice().to_vec());
                self.deposits.push((letter, copies.iter().map(bytes).collect()));
                for copy in copies.into_vec() {
                    let mailbox = self.mailboxes.entry(copy.device).or_default();
                    if !mailbox.seen.insert(letter) {
                        continue;
                    }
                    mailbox.last += 1;
                    let delivery = Delivery {
                        seq: mailbox.last,
                        from: who.0.clone(),
                        device: who.1,
                        letter,
                        sealed: copy.sealed,
                    };
                    mailbox.letters.push_back(delivery.clone());
                    self.pushes.push((copy.device, Push::Letter(delivery)));
                }
                Ok(Answer::Done)
            }
            MailboxRequest::PublishPrekeys { fallback, one_time } => {
                let kept = self.prekeys.entry(who.1).or_insert_with(|| (fallback.clone(), VecDeque::new()));
                kept.0 = fallback;
                kept.1.extend(one_time.into_vec());
                Ok(Answer::Done)
            }
            MailboxRequest::ClaimPrekey { device, .. } => {
                if let Some(forged) = &self.forged_prekey {
                    return Ok(Answer::Prekey(forged.clone()));
                }
                let (fallback, one_time) = self.prekeys.get_mut(&device).ok_or(Refusal::ItemNotFound)?;
                Ok(Answer::Prekey(one_time.pop_front().unwrap_or_else(|| fallback.clone())))
            }
        }
    }

    fn contact(&mut self, own: &Address, request: ContactRequest) {
        use {Pending as P, Subscription as S};
        let (other, mine, theirs, text) = match request {
            ContactRequest::Ask { address, text } => {
                (address, (S::None, P::Out), (S::None, P::In), text.as_str().to_owned())
            }
            ContactRequest::Accept { address, .. } => {
                (address, (S::Both, P::None), (S::Both, P::None), String::new())
            }
            ContactRequest::Reject { address } => {
                (address, (S::None, P::None), (S::None, P::Out), String::new())
            }
            ContactRequest::Remove { address, text } => {
                (address, (S::None, P::None), (S::None, P::None), text.as_str().to_owned())
            }
        };
        self.set_contact(own, &other, mine, "");
        self.set_contact(&other, own, theirs, &text);
        let both = [(own, &other), (&other, own)];
        for (to, about) in both {
            let presence = self.accounts[about].presence.clone();
            if mine.0 == S::Both && presence != Presence::default() {
                self.push_to(to, &Push::Presence(PresenceChange { address: about.clone(), presence }));
            }
        }
    }

    fn set_contact(
        &mut self,
        of: &Address,
        address: &Address,
        (subscription, pending): (Subscription, Pending),
        text: &str,
    ) {
        let account = self.accounts.get_mut(of).unwrap();
        account.version += 1;
        let change = ContactChange {
            version: account.version,
            address: address.clone(),
            subscription,
            pending,
            text: Text::truncated(text),
        };
        account.roster.insert(address.clone(), change.clone());
        self.push_to(of, &Push::Contact(change));
    }

    fn show(&mut self, address: &Address, presence: &Presence) {
        let account = self.accounts.get_mut(address).unwrap();
        if account.presence == *presence {
            return;
        }
        account.presence = presence.clone();
        debug_assert!(presence.availability != Availability::Offline || presence.text.as_str().is_empty());
        let seen_by = account.roster.values().filter(|contact| contact.subscription == Subscription::Both);
        let seen_by: Vec<_> = seen_by.map(|contact| contact.address.clone()).collect();
        for to in seen_by {
            let change = PresenceChange { address: address.clone(), presence: presence.clone() };
            self.push_to(&to, &Push::Presence(change));
        }
    }

    fn push_to(&mut self, address: &Address, push: &Push) {
        let devices = self.online.iter().filter(|(_, owner)| *owner == address);
        let pushes: Vec<_> = devices.map(|(device, _)| (*device, push.clone())).collect();
        self.pushes.extend(pushes);
    }
}
