//! Dates as people type them, in UTC like all times that are shown.

use std::time::Duration;

/// A day, in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// The beginning of what a date names, in Unix milliseconds: a year (`2026`), a month (`2026-11`), a day
/// (`2026-11-21`), a time (`2026-11-21T07:40` with or without seconds and `Z`), or so long before `now`
/// (`12h`, `7d`, `2w`, `1y`), or `today` and `yesterday`. `None` for anything else.
#[must_use]
pub fn moment(text: &str, now_unix_ms: u64) -> Option<u64> {
    match text {
        "today" => return Some(now_unix_ms / DAY_MS * DAY_MS),
        "yesterday" => return Some((now_unix_ms / DAY_MS).saturating_sub(1) * DAY_MS),
        _ => {}
    }
    if let Some(age) = age(text) {
        let age = u64::try_from(age.as_millis()).ok()?;
        return Some(now_unix_ms.saturating_sub(age));
    }
    let (date, time) = match text.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4)?;
    let month = parts.next().map(|part| number(part, 2));
    let day = parts.next().map(|part| number(part, 2));
    if parts.next().is_some() || (time.is_some() && day.is_none()) || year < 1970 {
        return None;
    }
    let days = days(year, month.unwrap_or(Some(1))?, day.unwrap_or(Some(1))?)?;
    let of_day = time.map_or(Some(0), time_of_day)?;
    Some(days * DAY_MS + of_day)
}

/// A span of time as in `12h`, `7d`, `2w` or `1y`.
#[must_use]
pub fn age(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let seconds: u64 = match unit {
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        'y' => 365 * 86_400,
        _ => return None,
    };
    let count = &text[..text.len() - unit.len_utf8()];
    if count.is_empty() || count.len() > 6 || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(count.parse::<u64>().ok()? * seconds))
}

/// A number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Milliseconds since midnight of `07:40`, `07:40:21` or `07:40:21.123`.
fn time_of_day(text: &str) -> Option<u64> {
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let (text, ms) = match text.split_once('.') {
        Some((text, ms)) => (text, number(ms, 3)?),
        None => (text, 0),
    };
    let mut parts = text.split(':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let second = parts.next().map_or(Some(0), |part| number(part, 2))?;
    let fits = hour < 24 && minute < 60 && second < 60 && parts.next().is_none();
    fits.then_some(((hour * 60 + minute) * 60 + second) * 1_000 + ms)
}

/// Days from 1970-01-01 to a day; `None` when there is no such day. Counts years from March, so that the leap
/// day is the last.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u64::from(leap),
        _ => return None,
    };
    if day == 0 || day > length {
        return None;
    }
    let (year, from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::rfc3339;

    const NOW: u64 = 1_795_246_821_123; // 2026-11-21T07:40:21.123Z

    fn shown(text: &str) -> Option<String> {
        moment(text, NOW).map(rfc3339)
    }

    #[test]
    fn dates_name_their_beginning() {
        for (text, at) in [
            ("2026", "2026-01-01T00:00:00.000Z"),
            ("2026-11", "2026-11-01T00:00:00.000Z"),
            ("2026-11-21", "2026-11-21T00:00:00.000Z"),
            ("2024-02-29", "2024-02-29T00:00:00.000Z"),
            ("1970-01-01", "1970-01-01T00:00:00.000Z"),
            ("2026-11-21T07:40", "2026-11-21T07:40:00.000Z"),
            ("2026-11-21T07:40:21Z", "2026-11-21T07:40:21.000Z"),
            ("2026-11-21T07:40:21.123Z", "2026-11-21T07:40:21.123Z"),
            ("9999-12-31", "9999-12-31T00:00:00.000Z"),
            ("today", "2026-11-21T00:00:00.000Z"),
            ("yesterday", "2026-11-20T00:00:00.000Z"),
            ("12h", "2026-11-20T19:40:21.123Z"),
            ("7d", "2026-11-14T07:40:21.123Z"),
            ("2w", "2026-11-07T07:40:21.123Z"),
            ("1y", "2025-11-21T07:40:21.123Z"),
            ("999999y", "1970-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(at), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "d",
            "-7d",
            "7",
            "7m",
            "7 d",
            "1234567d",
            "26",
            "02026",
            "1969",
            "2026-",
            "2026-13",
            "2026-00",
            "2026-1",
            "2026-11-31",
            "2025-02-29",
            "2026-11-21-1",
            "2026-11T07:40",
            "2026-11-21T",
            "2026-11-21T7:40",
            "2026-11-21T24:00",
            "2026-11-21T07:60",
            "2026-11-21T07:40:00:00",
            "2026-11-21T07:40.5",
            "tomorrow",
            "٧d",
        ] {
            assert_eq!(moment(text, NOW), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_counted() {
        let mut count = days(2000, 1, 1).unwrap();
        for year in 2000..2400 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(found) = days(year, month, day) {
                        assert_eq!(found, count, "{year}-{month}-{day}");
                        count += 1;
                    }
                }
            }
        }
    }
}
