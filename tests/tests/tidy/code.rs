//! Rules about sources and manifests.

use crate::house::{Fault, House, Page, line_of, names};

/// Lines a source may have before its unit tests.
const FILE_LINES_MAX: usize = 600;

/// What a core must not name, and what to do instead.
const IMPURE: [(&str, &str); 24] = [
    ("tokio", "return an effect; the shell performs it"),
    ("quinn", "return an effect; the shell performs it"),
    ("axum", "return an effect; the shell performs it"),
    ("reqwest", "return an effect; the shell performs it"),
    ("rusqlite", "call the store trait"),
    ("UdpSocket", "return the datagram; the shell sends it"),
    ("TcpStream", "return the bytes; the shell sends them"),
    ("TcpListener", "take the accepted event as an input"),
    ("UnixStream", "return the bytes; the shell sends them"),
    ("UnixListener", "take the accepted event as an input"),
    ("std::fs", "return an effect, or call the store trait"),
    ("std::thread", "return an effect; the shell owns threads"),
    ("Mutex", "one thread owns a core; take `&mut self`"),
    ("RwLock", "one thread owns a core; take `&mut self`"),
    ("async fn", "take the result as an input"),
    (".await", "take the result as an input"),
    ("Instant::now", "take `now` as an argument"),
    ("SystemTime::now", "take `now` as an argument"),
    ("getrandom", "take the random bytes as an argument"),
    ("OsRng", "take the random bytes as an argument"),
    ("thread_rng", "take the random bytes as an argument"),
    ("rand::", "take the random bytes as an argument"),
    ("SystemRandom", "take the random bytes as an argument"),
    ("RandomState", "use an ordered map"),
];

/// Each crate, its folder and the crates of the house it may use.
const IMPORTS: [(&str, &[&str]); 4] =
    [("wire", &[]), ("nat", &["wire"]), ("rendezvous", &["nat", "wire"]), ("peer", &["nat", "wire"])];

/// The crates of the house that are not allowed to be used by anyone.
const USED_BY_NOBODY: &str = "tests";

/// What says "later" in code.
const LATER: [(&str, &str); 4] = [
    ("todo!", "write it, or leave the room out"),
    ("unimplemented!", "write it, or leave the room out"),
    ("#[ignore", "make the test run everywhere, or say at its start why it has nothing to do"),
    ("dbg!", "remove it"),
];

/// These files name what the rules forbid.
const RULES: &str = "tests/tests/tidy";

/// Nothing in a `core/` folder has a clock, socket, file, task, lock or random source.
pub(crate) fn cores_are_pure(house: &House) -> Vec<Fault> {
    let mut faults = Vec::new();
    for page in house.pages_of("rs").filter(|page| page.path.contains("/src/core/")) {
        for (number, line) in page.lines_before_tests() {
            let code = without_comment(line);
            for (name, advice) in IMPURE.iter().filter(|(name, _)| names(code, name)) {
                faults.push(Fault::new(
                    page,
                    number,
                    format!("a core is pure and must not name `{name}`: {advice}"),
                ));
            }
            if code.trim_start().starts_with("use std::{") && names(code, "fs") {
                faults.push(Fault::new(
                    page,
                    number,
                    "a core is pure and must not name `std::fs`: return an effect",
                ));
            }
        }
    }
    faults
}

/// `peer → nat → wire`, `rendezvous → nat → wire`; nobody uses `tests`.
pub(crate) fn imports_go_one_way(house: &House) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (folder, allowed) in IMPORTS {
        let others = IMPORTS.iter().map(|(other, _)| *other).chain([USED_BY_NOBODY]);
        for other in others.filter(|other| *other != folder && !allowed.contains(other)) {
            faults.extend(uses(house, folder, other));
        }
    }
    faults.extend(uses(house, "fuzz", USED_BY_NOBODY));
    faults
}

/// Places where the crate in `folder` uses the crate in `other`.
fn uses(house: &House, folder: &str, other: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let advice = "imports go peer → nat → wire and rendezvous → nat → wire; move what both need down";
    let manifest = format!("{folder}/Cargo.toml");
    if let Some(page) = house.page(&manifest) {
        let name = format!("hobnob-{other}");
        for (number, _) in
            page.lines().filter(|(_, line)| names(&line.replace('-', "_"), &name.replace('-', "_")))
        {
            faults.push(Fault::new(
                page,
                number,
                format!("`{folder}` must not depend on `{name}`: {advice}"),
            ));
        }
    }
    let inside = format!("{folder}/");
    let name = format!("hobnob_{other}");
    for page in house.pages_of("rs").filter(|page| page.path.starts_with(&inside)) {
        for (number, line) in page.lines() {
            if names(without_comment(line), &format!("{name}::")) {
                faults.push(Fault::new(
                    page,
                    number,
                    format!("`{folder}` must not import `{name}`: {advice}"),
                ));
            }
        }
    }
    faults
}

