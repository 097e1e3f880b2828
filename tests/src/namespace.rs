//! A test inside namespaces of its own, where it is root whoever started it: small disks, redirected packets.

use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use hobnob_wire::datagram::Channel;

use crate::{PATIENCE, binaries};

/// Says to a test that it runs inside.
const INSIDE: &str = "HOBNOB_TEST_INSIDE";

/// Runs `story`, the body of the test `name`, in a process with fresh network and mount namespaces (and a user
/// namespace, unless the test is root already). The network has a loopback interface and nothing else.
///
/// Where the system allows no namespaces the test says so and does nothing.
///
/// # Panics
/// When the story fails.
pub fn inside(name: &str, story: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        run(Command::new("ip").args(["link", "set", "lo", "up"]));
        story();
        return;
    }
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--net", "--mount"]);
        if !rustix::process::geteuid().is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        unshare
    };
    if !unshare().arg("true").status().is_ok_and(|status| status.success()) {
        drop(writeln!(std::io::stderr(), "{name} has nothing to do: namespaces are not allowed here"));
        return;
    }
    let own = env::current_exe().expect("a running program knows its own path");
    run(unshare()
        .arg(own)
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, "yes")
        .env(binaries::BUILT, binaries::folder()));
}

/// A machine of its own on a [`network`].
#[derive(Clone, Debug)]
pub struct Host {
    name: String,
    /// Its address.
    pub ip: String,
    /// The words that run a command there.
    pub prefix: Vec<String>,
}

/// Makes a network of machines with these names, which hear each other's multicasts as on one switch. There is no way out
/// of it.
///
/// # Panics
/// Outside [`inside`].
#[must_use]
pub fn network<const N: usize>(names: [&str; N]) -> [Host; N] {
    let ip = |words: &str| run(Command::new("ip").args(words.split(' ')));
    // Names of namespaces are files; these are nobody else's.
    run(Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/run"]));
    ip("link add switch type bridge mcast_snooping 0");
    ip("link set switch up");
    let mut hosts = 1..;
    names.map(|name| {
        let address = format!("10.77.0.{}", hosts.next().expect("there is no end"));
        ip(&format!("netns add {name}"));
        ip(&format!("link add to-{name} type veth peer name eth0 netns {name}"));
        ip(&format!("link set to-{name} master switch up"));
        ip(&format!("-n {name} addr add {address}/24 dev eth0"));
        ip(&format!("-n {name} link set eth0 up"));
        ip(&format!("-n {name} link set lo up"));
        // As at home: whatever is elsewhere is looked for beyond this interface.
        ip(&format!("-n {name} route add default dev eth0"));
        Host {
            name: name.to_owned(),
            ip: address,
            prefix: ["ip", "netns", "exec", name].map(str::to_owned).into(),
        }
    })
}

/// Takes away the one interface of a machine on a [`network`], as when it leaves a Wi-Fi, and gives it another with this address
/// of `10.77.0.0/24`.
///
/// # Panics
/// Outside [`inside`].
pub fn relocate(host: &mut Host, address: &str) {
    let ip = |words: &str| run(Command::new("ip").args(words.split(' ')));
    let name = &host.name;
    ip(&format!("link del to-{name}"));
    ip(&format!("link add to-{name} type veth peer name wwan0 netns {name}"));
    ip(&format!("link set to-{name} master switch up"));
    ip(&format!("-n {name} addr add {address}/24 dev wwan0"));
    ip(&format!("-n {name} link set wwan0 up"));
    ip(&format!("-n {name} route add default dev wwan0"));
    host.ip = address.to_owned();
}

/// Bytes that a machine of a [`network`] has sent so far, headers included.
///
/// # Panics
/// When its interface does not count.
#[must_use]
pub fn sent_bytes(host: &Host) -> u64 {
    let [program, words @ ..] = &*host.prefix else { panic!("{} has no words to run a command", host.name) };
    let output = Command::new(program)
        .args(words)
        .args(["cat", "/sys/class/net/eth0/statistics/tx_bytes"])
        .output()
        .expect("a command runs there");
    let text = String::from_utf8(output.stdout).expect("a number is text");
    text.trim().parse().expect("an interface counts")
}

/// Mounts a disk of `bytes` at `folder`, which is created. It is gone with the namespace.
///
/// # Panics
/// Outside [`inside`].
pub fn mount_disk(folder: &Path, bytes: u64) {
    fs::create_dir_all(folder).expect("a folder can be created");
    let size = format!("size={bytes}");
    run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder));
}

/// Changes how the disk at `folder` is mounted, as `ro` and `rw`; waits until nobody writes to it at this moment.
///
/// # Panics
/// When that takes too long, or outside [`inside`].
pub fn remount(folder: &Path, options: &str) {
    let deadline = Instant::now() + PATIENCE;
    let options = format!("remount,{options}");
    while !Command::new("mount").args(["-o", &options]).arg(folder).status().is_ok_and(|it| it.success()) {
        assert!(Instant::now() < deadline, "{} is always busy", folder.display());
    }
}

