//! Joins machines by what homes have today: Linux' own connection tracking and masquerading.
//!
//! `masquerade` keeps the port of the sender as long as it is free, and lets in what answers: a port-restricted NAT.
//! `masquerade random,fully-random` gives each destination a random port. Nothing takes time here but the kernel.

use std::net::IpAddr;
use std::process::Command;

use anyhow::bail;
use hobnob_nat::simulation::Place;

use super::host::{self, ip, within};

/// The places that the kernel can make.
pub const PLACES: [Place; 3] = [Place::Open, Place::PortRestricted, Place::SymmetricRandom];

/// The Internet, in the namespace that the lab runs in.
const SWITCH: &str = "switch";

/// Joins the rendezvous, at these addresses, and two people.
pub(super) fn join(pair: [Place; 2], rendezvous: &[IpAddr]) -> anyhow::Result<()> {
    // There is none at first.
    drop(Command::new("ip").args(["link", "del", SWITCH]).output());
    ip(&["link", "add", SWITCH, "type", "bridge"])?;
    ip(&["link", "set", SWITCH, "up"])?;
    plug("rendezvous", rendezvous)?;
    for ((name, place), number) in ["alice", "bob"].into_iter().zip(pair).zip(1..) {
        let v4 = IpAddr::from([203, 0, 113, 100 + number]);
        let v6 = IpAddr::from([0x2001, 0xdb8, u16::from(number), 0, 0, 0, 0, 2]);
        if place == Place::Open {
            plug(name, &[v4, v6])?;
        } else if place == Place::PortRestricted {
            behind(name, number, "masquerade")?;
        } else if place == Place::SymmetricRandom {
            behind(name, number, "masquerade random,fully-random")?;
        } else {
            bail!("the kernel makes no place like {place}");
        }
    }
    Ok(())
}

/// Makes a machine with public addresses.
fn plug(name: &str, addresses: &[IpAddr]) -> anyhow::Result<()> {
    host::add(name)?;
    let near = format!("to-{name}");
    ip(&["link", "add", &near, "type", "veth", "peer", "name", host::LINE, "netns", name])?;
    ip(&["link", "set", &near, "master", SWITCH, "up"])?;
    host::connect(name, addresses)
}

/// Makes a machine behind a router of its own.
fn behind(name: &str, number: u8, how: &str) -> anyhow::Result<()> {
    let router = format!("{name}-nat");
    plug(&router, &[IpAddr::from([203, 0, 113, number])])?;
    host::add(name)?;
    ip(&["-n", &router, "link", "add", "inside", "type", "veth", "peer", "name", host::LINE, "netns", name])?;
    ip(&["-n", &router, "link", "set", "inside", "up"])?;
    let inside = IpAddr::from([192, 168, 1, 9 + number]);
    host::connect(name, &[inside])?;
    ip(&["-n", &router, "addr", "add", "192.168.1.1/24", "dev", "inside"])?;
    ip(&["-n", name, "route", "replace", "default", "via", "192.168.1.1", "dev", host::LINE, "onlink"])?;
    at(&router, &["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])?;
    at(&router, &["nft", &rules(how)])
}

/// What a router of a home does. It takes no notice of packets that nobody asked for: one that it answered or remembered
/// would take the place of the flow that is about to start.
fn rules(how: &str) -> String {
    format!(
        "table ip home {{
 chain outside {{
  type nat hook postrouting priority srcnat
  oifname {line} {how}
 }}
 chain own {{
  type filter hook input priority filter
  iifname {line} drop
 }}
 chain through {{
  type filter hook forward priority filter
  policy drop
  iifname inside accept
  ct state established,related accept
 }}
}}
",
        line = host::LINE
    )
}

fn at(name: &str, words: &[&str]) -> anyhow::Result<()> {
    let prefix = within(name);
    host::run(Command::new(&prefix[0]).args(&prefix[1..]).args(words))
}
