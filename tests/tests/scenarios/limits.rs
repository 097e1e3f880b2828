//! Rates of transfers.

use std::time::{Duration, Instant};

use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::person::Person;
use hobnob_tests::world::World;

/// What a rate is measured over.
const WINDOW: Duration = Duration::from_secs(10);
const MIB: f64 = 1_048_576.0;

#[test]
fn two_transfers_at_5_and_1_mib_per_second_keep_their_rates_within_5_percent_over_10_s() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let rates = [(5, "fast.bin"), (1, "slow.bin")];
    let ids = rates.map(|(rate, name)| {
        let file = world.path(name);
        write_file(&file, (rate * 30) << 20, rate);
        alice.offer(&bob, &[&file], &["--limit", &format!("{rate}MiB")])
    });
    let into = world.new_folder("arrived");
    for id in &ids {
        bob.accept(id, &into);
    }
    for id in &ids {
        // The first second may hold a burst; the rate is kept from then on.
        bob.until_transfer(id, "two ranges", |view| view["done"].as_u64() >= Some(2 << 20));
    }
    let begin = bob.events().count();
    let end = Instant::now() + WINDOW + Duration::from_secs(1);
    while Instant::now() < end {
        bob.events().wait_for_more(bob.events().count(), end.saturating_duration_since(Instant::now()));
    }
    for (id, (rate, _)) in ids.iter().zip(rates) {
        let (measured, wanted) = (rate_of(&bob, id, begin), rate as f64);
        assert!((measured - wanted).abs() <= 0.05 * wanted, "{measured:.3} MiB/s instead of {wanted}");
    }
    ids.iter().for_each(|id| alice.tell(["file", "cancel", id]));
}

#[test]
fn a_limit_can_be_changed_by_either_side_while_bytes_move() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let file = world.path("file.bin");
    write_file(&file, 200 << 20, 1);
    let id = alice.offer(&bob, &[&file], &["--limit", "512KiB"]);
    let into = world.new_folder("arrived");
    bob.accept(&id, &into);
    bob.until_transfer(&id, "bytes that move", |view| view["state"] == "running");
    // At the first limit it would take minutes.
    bob.tell(["file", "limit", &id, "1MiB"]);
    alice.tell(["file", "limit", &id, "0"]);
    bob.tell(["file", "limit", &id, "0"]);
    bob.until_state(&id, "done");
    alice.until_state(&id, "done");
    assert_same_file(&file, &into.join("file.bin"));
}

/// MiB per second that arrived, from the events of a transfer since a place: the slope of the line through them, which
/// the size of a step and the moment of an event hardly move.
fn rate_of(person: &Person, id: &str, since: usize) -> f64 {
    let events = person.events().since(since);
    let begin = events.first().expect("there was progress").0;
    let points: Vec<(f64, f64)> = events
        .iter()
        .filter(|(_, event)| event["event"] == "transfer" && event["id"] == id)
        .map(|(at, event)| {
            let done = event["done"].as_u64().expect("a number");
            ((*at - begin).as_secs_f64(), done as f64 / MIB)
        })
        .collect();
    let covered = points.last().expect("there was progress").0 - points[0].0;
    assert!(covered >= WINDOW.as_secs_f64() - 1.0, "events cover only {covered:.1} s");
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (at, done) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.iter().map(|point| (point.0 - at) * (point.1 - done)).sum();
    let variance: f64 = points.iter().map(|point| (point.0 - at).powi(2)).sum();
    covariance / variance
}
