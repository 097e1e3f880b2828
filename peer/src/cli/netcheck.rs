//! `netcheck`.

use std::time::Duration;

use super::output::{Output, table};
use super::shown;
use super::stop::Stop;
use super::units::elapsed;
use crate::api::client::ApiClient;
use crate::core::check::{FamilyView, NetcheckView};
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
        rows.push(row("relay", &format!("{} away", elapsed(Duration::from_micros(rtt_us)))));
    }
    if let Some(mtu) = check.mtu {
        rows.push(row("packets", &format!("{mtu} bytes")));
    }
    rows.push(row("port", &check.port.to_string()));
    rows.push(row("NAT", nat(&check.nat)));
    rows.push(row("IPv4", &family(&check.ipv4)));
    rows.push(row("IPv6", &family(&check.ipv6)));
    rows.push(row("port mapping", &shown::line(&check.port_mapping)));
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

fn family(family: &FamilyView) -> String {
    let route = if family.route { "has a route" } else { "no route" };
    let own = family.interfaces.iter().map(|it| format!("{} {}", shown::line(&it.name), it.address));
    let outside = family.outside.iter().map(|at| format!("seen as {at}"));
    [route.to_owned()].into_iter().chain(own).chain(outside).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::check::InterfaceView;

    #[test]
    fn a_check_is_read_line_by_line() {
        let interfaces = vec![InterfaceView { name: "eth0".into(), address: "192.168.1.5".parse().unwrap() }];
        let check = NetcheckView {
            rendezvous: "rendezvous.example:7700".into(),
            session: SessionState::Up,
            udp: Some(true),
            rtt_us: Some(12_000),
            mtu: Some(1_200),
            port: 7_000,
            nat: "random".into(),
            ipv4: FamilyView { route: true, interfaces, outside: vec!["198.51.100.1:4000".parse().unwrap()] },
            ipv6: FamilyView::default(),
            mapped: false,
            port_mapping: "off".into(),
            advice: vec!["There is no IPv6.".into()],
        };
        let expected = [
            "rendezvous    rendezvous.example:7700, session up",
            "UDP there     works",
            "relay         12 ms away",
            "packets       1200 bytes",
            "port          7000",
            "NAT           another port for each destination, anywhere: hard",
            "IPv4          has a route; eth0 192.168.1.5; seen as 198.51.100.1:4000",
            "IPv6          no route",
            "port mapping  off",
            "advice        There is no IPv6.",
        ];
        assert_eq!(human(&check), expected.join("\n"));
    }
}
