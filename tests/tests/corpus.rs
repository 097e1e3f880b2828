//! Replays the corpora of the fuzz targets on a stable compiler: see `fuzz/src/lib.rs`.

#![allow(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

#[path = "../../fuzz/src/lib.rs"]
pub mod properties;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests crate is in the repository").join("fuzz")
}

/// Names of the entries of a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_input_of_the_corpora_keeps_its_property() {
    for (target, property) in properties::TARGETS {
        let folder = fuzz().join("corpus").join(target);
        for name in names(&folder) {
            let bytes = fs::read(folder.join(&name)).unwrap();
            // Also what remains of it when a connection breaks in between.
            property(&bytes[..bytes.len() / 2]);
            property(&bytes);
        }
        property(b"");
    }
}

#[test]
fn every_property_is_a_fuzz_target_with_a_small_corpus() {
    let targets: BTreeSet<String> = properties::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&fuzz().join("corpus")), targets);
    let programs = names(&fuzz().join("fuzz_targets"));
    assert_eq!(
        programs.iter().map(|name| name.trim_end_matches(".rs").to_owned()).collect::<BTreeSet<_>>(),
        targets
    );
    let manifest: toml::Table = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap().parse().unwrap();
    let built =
        manifest["bin"].as_array().unwrap().iter().map(|bin| bin["name"].as_str().unwrap().to_owned());
    assert_eq!(built.collect::<BTreeSet<_>>(), targets);
    for target in &targets {
        let inputs = names(&fuzz().join("corpus").join(target)).len();
        assert!((3..=60).contains(&inputs), "{target} has {inputs} inputs");
    }
}
