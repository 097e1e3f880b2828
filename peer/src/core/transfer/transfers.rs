//! All transfers that are not over: routes inputs to them, saves and shows what changed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hobnob_wire::letter::{EndReason, LetterBody, Offer, OfferEnd};
use hobnob_wire::limits::{TRANSFER_BYTES_MAX, TRANSFER_ENTRIES_MAX};
use hobnob_wire::transfer::TransferFrame;
use hobnob_wire::{Address, DeviceId, Text, TransferId};

use super::commands::Scan;
use super::grants::Grants;
use super::job::{Scanned, TransferJob, TransferReport};
use super::ledger::{Due, Ledger};
use super::receiving::Receiving;
use super::record::{TransferRecord, TransferStore};
use super::sending::{Asked, Sending};
use super::{AutoAccept, TransferEffect, TransferInput};
use crate::core::command::{CommandError, ErrorKind, Reply};
use crate::core::event::Event;
use crate::core::input::{LinkId, PathKind};
use crate::core::time::{Entropy, Now};
use crate::core::view::{TransferDirection, TransferState};

/// Transfers with one contact that are not over, each way. More offers are refused.
pub(super) const OPEN_PER_CONTACT_MAX: usize = 1_000;
/// Transfers that are over and still listed.
pub(super) const PAST_MAX: u32 = 1_000;

/// A link that is up.
#[derive(Debug)]
struct Link {
    address: Address,
    device: DeviceId,
    path: PathKind,
}

