//! Runs both programs behind every kind of NAT, in network namespaces of their own, and prints what people experience.
//! Fails when that is not what theory allows.

mod summary;

use std::env;
use std::io::{Write, stderr, stdout};
use std::process::{Command, ExitCode};
use std::thread;

use anyhow::{Context, anyhow};
use clap::Parser;
use hobnob_nat::simulation::Place;
use hobnob_tests::lab::{self, Experience, Joined};

/// Says that this process runs in namespaces of its own.
const INSIDE: &str = "HOBNOB_LAB_INSIDE";

/// Both programs behind NATs.
#[derive(Debug, Parser)]
struct Options {
    /// Pairs of places, as in `port-restricted:symmetric-random`; all when none is given.
    pairs: Vec<String>,
    /// Print one JSON object per pair and run.
    #[arg(long)]
    json: bool,
    /// Join the machines by the kernel's NAT instead of the simulated Internet.
    #[arg(long)]
    kernel: bool,
    /// How often each pair is run.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// Decides what is random in the first run; each further one has the next number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if env::var_os(INSIDE).is_none() {
        return again_inside();
    }
    lab::prepare()?;
    let joined = if options.kernel { Joined::Kernel } else { Joined::Simulated };
    let (mut experiences, mut faults) = (Vec::new(), 0);
    for pair in pairs(&options.pairs, joined)? {
        for seed in options.seed..options.seed + options.runs {
            match experience(pair, joined, seed) {
                Ok(experience) => {
                    faults += u32::from(!experience.fine);
                    let line = if options.json {
                        serde_json::to_string(&experience)?
                    } else {
                        experience.to_string()
                    };
                    writeln!(stdout(), "{line}")?;
                    experiences.push(experience);
                }
                Err(error) => {
                    faults += 1;
                    let [one, other] = pair;
                    writeln!(stderr(), "{one} {other} (seed {seed}): {error:#}")?;
                }
            }
        }
    }
    if options.runs > 1 && !options.json {
        write!(stdout(), "{}", summary::Summary(&experiences))?;
    }
    Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One run. What a program does wrong ends this run, and no other.
fn experience(pair: [Place; 2], joined: Joined, seed: u64) -> anyhow::Result<Experience> {
    let story = thread::spawn(move || lab::run(pair, joined, seed));
    story.join().map_err(|_| anyhow!("a program failed, as said above"))?
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

fn pairs(words: &[String], joined: Joined) -> anyhow::Result<Vec<[Place; 2]>> {
    if words.is_empty() {
        let places: &[Place] = match joined {
            Joined::Simulated => &Place::MATRIX,
            Joined::Kernel => &lab::KERNEL_PLACES,
        };
        let rows = places.iter().enumerate();
        return Ok(rows.flat_map(|(row, one)| places[row..].iter().map(|other| [*one, *other])).collect());
    }
    let parse = |word: &String| {
        let (one, other) = word.split_once(':').context("a pair is two places with a colon between")?;
        Ok([one.parse()?, other.parse()?])
    };
    words.iter().map(parse).collect()
}
