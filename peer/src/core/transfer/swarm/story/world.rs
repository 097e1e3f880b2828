//! A sender and several receivers, links between them that come and go, and shells that only pretend.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use hobnob_nat::core::agent::PathKind;
use hobnob_wire::keys::VerifyKey;
use hobnob_wire::letter::LetterBody;
use hobnob_wire::swarm::SwarmFrame;
use hobnob_wire::transfer::TransferFrame;
use hobnob_wire::{Address, DeviceId, TransferId};

use crate::core::command::{Command, CommandId, Reply};
use crate::core::event::Event;
use crate::core::input::LinkId;
use crate::core::store::Fallible;
use crate::core::time::{Entropy, Now};
use crate::core::transfer::job::{Held, Layouted, Scanned, TransferFault, TransferJob, TransferReport};
use crate::core::transfer::*;
use crate::core::view::{Priority, TransferState, TransferView};

pub(super) const MIB: u64 = 1 << 20;
/// What any step of the stories takes.
pub(super) const STEP: Duration = Duration::from_millis(20);

/// The sender is number 0.
pub(super) type Who = usize;

fn address(who: Who) -> Address {
    format!("p{who}@localhost").parse().unwrap()
}

fn root(who: Who) -> VerifyKey {
    VerifyKey::new([u8::try_from(who).unwrap() + 1; 32])
}

fn number(address: &Address) -> Who {
    address.as_str()[1..].split('@').next().unwrap().parse().unwrap()
}

/// What the sender's file has at a range.
pub(super) fn hash_of(range: u64) -> [u8; 32] {
    let mut hash = [0x5a; 32];
    hash[..8].copy_from_slice(&range.to_be_bytes());
    hash
}

#[derive(Default)]
pub(super) struct Memory {
    records: BTreeMap<TransferId, TransferRecord>,
    friends: Vec<Who>,
}

impl Fallible for Memory {
    type Error = std::convert::Infallible;
}

impl TransferStore for Memory {
    fn save_transfer(&mut self, record: &TransferRecord) -> Result<(), Self::Error> {
        self.records.insert(record.id, record.clone());
        Ok(())
    }
    fn transfer(&mut self, id: TransferId) -> Result<Option<TransferRecord>, Self::Error> {
        Ok(self.records.get(&id).cloned())
    }
    fn open_transfers(&mut self) -> Result<Vec<TransferRecord>, Self::Error> {
        let is_open = |record: &&TransferRecord| !record.state.is_final() || record.untold;
        Ok(self.records.values().filter(is_open).cloned().collect())
    }
    fn past_transfers(&mut self, _: u32) -> Result<Vec<TransferRecord>, Self::Error> {
        Ok(Vec::new())
    }
    fn forget_past_transfers(&mut self, _: u32) -> Result<(), Self::Error> {
        Ok(())
    }
    fn root(&mut self, of: &Address) -> Result<Option<VerifyKey>, Self::Error> {
        Ok(Some(number(of)).filter(|who| self.friends.contains(who)).map(root))
    }
    fn acquaintances(&mut self) -> Result<Vec<(Address, VerifyKey)>, Self::Error> {
        Ok(self.friends.iter().map(|who| (address(*who), root(*who))).collect())
    }
}

struct Counter(u64);

impl Entropy for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 33) as u8;
        }
    }
}

/// One person: the core, and what the shell would know.
pub(super) struct Side {
    pub(super) transfers: Transfers,
    store: Memory,
    entropy: Counter,
    reports: VecDeque<TransferReport>,
    pub(super) views: BTreeMap<TransferId, TransferView>,
    /// Whom it would like to have a link to.
    needs: BTreeSet<Who>,
    expected: BTreeMap<TransferId, Option<LinkId>>,
    borrowed: BTreeMap<(TransferId, LinkId, u64), [u8; 32]>,
    /// Ranges on the disk of each transfer.
    disk: BTreeMap<TransferId, BTreeSet<u64>>,
    shared: BTreeSet<TransferId>,
    /// Ranges that the sender has read, whoever they were for.
    noted: BTreeSet<u64>,
    /// Whether others get wrong bytes from here.
    pub(super) lies: bool,
    /// Whether nothing that is lent leaves.
    pub(super) is_stuck: bool,
}

