//! Replays the test vectors of `docs/src/protocol.md`.
//!
//! Each example here is a value and what the page says about it. It must encode to exactly the bytes on
//! the page, and those must decode to exactly that value. Every variant of every message has an example;
//! a new one does not compile, or does not pass, without. After a deliberate change of the protocol
//! `VECTORS=write cargo test -p hobnob-tests --test vectors` writes the bytes to the page and to the
//! corpora of the fuzz targets.

#![allow(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

#[path = "vectors/crypto.rs"]
mod crypto;
#[path = "vectors/datagram.rs"]
mod datagram;
#[path = "vectors/example.rs"]
mod example;
#[path = "vectors/letter.rs"]
mod letter;
#[path = "vectors/link.rs"]
mod link;
#[path = "vectors/overlay.rs"]
mod overlay;
#[path = "vectors/page.rs"]
mod page;
#[path = "vectors/people.rs"]
mod people;
#[path = "vectors/session.rs"]
mod session;
#[path = "vectors/tables.rs"]
mod tables;

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

use example::Vector;

/// All vectors, from the frames of a session to the keys of a link.
fn vectors() -> Vec<Vector> {
    let peers = [link::vectors(), letter::vectors(), crypto::vectors(), overlay::vectors()].concat();
    [session::vectors(), datagram::vectors(), peers].concat()
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests crate is in the repository")
}

#[test]
fn the_page_shows_what_the_code_does() {
    let path = repository().join("docs/src/protocol.md");
    let text = fs::read_to_string(&path).unwrap();
    let vectors = vectors();
    if env::var_os("VECTORS").is_some_and(|mode| mode == "write") {
        fs::write(&path, page::write(&text, &vectors)).unwrap();
        return;
    }
    let mut shown = page::read(&text);
    for vector in &vectors {
        let expected = vector.block();
        let found = shown.remove(&vector.title()).unwrap_or_default();
        assert_eq!(found, expected, "write this block into {}:\n{expected}", path.display());
    }
    assert_eq!(shown, BTreeMap::new(), "the page shows vectors of which the code knows nothing");
}

#[test]
fn every_frame_on_the_page_is_a_seed_of_its_fuzz_target() {
    let write = env::var_os("VECTORS").is_some_and(|mode| mode == "write");
    for vector in vectors() {
        let Some(target) = vector.target else { continue };
        let folder = repository().join("fuzz/corpus").join(target);
        let path = folder.join(vector.title().replace(" / ", "-").replace(' ', "-"));
        if write {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &vector.bytes).unwrap();
        }
        assert_eq!(
            fs::read(&path).unwrap_or_default(),
            vector.bytes,
            "{} must hold the vector",
            path.display()
        );
    }
}
