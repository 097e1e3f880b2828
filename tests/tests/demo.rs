//! `hobnob demo`, as somebody runs it who has just heard of Hobnob.

#![allow(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use hobnob_tests::binaries;
use hobnob_tests::content::{write_file, write_folder};
use hobnob_tests::output::Output;
use hobnob_tests::person::text;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

/// The demonstration, with `folder` for what it makes.
fn demo(folder: &Path, args: &[&str]) -> Command {
    // The rendezvous is expected beside the app.
    assert!(binaries::hobnob_rendezvous().is_file());
    let mut command = Command::new(binaries::hobnob());
    command.arg("demo").args(args).env("TMPDIR", folder).env_remove("CARGO").stdin(Stdio::null());
    command
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn the_demo_shows_that_all_of_it_holds_and_leaves_nothing_behind() {
    let (own, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (file, folder) = (own.path().join("film.bin"), own.path().join("album"));
    write_file(&file, 9_000_001, 1);
    write_folder(&folder, 2);
    let shown = Output::of(demo(temporary.path(), &[text(&file), text(&folder), "--json"])).object();
    assert_eq!((&shown["event"], &shown["ok"]), (&"report".into(), &true.into()), "{shown}");
    assert_eq!(
        (&shown["hash_equal"], &shown["rendezvous_saw"]["bytes"]),
        (&true.into(), &0.into()),
        "{shown}"
    );
    assert!(shown["rendezvous_saw"]["searched"].as_u64().unwrap() > 0, "{shown}");
    assert!(shown["rate"].as_u64().unwrap() > 0 && shown["handshake_us"].as_u64().unwrap() > 0, "{shown}");
    assert_eq!(entries(temporary.path()), 0);
}

#[test]
fn an_interrupted_demo_stops_and_removes_everything() {
    let temporary = tempfile::tempdir().unwrap();
    let mut running =
        demo(temporary.path(), &[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(running.stderr.take().unwrap()).lines().map(Result::unwrap);
    // Each step of a demonstration ends in time by itself.
    said.find(|line| line.contains("They are contacts.")).unwrap();
    kill_process(Pid::from_child(&running), Signal::INT).unwrap();
    assert!(said.any(|line| line.contains("interrupted")));
    assert_eq!(running.wait().unwrap().code(), Some(1));
    assert_eq!(entries(temporary.path()), 0);
}

#[test]
fn a_kept_demo_runs_on_and_can_be_talked_to() {
    let (own, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = own.path().join("short.txt");
    fs::write(&file, "a few words").unwrap();
    let shown = Output::of(demo(temporary.path(), &[text(&file), "--json", "--keep"])).object();
    let kept = Kept(shown["kept"]["processes"].as_array().unwrap().iter().map(pid).collect());
    assert_eq!(kept.0.len(), 3);
    let folder = Path::new(shown["kept"]["folder"].as_str().unwrap());
    let ask = |name: &str, args: &[&str]| {
        let mut command = Command::new(binaries::hobnob());
        command.arg("--json").arg("--home").arg(folder.join(name)).args(args);
        Output::of(command).objects()
    };
    assert_eq!(
        ask("alice", &["send", "bob", "still there?", "--wait", "delivered"])[0]["state"],
        "delivered"
    );
    assert_eq!(ask("bob", &["history", "alice"]).len(), 4);
    assert!(kept.0.iter().all(|pid| test_kill_process(*pid).is_ok()));
}

/// Processes that the demonstration left running.
struct Kept(Vec<Pid>);

impl Drop for Kept {
    fn drop(&mut self) {
        for pid in &self.0 {
            // It fails only when the process has ended already.
            let _ = kill_process(*pid, Signal::KILL);
        }
    }
}

fn pid(value: &Value) -> Pid {
    Pid::from_raw(value.as_i64().unwrap().try_into().unwrap()).unwrap()
}
