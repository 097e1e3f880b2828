//! The lab: both programs as they are, in network namespaces that an Internet joins. It is the simulated one of
//! `hobnob-nat`, in real time, or the kernel's own.

mod expected;
mod experience;
mod host;
mod kernel;
mod packet;
mod router;

use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use hobnob_nat::core::agent::WhyNot;
use hobnob_nat::simulation::{Internet, Place, RENDEZVOUS_V4, RENDEZVOUS_V6, RealmId, Shape};
use serde_json::Value;

use self::host::within;
use self::router::{Router, plug};
use crate::person::Person;
use crate::world::World;

pub use self::expected::{Expected, expected};
pub use self::experience::{Experience, Side, is_direct};
pub use self::kernel::PLACES as KERNEL_PLACES;

/// One way between a peer and the Internet: a round trip between peers takes 40 ms.
const LINE: Duration = Duration::from_millis(10);
/// How long a direct path may take.
const DIRECT_WITHIN: Duration = Duration::from_secs(10);
/// How often a peer is asked why its path is not direct.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// By what name everybody finds the rendezvous, by IPv4 and IPv6.
const RENDEZVOUS: &str = "rendezvous.lab";

/// What joins the machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Joined {
    /// The Internet of `hobnob-nat`: every kind of NAT, 40 ms from one peer to the other and back.
    Simulated,
    /// Linux, for [`KERNEL_PLACES`].
    Kernel,
}

/// Makes this process, which must be in network and mount namespaces of its own, ready for [`run`].
///
/// # Errors
/// When it may not mount.
pub fn prepare() -> anyhow::Result<()> {
    host::run(Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/run"]))?;
    let names = format!("127.0.0.1 localhost\n{RENDEZVOUS_V4} {RENDEZVOUS}\n{RENDEZVOUS_V6} {RENDEZVOUS}\n");
    fs::write("/run/hosts", names).context("a file can be written")?;
    host::run(Command::new("mount").args(["--bind", "/run/hosts", "/etc/hosts"]))?;
    host::ip(&["link", "set", "lo", "up"])
}

/// Runs a rendezvous and two people in these places, who become contacts and write.
///
/// # Errors
/// When namespaces or devices cannot be made: see [`crate::namespace`].
///
/// # Panics
/// When a program does not do what it must.
pub fn run(pair: [Place; 2], joined: Joined, seed: u64) -> anyhow::Result<Experience> {
    let public = [RENDEZVOUS_V4.into(), RENDEZVOUS_V6.into()];
    let _router = match joined {
        Joined::Simulated => Some(simulate(pair, &public, seed)?),
        Joined::Kernel => {
            kernel::join(pair, &public)?;
            None
        }
    };
    let invite = format!("HOBNOB_RENDEZVOUS__SERVER__INVITE_HOST={RENDEZVOUS}");
    let prefix = [within("rendezvous"), vec!["env".to_owned(), invite]].concat();
    let world = World::placed("[::]", &prefix);
    let people = ["alice", "bob"].map(|name| {
        let mut person = world.newcomer(name).behind(within(name));
        assert_eq!(person.register().code, 0, "{name} has no account");
        person.up();
        person
    });
    people[0].befriend(&people[1]);
    let (begun, first_letter, before) = write(&people)?;
    watch(&people, expected(pair), begun);
    let mut sides = Vec::with_capacity(people.len());
    for (index, person) in people.iter().enumerate() {
        let packets = host::sent_packets(person.name())? - before[index];
        let report = report(person, &people[1 - index]);
        sides.push(Side::new(pair[index], (&report, packets), direct_after(person, begun)));
    }
    let first_letter = first_letter.saturating_duration_since(begun);
    Ok(Experience::new(joined, seed, expected(pair), (first_letter, sides)))
}

/// Joins the rendezvous and two people by the simulated Internet.
fn simulate(pair: [Place; 2], rendezvous: &[IpAddr], seed: u64) -> anyhow::Result<Router> {
    let mut internet = Internet::new(seed);
    let hosts = Place::settle(pair, &mut internet, &Shape::delay(LINE));
    let server = internet.add_host(RealmId::PUBLIC, rendezvous, &Shape::default());
    let mut ports = vec![plug("rendezvous", server, rendezvous)?];
    for (name, host) in ["alice", "bob"].into_iter().zip(hosts) {
        ports.push(plug(name, host, internet.addresses(host))?);
    }
    Ok(Router::start(internet, ports))
}

/// Two machines at the ends of one line, until it is dropped.
#[derive(Debug)]
pub struct Line {
    _router: Router,
}

/// Joins two machines, each with its name, its address, and what is done to packets on its way to the other and back.
///
/// # Errors
/// When namespaces or devices cannot be made: see [`crate::namespace`].
pub fn line(machines: [(&str, IpAddr, Shape); 2], seed: u64) -> anyhow::Result<Line> {
    let mut internet = Internet::new(seed);
    let mut ports = Vec::with_capacity(machines.len());
    for (name, address, shape) in machines {
        let host = internet.add_host(RealmId::PUBLIC, &[address], &shape);
        ports.push(plug(name, host, &[address])?);
    }
    Ok(Line { _router: Router::start(internet, ports) })
}

/// The first writes to the second. When the letter was written, when it arrived, and the packets that each side had sent
/// before.
fn write(people: &[Person; 2]) -> anyhow::Result<(Instant, Instant, [u64; 2])> {
    let [alice, bob] = people;
    let before = [host::sent_packets(alice.name())?, host::sent_packets(bob.name())?];
    let places = people.each_ref().map(|person| person.events().count());
    alice.tell(["send", &bob.address(), "hello"]);
    let letter_at = |person: &Person, place| {
        person.wait_from(place, "a letter", |event| event["event"] == "letter");
        let mut events = person.events().since(place).into_iter();
        let letter = events.find(|(_, event)| event["event"] == "letter");
        letter.map(|(at, _)| at).context("it was just there")
    };
    Ok((letter_at(alice, places[0])?, letter_at(bob, places[1])?, before))
}

/// Waits until both sides' paths are direct, or will not be.
fn watch(people: &[Person; 2], expected: Expected, begun: Instant) {
    let is_being_tried = |report: &Value| {
        let why = report["why_not_direct"].as_str().unwrap_or_default();
        [WhyNot::NotAsked, WhyNot::Unanswered, WhyNot::Checking].iter().any(|early| early.to_string() == why)
    };
    let are_direct = || people.iter().all(|person| direct_after(person, begun).is_some());
    while begun.elapsed() < DIRECT_WITHIN && !are_direct() {
        let [alice, bob] = people;
        let is_over = |one: &Person, other: &Person| !is_being_tried(&report(one, other));
        if matches!(expected, Expected::Relayed | Expected::Unvouched)
            && is_over(alice, bob)
            && is_over(bob, alice)
        {
            return;
        }
        alice.events().wait_for_more(alice.events().count(), ASK_EVERY);
    }
}

/// After how long a person was first told that the path is direct.
fn direct_after(person: &Person, begun: Instant) -> Option<Duration> {
    let events = person.events().since(0);
    let is_path = |event: &Value| event["event"] == "path" || event["event"] == "link_up";
    let mut direct = events
        .iter()
        .filter(|(_, event)| is_path(event) && is_direct(event["path"].as_str().unwrap_or_default()));
    direct.next().map(|(at, _)| at.saturating_duration_since(begun))
}

/// What `hobnob path` says.
fn report(person: &Person, other: &Person) -> Value {
    person.ask(["path", &other.address()]).into_iter().next().unwrap_or_default()
}
