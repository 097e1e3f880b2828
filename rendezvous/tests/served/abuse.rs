//! What many strangers cost, measured on the program itself.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hobnob_nat::Endpoint;
use hobnob_wire::invite::Invite;

use super::support::{Keys, Session, dial};

/// A running program, killed when dropped.
struct Program {
    child: Child,
    invite: Invite,
}

impl Program {
    fn start(home: &tempfile::TempDir, settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hobnob-rendezvous"))
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--home"])
            .arg(home.path())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let invite = ready["invite"].as_str().unwrap().parse().unwrap();
        Self { child, invite }
    }

    /// Memory in use (resident set).
    fn memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_silent_connections_cost_under_64_kib_each_and_do_not_delay_a_login() {
    const CONNECTIONS: u64 = 2_000;
    const LOGIN_WITHIN: Duration = Duration::from_secs(1);
    let home = tempfile::tempdir().unwrap();
    let patient = ("HOBNOB_RENDEZVOUS__SESSION__AUTHENTICATE_WITHIN_MS", "120000");
    let program = Program::start(&home, &[patient]);
    let mut session = Session::open(&program.invite).await;
    let alice = session.register("alice", b"correct horse", &Keys::new(10), 10).await.unwrap();

    let endpoint = Endpoint::peer("127.0.0.1:0".parse().unwrap()).unwrap();
    let before = program.memory_bytes();
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS {
        silent.push(dial(&endpoint, &program.invite).await);
    }
    let each = program.memory_bytes().saturating_sub(before) / CONNECTIONS;
    assert!(each < 64 << 10, "a silent connection costs {each} bytes");

    let asked_at = Instant::now();
    Session::open(&program.invite).await.authenticate(&alice).await.unwrap();
    assert!(asked_at.elapsed() < LOGIN_WITHIN, "{:?}", asked_at.elapsed());
    assert!(silent.iter().all(|connection| connection.close_reason().is_none()));
}
