//! What users ask of transfers.

use std::collections::BTreeSet;
use std::path::PathBuf;

use hobnob_wire::choice::Choice;
use hobnob_wire::letter::EndReason;
use hobnob_wire::limits::{OFFER_TEXT_BYTES_MAX, SWARM_MEMBERS_MAX};
use hobnob_wire::swarm::{MemberMark, Swarm};
use hobnob_wire::{Address, List, TransferId};

use super::job::{Scanned, TransferJob};
use super::ledger;
use super::queue::Wishes;
use super::receiving::{Receiving, Terms};
use super::record::{TransferRecord, TransferStore};
use super::sending::Sending;
use super::swarm::found;
use super::transfers::{OPEN_PER_CONTACT_MAX, PAST_MAX, Transfers};
use super::{Step, TransferEffect};
use crate::core::command::{Command, CommandError, CommandId, ErrorKind, Reply};
use crate::core::time::{Entropy, Now};
use crate::core::view::{Priority, TransferDirection, TransferState, TransferView};

pub(super) type Answer = Result<Reply, CommandError>;

/// Paths in one offer: more are better offered as a folder.
const PATHS_MAX: usize = 1_000;

/// An offer whose files are being looked at. It is not kept over a restart: nobody has been told yet.
#[derive(Debug)]
pub(super) struct Scan {
    /// Who waits for an answer; nobody when it is offered again by itself.
    pub(super) command: Option<CommandId>,
    /// To whom; more than one make a swarm.
    pub(super) to: Vec<Address>,
    also: Vec<TransferId>,
    swarm: Option<(Swarm, Vec<MemberMark>)>,
    limit: u64,
    sealed: bool,
    links: bool,
    text: String,
    priority: Priority,
    paths: Vec<PathBuf>,
    again: u32,
}

impl Scan {
    /// What the user wants sent once more.
    pub(super) fn new(command: Option<CommandId>, record: &TransferRecord) -> Self {
        Self {
            again: 0,
            command,
            to: vec![record.peer.clone()],
            also: Vec::new(),
            swarm: None,
            limit: record.limit,
            sealed: record.sealed,
            links: record.links,
            text: record.text.clone(),
            priority: record.wishes.priority,
            paths: record.paths.clone(),
        }
    }

    /// What it offers.
    pub(super) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// What is there instead of what was offered.
    pub(super) fn changed(record: &TransferRecord) -> Self {
        Self { again: record.again + 1, ..Self::new(None, record) }
    }

    /// All transfers that come of it.
    pub(super) fn ids(&self, first: TransferId) -> impl Iterator<Item = TransferId> {
        std::iter::once(first).chain(self.also.iter().copied())
    }

    /// What each offer tells of the other recipients.
    pub(super) fn swarm(&self) -> Option<Swarm> {
        self.swarm.as_ref().map(|(swarm, _)| swarm.clone())
    }

    /// One transfer for each recipient.
    pub(super) fn records(
        &self,
        first: TransferId,
        scanned: &Scanned,
        (now, place): (Now, u64),
    ) -> Vec<TransferRecord> {
        let all = (0..).zip(self.ids(first).zip(&self.to));
        all.map(|(number, (id, to))| self.record((id, to), number, scanned, (now, place))).collect()
    }

    fn record(
        &self,
        (id, to): (TransferId, &Address),
        number: usize,
        scanned: &Scanned,
        (now, place): (Now, u64),
    ) -> TransferRecord {
        let mark = |(swarm, marks): &(Swarm, Vec<MemberMark>)| {
            let members = List::new(marks.get(number).copied().into_iter().collect()).unwrap_or_default();
            Swarm { id: swarm.id, members }
        };
        TransferRecord {
            id,
            peer: to.clone(),
            device: None,
            direction: TransferDirection::Out,
            name: scanned.name.clone(),
            entries: scanned.entries,
            bytes: scanned.bytes,
            ranges: scanned.ranges,
            manifest: scanned.manifest,
            sealed: self.sealed,
            text: self.text.clone(),
            limit: self.limit,
            folder: None,
            state: TransferState::Offered,
            done: 0,
            digest: None,
            error: None,
            untold: false,
            update: false,
            part: None,
            quarantined: false,
            again: self.again,
            offered_unix_ms: now.unix_ms,
            ended_unix_ms: 0,
            wishes: Wishes { priority: self.priority, place: place + number as u64, paused: false },
            paths: self.paths.clone(),
            links: self.links,
            swarm: self.swarm.as_ref().map(mark),
            sent: 0,
            sources: Vec::new(),
        }
    }
}

