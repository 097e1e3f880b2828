//! What one file for several people costs its sender.

use std::time::Instant;

use anyhow::{Context, Result};
use hobnob_tests::content::write_file;
use hobnob_tests::person::{Person, text};
use hobnob_tests::world::World;

use crate::figure::Report;

/// What the sender's line takes in a second: a line is what help saves.
const LINE: &str = "25MiB";
const BYTES: u64 = 256 << 20;

/// Sends a file to three people who know each other, and to three who do not.
pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let (copies, seconds) = send(true)?;
    let (apart, seconds_apart) = send(false)?;
    report.beside("swarm/3 receivers/uploaded", copies, "files", ("strangers", apart));
    report.beside("swarm/3 receivers/all have it", seconds, "s", ("strangers", seconds_apart));
    Ok(())
}

/// How many times the file left the sender, and how long it took until all had it.
fn send(is_close: bool) -> Result<(f64, f64)> {
    let world = World::with_room_for(5 * BYTES);
    let alice = world.person("alice");
    let friends = ["bob", "carol", "dave"].map(|name| world.person(name));
    friends.iter().for_each(|friend| alice.befriend(friend));
    if is_close {
        let [bob, carol, dave] = &friends;
        [(bob, carol), (bob, dave), (carol, dave)].iter().for_each(|(one, other)| one.befriend(other));
    }
    alice.tell(["config", "set", "limits.up", LINE]);
    friends.iter().for_each(|friend| friend.tell(["config", "set", "files.auto_accept", "contacts"]));
    let file = world.path("film.mkv");
    write_file(&file, BYTES, 1);

    let begin = Instant::now();
    let to: Vec<&str> = friends.iter().map(Person::name).collect();
    let offers = alice.ask(["file", "send", &to.join(","), text(&file)]);
    let mut sent = 0;
    for (friend, offer) in friends.iter().zip(&offers) {
        let id = offer["id"].as_str().context("an offer has an id")?;
        friend.until_state(id, "done");
        sent += alice.until_state(id, "done")["sent"].as_u64().context("what was sent is counted")?;
    }
    Ok((sent as f64 / BYTES as f64, begin.elapsed().as_secs_f64()))
}
