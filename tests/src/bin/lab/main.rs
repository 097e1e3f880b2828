//! Runs both programs behind every kind of NAT, in network namespaces of their own, and prints what people experience.

use std::env;
use std::io::{Write, stdout};
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};
use clap::Parser;
use hobnob_nat::simulation::Place;
use hobnob_tests::lab;

/// Says that this process runs in namespaces of its own.
const INSIDE: &str = "HOBNOB_LAB_INSIDE";

/// Both programs behind NATs.
#[derive(Debug, Parser)]
struct Options {
    /// Pairs of places, as in `port-restricted:symmetric-random`; all when none is given.
    pairs: Vec<String>,
    /// Print one JSON object per pair.
    #[arg(long)]
    json: bool,
    /// Decides what is random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if env::var_os(INSIDE).is_none() {
        return again_inside();
    }
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/run"]).status().context("mount runs")?;
    ensure!(mounted.success(), "a folder for namespaces cannot be mounted");
    for pair in pairs(&options.pairs)? {
        let experience = lab::run(pair, options.seed)?;
        let line = if options.json {
            serde_json::to_string(&experience)?
        } else {
            let direct = experience.direct_ms.map_or_else(|| "never".to_owned(), |ms| format!("{ms} ms"));
            let [one, other] = &experience.pair;
            let (path, letter) = (&experience.path, experience.first_letter_ms);
            format!("{one:20} {other:20} {path:10} first letter {letter:>5} ms, direct {direct}")
        };
        writeln!(stdout(), "{line}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs this program again in fresh network and mount namespaces, which end with it.
fn again_inside() -> anyhow::Result<ExitCode> {
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "--mount"]);
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    let own = env::current_exe().context("a running program knows its own path")?;
    let status = unshare.arg(own).args(env::args_os().skip(1)).env(INSIDE, "yes").status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn pairs(words: &[String]) -> anyhow::Result<Vec<[Place; 2]>> {
    if words.is_empty() {
        // The rendezvous of the lab has an invite for IPv4.
        let places: Vec<Place> = Place::MATRIX.into_iter().filter(|place| *place != Place::V6Only).collect();
        let rows = places.iter().enumerate();
        return Ok(rows.flat_map(|(row, one)| places[row..].iter().map(|other| [*one, *other])).collect());
    }
    let parse = |word: &String| {
        let (one, other) = word.split_once(':').context("a pair is two places with a colon between")?;
        Ok([one.parse()?, other.parse()?])
    };
    words.iter().map(parse).collect()
}
