//! The files on their way, and what that costs.

use std::fs;
use std::time::{Duration, Instant};

use super::content::Content;
use super::person::Person;
use super::process::Process;
use super::stage::{People, Stage};
use crate::api::bodies::{TransferAccept, TransferSend};
use crate::cli::{Output, Stop, follow, progress_line};
use crate::core::view::{Priority, TransferState, TransferView};

/// How long a transfer may show no progress.
const STALL: Duration = Duration::from_secs(60);

/// What was measured while the files went.
#[derive(Debug)]
pub(super) struct Sent {
    /// What the sender's daemon says of it.
    pub(super) transfer: TransferView,
    /// From the acceptance until the sender knew that everything was in place.
    pub(super) took: Duration,
    /// Processor seconds of Alice's daemon meanwhile.
    pub(super) cpu_alice: Option<f64>,
    /// Processor seconds of Bob's daemon meanwhile.
    pub(super) cpu_bob: Option<f64>,
    /// Whether what arrived is what was sent.
    pub(super) hash_equal: bool,
    /// Hash over everything that was sent.
    pub(super) hash: String,
}

/// Alice offers, Bob accepts, and both watch it arrive.
pub(super) async fn send(
    stage: &Stage,
    people: &mut People,
    content: &Content,
    output: Output,
) -> Result<Sent, Stop> {
    let People { alice, bob, .. } = people;
    let received = stage.folder.join("received");
    fs::create_dir(&received).map_err(|error| Stop::failure(format!("no folder to receive in: {error}")))?;
    let (to, paths) = (vec![bob.address.clone()], content.paths.clone());
    let (text, priority) = (String::new(), Priority::Normal);
    let offer = TransferSend { to, paths, limit: 0, sealed: true, links: false, text, priority };
    let offered = alice.api.send_files(&offer).await?.pop();
    let offered = offered.ok_or_else(|| Stop::failure("nothing was offered".to_owned()))?;
    bob.until("the offer", async |api| {
        Ok(api.transfers().await?.iter().any(|transfer| transfer.id == offered.id).then_some(()))
    })
    .await?;

    let cpu = || [&stage.alice, &stage.bob].map(|process| process.as_ref().and_then(Process::cpu_seconds));
    let before = cpu();
    let begun = Instant::now();
    bob.api
        .accept_transfer(
            offered.id,
            &TransferAccept { to: Some(received.clone()), ..TransferAccept::default() },
        )
        .await?;
    let transfer = watch(alice, offered, output).await?;
    let took = begun.elapsed();
    let after = cpu();
    let [cpu_alice, cpu_bob] = [0, 1].map(|who: usize| Some(after[who]? - before[who]?));
    let (hash_equal, hash) = content.is_in(&received).await?;
    Ok(Sent { transfer, took, cpu_alice, cpu_bob, hash_equal, hash })
}

/// Shows the transfer until it is done.
async fn watch(alice: &mut Person, offered: TransferView, output: Output) -> Result<TransferView, Stop> {
    let mut path = String::new();
    let ended = follow((&alice.api, &mut alice.events), offered, Some(STALL), |transfer| {
        if output.is_live() {
            output.live(&format!("  … {}", progress_line(transfer)));
        }
        if transfer.path != "none" {
            transfer.path.clone_into(&mut path);
        }
        Ok(())
    });
    let mut ended = ended.await?;
    if output.is_live() {
        output.live("");
    }
    if ended.state != TransferState::Done {
        let why = ended.error.unwrap_or_else(|| "no reason is known".to_owned());
        return Err(Stop::failure(format!("the file did not arrive: {why}")));
    }
    ended.path = path;
    Ok(ended)
}
