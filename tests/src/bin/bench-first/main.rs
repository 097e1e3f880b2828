//! The first benchmark: how soon a link is there, how many letters it carries, how fast a file passes.
//!
//! Files are sent by the programs that users run, and beside them, in the same run and turn by turn, by those that people
//! use today, wherever they are installed. A figure without its reference says little about another machine.

mod client_pair;
mod figure;
mod files;
mod letters;
mod links;
mod place;
mod references;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use figure::Report;
use place::Place;

/// Measures link handshakes, letters on a link, and files; must be built with `--release`.
#[derive(Debug, Parser)]
struct Options {
    /// Print one JSON object per figure.
    #[arg(long)]
    json: bool,
    /// Size of the file, in MiB.
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// How often each program sends the file; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Letters that are sent as fast as they go.
    #[arg(long, default_value_t = 2000)]
    letters: usize,
    /// Leave the files out.
    #[arg(long)]
    no_files: bool,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let mut report = Report::new(options.json);
    let runtime = tokio::runtime::Runtime::new().context("cannot start a runtime")?;
    runtime.block_on(async {
        links::measure(&mut report).await?;
        letters::measure(&mut report, options.letters).await
    })?;
    drop(runtime);
    if options.no_files {
        return Ok(ExitCode::SUCCESS);
    }
    let mut as_fast_as_scp = files::measure(&mut report, &Place::loopback(), options.mib, options.rounds)?;
    match Place::wire() {
        Ok(place) => as_fast_as_scp &= files::measure(&mut report, &place, options.mib, options.rounds)?,
        Err(error) => report.skip("wire", &format!("{error:#}")),
    }
    // The one claim that is checked here: sealing a file costs no more than what people put up with today.
    Ok(if as_fast_as_scp { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
