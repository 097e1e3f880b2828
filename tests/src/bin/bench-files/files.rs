//! How fast a file passes, at what cost, and how others do beside it.

use anyhow::Result;
use hobnob_tests::content::write_file;
use hobnob_tests::world::World;

use crate::figure::{Report, median};
use crate::place::{Place, Side};
use crate::references::Program;
use crate::stage::{Ours, Run, Stage, Theirs, seconds};

const MIB: f64 = 1_048_576.0;

/// What is claimed of a sealed file over a wire and over loopback: so many times as fast as these.
const CLAIMS: [(&str, Program, f64); 3] =
    [("wire", Program::Scp, 1.3), ("wire", Program::Sendme, 3.0), ("loopback", Program::ScpAes, 1.5)];

/// Processor time of each side beyond that of a bare stream, at most.
const CPU_OF_QUINN_MAX: f64 = 1.35;

/// Sends a file by every program in turn and reports. Whether what is claimed of it was kept.
pub(crate) fn measure(report: &mut Report, place: &Place, mib: u64, rounds: usize) -> Result<bool> {
    let world = World::placed(place.near, &place.prefix(Side::Near));
    let file = world.path("file.bin");
    write_file(&file, mib << 20, 1);
    let stage = Stage::set(&world, place, file);
    let memory = [&stage.alice, &stage.bob].map(|person| person.process().memory_bytes());
    let (ours, theirs) = stage.take_turns(report, ("file", place), &world, rounds)?;
    let kept = tell(report, place, mib, &ours, &theirs);
    for (side, (person, before)) in
        ["sender", "receiver"].iter().zip([&stage.alice, &stage.bob].iter().zip(memory))
    {
        let growth = person.process().peak_memory_bytes().saturating_sub(before);
        let peak = person.process().peak_memory_bytes();
        report.figure(&format!("memory/{}/{side}/peak", place.name), peak as f64 / MIB, "MiB");
        report.figure(&format!("memory/{}/{side}/growth", place.name), growth as f64 / MIB, "MiB");
    }
    Ok(kept)
}

fn tell(report: &mut Report, place: &Place, mib: u64, ours: &[Ours], theirs: &[Theirs]) -> bool {
    let mut kept = true;
    let rate = |runs: &[Run]| mib as f64 / median(&seconds(runs));
    let gib = mib as f64 / 1024.0;
    let cpu = |runs: &[Run], of: fn(&Run) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>()) / gib;
    for (program, runs) in theirs {
        report.figure(&format!("file/{}/{}", place.name, program.name()), rate(runs), "MiB/s");
    }
    for (way, runs) in ours {
        let name = format!("file/{}/{way}", place.name);
        report.figure(&name, rate(runs), "MiB/s");
        for (program, their_runs) in theirs {
            report.beside(&name, rate(runs), "MiB/s", (program.name(), rate(their_runs)));
            let claimed = (place.name, *program);
            let claim = CLAIMS.iter().find(|(place, program, _)| claimed == (place, *program));
            kept &=
                *way != "sealed" || claim.is_none_or(|(_, _, least)| rate(runs) >= least * rate(their_runs));
        }
    }
    for (side, of) in [("sender", (|run| run.near_cpu) as fn(&Run) -> f64), ("receiver", |run| run.far_cpu)] {
        for (way, runs) in ours {
            let name = format!("cpu/{}/{way}/{side}", place.name);
            report.figure(&name, cpu(runs, of), "s/GiB");
            for (program, their_runs) in theirs {
                report.beside(&name, cpu(runs, of), "s/GiB", (program.name(), cpu(their_runs, of)));
                kept &= *program != Program::Quinn || cpu(runs, of) <= CPU_OF_QUINN_MAX * cpu(their_runs, of);
            }
        }
    }
    kept
}
