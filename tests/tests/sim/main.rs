//! The simulation itself: that it repeats, that it finds bugs, and what it says about disks. Thousands of seeds are run by
//! `cargo run --release -p hobnob-tests --bin sim`.

use hobnob_tests::sim::{Machine, Plant, Run, disk_error, power_cuts};

/// Seeds within which a planted bug must be found.
const SEEDS: u64 = 60;

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in 1..=6 {
        assert_eq!(Run::new(seed).go(), Run::new(seed).go());
    }
}

/// The first failure that a planted bug leads to in a run that holds without it.
fn first_failure(plant: Plant) -> String {
    let holds = |seed: &u64| Run::new(*seed).go().is_ok();
    let run = |seed| Run { plant: Some(plant), ..Run::new(seed) }.go().err();
    (1..=SEEDS).filter(holds).find_map(run).expect("the simulation finds the bug").what
}

#[test]
fn a_peer_that_tells_before_it_has_committed_is_found() {
    let what = first_failure(Plant::EffectsBeforeCommit);
    let known = ["which is not true", "never went to", "is told that", "could not be opened"];
    assert!(known.iter().any(|known| what.contains(known)), "{what}");
}

#[test]
fn a_peer_that_forgets_what_it_has_seen_is_found() {
    let what = first_failure(Plant::SeenForgotten);
    assert!(what.contains("could not be opened") || what.contains("not true"), "{what}");
}

#[test]
fn a_peer_that_sends_the_newest_letter_first_is_found() {
    let what = first_failure(Plant::OutboxReversed);
    assert!(what.contains("after number"), "{what}");
}

#[test]
fn an_error_of_the_store_at_any_step_loses_nothing() {
    for machine in [Machine::Rendezvous, Machine::Peer(0), Machine::Peer(1)] {
        let mut steps = 0;
        while disk_error(1, machine, steps).unwrap_or_else(|what| panic!("{machine:?} at {steps}: {what}")) {
            steps += 1 + steps / 3;
        }
        assert!(steps > 100, "{machine:?} has done nothing");
    }
}

#[test]
fn a_power_cut_at_or_in_any_commit_loses_no_letter_and_damages_no_database() {
    let tried = power_cuts(3).unwrap();
    assert!(tried.commits > 100 && tried.cuts > 300 && tried.letters > 1_000, "{tried:?}");
}
