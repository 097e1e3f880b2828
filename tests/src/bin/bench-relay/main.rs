//! What forwarding costs: the relay of a rendezvous, and beside it, turn by turn with the same traffic, a bare forwarder that looks
//! at nothing, and a circuit relay of libp2p that carries the same bytes (feature `circuit`).
//!
//! Each forwarder is a process of its own, so that its processor time can be told from that of the traffic.

#[cfg(feature = "circuit")]
mod circuit;
#[expect(dead_code, reason = "what it prints without a circuit and with one differs")]
#[path = "../bench-files/figure.rs"]
mod figure;
mod forwarders;
mod traffic;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use hobnob_tests::process::cpu_seconds;

use figure::{Report, median};
use traffic::{Ends, Shape};

/// What the relay may cost: the bare forwarder's, and a fraction of the circuit's.
const BARE_MAX: f64 = 1.5;
#[cfg(feature = "circuit")]
const CIRCUIT_MAX: f64 = 0.2;

const BARE: &str = "bare forwarder";
#[cfg(feature = "circuit")]
const CIRCUIT: &str = "libp2p circuit";

/// Measures what forwarding costs; must be built with `--release`.
#[derive(Debug, Parser)]
struct Options {
    /// Print one JSON object per figure.
    #[arg(long)]
    json: bool,
    /// What is carried each time, in MiB.
    #[arg(long, default_value_t = 2048)]
    mib: u64,
    /// How often; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Be a forwarder until the input ends.
    #[arg(long, hide = true)]
    role: Option<Role>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// The relay of a rendezvous.
    Relay,
    /// A forwarder that looks at nothing.
    Bare,
    /// A circuit relay.
    #[cfg(feature = "circuit")]
    Circuit,
}

/// A forwarder in a process of its own.
struct Forwarder {
    child: Child,
    /// Its first line.
    says: String,
}

impl Forwarder {
    fn start(role: &str) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--role", role])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut says = String::new();
        BufReader::new(child.stdout.take().context("it has an output")?).read_line(&mut says)?;
        ensure!(!says.is_empty(), "the {role} forwarder did not start");
        Ok(Self { child, says: says.trim().to_owned() })
    }

    fn at(&self) -> Result<SocketAddr> {
        Ok(self.says.parse()?)
    }

    /// What `carry` took: the forwarder's processor time and the time on the clock, in seconds.
    fn measure<T>(&self, carry: impl FnOnce() -> Result<T>) -> Result<(Cost, T)> {
        let process = self.child.id().to_string();
        let (before, begin) = (cpu_seconds(&process), Instant::now());
        let carried = carry()?;
        let seconds = begin.elapsed().as_secs_f64();
        Ok((Cost { cpu: cpu_seconds(&process) - before, seconds }, carried))
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Copy, Debug)]
struct Cost {
    cpu: f64,
    seconds: f64,
}

/// Costs per gigabit, and what went through.
#[derive(Debug, Default)]
struct Runs {
    cpu_ms_per_gbit: Vec<f64>,
    gbit_per_s: Vec<f64>,
    datagrams_per_s: Vec<f64>,
}

impl Runs {
    fn add(&mut self, cost: Cost, bytes: u64, datagrams: u64) {
        let gbit = bytes as f64 * 8e-9;
        self.cpu_ms_per_gbit.push(cost.cpu * 1e3 / gbit);
        self.gbit_per_s.push(gbit / cost.seconds);
        self.datagrams_per_s.push(datagrams as f64 / cost.seconds);
    }
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    match options.role {
        Some(role) => be(role).map(|()| ExitCode::SUCCESS),
        None => measure(&options),
    }
}

fn be(role: Role) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start a runtime")?;
    match role {
        Role::Relay => runtime.block_on(forwarders::relay()),
        Role::Bare => runtime.block_on(forwarders::bare()),
        #[cfg(feature = "circuit")]
        Role::Circuit => runtime.block_on(circuit::serve()),
    }
}

/// Tells the other process where we are, and waits until it has gone.
async fn serve_until_the_input_ends(at: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{at}")?;
    output.flush()?;
    drop(output);
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    Ok(())
}

fn measure(options: &Options) -> Result<ExitCode> {
    let mut report = Report::new(options.json);
    let (relay, bare) = (Forwarder::start("relay")?, Forwarder::start("bare")?);
    let ends = [Ends::at_relay(relay.at()?)?, Ends::at_bare(bare.at()?)?];
    let mut is_cheap = true;
    for (name, shape, bytes) in
        [("batched", Shape::BATCHED, options.mib << 20), ("single", Shape::SINGLE, options.mib << 17)]
    {
        let mut runs = [Runs::default(), Runs::default()];
        for _ in 0..options.rounds {
            for ((forwarder, ends), runs) in [&relay, &bare].into_iter().zip(&ends).zip(&mut runs) {
                let (cost, arrived) = forwarder.measure(|| ends.carry(bytes, shape))?;
                runs.add(cost, arrived.bytes, arrived.datagrams);
            }
        }
        let [ours, theirs] = &runs;
        let of = |values: &[f64]| median(values);
        let (cost, of_bare) = (of(&ours.cpu_ms_per_gbit), of(&theirs.cpu_ms_per_gbit));
        report.beside(&format!("relay/{name}/cpu"), cost, "ms/Gbit", (BARE, of_bare));
        let rates = (of(&ours.gbit_per_s), of(&theirs.gbit_per_s));
        report.beside(&format!("relay/{name}/rate"), rates.0, "Gbit/s", (BARE, rates.1));
        let rates = (of(&ours.datagrams_per_s), of(&theirs.datagrams_per_s));
        report.beside(&format!("relay/{name}/datagrams"), rates.0, "per s", (BARE, rates.1));
        is_cheap &= cost <= BARE_MAX * of_bare;
        #[cfg(feature = "circuit")]
        if name == "batched" {
            is_cheap &= beside_circuit(&mut report, options, cost)?;
        }
    }
    #[cfg(not(feature = "circuit"))]
    report.skip("relay/circuit", "built without the feature `circuit`");
    Ok(if is_cheap { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Carries the same bytes over a circuit. Whether ours is as much cheaper as it must be.
#[cfg(feature = "circuit")]
fn beside_circuit(report: &mut Report, options: &Options, ours: f64) -> Result<bool> {
    let forwarder = Forwarder::start("circuit")?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut ends = runtime.block_on(circuit::Ends::at(&forwarder.says))?;
    let (bytes, mut runs) = (options.mib << 20, Runs::default());
    for _ in 0..options.rounds.min(3) {
        let (cost, ()) = forwarder.measure(|| runtime.block_on(ends.carry(bytes)))?;
        runs.add(cost, bytes, 0);
    }
    let theirs = median(&runs.cpu_ms_per_gbit);
    report.figure("circuit/rate", median(&runs.gbit_per_s), "Gbit/s");
    report.beside("relay/batched/cpu", ours, "ms/Gbit", (CIRCUIT, theirs));
    Ok(ours <= CIRCUIT_MAX * theirs)
}
