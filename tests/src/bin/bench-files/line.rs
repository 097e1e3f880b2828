//! What people have at home: a line of 100 Mbit/s with a round trip of 40 ms, good or bad.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use hobnob_nat::simulation::Shape;
use hobnob_tests::content::write_file;
use hobnob_tests::person::{Person, text};
use hobnob_tests::world::World;
use serde_json::Value;

use crate::figure::{Report, median, percentile};
use crate::place::{Place, Side};
use crate::stage::{Stage, remove, seconds};

const MBIT_PER_S: f64 = 100.0;
const RTT: Duration = Duration::from_millis(40);
/// A home router's.
const QUEUE_BYTES: usize = 500_000;
const LOST: f64 = 0.01;
/// What is claimed: of the line, where packets are lost.
const OF_THE_LINE_MIN: f64 = 0.8;
/// Round trips until a file of one byte is there, and milliseconds beyond them.
const FIRST_MAX: (f64, f64) = (1.5, 2.0);

const FILE_MIB: u64 = 128;
/// Files of one byte, and letters.
const TIMES: usize = 20;

/// Sends over both lines. Whether what is claimed was kept.
pub(crate) fn measure(report: &mut Report, rounds: usize) -> Result<bool> {
    let kept = lossy(report, rounds)?;
    Ok(kept & good(report)?)
}

fn line(name: &'static str, loss: f64) -> Result<Place> {
    let near = Shape {
        loss,
        rate: Some((MBIT_PER_S * 1e6) as u64),
        queue_bytes: QUEUE_BYTES,
        ..Shape::delay(RTT / 4)
    };
    Place::line(name, near, Shape::delay(RTT / 4))
}

fn lossy(report: &mut Report, rounds: usize) -> Result<bool> {
    let place = line("1 % lost", LOST)?;
    let world = World::placed(place.near, &place.prefix(Side::Near));
    let file = world.path("film.mkv");
    write_file(&file, FILE_MIB << 20, 1);
    let stage = Stage::set(&world, &place, file);
    let mut runs = Vec::new();
    for _ in 0..rounds {
        runs.push(stage.send(&[])?);
    }
    let mbit = (FILE_MIB << 20) as f64 * 8e-6 / median(&seconds(&runs));
    report.beside(&format!("line/{}", place.name), mbit, "Mbit/s", ("the line", MBIT_PER_S));
    Ok(mbit >= OF_THE_LINE_MIN * MBIT_PER_S)
}

fn good(report: &mut Report) -> Result<bool> {
    let place = line("good", 0.0)?;
    let world = World::placed(place.near, &place.prefix(Side::Near));
    let film = world.path("film.mkv");
    write_file(&film, FILE_MIB << 20, 1);
    let stage = Stage::set(&world, &place, film.clone());
    let byte = world.path("byte");
    write_file(&byte, 1, 2);
    let first = (0..TIMES).map(|_| first_byte(&stage, &byte)).collect::<Result<Vec<f64>>>()?;
    let rtt = RTT.as_secs_f64() * 1e3;
    report.beside("line/one byte/p50", median(&first), "ms", ("round trip", rtt));

    let idle: Vec<f64> = (0..TIMES).map(|number| letter(&stage, number)).collect();
    let sending = stage.alice.begin(["file", "send", "bob", text(&film), "--wait"]);
    let is_moving = |event: &Value| {
        event["event"] == "transfer" && event["state"] == "running" && event["done"].as_u64() > Some(0)
    };
    stage.bob.wait_for("bytes", is_moving);
    let loaded: Vec<f64> = (0..TIMES).map(|number| letter(&stage, number)).collect();
    drop(sending);
    for (name, took) in [("idle", &idle), ("beside a file", &loaded)] {
        report.figure(&format!("line/letter/{name}/p50"), median(took), "ms");
        report.figure(&format!("line/letter/{name}/p95"), percentile(took, 95.0), "ms");
    }
    let (most, beyond) = FIRST_MAX;
    Ok(median(&first) <= most * rtt + beyond && median(&loaded) <= median(&idle) + rtt)
}

/// Milliseconds from the moment at which the sender offers a file of one byte until the receiver has it.
fn first_byte(stage: &Stage, byte: &Path) -> Result<f64> {
    let at = [&stage.alice, &stage.bob].map(|person| person.events().count());
    let id = stage.alice.offer(&stage.bob, &[byte], &[]);
    let is = |state: &'static str| {
        let id = id.clone();
        move |event: &Value| {
            event["event"] == "transfer" && event["id"] == id.as_str() && event["state"] == state
        }
    };
    stage.bob.wait_from(at[1], "the byte", is("done"));
    let took = moment(&stage.bob, at[1], is("done")) - moment(&stage.alice, at[0], is("offered"));
    remove(&stage.arrival(byte)?)?;
    Ok(took.as_secs_f64() * 1e3)
}

/// Milliseconds that the command takes which sends a letter and waits until it is there.
fn letter(stage: &Stage, number: usize) -> f64 {
    let begin = Instant::now();
    stage.alice.tell(["send", "bob", &number.to_string(), "--wait", "delivered"]);
    begin.elapsed().as_secs_f64() * 1e3
}

/// When an event came.
fn moment(person: &Person, place: usize, is_it: impl Fn(&Value) -> bool) -> Instant {
    let events = person.events().since(place);
    events.into_iter().find(|(_, event)| is_it(event)).map_or_else(Instant::now, |(at, _)| at)
}
