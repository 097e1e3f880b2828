//! A real router daemon (miniupnpd, as many homes have it) that is asked for a port.

#![allow(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::process::{Child, Command, Stdio};

use hobnob_nat::portmap::{PortMapper, PortMapping, Protocol, WhyNotMapped};
use hobnob_tests::PATIENCE;
use hobnob_tests::namespace::inside;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::timeout;

const PORT: NonZeroU16 = NonZeroU16::new(40_000).unwrap();

/// Another network namespace, between which and this one there is a cable. It is the default route of this one and has an
/// address of the Internet.
struct Router {
    /// Holds the namespace.
    holder: Child,
    daemon: Option<Child>,
    folder: TempDir,
}

impl Router {
    fn new() -> Self {
        let holder = Command::new("unshare").args(["--net", "sleep", "infinity"]).spawn().unwrap();
        let router = Self { holder, daemon: None, folder: tempfile::tempdir().unwrap() };
        // The namespace is there once `unshare` has become `sleep`.
        let name = format!("/proc/{}/comm", router.holder.id());
        while fs::read_to_string(&name).unwrap() != "sleep\n" {
            std::thread::yield_now();
        }
        let holder = router.holder.id().to_string();
        run(&["ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan0", "netns", &holder]);
        run(&["ip", "addr", "add", "10.9.0.2/24", "dev", "lan0"]);
        run(&["ip", "link", "set", "lan0", "up"]);
        router.run(&["ip", "link", "set", "lo", "up"]);
        router.run(&["ip", "addr", "add", "10.9.0.1/24", "dev", "lan0"]);
        router.run(&["ip", "link", "set", "lan0", "up"]);
        router.run(&["ip", "link", "add", "wan0", "type", "veth", "peer", "name", "wan1"]);
        router.run(&["ip", "addr", "add", "9.9.9.9/24", "dev", "wan0"]);
        router.run(&["ip", "link", "set", "wan1", "up"]);
        router.run(&["ip", "link", "set", "wan0", "up"]);
        run(&["ip", "route", "add", "default", "via", "10.9.0.1"]);
        router.run(&["nft", CHAINS]);
        router
    }

    /// Starts the daemon with some of its protocols.
    fn serve(&mut self, pcp: bool, upnp: bool) {
        let word = |on| if on { "yes" } else { "no" };
        let settings = format!(
            "ext_ifname=wan0\nlistening_ip=lan0\nenable_natpmp={}\nenable_upnp={}\nhttp_port=5000\nmin_lifetime=120\n\
             max_lifetime=86400\nsecure_mode=yes\nuuid=00000000-0000-4000-8000-000000000001\n\
             allow 1024-65535 10.9.0.0/24 1024-65535\ndeny 0-65535 0.0.0.0/0 0-65535\n",
            word(pcp),
            word(upnp)
        );
        let file = self.folder.path().join("settings");
        fs::write(&file, settings).unwrap();
        let mut command = self.command(&["miniupnpd", "-d", "-f"]);
        command.arg(&file).arg("-P").arg(self.folder.path().join("pid"));
        let daemon = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.daemon = Some(daemon.expect("miniupnpd is installed"));
        // Both protocols listen at well-known places.
        let place = if pcp { ["ss", "-Hlun", "sport = 5351"] } else { ["ss", "-Hltn", "sport = 5000"] };
        while self.output(&place).is_empty() {
            std::thread::yield_now();
        }
    }

    /// Whether it forwards our port.
    fn forwards(&self) -> bool {
        self.output(&["nft", "list", "chain", "inet", "filter", "prerouting_miniupnpd"]).contains("40000")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &self.holder.id().to_string(), "--"]).args(words);
        command
    }

    fn run(&self, words: &[&str]) {
        assert!(self.command(words).status().unwrap().success(), "{words:?}");
    }

    fn output(&self, words: &[&str]) -> String {
        String::from_utf8(self.command(words).output().unwrap().stdout).unwrap()
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        for child in self.daemon.iter_mut().chain([&mut self.holder]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What the daemon expects to find, as its Debian package sets it up.
const CHAINS: &str = "table inet filter {
    chain forward {
        type filter hook forward priority 0
        jump miniupnpd
    }
    chain prerouting {
        type nat hook prerouting priority -100
        jump prerouting_miniupnpd
    }
    chain postrouting {
        type nat hook postrouting priority 100
        jump postrouting_miniupnpd
    }
    chain miniupnpd { }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
}";

fn run(words: &[&str]) {
    assert!(Command::new(words[0]).args(&words[1..]).status().unwrap().success(), "{words:?}");
}

/// Asks for the port and waits for what comes of it.
async fn ask() -> (PortMapper, PortMapping) {
    let (_network, changes) = watch::channel(());
    let mapper = PortMapper::start(PORT, changes);
    let mut state = mapper.state();
    let settled = timeout(PATIENCE, state.wait_for(|state| *state != PortMapping::Asking)).await;
    let settled = settled.unwrap().unwrap().clone();
    (mapper, settled)
}

fn a_port_is_mapped_and_given_back(by: Protocol, (pcp, upnp): (bool, bool)) {
    let mut router = Router::new();
    router.serve(pcp, upnp);
    Runtime::new().unwrap().block_on(async {
        let (mapper, settled) = ask().await;
        let external = SocketAddr::from(([9, 9, 9, 9], PORT.get()));
        assert_eq!(settled, PortMapping::Mapped { by, external });
        assert!(router.forwards());
        mapper.stop().await;
        assert!(!router.forwards());
    });
}

#[test]
fn a_router_is_asked_by_pcp_and_the_port_is_given_back() {
    inside("a_router_is_asked_by_pcp_and_the_port_is_given_back", || {
        a_port_is_mapped_and_given_back(Protocol::Pcp, (true, true));
    });
}

#[test]
fn a_router_without_pcp_is_asked_by_upnp_and_the_port_is_given_back() {
    inside("a_router_without_pcp_is_asked_by_upnp_and_the_port_is_given_back", || {
        a_port_is_mapped_and_given_back(Protocol::Upnp, (false, true));
    });
}

#[test]
fn a_router_that_answers_nothing_is_named() {
    inside("a_router_that_answers_nothing_is_named", || {
        let _router = Router::new();
        Runtime::new().unwrap().block_on(async {
            let why = WhyNotMapped::Silent { gateway: [10, 9, 0, 1].into() };
            assert_eq!(ask().await.1, PortMapping::None(why));
        });
    });
}
