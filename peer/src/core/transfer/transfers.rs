//! All transfers that are not over: routes inputs to them, saves and shows what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hobnob_nat::core::agent::PathKind;
use hobnob_wire::letter::{EndReason, LetterBody, Offer, OfferEnd};
use hobnob_wire::limits::{TRANSFER_BYTES_MAX, TRANSFER_ENTRIES_MAX};
use hobnob_wire::transfer::TransferFrame;
use hobnob_wire::{Address, DeviceId, Text, TransferId};

use super::commands::Scan;
use super::grants::Grants;
use super::ledger::{Due, Ledger};
use super::queue::{Wishes, may_run};
use super::receiving::{Receiving, Terms};
use super::record::{TransferRecord, TransferStore};
use super::rules::Verdict;
use super::sending::{Asked, Sending};
use super::swarm::{Member, Sharing};
use super::valve::{Receipt, Valve};
use super::{AutoAccept, Settings, Step, TransferEffect, TransferInput};
use crate::core::event::Event;
use crate::core::input::LinkId;
use crate::core::time::{Entropy, Now};
use crate::core::view::{TransferDirection, TransferState};

/// Transfers with one contact that are not over, each way. More offers are refused.
pub(super) const OPEN_PER_CONTACT_MAX: usize = 1_000;
/// Transfers that are over and still listed.
pub(super) const PAST_MAX: u32 = 1_000;

/// A link that is up.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) address: Address,
    device: DeviceId,
    path: PathKind,
}

/// All transfers.
#[derive(Debug, Default)]
pub struct Transfers {
    pub(super) settings: Settings,
    pub(super) links: BTreeMap<LinkId, Link>,
    pub(super) scans: BTreeMap<TransferId, Scan>,
    pub(super) sending: BTreeMap<TransferId, Sending>,
    pub(super) receiving: BTreeMap<TransferId, Receiving>,
    grants: Grants,
    valve: Valve,
    /// Swarms that this device sends to.
    pub(super) sharing: Sharing,
    /// Transfers to this device that others got, too.
    pub(super) members: BTreeMap<TransferId, Member>,
}

impl Transfers {
    /// Takes up what an earlier run left open.
    ///
    /// # Errors
    /// The store's.
    pub fn open<S: TransferStore>(store: &mut S) -> Result<Self, S::Error> {
        let mut this = Self::default();
        for record in store.open_transfers()? {
            let id = record.id;
            match record.direction {
                TransferDirection::Out => {
                    this.sharing.join(&record);
                    this.sending.insert(id, Sending::reopen(record));
                }
                TransferDirection::In => {
                    this.join(store, &record)?;
                    this.receiving.insert(id, Receiving::reopen(record));
                }
            }
        }
        Ok(this)
    }

