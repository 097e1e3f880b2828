//! Each rule finds a fault that is planted in a small house, and nothing in a clean one.

use crate::house::{Fault, House, Rule, names};
use crate::{book, code};

/// The faults as a reader sees them.
fn faults(rule: Rule, pages: &[(&str, &str)]) -> Vec<String> {
    rule(&House::of(pages)).iter().map(Fault::to_string).collect()
}

#[test]
fn a_name_is_a_whole_word() {
    assert!(names("use tokio::net;", "tokio"));
    assert!(names("let now = Instant::now();", "Instant::now"));
    assert!(names("rand::random()", "rand::"));
    assert!(names("task.await?", ".await"));
    assert!(!names("operand::new()", "rand::"));
    assert!(!names("let tokio_like = 1;", "tokio"));
    assert!(!names("self.awaiting", ".await"));
}

#[test]
fn a_core_with_a_clock_is_found() {
    let impure = "//! No tokio here.\nfn now() {\n    Instant::now()\n}\nuse std::{fs, io};\n";
    assert_eq!(
        faults(code::cores_are_pure, &[("peer/src/core/clock.rs", impure), ("peer/src/clock.rs", impure)]),
        [
            "peer/src/core/clock.rs:3: a core is pure and must not name `Instant::now`: take `now` as an argument",
            "peer/src/core/clock.rs:5: a core is pure and must not name `std::fs`: return an effect",
        ]
    );
}

#[test]
fn unit_tests_of_a_core_may_have_an_epoch() {
    let tested = "fn pure() {}\n\n#[cfg(test)]\nmod tests {\n    fn epoch() { Instant::now(); }\n}\n";
    assert_eq!(faults(code::cores_are_pure, &[("nat/src/core/pair.rs", tested)]), [""; 0]);
}

#[test]
fn an_import_against_the_stream_is_found() {
    let pages = [
        ("nat/Cargo.toml", "[dependencies]\nhobnob-wire.workspace = true\nhobnob-peer.workspace = true\n"),
        ("nat/src/lib.rs", "use hobnob_wire::Frame;\nuse hobnob_peer::Client;\n"),
        ("peer/src/lib.rs", "use hobnob_tests::House;\n"),
    ];
    let advice = "imports go peer → nat → wire and rendezvous → nat → wire; move what both need down";
    assert_eq!(
        faults(code::imports_go_one_way, &pages),
        [
            format!("nat/Cargo.toml:3: `nat` must not depend on `hobnob-peer`: {advice}"),
            format!("nat/src/lib.rs:2: `nat` must not import `hobnob_peer`: {advice}"),
            format!("peer/src/lib.rs:1: `peer` must not import `hobnob_tests`: {advice}"),
        ]
    );
}

#[test]
fn a_long_file_is_found_and_its_tests_do_not_count() {
    let long = "line\n".repeat(601);
    let tested = format!("{}#[cfg(test)]\n{long}", "line\n".repeat(600));
    assert_eq!(
        faults(code::files_stay_short, &[("peer/src/long.rs", &long), ("peer/src/tested.rs", &tested)]),
        ["peer/src/long.rs:601: 601 lines; the limit is 600: find the second noun and give it a file"]
    );
}

#[test]
fn a_placeholder_is_found() {
    let pages = [("wire/src/room.rs", "fn room() {\n    todo!()\n}\n#[ignore]\nfn never() {}\n")];
    assert_eq!(
        faults(code::nothing_is_left_for_later, &pages),
        [
            "wire/src/room.rs:2: `todo!` has no place here: write it, or leave the room out",
            "wire/src/room.rs:4: `#[ignore` has no place here: make the test run everywhere, or say at its start \
             why it has nothing to do",
        ]
    );
}