/// Shows what is at `from` also at `folder`, which is created when it is not there.
///
/// # Panics
/// Outside [`inside`].
pub fn bind(from: &Path, folder: &Path) {
    fs::create_dir_all(folder).expect("a folder can be created");
    run(Command::new("mount").arg("--bind").arg(from).arg(folder));
}

/// Takes away what is mounted at `folder`, whoever has something open there.
///
/// # Panics
/// When nothing is mounted there.
pub fn unmount(folder: &Path) {
    run(Command::new("umount").arg("--lazy").arg(folder));
}

/// Sends every UDP packet for the port `to` to the port `instead`, unless it comes from a port in `except`.
///
/// # Panics
/// Outside [`inside`], or when nftables is missing.
pub fn redirect(to: u16, instead: u16, except: &[u16]) {
    let except: Vec<String> = except.iter().map(u16::to_string).collect();
    let rules = format!(
        "table inet redirect_{to} {{\n chain output {{\n type nat hook output priority -100\n \
         udp dport {to} udp sport != {{ {} }} redirect to :{instead}\n }}\n}}\n",
        except.join(", ")
    );
    run(Command::new("nft").arg(rules));
}

/// Ends what [`redirect`] began.
///
/// # Panics
/// When there was nothing to end.
pub fn redirect_no_more(to: u16) {
    run(Command::new("nft").arg(format!("delete table inet redirect_{to}")));
}

/// Gives this machine another address, as if it had been there always: nothing else is told.
///
/// # Panics
/// Outside [`inside`].
pub fn add_address(ip: &str) {
    run(Command::new("ip").args(["addr", "add", ip, "dev", "lo"]));
}

/// Loses every UDP datagram without a word, as strict firewalls do.
///
/// # Panics
/// Outside [`inside`], or when nftables is missing.
pub fn block_udp() {
    run(Command::new("nft").arg(
        "table inet no_udp {\n chain input {\n type filter hook input priority 0\n meta l4proto udp drop\n }\n}\n",
    ));
}

/// Ends what [`block_udp`] began.
///
/// # Panics
/// When there was nothing to end.
pub fn block_udp_no_more() {
    run(Command::new("nft").arg("delete table inet no_udp"));
}

/// Loses every datagram that peers send to the relay on the port `relay` for it to forward; all else gets through.
///
/// # Panics
/// Outside [`inside`], or when nftables is missing.
pub fn lose_relayed(relay: u16) {
    // The first byte behind the UDP header says that it is one.
    let first = format!("@th,64,8 {:#x}", Channel::new([0; 7]).header()[0]);
    lose("relayed", &format!("udp dport {relay} {first} drop"));
}

/// Ends what [`lose_relayed`] began.
///
/// # Panics
/// When there was nothing to end.
pub fn lose_relayed_no_more() {
    lose_no_more("relayed");
}

/// Loses every datagram between these two UDP ports.
///
/// # Panics
/// Outside [`inside`], or when nftables is missing.
pub fn part([one, other]: [u16; 2]) {
    let between = |from, to| format!("udp sport {from} udp dport {to} drop");
    lose("parted", &format!("{}\n {}", between(one, other), between(other, one)));
}

/// Loses everything that two machines of a [`network`] send to each other.
///
/// # Panics
/// When nftables is missing.
pub fn part_hosts(one: &Host, other: &Host) {
    for (host, from) in [(one, other), (other, one)] {
        let chain =
            format!("chain input {{\n type filter hook input priority 0\n ip saddr {} drop\n }}", from.ip);
        let [program, words @ ..] = &*host.prefix else { continue };
        run(Command::new(program)
            .args(words)
            .args(["nft", &format!("table inet parted {{\n {chain}\n}}\n")]));
    }
}

/// Ends what [`part`] began.
///
/// # Panics
/// When there was nothing to end.
pub fn part_no_more() {
    lose_no_more("parted");
}

/// Counts the datagrams between these two UDP ports; [`counted`] says how many there were.
///
/// # Panics
/// Outside [`inside`], or when nftables is missing.
pub fn count_between([one, other]: [u16; 2]) {
    let between = |from, to| format!("udp sport {from} udp dport {to} counter name between");
    run(Command::new("nft").arg(format!(
        "table inet counted {{\n counter between {{ }}\n chain output {{\n type filter hook output priority 0\n \
         {}\n {}\n }}\n}}\n",
        between(one, other),
        between(other, one)
    )));
}

/// What [`count_between`] has counted.
///
/// # Panics
/// When it counts nothing.
#[must_use]
pub fn counted() -> u64 {
    let output = Command::new("nft").args(["list", "counter", "inet", "counted", "between"]).output();
    let text = String::from_utf8(output.expect("nft runs").stdout).expect("nft writes text");
    let (_, rest) = text.split_once("packets ").expect("a counter has packets");
    rest.split_whitespace().next().and_then(|count| count.parse().ok()).expect("packets are a number")
}

fn lose(what: &str, rules: &str) {
    let chain = format!("chain output {{\n type filter hook output priority 0\n {rules}\n }}");
    run(Command::new("nft").arg(format!("table inet {what} {{\n {chain}\n}}\n")));
}

fn lose_no_more(what: &str) {
    run(Command::new("nft").arg(format!("delete table inet {what}")));
}

/// Runs a command that must succeed.
#[track_caller]
fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