impl Transfers {
    /// Answers a command at once, but for [`Command::FileSend`], which waits for the scan.
    pub(super) fn handle_command<S: TransferStore>(
        &mut self,
        store: &mut S,
        (id, command): (CommandId, Command),
        entropy: &mut impl Entropy,
        step: &mut Step<'_>,
    ) -> Result<(), S::Error> {
        let fresh = TransferId::new(entropy.array());
        let result = match command {
            send @ Command::FileSend { .. } => return self.offer(store, (id, send), (fresh, entropy), step),
            Command::FileRetry { id: of } => {
                let Err(error) = self.retry(store, (id, of), fresh, step)? else { return Ok(()) };
                Err(error)
            }
            Command::Files => Ok(Reply::Transfers(self.list(store, step.now)?)),
            Command::File { id } => match self.view(store, id, step.now)? {
                Some(view) => Ok(Reply::Transfers(vec![view])),
                None => Err(unknown(id)),
            },
            Command::FileAccept { id, to, update, choice } => {
                let state = self.state(store, id)?;
                self.accept(id, state, (to, update, choice), step.now)
            }
            Command::FileReject { id, text } => {
                let state = self.state(store, id)?;
                self.reject(id, state, &text, step)
            }
            Command::FileCancel { id, text } => {
                let state = self.state(store, id)?;
                self.cancel(id, state, &text, step)
            }
            Command::FileLimit { id, limit } => {
                let state = self.state(store, id)?;
                self.limit(id, state, limit, step.out)
            }
            Command::FilePause { id } => self.pause(id, self.state(store, id)?, step),
            Command::FileResume { id } => self.resume(id, self.state(store, id)?, step),
            Command::FileMove { id, to } => self.move_to(id, self.state(store, id)?, to),
            Command::FilePriority { id, priority } => {
                let state = self.state(store, id)?;
                self.set_priority(id, state, priority, step.out)
            }
            Command::Status
            | Command::Contacts
            | Command::ContactAdd { .. }
            | Command::ContactAccept { .. }
            | Command::ContactReject { .. }
            | Command::ContactRemove { .. }
            | Command::ContactPaths { .. }
            | Command::Path { .. }
            | Command::Presence { .. }
            | Command::Send { .. }
            | Command::Chat(_)
            | Command::History(_)
            | Command::Letter { .. }
            | Command::MarkRead { .. }
            | Command::Typing { .. }
            | Command::Devices(_)
            | Command::Trust(_)
            | Command::Config
            | Command::ConfigSet { .. } => {
                Err(CommandError::new(ErrorKind::Usage, "this command is not about files"))
            }
        };
        step.out.push(TransferEffect::Reply { id, result });
        Ok(())
    }

    /// Looks at what is to be offered, and to whom; the command is answered when that is known.
    fn offer<S: TransferStore>(
        &mut self,
        store: &mut S,
        (id, command): (CommandId, Command),
        (fresh, entropy): (TransferId, &mut impl Entropy),
        step: &mut Step<'_>,
    ) -> Result<(), S::Error> {
        let Command::FileSend { mut to, paths, limit, sealed, links, text, priority } = command else {
            return Ok(());
        };
        let mut once = BTreeSet::new();
        to.retain(|address| once.insert(address.clone()));
        to.truncate(SWARM_MEMBERS_MAX + 1);
        let also = to.iter().skip(1).map(|_| TransferId::new(entropy.array())).collect();
        let swarm = if to.len() > 1 { Some(found(store, &to, entropy)?) } else { None };
        let scan = Scan {
            command: Some(id),
            to,
            also,
            swarm,
            limit,
            sealed,
            links,
            text,
            priority,
            paths: paths.clone(),
            again: 0,
        };
        if let Err(error) = self.send(scan, paths, fresh, step.out) {
            step.out.push(TransferEffect::Reply { id, result: Err(error) });
        }
        Ok(())
    }

