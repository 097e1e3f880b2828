//! Benchmarks of links, letters and files.
//!
//! Files are sent by the programs that users run, and beside them, in the same run and turn by turn, by those that people
//! use today, wherever they are installed. A figure without its reference says little about another machine.

mod bare;
mod client_pair;
mod eight;
mod figure;
mod files;
mod letters;
mod line;
mod links;

mod place;
mod references;
mod small;
mod stage;
mod swarm;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use figure::Report;
use place::Place;

/// Measures links, letters on a link, and files; must be built with `--release`.
#[derive(Debug, Parser)]
struct Options {
    /// What to measure [default: everything]
    #[arg(value_name = "CASE")]
    cases: Vec<Case>,
    /// Print one JSON object per figure.
    #[arg(long)]
    json: bool,
    /// Size of the file, in MiB.
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// How often each program sends; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Letters that are sent as fast as they go.
    #[arg(long, default_value_t = 2000)]
    letters: usize,
    /// Be the server of a bare stream: where, what to write, and where to put the certificate.
    #[arg(long, hide = true, num_args = 3, value_names = ["ADDRESS", "FILE", "CERTIFICATE"])]
    serve_bare: Option<Vec<String>>,
    /// Send by a bare stream: where to, what, and what the server showed.
    #[arg(long, hide = true, num_args = 3, value_names = ["ADDRESS", "FILE", "CERTIFICATE"])]
    send_bare: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Case {
    /// How soon a link is there.
    Links,
    /// How many letters a link carries.
    Letters,
    /// One long file.
    File,
    /// Ten thousand small files.
    Small,
    /// Eight files at once.
    Eight,
    /// A line of 100 Mbit/s, with and without loss.
    Line,
    /// One file for three people who know each other.
    Swarm,
}

/// A side of a bare stream.
type Bare = fn(SocketAddr, &Path, &Path) -> Result<()>;

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    for (role, run) in [(&options.serve_bare, bare::serve as Bare), (&options.send_bare, bare::send)] {
        if let Some([address, file, certificate]) = role.as_deref() {
            run(address.parse()?, file.as_ref(), certificate.as_ref())?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    let mut report = Report::new(options.json);
    let is_wanted = |case| options.cases.is_empty() || options.cases.contains(&case);
    let runtime = tokio::runtime::Runtime::new().context("cannot start a runtime")?;
    if is_wanted(Case::Links) {
        runtime.block_on(links::measure(&mut report))?;
    }
    if is_wanted(Case::Letters) {
        runtime.block_on(letters::measure(&mut report, options.letters))?;
    }
    drop(runtime);
    if is_wanted(Case::Swarm) {
        swarm::measure(&mut report)?;
    }
    let mut kept = true;
    for place in places(&mut report) {
        if is_wanted(Case::File) {
            kept &= files::measure(&mut report, &place, options.mib, options.rounds)?;
        }
        if is_wanted(Case::Small) {
            kept &= small::measure(&mut report, &place, options.rounds)?;
        }
        if is_wanted(Case::Eight) {
            kept &= eight::measure(&mut report, &place, options.mib, options.rounds)?;
        }
    }
    if is_wanted(Case::Line) {
        kept &= line::measure(&mut report, options.rounds)?;
    }
    // What is claimed of files in the book is checked in each run.
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn places(report: &mut Report) -> Vec<Place> {
    let wire = Place::wire().inspect_err(|error| report.skip("wire", &format!("{error:#}")));
    [Ok(Place::loopback()), wire].into_iter().flatten().collect()
}