/// A stream on its way.
pub(super) struct Stream {
    pub(super) from: Who,
    to: Who,
    link: LinkId,
    /// The receiver's transfer.
    transfer: TransferId,
    /// The lender's, and the loan.
    lent: Option<(TransferId, TransferId)>,
    range: Option<u64>,
    is_right: bool,
}

#[derive(Debug)]
enum Frame {
    Transfer(TransferFrame),
    Swarm(SwarmFrame),
}

pub(super) struct World {
    pub(super) now: Duration,
    pub(super) sides: Vec<Side>,
    pub(super) links: BTreeMap<LinkId, [Who; 2]>,
    next_link: u64,
    frames: VecDeque<(Who, LinkId, Frame)>,
    /// Links on which something was said.
    said: BTreeSet<LinkId>,
    letters: VecDeque<(Who, Who, LetterBody)>,
    pub(super) streams: Vec<Stream>,
    ranges: u64,
    pub(super) ids: BTreeMap<Who, TransferId>,
    /// Ranges that each person has given to others, delivered or not.
    pub(super) given: BTreeMap<(Who, Who), u64>,
}

impl World {
    /// A file of so many ranges and so many receivers, all of whom know each other or none of whom do.
    pub(super) fn new(ranges: u64, receivers: usize, is_close: bool) -> Self {
        let side = |who: Who| Side {
            transfers: Transfers::default(),
            store: Memory {
                friends: (0..=receivers)
                    .filter(|other| *other != who && (is_close || who * other == 0))
                    .collect(),
                ..Memory::default()
            },
            entropy: Counter(who as u64 + 1),
            reports: VecDeque::new(),
            views: BTreeMap::new(),
            needs: BTreeSet::new(),
            expected: BTreeMap::new(),
            borrowed: BTreeMap::new(),
            disk: BTreeMap::new(),
            shared: BTreeSet::new(),
            noted: BTreeSet::new(),
            lies: false,
            is_stuck: false,
        };
        let mut world = Self {
            now: Duration::from_secs(1),
            sides: (0..=receivers).map(side).collect(),
            links: BTreeMap::new(),
            next_link: 1,
            frames: VecDeque::new(),
            said: BTreeSet::new(),
            letters: VecDeque::new(),
            streams: Vec::new(),
            ranges,
            ids: BTreeMap::new(),
            given: BTreeMap::new(),
        };
        (0..=receivers).for_each(|who| world.settings(who, Duration::from_secs(3_600)));
        let command = Command::FileSend {
            to: (1..=receivers).map(address).collect(),
            paths: vec![PathBuf::from("/out/film")],
            limit: 0,
            sealed: true,
            links: false,
            text: String::new(),
            priority: Priority::Normal,
        };
        world.input(0, TransferInput::Command { id: CommandId(1), command });
        while world.deliver_report(0) || world.deliver_letter() {}
        assert_eq!(world.ids.len(), receivers);
        world
    }

    pub(super) fn settings(&mut self, who: Who, serve: Duration) {
        let settings = Settings {
            auto_accept: AutoAccept::Contacts,
            folder: "/in".into(),
            serve,
            ..Settings::default()
        };
        self.input(who, TransferInput::Settings(settings));
    }

    pub(super) fn input(&mut self, who: Who, input: TransferInput) {
        let unix_ms = u64::try_from(self.now.as_millis()).unwrap();
        let now = Now { monotonic: self.now, unix_ms };
        let side = &mut self.sides[who];
        let effects = side.transfers.handle(&mut side.store, input, now, &mut side.entropy).unwrap();
        for effect in effects {
            self.perform(who, effect);
        }
    }

    fn other(&self, who: Who, link: LinkId) -> Option<Who> {
        let [one, other] = *self.links.get(&link)?;
        Some(if one == who { other } else { one })
    }

