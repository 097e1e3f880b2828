//! `hobnob demo`: a rendezvous and two people on this machine, as three processes that speak to each other
//! as they would over the Internet, and a report of what was measured. Everything it claims is checked; the
//! exit code is 0 only when all of it held.

mod content;
mod folder;
mod person;
mod process;
mod program;
mod report;
mod stage;
mod story;
mod transfer;
mod witness;

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use self::folder::Folder;
use self::report::Report;
use self::stage::Stage;
use crate::cli::{Output, Stop};

/// Runs the demonstration with these files, or with one that it makes.
pub(crate) async fn run(files: &[PathBuf], keep: bool, output: Output) -> Result<(), Stop> {
    let no_signals = |error| Stop::failure(format!("cannot listen for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;

    let folder = Folder::create()?;
    let mut stage = Stage::default();
    let told = tokio::select! {
        told = tell(&mut stage, &folder, files, output) => told,
        _ = interrupt.recv() => Err(Stop::failure("interrupted; everything is stopped and removed")),
        _ = terminate.recv() => Err(Stop::failure("terminated; everything is stopped and removed")),
    };
    let mut report = match told {
        Ok(report) => report,
        Err(stop) => {
            if output.is_live() {
                output.live("");
            }
            stage.stop().await;
            return Err(stop);
        }
    };
    if keep {
        report.kept = Some(stage.keep(folder.keep())?);
    } else {
        stage.stop().await;
    }
    report.show(output)?;
    if report.ok { Ok(()) } else { Err(Stop::failure("not everything held; the report says what did not")) }
}

async fn tell(stage: &mut Stage, folder: &Folder, files: &[PathBuf], output: Output) -> Result<Report, Stop> {
    let files = content::prepare(files, folder, output).await?;
    let people = stage.set(folder, output).await?;
    story::tell(stage, people, files, output).await
}
