//! What came out of it.

use std::time::Duration;

use serde::Serialize;

use super::stage::Kept;
use super::transfer::Sent;
use super::witness::Seen;
use crate::cli::{Output, Stop, elapsed, rate, size, table};
use crate::core::view::LinkView;

/// The figures at the end; also one JSON object.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    event: &'static str,
    /// Whether everything held.
    pub(super) ok: bool,
    /// The way on which the file went.
    path: String,
    /// Time of the link's handshake, in microseconds.
    handshake_us: u64,
    /// Bytes that were sent.
    bytes: u64,
    /// From the acceptance until the sender knew that everything was in place.
    seconds: f64,
    /// Bytes per second over that time.
    rate: u64,
    /// Processor seconds of each daemon over that time, where the system tells them.
    cpu_seconds_alice: Option<f64>,
    cpu_seconds_bob: Option<f64>,
    /// Whether what arrived is what was sent, by BLAKE3 of both.
    hash_equal: bool,
    hash: String,
    /// What the rendezvous has of it.
    rendezvous_saw: Seen,
    /// What was left running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kept: Option<Kept>,
}

impl Report {
    pub(super) fn new(sent: Sent, link: LinkView, seen: Seen) -> Self {
        let bytes = sent.transfer.size;
        let nanos = sent.took.as_nanos().max(1);
        let rate = u64::try_from(u128::from(bytes) * 1_000_000_000 / nanos).unwrap_or(u64::MAX);
        let path = if sent.transfer.path.is_empty() { link.path } else { sent.transfer.path };
        Self {
            event: "report",
            ok: sent.hash_equal && seen.bytes == 0,
            path,
            handshake_us: link.handshake_us,
            bytes,
            seconds: hundredths(sent.took.as_secs_f64()),
            rate,
            cpu_seconds_alice: sent.cpu_alice.map(hundredths),
            cpu_seconds_bob: sent.cpu_bob.map(hundredths),
            hash_equal: sent.hash_equal,
            hash: sent.hash,
            rendezvous_saw: seen,
            kept: None,
        }
    }

    pub(super) fn show(&self, output: Output) -> Result<(), Stop> {
        output.show(self, || self.human())
    }

    fn human(&self) -> String {
        let seen = &self.rendezvous_saw;
        let equal = if self.hash_equal { "equal" } else { "DIFFERENT" };
        let rows = [
            ("path", self.path.clone()),
            ("handshake", elapsed(Duration::from_micros(self.handshake_us))),
            ("rate", format!("{} ({} in {:.2} s)", rate(self.rate), size(self.bytes), self.seconds)),
            ("CPU", format!("alice {}, bob {}", cpu(self.cpu_seconds_alice), cpu(self.cpu_seconds_bob))),
            ("BLAKE3", format!("{equal}, {}…", self.hash.get(..16).unwrap_or(&self.hash))),
            ("rendezvous", format!("saw {} bytes of letters and files", seen.bytes)),
            (
                "",
                format!(
                    "(searched its {} files, {}, for {} letters and pieces of files)",
                    seen.files,
                    size(seen.searched),
                    seen.looked_for
                ),
            ),
        ];
        let rows = rows.map(|(name, value)| vec![format!("  {name}"), value]);
        let verdict = if self.ok { "Everything held." } else { "NOT EVERYTHING HELD." };
        let kept = self.kept.as_ref().map_or(String::new(), how_to_talk);
        format!("\n{}\n\n{verdict}{kept}", table(&rows))
    }
}

/// Without digits that were not measured.
fn hundredths(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

fn cpu(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "not known".to_owned(), |seconds| format!("{seconds:.2} s"))
}

fn how_to_talk(kept: &Kept) -> String {
    let (folder, program) = (kept.folder.display(), kept.program.display());
    let processes: Vec<String> = kept.processes.iter().map(u32::to_string).collect();
    format!(
        "\n\nEverything keeps running. Talk to it:\n\n  \
         {program} --home {folder}/alice send bob 'Hello again'\n  \
         {program} --home {folder}/bob history alice\n  \
         {program} --home {folder}/bob tail\n\n\
         Stop it:\n\n  kill {} && rm -r {folder}",
        processes.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(hash_equal: bool, bytes: u64) -> Report {
        let sent = Sent {
            transfer: serde_json::from_value(serde_json::json!({
                "id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "peer": "bob@localhost", "direction": "out", "name": "demo.bin",
                "entries": 1, "size": 268_435_456, "done": 268_435_456, "sent": 268_435_456, "sources": [], "state": "done", "rate": 0, "eta": null,
                "path": "direct", "limit": 0, "priority": "normal", "offered_at": "1970-01-01T00:00:00.000Z", "sealed": true, "text": "", "folder": null, "digest": null,
                "error": null
            }))
            .unwrap(),
            took: Duration::from_millis(500),
            cpu_alice: Some(0.25),
            cpu_bob: None,
            hash_equal,
            hash: "0123456789abcdef0123".into(),
        };
        let link = LinkView {
            address: "bob@localhost".parse().unwrap(),
            device: "aaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(),
            path: "direct".into(),
            handshake_us: 3_210,
        };
        Report::new(sent, link, Seen { bytes, files: 5, searched: 151_552, looked_for: 67 })
    }

    #[test]
    fn the_report_is_short_and_aligned() {
        let expected = "
  path        direct
  handshake   3.2 ms
  rate        512.0 MiB/s (256.0 MiB in 0.50 s)
  CPU         alice 0.25 s, bob not known
  BLAKE3      equal, 0123456789abcdef…
  rendezvous  saw 0 bytes of letters and files
              (searched its 5 files, 148.0 KiB, for 67 letters and pieces of files)

Everything held.";
        assert_eq!(report(true, 0).human(), expected);
    }

    #[test]
    fn it_holds_only_when_the_hash_is_equal_and_the_rendezvous_saw_nothing() {
        assert!(report(true, 0).ok);
        assert!(!report(false, 0).ok);
        assert!(!report(true, 1).ok);
    }
}