    fn perform(&mut self, who: Who, effect: TransferEffect) {
        match effect {
            TransferEffect::Reply { result, .. } => {
                assert!(matches!(result, Ok(Reply::Transfers(_) | Reply::Done)))
            }
            TransferEffect::Event(Event::Transfer(view)) => drop(self.sides[who].views.insert(view.id, view)),
            TransferEffect::Letter { to, body, .. } => {
                let to = number(&to);
                if let LetterBody::Offer(offer) = &body {
                    self.ids.insert(to, offer.transfer);
                }
                self.letters.push_back((who, to, body));
            }
            TransferEffect::NeedLink { address, .. } | TransferEffect::NeedLinks { address } => {
                self.sides[who].needs.insert(number(&address));
            }
            TransferEffect::SendFrame { link, frame } => {
                self.said.insert(link);
                self.frames.push_back((who, link, Frame::Transfer(frame)));
            }
            TransferEffect::SendSwarm { link, frame } => {
                self.said.insert(link);
                self.frames.push_back((who, link, Frame::Swarm(frame)));
            }
            TransferEffect::Job(job) => self.work(who, job),
            TransferEffect::Event(_)
            | TransferEffect::LetterToOthers { .. }
            | TransferEffect::PaceLink { .. } => {}
        }
    }

    fn layouted(&self) -> Layouted {
        Layouted {
            ranges: self.ranges,
            wanted: vec![hobnob_wire::transfer::Span { start: 0, end: self.ranges }],
            doubted: Vec::new(),
            chosen: None,
            known: Vec::new(),
        }
    }

    fn work(&mut self, who: Who, job: TransferJob) {
        let ranges = self.ranges;
        let layouted = self.layouted();
        let side = &mut self.sides[who];
        match job {
            TransferJob::Scan { transfer, .. } => {
                let (name, bytes) = ("film".to_owned(), ranges * MIB);
                let result = Ok(Scanned { name, entries: 1, bytes, manifest: [1; 32], ranges });
                side.reports.push_back(TransferReport::Scanned { transfer, result });
            }
            TransferJob::SendManifest { transfer, link, .. } => {
                self.stream(who, link, transfer, (None, None))
            }
            TransferJob::SendRange { transfer, link, range, .. } => {
                side.noted.insert(range);
                self.stream(who, link, transfer, (Some(range), None));
            }
            TransferJob::LendRange { transfer, loan, asker, link, range, .. } => {
                assert!(side.shared.contains(&transfer), "it may be lent");
                assert!(side.disk[&transfer].contains(&range), "it is here");
                self.stream(who, link, asker, (Some(range), Some((transfer, loan))));
            }
            TransferJob::Hashes { transfer, link, ranges } => {
                let known = ranges.into_iter().filter(|range| side.noted.contains(range));
                let hashes = known.map(|range| (range, hash_of(range))).collect();
                side.reports.push_back(TransferReport::Hashes { transfer, link, hashes });
            }
            TransferJob::Open { transfer, .. } => {
                side.expected.insert(transfer, None);
                let held = match side.disk.get(&transfer) {
                    Some(_) => Held::Manifest(layouted),
                    None => Held::Nothing,
                };
                side.reports.push_back(TransferReport::Opened { transfer, result: Ok(held) });
            }
            TransferJob::Expect { transfer, link } => {
                side.expected.insert(transfer, Some(link));
            }
            TransferJob::Borrow { transfer, link, ranges } => {
                for (range, hash) in ranges {
                    side.borrowed.insert((transfer, link, range), hash);
                }
            }
            TransferJob::Refuse { transfer, link } => {
                side.borrowed.retain(|(of, on, _), _| (*of, *on) != (transfer, link));
            }
            TransferJob::Share { transfer, share } => {
                if share {
                    side.shared.insert(transfer);
                } else {
                    side.shared.remove(&transfer);
                }
            }
            TransferJob::Finish { transfer } => {
                assert_eq!(side.disk[&transfer].len() as u64, ranges, "all is here");
                side.reports.push_back(TransferReport::Finished { transfer, result: Ok([7; 32]) });
            }
            TransferJob::Digest { transfer, .. } => {
                side.reports.push_back(TransferReport::Digested { transfer, result: Ok([7; 32]) });
            }
            TransferJob::Stop { transfer, .. } | TransferJob::Halt { transfer } => {
                side.expected.remove(&transfer);
                self.streams.retain(|stream| {
                    let of = stream.lent.map_or(stream.transfer, |(_, loan)| loan);
                    stream.from != who || of != transfer
                });
            }
            TransferJob::Limit { .. } | TransferJob::Flow(_) => {}
            other => panic!("{other:?}"),
        }
    }

