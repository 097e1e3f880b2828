//! Every call to the file system fails once, and once until somebody has seen to it: both cores with their shells on a
//! real link, in virtual time. Whatever fails, the same bytes arrive in the end, or both sides know why not.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};

use hobnob_nat::core::agent::PathKind;
use hobnob_wire::letter::LetterBody;
use hobnob_wire::transfer::TransferFrame;
use hobnob_wire::{Address, DeviceId};

use super::*;
use crate::core::command::{Command, CommandError, CommandId, Reply};
use crate::core::event::Event;
use crate::core::time::{Entropy, Now};
use crate::core::transfer::{Settings, TransferEffect, TransferInput, Transfers};
use crate::core::view::{Priority, TransferState, TransferView};
use crate::disk::calls::{Disk, Faults};
use crate::disk::leftovers;
use crate::store::Database;

/// So long nothing must be reported before time is made to pass.
const QUIET: Duration = Duration::from_millis(30);
/// So often time passes while a disk refuses, before it is repaired.
const LOOKS: u32 = 3;
/// EIO, ENOSPC, EACCES, EROFS.
const ERRORS: [i32; 4] = [5, 28, 13, 30];

/// Which call fails, and how.
type Site = &'static Location<'static>;

/// A disk that fails where it is told to.
#[derive(Debug, Default)]
struct Failing {
    /// Every site that was called, with the number of calls.
    called: Mutex<BTreeMap<Site, u32>>,
    /// Where to fail, and with what.
    at: Mutex<Option<(Site, i32)>>,
    /// Whether to fail more than once.
    again: bool,
    failed: AtomicBool,
}

impl Faults for Failing {
    fn before(&self, _: &'static str, site: Site) -> io::Result<()> {
        *lock(&self.called).entry(site).or_default() += 1;
        let mut at = lock(&self.at);
        let Some((_, error)) = at.filter(|(wanted, _)| *wanted == site) else { return Ok(()) };
        self.failed.store(true, Ordering::Relaxed);
        if !self.again {
            *at = None;
        }
        Err(io::Error::from_raw_os_error(error))
    }
}

/// One run of a program: once it has died, it makes no call any more, whatever its threads were about to do.
#[derive(Debug)]
struct Process {
    faults: Arc<Failing>,
    dead: AtomicBool,
}

impl Faults for Process {
    fn before(&self, doing: &'static str, site: Site) -> io::Result<()> {
        if self.dead.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Other.into());
        }
        self.faults.before(doing, site)
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

struct Counter(u64);

impl Entropy for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 += 1;
        bytes.fill(0);
        bytes[..8].copy_from_slice(&self.0.to_be_bytes());
    }
}

/// Where the streams of a connection go now.
type Taker = Arc<Mutex<Option<TransferShell>>>;

/// Two machines with a link, on which many transfers are tried one after the other.
struct Lab {
    links: [LinkHandle; 2],
    takers: [Taker; 2],
    entropy: Counter,
    _endpoints: [Endpoint; 2],
}

impl Lab {
    async fn new() -> Self {
        let [(at_alice, dialed, alice_keys), (at_bob, accepted, bob_keys)] = linked().await;
        let link = |connection, keys: LinkKeys| LinkHandle {
            id: LINK,
            connection,
            secret: Arc::new(keys.streams),
            direction: keys.direction,
        };
        let links = [link(dialed, alice_keys), link(accepted, bob_keys)];
        let takers = links.each_ref().map(|link| {
            let (taker, connection) = (Taker::default(), link.connection.clone());
            let shell = Arc::clone(&taker);
            tokio::spawn(async move {
                while let Ok(stream) = connection.accept_uni().await {
                    if let Some(shell) = &*lock(&shell) {
                        shell.incoming(LINK, stream);
                    }
                }
            });
            taker
        });
        Self { links, takers, entropy: Counter(0), _endpoints: [at_alice, at_bob] }
    }
}

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// Everything is new.
    Plain,
    /// Some of it is there already.
    Update,
    /// Only some of it is taken.
    Part,
    /// The receiver begins again in the middle.
    Resumed,
}

