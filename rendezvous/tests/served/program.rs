//! The program itself, as scripts and people start it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use hobnob_wire::invite::Invite;
use rustix::process::{Pid, Signal, kill_process};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hobnob-rendezvous"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn it_says_when_it_is_ready_and_leaves_when_asked() {
    let home = tempfile::tempdir().unwrap();
    let mut child = program()
        .args(["serve", "--json", "--listen", "127.0.0.1:0", "--home"])
        .arg(home.path())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let listen = ready["listen"].as_str().unwrap();
    let invite: Invite = ready["invite"].as_str().unwrap().parse().unwrap();
    assert_eq!(format!("{}:{}", invite.host, invite.port), listen);
    let expected = format!(
        "{{\"event\":\"ready\",\"listen\":\"{listen}\",\"domain\":\"localhost\",\"invite\":\"{invite}\"}}\n"
    );
    assert_eq!(line, expected);

    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let stopped: serde_json::Value = serde_json::from_str(&rest).unwrap();
    let relay = serde_json::json!({"bytes": 0, "datagrams": 0, "over_budget": 0, "refused": 0, "answers": 0});
    let expected = serde_json::json!({
        "event": "stopped", "sessions": 0, "letters": 0, "letter_bytes": 0, "relay": relay
    });
    assert_eq!(stopped, expected);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_mistyped_setting_is_named_with_the_one_that_was_meant() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config.toml"), "[server]\nlisen = \"127.0.0.1:0\"\n").unwrap();
    let output = program().args(["config", "check", "--home"]).arg(home.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = "hobnob-rendezvous: there is no setting `server.lisen`; did you mean `server.listen`?\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
}

#[test]
fn the_defaults_that_it_prints_are_settings_that_it_takes() {
    let home = tempfile::tempdir().unwrap();
    let defaults = program().args(["config", "default"]).output().unwrap();
    assert!(defaults.status.success());
    let path = home.path().join("config.toml");
    std::fs::write(&path, defaults.stdout).unwrap();
    let check = program().args(["config", "check", "--config"]).arg(&path).output().unwrap();
    assert_eq!(String::from_utf8(check.stdout).unwrap(), "the settings are in order\n");
}

#[test]
fn an_address_in_use_is_said_plainly() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let home = tempfile::tempdir().unwrap();
    let output = program().args(["serve", "--listen", &listen, "--home"]).arg(home.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains(&format!("cannot listen on {listen} (UDP): Address already in use")), "{error}");
}
