//! Two people's transfers against one another, over a network that loses links, with a shell that only pretends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use hobnob_wire::letter::LetterBody;
use hobnob_wire::transfer::{Span, TransferFrame};
use hobnob_wire::{Address, DeviceId, TransferId};
use proptest::prelude::*;

use super::grants::LINK_IN_FLIGHT_MAX;
use super::job::{Layouted, Scanned, TransferFault, TransferJob, TransferReport};
use super::sending::TRANSFER_IN_FLIGHT_MAX;
use super::*;
use crate::core::command::{CommandError, ErrorKind};
use crate::core::store::Fallible;
use crate::core::time::{Entropy, Now};
use crate::core::view::{TransferState, TransferView};

const MIB: u64 = 1 << 20;
const DIGEST: [u8; 32] = [7; 32];

#[derive(Default)]
struct Memory(BTreeMap<TransferId, TransferRecord>);

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
}

struct Counter(u8);

impl Entropy for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 += 1;
        bytes.fill(self.0);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Alice,
    Bob,
}

impl Who {
    const fn other(self) -> Self {
        match self {
            Self::Alice => Self::Bob,
            Self::Bob => Self::Alice,
        }
    }
    fn address(self) -> Address {
        match self {
            Self::Alice => "alice@localhost".parse().unwrap(),
            Self::Bob => "bob@localhost".parse().unwrap(),
        }
    }
    const fn device(self) -> DeviceId {
        DeviceId::new([self as u8; 16])
    }
}

/// One side: its transfers, and what its shell would know.
struct Side {
    transfers: Transfers,
    store: Memory,
    entropy: Counter,
    /// Work of the shell that is not reported yet.
    reports: VecDeque<TransferReport>,
    replies: Vec<Result<Reply, CommandError>>,
    views: BTreeMap<TransferId, Vec<TransferView>>,
    needs_link: bool,
    /// Receiver's shell: where a transfer is expected, and the ranges that are here.
    expected: BTreeMap<TransferId, (LinkId, BTreeSet<u64>)>,
}

/// A stream on its way from one side.
struct Stream {
    from: Who,
    link: LinkId,
    transfer: TransferId,
    /// The manifest when absent.
    range: Option<u64>,
}

struct World {
    now: Duration,
    sides: [Side; 2],
    link: Option<LinkId>,
    links: u64,
    frames: VecDeque<(Who, LinkId, TransferFrame)>,
    letters: VecDeque<(Who, LetterBody)>,
    streams: Vec<Stream>,
    sizes: Vec<u64>,
    ranges: BTreeMap<TransferId, u64>,
    jobs: Vec<(Who, TransferJob)>,
}

impl World {
    fn new(sizes: &[u64]) -> Self {
        let side = |seed| Side {
            transfers: Transfers::default(),
            store: Memory::default(),
            entropy: Counter(seed),
            reports: VecDeque::new(),
            replies: Vec::new(),
            views: BTreeMap::new(),
            needs_link: false,
            expected: BTreeMap::new(),
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
            jobs: Vec::new(),
        };
        world.settings(Who::Bob, AutoAccept::Nobody);
        world
    }

    fn settings(&mut self, who: Who, auto_accept: AutoAccept) {
        self.input(who, TransferInput::Settings { auto_accept, folder: "/in".into() });
    }

    fn now(&self) -> Now {
        let ms = u64::try_from(self.now.as_millis()).unwrap();
        Now { monotonic: self.now, unix_ms: ms }
    }

    fn input(&mut self, who: Who, input: TransferInput) {
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

    fn perform(&mut self, who: Who, effect: TransferEffect) {
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
            TransferEffect::NeedLink { .. } => side.needs_link = true,
            TransferEffect::SendFrame { link, frame } => self.frames.push_back((who.other(), link, frame)),
            TransferEffect::Job(job) => {
                self.jobs.push((who, job.clone()));
                self.work(who, job);
            }
        }
    }

