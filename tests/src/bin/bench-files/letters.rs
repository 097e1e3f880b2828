//! How many letters a link carries, and how soon one is there.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use hobnob_peer::{Client, Event, Events, LetterState, TransferState};
use hobnob_tests::content::write_file;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client_pair::{Pair, next};
use crate::figure::{Report, median, percentile};

/// Letters that are sent one after the other, each when the last one has been delivered.
const ONE_BY_ONE: usize = 500;
/// Files that are on their way meanwhile: as many as run at once.
const LOADS: u64 = 8;
const LOAD_BYTES: u64 = 48 << 20;

/// Every letter is on both disks before it counts.
pub(crate) async fn measure(report: &mut Report, letters: usize) -> Result<()> {
    let pair = Pair::new().await?;
    let Pair { alice, bob, .. } = &pair;
    let to = bob.address().clone();
    let mut at_alice = alice.events(None);
    alice.send(to.clone(), "the first makes the link").await?;
    next(&mut at_alice, |event| matches!(event, Event::LinkUp(_))).await?;
    let delivered = |event: &Event| matches!(event, Event::LetterState { state: LetterState::Delivered, .. });
    next(&mut at_alice, delivered).await?;

    let mut at_bob = bob.events(None);
    one_by_one(report, "letter", (alice, &mut at_alice), &mut at_bob).await?;
    let load = Load::begin(&pair);
    one_by_one(report, "letter/beside files", (alice, &mut at_alice), &mut at_bob).await?;
    load.end().await?;

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
    pair.alice.close().await;
    pair.bob.close().await;
    Ok(())
}

/// Sends letters, each when the last one has been delivered.
async fn one_by_one(
    report: &mut Report,
    case: &str,
    (alice, at_alice): (&Client, &mut Events),
    at_bob: &mut Events,
) -> Result<()> {
    let is_delivered =
        |event: &Event| matches!(event, Event::LetterState { state: LetterState::Delivered, .. });
    let to = alice.contacts().await?.remove(0).address;
    let (mut there, mut back) = (Vec::new(), Vec::new());
    for number in 0..ONE_BY_ONE {
        let begin = Instant::now();
        alice.send(to.clone(), format!("letter {number}")).await?;
        next(at_bob, |event| matches!(event, Event::Letter(_))).await?;
        there.push(begin.elapsed().as_secs_f64() * 1000.0);
        next(at_alice, is_delivered).await?;
        back.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    report.figure(&format!("{case}/received/p50"), median(&there), "ms");
    report.figure(&format!("{case}/received/p99"), percentile(&there, 99.0), "ms");
    report.figure(&format!("{case}/known to be delivered/p50"), median(&back), "ms");
    report.figure(&format!("{case}/known to be delivered/p99"), percentile(&back, 99.0), "ms");
    Ok(())
}

/// Files that are on their way all the time, each begun anew when it is there.
struct Load {
    stop: watch::Sender<bool>,
    senders: JoinSet<Result<()>>,
}

impl Load {
    fn begin(pair: &Pair) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut senders = JoinSet::new();
        for number in 0..LOADS {
            let file = pair.world.path(&format!("load {number}"));
            write_file(&file, LOAD_BYTES, number);
            let (alice, bob, stopped) = (pair.alice.clone(), pair.bob.clone(), stopped.clone());
            let into = pair.world.new_folder(&format!("arrived {number}"));
            senders.spawn(async move {
                while !*stopped.borrow() {
                    send(&alice, &bob, &file, &into).await?;
                }
                Ok(())
            });
        }
        Self { stop, senders }
    }

    async fn end(mut self) -> Result<()> {
        self.stop.send_replace(true);
        while let Some(sender) = self.senders.join_next().await {
            sender??;
        }
        Ok(())
    }
}

/// Sends a file, and removes it where it arrived.
async fn send(alice: &Client, bob: &Client, file: &Path, into: &Path) -> Result<()> {
    let mut at_bob = bob.events(None);
    let id = alice.send_files(bob.address().clone(), vec![file.to_owned()], 0).await?.id;
    let is_it = |event: &Event| matches!(event, Event::Transfer(transfer) if transfer.id == id);
    next(&mut at_bob, is_it).await?;
    bob.accept_files(id, Some(into.to_owned())).await?;
    let is_done = |event: &Event| matches!(event, Event::Transfer(transfer) if transfer.id == id && transfer.state == TransferState::Done);
    next(&mut at_bob, is_done).await?;
    Ok(std::fs::remove_file(into.join(file.file_name().context("a file has a name")?))?)
}
