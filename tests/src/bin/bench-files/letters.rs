//! How many letters a link carries, and how soon one is there.

use std::time::Instant;

use anyhow::Result;
use hobnob_peer::{Event, LetterState};
use tokio::task::JoinSet;

use crate::client_pair::{Pair, next};
use crate::figure::{Report, median, percentile};

/// Letters that are sent one after the other, each when the last one has been delivered.
const ONE_BY_ONE: usize = 500;

/// Every letter is on both disks before it counts.
pub(crate) async fn measure(report: &mut Report, letters: usize) -> Result<()> {
    let Pair { alice, bob, world: _world } = Pair::new().await?;
    let to = bob.address().clone();
    let mut at_alice = alice.events(None);
    alice.send(to.clone(), "the first makes the link").await?;
    next(&mut at_alice, |event| matches!(event, Event::LinkUp(_))).await?;
    let delivered = |event: &Event| matches!(event, Event::LetterState { state: LetterState::Delivered, .. });
    next(&mut at_alice, delivered).await?;

    let mut at_bob = bob.events(None);
    let (mut there, mut back) = (Vec::new(), Vec::new());
    for number in 0..ONE_BY_ONE {
        let begin = Instant::now();
        alice.send(to.clone(), format!("letter {number}")).await?;
        next(&mut at_bob, |event| matches!(event, Event::Letter(_))).await?;
        there.push(begin.elapsed().as_secs_f64() * 1000.0);
        next(&mut at_alice, delivered).await?;
        back.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    report.figure("letter/received/p50", median(&there), "ms");
    report.figure("letter/received/p99", percentile(&there, 99.0), "ms");
    report.figure("letter/known to be delivered/p50", median(&back), "ms");
    report.figure("letter/known to be delivered/p99", percentile(&back, 99.0), "ms");

    let begin = Instant::now();
    let mut sending = JoinSet::new();
    for number in 0..letters {
        let (alice, to) = (alice.clone(), to.clone());
        sending.spawn(async move { alice.send(to, format!("one of many: {number}")).await });
    }
    for _ in 0..letters {
        next(&mut at_bob, |event| matches!(event, Event::Letter(_))).await?;
    }
    report.figure("letter/rate", letters as f64 / begin.elapsed().as_secs_f64(), "letters/s");
    while let Some(sent) = sending.join_next().await {
        sent??;
    }
    alice.close().await;
    bob.close().await;
    Ok(())
}
