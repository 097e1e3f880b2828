//! The promises of the controller, over a simulated line, in virtual time.

use std::time::Duration;

use super::trial::Algorithm::{Cubic, Ours};
use super::trial::{Algorithm, Seen, Trial};
use crate::simulation::Shape;

const SECOND: Duration = Duration::from_secs(1);

/// What a flow has beside one of Cubic.
const FAIR: std::ops::Range<f64> = 0.35..0.65;

/// 100 Mbit/s, 40 ms, a queue of 500 KB.
fn line() -> Shape {
    Shape { rate: Some(100_000_000), queue_bytes: 500_000, ..Shape::delay(Duration::from_millis(20)) }
}

/// What is seen of flows that begin 2 s apart, after `settle` and for `time`.
async fn seen(line: &Shape, flows: &[Algorithm], settle: Duration, time: Duration) -> Seen {
    let mut trial = Trial::new(line).unwrap();
    for algorithm in flows {
        trial.flow(*algorithm).await.unwrap();
        tokio::time::sleep(2 * SECOND).await;
    }
    tokio::time::sleep(settle).await;
    trial.watch(time).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn random_loss_of_one_percent_leaves_85_percent_of_the_rate() {
    let seen = seen(&Shape { loss: 0.01, ..line() }, &[Ours], Duration::ZERO, 5 * SECOND).await;
    assert!(seen.flows[0].rate > 85e6 && seen.flows[0].loss < 0.02, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn reordering_costs_no_rate_and_no_packets() {
    let seen = seen(&Shape { reorder: 0.02, ..line() }, &[Ours], Duration::ZERO, 5 * SECOND).await;
    assert!(seen.flows[0].rate > 85e6 && seen.flows[0].loss < 0.001, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn short_and_long_queues_and_round_trips_are_filled_and_not_overfilled() {
    for (queue_bytes, rtt_ms) in [(125_000, 40), (5_000_000, 40), (500_000, 5), (500_000, 300)] {
        let delay = Duration::from_micros(rtt_ms * 500);
        let settle = Duration::from_millis(rtt_ms * 20);
        let seen = seen(&Shape { queue_bytes, delay, ..line() }, &[Ours], settle, 5 * SECOND).await;
        let fine = seen.flows[0].rate > 85e6 && seen.flows[0].loss < 0.02;
        assert!(fine && seen.queue < Duration::from_millis(10), "{queue_bytes} {rtt_ms} {seen:?}");
    }
}

/// The part that ours has beside Cubic during a minute that begins 10 s after the second flow, for some times between both starts.
async fn shares(flows: [Algorithm; 2], queue_bytes: usize) -> Vec<f64> {
    let ours = usize::from(flows[1] == Ours);
    let mut shares = Vec::new();
    for gap_ms in [200, 900, 1700, 2600, 4100] {
        let mut trial = Trial::new(&Shape { queue_bytes, ..line() }).unwrap();
        trial.flow(flows[0]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(gap_ms)).await;
        trial.flow(flows[1]).await.unwrap();
        tokio::time::sleep(10 * SECOND).await;
        let seen = trial.watch(60 * SECOND).await.unwrap();
        shares.push(seen.flows[ours].rate / (seen.flows[0].rate + seen.flows[1].rate));
    }
    shares
}

fn are_fair(shares: &[f64]) -> bool {
    shares.iter().all(|share| FAIR.contains(share))
}

#[tokio::test(start_paused = true)]
async fn after_cubic_a_flow_has_35_to_65_percent_with_a_short_queue() {
    let shares = shares([Cubic, Ours], 125_000).await;
    assert!(are_fair(&shares), "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn after_cubic_a_flow_has_35_to_65_percent_with_a_queue_of_a_round_trip() {
    let shares = shares([Cubic, Ours], 500_000).await;
    assert!(are_fair(&shares), "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn before_cubic_a_flow_has_35_to_65_percent_with_a_short_queue() {
    let shares = shares([Ours, Cubic], 125_000).await;
    assert!(are_fair(&shares), "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn before_cubic_a_flow_has_35_to_65_percent_with_a_queue_of_a_round_trip() {
    let shares = shares([Ours, Cubic], 500_000).await;
    assert!(are_fair(&shares), "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn two_of_ours_share_a_line() {
    let seen = seen(&line(), &[Ours, Ours], 18 * SECOND, 10 * SECOND).await;
    let share = seen.flows[1].rate / (seen.flows[0].rate + seen.flows[1].rate);
    assert!((0.4..0.6).contains(&share), "{share} {seen:?}");
    assert!(seen.queue < Duration::from_millis(20), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_has_little_to_send_keeps_its_window() {
    let mut trial = Trial::new(&line()).unwrap();
    trial.flow_in_bursts(Ours, 20_000, SECOND / 10).await.unwrap();
    tokio::time::sleep(2 * SECOND).await;
    let before = trial.windows()[0];
    tokio::time::sleep(60 * SECOND).await;
    let after = trial.windows()[0];
    assert!(before >= 30_000 && after >= before && after < 200_000, "{before} {after}");
}

/// Runs for 4 s on one line and then on another, watched for `watched` from the switch on.
async fn switched(from: &Shape, to: &Shape, watched: Duration) -> [Seen; 2] {
    let mut trial = Trial::new(from).unwrap();
    trial.flow(Ours).await.unwrap();
    tokio::time::sleep(4 * SECOND).await;
    trial.reshape(to);
    trial.epoch.switched();
    let soon = trial.watch(watched).await.unwrap();
    [soon, trial.watch(2 * SECOND).await.unwrap()]
}

#[tokio::test(start_paused = true)]
async fn a_switch_to_a_faster_path_starves_nobody_and_loses_nothing() {
    let relay = Shape { rate: Some(20_000_000), delay: Duration::from_millis(35), ..line() };
    let [soon, then] = switched(&relay, &line(), SECOND).await;
    assert!(soon.flows[0].rate > 20e6 && soon.flows[0].loss == 0.0, "{soon:?}");
    assert!(then.flows[0].rate > 85e6, "{then:?}");
}

#[tokio::test(start_paused = true)]
async fn a_switch_to_a_slower_path_keeps_it_busy() {
    let slow = Shape { rate: Some(10_000_000), delay: Duration::from_millis(50), ..line() };
    let [soon, then] = switched(&line(), &slow, 2 * SECOND).await;
    assert!(soon.flows[0].rate > 7e6, "{soon:?}");
    assert!(then.flows[0].rate > 8.5e6 && then.flows[0].loss < 0.01, "{then:?}");
}
