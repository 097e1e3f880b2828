//! Two people with a link, something to send, and a folder that it goes to.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use hobnob_tests::content::{assert_same_file, assert_same_folder};
use hobnob_tests::person::{Person, text};
use hobnob_tests::world::World;
use serde_json::Value;

use crate::figure::Report;
use crate::place::{Place, Side};
use crate::references::{self, Program, Reference};

/// What sending once took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// From the start of the command to its end.
    pub(crate) seconds: f64,
    /// Processor time of the sending side.
    pub(crate) near_cpu: f64,
    /// Processor time of the receiving side.
    pub(crate) far_cpu: f64,
}

/// A way of ours to send, and what its runs took.
pub(crate) type Ours = (&'static str, Vec<Run>);
/// Another program, and what its runs took.
pub(crate) type Theirs = (Program, Vec<Run>);

/// The two ways in which Hobnob sends.
const WAYS: [(&str, &[&str]); 2] = [("sealed", &[]), ("as-is", &["--as-is"])];

/// Two people with a link, something to send, and a folder that it goes to.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) alice: Person,
    pub(crate) bob: Person,
    /// A file, or a folder with all that is in it.
    sent: PathBuf,
    into: PathBuf,
}

impl Stage {
    pub(crate) fn set(world: &World, place: &Place, sent: PathBuf) -> Self {
        let into = world.new_folder("arrived");
        let mut people = [("alice", Side::Near), ("bob", Side::Far)].map(|(name, side)| {
            let person = world.newcomer(name).behind(place.prefix(side));
            assert_eq!(person.register().code, 0);
            person
        });
        people.iter_mut().for_each(Person::up);
        let [alice, bob] = people;
        alice.befriend(&bob);
        bob.tell(["config", "set", "files.dir", text(&into)]);
        bob.tell(["config", "set", "files.auto_accept", "contacts"]);
        // The first letter makes the link, which is measured elsewhere.
        alice.tell(["send", "bob", "ready?", "--wait", "delivered", "--timeout", "60"]);
        Self { alice, bob, sent, into }
    }

    /// Sends by Hobnob and by everything else that is installed, in turn; ours first.
    pub(crate) fn take_turns(
        &self,
        report: &mut Report,
        (case, place): (&str, &Place),
        world: &World,
        rounds: usize,
    ) -> Result<(Vec<Ours>, Vec<Theirs>)> {
        let (references, missing) = references::start(place, world, &self.sent);
        for (name, why) in missing {
            report.skip(&format!("{case}/{}/{name}", place.name), &why);
        }
        let mut ours: Vec<Ours> = WAYS.map(|(name, _)| (name, Vec::new())).into();
        let mut theirs: Vec<Theirs> =
            references.iter().map(|reference| (reference.program, Vec::new())).collect();
        for round in 0..rounds {
            for ((_, runs), (_, options)) in ours.iter_mut().zip(WAYS) {
                runs.push(self.send(options)?);
            }
            for ((_, runs), reference) in theirs.iter_mut().zip(&references) {
                runs.push(self.send_by(reference).with_context(|| format!("round {round}"))?);
            }
        }
        Ok((ours, theirs))
    }

    /// Sends several files at once, each as one transfer, and returns the seconds that each took.
    pub(crate) fn send_at_once(&self, files: &[PathBuf]) -> Result<Vec<f64>> {
        let place = self.bob.events().count();
        let begin = Instant::now();
        let mut sending: Vec<_> = files
            .iter()
            .map(|file| self.alice.begin(["file", "send", "bob", text(file), "--wait"]))
            .collect();
        for one in &mut sending {
            ensure!(one.wait().success(), "nothing was sent: {}", one.log_tail());
        }
        let done = |file: &PathBuf| {
            let name = file.file_name().and_then(|name| name.to_str()).context("a file has a name")?;
            let is_it = |event: &Value| {
                event["event"] == "transfer" && event["name"] == name && event["state"] == "done"
            };
            self.bob.wait_from(place, "a file that is done", is_it);
            let events = self.bob.events().since(place).into_iter();
            let at = events.map(|(at, event)| (at, is_it(&event))).find(|(_, is_it)| *is_it);
            Ok((at.context("it was just there")?.0 - begin).as_secs_f64())
        };
        files.iter().map(done).collect()
    }

    /// Where a file arrives.
    pub(crate) fn arrival(&self, file: &Path) -> Result<PathBuf> {
        Ok(self.into.join(file.file_name().context("what is sent has a name")?))
    }

    /// Sends as a user does, and waits for the word that everything is in place.
    pub(crate) fn send(&self, options: &[&str]) -> Result<Run> {
        let cpu = || [&self.alice, &self.bob].map(|person| person.process().cpu_seconds());
        let (begin, before) = (Instant::now(), cpu());
        let args = ["file", "send", "bob", text(&self.sent), "--wait"];
        let sent = self.alice.run(args.iter().chain(options));
        let seconds = begin.elapsed().as_secs_f64();
        ensure!(sent.code == 0, "nothing was sent: {sent:?}");
        let [near_cpu, far_cpu] = [0, 1].map(|side| cpu()[side] - before[side]);
        self.check_and_remove()?;
        Ok(Run { seconds, near_cpu, far_cpu })
    }

    fn send_by(&self, reference: &Reference<'_>) -> Result<Run> {
        let run = reference.send(std::slice::from_ref(&self.sent))?;
        if reference.leaves_files() {
            self.check_and_remove()?;
        }
        Ok(run)
    }

    fn check_and_remove(&self) -> Result<()> {
        let arrived = self.arrival(&self.sent)?;
        if self.sent.is_file() {
            assert_same_file(&self.sent, &arrived);
        } else {
            assert_same_folder(&self.sent, &arrived);
        }
        remove(&arrived)
    }
}

pub(crate) fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_file() { fs::remove_file(path) } else { fs::remove_dir_all(path) };
    removed.with_context(|| format!("{} cannot be removed", path.display()))
}

/// Seconds of each run.
pub(crate) fn seconds(runs: &[Run]) -> Vec<f64> {
    runs.iter().map(|run| run.seconds).collect()
}
