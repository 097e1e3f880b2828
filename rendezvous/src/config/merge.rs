//! Settings from several sources become one table; the defaults say which keys there are.

use toml::{Table, Value};

use super::{ConfigError, DEFAULT, ENVIRONMENT_PREFIX};

/// Edits beyond which a key is not what was meant.
const TYPING_ERRORS_MAX: usize = 3;

pub(super) fn defaults() -> Table {
    DEFAULT.parse().expect("the defaults are TOML: a test reads them")
}

/// Puts `over` on top of `settings`, which has every key there is.
pub(super) fn overlay(settings: &mut Table, over: Table) -> Result<(), ConfigError> {
    let known = settings.clone();
    for (section, value) in over {
        match (settings.get_mut(&section), value) {
            (Some(Value::Table(below)), Value::Table(above)) => {
                for (key, value) in above {
                    let Some(place) = below.get_mut(&key) else {
                        return Err(unknown(&known, format!("{section}.{key}")));
                    };
                    *place = value;
                }
            }
            (Some(place), value) => *place = value,
            (None, Value::Table(above)) => {
                let key = above.keys().next().map_or(section.clone(), |key| format!("{section}.{key}"));
                return Err(unknown(&known, key));
            }
            (None, _) => return Err(unknown(&known, section)),
        }
    }
    Ok(())
}

/// The variables that are ours, as a table: `PREFIX` `SECTION__KEY` = a TOML value, or else a text.
pub(super) fn from_environment(environment: impl IntoIterator<Item = (String, String)>) -> Table {
    let mut settings = Table::new();
    for (variable, value) in environment {
        let Some(path) = variable.strip_prefix(ENVIRONMENT_PREFIX) else {
            continue;
        };
        let path = path.to_ascii_lowercase();
        let value = literal(&value);
        match path.split_once("__") {
            None => {
                settings.insert(path, value);
            }
            Some((section, key)) => {
                let section =
                    settings.entry(section).or_insert_with(|| Value::Table(Table::new())).as_table_mut();
                if let Some(section) = section {
                    section.insert(key.to_owned(), value);
                }
            }
        }
    }
    settings
}

fn literal(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn unknown(known: &Table, key: String) -> ConfigError {
    let sections = known.iter().filter_map(|(section, keys)| Some((section, keys.as_table()?)));
    let keys = sections.flat_map(|(section, keys)| keys.keys().map(move |key| format!("{section}.{key}")));
    let nearest = keys.map(|candidate| (edits(&candidate, &key), candidate)).min();
    let suggestion = nearest.filter(|(edits, _)| *edits <= TYPING_ERRORS_MAX).map(|(_, key)| key);
    ConfigError::UnknownKey { key, suggestion }
}

/// Insertions, deletions and replacements that lead from one text to the other (Levenshtein).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, left) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, right) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("domain", "domain"), 0);
        assert_eq!(edits("domian", "domain"), 2);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
    }

    #[test]
    fn numbers_and_truth_values_keep_their_kind_and_everything_else_is_text() {
        assert_eq!(literal("7"), Value::Integer(7));
        assert_eq!(literal("true"), Value::Boolean(true));
        assert_eq!(literal("127.0.0.1:7700"), Value::String("127.0.0.1:7700".into()));
        assert_eq!(literal("chat.example.org"), Value::String("chat.example.org".into()));
    }
}
