//! What happens to offers without asking: rules by contact, size and type.

use hobnob_wire::Address;
use hobnob_wire::letter::Offer;

use super::limits::parse_size;

/// Rules of one user.
const RULES_MAX: usize = 256;

/// Types by the endings of names, in lower case.
const TYPES: [(&str, &[&str]); 5] = [
    ("image", &["jpg", "jpeg", "png", "gif", "webp", "avif", "heic", "bmp", "tif", "tiff"]),
    ("video", &["mp4", "mkv", "webm", "mov", "avi", "m4v", "mpg", "mpeg"]),
    ("audio", &["mp3", "ogg", "opus", "flac", "wav", "m4a", "aac"]),
    ("document", &["pdf", "txt", "md", "odt", "ods", "odp", "docx", "xlsx", "pptx", "epub", "csv"]),
    ("archive", &["zip", "tar", "gz", "xz", "zst", "bz2", "7z"]),
];

/// What to do with an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Take it, into the usual folder.
    Accept,
    /// Take it, into a folder apart.
    Quarantine,
    /// Let the user decide.
    Ask,
    /// Refuse it.
    Reject,
}

/// Rules in order; the first that fits decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// Whose offers; anybody's when empty.
    from: Vec<Address>,
    /// Bytes in all.
    most: u64,
    /// Endings of names, in lower case; any when empty.
    endings: Vec<String>,
    verdict: Verdict,
}

impl Rules {
    /// Reads rules with `;` between them, each `[from=ADDRESS,…] [type=TYPE,…] [size<=SIZE] VERDICT`. A type is `image`,
    /// `video`, `audio`, `document`, `archive` or an ending as `.pdf`; a verdict `accept`, `quarantine`, `ask` or `reject`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rules = text.split(';').map(str::trim).filter(|rule| !rule.is_empty());
        let rules: Vec<Rule> = rules.map(Rule::parse).collect::<Option<_>>()?;
        (rules.len() <= RULES_MAX).then_some(Self(rules))
    }

    /// What to do with an offer; `None` when no rule fits.
    #[must_use]
    pub fn verdict(&self, from: &Address, offer: &Offer) -> Option<Verdict> {
        self.0.iter().find(|rule| rule.fits(from, offer)).map(|rule| rule.verdict)
    }
}

impl Rule {
    fn parse(text: &str) -> Option<Self> {
        let (conditions, verdict) = text.rsplit_once(char::is_whitespace).unwrap_or(("", text));
        let verdict = match verdict {
            "accept" => Verdict::Accept,
            "quarantine" => Verdict::Quarantine,
            "ask" => Verdict::Ask,
            "reject" => Verdict::Reject,
            _ => return None,
        };
        let mut rule = Self { from: Vec::new(), most: u64::MAX, endings: Vec::new(), verdict };
        for condition in conditions.split_whitespace() {
            if let Some(size) = condition.strip_prefix("size<=") {
                rule.most = parse_size(size)?;
            } else if let Some(addresses) = condition.strip_prefix("from=") {
                rule.from =
                    addresses.split(',').map(|address| address.parse().ok()).collect::<Option<_>>()?;
            } else {
                for kind in condition.strip_prefix("type=")?.split(',') {
                    rule.endings.extend(endings(kind)?);
                }
            }
        }
        Some(rule)
    }

    fn fits(&self, from: &Address, offer: &Offer) -> bool {
        (self.from.is_empty() || self.from.contains(from))
            && offer.bytes <= self.most
            && (self.endings.is_empty() || self.has_ending(offer))
    }

    /// Only of a single file is the type known: its name is the one in the list of files, or that is refused later.
    fn has_ending(&self, offer: &Offer) -> bool {
        let name = offer.name.as_str().to_ascii_lowercase();
        let ending = name.rsplit_once('.').map(|(_, ending)| ending);
        offer.entries == 1 && ending.is_some_and(|ending| self.endings.iter().any(|known| known == ending))
    }
}

fn endings(kind: &str) -> Option<Vec<String>> {
    if let Some(ending) = kind.strip_prefix('.') {
        let is_plain = !ending.is_empty() && ending.chars().all(|letter| letter.is_ascii_alphanumeric());
        return is_plain.then(|| vec![ending.to_ascii_lowercase()]);
    }
    let (_, endings) = TYPES.iter().find(|(name, _)| *name == kind)?;
    Some(endings.iter().map(|ending| (*ending).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use hobnob_wire::{Text, TransferId};

    use super::*;

    fn offer(name: &str, entries: u64, bytes: u64) -> Offer {
        Offer {
            transfer: TransferId::new([1; 16]),
            name: Text::truncated(name),
            entries,
            bytes,
            manifest: [0; 32],
            sealed: true,
            text: Text::truncated(""),
            swarm: None,
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rules = Rules::parse(
            "from=bob@localhost,carol@localhost type=image,.PDF size<=1MiB accept; size<=10MB quarantine; \
             from=dora@localhost ask; reject",
        )
        .unwrap();
        let table = [
            ("bob", "a.JPG", 1, 1 << 20, Verdict::Accept),
            ("carol", "a.b.pdf", 1, 5, Verdict::Accept),
            ("bob", "a.jpg", 1, (1 << 20) + 1, Verdict::Quarantine),
            // What is in a folder may be anything.
            ("bob", "a.jpg", 2, 5, Verdict::Quarantine),
            ("bob", "jpg", 1, 5, Verdict::Quarantine),
            ("dora", "a.jpg", 1, 10_000_001, Verdict::Ask),
            ("erin", "a.jpg", 1, 10_000_001, Verdict::Reject),
        ];
        for (from, name, entries, bytes, verdict) in table {
            let from: Address = format!("{from}@localhost").parse().unwrap();
            assert_eq!(rules.verdict(&from, &offer(name, entries, bytes)), Some(verdict), "{from} {name}");
        }
        let nobody = "a@b".parse().unwrap();
        assert_eq!(Rules::default().verdict(&nobody, &offer("a", 1, 1)), None);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        assert_eq!(Rules::parse(" ; "), Some(Rules::default()));
        for text in [
            "maybe",
            "from=bob accept",
            "type=game accept",
            "type=. accept",
            "size<=big accept",
            "accept size<=1MB",
            "color=red accept",
            &"ask;".repeat(257),
        ] {
            assert_eq!(Rules::parse(text), None, "{text}");
        }
    }
}
