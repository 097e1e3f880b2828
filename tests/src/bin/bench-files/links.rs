//! How soon a link is there.

use std::time::Duration;

use anyhow::Result;
use hobnob_peer::{Client, Event, Options};
use tokio::time::timeout;

use crate::client_pair::{Pair, next, session};
use crate::figure::{Report, median, percentile};

/// Links that are made anew.
const LINKS: usize = 20;

/// How long Alice waits for a link before she writes again.
const WRITES_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Bob leaves and comes back, and Alice writes to him each time.
pub(crate) async fn measure(report: &mut Report) -> Result<()> {
    let Pair { alice, mut bob, world } = Pair::new().await?;
    let to = bob.address().clone();
    let mut handshakes = Vec::new();
    for round in 0..LINKS {
        let mut events = alice.events(None);
        let link = loop {
            alice.send(to.clone(), format!("round {round}")).await?;
            // When Alice has not heard yet that Bob is back, her letter goes to the mailbox and needs no link.
            let up = next(&mut events, |event| matches!(event, Event::LinkUp(_)));
            if let Ok(Ok(Event::LinkUp(link))) = timeout(WRITES_AGAIN_AFTER, up).await {
                break link;
            }
        };
        handshakes.push(f64::from(u32::try_from(link.handshake_us)?) / 1000.0);
        bob.close().await;
        bob = Client::open(Options::new(world.path("bob"))).await?;
        let mut events = bob.events(None);
        session(&bob, &mut events).await?;
    }
    report.figure("link/handshake/p50", median(&handshakes), "ms");
    report.figure("link/handshake/p99", percentile(&handshakes, 99.0), "ms");
    alice.close().await;
    bob.close().await;
    Ok(())
}
