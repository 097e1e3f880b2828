//! Real disks that fail under real programs: every acknowledged letter outlives it, and a program whose disk cannot be
//! trusted ends.

use std::thread;
use std::time::{Duration, Instant};

use hobnob_tests::PATIENCE;
use hobnob_tests::person::Person;
use hobnob_tests::process::Process;
use hobnob_tests::tampered::{Tampering, is_possible, no_file_beyond};
use hobnob_tests::world::World;

/// Calls by which a store reaches its disk, and how each may fail.
const FAILURES: [(&str, &str); 4] =
    [("fdatasync", "EIO"), ("pwrite64", "EIO"), ("pwrite64", "ENOSPC"), ("pread64", "EIO")];

/// Which of them: soon after the start, and in the middle of work.
const WHEN: [u32; 2] = [3, 12];

/// Two people who have said something, and the command line of each without a hold on its daemon.
struct Stage {
    world: World,
    alice: Person,
    bob: Person,
    /// Letters of Alice that were acknowledged.
    said: Vec<String>,
}

impl Stage {
    fn new() -> Self {
        let world = World::new();
        let (alice, bob) = world.friends("alice", "bob");
        Self { world, alice, bob, said: Vec::new() }
    }

    /// Alice writes, with or without success, until a program has ended or so many letters are written.
    fn write_beside(&mut self, process: &mut Process, count: usize) {
        for _ in 0..count {
            let words = format!("letter {}", self.said.len());
            if process.ended().is_some() {
                return;
            }
            if self.alice.run(["send", &self.bob.address(), &words]).code == 0 {
                self.said.push(words);
            }
        }
    }

    /// What Alice said is at Bob's, once and in order.
    fn assert_heard(&self) {
        let address = self.alice.address();
        let all = ["history", &address, "--limit", "1000"];
        let words = |lines: &[serde_json::Value]| -> Vec<String> {
            let text = |line: &serde_json::Value| line["text"].as_str().unwrap_or_default().to_owned();
            lines.iter().map(text).collect()
        };
        let is_there = |lines: &[serde_json::Value]| {
            let shown = words(lines);
            self.said.iter().all(|said| shown.contains(said))
        };
        let shown = words(&self.bob.until(&all, "all letters", is_there));
        let known: Vec<&String> = shown.iter().filter(|words| self.said.contains(words)).collect();
        assert_eq!(known, self.said.iter().collect::<Vec<_>>());
    }
}

/// Waits until a program that must end has ended, which must not be a success.
fn assert_gives_up(process: &mut Process, why: &str) {
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = process.ended() {
            break status;
        }
        assert!(Instant::now() < deadline, "it goes on after {why}; {}", process.log_tail());
        thread::sleep(Duration::from_millis(20));
    };
    assert!(!status.success(), "it ended as if nothing had happened after {why}");
}

#[test]
fn a_peer_whose_disk_fails_ends_and_has_lost_no_letter_that_was_sent() {
    let mut stage = Stage::new();
    let log = stage.world.path("alice.strace");
    if !is_possible(log.parent().unwrap()) {
        return;
    }
    for (call, error) in FAILURES {
        for when in WHEN {
            stage.alice.stop();
            let tampering = Tampering { call, error, when };
            let home = stage.world.home_of(&stage.alice, "alice").behind(tampering.prefix(&log));
            let mut daemon = home.begin(["up"]);
            if daemon.try_next_object().is_some() {
                stage.write_beside(&mut daemon, 20);
            }
            let happened = Tampering::has_happened(&log);
            if happened && call != "pread64" {
                assert_gives_up(&mut daemon, &format!("{error} of {call} number {when}"));
            }
            daemon.kill();
            stage.alice.up();
            stage.assert_heard();
        }
    }
}

#[test]
fn a_rendezvous_whose_disk_fails_ends_and_has_lost_no_letter_that_was_accepted() {
    let mut stage = Stage::new();
    let log = stage.world.path("rendezvous.strace");
    if !is_possible(log.parent().unwrap()) {
        return;
    }
    for (call, error) in FAILURES {
        for when in WHEN {
            // Bob is away, so every letter goes to the disk of the rendezvous.
            stage.bob.stop();
            stage.world.rendezvous.stop();
            let tampering = Tampering { call, error, when };
            let mut server = stage.world.rendezvous.begin(&tampering.prefix(&log));
            if server.try_next_object().is_some() {
                stage.write_beside(&mut server, 20);
            }
            if Tampering::has_happened(&log) && call != "pread64" {
                assert_gives_up(&mut server, &format!("{error} of {call} number {when}"));
            }
            server.kill();
            let _ = stage.world.rendezvous.serve();
            stage.bob.up();
            stage.assert_heard();
        }
    }
}

#[test]
fn a_write_that_is_cut_short_ends_a_peer_and_loses_no_letter_that_was_sent() {
    let mut stage = Stage::new();
    for kib in [40, 120, 250] {
        stage.alice.stop();
        let home = stage.world.home_of(&stage.alice, "alice").behind(no_file_beyond(kib << 10));
        let mut daemon = home.begin(["up"]);
        if daemon.try_next_object().is_some() {
            stage.write_beside(&mut daemon, 60);
        }
        assert_gives_up(&mut daemon, "a file that may not grow");
        stage.alice.up();
        stage.assert_heard();
    }
}