    fn work(&mut self, who: Who, job: TransferJob) {
        let side = &mut self.sides[who as usize];
        match job {
            TransferJob::Scan { transfer, .. } => {
                let ranges = self.sizes.remove(0);
                self.ranges.insert(transfer, ranges);
                let result = Ok(Scanned {
                    name: "files".into(),
                    entries: 1,
                    bytes: ranges * MIB,
                    manifest: [1; 32],
                    ranges,
                });
                side.reports.push_back(TransferReport::Scanned { transfer, result });
            }
            TransferJob::SendManifest { transfer, link, .. } => {
                self.streams.push(Stream { from: who, link, transfer, range: None });
            }
            TransferJob::SendRange { transfer, link, range, .. } => {
                assert!(range < self.ranges[&transfer], "range {range} does not exist");
                let twice = |stream: &Stream| {
                    (stream.link, stream.transfer, stream.range) == (link, transfer, Some(range))
                };
                assert!(!self.streams.iter().any(twice), "range {range} is on its way already");
                self.streams.push(Stream { from: who, link, transfer, range: Some(range) });
            }
            TransferJob::Receive { transfer, link, .. } => {
                side.expected.entry(transfer).or_insert_with(|| (link, BTreeSet::new())).0 = link;
            }
            TransferJob::Finish { transfer } => {
                assert_eq!(side.expected[&transfer].1.len() as u64, self.ranges[&transfer]);
                side.reports.push_back(TransferReport::Finished { transfer, result: Ok(DIGEST) });
            }
            TransferJob::Digest { transfer } => {
                side.reports.push_back(TransferReport::Digested { transfer, result: Ok(DIGEST) });
            }
            TransferJob::Stop { transfer, .. } => {
                side.expected.remove(&transfer);
                self.streams.retain(|stream| stream.transfer != transfer || stream.from != who);
            }
            TransferJob::Pace { .. } => {}
        }
    }

