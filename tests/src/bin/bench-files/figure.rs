//! What a benchmark prints.

#![expect(clippy::print_stdout, reason = "a benchmark's product is its output")]

use serde::Serialize;

/// One line of the report.
#[derive(Debug, Serialize)]
struct Figure<'a> {
    name: &'a str,
    value: f64,
    unit: &'a str,
    /// What it was measured beside.
    reference: Option<&'a str>,
    /// `value` divided by the same figure of the reference.
    ratio: Option<f64>,
}

/// Prints figures as they are measured.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// A figure by itself.
    pub(crate) fn figure(&mut self, name: &str, value: f64, unit: &str) {
        self.print(&Figure { name, value, unit, reference: None, ratio: None });
    }

    /// A figure beside that of another program.
    pub(crate) fn beside(&mut self, name: &str, value: f64, unit: &str, (reference, of_it): (&str, f64)) {
        self.print(&Figure { name, value, unit, reference: Some(reference), ratio: Some(value / of_it) });
    }

    /// A figure that cannot be had here, and why.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        if self.json {
            println!("{}", serde_json::json!({ "name": name, "skipped": why }));
        } else {
            println!("{name:<34} skipped: {why}");
        }
    }

    fn print(&mut self, figure: &Figure<'_>) {
        let Figure { name, value, unit, reference, ratio } = figure;
        if self.json {
            let rounded = Figure { value: round(*value), ratio: ratio.map(round), ..*figure };
            println!("{}", serde_json::json!(rounded));
        } else if let (Some(reference), Some(ratio)) = (reference, ratio) {
            println!("{name:<34} {value:>10.2} {unit:<9} {ratio:>6.2} x {reference}");
        } else {
            println!("{name:<34} {value:>10.2} {unit}");
        }
    }
}

/// Three digits after the point are more than any figure is worth.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The value in the middle of several.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// The value that `percent` of the values do not exceed.
pub(crate) fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}
