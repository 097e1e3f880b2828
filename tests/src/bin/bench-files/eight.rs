//! Eight files at once to one person, beside one file of the same size in all.

use std::path::PathBuf;

use anyhow::Result;
use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::world::World;

use crate::figure::{Report, median};
use crate::place::{Place, Side};
use crate::stage::{Stage, remove};

const FILES: u64 = 8;
/// What is claimed: all together at least so fast, of one file's rate, and each at least and at most so fast, of a share.
const TOGETHER_MIN: f64 = 0.95;
const SHARE: [f64; 2] = [0.9, 1.1];
/// What either daemon may grow by, in MiB.
const GROWTH_MAX: f64 = 64.0;

/// Sends one file of `mib` MiB, then as much in eight. Whether what is claimed was kept.
pub(crate) fn measure(report: &mut Report, place: &Place, mib: u64, rounds: usize) -> Result<bool> {
    let world = World::placed(place.near, &place.prefix(Side::Near));
    let whole = world.path("whole.bin");
    write_file(&whole, mib << 20, 1);
    let stage = Stage::set(&world, place, whole);
    for person in [&stage.alice, &stage.bob] {
        person.tell(["config", "set", "limits.at_once", &FILES.to_string()]);
    }
    let parts: Vec<PathBuf> = (0..FILES).map(|number| world.path(&format!("part {number}"))).collect();
    for (number, part) in (2..).zip(&parts) {
        write_file(part, (mib << 20) / FILES, number);
    }
    let before = [&stage.alice, &stage.bob].map(|person| person.process().memory_bytes());
    let (mut alone, mut together, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(mib as f64 / stage.send(&[])?.seconds);
        let took = stage.send_at_once(&parts)?;
        let last = took.iter().copied().fold(0.0, f64::max);
        together.push(mib as f64 / last);
        let mean = took.iter().sum::<f64>() / took.len() as f64;
        shares.extend(took.iter().map(|seconds| mean / seconds));
        for part in &parts {
            let arrived = stage.arrival(part)?;
            assert_same_file(part, &arrived);
            remove(&arrived)?;
        }
    }
    let name = format!("eight/{}", place.name);
    let (alone, together) = (median(&alone), median(&together));
    report.beside(&format!("{name}/together"), together, "MiB/s", ("one", alone));
    let [least, most] =
        [shares.iter().copied().fold(f64::MAX, f64::min), shares.iter().copied().fold(0.0, f64::max)];
    report.figure(&format!("{name}/share/least"), least, "of mean");
    report.figure(&format!("{name}/share/most"), most, "of mean");
    let mut kept = together >= TOGETHER_MIN * alone && least >= SHARE[0] && most <= SHARE[1];
    for (side, (person, before)) in
        ["sender", "receiver"].iter().zip([&stage.alice, &stage.bob].iter().zip(before))
    {
        let growth = person.process().peak_memory_bytes().saturating_sub(before) as f64 / 1_048_576.0;
        report.figure(&format!("{name}/{side}/growth"), growth, "MiB");
        kept &= growth <= GROWTH_MAX;
    }
    Ok(kept)
}
