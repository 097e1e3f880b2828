//! The lab: both programs as they are, in network namespaces that a simulated Internet joins.

mod packet;
mod router;

use std::time::{Duration, Instant};

use hobnob_nat::simulation::{Internet, Place, RENDEZVOUS_V4, RENDEZVOUS_V6, RealmId, Shape};
use serde::Serialize;
use serde_json::Value;

use self::router::{Router, plug, within};
use crate::world::World;

/// One way between a peer and the Internet: a round trip between peers takes 40 ms.
const LINE: Duration = Duration::from_millis(10);
/// How long a direct path may take.
const DIRECT_WITHIN: Duration = Duration::from_secs(15);

/// What two people in their places experienced.
#[derive(Debug, Serialize)]
pub struct Experience {
    /// Where they were.
    pub pair: [String; 2],
    /// The path in the end, as `hobnob path` says.
    pub path: String,
    /// From sending the first letter to its arrival.
    pub first_letter_ms: u64,
    /// From sending the first letter until the path was direct; `None` if it never was.
    pub direct_ms: Option<u64>,
    /// All that `hobnob path` says in the end.
    pub report: Value,
}

/// Runs a rendezvous and two people in these places, who become contacts and write.
///
/// # Errors
/// When namespaces or devices cannot be made: see [`crate::namespace`].
///
/// # Panics
/// When a program does not do what it must.
pub fn run(pair: [Place; 2], seed: u64) -> anyhow::Result<Experience> {
    let mut internet = Internet::new(seed);
    let hosts = Place::settle(pair, &mut internet, &Shape::delay(LINE));
    let public = [RENDEZVOUS_V4.into(), RENDEZVOUS_V6.into()];
    let server = internet.add_host(RealmId::PUBLIC, &public, &Shape::default());
    let mut ports = vec![plug("rendezvous", server, &public)?];
    for (name, host) in ["alice", "bob"].into_iter().zip(hosts) {
        ports.push(plug(name, host, internet.addresses(host))?);
    }
    let _router = Router::start(internet, ports);

    let world = World::placed(&RENDEZVOUS_V4.to_string(), &within("rendezvous"));
    let [alice, bob] = ["alice", "bob"].map(|name| {
        let mut person = world.newcomer(name).behind(within(name));
        assert_eq!(person.register().code, 0, "{name} has no account");
        person.up();
        person
    });
    alice.befriend(&bob);
    let begun = Instant::now();
    let place = bob.events().count();
    alice.tell(["send", &bob.address(), "hello"]);
    bob.wait_from(place, "a letter", |event| event["event"] == "letter");
    let first_letter = begun.elapsed();
    let (mut direct, mut report) = (None, Value::Null);
    while begun.elapsed() < DIRECT_WITHIN && direct.is_none() {
        report = alice.ask(["path", &bob.address()]).into_iter().next().unwrap_or_default();
        let kind = report["path"].as_str().unwrap_or_default();
        if !matches!(kind, "" | "none" | "relayed" | "tunnelled") {
            direct = Some(begun.elapsed());
        }
    }
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Ok(Experience {
        pair: pair.map(|place| place.to_string()),
        path: report["path"].as_str().unwrap_or("none").to_owned(),
        first_letter_ms: ms(first_letter),
        direct_ms: direct.map(ms),
        report,
    })
}