    fn stream(
        &mut self,
        from: Who,
        link: LinkId,
        transfer: TransferId,
        (range, lent): (Option<u64>, Option<(TransferId, TransferId)>),
    ) {
        let is_right = !self.sides[from].lies;
        let Some(to) = self.other(from, link) else {
            self.sent(from, (link, transfer, range, lent), Err(TransferFault::LinkLost));
            return;
        };
        if range.is_some() {
            *self.given.entry((from, to)).or_default() += 1;
        }
        self.streams.push(Stream { from, to, link, transfer, lent, range, is_right });
    }

    fn sent(
        &mut self,
        from: Who,
        (link, transfer, range, lent): (LinkId, TransferId, Option<u64>, Option<(TransferId, TransferId)>),
        result: Result<(), TransferFault>,
    ) {
        self.sides[from].reports.push_back(match (range, lent) {
            (Some(range), Some((transfer, _))) => {
                TransferReport::RangeLent { transfer, link, range, result: result.map(|()| MIB) }
            }
            (Some(range), None) => {
                TransferReport::RangeSent { transfer, link, range, result: result.map(|()| MIB) }
            }
            (None, _) => TransferReport::ManifestSent { transfer, link, result },
        });
    }

    /// The stream at `index` gets where it goes.
    pub(super) fn carry(&mut self, index: usize) {
        let Stream { from, to, link, transfer, lent, range, is_right } = self.streams.remove(index);
        let result = if self.links.contains_key(&link) {
            self.take_in((to, link), transfer, (range, is_right))
        } else {
            Err(TransferFault::LinkLost)
        };
        self.sent(from, (link, transfer, range, lent), result);
    }

    fn take_in(
        &mut self,
        (who, link): (Who, LinkId),
        transfer: TransferId,
        (range, is_right): (Option<u64>, bool),
    ) -> Result<(), TransferFault> {
        let layouted = self.layouted();
        let side = &mut self.sides[who];
        let is_sender = side.expected.get(&transfer) == Some(&Some(link));
        let Some(range) = range else {
            if !is_sender || side.disk.contains_key(&transfer) {
                return Err(TransferFault::Stopped);
            }
            side.disk.insert(transfer, BTreeSet::new());
            side.reports.push_back(TransferReport::ManifestReceived { transfer, result: Ok(layouted) });
            return Ok(());
        };
        let told = side.borrowed.remove(&(transfer, link, range)).filter(|_| !is_sender);
        if !is_sender && told.is_none() {
            return Err(TransferFault::Stopped);
        }
        let Some(disk) = side.disk.get_mut(&transfer) else { return Err(TransferFault::Stopped) };
        let result = if disk.contains(&range) {
            Err(TransferFault::Stopped)
        } else if is_right {
            disk.insert(range);
            Ok(MIB)
        } else {
            Err(TransferFault::Peer("the bytes do not match their hash".to_owned()))
        };
        let taken = result.clone().map(drop);
        if let Some(told) = told {
            assert_eq!(told, hash_of(range), "what counts is the sender's word");
            side.reports.push_back(TransferReport::RangeBorrowed { transfer, link, range, result });
        } else if result != Err(TransferFault::Stopped) {
            side.reports.push_back(TransferReport::RangeReceived { transfer, range, result });
        }
        taken
    }

    pub(super) fn connect(&mut self, one: Who, other: Who) {
        if self.links.values().any(|ends| *ends == [one, other] || *ends == [other, one]) {
            return;
        }
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.links.insert(link, [one, other]);
        for (who, with) in [(one, other), (other, one)] {
            self.sides[who].needs.remove(&with);
            let device = DeviceId::new([u8::try_from(with).unwrap(); 16]);
            self.input(
                who,
                TransferInput::LinkUp { link, address: address(with), device, path: PathKind::Lan },
            );
        }
    }

    pub(super) fn disconnect(&mut self, link: LinkId) {
        let Some(ends) = self.links.remove(&link) else { return };
        self.frames.retain(|(_, on, _)| *on != link);
        for who in ends {
            self.sides[who].borrowed.retain(|(_, on, _), _| *on != link);
            self.input(who, TransferInput::LinkDown { link });
        }
    }

