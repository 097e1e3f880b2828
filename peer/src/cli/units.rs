//! Sizes, rates and spans of time, as people read them.

use std::time::Duration;

/// Bytes with a binary unit and three or four digits: `999 B`, `1.5 KiB`, `256.0 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const NAMES: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let power = usize::try_from(bytes.ilog2() / 10).unwrap_or(0).min(NAMES.len() - 1);
    let unit = 1_u128 << (10 * power);
    let tenths = (u128::from(bytes) * 10 + unit / 2) / unit;
    if tenths >= 10_240 && power + 1 < NAMES.len() {
        return format!("1.0 {}", NAMES[power + 1]);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, NAMES[power])
}

/// Bytes per second.
pub(crate) fn rate(bytes_per_second: u64) -> String {
    format!("{}/s", size(bytes_per_second))
}

/// A span of time in whole seconds: `0:09`, `12:34`, `1:02:03`.
pub(crate) fn span(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// A short time, with two or three digits: `850 µs`, `3.2 ms`, `116 ms`, `1.5 s`.
pub(crate) fn elapsed(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{}.{} ms", micros / 1_000, micros / 100 % 10),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{}.{} s", micros / 1_000_000, micros / 100_000 % 10),
    }
}

/// How much of `size` is `done`, in whole percent, never 100 before it is all.
pub(crate) fn percent(done: u64, size: u64) -> u64 {
    if done >= size {
        return 100;
    }
    u64::try_from(u128::from(done) * 100 / u128::from(size)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short_and_round_into_the_next_unit() {
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (256 << 20, "256.0 MiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, text) in table {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn spans_and_shares_read_as_expected() {
        assert_eq!([span(0), span(9), span(754), span(3723)], ["0:00", "0:09", "12:34", "1:02:03"]);
        let times = [850, 3_299, 116_400, 999_999, 1_560_000].map(Duration::from_micros).map(elapsed);
        assert_eq!(times, ["850 µs", "3.2 ms", "116 ms", "999 ms", "1.5 s"]);
        assert_eq!([percent(0, 0), percent(0, 10), percent(999, 1000), percent(10, 10)], [100, 0, 99, 100]);
    }
}
