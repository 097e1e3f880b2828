//! Joins network namespaces by a simulated Internet: one TUN device in each, and a thread that routes between them.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use hobnob_nat::simulation::{HostId, Internet};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tun_rs::{DeviceBuilder, SyncDevice};

use super::{host, packet};

/// The longest packet on the lines.
const MTU: u16 = 1500;
/// How long the router waits when nothing is under way.
const IDLE: Duration = Duration::from_secs(1);

/// A namespace with a device whose packets the router takes.
pub(super) struct Port {
    name: String,
    host: HostId,
    device: Arc<SyncDevice>,
}

/// Makes a machine that is this host of the simulated Internet.
pub(super) fn plug(name: &str, host: HostId, addresses: &[IpAddr]) -> anyhow::Result<Port> {
    host::add(name)?;
    let namespace = File::open(format!("/run/netns/{name}")).context("a namespace has a file")?;
    let device = thread::spawn(move || -> anyhow::Result<SyncDevice> {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(DeviceBuilder::new().name(host::LINE).mtu(MTU).build_sync()?)
    });
    let device = device.join().expect("making a device does not panic").context("a TUN device")?;
    host::connect(name, addresses)?;
    Ok(Port { name: name.to_owned(), host, device: Arc::new(device) })
}

/// A router at work. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct Router {
    stop: Sender<Option<(HostId, Vec<u8>)>>,
    machines: Vec<String>,
}

impl Router {
    /// Starts to route between the ports.
    pub(super) fn start(mut internet: Internet, ports: Vec<Port>) -> Self {
        let (taken, packets) = channel::<Option<(HostId, Vec<u8>)>>();
        let machines = ports.iter().map(|port| port.name.clone()).collect();
        let devices: BTreeMap<HostId, Arc<SyncDevice>> =
            ports.into_iter().map(|port| (port.host, port.device)).collect();
        for (&host, device) in &devices {
            let (device, taken) = (Arc::clone(device), taken.clone());
            thread::spawn(move || {
                let mut buffer = [0; MTU as usize];
                while let Ok(len) = device.recv(&mut buffer) {
                    if taken.send(Some((host, buffer[..len].to_vec()))).is_err() {
                        return;
                    }
                }
            });
        }
        let started = Instant::now();
        thread::spawn(move || {
            loop {
                while let Some((host, packet)) = internet.poll(started.elapsed()) {
                    if let (Some(device), Some(bytes)) = (devices.get(&host), packet::rewritten(packet)) {
                        // A device that takes nothing more loses the packet, as a full queue does.
                        drop(device.send(&bytes));
                    }
                }
                let until = internet.deadline().map_or(IDLE, |due| due.saturating_sub(started.elapsed()));
                match packets.recv_timeout(until) {
                    Ok(Some((host, bytes))) => {
                        if let Some(packet) = packet::parse(&bytes) {
                            internet.send(host, packet, started.elapsed());
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(None) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Self { stop: taken, machines }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.stop.send(None));
        for name in &self.machines {
            // Whoever reads from a line that is gone ends, too; a machine that is gone has none.
            drop(host::ip(&["-n", name, "link", "del", host::LINE]));
        }
    }
}
