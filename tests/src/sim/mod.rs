//! The simulation: a rendezvous and several peers in one thread, under virtual time, with everything going wrong.
//!
//! The cores are the real ones, on their real stores, so what is tested is what decides in the programs. The shells are
//! not: sessions and links are modeled by what QUIC promises, and everything that QUIC, networks, disks, clocks and
//! processes do not promise goes wrong here as often as the seed says. One seed is one run; the same seed is the same run.
//!
//! | module | is |
//! | --- | --- |
//! | `world` | machines, what is on its way, the time |
//! | `plan` | what one run is made of, drawn from the seed |
//! | `server`, `peer` | the machines: cores, stores, what their shells would do |
//! | `session`, `link` | what goes between them |
//! | `people`, `load` | accounts and devices; what users do |
//! | `faults`, `disk`, `power` | what goes wrong |
//! | `truth` | what must hold |
//! | `trace` | what happened, to compare runs and to read failures |

mod disk;
mod faults;
mod link;
mod load;
mod peer;
mod people;
mod plan;
mod power;
mod server;
mod session;
mod trace;
mod truth;
mod world;

use std::net::{IpAddr, Ipv4Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

pub use self::plan::Plant;
pub use self::power::PowerCuts;

use self::disk::Medium;
use self::plan::Plan;
use self::power::Outage;
use self::trace::Trace;
use self::world::{Action, World};
use crate::chance::Chance;

/// The domain of all accounts here.
const DOMAIN: &str = "localhost";

/// Where everybody is, as the rendezvous sees it.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What the clocks show on average at the beginning: November 2023.
const CLOCK_UNIX_MS: u64 = 1_700_000_000_000;

/// How far a clock may be off: ten years.
const CLOCK_OFF_MS: u64 = 10 * 365 * 86_400_000;

/// How long everything has to come to rest. More than any wait in the product: attempts to reach a peer back off up to
/// five minutes, a full mailbox is tried each minute.
const REST: Duration = Duration::from_secs(1_200);

/// What a clock shows that may be wrong by years.
fn clock_ms(chance: &mut Chance) -> u64 {
    CLOCK_UNIX_MS - CLOCK_OFF_MS + chance.below(2 * CLOCK_OFF_MS)
}

/// What a run was like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How long it lasted, in the world.
    pub simulated: Duration,
    /// Letters that were acknowledged.
    pub letters: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Frames that were sent.
    pub frames: u64,
    /// Things that happened, and their hash.
    pub trace: (u64, String),
}

/// A rule that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The run.
    pub seed: u64,
    /// When, in the world.
    pub at: Duration,
    /// What.
    pub what: String,
    /// What happened before, if it was to be kept.
    pub lines: Vec<String>,
}

/// How to run a seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// Which.
    pub seed: u64,
    /// A bug to plant.
    pub plant: Option<Plant>,
    /// Whether a failure comes with all that happened before.
    pub keeps_lines: bool,
    /// Whether letters that overtake each other are let pass.
    pub except_order: bool,
}

impl Run {
    /// A run of the product as it is.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, plant: None, keeps_lines: false, except_order: false }
    }

    /// Runs it to its end, or until a rule does not hold.
    ///
    /// # Errors
    /// The first rule that does not.
    pub fn go(self) -> Result<Summary, Box<Failure>> {
        let mut chance = Chance::new(self.seed);
        let plan = Plan::draw(&mut chance);
        let folder = self.plant.map(|_| tempfile::tempdir().expect("a folder for temporary files"));
        let medium =
            folder.as_ref().map_or(Medium::Memory, |folder| Medium::Folder(folder.path().to_owned()));
        let mut world = World::new(chance, plan, medium, Trace::new(self.keeps_lines));
        world.plant = self.plant;
        world.checks_order = !self.except_order;
        // What panics is a bug like any other; the seed must be told.
        let result = catch_unwind(AssertUnwindSafe(|| world.live())).unwrap_or_else(|panic| {
            let words = panic.downcast_ref::<String>().map(String::as_str);
            let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("a panic: {}", words.unwrap_or("of an unknown kind")))
        });
        match result {
            Ok(()) => Ok(Summary {
                simulated: world.now,
                letters: world.truth.count(),
                crashes: world.crashes,
                frames: world.frames,
                trace: world.trace.sum(),
            }),
            Err(what) => {
                let lines = world.trace.take_lines();
                Err(Box::new(Failure { seed: self.seed, at: world.now, what, lines }))
            }
        }
    }
}

