//! Runs seeds of the simulation on all cores, and says how to repeat the first that fails.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use hobnob_tests::sim::{Failure, Run};
use serde_json::json;

/// Failures after which no more seeds are begun.
const FAILURES_MAX: usize = 10;

/// A rendezvous and peers in one thread each, under virtual time, with everything going wrong.
#[derive(Debug, Parser)]
struct Options {
    /// The first seed. Alone, it is run with every event printed.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds.
    #[arg(long)]
    seeds: Option<u64>,
    /// Seeds that run at a time; as many as there are cores when absent.
    #[arg(long)]
    threads: Option<usize>,
    /// Lets letters pass that overtake each other on their two roads.
    #[arg(long)]
    except_order: bool,
}

/// What all runs came to.
#[derive(Debug, Default)]
struct Totals {
    runs: u64,
    simulated: Duration,
    letters: u64,
    crashes: u64,
    frames: u64,
    events: u64,
    failures: Vec<Failure>,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let run = |seed| Run { except_order: options.except_order, ..Run::new(seed) };
    match (options.seed, options.seeds) {
        (Some(seed), None) => one(run(seed)),
        (seed, seeds) => many((seed.unwrap_or(1), seeds.unwrap_or(2_000)), options.threads, run),
    }
}

/// Runs one seed and prints what happens.
fn one(run: Run) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match (Run { keeps_lines: true, ..run }).go() {
        Ok(summary) => {
            writeln!(out, "{summary:#?}")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => {
            for line in &failure.lines {
                writeln!(out, "{line}")?;
            }
            tell(&mut out, &failure)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn many(
    (first, count): (u64, u64),
    threads: Option<usize>,
    run: impl Fn(u64) -> Run + Sync,
) -> Result<ExitCode> {
    let threads = threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into));
    let next = AtomicU64::new(first);
    let totals = Mutex::new(Totals::default());
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let enough = totals.lock().is_ok_and(|totals| totals.failures.len() >= FAILURES_MAX);
                    if seed >= first + count || enough {
                        return;
                    }
                    let result = run(seed).go();
                    if let Ok(mut totals) = totals.lock() {
                        totals.add(result);
                    }
                }
            });
        }
    });
    let totals = totals.into_inner().unwrap_or_default();
    let mut out = std::io::stdout().lock();
    for failure in &totals.failures {
        tell(&mut out, failure)?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let hours = totals.simulated.as_secs_f64() / 3_600.0;
    let report = json!({
        "seeds": totals.runs,
        "failed": totals.failures.len(),
        "seconds": (seconds * 10.0).round() / 10.0,
        "simulated_hours": hours.round(),
        "simulated_hours_per_s": (hours / seconds).round(),
        "letters": totals.letters,
        "crashes": totals.crashes,
        "frames": totals.frames,
        "events": totals.events,
    });
    writeln!(out, "{report}")?;
    Ok(if totals.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Totals {
    fn add(&mut self, result: Result<hobnob_tests::sim::Summary, Box<Failure>>) {
        self.runs += 1;
        match result {
            Ok(summary) => {
                self.simulated += summary.simulated;
                self.letters += summary.letters;
                self.crashes += summary.crashes;
                self.frames += summary.frames;
                self.events += summary.trace.0;
            }
            Err(failure) => self.failures.push(*failure),
        }
    }
}

/// Says what failed, and how to see it again.
fn tell(out: &mut impl std::io::Write, failure: &Failure) -> Result<()> {
    let Failure { seed, at, what, .. } = failure;
    writeln!(out, "seed {seed}, after {:.3} s of its time: {what}", at.as_secs_f64())?;
    writeln!(out, "  cargo run --release -p hobnob-tests --bin sim -- --seed {seed}")?;
    Ok(())
}
