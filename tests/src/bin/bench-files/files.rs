//! How fast a file passes, at what cost, and how others do beside it.

use anyhow::Result;
use hobnob_tests::content::write_file;
use hobnob_tests::world::World;

use crate::figure::{Report, median};
use crate::place::{Place, Side};
use crate::references;
use crate::stage::{Run, Runs, Stage, seconds};

const MIB: f64 = 1_048_576.0;

/// Sends a file by every program in turn and reports. Whether a sealed file was at least as fast as by scp.
pub(crate) fn measure(report: &mut Report, place: &Place, mib: u64, rounds: usize) -> Result<bool> {
    let world = World::placed(place.near, &place.prefix(Side::Near));
    let file = world.path("file.bin");
    write_file(&file, mib << 20, 1);
    let stage = Stage::set(&world, place, file);
    let memory = [&stage.alice, &stage.bob].map(|person| person.process().memory_bytes());
    let [ours, theirs] = stage.take_turns(report, ("file", place), &world, rounds)?;
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