    /// Handles one input; the effects are to be performed in order, after what was stored is committed.
    ///
    /// # Errors
    /// The store's.
    pub fn handle<S: TransferStore>(
        &mut self,
        store: &mut S,
        input: TransferInput,
        now: Now,
        entropy: &mut impl Entropy,
    ) -> Result<Vec<TransferEffect>, S::Error> {
        let mut out = Vec::new();
        let mut step = Step { now, out: &mut out };
        match input {
            TransferInput::Command { id, command } => {
                self.handle_command(store, (id, command), entropy, &mut step)?;
            }
            TransferInput::Settings(settings) => {
                self.valve.set_limits(settings.limits.clone());
                self.settings = settings;
            }
            TransferInput::UtcOffset(seconds) => self.valve.set_utc_offset(seconds),
            TransferInput::LinkPace { link, bytes_per_s } => {
                Valve::handle_pace(link, bytes_per_s, step.out);
            }
            TransferInput::Offer { from, device, offer } => {
                let known = store.transfer(offer.transfer)?.is_some();
                let id = offer.transfer;
                self.handle_offer(known, (from, device), &offer, &mut step);
                if let Some(transfer) = self.receiving.get(&id).filter(|_| !known) {
                    let record = transfer.ledger.record.clone();
                    self.join(store, &record)?;
                }
            }
            TransferInput::OfferEnd { from, device, end } => {
                if end.reason == EndReason::Again {
                    let ids = (end.transfer, TransferId::new(entropy.array()));
                    self.handle_again(store, (&from, device), ids, &mut step)?;
                } else {
                    Self::handle_declined(store, (&from, device), &end, &mut step)?;
                    self.handle_end(&from, device, &end, &mut step);
                }
            }
            TransferInput::LinkUp { link, address, device, path } => {
                let with = address.clone();
                self.handle_link_up(link, Link { address, device, path }, now);
                self.link_up_to_member(store, (link, &with), &mut step)?;
            }
            TransferInput::PathChanged { link, path } => self.handle_path(link, path),
            TransferInput::LinkDown { link } => {
                self.links.remove(&link);
                self.link_down_to_member(link, &mut step);
                self.valve.handle_link_down(link, step.out);
                self.sending.values_mut().for_each(|transfer| transfer.handle_link_down(link, now));
                self.receiving.values_mut().for_each(|transfer| transfer.handle_link_down(link, now));
            }
            TransferInput::Frame { link, frame } => self.handle_frame(link, frame, &mut step),
            TransferInput::Swarm { link, frame } => self.handle_swarm(link, frame, &mut step),
            TransferInput::Available(address) => {
                let of_contact = |transfer: &&mut Receiving| transfer.ledger.record.peer == address;
                self.receiving.values_mut().filter(of_contact).for_each(|transfer| transfer.hurry(now));
            }
            TransferInput::ContactRemoved(address) => self.handle_removed(&address, &mut step),
            TransferInput::Report(report) => self.handle_report(store, report, &mut step)?,
            TransferInput::Tick => {}
        }
        self.offer_changed(entropy, &mut step);
        self.proceed(&mut step);
        let receipts = self.receipts(now);
        self.valve.apply(&receipts, now, step.out);
        self.settle(store, &mut step)?;
        Ok(out)
    }

    fn handle_link_up(&mut self, id: LinkId, link: Link, now: Now) {
        for transfer in self.receiving.values_mut() {
            let record = &transfer.ledger.record;
            if record.peer == link.address && record.device == Some(link.device) {
                transfer.hurry(now);
            }
        }
        self.links.insert(id, link);
    }

