//! A test inside namespaces of its own, where it is root whoever started it: small disks, redirected packets.

use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::binaries;

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

/// Mounts a disk of `bytes` at `folder`, which is created. It is gone with the namespace.
///
/// # Panics
/// Outside [`inside`].
pub fn mount_disk(folder: &Path, bytes: u64) {
    fs::create_dir_all(folder).expect("a folder can be created");
    let size = format!("size={bytes}");
    run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder));
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

/// Runs a command that must succeed.
#[track_caller]
fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
