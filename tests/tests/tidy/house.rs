//! The repository as text, and what a rule says about it.

use std::fmt;
use std::fs;
use std::path::Path;

/// Folders that hold products or raw bytes, not text that people write.
const NOT_OURS: [&str; 6] = [".git", "target", "docs/book", "fuzz/target", "fuzz/corpus", "fuzz/artifacts"];

/// Kinds of files that rules look at.
const TEXT: [&str; 7] = ["rs", "toml", "md", "js", "css", "html", "svg"];

/// A rule reads the whole house and names every fault.
pub(crate) type Rule = fn(&House) -> Vec<Fault>;

/// One text file.
#[derive(Debug)]
pub(crate) struct Page {
    /// Path from the root of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Page {
    /// Lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Lines before the unit tests; a file of tests only has none.
    pub(crate) fn lines_before_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let inside = self.path.split_once("/src/").map_or("", |(_, inside)| inside);
        let only_tests = inside.split('/').any(|part| matches!(part, "tests" | "tests.rs"));
        self.lines().take_while(move |(_, line)| !only_tests && line.trim() != "#[cfg(test)]")
    }

    pub(crate) fn is(&self, kind: &str) -> bool {
        extension(&self.path) == kind
    }
}

/// All text files of the repository.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) pages: Vec<Page>,
}

impl House {
    /// Reads the repository that this test was built from.
    pub(crate) fn read() -> Self {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests crate is in the repository");
        let mut pages = Vec::new();
        read_folder(root, "", &mut pages);
        pages.sort_by(|left, right| left.path.cmp(&right.path));
        Self { pages }
    }

    /// A house of the given pages, to see a rule at work.
    pub(crate) fn of(pages: &[(&str, &str)]) -> Self {
        let pages = pages.iter().map(|(path, text)| Page { path: (*path).into(), text: (*text).into() });
        Self { pages: pages.collect() }
    }

    pub(crate) fn page(&self, path: &str) -> Option<&Page> {
        self.pages.iter().find(|page| page.path == path)
    }

    pub(crate) fn pages_of(&self, kind: &str) -> impl Iterator<Item = &Page> {
        self.pages.iter().filter(move |page| page.is(kind))
    }

    /// `true` when the path names a file or folder that holds text.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.pages.iter().any(|page| page.path == path || page.path.starts_with(&folder))
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path).exists()
    }

    /// A manifest as a table; a broken one is a fault for cargo to report, here it is empty.
    pub(crate) fn manifest(&self, path: &str) -> toml::Table {
        self.page(path).and_then(|page| page.text.parse().ok()).unwrap_or_default()
    }
}

/// A broken rule: where, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl Fault {
    pub(crate) fn new(page: &Page, line: usize, what: impl Into<String>) -> Self {
        Self { path: page.path.clone(), line, what: what.into() }
    }

    /// A fault of a file as a whole, or of one that is missing.
    pub(crate) fn of_file(path: &str, what: impl Into<String>) -> Self {
        Self { path: path.into(), line: 1, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// The line number (from 1) of the first line that contains `needle`, else 1.
pub(crate) fn line_of(page: &Page, needle: &str) -> usize {
    page.lines().find(|(_, line)| line.contains(needle)).map_or(1, |(number, _)| number)
}

/// `true` when `line` holds `name` that is not the tail or the head of a longer name.
pub(crate) fn names(line: &str, name: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    line.match_indices(name).any(|(at, _)| {
        let before =
            line[..at].bytes().next_back().is_some_and(|byte| part(byte) && part(name.as_bytes()[0]));
        let after = line[at + name.len()..].bytes().next().is_some_and(part);
        let open_end = !name.bytes().next_back().is_some_and(part);
        !before && (open_end || !after)
    })
}

fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn read_folder(root: &Path, folder: &str, pages: &mut Vec<Page>) {
    let entries = fs::read_dir(root.join(folder)).expect("a folder of the repository can be read");
    for entry in entries {
        let entry = entry.expect("a folder of the repository can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if NOT_OURS.contains(&path.as_str()) {
            continue;
        }
        let kind = entry.file_type().expect("an entry of the repository has a kind");
        if kind.is_dir() {
            read_folder(root, &path, pages);
        } else if kind.is_file() && TEXT.contains(&extension(&path)) {
            let text = fs::read_to_string(entry.path()).expect("text of the repository is UTF-8");
            pages.push(Page { path, text });
        }
    }
}