    fn connect(&mut self) {
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

    fn disconnect(&mut self, who_first: Who) {
        let Some(link) = self.link.take() else { return };
        self.frames.clear();
        for who in [who_first, who_first.other()] {
            self.input(who, TransferInput::LinkDown { link });
        }
    }

    /// The stream at `index` gets where it goes, or is lost.
    fn carry(&mut self, index: usize) {
        let Stream { from, link, transfer, range } = self.streams.remove(index);
        let sent = if self.link == Some(link) {
            self.take_in(from.other(), link, transfer, range)
        } else {
            Err(TransferFault::LinkLost)
        };
        self.sides[from as usize].reports.push_back(match range {
            None => TransferReport::ManifestSent { transfer, link, result: sent },
            Some(range) => TransferReport::RangeSent { transfer, link, range, result: sent.map(|()| MIB) },
        });
    }

    /// What the receiver's shell does with a stream.
    fn take_in(
        &mut self,
        who: Who,
        link: LinkId,
        transfer: TransferId,
        range: Option<u64>,
    ) -> Result<(), TransferFault> {
        let ranges = self.ranges[&transfer];
        let side = &mut self.sides[who as usize];
        let (expected, here) = side.expected.get_mut(&transfer).ok_or(TransferFault::Stopped)?;
        if *expected != link || range.is_some_and(|range| !here.insert(range)) {
            return Err(TransferFault::Stopped);
        }
        side.reports.push_back(match range {
            None => {
                let missing = vec![Span { start: 0, end: ranges }];
                TransferReport::ManifestReceived {
                    transfer,
                    result: Ok(Layouted { ranges, missing, bytes: 0 }),
                }
            }
            Some(range) => TransferReport::RangeReceived { transfer, range, result: Ok(MIB) },
        });
        Ok(())
    }

    fn deliver_frame(&mut self) -> bool {
        let Some((to, link, frame)) = self.frames.pop_front() else { return false };
        if self.link == Some(link) {
            self.input(to, TransferInput::Frame { link, frame });
        }
        true
    }

    fn deliver_letter(&mut self) -> bool {
        let Some((to, body)) = self.letters.pop_front() else { return false };
        let (from, device) = (to.other().address(), to.other().device());
        match body {
            LetterBody::Offer(offer) => self.input(to, TransferInput::Offer { from, device, offer }),
            LetterBody::OfferEnd(end) => self.input(to, TransferInput::OfferEnd { from, device, end }),
            other => panic!("{other:?}"),
        }
        true
    }

    fn deliver_report(&mut self, who: Who) -> bool {
        let Some(report) = self.sides[who as usize].reports.pop_front() else { return false };
        self.input(who, TransferInput::Report(report));
        true
    }

    /// Everything that can happen without time passing happens.
    fn settle(&mut self) {
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

    fn pass_time(&mut self, time: Duration) {
        self.now += time;
        for who in [Who::Alice, Who::Bob] {
            self.input(who, TransferInput::Tick);
        }
    }

    fn command(&mut self, who: Who, command: Command) -> Result<Reply, CommandError> {
        self.input(who, TransferInput::Command { id: CommandId(1), command });
        while self.sides[who as usize].replies.is_empty() {
            assert!(self.deliver_report(who), "a command was not answered");
        }
        self.sides[who as usize].replies.pop().unwrap()
    }

    /// Alice offers; the offer is there.
    fn offer(&mut self) -> TransferId {
        self.offer_with_limit(0)
    }

    fn offer_with_limit(&mut self, limit: u64) -> TransferId {
        let paths = vec![PathBuf::from("/out/files")];
        let to = Who::Bob.address();
        let command = Command::FileSend { to, paths, limit, sealed: true, text: "here".into() };
        let Ok(Reply::Transfers(views)) = self.command(Who::Alice, command) else { panic!("not offered") };
        assert_eq!(views[0].state, TransferState::Offered);
        while self.deliver_letter() {}
        views[0].id
    }

    fn accept(&mut self, id: TransferId) {
        assert_eq!(self.command(Who::Bob, Command::FileAccept { id, to: None }), Ok(Reply::Done));
    }

    fn last(&self, who: Who, id: TransferId) -> TransferView {
        self.sides[who as usize].views[&id].last().unwrap().clone()
    }

    fn states(&self, id: TransferId) -> [TransferState; 2] {
        [Who::Alice, Who::Bob].map(|who| self.last(who, id).state)
    }

    fn restart(&mut self, who: Who) {
        self.disconnect(who);
        self.streams.retain(|stream| stream.from != who);
        let side = &mut self.sides[who as usize];
        side.reports.clear();
        side.expected.clear();
        side.transfers = Transfers::open(&mut side.store).unwrap();
        self.settings(who, AutoAccept::Nobody);
    }

    /// From now on nothing goes wrong: links are made when they are needed.
    fn calm(&mut self) {
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

#[test]
fn an_accepted_offer_is_done_on_both_sides_with_equal_digests() {
    let mut world = World::new(&[20]);
    let id = world.offer();
    assert_eq!(world.last(Who::Bob, id).state, TransferState::Offered);
    world.accept(id);
    assert_eq!(world.states(id), [TransferState::Offered, TransferState::Queued]);
    world.connect();
    world.settle();
    assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
    for who in [Who::Alice, Who::Bob] {
        let view = world.last(who, id);
        assert_eq!((view.done, view.size), (20 * MIB, 20 * MIB));
        assert_eq!(view.digest, Some("07".repeat(32)));
        assert_eq!(
            world.command(who, Command::File { id }),
            Ok(Reply::Transfers(vec![TransferView {
                rate: 0,
                eta: None,
                path: "none".into(),
                ..view.clone()
            }]))
        );
    }
    assert!(world.sides.iter().all(|side| side.transfers.sending.is_empty()));
    assert!(world.sides.iter().all(|side| side.transfers.receiving.is_empty()));
    assert!(!world.sides[0].transfers.uses_link(LinkId(1)));
}

#[test]
fn a_rejected_offer_is_over_on_both_sides_and_says_why() {
    let mut world = World::new(&[1]);
    let id = world.offer();
    let reject = Command::FileReject { id, text: "too big".into() };
    assert_eq!(world.command(Who::Bob, reject.clone()), Ok(Reply::Done));
    world.settle();
    assert_eq!(world.states(id), [TransferState::Rejected, TransferState::Rejected]);
    assert_eq!(world.last(Who::Alice, id).error.as_deref(), Some("too big"));
    let again = world.command(Who::Bob, reject).unwrap_err();
    assert_eq!((again.kind, again.text.as_str()), (ErrorKind::Conflict, "it has been rejected already"));
}

#[test]
fn either_side_cancels_a_running_transfer_and_the_other_one_hears_of_it() {
    for who in [Who::Alice, Who::Bob] {
        let mut world = World::new(&[20]);
        let id = world.offer();
        world.accept(id);
        world.connect();
        while world.deliver_frame() {}
        assert_eq!(world.states(id), [TransferState::Running, TransferState::Running]);
        let cancel = Command::FileCancel { id, text: "never mind".into() };
        assert_eq!(world.command(who, cancel), Ok(Reply::Done));
        world.settle();
        assert_eq!(world.states(id), [TransferState::Cancelled, TransferState::Cancelled]);
        assert_eq!(world.last(who.other(), id).error.as_deref(), Some("never mind"));
        for side in [Who::Alice, Who::Bob] {
            assert!(world.jobs.contains(&(side, TransferJob::Stop { transfer: id, discard: true })));
        }
    }
}

#[test]
fn a_disk_that_refuses_ends_this_transfer_on_both_sides_and_no_other() {
    let mut world = World::new(&[20, 20]);
    let (broken, sound) = (world.offer(), world.offer());
    world.accept(broken);
    world.accept(sound);
    world.connect();
    while world.deliver_frame() {}
    let text = "could not write /in/a: the disk is full; free some space and start the transfer again";
    let result = Err(TransferFault::Disk(text.into()));
    let report = TransferReport::RangeReceived { transfer: broken, range: 0, result };
    world.input(Who::Bob, TransferInput::Report(report));
    world.calm();
    assert_eq!(world.states(broken), [TransferState::Failed, TransferState::Failed]);
    assert_eq!(world.last(Who::Alice, broken).error.as_deref(), Some(text));
    assert_eq!(world.states(sound), [TransferState::Done, TransferState::Done]);
}

#[test]
fn offers_of_contacts_are_accepted_without_asking_when_the_user_says_so() {
    let mut world = World::new(&[1]);
    world.settings(Who::Bob, AutoAccept::Contacts);
    let id = world.offer();
    world.connect();
    world.settle();
    assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
    assert_eq!(world.last(Who::Bob, id).folder.as_deref(), Some("/in"));
}

#[test]
fn the_lower_of_both_limits_holds() {
    let mut world = World::new(&[20]);
    let id = world.offer_with_limit(5 * MIB);
    world.accept(id);
    world.connect();
    while world.deliver_frame() {}
    let pace = |bytes_per_s| (Who::Alice, TransferJob::Pace { transfer: id, bytes_per_s });
    assert!(world.jobs.contains(&pace(5 * MIB)));
    for (who, limit, effective) in
        [(Who::Bob, MIB, MIB), (Who::Alice, 2 * MIB, MIB), (Who::Bob, 0, 2 * MIB), (Who::Alice, 0, 0)]
    {
        assert_eq!(world.command(who, Command::FileLimit { id, limit }), Ok(Reply::Done));
        while world.deliver_frame() {}
        assert_eq!(
            world.jobs.iter().rev().find(|job| matches!(job.1, TransferJob::Pace { .. })),
            Some(&pace(effective))
        );
        world.pass_time(Duration::from_secs(1));
        assert_eq!([Who::Alice, Who::Bob].map(|who| world.last(who, id).limit), [effective; 2]);
    }
}

#[test]
fn a_slow_transfer_sends_one_range_after_the_other() {
    let mut world = World::new(&[20]);
    let id = world.offer_with_limit(MIB);
    world.accept(id);
    world.connect();
    while world.deliver_frame() {}
    assert_eq!(world.streams.iter().filter(|stream| stream.range.is_some()).count(), 1);
}

#[test]
fn transfers_on_one_link_share_it_evenly() {
    let mut world = World::new(&[100, 100, 100]);
    let ids: Vec<TransferId> = (0..3).map(|_| world.offer()).collect();
    ids.iter().for_each(|id| world.accept(*id));
    world.connect();
    while world.deliver_frame() {}
    let mut steps = 0;
    while steps < 120 {
        let manifest = world.streams.iter().position(|stream| stream.range.is_none());
        world.carry(manifest.unwrap_or(0));
        while world.deliver_report(Who::Bob) || world.deliver_report(Who::Alice) || world.deliver_frame() {}
        steps += 1;
    }
    let done: Vec<u64> =
        ids.iter().map(|id| world.sides[1].transfers.receiving[id].ledger.record.done / MIB).collect();
    assert!(done.iter().all(|done| (33..=45).contains(done)), "{done:?}");
}

#[test]
fn after_a_loss_only_what_is_missing_is_sent() {
    let mut world = World::new(&[20]);
    let id = world.offer();
    world.accept(id);
    world.connect();
    while world.deliver_frame() {}
    for _ in 0..6 {
        world.carry(0);
    }
    while world.deliver_report(Who::Bob) {}
    world.disconnect(Who::Bob);
    assert_eq!(world.states(id), [TransferState::Queued, TransferState::Queued]);
    assert_eq!(world.last(Who::Bob, id).done, 5 * MIB);
    assert!(world.sides[1].needs_link);
    world.streams.clear();
    world.jobs.clear();
    world.connect();
    world.calm();
    let sent = |job: &&(Who, TransferJob)| matches!(job.1, TransferJob::SendRange { .. });
    assert_eq!(world.jobs.iter().filter(sent).count(), 15);
    assert!(!world.jobs.iter().any(|job| matches!(job.1, TransferJob::SendManifest { .. })));
    assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
}

#[test]
fn a_transfer_goes_on_after_either_side_was_restarted() {
    for who in [Who::Alice, Who::Bob] {
        let mut world = World::new(&[20]);
        let id = world.offer();
        world.accept(id);
        world.connect();
        while world.deliver_frame() {}
        world.carry(0);
        world.carry(0);
        world.restart(who);
        world.calm();
        assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
    }
}

#[test]
fn a_sender_that_missed_the_end_is_told_again_until_it_knows() {
    let mut world = World::new(&[2]);
    let id = world.offer();
    world.accept(id);
    world.connect();
    while !matches!(world.frames.back(), Some((_, _, TransferFrame::Complete { .. }))) {
        if !(world.deliver_frame() || world.deliver_report(Who::Alice) || world.deliver_report(Who::Bob)) {
            world.carry(0);
        }
    }
    world.restart(Who::Bob);
    assert_eq!(world.states(id), [TransferState::Queued, TransferState::Done]);
    world.calm();
    assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
    assert!(world.sides[1].transfers.receiving.is_empty());
}

#[test]
fn another_device_that_accepts_later_is_told_that_it_is_gone() {
    let mut world = World::new(&[2]);
    let id = world.offer();
    world.accept(id);
    world.connect();
    while world.deliver_frame() {}
    let (link, device) = (LinkId(50), DeviceId::new([9; 16]));
    let up = TransferInput::LinkUp { link, address: Who::Bob.address(), device, path: PathKind::Lan };
    world.input(Who::Alice, up);
    let want = hobnob_wire::List::new(vec![Span { start: 0, end: 9 }]).unwrap();
    let frame = TransferFrame::Accept { transfer: id, manifest: true, want };
    world.input(Who::Alice, TransferInput::Frame { link, frame });
    assert!(world.frames.contains(&(Who::Bob, link, TransferFrame::Gone { transfer: id })));
    let link = LinkId(51);
    let stranger = TransferInput::LinkUp {
        link,
        address: "eve@localhost".parse().unwrap(),
        device,
        path: PathKind::Lan,
    };
    world.input(Who::Alice, stranger);
    let frame = TransferFrame::Complete { transfer: id, digest: DIGEST };
    world.input(Who::Alice, TransferInput::Frame { link, frame });
    assert_eq!(world.last(Who::Alice, id).state, TransferState::Running);
}

#[test]
fn silence_makes_the_receiver_ask_again() {
    let mut world = World::new(&[2]);
    let id = world.offer();
    world.accept(id);
    world.connect();
    while world.deliver_frame() {}
    world.streams.clear();
    world.frames.clear();
    world.pass_time(Duration::from_secs(29));
    assert!(!world.frames.iter().any(|frame| matches!(frame.2, TransferFrame::Accept { .. })));
    world.pass_time(Duration::from_secs(1));
    assert!(world.frames.iter().any(|frame| matches!(frame.2, TransferFrame::Accept { .. })));
}

#[test]
fn what_is_no_contact_any_more_ends() {
    let mut world = World::new(&[2]);
    let id = world.offer();
    world.accept(id);
    world.input(Who::Alice, TransferInput::ContactRemoved(Who::Bob.address()));
    world.input(Who::Bob, TransferInput::ContactRemoved(Who::Alice.address()));
    assert_eq!(world.states(id), [TransferState::Cancelled, TransferState::Cancelled]);
    assert!(world.letters.is_empty());
}

#[test]
fn more_offers_than_anybody_can_decide_on_are_refused() {
    let mut world = World::new(&[1]);
    let id = world.offer();
    let mut offer = Offer {
        transfer: id,
        name: hobnob_wire::Text::truncated("x"),
        entries: 1,
        bytes: 1,
        manifest: [0; 32],
        sealed: true,
        text: hobnob_wire::Text::default(),
    };
    let (from, device) = (Who::Alice.address(), Who::Alice.device());
    for number in 0..1_000u128 {
        offer.transfer = TransferId::new((number | 1 << 100).to_be_bytes());
        let (from, offer) = (from.clone(), offer.clone());
        world.input(Who::Bob, TransferInput::Offer { from, device, offer });
    }
    assert_eq!(world.sides[1].transfers.receiving.len(), 1_000);
    assert_eq!(world.letters.len(), 1);
}

#[test]
fn progress_is_shown_at_most_four_times_a_second() {
    let mut world = World::new(&[400]);
    let id = world.offer();
    world.accept(id);
    world.connect();
    while world.deliver_frame() {}
    let before = world.sides[1].views[&id].len();
    for _ in 0..200 {
        world.now += Duration::from_millis(10);
        let at = world.streams.iter().position(|stream| stream.range.is_none()).unwrap_or(0);
        world.carry(at);
        while world.deliver_report(Who::Bob) || world.deliver_report(Who::Alice) || world.deliver_frame() {}
    }
    let shown = world.sides[1].views[&id].len() - before;
    assert!((6..=9).contains(&shown), "{shown} in 2 s");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Losses, restarts and any order of what is under way end with the same bytes on both sides.
    #[test]
    fn whatever_happens_on_the_way_it_ends_well(
        sizes in proptest::collection::vec(0..40u64, 1..4),
        steps in proptest::collection::vec((0..13u8, any::<u16>()), 0..300),
    ) {
        let mut world = World::new(&sizes);
        let ids: Vec<TransferId> = sizes.iter().map(|_| world.offer()).collect();
        ids.iter().for_each(|id| world.accept(*id));
        for (step, choice) in steps {
            let who = if choice % 2 == 0 { Who::Alice } else { Who::Bob };
            match step {
                0 if world.link.is_some() && choice % 4 == 0 => world.disconnect(who),
                0 | 1 if world.link.is_none() => world.connect(),
                2 if choice % 16 == 0 => world.restart(who),
                3 => world.pass_time(Duration::from_millis(choice.into())),
                4 | 5 => drop(world.deliver_frame()),
                6 => drop(world.deliver_letter()),
                7 | 8 => drop(world.deliver_report(who)),
                _ if !world.streams.is_empty() => {
                    let manifest = world.streams.iter().position(|stream| stream.range.is_none());
                    world.carry(manifest.unwrap_or(usize::from(choice) % world.streams.len()));
                }
                _ => {}
            }
        }
        world.calm();
        for id in ids {
            prop_assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
            prop_assert_eq!(world.last(Who::Alice, id).digest, world.last(Who::Bob, id).digest);
        }
        prop_assert!(world.sides.iter().all(|side| side.transfers.receiving.is_empty()));
    }
}
