//! The congestion controller of links beside those of quinn, over simulated lines.
//!
//! Real quinn at both ends, in virtual time: the figures do not depend on the machine.

#![expect(clippy::print_stdout, reason = "a benchmark's product is its output")]

use std::io;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use hobnob_nat::congestion::trial::{Algorithm, Seen, Trial};
use hobnob_nat::simulation::Shape;
use serde_json::json;

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Cubic, Algorithm::NewReno, Algorithm::Ours];

/// How long a flow runs before it is looked at, and for how long it is.
const ALONE: [Duration; 2] = [Duration::from_secs(6), Duration::from_secs(20)];

/// The same for two flows, of which the second begins 2 s later.
const SHARED: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(60)];

/// Measures rate, loss, queue and fairness of Cubic, `NewReno` and ours in virtual time.
#[derive(Debug, Parser)]
struct Options {
    /// Print one JSON object per cell.
    #[arg(long)]
    json: bool,
    /// Leave out cells whose name does not contain this.
    #[arg(long, default_value = "")]
    only: String,
}

/// A line with a name.
struct Cell {
    name: String,
    line: Shape,
}

fn main() -> Result<()> {
    let options = Options::parse();
    for Cell { name, line } in cells() {
        for algorithm in ALGORITHMS {
            measure(&options, &name, &line, &[algorithm])?;
        }
    }
    for Cell { name, line } in shared() {
        use Algorithm::{Cubic, Ours};
        for flows in [[Cubic, Cubic], [Cubic, Ours], [Ours, Cubic], [Ours, Ours]] {
            measure(&options, &name, &line, &flows)?;
        }
    }
    Ok(())
}

/// 100 Mbit/s.
fn line(rtt_ms: u64, queue_bytes: usize) -> Shape {
    Shape { rate: Some(100_000_000), queue_bytes, ..Shape::delay(Duration::from_micros(rtt_ms * 500)) }
}

fn cells() -> Vec<Cell> {
    let name = |name: &str, line| Cell { name: name.to_owned(), line };
    let mut cells = vec![
        name("1 % loss", Shape { loss: 0.01, ..line(40, 500_000) }),
        name("3 % loss", Shape { loss: 0.03, ..line(40, 500_000) }),
        name("2 % reordered", Shape { reorder: 0.02, ..line(40, 500_000) }),
    ];
    for rtt in [5, 40, 100, 300] {
        for queue in [125_000, 500_000, 5_000_000] {
            cells.push(name(&format!("{rtt} ms, {} KB", queue / 1000), line(rtt, queue)));
        }
    }
    cells
}

fn shared() -> Vec<Cell> {
    let cell = |queue| Cell { name: format!("shared, {} KB", queue / 1000), line: line(40, queue) };
    [125_000, 500_000, 5_000_000].map(cell).into()
}

fn measure(options: &Options, name: &str, line: &Shape, flows: &[Algorithm]) -> Result<()> {
    if !name.contains(&options.only) {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let seen = runtime.block_on(run(line, flows)).with_context(|| name.to_owned())?;
    let queue = [seen.queue, seen.queue_p95].map(|queue| queue.as_secs_f64() * 1000.0);
    for (algorithm, flow) in flows.iter().zip(&seen.flows) {
        let (algorithm, mbit, loss) = (format!("{algorithm:?}"), flow.rate / 1e6, flow.loss * 100.0);
        if options.json {
            let flows: Vec<_> = flows.iter().map(|flow| format!("{flow:?}")).collect();
            let cell = json!({ "name": name, "flows": flows, "flow": algorithm, "mbit_per_s": mbit,
                "loss_percent": loss, "queue_ms": queue[0], "queue_p95_ms": queue[1] });
            println!("{cell}");
        } else {
            println!(
                "{name:<18} {algorithm:<8} {mbit:>6.1} Mbit/s {loss:>6.2} % lost, queue {:>6.1} ms ({:.1} ms)",
                queue[0], queue[1]
            );
        }
    }
    Ok(())
}

async fn run(line: &Shape, flows: &[Algorithm]) -> io::Result<Seen> {
    let mut trial = Trial::new(line)?;
    for algorithm in flows {
        trial.flow(*algorithm).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let [settle, watch] = if flows.len() == 1 { ALONE } else { SHARED };
    tokio::time::sleep(settle).await;
    trial.watch(watch).await
}
