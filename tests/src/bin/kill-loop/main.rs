//! Kills programs at random while they are at work, and counts what that costs.
//!
//! The processes are real, and end by SIGKILL. What must hold of a file: the same bytes arrive, and for each kill no more is
//! sent again than the ranges that were on their way. Of letters: none is lost, none comes twice, and everybody is back in use
//! soon.

mod files;
mod letters;
mod waste;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Parser, Subcommand};
use serde_json::{Value, json};

/// What may be sent again for one kill: one range of 1 MiB for each stream that may be open on a link.
const WASTE_BYTES_MAX: u64 = 16 << 20;

/// Kills programs at random, and shows what it costs.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A file on its way from one daemon to another.
    Files {
        /// How often.
        #[arg(long, default_value_t = 200)]
        kills: u64,
        /// Bytes of the file, as `1GiB`.
        #[arg(long, default_value = "10GiB", value_parser = bytes)]
        bytes: u64,
        /// Repeats what another seed did not; the one in use is printed.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Letters between two people, one of whom has two devices; daemons and the rendezvous die.
    Letters {
        /// How often.
        #[arg(long, default_value_t = 500)]
        rounds: u64,
        /// Milliseconds from a kill until a letter arrives again, at most.
        #[arg(long, default_value_t = 2_000)]
        back_within_ms: u64,
        /// Repeats what another seed did not; the one in use is printed.
        #[arg(long)]
        seed: Option<u64>,
    },
}

fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let shift = match unit {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err("a number with KiB, MiB or GiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "it begins with a number".to_owned())?;
    number.checked_shl(shift).ok_or_else(|| "too large".to_owned())
}

fn main() -> Result<ExitCode> {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let any = u64::from(clock.subsec_nanos());
    let (report, is_good) = match Options::parse().what {
        What::Files { kills, bytes, seed } => about_files(kills, bytes, seed.unwrap_or(any))?,
        What::Letters { rounds, back_within_ms, seed } => {
            letters::letters(rounds, Duration::from_millis(back_within_ms), seed.unwrap_or(any))?
        }
    };
    print(&report)?;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn about_files(kills: u64, bytes: u64, seed: u64) -> Result<(Value, bool)> {
    let started = Instant::now();
    let wastes = files::files(kills, bytes, seed)?;
    let (sum, most) = (wastes.iter().sum::<u64>(), wastes.iter().copied().max().unwrap_or(0));
    let report = json!({
        "kills": wastes.len(),
        "bytes": bytes,
        "seed": seed,
        "seconds": started.elapsed().as_secs(),
        "sent_again": sum,
        "sent_again_for_a_kill": { "mean": sum / kills.max(1), "most": most, "allowed": WASTE_BYTES_MAX },
    });
    Ok((report, most <= WASTE_BYTES_MAX))
}

fn print(report: &Value) -> Result<()> {
    use std::io::Write;
    Ok(writeln!(std::io::stdout(), "{report}")?)
}
