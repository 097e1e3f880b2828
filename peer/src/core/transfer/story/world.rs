//! Two people's transfers, a network that loses links between them, and shells that only pretend.

mod shell;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use hobnob_nat::core::agent::PathKind;
use hobnob_wire::choice::Choice;
use hobnob_wire::keys::VerifyKey;
use hobnob_wire::letter::LetterBody;
use hobnob_wire::transfer::TransferFrame;
use hobnob_wire::{Address, DeviceId, TransferId};

use super::super::grants::LINK_IN_FLIGHT_MAX;
use super::super::job::{TransferJob, TransferReport};
use super::super::sending::TRANSFER_IN_FLIGHT_MAX;
use super::super::*;
use crate::core::command::CommandError;
use crate::core::store::Fallible;
use crate::core::time::{Entropy, Now};
use crate::core::view::{Priority, TransferState, TransferView};

pub(super) const MIB: u64 = 1 << 20;
pub(super) const DIGEST: [u8; 32] = [7; 32];

#[derive(Default)]
pub(super) struct Memory(BTreeMap<TransferId, TransferRecord>);

impl Fallible for Memory {
    type Error = std::convert::Infallible;
}

impl TransferStore for Memory {
    fn save_transfer(&mut self, record: &TransferRecord) -> Result<(), Self::Error> {
        self.0.insert(record.id, record.clone());
        Ok(())
    }
    fn transfer(&mut self, id: TransferId) -> Result<Option<TransferRecord>, Self::Error> {
        Ok(self.0.get(&id).cloned())
    }
    fn open_transfers(&mut self) -> Result<Vec<TransferRecord>, Self::Error> {
        let is_open = |record: &&TransferRecord| !record.state.is_final() || record.untold;
        Ok(self.0.values().filter(is_open).cloned().collect())
    }
    fn past_transfers(&mut self, _: u32) -> Result<Vec<TransferRecord>, Self::Error> {
        let is_past = |record: &&TransferRecord| record.state.is_final() && !record.untold;
        Ok(self.0.values().filter(is_past).cloned().collect())
    }
    fn forget_past_transfers(&mut self, _: u32) -> Result<(), Self::Error> {
        Ok(())
    }
    fn root(&mut self, _: &Address) -> Result<Option<VerifyKey>, Self::Error> {
        Ok(None)
    }
    fn acquaintances(&mut self) -> Result<Vec<(Address, VerifyKey)>, Self::Error> {
        Ok(Vec::new())
    }
}

pub(super) struct Counter(u8);

impl Entropy for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 += 1;
        bytes.fill(self.0);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Alice,
    Bob,
}

/// What a disk says that refuses.
pub(super) fn refusal() -> Failure {
    Failure {
        text: "could not write /in/a: the disk is full".into(),
        told: "could not write a: the disk is full".into(),
    }
}

impl Who {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Alice => Self::Bob,
            Self::Bob => Self::Alice,
        }
    }
    pub(super) fn address(self) -> Address {
        match self {
            Self::Alice => "alice@localhost".parse().unwrap(),
            Self::Bob => "bob@localhost".parse().unwrap(),
        }
    }
    pub(super) const fn device(self) -> DeviceId {
        DeviceId::new([self as u8; 16])
    }
}

/// One side: its transfers, and what its shell would know.
pub(super) struct Side {
    pub(super) transfers: Transfers,
    pub(super) store: Memory,
    pub(super) entropy: Counter,
    /// Work of the shell that is not reported yet.
    pub(super) reports: VecDeque<TransferReport>,
    pub(super) replies: Vec<Result<Reply, CommandError>>,
    pub(super) views: BTreeMap<TransferId, Vec<TransferView>>,
    pub(super) needs_link: bool,
    /// Receiver's shell: where a transfer is expected.
    pub(super) expected: BTreeMap<TransferId, Option<LinkId>>,
    /// Receiver's disk; it outlasts a restart.
    pub(super) disk: BTreeMap<TransferId, Staged>,
    /// Whether the disk refuses now.
    pub(super) refuses: bool,
}

/// What is on the disk of a transfer that is not in place.
#[derive(Default)]
pub(super) struct Staged {
    /// Ranges, and whether they are as they should be.
    pub(super) ranges: BTreeMap<u64, bool>,
    /// Whether putting in place has begun.
    pub(super) whole: bool,
}

/// A stream on its way from one side.
pub(super) struct Stream {
    pub(super) from: Who,
    pub(super) link: LinkId,
    pub(super) transfer: TransferId,
    /// The manifest when absent.
    pub(super) range: Option<u64>,
    /// Whether its bytes fit their hash.
    pub(super) sound: bool,
}

pub(super) struct World {
    pub(super) now: Duration,
    pub(super) sides: [Side; 2],
    pub(super) link: Option<LinkId>,
    pub(super) links: u64,
    pub(super) frames: VecDeque<(Who, LinkId, TransferFrame)>,
    pub(super) letters: VecDeque<(Who, LetterBody)>,
    pub(super) streams: Vec<Stream>,
    pub(super) sizes: Vec<u64>,
    pub(super) ranges: BTreeMap<TransferId, u64>,
    /// Transfers of which only a half is taken.
    pub(super) parts: BTreeSet<TransferId>,
    pub(super) jobs: Vec<(Who, TransferJob)>,
    /// Transfers whose streams were stopped at some time.
    pub(super) held_up: BTreeSet<TransferId>,
}

