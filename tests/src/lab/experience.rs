//! What two people in their places experienced, and whether it was what they could expect.

use std::fmt;
use std::time::Duration;

use hobnob_nat::simulation::Place;
use serde::Serialize;
use serde_json::Value;

use super::{Expected, Joined};

/// One run of one pair.
#[derive(Clone, Debug, Serialize)]
pub struct Experience {
    /// Where they were, the writer first.
    pub pair: [String; 2],
    /// What joined them.
    pub joined: Joined,
    /// What decided what is random.
    pub seed: u64,
    /// What theory allows.
    pub expected: Expected,
    /// Whether it came so.
    pub fine: bool,
    /// The path in the end, as the writer's `hobnob path` says.
    pub path: String,
    /// From when the first letter was written until it had arrived.
    pub first_letter_ms: u64,
    /// From when the first letter was written until the path was direct for both; `None` if it never was.
    pub direct_ms: Option<u64>,
    /// Both.
    pub sides: Vec<Side>,
}

/// One of the two.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// Where.
    pub place: String,
    /// The path in the end.
    pub path: String,
    /// As in [`Experience::direct_ms`], for this side.
    pub direct_ms: Option<u64>,
    /// Checks that were sent to find a path.
    pub checks: u64,
    /// All packets that were sent since the letter was written: checks, links, the session.
    pub packets: u64,
    /// Why the path is not direct.
    pub why_not_direct: Option<String>,
    /// What was tried.
    pub log: Value,
}

impl Side {
    /// From what `hobnob path` says in the end, and the packets sent.
    pub(super) fn new(place: Place, (report, packets): (&Value, u64), direct: Option<Duration>) -> Self {
        let text = |field: &str| report[field].as_str().map(str::to_owned);
        Self {
            place: place.to_string(),
            path: text("path").unwrap_or_else(|| "none".to_owned()),
            direct_ms: direct.map(ms),
            checks: report["checks"].as_u64().unwrap_or_default(),
            packets,
            why_not_direct: text("why_not_direct"),
            log: report["log"].clone(),
        }
    }
}

impl Experience {
    pub(super) fn new(
        joined: Joined,
        seed: u64,
        expected: Expected,
        (first_letter, sides): (Duration, Vec<Side>),
    ) -> Self {
        let direct: Option<Vec<u64>> = sides.iter().map(|side| side.direct_ms).collect();
        let of_pair =
            |index: usize| sides.get(index).map(|side: &Side| side.place.clone()).unwrap_or_default();
        Self {
            pair: [of_pair(0), of_pair(1)],
            joined,
            seed,
            expected,
            fine: is_fine(expected, &sides),
            path: sides.first().map(|side| side.path.clone()).unwrap_or_default(),
            first_letter_ms: ms(first_letter),
            direct_ms: direct.and_then(|all| all.into_iter().max()),
            sides,
        }
    }
}

impl fmt::Display for Experience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = &self.pair;
        let direct = self.direct_ms.map_or_else(|| "never".to_owned(), |ms| format!("after {ms} ms"));
        let checks: Vec<String> = self.sides.iter().map(|side| side.checks.to_string()).collect();
        write!(
            f,
            "{one:20} {other:20} {:10} first letter {:>4} ms, direct {direct}, {} checks{}",
            self.path,
            self.first_letter_ms,
            checks.join(" and "),
            if self.fine { "" } else { " - NOT AS EXPECTED" }
        )
    }
}

/// Whether `hobnob path` calls it direct.
#[must_use]
pub fn is_direct(path: &str) -> bool {
    !matches!(path, "" | "none" | "relayed" | "tunnelled")
}

fn is_fine(expected: Expected, sides: &[Side]) -> bool {
    match expected {
        Expected::Direct | Expected::Counted | Expected::Guessed => {
            sides.iter().all(|side| is_direct(&side.path))
        }
        Expected::Relayed => sides.iter().all(|side| {
            matches!(side.path.as_str(), "relayed" | "tunnelled") && side.why_not_direct.is_some()
        }),
        Expected::Confused | Expected::Unvouched => sides.iter().all(|side| side.path != "none"),
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