    pub(super) fn send(
        &mut self,
        scan: Scan,
        paths: Vec<PathBuf>,
        transfer: TransferId,
        out: &mut Vec<TransferEffect>,
    ) -> Result<(), CommandError> {
        let usage = |text: String| Err(CommandError::new(ErrorKind::Usage, text));
        if scan.to.is_empty() || scan.to.len() > SWARM_MEMBERS_MAX {
            return usage(format!("one offer goes to 1 to {SWARM_MEMBERS_MAX} people"));
        }
        if paths.is_empty() {
            return usage("name at least one file or folder to send".to_owned());
        }
        if paths.len() > PATHS_MAX {
            return usage(format!(
                "one offer names at most {PATHS_MAX} paths; put them in a folder and send that"
            ));
        }
        if let Some(path) = paths.iter().find(|path| !path.is_absolute()) {
            return usage(format!("{} is not an absolute path", path.display()));
        }
        if scan.text.len() > OFFER_TEXT_BYTES_MAX {
            return usage(format!("the text of an offer has at most {OFFER_TEXT_BYTES_MAX} bytes"));
        }
        let is_full = |to: &&Address| self.open_with(to, TransferDirection::Out) >= OPEN_PER_CONTACT_MAX;
        if let Some(to) = scan.to.iter().find(is_full) {
            let text = format!("{OPEN_PER_CONTACT_MAX} transfers to {to} are open; cancel some first");
            return Err(CommandError::new(ErrorKind::Conflict, text));
        }
        let (links, also) = (scan.links, scan.also.clone());
        self.scans.insert(transfer, scan);
        out.push(TransferEffect::Job(TransferJob::Scan { transfer, paths, links, also }));
        Ok(())
    }

    /// All transfers, oldest offer first.
    fn list<S: TransferStore>(&mut self, store: &mut S, now: Now) -> Result<Vec<TransferView>, S::Error> {
        let past = store.past_transfers(PAST_MAX)?;
        let mut views: Vec<((u64, TransferId), TransferView)> =
            past.iter().map(|record| (place(record), ledger::view(record))).collect();
        for id in self.open_ids() {
            views.extend(self.open_view(id, now));
        }
        views.sort_by_key(|(place, _)| *place);
        Ok(views.into_iter().map(|(_, view)| view).collect())
    }

    fn view<S: TransferStore>(
        &mut self,
        store: &mut S,
        id: TransferId,
        now: Now,
    ) -> Result<Option<TransferView>, S::Error> {
        if let Some((_, view)) = self.open_view(id, now) {
            return Ok(Some(view));
        }
        Ok(store.transfer(id)?.as_ref().map(ledger::view))
    }

    /// Transfers that are not over, or whose end the other side may not know: what the disk keeps for others is of no use.
    #[must_use]
    pub fn open_ids(&self) -> BTreeSet<TransferId> {
        self.sending.keys().chain(self.receiving.keys()).copied().collect()
    }

    fn open_view(&mut self, id: TransferId, now: Now) -> Option<((u64, TransferId), TransferView)> {
        let link = self.sending.get(&id).map(Sending::link);
        let link = link.or_else(|| self.receiving.get(&id).map(Receiving::link))?;
        let path = self.path(link);
        let ledger = match self.sending.get_mut(&id) {
            Some(transfer) => &mut transfer.ledger,
            None => &mut self.receiving.get_mut(&id)?.ledger,
        };
        Some((place(&ledger.record), ledger.view(path, now)))
    }

    /// Where a transfer stands; `None` when there is none.
    fn state<S: TransferStore>(
        &self,
        store: &mut S,
        id: TransferId,
    ) -> Result<Option<TransferState>, S::Error> {
        let open = self.sending.get(&id).map(|transfer| transfer.ledger.record.state);
        let open = open.or_else(|| self.receiving.get(&id).map(|transfer| transfer.ledger.record.state));
        match open {
            Some(state) => Ok(Some(state)),
            None => Ok(store.transfer(id)?.map(|record| record.state)),
        }
    }