impl World {
    pub(super) fn new(sizes: &[u64]) -> Self {
        let side = |seed| Side {
            transfers: Transfers::default(),
            store: Memory::default(),
            entropy: Counter(seed),
            reports: VecDeque::new(),
            replies: Vec::new(),
            views: BTreeMap::new(),
            needs_link: false,
            expected: BTreeMap::new(),
            disk: BTreeMap::new(),
            refuses: false,
        };
        let mut world = Self {
            now: Duration::from_secs(1),
            sides: [side(0), side(100)],
            link: None,
            links: 0,
            frames: VecDeque::new(),
            letters: VecDeque::new(),
            streams: Vec::new(),
            sizes: sizes.to_vec(),
            ranges: BTreeMap::new(),
            parts: BTreeSet::new(),
            jobs: Vec::new(),
            held_up: BTreeSet::new(),
        };
        world.settings(Who::Bob, AutoAccept::Nobody);
        world
    }

    pub(super) fn settings(&mut self, who: Who, auto_accept: AutoAccept) {
        let settings = Settings { auto_accept, folder: "/in".into(), ..Settings::default() };
        self.input(who, TransferInput::Settings(settings));
    }

    pub(super) fn now(&self) -> Now {
        let ms = u64::try_from(self.now.as_millis()).unwrap();
        Now { monotonic: self.now, unix_ms: ms }
    }

    pub(super) fn input(&mut self, who: Who, input: TransferInput) {
        let now = self.now();
        let side = &mut self.sides[who as usize];
        let effects = side.transfers.handle(&mut side.store, input, now, &mut side.entropy).unwrap();
        for effect in effects {
            self.perform(who, effect);
        }
        for transfer in self.sides[who as usize].transfers.sending.values() {
            let Some(link) = transfer.link() else { continue };
            assert!(transfer.in_flight(link) <= TRANSFER_IN_FLIGHT_MAX);
            let all: usize =
                self.sides[who as usize].transfers.sending.values().map(|other| other.in_flight(link)).sum();
            assert!(all <= LINK_IN_FLIGHT_MAX);
        }
    }

    pub(super) fn perform(&mut self, who: Who, effect: TransferEffect) {
        let side = &mut self.sides[who as usize];
        match effect {
            TransferEffect::Reply { result, .. } => side.replies.push(result),
            TransferEffect::Event(Event::Transfer(view)) => {
                let views = side.views.entry(view.id).or_default();
                if let Some(last) = views.last().filter(|last| last.state.is_final()) {
                    assert_eq!(last.state, view.state, "a final state was left");
                }
                views.push(view);
            }
            TransferEffect::Event(other) => panic!("{other:?}"),
            TransferEffect::Letter { body, .. } => self.letters.push_back((who.other(), body)),
            TransferEffect::LetterToOthers { .. } => {}
            TransferEffect::NeedLink { .. } => side.needs_link = true,
            TransferEffect::NeedLinks { .. } | TransferEffect::SendSwarm { .. } => {
                panic!("nothing here goes to several")
            }
            TransferEffect::SendFrame { link, frame } => self.frames.push_back((who.other(), link, frame)),
            TransferEffect::PaceLink { .. } => {}
            TransferEffect::Job(job) => {
                self.work(who, &job);
                self.jobs.push((who, job));
            }
        }
    }

    pub(super) fn connect(&mut self) {
        assert_eq!(self.link, None);
        self.links += 1;
        let link = LinkId(self.links);
        self.link = Some(link);
        for who in [Who::Alice, Who::Bob] {
            self.sides[who as usize].needs_link = false;
            let (address, device) = (who.other().address(), who.other().device());
            self.input(who, TransferInput::LinkUp { link, address, device, path: PathKind::Lan });
        }
    }

    pub(super) fn disconnect(&mut self, who_first: Who) {
        let Some(link) = self.link.take() else { return };
        self.frames.clear();
        for who in [who_first, who_first.other()] {
            self.input(who, TransferInput::LinkDown { link });
        }
    }

    pub(super) fn deliver_frame(&mut self) -> bool {
        let Some((to, link, frame)) = self.frames.pop_front() else { return false };
        if self.link == Some(link) {
            self.input(to, TransferInput::Frame { link, frame });
        }
        true
    }

    pub(super) fn deliver_letter(&mut self) -> bool {
        let Some((to, body)) = self.letters.pop_front() else { return false };
        let (from, device) = (to.other().address(), to.other().device());
        let input = if let LetterBody::Offer(offer) = body {
            TransferInput::Offer { from, device, offer }
        } else if let LetterBody::OfferEnd(end) = body {
            TransferInput::OfferEnd { from, device, end }
        } else {
            panic!("{body:?}")
        };
        self.input(to, input);
        true
    }