    pub(super) fn restart(&mut self, who: Who) {
        let links: Vec<LinkId> =
            self.links.iter().filter(|(_, ends)| ends.contains(&who)).map(|(link, _)| *link).collect();
        links.into_iter().for_each(|link| self.disconnect(link));
        self.streams.retain(|stream| stream.from != who);
        let side = &mut self.sides[who];
        side.reports.clear();
        side.expected.clear();
        side.borrowed.clear();
        side.shared.clear();
        side.transfers = Transfers::open(&mut side.store).unwrap();
        // What the last run wrote is not read again here: it counts as lost.
        side.disk.values_mut().for_each(BTreeSet::clear);
        self.settings(who, Duration::from_secs(3_600));
    }

    pub(super) fn deliver_frame(&mut self) -> bool {
        let Some((from, link, frame)) = self.frames.pop_front() else { return false };
        if let Some(to) = self.other(from, link) {
            let input = match frame {
                Frame::Transfer(frame) => TransferInput::Frame { link, frame },
                Frame::Swarm(frame) => TransferInput::Swarm { link, frame },
            };
            self.input(to, input);
        }
        true
    }

    pub(super) fn deliver_letter(&mut self) -> bool {
        let Some((from, to, body)) = self.letters.pop_front() else { return false };
        let device = DeviceId::new([u8::try_from(from).unwrap(); 16]);
        let from = address(from);
        if let LetterBody::Offer(offer) = body {
            self.input(to, TransferInput::Offer { from, device, offer });
        } else if let LetterBody::OfferEnd(end) = body {
            self.input(to, TransferInput::OfferEnd { from, device, end });
        } else {
            panic!("{body:?}");
        }
        true
    }

    pub(super) fn deliver_report(&mut self, who: Who) -> bool {
        let Some(report) = self.sides[who].reports.pop_front() else { return false };
        self.input(who, TransferInput::Report(report));
        true
    }

    /// Everything but streams happens, and whoever wants a link has it.
    pub(super) fn settle(&mut self) {
        loop {
            let all = 0..self.sides.len();
            if self.deliver_letter()
                || self.deliver_frame()
                || all.into_iter().any(|who| self.deliver_report(who))
            {
                continue;
            }
            let Some((who, with)) =
                (0..self.sides.len()).find_map(|who| Some((who, self.sides[who].needs.pop_first()?)))
            else {
                return;
            };
            self.connect(who, with);
        }
    }

    pub(super) fn pass_time(&mut self, time: Duration) {
        self.now += time;
        for who in 0..self.sides.len() {
            self.input(who, TransferInput::Tick);
        }
    }

    /// From now on nothing goes wrong: one stream of the sender after another, and all that others send, is there in a step.
    pub(super) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.settle();
            if self.is_done() {
                return;
            }
            if let Some(at) = self.streams.iter().position(|stream| stream.from == 0) {
                self.carry(at);
            }
            while let Some(at) =
                self.streams.iter().position(|stream| stream.from != 0 && !self.sides[stream.from].is_stuck)
            {
                self.carry(at);
            }
            self.pass_time(STEP);
        }
        self.settle();
    }

    pub(super) fn is_done(&self) -> bool {
        self.ids.iter().all(|(who, id)| {
            [0, *who].iter().all(|who| {
                self.sides[*who].views.get(id).is_some_and(|view| view.state == TransferState::Done)
            })
        })
    }

    /// Ranges that the sender has given to anybody.
    pub(super) fn uploaded(&self) -> u64 {
        self.given.iter().filter(|((from, _), _)| *from == 0).map(|(_, ranges)| ranges).sum()
    }

    pub(super) fn states(&self) -> Vec<Option<TransferState>> {
        self.ids.iter().map(|(who, id)| self.sides[*who].views.get(id).map(|view| view.state)).collect()
    }

    /// Somebody of another world becomes a contact.
    pub(super) fn befriend(&mut self, who: Who, stranger: Who) {
        self.sides[who].store.friends.push(stranger);
    }

    /// Whether anything was said on a link that leads out of this world.
    pub(super) fn has_said(&self, link: LinkId) -> bool {
        self.said.contains(&link)
    }

    pub(super) fn id(&self, who: Who) -> TransferId {
        self.ids[&who]
    }

    pub(super) fn view(&self, who: Who) -> &TransferView {
        &self.sides[who].views[&self.ids[&who]]
    }
}