/// Runs a seed on files, cuts the power of each peer at each of its commits and in it, and looks what is left.
///
/// # Errors
/// The first rule that does not hold; that no acknowledged letter is gone and no database damaged is one of them.
///
/// # Panics
/// Without a folder for temporary files.
pub fn power_cuts(seed: u64) -> Result<PowerCuts, String> {
    let mut chance = Chance::new(seed);
    let plan = Plan::draw(&mut chance);
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let medium = Medium::Folder(folder.path().to_owned());
    let mut world = World::new(chance, plan, medium, Trace::new(false));
    world.outage = Some(Outage::new(folder.path()));
    // On which road letters go is another matter.
    world.checks_order = false;
    world.live()?;
    Ok(world.outage.map(|outage| outage.tried).unwrap_or_default())
}

/// A machine of [`disk_error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// The rendezvous.
    Rendezvous,
    /// The device of this number.
    Peer(usize),
}

/// Runs a quiet story in which one machine's store fails once, after so many steps. Whether it came to that.
///
/// # Errors
/// The first rule that does not hold.
pub fn disk_error(seed: u64, machine: Machine, steps: u64) -> Result<bool, String> {
    let mut world = World::new(Chance::new(seed), Plan::quiet(), Medium::Memory, Trace::new(false));
    world.gather()?;
    let machine = match machine {
        Machine::Rendezvous => None,
        Machine::Peer(index) => Some(index),
    };
    world.sabotage = Some((machine, steps));
    world.storm()?;
    let came = world.sabotage.take().is_none();
    world.rest()?;
    Ok(came)
}

impl World {
    /// The whole run.
    fn live(&mut self) -> Result<(), String> {
        self.gather()?;
        self.storm()?;
        self.rest()
    }

    /// People write, and things go wrong.
    fn storm(&mut self) -> Result<(), String> {
        (self.calm, self.stormed) = (false, true);
        self.at(self.now, Action::Act);
        self.after(self.plan.fault_every, Action::Fault);
        self.run(self.plan.storm)
    }

    /// Nothing goes wrong any more, and everything comes to rest.
    fn rest(&mut self) -> Result<(), String> {
        self.calm_down();
        self.truth.calm_down();
        self.run(REST)?;
        self.probe();
        self.run(REST)?;
        self.check_bounds();
        self.check_rest()?;
        let frames = self.frames;
        self.run(REST)?;
        if self.frames > frames {
            return Err(format!("{} frames were sent although all is calm", self.frames - frames));
        }
        Ok(())
    }

    /// Everybody comes and knows everybody; nothing goes wrong yet.
    fn gather(&mut self) -> Result<(), String> {
        const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];
        for name in NAMES.iter().take(self.plan.accounts.len()) {
            self.register(name);
        }
        self.run(Duration::from_secs(31))?;
        for (person, devices) in self.plan.accounts.clone().into_iter().enumerate() {
            for _ in 1..devices {
                self.add_device(person);
            }
        }
        for one in 0..self.people.len() {
            for other in 0..one {
                self.befriend(other, one);
            }
        }
        self.run(Duration::from_secs(60))
    }

    /// Everybody who can write to everybody does so, once all is calm.
    fn probe(&mut self) {
        for index in 0..self.peers.len() {
            for other in 0..self.people.len() {
                if self.peers[index].person != other {
                    self.write(index, other);
                }
            }
        }
    }
}
