//! The rules of the house, kept by `cargo test`.
//!
//! What rustfmt and clippy cannot see stands here: which folder may know what, how long a file may grow, and
//! whether the book says only what is there. Each rule reads the repository as text and reports every fault
//! with its file, line and what to do. `planted` proves that each rule finds what it looks for.

#[path = "tidy/book.rs"]
mod book;
#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/house.rs"]
mod house;
#[path = "tidy/planted.rs"]
mod planted;

use house::{House, Rule};

/// Fails with one line per fault when the repository breaks `rule`.
#[track_caller]
fn keep(rule: Rule) {
    let faults = rule(&House::read());
    let report: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", report.len(), report.join("\n"));
}

#[test]
fn cores_are_pure() {
    keep(code::cores_are_pure);
}

#[test]
fn imports_go_one_way() {
    keep(code::imports_go_one_way);
}

#[test]
fn files_stay_short() {
    keep(code::files_stay_short);
}

#[test]
fn nothing_is_left_for_later() {
    keep(code::nothing_is_left_for_later);
}

#[test]
fn crates_share_versions_and_lints() {
    keep(code::crates_share_versions_and_lints);
}

#[test]
fn every_dependency_has_a_reason() {
    keep(book::every_dependency_has_a_reason);
}

#[test]
fn links_in_the_book_resolve() {
    keep(book::links_resolve);
}

#[test]
fn every_page_is_in_the_summary() {
    keep(book::every_page_is_in_the_summary);
}

#[test]
fn every_feature_names_its_test() {
    keep(book::every_feature_names_its_test);
}
