//! How fast ten thousand small files pass, and how others do beside it.

use std::fs;

use anyhow::{Context, Result};
use hobnob_tests::content::write_file;
use hobnob_tests::world::World;

use crate::figure::{Report, median};
use crate::place::{Place, Side};
use crate::references::Program;
use crate::stage::{Run, Stage, seconds};

/// Files, and bytes of each.
const FILES: u64 = 10_000;
const FILE_BYTES: u64 = 4096;
/// Files in one folder.
const TOGETHER: u64 = 100;
/// What is claimed: so many times as fast as these.
const CLAIMS: [(Program, f64); 2] = [(Program::Scp, 3.0), (Program::Rsync, 1.0)];

/// Sends the files by every program in turn and reports. Whether sealed files kept what is claimed of them.
pub(crate) fn measure(report: &mut Report, place: &Place, rounds: usize) -> Result<bool> {
    let world = World::placed(place.near, &place.prefix(Side::Near));
    let folder = world.path("small");
    for number in 0..FILES {
        let inner = folder.join((number / TOGETHER).to_string());
        fs::create_dir_all(&inner).context("a folder of small files")?;
        write_file(&inner.join(number.to_string()), FILE_BYTES, number + 1);
    }
    let stage = Stage::set(&world, place, folder);
    let (ours, theirs) = stage.take_turns(report, ("small", place), &world, rounds)?;
    let mut kept = true;
    let rate = |runs: &[Run]| FILES as f64 / median(&seconds(runs));
    for (program, runs) in &theirs {
        report.figure(&format!("small/{}/{}", place.name, program.name()), rate(runs), "files/s");
    }
    for (name, runs) in &ours {
        let cpu = |of: fn(&Run) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
        let title = format!("small/{}/{name}", place.name);
        report.figure(&title, rate(runs), "files/s");
        report.figure(&format!("{title}/sender"), cpu(|run| run.near_cpu), "CPU s");
        report.figure(&format!("{title}/receiver"), cpu(|run| run.far_cpu), "CPU s");
        for (program, their_runs) in &theirs {
            report.beside(&title, rate(runs), "files/s", (program.name(), rate(their_runs)));
            let claim = CLAIMS.iter().find(|(claimed, _)| claimed == program);
            kept &= claim.is_none_or(|(_, least)| rate(runs) >= least * rate(their_runs));
        }
    }
    Ok(kept)
}
