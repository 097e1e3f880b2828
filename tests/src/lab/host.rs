//! Machines of the lab: network namespaces, each with one line to the outside.

use std::net::IpAddr;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

/// What every machine calls its way to the outside.
pub(super) const LINE: &str = "line";

/// Makes a machine without a line. It replaces one of that name.
pub(super) fn add(name: &str) -> anyhow::Result<()> {
    // There is none at first.
    drop(Command::new("ip").args(["netns", "del", name]).output());
    ip(&["netns", "add", name])?;
    ip(&["-n", name, "link", "set", "lo", "up"])
}

/// Puts up a machine's line, with these addresses. Everything else is on the other side of it.
pub(super) fn connect(name: &str, addresses: &[IpAddr]) -> anyhow::Result<()> {
    ip(&["-n", name, "link", "set", LINE, "up"])?;
    for address in addresses {
        let (family, bits) = if address.is_ipv4() { ("-4", 32) } else { ("-6", 128) };
        let text = format!("{address}/{bits}");
        let mut words = vec!["-n", name, "addr", "add", text.as_str(), "dev", LINE];
        if address.is_ipv6() {
            words.push("nodad");
        }
        ip(&words)?;
        ip(&[family, "-n", name, "route", "replace", "default", "dev", LINE])?;
    }
    Ok(())
}

/// The words that run a command on a machine.
pub(super) fn within(name: &str) -> Vec<String> {
    ["ip", "netns", "exec", name].map(str::to_owned).to_vec()
}

/// Packets that a machine has sent to the outside.
pub(super) fn sent_packets(name: &str) -> anyhow::Result<u64> {
    let output = Command::new("ip").args(["-n", name, "-s", "-j", "link", "show", "dev", LINE]).output()?;
    let shown: Value = serde_json::from_slice(&output.stdout).context("ip prints JSON")?;
    shown[0]["stats64"]["tx"]["packets"].as_u64().context("a line counts its packets")
}

/// Runs `ip`.
pub(super) fn ip(words: &[&str]) -> anyhow::Result<()> {
    run(Command::new("ip").args(words))
}

/// Runs a command that must succeed.
pub(super) fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{command:?} starts"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
