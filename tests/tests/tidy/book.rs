//! Rules about the book, the README and what they promise.

use std::collections::{BTreeMap, BTreeSet};

use crate::code::{dependencies, has_test, members};
use crate::house::{Fault, House, Page, line_of};

const DEPENDENCIES: &str = "docs/src/dependencies.md";
const FEATURES: &str = "docs/src/features.md";
const SUMMARY: &str = "docs/src/SUMMARY.md";

/// Every crate that we use has exactly one row in `docs/src/dependencies.md`, and nothing else has one.
pub(crate) fn every_dependency_has_a_reason(house: &House) -> Vec<Fault> {
    let mut faults = Vec::new();
    let used = used_crates(house);
    let root = house.manifest("Cargo.toml");
    let shared = root.get("workspace").and_then(|workspace| workspace.get("dependencies")?.as_table());
    for name in shared.into_iter().flat_map(toml::Table::keys).filter(|name| !used.contains_key(*name)) {
        let page = house.page("Cargo.toml").expect("its table was just read");
        faults.push(Fault::new(page, line_of(page, name), format!("no crate uses `{name}`: remove it")));
    }

    let Some(page) = house.page(DEPENDENCIES) else {
        return vec![Fault::of_file(DEPENDENCIES, "write this page: one row per dependency")];
    };
    let mut explained = BTreeMap::new();
    for row in rows(page) {
        let name = row.cells[0].trim_matches('`').to_owned();
        if row.cells.last().is_none_or(|reason| reason.is_empty()) {
            faults.push(Fault::new(page, row.line, format!("say what `{name}` is for")));
        }
        if let Some(first) = explained.insert(name.clone(), row.line) {
            faults.push(Fault::new(page, row.line, format!("`{name}` has a row already, in line {first}")));
        }
    }
    let ours = |name: &str| name.starts_with("hobnob-");
    for (name, user) in used.iter().filter(|(name, _)| !ours(name) && !explained.contains_key(*name)) {
        let what = format!("add a row for `{name}`, which {user} uses, or remove the dependency");
        faults.push(Fault::new(page, 1, what));
    }
    for (name, line) in explained.iter().filter(|(name, _)| !used.contains_key(*name)) {
        faults.push(Fault::new(page, *line, format!("nothing depends on `{name}`: remove its row")));
    }
    faults
}

/// Names of all direct dependencies, each with a manifest that asks for it.
fn used_crates(house: &House) -> BTreeMap<String, String> {
    let mut used = BTreeMap::new();
    for folder in members(house).into_iter().chain(["fuzz".to_owned()]) {
        let path = format!("{folder}/Cargo.toml");
        for (name, _) in dependencies(&house.manifest(&path)) {
            used.insert(name.clone(), path.clone());
        }
    }
    used
}

/// Every link of a markdown page leads to a file that exists and, if it says so, to a heading in it.
pub(crate) fn links_resolve(house: &House) -> Vec<Fault> {
    let mut faults = Vec::new();
    for page in house.pages_of("md") {
        for (number, target) in links(page) {
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = resolve(&page.path, path);
            if !house.has(&path) {
                faults.push(Fault::new(
                    page,
                    number,
                    format!("`{target}` leads nowhere: there is no `{path}`"),
                ));
            } else if !heading.is_empty() && !has_heading(house, &path, heading) {
                faults.push(Fault::new(page, number, format!("`{path}` has no heading `#{heading}`")));
            }
        }
    }
    faults
}

/// Every page of the book can be reached from its table of contents.
pub(crate) fn every_page_is_in_the_summary(house: &House) -> Vec<Fault> {
    let Some(summary) = house.page(SUMMARY) else {
        return vec![Fault::of_file(SUMMARY, "write the table of contents")];
    };
    let listed: BTreeSet<String> = links(summary).map(|(_, target)| resolve(SUMMARY, target)).collect();
    let pages =
        house.pages_of("md").filter(|page| page.path.starts_with("docs/src/") && page.path != SUMMARY);
    pages
        .filter(|page| !listed.contains(&page.path))
        .map(|page| Fault::new(page, 1, format!("add this page to {SUMMARY}")))
        .collect()
}

/// Every row of the feature table says `done` or `part`, and names tests that exist.
pub(crate) fn every_feature_names_its_test(house: &House) -> Vec<Fault> {
    let Some(page) = house.page(FEATURES) else {
        return vec![Fault::of_file(FEATURES, "write the feature table")];
    };
    let mut faults = Vec::new();
    for row in rows(page) {
        let [id, _, state, .., shown] = row.cells.as_slice() else {
            faults.push(Fault::new(page, row.line, "a row has an id, the feature, its state and its tests"));
            continue;
        };
        if !matches!(*state, "done" | "part") {
            faults.push(Fault::new(page, row.line, format!("{id} is `{state}`: say `done` or `part`")));
        }
        let tests: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        if tests.is_empty() {
            faults.push(Fault::new(
                page,
                row.line,
                format!("{id} is {state}: name its test in the last cell"),
            ));
        }
        for test in tests {
            if !house.pages_of("rs").any(|source| has_test(source, test)) {
                faults.push(Fault::new(
                    page,
                    row.line,
                    format!("{id} names `{test}`, but there is no such test"),
                ));
            }
        }
    }
    faults
}

/// A line of a markdown table, without its head.
struct Row<'a> {
    line: usize,
    cells: Vec<&'a str>,
}

/// Rows whose first cell is one word; heads and rules are left out.
fn rows(page: &Page) -> impl Iterator<Item = Row<'_>> {
    let lines: Vec<(usize, &str)> = prose(page).collect();
    let is_rule = |line: &str| line.starts_with('|') && line.chars().all(|mark| "|-: ".contains(mark));
    let heads: BTreeSet<usize> =
        lines.iter().filter(|(_, line)| is_rule(line)).map(|(number, _)| number - 1).collect();
    lines.into_iter().filter_map(move |(line, text)| {
        let inner = text.trim().strip_prefix('|')?.strip_suffix('|')?;
        let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
        (!is_rule(text) && !heads.contains(&line)).then_some(Row { line, cells })
    })
}

/// Lines outside fenced blocks.
fn prose(page: &Page) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    page.lines().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    })
}

/// Targets of `[text](target)` and `src="target"` that lead into the repository.
fn links(page: &Page) -> impl Iterator<Item = (usize, &str)> {
    prose(page).flat_map(|(number, line)| {
        let markdown = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let html = line.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let inside = |target: &&str| !target.contains("://") && !target.starts_with("mailto:");
        markdown.chain(html).filter(inside).map(move |target| (number, target)).collect::<Vec<_>>()
    })
}

/// The path that `target` means on the page `from`; an empty target is the page itself.
fn resolve(from: &str, target: &str) -> String {
    if target.is_empty() {
        return from.to_owned();
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// `true` when the page has a heading whose name in a link, as mdBook and code hosts make it, is `wanted`.
fn has_heading(house: &House, path: &str, wanted: &str) -> bool {
    let Some(page) = house.page(path) else {
        return false;
    };
    prose(page).filter(|(_, line)| line.starts_with('#')).any(|(_, line)| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|mark| mark.is_alphanumeric() || " -_".contains(*mark));
        kept.map(|mark| if mark == ' ' { '-' } else { mark }).eq(wanted.chars())
    })
}
