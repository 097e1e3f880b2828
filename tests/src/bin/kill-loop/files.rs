//! A large file on its way while daemons are killed.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hobnob_tests::PATIENCE;
use hobnob_tests::chance::Chance;
use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::person::Person;
use hobnob_tests::world::World;

use crate::waste::Waste;

/// How long a daemon lives at least when nothing else slows the transfer down.
const LIFE: Duration = Duration::from_millis(400);
/// Without progress for so long the transfer has not gone on by itself.
const STUCK: Duration = Duration::from_secs(120);

/// What was sent again for each kill.
pub(crate) fn files(kills: u64, bytes: u64, seed: u64) -> Result<Vec<u64>> {
    let mut chance = Chance::new(seed);
    let world = World::with_room_for(2 * bytes + (1 << 30));
    let log = ["env", "NO_COLOR=1", "HOBNOB_LOG=info,hobnob_peer::net::streams=debug"];
    let log = log.map(str::to_owned).to_vec();
    let mut people = ["alice", "bob"].map(|name| world.newcomer(name).behind(log.clone()));
    for person in &mut people {
        ensure!(person.register().code == 0, "no account for {}", person.name());
        person.up();
    }
    people[0].befriend(&people[1]);
    let (file, into) = (world.path("film.mkv"), world.new_folder("arrived"));
    write_file(&file, bytes, seed);
    let rate = bytes / (kills.max(1) * u64::try_from(LIFE.as_millis())?) * 1_000;
    let id = people[0].offer(&people[1], &[&file], &["--limit", &rate.max(1 << 20).to_string()]);
    people[1].accept(&id, &into);
    let mut waste = Waste::new(world.path("alice.log"));
    for kill in 0..kills {
        // Somewhere in the part of the file that belongs to this kill, so that the end does not come before the last.
        let part = bytes / (kills + 1);
        until_done(&people[1], &id, kill * part + chance.below(part))?;
        let victims: &[usize] = [&[0][..], &[1], &[0, 1]][usize::try_from(chance.below(3))?];
        waste.mark()?;
        victims.iter().for_each(|victim| people[*victim].kill());
        // The first that comes back finds nobody.
        let order = if chance.below(2) == 0 { [0, 1] } else { [1, 0] };
        order.iter().filter(|who| victims.contains(who)).for_each(|who| people[*who].up());
    }
    until_done(&people[1], &id, bytes)?;
    let digests = [0, 1].map(|who| people[who].until_state(&id, "done")["digest"].clone());
    ensure!(digests[0] == digests[1] && digests[0].is_string(), "the digests differ: {digests:?}");
    assert_same_file(&file, &into.join("film.mkv"));
    let left = fs::read_dir(&into)?.count();
    ensure!(left == 1, "{left} files and folders are in the folder");
    waste.mark()?;
    Ok(waste.sent_again())
}

/// Waits until so many bytes are verified at the receiver.
fn until_done(receiver: &Person, id: &str, bytes: u64) -> Result<()> {
    let mut deadline = Instant::now() + STUCK;
    let mut most = 0;
    loop {
        let view = receiver.ask(["file", "list"]).into_iter().find(|view| view["id"] == id);
        let view = view.context("the transfer is listed")?;
        let done = view["done"].as_u64().context("a number")?;
        if view["state"] == "done" || (done >= bytes && view["state"] == "running") {
            return Ok(());
        }
        if done > most {
            (most, deadline) = (done, Instant::now() + STUCK);
        }
        ensure!(Instant::now() < deadline, "nothing has moved for {} s: {view}", STUCK.as_secs());
        let place = receiver.events().count();
        let soon = Instant::now() + PATIENCE.min(Duration::from_millis(250));
        receiver.events().wait_for(place, soon, |event| event["event"] == "transfer");
    }
}