/// One side of one transfer.
struct Side {
    core: Transfers,
    store: Database,
    process: Arc<Process>,
    shell: TransferShell,
    disk: Disk,
    reports: mpsc::Receiver<TransferReport>,
    replies: Vec<Result<Reply, CommandError>>,
    view: Option<TransferView>,
}

/// One transfer from its offer to its end.
struct Trial<'a> {
    lab: &'a mut Lab,
    course: Course,
    now: Duration,
    sides: [Side; 2],
    faults: [Arc<Failing>; 2],
    frames: VecDeque<(Who, TransferFrame)>,
    letters: VecDeque<(Who, LetterBody)>,
    home: TempDir,
}

impl<'a> Trial<'a> {
    fn new(lab: &'a mut Lab, course: Course, faults: [Arc<Failing>; 2]) -> Self {
        let memory = Path::new("/dev/shm");
        let home = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        fill(&home.path().join("out/top"), 1);
        fs::create_dir_all(home.path().join("in/top")).unwrap();
        fs::write(home.path().join("in/mine"), "mine").unwrap();
        if course == Course::Update {
            fill(&home.path().join("in/top"), 1);
            fs::write(home.path().join("in/top/short"), "older").unwrap();
            fs::write(home.path().join("in/top/long"), content(1_500_000, 9)).unwrap();
            fs::remove_file(home.path().join("in/top/inner/two")).unwrap();
        } else {
            fs::remove_dir(home.path().join("in/top")).unwrap();
        }
        let sides = [Who::Alice, Who::Bob].map(|who| {
            let folder = home.path().join(format!("{who:?}"));
            fs::create_dir(&folder).unwrap();
            let (process, disk) = started(folder, &faults[who as usize]);
            let (reporter, reports) = mpsc::channel(256);
            let shell = TransferShell::on(disk.clone(), reporter);
            let (core, store) = (Transfers::default(), Database::in_memory().unwrap());
            Side { core, store, process, shell, disk, reports, replies: Vec::new(), view: None }
        });
        let (frames, letters) = (VecDeque::new(), VecDeque::new());
        let now = Duration::from_secs(1);
        let mut this = Self { lab, course, now, sides, faults, frames, letters, home };
        [Who::Alice, Who::Bob].into_iter().for_each(|who| this.begin(who));
        this
    }

    /// A side comes up, and the link.
    fn begin(&mut self, who: Who) {
        let side = &self.sides[who as usize];
        side.shell.link_up(self.lab.links[who as usize].clone());
        *lock(&self.lab.takers[who as usize]) = Some(side.shell.clone());
        let settings = Settings { folder: self.home.path().join("in"), ..Settings::default() };
        self.input(who, TransferInput::Settings(settings));
        let (address, device) = (who.other().address(), who.other().device());
        self.input(who, TransferInput::LinkUp { link: LINK, address, device, path: PathKind::Lan });
    }

    /// A side begins again, as after a crash.
    fn restart(&mut self, who: Who) {
        self.input(who.other(), TransferInput::LinkDown { link: LINK });
        self.frames.clear();
        let side = &mut self.sides[who as usize];
        side.process.dead.store(true, Ordering::Relaxed);
        if let Some(view) = &side.view {
            side.shell.perform(TransferJob::Stop { transfer: view.id, discard: false });
        }
        (side.process, side.disk) = started(side.disk.transfers().to_owned(), &self.faults[who as usize]);
        let (reporter, reports) = mpsc::channel(256);
        (side.shell, side.reports) = (TransferShell::on(side.disk.clone(), reporter), reports);
        let mut transaction = side.store.begin().unwrap();
        side.core = Transfers::open(&mut transaction).unwrap();
        transaction.commit().unwrap();
        self.begin(who);
        let (address, device) = (who.address(), who.device());
        self.input(who.other(), TransferInput::LinkUp { link: LINK, address, device, path: PathKind::Lan });
    }

