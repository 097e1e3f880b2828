//! Rates and sizes, as people write them.

/// Factors by unit, in lower case. `KB` is a thousand bytes, `KiB` is 1,024.
const UNITS: [(&str, u64); 15] = [
    ("", 1),
    ("b", 1),
    ("k", 1_000),
    ("kb", 1_000),
    ("kib", 1 << 10),
    ("m", 1_000_000),
    ("mb", 1_000_000),
    ("mib", 1 << 20),
    ("g", 1_000_000_000),
    ("gb", 1_000_000_000),
    ("gib", 1 << 30),
    ("t", 1_000_000_000_000),
    ("tb", 1_000_000_000_000),
    ("tib", 1 << 40),
    ("pib", 1 << 50),
];

/// Reads bytes per second: `500KiB`, `1.5MB`, `1GiB/s`, `2000`, or `0` for no limit.
///
/// # Errors
/// A text that says what is wanted.
pub(crate) fn parse_rate(text: &str) -> Result<u64, String> {
    let wanted = || "a rate is a number with a unit, as in 500KiB, 5MB or 1GiB; 0 means no limit".to_owned();
    let text = text.trim();
    parse_size(text.strip_suffix("/s").unwrap_or(text)).ok_or_else(wanted)
}

/// Reads bytes: `500KiB`, `1.5MB`, `2000`. `None` when it is no number with a unit, or too large.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let split = text.find(|mark: char| mark != '.' && !mark.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim_start().to_ascii_lowercase();
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let parts: u128 = fraction.parse().ok()?;
    let below_one = parts * u128::from(factor) / 10_u128.pow(fraction.len().try_into().unwrap_or(u32::MAX));
    let bytes = u128::from(whole) * u128::from(factor) + below_one;
    u64::try_from(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_with_and_without_units() {
        let table = [
            ("0", 0),
            ("2000", 2_000),
            ("500KiB", 512_000),
            ("5MB", 5_000_000),
            ("5 MiB/s", 5_242_880),
            ("1GiB", 1_073_741_824),
            ("1.5mb", 1_500_000),
            ("0.5KiB", 512),
            ("18446744073709551615", u64::MAX),
        ];
        for (text, bytes) in table {
            assert_eq!(parse_rate(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "MB",
            "5XB",
            "-1",
            "1.",
            ".5",
            "1e3",
            "5MB/h",
            "1.2.3",
            "18446744073709551616",
            "9999999999TiB",
        ] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
