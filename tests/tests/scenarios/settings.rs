//! Settings of the network, on both sides.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};

use hobnob_tests::binaries;
use hobnob_tests::process::Process;
use hobnob_tests::world::World;

#[test]
fn ui9_a_rendezvous_that_moved_is_found_where_the_user_says_and_its_pin_still_counts() {
    let mut world = World::new();
    let mut alice = world.person("alice");
    let former = alice.ask(["status"])[0]["rendezvous"].clone();
    alice.stop();
    world.rendezvous.stop();
    world.rendezvous.serve_elsewhere();
    alice.up_without_session();
    for wrong in ["127.0.0.1", ":7700", "127.0.0.1:0", "https://a.example:1"] {
        let refused = alice.run(["config", "set", "net.server", wrong]);
        assert_eq!(refused.code, 2, "{refused:?}");
    }
    let place = format!("127.0.0.1:{}", world.rendezvous.port());
    let set = alice.ask(["config", "set", "net.server", &place]);
    assert_eq!(set, [serde_json::json!({"key": "net.server", "applies": "next-start"})]);
    alice.stop();
    alice.up();
    assert_eq!(alice.ask(["status"])[0]["rendezvous"], place);

    let stranger = World::new();
    let elsewhere = format!("127.0.0.1:{}", stranger.rendezvous.port());
    alice.tell(["config", "set", "net.server", &elsewhere]);
    alice.stop();
    alice.up_without_session();
    let refused = alice.until(&["status"], "a refusal", |lines| lines[0]["problem"].is_string());
    let problem = refused[0]["problem"].as_str().unwrap();
    assert!(problem.contains("shows another identity"), "{problem}");

    alice.tell(["config", "set", "net.server", ""]);
    alice.stop();
    alice.up_without_session();
    assert_eq!(alice.ask(["status"])[0]["rendezvous"], former);
}

#[test]
fn cf8_who_is_behind_a_hasty_nat_sends_keep_alives_more_often() {
    let world = World::new();
    let mut alice = world.person("alice");
    let keep_alive =
        |alice: &hobnob_tests::person::Person| alice.ask(["netcheck"])[0]["keep_alive_ms"].clone();
    assert_eq!(keep_alive(&alice), 6_000);
    for wrong in ["1", "13", "often"] {
        let refused = alice.run(["config", "set", "net.keep_alive", wrong]);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.messages.contains("seconds from 2 to 12"), "{refused:?}");
    }
    let set = alice.ask(["config", "set", "net.keep_alive", "2"]);
    assert_eq!(set[0]["applies"], "next-start");
    assert_eq!(keep_alive(&alice), 6_000);
    alice.stop();
    alice.up();
    assert_eq!(keep_alive(&alice), 2_000);
    alice.tell(["config", "set", "net.keep_alive", "auto"]);
    alice.stop();
    alice.up();
    assert_eq!(keep_alive(&alice), 6_000);
}

#[test]
fn cf2_the_operator_chooses_the_ports_for_udp_and_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let free_udp = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let free_tcp = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let (udp, reflector, tcp) = (free_udp(), free_udp(), free_tcp());
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{udp}\"\n[tunnel]\nlisten = [\"127.0.0.1:{tcp}\"]\n[relay]\nreflector_ports = [{reflector}]\n"
    );
    fs::write(&config, text).unwrap();
    let mut command = std::process::Command::new(binaries::hobnob_rendezvous());
    command.arg("serve").arg("--home").arg(folder.path().join("home"));
    command.arg("--config").arg(&config).arg("--json");
    let mut process = Process::start(command, &folder.path().join("log"));
    assert_eq!(process.next_object()["listen"], format!("127.0.0.1:{udp}"));
    let mut open = process.udp_ports();
    open.sort_unstable();
    let mut wanted = vec![udp, reflector];
    wanted.sort_unstable();
    assert_eq!(open, wanted);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, tcp)).is_ok());
    assert!(process.stop().success());
}