    fn input(&mut self, who: Who, input: TransferInput) {
        let unix_ms = u64::try_from(self.now.as_millis()).unwrap();
        let now = Now { monotonic: self.now, unix_ms };
        let side = &mut self.sides[who as usize];
        let mut transaction = side.store.begin().unwrap();
        let effects = side.core.handle(&mut transaction, input, now, &mut self.lab.entropy).unwrap();
        transaction.commit().unwrap();
        for effect in effects {
            match effect {
                TransferEffect::Reply { result, .. } => side.replies.push(result),
                TransferEffect::Event(Event::Transfer(view)) => side.view = Some(view),
                TransferEffect::Letter { body, .. } => self.letters.push_back((who.other(), body)),
                TransferEffect::SendFrame { frame, .. } => self.frames.push_back((who.other(), frame)),
                TransferEffect::Job(job) => side.shell.perform(job),
                TransferEffect::Event(_)
                | TransferEffect::LetterToOthers { .. }
                | TransferEffect::NeedLink { .. }
                | TransferEffect::NeedLinks { .. }
                | TransferEffect::SendSwarm { .. }
                | TransferEffect::PaceLink { .. } => {}
            }
        }
    }

    fn state(&self, who: Who) -> Option<TransferState> {
        self.sides[who as usize].view.as_ref().map(|view| view.state)
    }

    /// Passes on what was said. `false` when nothing was.
    fn talk(&mut self) -> bool {
        if let Some((to, body)) = self.letters.pop_front() {
            let (from, device) = (to.other().address(), to.other().device());
            if let LetterBody::Offer(offer) = body {
                self.input(to, TransferInput::Offer { from, device, offer });
            } else if let LetterBody::OfferEnd(end) = body {
                self.input(to, TransferInput::OfferEnd { from, device, end });
            } else {
                panic!("{body:?}");
            }
        } else if let Some((to, frame)) = self.frames.pop_front() {
            self.input(to, TransferInput::Frame { link: LINK, frame });
        } else {
            return false;
        }
        true
    }

    /// Lets things happen until `is_so`, or until time has passed so often.
    async fn until(&mut self, most: u32, is_so: impl Fn(&Self) -> bool) -> bool {
        let mut passed = 0;
        while !is_so(self) {
            if self.talk() {
                continue;
            }
            let [alice, bob] = &mut self.sides;
            let report = tokio::select! {
                report = alice.reports.recv() => Some((Who::Alice, report.unwrap())),
                report = bob.reports.recv() => Some((Who::Bob, report.unwrap())),
                () = tokio::time::sleep(QUIET) => None,
            };
            if let Some((who, report)) = report {
                self.input(who, TransferInput::Report(report));
                continue;
            }
            if passed == most {
                return false;
            }
            passed += 1;
            let due = self.sides.iter().filter_map(|side| side.core.deadline()).min();
            self.now = self.now.max(due.unwrap_or(self.now)) + Duration::from_millis(1);
            [Who::Alice, Who::Bob].into_iter().for_each(|who| self.input(who, TransferInput::Tick));
        }
        true
    }

    /// The fault is gone.
    fn repair(&self) {
        self.faults.iter().for_each(|faults| *lock(&faults.at) = None);
    }

    async fn offer(&mut self) -> Result<Reply, CommandError> {
        let command = Command::FileSend {
            to: vec![Who::Bob.address()],
            paths: vec![self.home.path().join("out/top")],
            limit: 0,
            sealed: true,
            links: true,
            text: String::new(),
            priority: Priority::Normal,
        };
        self.input(Who::Alice, TransferInput::Command { id: CommandId(1), command });
        assert!(self.until(2_000, |this| !this.sides[0].replies.is_empty()).await, "no answer");
        self.sides[0].replies.pop().unwrap()
    }

