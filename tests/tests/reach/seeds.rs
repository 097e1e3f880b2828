//! Thousands of runs of two agents on lines that lose, reorder, double and delay, with crashes and moves in between.

use std::time::Duration;

use hobnob_nat::core::agent::Selection;
use hobnob_nat::simulation::{Place, Random, Shape};
use hobnob_tests::lab::{Expected, expected};

use crate::duel::Duel;

const SEEDS: u64 = 2000;
/// Long enough for a path, on bad lines too.
const SETTLES: Duration = Duration::from_secs(6);
const MS: Duration = Duration::from_millis(1);

/// Places where UDP works.
const PLACES: [Place; 12] = [
    Place::Open,
    Place::FullCone,
    Place::AddressRestricted,
    Place::PortRestricted,
    Place::SymmetricSequential,
    Place::SymmetricRandom,
    Place::DoubleNat,
    Place::Hairpin,
    Place::V6Only,
    Place::BrokenV6,
    Place::Lan,
    Place::Poisonable,
];

/// What happens in the middle of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Nothing,
    Crash,
    DeadPath,
    RouterRestart,
}

struct Run {
    pair: [Place; 2],
    line: Shape,
    trouble: Trouble,
}

fn draw(random: &mut Random) -> Run {
    let place = |random: &mut Random| PLACES[usize::from(random.port(0, 11))];
    let pair = [place(random), place(random)];
    let line = Shape {
        delay: MS * u32::from(random.port(1, 80)),
        jitter: MS * u32::from(random.port(0, 10)),
        loss: random.fraction() * 0.1,
        burst: 1.0 + random.fraction() * 2.0,
        reorder: random.fraction() * 0.1,
        reorder_by: MS * 20,
        duplicate: random.fraction() * 0.1,
        ..Shape::default()
    };
    let troubles = [Trouble::Nothing, Trouble::Crash, Trouble::DeadPath, Trouble::RouterRestart];
    Run { pair, line, trouble: troubles[usize::from(random.port(0, 3))] }
}

/// Where both sides can exchange something again, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Direct,
    Relayed,
    Broken,
}

fn end(duel: &mut Duel) -> End {
    /// Several pieces of traffic each way, even with a tenth of them lost.
    const WATCH: Duration = Duration::from_secs(2);
    let before = duel.now;
    duel.run_for(WATCH);
    let heard = |side: usize| duel.sides[side].heard_at.is_some_and(|at| at > before);
    if !heard(0) || !heard(1) {
        return End::Broken;
    }
    let direct = duel.sides.iter().all(|side| matches!(side.selection, Selection::Direct(_)));
    if direct { End::Direct } else { End::Relayed }
}

/// Runs one seed: how it was before and after the trouble.
fn run(seed: u64) -> (Run, [End; 2]) {
    let mut random = Random::new(seed);
    let run = draw(&mut random);
    let mut duel = Duel::new(seed, run.pair, &run.line);
    let offering = usize::from(random.port(0, 1));
    duel.offer(offering);
    duel.run_for(SETTLES);
    let before = end(&mut duel);
    let [one, other] = [duel.sides[0].host, duel.sides[1].host];
    match run.trouble {
        Trouble::Nothing => {}
        Trouble::Crash => duel.crash(usize::from(random.port(0, 1))),
        Trouble::DeadPath => {
            duel.internet.sever(one, other);
            duel.run_for(Duration::from_secs(3));
            // The relay must have taken over.
            let during = end(&mut duel);
            assert_eq!(during, End::Relayed, "seed {seed}: {:?}", run.pair);
            duel.internet.mend(one, other);
        }
        Trouble::RouterRestart => {
            let realm = duel.internet.realm(one);
            duel.internet.restart_routers(realm);
        }
    }
    duel.run_for(SETTLES);
    let after = end(&mut duel);
    (run, [before, after])
}

/// Of the runs of pairs that can be direct: how many there were, and how many were not, before and after the trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    possible: u32,
    missed: [u32; 2],
}

/// Runs these seeds.
fn runs(seeds: impl Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let (run, ends) = run(seed);
        assert!(!ends.contains(&End::Broken), "seed {seed}: {:?} {:?} {ends:?}", run.pair, run.trouble);
        match expected(run.pair) {
            Expected::Direct | Expected::Counted => {
                tally.possible += 1;
                for (missed, end) in tally.missed.iter_mut().zip(ends) {
                    *missed += u32::from(end != End::Direct);
                }
            }
            Expected::Guessed | Expected::Unvouched | Expected::Confused => {}
            Expected::Relayed => assert_eq!(ends, [End::Relayed; 2], "seed {seed}: {:?}", run.pair),
        }
    }
    tally
}

#[test]
fn whatever_is_lost_or_crashes_both_sides_hear_each_other_again() {
    const THREADS: u64 = 4;
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| std::thread::spawn(move || runs((0..SEEDS).filter(|seed| seed % THREADS == thread))))
        .collect();
    let tallies: Vec<Tally> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let possible: u32 = tallies.iter().map(|tally| tally.possible).sum();
    for when in 0..2 {
        let missed: u32 = tallies.iter().map(|tally| tally.missed[when]).sum();
        assert!(missed * 50 <= possible, "{missed} of {possible} were not direct: {tallies:?}");
    }
}
