//! Only some of the files of an offer are taken.

use std::fs;
use std::path::Path;

use hobnob_tests::content::{assert_same_file, write_folder};
use hobnob_tests::person::text;
use hobnob_tests::world::World;
use serde_json::json;

#[test]
fn ft8_some_of_the_files_are_accepted_and_both_sides_see_how_many_also_after_a_kill() {
    let world = World::new();
    let (mut alice, mut bob) = world.friends("alice", "bob");
    let (album, into) = (world.path("album"), world.new_folder("arrived"));
    write_folder(&album, 1);
    let id = alice.offer(&bob, &[&album], &["--limit", "1MiB"]);
    bob.until_transfer(&id, "an offer", |_| true);
    bob.run(["file", "accept", &id, "--only", ""]).refusal(2);
    let words =
        ["file", "accept", &id, "--to", text(&into), "--only", "photos", "*.SH", "--except", "写真.*"];
    bob.tell(words);
    bob.until_transfer(&id, "bytes that move", |view| view["done"].as_u64() > Some(0));
    alice.kill();
    bob.kill();
    alice.up();
    bob.up();
    let bytes = 3_000_017 + "#!/bin/sh\n".len() as u64;
    for person in [&alice, &bob] {
        let view = person.until_state(&id, "done");
        assert_eq!(view["chosen"], json!({"files": 2, "of": 5, "bytes": bytes}), "{view}");
        assert_eq!((&view["size"], &view["done"]), (&bytes.into(), &bytes.into()));
        assert!(person.read(&["file", "show", &id]).contains("in 2 of 5 files"));
        assert!(person.read(&["file", "list"]).contains("album (2 of 5 files)"));
    }
    let summer = "photos/2026 summer/море.jpg";
    assert_same_file(&album.join(summer), &into.join("album").join(summer));
    let names = |folder: &Path| {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&into.join("album")), ["photos", "run.sh"]);
    assert_eq!(names(&into.join("album/photos")), ["2026 summer"]);
}