    fn accept(&mut self) {
        let id = self.sides[1].view.as_ref().unwrap().id;
        let only: &[String] = if self.course == Course::Part { &["long".into(), "s*".into()] } else { &[] };
        let choice = Choice::new(only, &[]).unwrap();
        let update = self.course == Course::Update;
        let command = Command::FileAccept { id, to: None, update, choice };
        self.input(Who::Bob, TransferInput::Command { id: CommandId(2), command });
    }

    /// The whole course; what is told when it cannot even be offered.
    async fn run(&mut self) -> Result<(), String> {
        let mut offered = self.offer().await;
        if let Err(error) = &offered {
            let told = error.text.clone();
            self.repair();
            offered = self.offer().await;
            assert!(offered.is_ok(), "{offered:?} after {told}");
            return Err(told);
        }
        assert!(self.until(100, |this| this.state(Who::Bob).is_some()).await);
        self.accept();
        if self.course == Course::Resumed {
            let some = |this: &Self| {
                this.sides[1].view.as_ref().is_some_and(|view| view.done > 0 || view.state.is_final())
            };
            self.until(LOOKS, some).await;
            self.restart(Who::Bob);
        }
        let is_over = |this: &Self| {
            [Who::Alice, Who::Bob].iter().all(|who| this.state(*who).is_some_and(TransferState::is_final))
        };
        if !self.until(LOOKS, is_over).await {
            self.repair();
            assert!(self.until(2_000, is_over).await, "it does not end: {:?}", self.views());
        }
        Ok(())
    }

    fn views(&self) -> Vec<Option<&TransferView>> {
        self.sides.iter().map(|side| side.view.as_ref()).collect()
    }

    /// What must be so however it ended.
    fn check(&self, what: &str) {
        let at = |path: &str| self.home.path().join(path);
        let sent = tree(&at("out/top"));
        fill(&at("fresh"), 1);
        assert!(sent == tree(&at("fresh")), "{what}: what is offered is as it was");
        assert_eq!(fs::read(at("in/mine")).unwrap(), b"mine", "{what}: what is beside it is as it was");
        let arrived = if at("in/top").exists() { tree(&at("in/top")) } else { Vec::new() };
        let is_taken = |name: &str| {
            let is_part = self.course == Course::Part;
            !is_part || name == "long" || name.starts_with('s')
        };
        let expected: Vec<_> = sent.into_iter().filter(|(name, _)| is_taken(name)).collect();
        let [alice, bob] = [Who::Alice, Who::Bob].map(|who| self.state(who));
        if bob == Some(TransferState::Done) {
            assert!(arrived == expected, "{what}: what arrived is what was sent");
        } else {
            for (name, bytes) in &arrived {
                let known = self.course == Course::Update && (name == "short" || name == "long");
                let is_new = expected.iter().any(|(other, content)| (other, content) == (name, bytes));
                assert!(is_new || known, "{what}: {name} is neither the old nor the new one");
            }
        }
        if bob == Some(TransferState::Done) && alice == bob {
            let digests = self.sides.each_ref().map(|side| side.view.as_ref().unwrap().digest.clone());
            assert_eq!(digests[0], digests[1], "{what}");
        }
        for view in self.views().into_iter().flatten() {
            if let Some(error) = &view.error {
                is_told(error, what);
            }
        }
    }

    /// At the latest the next start leaves nothing behind.
    async fn clean(self, what: &str) {
        for side in &self.sides {
            if let Some(view) = &side.view {
                side.shell.perform(TransferJob::Stop { transfer: view.id, discard: true });
            }
        }
        let left = |this: &Self| {
            let homes =
                this.sides.each_ref().map(|side| fs::read_dir(side.disk.transfers()).unwrap().count());
            let names = tree(&this.home.path().join("in"));
            homes.iter().sum::<usize>() + names.iter().filter(|(name, _)| name.contains(".part")).count()
        };
        let gone = async {
            while left(&self) > 0 {
                for side in &self.sides {
                    leftovers::remove_all_but(&side.disk, &[].into()).unwrap();
                }
                tokio::task::yield_now().await;
            }
        };
        assert!(timeout(PATIENCE, gone).await.is_ok(), "{what}: something is left behind");
    }
}

