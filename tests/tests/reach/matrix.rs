//! The matrix of places with real endpoints: what a link experiences.

use std::time::Duration;

use hobnob_nat::core::agent::PathKind;
use hobnob_nat::simulation::{Place, Shape};
use hobnob_tests::lab::{Expected, expected};
use tokio::time::{Instant, sleep, timeout};

use crate::world::{LINE, PATIENCE, World};

const MS: Duration = Duration::from_millis(1);
/// A round trip between two peers, as the matrix draws its lines.
const ROUND_TRIP: Duration = Duration::from_millis(40);

/// What a pair experienced.
#[derive(Debug)]
struct Outcome {
    kinds: [PathKind; 2],
    /// From the offer to the first byte of the controlling side at the other.
    first_byte: Duration,
    /// From the offer until both sides were direct.
    direct: Option<Duration>,
    why_not: Option<String>,
}

async fn outcome(pair: [Place; 2]) -> Outcome {
    let world = World::new(1, pair, &Shape::delay(LINE)).await;
    let watches = [world.watch_direct(0), world.watch_direct(1)];
    let offered = Instant::now();
    let first_byte = async {
        // The offerer knows then that the relay forwards.
        sleep(2 * LINE).await;
        first_byte(&world, offered).await
    };
    let ((), first_byte) = tokio::join!(world.signal(0), first_byte);
    let [one, other] = watches;
    let (one, other) = (one.await.unwrap(), other.await.unwrap());
    let direct = one.zip(other).map(|(one, other)| one.max(other) - offered);
    sleep(Duration::from_secs(1)).await;
    let reports = [world.report(0).await, world.report(1).await];
    Outcome {
        kinds: reports.each_ref().map(|report| report.kind),
        first_byte,
        direct,
        why_not: reports[0].why_not_direct.map(|why| why.to_string()),
    }
}

async fn first_byte(world: &World, since: Instant) -> Duration {
    let [dialed, accepted] = timeout(PATIENCE, world.link()).await.unwrap();
    let mut sending = dialed.open_uni().await.unwrap();
    sending.write_all(b"!").await.unwrap();
    let mut receiving = accepted.accept_uni().await.unwrap();
    receiving.read_exact(&mut [0]).await.unwrap();
    let taken = since.elapsed();
    // The link stays for as long as the matrix looks at its path.
    tokio::spawn(async move {
        let (_dialed, _accepted) = (dialed, accepted);
        sleep(2 * PATIENCE).await;
    });
    taken
}

fn pairs() -> Vec<[Place; 2]> {
    let places = Place::MATRIX.into_iter().chain(Place::BESIDE).collect::<Vec<_>>();
    let rows = places.iter().enumerate();
    rows.flat_map(|(row, one)| places[row..].iter().map(|other| [*one, *other])).collect()
}

#[tokio::test(start_paused = true)]
async fn every_pair_talks_over_the_relay_at_once_and_directly_where_physics_allows_it() {
    let mut faults = Vec::new();
    for pair in pairs() {
        let outcome = outcome(pair).await;
        let direct = outcome.kinds.iter().all(|kind| kind.is_direct());
        let fine = match expected(pair) {
            Expected::Direct => direct && outcome.direct.is_some_and(|time| time <= 2 * ROUND_TRIP + 20 * MS),
            Expected::Counted => direct && outcome.direct.is_some_and(|time| time <= 5 * ROUND_TRIP),
            Expected::Guessed => direct && outcome.direct.is_some_and(|time| time <= Duration::from_secs(10)),
            Expected::Relayed => {
                let relayed = |kind: &PathKind| matches!(kind, PathKind::Relayed | PathKind::Tunnelled);
                outcome.kinds.iter().all(relayed) && outcome.why_not.is_some()
            }
            Expected::Confused | Expected::Unvouched => {
                outcome.kinds.iter().all(|kind| *kind != PathKind::None)
            }
        };
        // The offer, the handshake (one round trip over the relay) and the byte itself.
        let at_once = outcome.first_byte <= 3 * ROUND_TRIP + 20 * MS;
        if !fine || !at_once {
            faults.push(format!("{} {}: {outcome:?}", pair[0], pair[1]));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
