//! Limits by the hour and the day of the week.

use super::Rates;
use super::rate::parse_rate;

const DAY_MINUTES: u64 = 24 * 60;
const MINUTE_MS: u64 = 60_000;
/// Entries of one schedule.
const ENTRIES_MAX: usize = 64;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// When which limits hold. Where several entries fit, the first decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Schedule(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// Days on which it begins, from Monday on.
    days: [bool; 7],
    /// Minutes of the day. It ends on the next day when `end` is not after `start`.
    start: u64,
    end: u64,
    up: Option<u64>,
    down: Option<u64>,
}

impl Schedule {
    /// Reads `08:00-18:00 up=1MiB/s; sat,sun 22:00-06:00 up=0 down=5MB`. Empty text is an empty schedule.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let entries = text.split(';').map(str::trim).filter(|entry| !entry.is_empty());
        let entries: Vec<Entry> = entries.map(Entry::parse).collect::<Option<_>>()?;
        (entries.len() <= ENTRIES_MAX).then_some(Self(entries))
    }

    /// What holds at a moment of local time, in milliseconds since 1970-01-01, instead of `usual`.
    pub(super) fn at(&self, usual: Rates, local_ms: u64) -> Rates {
        let Some(entry) = self.0.iter().find(|entry| entry.holds(local_ms)) else { return usual };
        Rates { up: entry.up.unwrap_or(usual.up), down: entry.down.unwrap_or(usual.down) }
    }

    /// Milliseconds until another entry may hold.
    pub(super) fn next_change_ms(&self, local_ms: u64) -> Option<u64> {
        let of_day = local_ms % (DAY_MINUTES * MINUTE_MS);
        let until = |minute: u64| {
            let day = DAY_MINUTES * MINUTE_MS;
            let wait = (minute * MINUTE_MS + day - of_day) % day;
            if wait == 0 { day } else { wait }
        };
        self.0.iter().flat_map(|entry| [until(entry.start), until(entry.end)]).min()
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace().peekable();
        let days = match words.peek() {
            Some(word) if word.starts_with(|first: char| first.is_ascii_alphabetic()) => {
                parse_days(words.next()?)?
            }
            _ => [true; 7],
        };
        let (start, end) = words.next()?.split_once('-')?;
        let (start, end) = (parse_minute(start)?, parse_minute(end)? % DAY_MINUTES);
        let (mut up, mut down) = (None, None);
        for word in words {
            let (key, value) = word.split_once('=')?;
            let limit = match key {
                "up" => &mut up,
                "down" => &mut down,
                _ => return None,
            };
            if limit.replace(parse_rate(value).ok()?).is_some() {
                return None;
            }
        }
        (start < DAY_MINUTES && (up.is_some() || down.is_some())).then_some(Self {
            days,
            start,
            end,
            up,
            down,
        })
    }

    fn holds(&self, local_ms: u64) -> bool {
        let minutes = local_ms / MINUTE_MS;
        let (day, minute) = (minutes / DAY_MINUTES, minutes % DAY_MINUTES);
        // The first of January 1970 was a Thursday.
        let begins_on = |day: u64| self.days[usize::try_from((day + 3) % 7).unwrap_or(0)];
        if self.start < self.end {
            return begins_on(day) && (self.start..self.end).contains(&minute);
        }
        (begins_on(day) && minute >= self.start) || (day > 0 && begins_on(day - 1) && minute < self.end)
    }
}

/// `HH:MM`, to `24:00`.
fn parse_minute(text: &str) -> Option<u64> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (minutes < 60 && hours * 60 + minutes <= DAY_MINUTES).then_some(hours * 60 + minutes)
}

/// `mon-fri`, `sat,sun`, `mon,wed-fri`.
fn parse_days(text: &str) -> Option<[bool; 7]> {
    let number = |name: &str| DAYS.iter().position(|day| *day == name);
    let mut days = [false; 7];
    for part in text.to_ascii_lowercase().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        let count = (last + 7 - first) % 7;
        (first..=first + count).for_each(|day| days[day % 7] = true);
    }
    Some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Rates = Rates { up: 7, down: 8 };

    /// Local milliseconds of a day of the week that began on Monday, 5 January 1970.
    fn at(day: u64, hour: u64, minute: u64) -> u64 {
        ((4 + day) * DAY_MINUTES + hour * 60 + minute) * MINUTE_MS
    }

    #[test]
    fn an_entry_holds_from_its_first_minute_to_before_its_last() {
        let schedule = Schedule::parse("08:00-18:00 up=1MiB/s").unwrap();
        for (hour, minute, up) in [(7, 59, 7), (8, 0, 1 << 20), (17, 59, 1 << 20), (18, 0, 7)] {
            assert_eq!(schedule.at(USUAL, at(0, hour, minute)), Rates { up, down: 8 }, "{hour}:{minute}");
        }
        assert_eq!(schedule.next_change_ms(at(0, 7, 59) + 1_000), Some(59_000));
        assert_eq!(schedule.next_change_ms(at(0, 8, 0)), Some(10 * 60 * MINUTE_MS));
        assert_eq!(Schedule::default().next_change_ms(5), None);
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let schedule = Schedule::parse("fri-sat 22:00-06:00 up=0 down=5MB; 00:00-24:00 up=1KB").unwrap();
        let night = Rates { up: 0, down: 5_000_000 };
        let day = Rates { up: 1_000, down: 8 };
        for (weekday, hour, rates) in
            [(4, 21, day), (4, 22, night), (5, 5, night), (5, 6, day), (6, 5, night), (6, 22, day)]
        {
            assert_eq!(schedule.at(USUAL, at(weekday, hour, 0)), rates, "{weekday} {hour}:00");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        assert_eq!(Schedule::parse(" ; "), Some(Schedule::default()));
        for text in [
            "08:00-18:00",
            "8-18 up=1",
            "08:00-18:60 up=1",
            "25:00-18:00 up=1",
            "24:00-01:00 up=1",
            "noday 08:00-18:00 up=1",
            "08:00-18:00 up=fast",
            "08:00-18:00 up=1 up=2",
            "08:00-18:00 sideways=1",
            &"00:00-01:00 up=1;".repeat(65),
        ] {
            assert_eq!(Schedule::parse(text), None, "{text}");
        }
    }
}
