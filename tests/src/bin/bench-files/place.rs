//! Where two programs talk: over loopback, or over a wire between two machines.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hobnob_nat::simulation::Shape;
use hobnob_tests::lab::{self, Line};

/// Two sides and the address at which the second one answers the first.
#[derive(Debug)]
pub(crate) struct Place {
    /// What it is called in figures.
    pub(crate) name: &'static str,
    /// Address of the sender's side, where the rendezvous is.
    pub(crate) near: &'static str,
    /// Address of the receiver's side.
    pub(crate) far: &'static str,
    /// Network namespaces of the two sides.
    namespaces: Option<[&'static str; 2]>,
    /// What joins them, where it is not the kernel.
    line: Option<Line>,
}

/// The names of the two sides' namespaces.
const NAMESPACES: [&str; 2] = ["hobnob-near", "hobnob-far"];
/// The addresses of the two sides in them.
const ADDRESSES: [&str; 2] = ["10.77.0.1", "10.77.0.2"];

/// The sender's or the receiver's side.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Near,
    Far,
}

impl Place {
    /// Both sides on the loopback interface.
    pub(crate) fn loopback() -> Self {
        Self { name: "loopback", near: "127.0.0.1", far: "127.0.0.1", namespaces: None, line: None }
    }

    /// Two network namespaces joined by a virtual wire that takes packets of 1,500 bytes, as an Ethernet does.
    pub(crate) fn wire() -> Result<Self> {
        let place = Self::elsewhere("wire")?;
        place.build()?;
        Ok(place)
    }

    /// Two network namespaces joined by a line that is long, slow or bad. `near` is what happens to packets on the side of
    /// the one who sends files, `far` on the other.
    pub(crate) fn line(name: &'static str, near: Shape, far: Shape) -> Result<Self> {
        let mut place = Self::elsewhere(name)?;
        let [at_near, at_far] = ADDRESSES;
        let machines = [(NAMESPACES[0], at_near.parse()?, near), (NAMESPACES[1], at_far.parse()?, far)];
        place.line = Some(lab::line(machines, 1)?);
        Ok(place)
    }

    fn elsewhere(name: &'static str) -> Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "network namespaces need root");
        let [near, far] = ADDRESSES;
        let place = Self { name, near, far, namespaces: Some(NAMESPACES), line: None };
        place.remove();
        Ok(place)
    }

    fn build(&self) -> Result<()> {
        let [near, far] = self.namespaces.context("loopback is there already")?;
        ip(&["netns", "add", near])?;
        ip(&["netns", "add", far])?;
        ip(&[
            "link", "add", "near", "netns", near, "mtu", "1500", "type", "veth", "peer", "far", "netns", far,
        ])?;
        ip(&["-n", far, "link", "set", "far", "mtu", "1500"])?;
        for (namespace, device, address) in [(near, "near", self.near), (far, "far", self.far)] {
            ip(&["-n", namespace, "addr", "add", &format!("{address}/24"), "dev", device])?;
            ip(&["-n", namespace, "link", "set", device, "up"])?;
            ip(&["-n", namespace, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }

    fn remove(&self) {
        for namespace in self.namespaces.into_iter().flatten() {
            // There is nothing to remove in most cases.
            drop(Command::new("ip").args(["netns", "del", namespace]).output());
        }
    }

    /// The words before a command that runs it on one side.
    pub(crate) fn prefix(&self, side: Side) -> Vec<String> {
        let Some([near, far]) = self.namespaces else { return Vec::new() };
        let namespace = match side {
            Side::Near => near,
            Side::Far => far,
        };
        ["ip", "netns", "exec", namespace].map(str::to_owned).into()
    }

    /// A command that runs on one side.
    pub(crate) fn command(&self, side: Side, program: impl AsRef<OsStr>) -> Command {
        let prefix = self.prefix(side);
        let Some((first, rest)) = prefix.split_first() else { return Command::new(program) };
        let mut command = Command::new(first);
        command.args(rest).arg(program);
        command
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.line.take());
        self.remove();
    }
}

fn ip(args: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(args).output().context("the program ip does not start")?;
    ensure!(
        output.status.success(),
        "ip {}: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