    pub(super) fn deliver_report(&mut self, who: Who) -> bool {
        let Some(report) = self.sides[who as usize].reports.pop_front() else { return false };
        self.input(who, TransferInput::Report(report));
        true
    }

    /// Everything that can happen without time passing happens.
    pub(super) fn settle(&mut self) {
        // A manifest travels before the ranges that wait for it.
        loop {
            let manifest = self.streams.iter().position(|stream| stream.range.is_none());
            let next = manifest.or_else(|| (!self.streams.is_empty()).then_some(0));
            if self.deliver_letter()
                || self.deliver_frame()
                || self.deliver_report(Who::Alice)
                || self.deliver_report(Who::Bob)
            {
                continue;
            }
            let Some(index) = next else { return };
            self.carry(index);
        }
    }

    pub(super) fn pass_time(&mut self, time: Duration) {
        self.now += time;
        for who in [Who::Alice, Who::Bob] {
            self.input(who, TransferInput::Tick);
        }
    }

    pub(super) fn command(&mut self, who: Who, command: Command) -> Result<Reply, CommandError> {
        self.input(who, TransferInput::Command { id: CommandId(1), command });
        while self.sides[who as usize].replies.is_empty() {
            assert!(self.deliver_report(who), "a command was not answered");
        }
        self.sides[who as usize].replies.pop().unwrap()
    }

    /// A world in which Alice sends Bob so many ranges: both have all that comes before the first byte.
    pub(super) fn under_way(ranges: u64) -> (Self, TransferId) {
        let mut world = Self::new(&[ranges]);
        let id = world.offer();
        world.accept(id);
        world.connect();
        while world.deliver_frame() {}
        (world, id)
    }

    /// Alice offers; the offer is there.
    pub(super) fn offer(&mut self) -> TransferId {
        self.offer_with_limit(0)
    }

    pub(super) fn offer_with_limit(&mut self, limit: u64) -> TransferId {
        let paths = vec![PathBuf::from("/out/files")];
        let to = vec![Who::Bob.address()];
        let command = Command::FileSend {
            to,
            paths,
            limit,
            sealed: true,
            links: false,
            text: "here".into(),
            priority: Priority::Normal,
        };
        let Ok(Reply::Transfers(views)) = self.command(Who::Alice, command) else { panic!("not offered") };
        assert_eq!(views[0].state, TransferState::Offered);
        while self.deliver_letter() {}
        views[0].id
    }

    pub(super) fn accept(&mut self, id: TransferId) {
        self.accept_chosen(id, Choice::default());
    }

    pub(super) fn accept_chosen(&mut self, id: TransferId, choice: Choice) {
        let accept = Command::FileAccept { id, to: None, update: false, choice };
        assert_eq!(self.command(Who::Bob, accept), Ok(Reply::Done));
        while self.deliver_report(Who::Bob) {}
    }

    pub(super) fn last(&self, who: Who, id: TransferId) -> TransferView {
        self.sides[who as usize].views[&id].last().unwrap().clone()
    }

    pub(super) fn states(&self, id: TransferId) -> [TransferState; 2] {
        [Who::Alice, Who::Bob].map(|who| self.last(who, id).state)
    }

    pub(super) fn restart(&mut self, who: Who) {
        self.disconnect(who);
        self.streams.retain(|stream| stream.from != who);
        let side = &mut self.sides[who as usize];
        side.reports.clear();
        side.expected.clear();
        side.transfers = Transfers::open(&mut side.store).unwrap();
        self.settings(who, AutoAccept::Nobody);
    }

    /// Numbers of the ranges that were granted, in order.
    pub(super) fn ranges_sent(&self) -> Vec<u64> {
        let range = |(_, job): &(Who, TransferJob)| match job {
            TransferJob::SendRange { range, .. } => Some(*range),
            TransferJob::Scan { .. }
            | TransferJob::SendManifest { .. }
            | TransferJob::Open { .. }
            | TransferJob::Halt { .. }
            | TransferJob::Expect { .. }
            | TransferJob::Finish { .. }
            | TransferJob::Digest { .. }
            | TransferJob::Choose { .. }
            | TransferJob::Limit { .. }
            | TransferJob::Flow(_)
            | TransferJob::Hashes { .. }
            | TransferJob::Borrow { .. }
            | TransferJob::Refuse { .. }
            | TransferJob::Share { .. }
            | TransferJob::LendRange { .. }
            | TransferJob::Stop { .. } => None,
        };
        self.jobs.iter().filter_map(range).collect()
    }

    /// From now on nothing goes wrong: links are made when they are needed, and disks do not refuse.
    pub(super) fn calm(&mut self) {
        self.sides.iter_mut().for_each(|side| side.refuses = false);
        for _ in 0..400 {
            self.settle();
            if self.link.is_none() && self.sides.iter().any(|side| side.needs_link) {
                self.connect();
            } else {
                self.pass_time(Duration::from_secs(5));
            }
        }
        self.settle();
    }
}