    fn handle_path(&mut self, id: LinkId, path: PathKind) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.path = path;
        let on_link = |link: Option<LinkId>| link == Some(id);
        let sending = self.sending.values_mut().filter(|transfer| on_link(transfer.link()));
        sending.for_each(|transfer| transfer.ledger.show_again());
        let receiving = self.receiving.values_mut().filter(|transfer| on_link(transfer.link()));
        receiving.for_each(|transfer| transfer.ledger.show_again());
    }

    /// When to call [`Transfers::handle`] with [`TransferInput::Tick`], on [`Now::monotonic`].
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let shown = self.sending.values().map(|transfer| transfer.ledger.show_at());
        let shown = shown.chain(self.receiving.values().map(|transfer| transfer.ledger.show_at()));
        let due = self.receiving.values().map(Receiving::deadline).chain([self.valve.deadline()]);
        let due = due.chain(self.sending.values().map(Sending::deadline));
        let due = due.chain(self.members.values().map(Member::deadline));
        shown.chain(due).flatten().min()
    }

    /// Links over which something is received now.
    fn receipts(&mut self, now: Now) -> Vec<Receipt> {
        let mut receipts: BTreeMap<LinkId, Receipt> = BTreeMap::new();
        for transfer in self.receiving.values_mut().filter(|transfer| transfer.is_running()) {
            let Some(link) = transfer.link() else { continue };
            let (rate, peer) = (transfer.ledger.rate(now), transfer.ledger.record.peer.clone());
            let receipt = receipts.entry(link).or_insert(Receipt { link, peer, weight: 0, rate: 0 });
            receipt.weight += u64::from(transfer.ledger.record.wishes.priority.weight());
            receipt.rate += rate;
        }
        for other in self.member_receipts(now) {
            match receipts.get_mut(&other.link) {
                Some(receipt) => {
                    receipt.weight += other.weight;
                    receipt.rate += other.rate;
                }
                None => drop(receipts.insert(other.link, other)),
            }
        }
        receipts.into_values().collect()
    }

    /// Whether a transfer runs over this link.
    #[must_use]
    pub fn uses_link(&self, link: LinkId) -> bool {
        self.sending.values().any(|transfer| transfer.link() == Some(link))
            || self.receiving.values().any(|transfer| transfer.uses(link))
            || self.members.values().any(|member| member.uses(link))
    }

    pub(super) fn path(&self, link: Option<LinkId>) -> Option<PathKind> {
        self.links.get(&link?).map(|link| link.path)
    }

    /// A link to the device that the transfer's other side is on.
    pub(super) fn link_to(links: &BTreeMap<LinkId, Link>, record: &TransferRecord) -> Option<LinkId> {
        let fits = |link: &Link| link.address == record.peer && Some(link.device) == record.device;
        links.iter().rev().find(|(_, link)| fits(link)).map(|(id, _)| *id)
    }

    pub(super) fn open_with(&self, address: &Address, direction: TransferDirection) -> usize {
        let is_with = |peer: &Address| peer == address;
        match direction {
            TransferDirection::Out => {
                let scans = self.scans.values().filter(|scan| scan.to.contains(address)).count();
                scans + self.sending.values().filter(|transfer| is_with(&transfer.ledger.record.peer)).count()
            }
            TransferDirection::In => {
                self.receiving.values().filter(|transfer| is_with(&transfer.ledger.record.peer)).count()
            }
        }
    }

    fn handle_offer(
        &mut self,
        known: bool,
        (from, device): (Address, DeviceId),
        offer: &Offer,
        step: &mut Step<'_>,
    ) {
        let id = offer.transfer;
        if known || self.sending.contains_key(&id) || self.receiving.contains_key(&id) {
            return;
        }
        let refusal = if offer.entries > TRANSFER_ENTRIES_MAX || offer.bytes > TRANSFER_BYTES_MAX {
            Some("the offer is larger than this app takes; offer it in parts")
        } else if self.open_with(&from, TransferDirection::In) >= OPEN_PER_CONTACT_MAX {
            Some("too many offers wait for a decision already; offer it again later")
        } else {
            None
        };
        if let Some(text) = refusal {
            let end = OfferEnd { transfer: id, reason: EndReason::Failed, text: Text::truncated(text) };
            step.out.push(TransferEffect::Letter {
                to: from,
                device: Some(device),
                body: LetterBody::OfferEnd(end),
            });
            return;
        }
        let wishes = Wishes { place: self.last_place(), ..Wishes::default() };
        let mut receiving = Receiving::offered(offered((from, device), offer, wishes, step.now));
        let usual = match self.settings.auto_accept {
            AutoAccept::Contacts => Verdict::Accept,
            AutoAccept::Nobody => Verdict::Ask,
        };
        let verdict = self.settings.rules.verdict(&receiving.ledger.record.peer, offer).unwrap_or(usual);
        if verdict != Verdict::Ask {
            // Programs see the offer first, as one that they could have decided on.
            step.out.push(TransferEffect::Event(Event::Transfer(receiving.ledger.view(None, step.now))));
        }
        match verdict {
            Verdict::Accept => {
                let folder = self.settings.folder.clone();
                receiving.accept(Terms { folder, ..Terms::default() }, step.now);
            }
            Verdict::Quarantine => {
                let folder = self.settings.quarantine.clone();
                receiving.accept(Terms { folder, quarantined: true, ..Terms::default() }, step.now);
            }
            Verdict::Ask => {}
            Verdict::Reject => drop(receiving.stop(EndReason::Rejected, "", step)),
        }
        self.receiving.insert(id, receiving);
    }

    fn handle_end(&mut self, from: &Address, device: DeviceId, end: &OfferEnd, step: &mut Step<'_>) {
        if let Some(transfer) = self.sending.get_mut(&end.transfer)
            && transfer.ledger.record.peer == *from
        {
            transfer.handle_end(device, end, step);
        }
        if let Some(transfer) = self.receiving.get_mut(&end.transfer)
            && transfer.ledger.record.peer == *from
            && transfer.ledger.record.device == Some(device)
        {
            transfer.handle_end(end, step);
        }
    }

    fn handle_removed(&mut self, address: &Address, step: &mut Step<'_>) {
        let (state, text) = (TransferState::Cancelled, "you are no contacts any more");
        for transfer in self.sending.values_mut().filter(|it| it.ledger.record.peer == *address) {
            transfer.end(state, Some(text.to_owned()), step);
        }
        for transfer in self.receiving.values_mut().filter(|it| it.ledger.record.peer == *address) {
            transfer.end(state, Some(text.to_owned()), step);
        }
    }

    fn handle_frame(&mut self, link: LinkId, frame: TransferFrame, step: &mut Step<'_>) {
        let Some(Link { address, device, .. }) = self.links.get(&link) else { return };
        let device = *device;
        let transfer = frame.transfer();
        let sending = self.sending.get_mut(&transfer).filter(|it| it.ledger.record.peer == *address);
        let receiving = self.receiving.get_mut(&transfer);
        let receiving = receiving
            .filter(|it| it.ledger.record.peer == *address && it.ledger.record.device == Some(device));
        let gone = TransferEffect::SendFrame { link, frame: TransferFrame::Gone { transfer } };
        match frame {
            TransferFrame::Accept { manifest, compare, want, .. } => match sending {
                Some(sending) => {
                    let asked = Asked { link, device, manifest, compare, want: want.into_vec() };
                    sending.handle_accept(&asked, step);
                    if sending.gives_all_to(device) {
                        self.sharing.asked(transfer, &asked);
                    }
                }
                None => step.out.push(gone),
            },
            TransferFrame::Pace { bytes_per_s, .. } => {
                if let Some(sending) = sending {
                    sending.handle_pace(link, bytes_per_s, step.out);
                } else if let Some(receiving) = receiving {
                    receiving.handle_pace(link, bytes_per_s);
                }
            }
            TransferFrame::Progress { bytes, .. } => {
                if let Some(sending) = sending {
                    sending.handle_progress(link, bytes);
                }
            }
            TransferFrame::Complete { digest, .. } => match sending.filter(|it| it.is_for(device)) {
                Some(sending) => sending.handle_complete(link, digest, step),
                None => step.out.push(gone),
            },
            TransferFrame::Hold { hold, .. } => {
                if let Some(sending) = sending {
                    sending.handle_hold(link, hold, step);
                } else if let Some(receiving) = receiving {
                    receiving.handle_hold(link, hold, step);
                }
            }
            TransferFrame::Wait { text, .. } => {
                if let Some(sending) = sending {
                    sending.handle_wait(link, text.as_str(), step);
                } else if let Some(receiving) = receiving {
                    receiving.handle_wait(link, text.as_str(), step.now);
                }
            }
            TransferFrame::Choose { choice, .. } => {
                if let Some(sending) = sending {
                    sending.handle_choose(device, choice);
                }
            }
            TransferFrame::Helped { .. } | TransferFrame::Got { .. } | TransferFrame::AskHashes { .. } => {
                if sending.is_some_and(|it| it.ledger.record.device.is_none_or(|its| its == device)) {
                    self.handle_of_others(link, frame, step);
                }
            }
            TransferFrame::Hashes { ranges, hashes, .. } => {
                if receiving.is_some() {
                    self.handle_hashes(transfer, &ranges, &hashes, step.now);
                }
            }
            TransferFrame::Gone { .. } => {
                if let Some(receiving) = receiving {
                    receiving.handle_gone(step);
                }
            }
        }
    }

    /// Lets transfers do what is due, as many of them as may run.
    fn proceed(&mut self, step: &mut Step<'_>) {
        let at_once = self.settings.limits.at_once;
        let could = self.sending.values().filter(|transfer| transfer.wants_turn());
        let may = may_run(could.map(|transfer| transfer.ledger.rank()), at_once);
        for (id, transfer) in &mut self.sending {
            transfer.set_queued(!may.contains(id), step);
            let link = Self::link_to(&self.links, &transfer.ledger.record);
            transfer.proceed(link, step);
        }
        let used: BTreeSet<LinkId> = self.sending.values().filter_map(Sending::link).collect();
        for link in used {
            self.grants.fill(&mut self.sending, &self.sharing, link, step.out);
        }
        // Before the sender is asked it is told who helps.
        self.proceed_members(step);

        let link = |transfer: &Receiving| Self::link_to(&self.links, &transfer.ledger.record);
        let could = self.receiving.values().filter(|it| it.wants_turn(link(it).is_some(), step.now));
        let may = may_run(could.map(|transfer| transfer.ledger.rank()), at_once);
        for (id, transfer) in &mut self.receiving {
            let link = Self::link_to(&self.links, &transfer.ledger.record);
            transfer.proceed(link, may.contains(id), step);
        }
    }

    /// The place after all others.
    pub(super) fn last_place(&self) -> u64 {
        let sending = self.sending.values().map(|transfer| &transfer.ledger);
        let all = sending.chain(self.receiving.values().map(|transfer| &transfer.ledger));
        all.map(|ledger| ledger.record.wishes.place + 1).max().unwrap_or(0)
    }

    /// Saves and shows what changed, and forgets what is over.
    fn settle<S: TransferStore>(&mut self, store: &mut S, step: &mut Step<'_>) -> Result<(), S::Error> {
        let mut over = Vec::new();
        let path = |link: Option<LinkId>| self.links.get(&link?).map(|link| link.path);
        for transfer in self.sending.values_mut() {
            let path = path(transfer.link());
            let shown = show(&mut transfer.ledger, path, store, step)?;
            if shown && transfer.ledger.record.state.is_final() {
                over.push(transfer.ledger.record.id);
            }
        }
        for transfer in self.receiving.values_mut() {
            let link = transfer.link();
            let shown = show(&mut transfer.ledger, path(link), store, step)?;
            let record = &transfer.ledger.record;
            if shown && let Some(link) = link {
                let frame = TransferFrame::Progress { transfer: record.id, bytes: record.done };
                step.out.push(TransferEffect::SendFrame { link, frame });
            }
            if shown && transfer.is_over() {
                over.push(record.id);
            }
        }
        for id in &over {
            if let Some(sending) = self.sending.remove(id) {
                self.sharing.over(*id, sending.ledger.record.state == TransferState::Done);
            }
            self.receiving.remove(id);
        }
        if !over.is_empty() {
            store.forget_past_transfers(PAST_MAX)?;
        }
        Ok(())
    }
}

