//! `netcheck`.

use std::time::Duration;

use super::output::{Output, table};
use super::shown;
use super::stop::Stop;
use super::units::elapsed;
use crate::api::client::ApiClient;
use crate::core::check::{FamilyView, Finding, NetcheckView};
use crate::core::view::SessionState;

pub(super) async fn run(api: &ApiClient, output: Output) -> Result<(), Stop> {
    let check = api.netcheck().await?;
    output.show(&check, || human(&check))
}

fn human(check: &NetcheckView) -> String {
    let session = match check.session {
        SessionState::Up => "up",
        SessionState::Down => "down",
    };
    let mut rows = vec![
        row("rendezvous", &format!("{}, session {session}", shown::line(&check.rendezvous))),
        row("UDP there", known(check.udp)),
    ];
    if let Some(rtt_us) = check.rtt_us {
        rows.push(row("session", &format!("{} away", elapsed(Duration::from_micros(rtt_us)))));
    }
    if let Some(rtt_us) = check.relay_rtt_us {
        rows.push(row("relay", &format!("{} away", elapsed(Duration::from_micros(rtt_us)))));
    }
    if let Some(mtu) = check.mtu {
        rows.push(row("packets", &format!("up to {mtu} bytes")));
    }
    let keep_alive = elapsed(Duration::from_millis(check.keep_alive_ms));
    rows.push(row("keep-alive", &format!("every {keep_alive}")));
    rows.push(row("port", &check.port.to_string()));
    rows.push(row("NAT", nat(&check.nat)));
    rows.push(row("hairpin", &finding(&check.hairpin, hairpin)));
    for (name, of) in [("IPv4", &check.ipv4), ("IPv6", &check.ipv6)] {
        rows.push(row(name, &family(of)));
        for interface in &of.interfaces {
            let seen = interface.outside.map(|at| format!("; seen as {at}")).unwrap_or_default();
            let text = format!("{}; {}{seen}", interface.address, finding(&interface.nat, nat));
            rows.push(row(&format!("  {}", shown::line(&interface.name)), &text));
        }
    }
    rows.push(row("port mapping", &shown::line(&check.port_mapping)));
    for unknown in &check.unknown {
        rows.push(row("unknown", &shown::line(unknown)));
    }
    for advice in &check.advice {
        rows.push(row("advice", &shown::line(advice)));
    }
    table(&rows)
}

fn row(name: &str, text: &str) -> Vec<String> {
    vec![name.to_owned(), text.to_owned()]
}

const fn known(works: Option<bool>) -> &'static str {
    match works {
        Some(true) => "works",
        Some(false) => "is blocked",
        None => "unknown without a session",
    }
}

/// What the kind of a NAT means.
fn nat(kind: &str) -> &str {
    match kind {
        "none" => "none: others reach this device at its own address",
        "endpoint-independent" => "the same port for every destination: good",
        "sequential" => "another port for each destination, one after the other: can be guessed",
        "block" => "another port for each destination, within a block: can be guessed with luck",
        "random" => "another port for each destination, anywhere: hard",
        _ => "unknown",
    }
}

/// Whether two behind one NAT reach each other at its outside.
fn hairpin(kind: &str) -> &str {
    match kind {
        "works" => "works: two behind the router reach each other at its outside address",
        "fails" => "fails: two behind the router do not reach each other at its outside address",
        "not-needed" => "not needed: there is no NAT",
        _ => "unknown",
    }
}

fn finding<'a>(finding: &'a Finding, words: impl Fn(&'a str) -> &'a str) -> String {
    match &finding.why {
        Some(why) => format!("{} ({})", words(&finding.is), shown::line(why)),
        None => words(&finding.is).to_owned(),
    }
}

fn family(family: &FamilyView) -> String {
    let route = if family.route { "has a route" } else { "no route" };
    let outside = family.outside.iter().map(|at| format!("seen as {at}"));
    let nat = format!("NAT: {}", finding(&family.nat, nat));
    [route.to_owned(), nat].into_iter().chain(outside).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::check::InterfaceView;

    #[test]
    fn a_check_is_read_line_by_line() {
        let known = |is: &str| Finding { is: is.into(), why: None };
        let unknown = |why: &str| Finding { is: "unknown".into(), why: Some(why.into()) };
        let seen = "198.51.100.1:4000".parse().unwrap();
        let interfaces = vec![InterfaceView {
            name: "eth0".into(),
            address: "192.168.1.5".parse().unwrap(),
            nat: known("random"),
            outside: Some(seen),
        }];
        let check = NetcheckView {
            rendezvous: "rendezvous.example:7700".into(),
            session: SessionState::Up,
            udp: Some(true),
            rtt_us: Some(12_000),
            relay_rtt_us: Some(13_000),
            mtu: None,
            unknown: vec!["the largest packet: no".into()],
            keep_alive_ms: 6_000,
            port: 7_000,
            nat: "random".into(),
            hairpin: known("works"),
            ipv4: FamilyView { route: true, nat: known("random"), interfaces, outside: vec![seen] },
            ipv6: FamilyView { nat: unknown("there is no route by IPv6"), ..FamilyView::default() },
            mapped: false,
            port_mapping: "off".into(),
            mapped_by: None,
            mapped_at: None,
            advice: vec!["There is no IPv6.".into()],
        };
        let hard = "another port for each destination, anywhere: hard";
        let expected = [
            "rendezvous    rendezvous.example:7700, session up",
            "UDP there     works",
            "session       12 ms away",
            "relay         13 ms away",
            "keep-alive    every 6.0 s",
            "port          7000",
            &format!("NAT           {hard}"),
            "hairpin       works: two behind the router reach each other at its outside address",
            &format!("IPv4          has a route; NAT: {hard}; seen as 198.51.100.1:4000"),
            &format!("  eth0        192.168.1.5; {hard}; seen as 198.51.100.1:4000"),
            "IPv6          no route; NAT: unknown (there is no route by IPv6)",
            "port mapping  off",
            "unknown       the largest packet: no",
            "advice        There is no IPv6.",
        ];
        assert_eq!(human(&check), expected.join("\n"));
    }
}