    fn accept(
        &mut self,
        id: TransferId,
        state: Option<TransferState>,
        (to, update, choice): (Option<PathBuf>, bool, Choice),
        now: Now,
    ) -> Answer {
        let Some(transfer) = self.receiving.get_mut(&id) else {
            return Err(self.too_late(id, state, "only its receiver can accept it"));
        };
        if state != Some(TransferState::Offered) {
            return Err(stands(state));
        }
        let folder = to.unwrap_or_else(|| self.settings.folder.clone());
        if !folder.is_absolute() {
            let text = format!("{} is not an absolute path", folder.display());
            return Err(CommandError::new(ErrorKind::Usage, text));
        }
        let choice = (!choice.is_everything()).then_some(choice);
        transfer.accept(Terms { folder, update, choice, quarantined: false }, now);
        Ok(Reply::Done)
    }

    fn reject(
        &mut self,
        id: TransferId,
        state: Option<TransferState>,
        text: &str,
        step: &mut Step<'_>,
    ) -> Answer {
        let Some(transfer) = self.receiving.get_mut(&id) else {
            return Err(self.too_late(id, state, "only its receiver can reject it; cancel it instead"));
        };
        if state != Some(TransferState::Offered) {
            return Err(stands(state));
        }
        transfer.stop(EndReason::Rejected, text, step);
        Ok(Reply::Done)
    }

    fn cancel(
        &mut self,
        id: TransferId,
        state: Option<TransferState>,
        text: &str,
        step: &mut Step<'_>,
    ) -> Answer {
        if let Some(transfer) = self.sending.get_mut(&id) {
            transfer.cancel(text, step);
            return Ok(Reply::Done);
        }
        let Some(transfer) = self.receiving.get_mut(&id) else {
            return Err(self.too_late(id, state, ""));
        };
        if transfer.stop(EndReason::Cancelled, text, step) { Ok(Reply::Done) } else { Err(stands(state)) }
    }

    fn limit(
        &mut self,
        id: TransferId,
        state: Option<TransferState>,
        bytes_per_s: u64,
        out: &mut Vec<TransferEffect>,
    ) -> Answer {
        if state.is_some_and(TransferState::is_final) {
            return Err(stands(state));
        }
        if let Some(transfer) = self.sending.get_mut(&id) {
            transfer.set_limit(bytes_per_s, out);
        } else if let Some(transfer) = self.receiving.get_mut(&id) {
            transfer.set_limit(bytes_per_s, out);
        } else {
            return Err(unknown(id));
        }
        Ok(Reply::Done)
    }

    /// Why a transfer that is not one of ours to decide cannot be decided on.
    fn too_late(&self, id: TransferId, state: Option<TransferState>, not_ours: &str) -> CommandError {
        if self.sending.contains_key(&id) {
            return CommandError::new(ErrorKind::Conflict, format!("this device offers it; {not_ours}"));
        }
        if state.is_some() { stands(state) } else { unknown(id) }
    }
}

/// Order in lists.
fn place(record: &TransferRecord) -> (u64, TransferId) {
    (record.offered_unix_ms, record.id)
}

pub(super) fn unknown(id: TransferId) -> CommandError {
    CommandError::new(ErrorKind::NotFound, format!("there is no transfer {id}"))
}

pub(super) fn stands(state: Option<TransferState>) -> CommandError {
    let text = match state {
        Some(TransferState::Offered) | None => "it has only been offered",
        Some(
            TransferState::Queued | TransferState::Running | TransferState::Paused | TransferState::Waiting,
        ) => "it has been accepted already",
        Some(TransferState::Verifying) => "everything is here already and is being put in place",
        Some(TransferState::Done) => "it is done already",
        Some(TransferState::Failed) => "it has failed already",
        Some(TransferState::Cancelled) => "it has been cancelled already",
        Some(TransferState::Rejected) => "it has been rejected already",
    };
    CommandError::new(ErrorKind::Conflict, text)
}