/// All transfers.
#[derive(Debug, Default)]
pub struct Transfers {
    pub(super) auto_accept: AutoAccept,
    pub(super) folder: PathBuf,
    links: BTreeMap<LinkId, Link>,
    pub(super) scans: BTreeMap<TransferId, Scan>,
    pub(super) sending: BTreeMap<TransferId, Sending>,
    pub(super) receiving: BTreeMap<TransferId, Receiving>,
    grants: Grants,
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
                TransferDirection::Out => drop(this.sending.insert(id, Sending::reopen(record))),
                TransferDirection::In => drop(this.receiving.insert(id, Receiving::reopen(record))),
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
        match input {
            TransferInput::Command { id, command } => {
                let fresh = TransferId::new(entropy.array());
                self.handle_command(store, (id, command), fresh, now, &mut out)?;
            }
            TransferInput::Settings { auto_accept, folder } => {
                self.auto_accept = auto_accept;
                self.folder = folder;
            }
            TransferInput::Offer { from, device, offer } => {
                let known = store.transfer(offer.transfer)?.is_some();
                self.handle_offer(known, (from, device), offer, now, &mut out);
            }
            TransferInput::OfferEnd { from, device, end } => {
                self.handle_end(&from, device, &end, now, &mut out)
            }
            TransferInput::LinkUp { link, address, device, path } => {
                for transfer in self.receiving.values_mut() {
                    if transfer.ledger.record.peer == address && transfer.ledger.record.device == Some(device)
                    {
                        transfer.hurry(now);
                    }
                }
                self.links.insert(link, Link { address, device, path });
            }
            TransferInput::LinkDown { link } => {
                self.links.remove(&link);
                self.sending.values_mut().for_each(|transfer| transfer.handle_link_down(link, now));
                self.receiving.values_mut().for_each(|transfer| transfer.handle_link_down(link, now));
            }
            TransferInput::Frame { link, frame } => self.handle_frame(link, frame, now, &mut out),
            TransferInput::Available(address) => {
                let of_contact = |transfer: &&mut Receiving| transfer.ledger.record.peer == address;
                self.receiving.values_mut().filter(of_contact).for_each(|transfer| transfer.hurry(now));
            }
            TransferInput::ContactRemoved(address) => self.handle_removed(&address, now, &mut out),
            TransferInput::Report(report) => self.handle_report(report, now, &mut out),
            TransferInput::Tick => {}
        }
        self.proceed(now, &mut out);
        self.settle(store, now, &mut out)?;
        Ok(out)
    }

    /// When to call [`Transfers::handle`] with [`TransferInput::Tick`], on [`Now::monotonic`].
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let shown = self.sending.values().map(|transfer| transfer.ledger.show_at());
        let shown = shown.chain(self.receiving.values().map(|transfer| transfer.ledger.show_at()));
        shown.chain(self.receiving.values().map(Receiving::deadline)).flatten().min()
    }

    /// Whether a transfer runs over this link.
    #[must_use]
    pub fn uses_link(&self, link: LinkId) -> bool {
        self.sending.values().any(|transfer| transfer.link() == Some(link))
            || self.receiving.values().any(|transfer| transfer.link() == Some(link))
    }

    pub(super) fn path(&self, link: Option<LinkId>) -> Option<PathKind> {
        self.links.get(&link?).map(|link| link.path)
    }

    /// A link to the device that the transfer's other side is on.
    fn link_to(links: &BTreeMap<LinkId, Link>, record: &TransferRecord) -> Option<LinkId> {
        let fits = |link: &Link| link.address == record.peer && Some(link.device) == record.device;
        links.iter().rev().find(|(_, link)| fits(link)).map(|(id, _)| *id)
    }

    pub(super) fn open_with(&self, address: &Address, direction: TransferDirection) -> usize {
        let is_with = |peer: &Address| peer == address;
        match direction {
            TransferDirection::Out => {
                let scans = self.scans.values().filter(|scan| is_with(&scan.to)).count();
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
        offer: Offer,
        now: Now,
        out: &mut Vec<TransferEffect>,
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
            out.push(TransferEffect::Letter {
                to: from,
                device: Some(device),
                body: LetterBody::OfferEnd(end),
            });
            return;
        }
        let mut receiving = Receiving::offered(TransferRecord {
            id,
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
            offered_unix_ms: now.unix_ms,
        });
        if self.auto_accept == AutoAccept::Contacts {
            // Programs see the offer first, as one that they could have decided on.
            out.push(TransferEffect::Event(Event::Transfer(receiving.ledger.view(None, now))));
            receiving.accept(self.folder.clone(), now);
        }
        self.receiving.insert(id, receiving);
    }

    fn handle_end(
        &mut self,
        from: &Address,
        device: DeviceId,
        end: &OfferEnd,
        now: Now,
        out: &mut Vec<TransferEffect>,
    ) {
        if let Some(transfer) = self.sending.get_mut(&end.transfer)
            && transfer.ledger.record.peer == *from
        {
            transfer.handle_end(device, end, now, out);
        }
        if let Some(transfer) = self.receiving.get_mut(&end.transfer)
            && transfer.ledger.record.peer == *from
            && transfer.ledger.record.device == Some(device)
        {
            transfer.handle_end(end, now, out);
        }
    }

    fn handle_removed(&mut self, address: &Address, now: Now, out: &mut Vec<TransferEffect>) {
        let (state, text) = (TransferState::Cancelled, "you are no contacts any more");
        for transfer in self.sending.values_mut().filter(|it| it.ledger.record.peer == *address) {
            transfer.end(state, Some(text.to_owned()), now, out);
        }
        for transfer in self.receiving.values_mut().filter(|it| it.ledger.record.peer == *address) {
            transfer.end(state, Some(text.to_owned()), now, out);
        }
    }

    fn handle_frame(&mut self, link: LinkId, frame: TransferFrame, now: Now, out: &mut Vec<TransferEffect>) {
        let Some(Link { address, device, .. }) = self.links.get(&link) else { return };
        let device = *device;
        let transfer = frame.transfer();
        let sending = self.sending.get_mut(&transfer).filter(|it| it.ledger.record.peer == *address);
        let receiving = self.receiving.get_mut(&transfer);
        let receiving = receiving
            .filter(|it| it.ledger.record.peer == *address && it.ledger.record.device == Some(device));
        let gone = TransferEffect::SendFrame { link, frame: TransferFrame::Gone { transfer } };
        match frame {
            TransferFrame::Accept { manifest, want, .. } => match sending {
                Some(sending) => {
                    let asked = Asked { link, device, manifest, want: want.into_vec() };
                    sending.handle_accept(&asked, now, out);
                }
                None => out.push(gone),
            },
            TransferFrame::Pace { bytes_per_s, .. } => {
                if let Some(sending) = sending {
                    sending.handle_pace(link, bytes_per_s, out);
                } else if let Some(receiving) = receiving {
                    receiving.handle_pace(link, bytes_per_s);
                }
            }
            TransferFrame::Progress { bytes, .. } => {
                if let Some(sending) = sending {
                    sending.handle_progress(link, bytes);
                }
            }
            TransferFrame::Complete { digest, .. } => {
                match sending.filter(|it| it.ledger.record.device == Some(device)) {
                    Some(sending) => sending.handle_complete(link, digest, now, out),
                    None => out.push(gone),
                }
            }
            TransferFrame::Gone { .. } => {
                if let Some(receiving) = receiving {
                    receiving.handle_gone(now, out);
                }
            }
        }
        self.grants.fill(&mut self.sending, link, out);
    }

    fn handle_report(&mut self, report: TransferReport, now: Now, out: &mut Vec<TransferEffect>) {
        let id = report.transfer();
        if let TransferReport::Scanned { result, .. } = report {
            self.handle_scanned(id, result, now, out);
            return;
        }
        if let Some(transfer) = self.sending.get_mut(&id) {
            match report {
                TransferReport::ManifestSent { link, result, .. } => {
                    transfer.handle_sent(link, None, result, now, out);
                }
                TransferReport::RangeSent { link, range, result, .. } => {
                    transfer.handle_sent(link, Some(range), result.map(drop), now, out);
                    self.grants.fill(&mut self.sending, link, out);
                }
                TransferReport::Digested { result, .. } => transfer.handle_digest(result, now, out),
                TransferReport::Moved { bytes, .. } => transfer.ledger.moved(bytes, now),
                TransferReport::Scanned { .. }
                | TransferReport::ManifestReceived { .. }
                | TransferReport::RangeReceived { .. }
                | TransferReport::Finished { .. } => {}
            }
        } else if let Some(transfer) = self.receiving.get_mut(&id) {
            match report {
                TransferReport::ManifestReceived { result, .. } => {
                    transfer.handle_manifest(result, now, out);
                }
                TransferReport::RangeReceived { range, result, .. } => {
                    transfer.handle_range(range, result, now, out);
                }
                TransferReport::Finished { result, .. } => transfer.handle_finished(result, now, out),
                TransferReport::Moved { bytes, .. } => transfer.handle_moved(bytes, now),
                TransferReport::Scanned { .. }
                | TransferReport::ManifestSent { .. }
                | TransferReport::RangeSent { .. }
                | TransferReport::Digested { .. } => {}
            }
        }
    }

    fn handle_scanned(
        &mut self,
        id: TransferId,
        result: Result<Scanned, String>,
        now: Now,
        out: &mut Vec<TransferEffect>,
    ) {
        let Some(scan) = self.scans.remove(&id) else { return };
        let command = scan.command;
        match result {
            Ok(scanned) => {
                let (mut sending, letter) = Sending::offer(scan.into_record(id, scanned, now));
                let view = sending.ledger.view(None, now);
                out.push(TransferEffect::Reply { id: command, result: Ok(Reply::Transfers(vec![view])) });
                out.push(letter);
                self.sending.insert(id, sending);
            }
            Err(text) => {
                let result = Err(CommandError::new(ErrorKind::Failure, text));
                out.push(TransferEffect::Reply { id: command, result });
                out.push(TransferEffect::Job(TransferJob::Stop { transfer: id, discard: true }));
            }
        }
    }

    /// Grants what a changed limit allows.
    pub(super) fn fill_link_of(&mut self, id: TransferId, out: &mut Vec<TransferEffect>) {
        if let Some(link) = self.sending.get(&id).and_then(Sending::link) {
            self.grants.fill(&mut self.sending, link, out);
        }
    }

    /// Lets receivers do what is due.
    fn proceed(&mut self, now: Now, out: &mut Vec<TransferEffect>) {
        for transfer in self.receiving.values_mut() {
            let link = Self::link_to(&self.links, &transfer.ledger.record);
            transfer.proceed(link, now, out);
        }
    }

    /// Saves and shows what changed, and forgets what is over.
    fn settle<S: TransferStore>(
        &mut self,
        store: &mut S,
        now: Now,
        out: &mut Vec<TransferEffect>,
    ) -> Result<(), S::Error> {
        let mut over = Vec::new();
        let path = |link: Option<LinkId>| self.links.get(&link?).map(|link| link.path);
        for transfer in self.sending.values_mut() {
            let path = path(transfer.link());
            let shown = show(&mut transfer.ledger, path, store, now, out)?;
            if shown && transfer.ledger.record.state.is_final() {
                over.push(transfer.ledger.record.id);
            }
        }
        for transfer in self.receiving.values_mut() {
            let link = transfer.link();
            let shown = show(&mut transfer.ledger, path(link), store, now, out)?;
            let record = &transfer.ledger.record;
            if shown && let Some(link) = link {
                let frame = TransferFrame::Progress { transfer: record.id, bytes: record.done };
                out.push(TransferEffect::SendFrame { link, frame });
            }
            if shown && transfer.is_over() {
                over.push(record.id);
            }
        }
        for id in &over {
            self.sending.remove(id);
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
    now: Now,
    out: &mut Vec<TransferEffect>,
) -> Result<bool, S::Error> {
    let Some(due) = ledger.take_due(now) else { return Ok(false) };
    if due == Due::Change {
        store.save_transfer(&ledger.record)?;
    }
    out.push(TransferEffect::Event(Event::Transfer(ledger.view(path, now))));
    Ok(true)
}