/// A file is at most [`FILE_LINES_MAX`] lines before its unit tests.
pub(crate) fn files_stay_short(house: &House) -> Vec<Fault> {
    let kinds = ["rs", "js", "css", "html"];
    let pages = house.pages.iter().filter(|page| kinds.iter().any(|kind| page.is(kind)));
    pages
        .filter_map(|page| {
            let lines = page.lines_before_tests().count();
            let what = format!(
                "{lines} lines; the limit is {FILE_LINES_MAX}: find the second noun and give it a file"
            );
            (lines > FILE_LINES_MAX).then(|| Fault::new(page, FILE_LINES_MAX + 1, what))
        })
        .collect()
}

/// No placeholders, no tests that do not run.
pub(crate) fn nothing_is_left_for_later(house: &House) -> Vec<Fault> {
    let mut faults = Vec::new();
    for page in house.pages_of("rs").filter(|page| !page.path.starts_with(RULES)) {
        for (number, line) in page.lines() {
            for (name, advice) in LATER.iter().filter(|(name, _)| names(without_comment(line), name)) {
                faults.push(Fault::new(page, number, format!("`{name}` has no place here: {advice}")));
            }
        }
    }
    faults
}

/// Every crate takes its lints and the versions of its dependencies from the workspace.
pub(crate) fn crates_share_versions_and_lints(house: &House) -> Vec<Fault> {
    let mut faults = Vec::new();
    let root = house.manifest("Cargo.toml");
    let forbids = at(&root, &["workspace", "lints", "rust", "unsafe_code"]).and_then(toml::Value::as_str);
    if forbids != Some("forbid") {
        faults.push(Fault::of_file(
            "Cargo.toml",
            "`[workspace.lints.rust]` must say `unsafe_code = \"forbid\"`",
        ));
    }
    for folder in members(house) {
        let path = format!("{folder}/Cargo.toml");
        let Some(page) = house.page(&path) else {
            faults
                .push(Fault::of_file(&path, "the workspace names this crate: create it or remove its name"));
            continue;
        };
        let manifest = house.manifest(&path);
        if at(&manifest, &["lints", "workspace"]).and_then(toml::Value::as_bool) != Some(true) {
            faults.push(Fault::new(page, line_of(page, "[lints]"), "add `[lints] workspace = true`"));
        }
        for name in own_versions(&manifest) {
            let what =
                format!("`{name}` must say `workspace = true`: versions stand in the root manifest only");
            faults.push(Fault::new(page, line_of(page, &name), what));
        }
    }
    faults
}

/// The folders of the workspace's crates.
pub(crate) fn members(house: &House) -> Vec<String> {
    let root = house.manifest("Cargo.toml");
    let members = at(&root, &["workspace", "members"]).and_then(toml::Value::as_array);
    members.into_iter().flatten().filter_map(|member| Some(member.as_str()?.to_owned())).collect()
}

/// Every table of dependencies in a manifest, those for one target included.
pub(crate) fn dependencies(manifest: &toml::Table) -> Vec<(&String, &toml::Value)> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let tables = targets.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table);
    let tables = tables.chain([manifest]);
    tables
        .flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()))
        .flat_map(toml::Table::iter)
        .collect()
}

fn own_versions(manifest: &toml::Table) -> Vec<String> {
    let inherits = |value: &toml::Value| value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
    let own = dependencies(manifest).into_iter().filter(|(_, value)| !inherits(value));
    own.map(|(name, _)| name.clone()).collect()
}

fn at<'a>(table: &'a toml::Table, path: &[&str]) -> Option<&'a toml::Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get(*first)?, |value, key| value.get(key))
}

/// The code of a line. A `//` inside a string cuts it short too, which these rules can bear.
fn without_comment(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

/// `true` when `page` holds a test function of this name.
pub(crate) fn has_test(page: &Page, name: &str) -> bool {
    let heads = [format!("fn {name}("), format!("async fn {name}(")];
    let lines: Vec<&str> = page.text.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(index, line)| {
        let is_head = heads.iter().any(|head| line.starts_with(head.as_str()));
        let attributes = lines[..index].iter().rev().take_while(|above| above.starts_with(['#', '/']));
        is_head && attributes.into_iter().any(|above| above.starts_with("#[") && above.contains("test"))
    })
}