#[test]
fn a_crate_with_its_own_rules_is_found() {
    let pages = [
        ("Cargo.toml", "[workspace]\nmembers = [\"wire\", \"nat\"]\n"),
        ("wire/Cargo.toml", "[dependencies]\nserde = \"1\"\n"),
    ];
    assert_eq!(
        faults(code::crates_share_versions_and_lints, &pages),
        [
            "Cargo.toml:1: `[workspace.lints.rust]` must say `unsafe_code = \"forbid\"`",
            "wire/Cargo.toml:1: add `[lints] workspace = true`",
            "wire/Cargo.toml:2: `serde` must say `workspace = true`: versions stand in the root manifest only",
            "nat/Cargo.toml:1: the workspace names this crate: create it or remove its name",
        ]
    );
}

#[test]
fn a_dependency_without_a_reason_is_found() {
    let pages = [
        (
            "Cargo.toml",
            "[workspace]\nmembers = [\"wire\"]\n[workspace.dependencies]\nserde = \"1\"\nlibc = \"0.2\"\n",
        ),
        ("wire/Cargo.toml", "[dependencies]\nserde.workspace = true\nbytes.workspace = true\n"),
        (
            "docs/src/dependencies.md",
            "| crate | for |\n| --- | --- |\n| `serde` | encoding |\n| `rand` | luck |\n| `serde` | again |\n",
        ),
    ];
    assert_eq!(
        faults(book::every_dependency_has_a_reason, &pages),
        [
            "Cargo.toml:5: no crate uses `libc`: remove it",
            "docs/src/dependencies.md:5: `serde` has a row already, in line 3",
            "docs/src/dependencies.md:1: add a row for `bytes`, which wire/Cargo.toml uses, or remove the dependency",
            "docs/src/dependencies.md:4: nothing depends on `rand`: remove its row",
        ]
    );
}

#[test]
fn a_dead_link_is_found() {
    let pages = [
        (
            "docs/src/intro.md",
            "# Words\n[there](other.md#the-two-ends)\n[gone](gone.md)\n[no](#lost)\n[up](../up.md)\n",
        ),
        ("docs/src/other.md", "## The two ends!\n```\n[not](a-link.md)\n```\n[out](https://example.org/)\n"),
    ];
    assert_eq!(
        faults(book::links_resolve, &pages),
        [
            "docs/src/intro.md:3: `gone.md` leads nowhere: there is no `docs/src/gone.md`",
            "docs/src/intro.md:4: `docs/src/intro.md` has no heading `#lost`",
            "docs/src/intro.md:5: `../up.md` leads nowhere: there is no `docs/up.md`",
        ]
    );
}

#[test]
fn a_page_outside_the_summary_is_found() {
    let pages = [
        ("docs/src/SUMMARY.md", "- [Listed](listed.md)\n"),
        ("docs/src/listed.md", "# Listed\n"),
        ("docs/src/lost.md", "# Lost\n"),
    ];
    assert_eq!(
        faults(book::every_page_is_in_the_summary, &pages),
        ["docs/src/lost.md:1: add this page to docs/src/SUMMARY.md"]
    );
}

#[test]
fn a_feature_without_its_test_is_found() {
    let table = "| id | feature | state | shown by |\n| --- | --- | --- | --- |\n\
                 | MS1 | text | done | `letters_arrive` |\n| MS2 | relay | part | `they_fly` |\n\
                 | MS3 | language | done | |\n| MS4 | receipt | later | `letters_arrive` |\n| MS5 | notice |\n";
    let source = "#[test]\nfn letters_arrive() {}\n\nfn they_fly() {}\n";
    let pages = [("docs/src/features.md", table), ("tests/tests/letters.rs", source)];
    assert_eq!(
        faults(book::every_feature_names_its_test, &pages),
        [
            "docs/src/features.md:4: MS2 names `they_fly`, but there is no such test",
            "docs/src/features.md:5: MS3 is done: name its test in the last cell",
            "docs/src/features.md:6: MS4 is `later`: say `done` or `part`",
            "docs/src/features.md:7: a row has an id, the feature, its state and its tests",
        ]
    );
}
