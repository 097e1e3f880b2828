//! `path`.

use std::time::Duration;

use super::output::{Output, table};
use super::shown;
use super::stop::Stop;
use super::units::elapsed;
use crate::api::client::ApiClient;
use crate::core::view::PathView;

pub(super) async fn show(api: &ApiClient, address: &str, output: Output) -> Result<(), Stop> {
    let paths = api.paths(address).await?;
    if output.is_json() {
        return paths.iter().try_for_each(|path| output.show(path, String::new));
    }
    if paths.is_empty() {
        output.note("There has been no attempt to reach this contact yet. A link is made when there is something to say.");
        return Ok(());
    }
    let texts: Vec<String> = paths.iter().map(human).collect();
    output.line(&texts.join("\n\n"))
}

fn human(path: &PathView) -> String {
    let mut rows = vec![row("address", path.address.to_string()), row("device", path.device.to_string())];
    rows.push(row("path", by(path)));
    rows.push(row("since", path.since.clone()));
    if let Some(rtt_us) = path.rtt_us {
        rows.push(row("round trip", elapsed(Duration::from_micros(rtt_us))));
    }
    if let Some(loss_ppm) = path.loss_ppm {
        rows.push(row("loss", format!("{}.{:02} %", loss_ppm / 10_000, loss_ppm / 100 % 100)));
    }
    if let Some(mtu) = path.mtu {
        rows.push(row("packets", format!("up to {mtu} bytes")));
    }
    if let Some(why) = &path.why_not_direct {
        rows.push(row("not direct", shown::line(why)));
    }
    rows.push(row("checks", format!("{} packets sent", path.checks)));
    for note in &path.log {
        rows.push(row("log", format!("{:>6} ms  {}", note.after_ms, shown::line(&note.text))));
    }
    table(&rows)
}

fn row(name: &str, text: String) -> Vec<String> {
    vec![name.to_owned(), text]
}

/// The path, with who relays or where the other device is.
pub(super) fn by(path: &PathView) -> String {
    match (&path.relay, &path.remote) {
        (Some(relay), _) => format!("{} by {}", path.path, shown::line(relay)),
        (None, Some(remote)) => format!("{} to {remote}", path.path),
        (None, None) => path.path.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::view::PathNote;

    fn path() -> PathView {
        PathView {
            address: "bob@localhost".parse().unwrap(),
            device: hobnob_wire::DeviceId::new([7; 16]),
            path: "relayed".into(),
            relay: Some("rendezvous.example:7700".into()),
            remote: None,
            since: "2026-11-21T10:00:00.000Z".into(),
            rtt_us: Some(40_300),
            loss_ppm: Some(12_345),
            mtu: Some(1_280),
            why_not_direct: Some("both networks choose ports at random".into()),
            checks: 120,
            log: vec![PathNote { after_ms: 41, text: "the relay answers".into() }],
        }
    }

    #[test]
    fn a_relayed_path_says_by_whom_and_why() {
        let shown = human(&path());
        let device = path().device.to_string();
        let expected = [
            "address     bob@localhost",
            &format!("device      {device}"),
            "path        relayed by rendezvous.example:7700",
            "since       2026-11-21T10:00:00.000Z",
            "round trip  40 ms",
            "loss        1.23 %",
            "packets     up to 1280 bytes",
            "not direct  both networks choose ports at random",
            "checks      120 packets sent",
            "log             41 ms  the relay answers",
        ];
        assert_eq!(shown, expected.join("\n"));
    }

    #[test]
    fn a_direct_path_says_where_to() {
        let direct = PathView {
            path: "direct-v6".into(),
            relay: None,
            remote: Some("[2001:db8::1]:7000".into()),
            ..path()
        };
        assert_eq!(by(&direct), "direct-v6 to [2001:db8::1]:7000");
    }
}