/// Saves a transfer when it has changed, and shows it when that is due; whether it was shown.
fn show<S: TransferStore>(
    ledger: &mut Ledger,
    path: Option<PathKind>,
    store: &mut S,
    step: &mut Step<'_>,
) -> Result<bool, S::Error> {
    let Some(due) = ledger.take_due(step.now) else { return Ok(false) };
    if due == Due::Change {
        store.save_transfer(&ledger.record)?;
    }
    step.out.push(TransferEffect::Event(Event::Transfer(ledger.view(path, step.now))));
    Ok(true)
}

/// What is kept of an offer that came.
fn offered((from, device): (Address, DeviceId), offer: &Offer, wishes: Wishes, now: Now) -> TransferRecord {
    TransferRecord {
        id: offer.transfer,
        peer: from,
        device: Some(device),
        direction: TransferDirection::In,
        name: offer.name.as_str().to_owned(),
        entries: offer.entries,
        bytes: offer.bytes,
        ranges: 0,
        manifest: offer.manifest,
        sealed: offer.sealed,
        text: offer.text.as_str().to_owned(),
        limit: 0,
        folder: None,
        state: TransferState::Offered,
        done: 0,
        digest: None,
        error: None,
        untold: false,
        update: false,
        part: None,
        quarantined: false,
        again: 0,
        offered_unix_ms: now.unix_ms,
        ended_unix_ms: 0,
        wishes,
        paths: Vec::new(),
        links: false,
        swarm: offer.swarm.clone(),
        sent: 0,
        sources: Vec::new(),
    }
}
