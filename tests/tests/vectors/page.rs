//! The blocks of vectors in a page.

use std::collections::BTreeMap;

use crate::example::Vector;

const OPEN: &str = "```vector\n";
const CLOSE: &str = "```";

/// Every block by its first line.
pub(crate) fn read(text: &str) -> BTreeMap<String, String> {
    let blocks = text.split(OPEN).skip(1).map(|rest| rest.split(CLOSE).next().unwrap_or_default());
    blocks.map(|block| (title(block).to_owned(), block.to_owned())).collect()
}

/// The page with every block filled anew.
///
/// # Panics
/// When a vector has no block: a person decides where on the page it belongs.
pub(crate) fn write(text: &str, vectors: &[Vector]) -> String {
    let mut blocks: BTreeMap<String, String> =
        vectors.iter().map(|vector| (vector.title(), vector.block())).collect();
    let mut parts = text.split(OPEN);
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (block, rest) = part.split_once(CLOSE).expect("a block ends");
        let filled = blocks.remove(title(block)).unwrap_or_default();
        if !filled.is_empty() {
            written.push_str(&format!("{OPEN}{filled}{CLOSE}"));
        }
        written.push_str(rest);
    }
    let missing: Vec<String> = blocks.into_values().map(|block| format!("{OPEN}{block}{CLOSE}")).collect();
    assert!(missing.is_empty(), "these blocks have no place on the page yet:\n{}", missing.join("\n"));
    written
}

fn title(block: &str) -> &str {
    block.lines().next().unwrap_or_default()
}

#[test]
fn a_block_is_found_by_its_first_line_and_filled() {
    let text = "before\n```vector\nping / one\n```\nafter\n";
    let vector = Vector { kind: "ping", name: "one", says: "number 1", bytes: vec![0, 1], target: None };
    let written = write(text, &[vector]);
    assert_eq!(written, "before\n```vector\nping / one\nnumber 1\n0001\n```\nafter\n");
    assert_eq!(
        read(&written),
        BTreeMap::from([("ping / one".into(), "ping / one\nnumber 1\n0001\n".into())])
    );
}
