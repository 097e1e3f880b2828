//! How fast a file passes, at what cost, and how others do beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::person::{Person, text};
use hobnob_tests::world::World;

use crate::figure::{Report, median};
use crate::place::{Place, Side};
use crate::references::{self, Reference};

const MIB: f64 = 1_048_576.0;

/// The two ways in which Hobnob sends a file.
const WAYS: [(&str, &[&str]); 2] = [("sealed", &[]), ("as-is", &["--as-is"])];

/// What sending the file once took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// From the start of the command to its end.
    pub(crate) seconds: f64,
    /// Processor time of the sending side.
    pub(crate) near_cpu: f64,
    /// Processor time of the receiving side.
    pub(crate) far_cpu: f64,
}

/// A program, how it was told to send, and what its runs took.
type Runs = (String, Vec<Run>);

/// Sends a file by every program in turn and reports. Whether a sealed file was at least as fast as by scp.
pub(crate) fn measure(report: &mut Report, place: &Place, mib: u64, rounds: usize) -> Result<bool> {
    let world = World::placed(place.near, &place.prefix(Side::Near));
    let stage = Stage::set(&world, place, mib);
    let (references, missing) = references::start(place, &world);
    for (name, why) in missing {
        report.skip(&format!("file/{}/{name}", place.name), &why);
    }
    let memory = [&stage.alice, &stage.bob].map(|person| person.process().memory_bytes());
    let mut ours: Vec<Runs> = WAYS.map(|(name, _)| (name.to_owned(), Vec::new())).into();
    let mut theirs: Vec<Runs> =
        references.iter().map(|reference| (reference.name().to_owned(), Vec::new())).collect();
    for round in 0..rounds {
        for ((_, runs), (_, options)) in ours.iter_mut().zip(WAYS) {
            runs.push(stage.send(options)?);
        }
        for ((_, runs), reference) in theirs.iter_mut().zip(&references) {
            runs.push(stage.send_by(reference).with_context(|| format!("round {round}"))?);
        }
    }
    let as_fast = tell(report, place, mib, &ours, &theirs);
    for (side, (person, before)) in
        ["sender", "receiver"].iter().zip([&stage.alice, &stage.bob].iter().zip(memory))
    {
        let growth = person.process().peak_memory_bytes().saturating_sub(before);
        let peak = person.process().peak_memory_bytes();
        report.figure(&format!("memory/{}/{side}/peak", place.name), peak as f64 / MIB, "MiB");
        report.figure(&format!("memory/{}/{side}/growth", place.name), growth as f64 / MIB, "MiB");
    }
    Ok(as_fast)
}

fn tell(report: &mut Report, place: &Place, mib: u64, ours: &[Runs], theirs: &[Runs]) -> bool {
    let mut as_fast = true;
    let rate = |runs: &[Run]| mib as f64 / median(&seconds(runs));
    let gib = mib as f64 / 1024.0;
    let cpu = |runs: &[Run], of: fn(&Run) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>()) / gib;
    for (name, runs) in theirs {
        report.figure(&format!("file/{}/{name}", place.name), rate(runs), "MiB/s");
    }
    for (name, runs) in ours {
        let name = format!("file/{}/{name}", place.name);
        report.figure(&name, rate(runs), "MiB/s");
        for (reference, their_runs) in theirs {
            report.beside(&name, rate(runs), "MiB/s", (reference, rate(their_runs)));
            if reference == references::SCP && name.ends_with("sealed") {
                as_fast &= rate(runs) >= rate(their_runs);
            }
        }
    }
    for (side, of) in [("sender", (|run| run.near_cpu) as fn(&Run) -> f64), ("receiver", |run| run.far_cpu)] {
        for (name, runs) in ours {
            let name = format!("cpu/{}/{name}/{side}", place.name);
            report.figure(&name, cpu(runs, of), "s/GiB");
            for (reference, their_runs) in theirs {
                report.beside(&name, cpu(runs, of), "s/GiB", (reference, cpu(their_runs, of)));
            }
        }
    }
    as_fast
}

fn seconds(runs: &[Run]) -> Vec<f64> {
    runs.iter().map(|run| run.seconds).collect()
}

/// A file, a folder to send it to, and two people with a link.
struct Stage {
    alice: Person,
    bob: Person,
    file: PathBuf,
    into: PathBuf,
}

impl Stage {
    fn set(world: &World, place: &Place, mib: u64) -> Self {
        let (file, into) = (world.path("file.bin"), world.new_folder("arrived"));
        write_file(&file, mib << 20, 1);
        let mut people = [("alice", Side::Near), ("bob", Side::Far)].map(|(name, side)| {
            let person = world.newcomer(name).behind(place.prefix(side));
            assert_eq!(person.register().code, 0);
            person
        });
        people.iter_mut().for_each(Person::up);
        let [alice, bob] = people;
        alice.befriend(&bob);
        bob.tell(["config", "set", "files.dir", text(&into)]);
        bob.tell(["config", "set", "files.auto_accept", "contacts"]);
        // The first letter makes the link, which is measured elsewhere.
        alice.tell(["send", "bob", "ready?", "--wait", "delivered", "--timeout", "60"]);
        Self { alice, bob, file, into }
    }

    /// Sends the file as a user does, and waits for the word that it is in place.
    fn send(&self, options: &[&str]) -> Result<Run> {
        let cpu = || [&self.alice, &self.bob].map(|person| person.process().cpu_seconds());
        let (begin, before) = (Instant::now(), cpu());
        let args = ["file", "send", "bob", text(&self.file), "--wait"];
        let sent = self.alice.run(args.iter().chain(options));
        let seconds = begin.elapsed().as_secs_f64();
        ensure!(sent.code == 0, "the file was not sent: {sent:?}");
        let [near_cpu, far_cpu] = [0, 1].map(|side| cpu()[side] - before[side]);
        self.check_and_remove()?;
        Ok(Run { seconds, near_cpu, far_cpu })
    }

    fn send_by(&self, reference: &Reference<'_>) -> Result<Run> {
        let run = reference.send(&self.file)?;
        if reference.leaves_a_file() {
            self.check_and_remove()?;
        }
        Ok(run)
    }

    fn check_and_remove(&self) -> Result<()> {
        let arrived: PathBuf = self.into.join("file.bin");
        assert_same_file(&self.file, &arrived);
        remove(&arrived)
    }
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| format!("{} cannot be removed", path.display()))
}
