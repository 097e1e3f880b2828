//! The matrix of places with agents alone, many times: how often, how soon and how quietly a path is direct.

use std::time::Duration;

use hobnob_nat::core::agent::Selection;
use hobnob_nat::simulation::{Place, Shape};
use hobnob_tests::lab::{Expected, expected};

use crate::duel::Duel;

/// One way, so that a round trip between two sides takes 40 ms.
const LINE: Duration = Duration::from_millis(10);
/// Runs of each pair.
const RUNS: u64 = 20;

/// What became of the runs of one pair.
#[derive(Debug, Default)]
struct Tally {
    direct: usize,
    /// When both sides were direct, since the offer.
    times: Vec<Duration>,
    checks_max: u32,
}

fn tally(pair: [Place; 2]) -> Tally {
    let mut tally = Tally::default();
    for seed in 0..RUNS {
        let mut duel = Duel::new(seed, pair, &Shape::delay(LINE));
        let offered = duel.now;
        duel.offer(usize::from(seed % 2 == 1));
        duel.run_for(Duration::from_secs(10));
        let checks = duel.sides.iter().map(|side| side.agent.report(duel.now).sent).max();
        tally.checks_max = tally.checks_max.max(checks.unwrap_or_default());
        if duel.sides.iter().all(|side| matches!(side.selection, Selection::Direct(_))) {
            tally.direct += 1;
            let both = duel.sides.iter().filter_map(|side| side.direct_at).max();
            tally.times.extend(both.map(|at| at - offered));
        }
    }
    tally.times.sort();
    tally
}

/// Pairs of places where UDP works, each once.
fn pairs() -> Vec<[Place; 2]> {
    let places = Place::MATRIX.into_iter().filter(|place| *place != Place::UdpBlocked);
    let all: Vec<Place> = places.chain(Place::BESIDE).collect();
    let rows = all.iter().enumerate();
    rows.flat_map(|(row, one)| all[row..].iter().map(|other| [*one, *other])).collect()
}

#[test]
fn every_pair_that_physics_allows_is_direct_within_two_round_trips() {
    let mut faults = Vec::new();
    for pair in pairs() {
        let tally = tally(pair);
        let median = tally.times.get(tally.times.len() / 2).copied().unwrap_or_default();
        let runs = usize::try_from(RUNS).unwrap();
        let fine = match expected(pair) {
            Expected::Direct => tally.direct == runs && median <= LINE * 10,
            Expected::Counted => tally.direct == runs && median <= LINE * 20,
            Expected::Guessed => tally.direct * 100 >= runs * 95,
            Expected::Confused | Expected::Unvouched => true,
            Expected::Relayed => tally.direct == 0,
        };
        if !fine {
            faults.push(format!(
                "{pair:?}: {} of {RUNS} direct, median {median:?}, at most {} checks",
                tally.direct, tally.checks_max
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