/// A program begins, on the disk that it has.
fn started(folder: PathBuf, faults: &Arc<Failing>) -> (Arc<Process>, Disk) {
    let process = Arc::new(Process { faults: Arc::clone(faults), dead: AtomicBool::new(false) });
    (Arc::clone(&process), Disk::new(folder).with_faults(process))
}

/// A file is named, what happened is said, and what to do.
fn is_told(error: &str, what: &str) {
    assert!(error.contains("could not ") || error.contains(" is damaged"), "{what}: {error}");
    assert!(error.contains("; "), "{what}: what to do is said: {error}");
}

/// Long and short files, folders, a link, a program, holes.
fn fill(top: &Path, seed: u64) {
    fs::create_dir_all(top.join("inner/empty")).unwrap();
    fs::write(top.join("long"), content(1_500_000, seed)).unwrap();
    fs::write(top.join("short"), content(5_000, seed)).unwrap();
    fs::write(top.join("inner/two"), content(7_000, seed)).unwrap();
    fs::write(top.join("run.sh"), "#!/bin/sh").unwrap();
    fs::set_permissions(top.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let holes = fs::File::create(top.join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&holes, &content(9_000, seed), 1 << 20).unwrap();
    holes.set_len((2 << 20) + 1).unwrap();
    symlink("short", top.join("slink")).unwrap();
}

/// Runs every course with every call that it makes failing, once or until it is repaired.
async fn try_all(course: Course) {
    let mut lab = Lab::new().await;
    let none = [Arc::<Failing>::default(), Arc::default()];
    let mut trial = Trial::new(&mut lab, course, none.clone());
    trial.run().await.unwrap();
    trial.check("without a fault");
    assert_eq!(trial.state(Who::Bob), Some(TransferState::Done), "{:?}", trial.views());
    trial.clean("without a fault").await;
    let mut errors = ERRORS.iter().cycle();
    for who in [Who::Alice, Who::Bob] {
        let sites: Vec<Site> = lock(&none[who as usize].called).keys().copied().collect();
        assert!(sites.len() > 20, "{} sites", sites.len());
        let (mut hits, mut trials) = (0, 0);
        for (site, again) in sites.into_iter().flat_map(|site| [(site, false), (site, true)]) {
            let error = *errors.next().unwrap();
            let what = format!("{course:?}, {who:?}, {site}, error {error}, again: {again}");
            let at = Mutex::new(Some((site, error)));
            let failing = Arc::new(Failing { at, again, ..Failing::default() });
            let mut faults = [Arc::<Failing>::default(), Arc::default()];
            faults[who as usize] = Arc::clone(&failing);
            let mut trial = Trial::new(&mut lab, course, faults);
            if let Err(told) = trial.run().await {
                is_told(&told, &what);
            } else {
                trial.check(&what);
            }
            hits += usize::from(failing.failed.load(Ordering::Relaxed));
            trials += 1;
            trial.repair();
            trial.clean(&what).await;
        }
        // Which ranges are read again after a restart depends on what had come before it.
        assert!(hits * 10 >= trials * 9, "{hits} of {trials} calls failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_call_to_the_disk_fails_a_new_folder_arrives_whole_or_both_know_why_not() {
    try_all(Course::Plain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_call_to_the_disk_fails_an_update_leaves_each_file_old_or_new() {
    try_all(Course::Update).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_call_to_the_disk_fails_a_part_arrives_whole_or_both_know_why_not() {
    try_all(Course::Part).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_call_to_the_disk_fails_a_restarted_receiver_goes_on() {
    try_all(Course::Resumed).await;
}
