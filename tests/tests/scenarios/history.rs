//! History: found, paged, forgotten, written to files and brought back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hobnob_tests::content::write_file;
use hobnob_tests::person::{Person, text};
use hobnob_tests::world::World;
use serde_json::Value;

/// Writes letters to somebody and waits until all are there.
fn write(from: &Person, to: &Person, letters: &[&str]) -> Vec<String> {
    let id = |words: &&str| {
        let sent = from.ask(["send", "--wait", "delivered", "--timeout", "60", to.name(), "--", words]);
        sent[0]["id"].as_str().unwrap().to_owned()
    };
    letters.iter().map(id).collect()
}

fn texts(letters: &[Value]) -> Vec<&str> {
    letters.iter().map(|letter| letter["text"].as_str().unwrap()).collect()
}

/// The words of the letters that a search finds.
fn found(person: &Person, query: &[&str]) -> Vec<String> {
    let lines = person.ask(["history", "search"].iter().chain(query));
    lines.iter().map(|line| line["letter"]["text"].as_str().unwrap().to_owned()).collect()
}

/// Whether some file below a folder holds these bytes.
fn on_disk(folder: &Path, wanted: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return on_disk(&path, wanted);
        }
        let bytes = fs::read(&path).unwrap_or_default();
        bytes.windows(wanted.len()).any(|window| window == wanted.as_bytes())
    })
}

#[test]
fn x13_letters_of_any_language_are_found_by_words_phrases_people_chats_and_times() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    write(&alice, &bob, &["Grüße aus Köln", "the big house", "see https://example.org"]);
    write(&bob, &alice, &["明日は東京に行く", "Съешь ещё булок 👍", "a house that is big"]);
    alice.until_letters(&bob, 6);
    for (query, expected) in [
        (["GRUSSE"].as_slice(), ["Grüße aus Köln"].as_slice()),
        (&["big", "house"], &["a house that is big", "the big house"]),
        (&["big house"], &["a house that is big", "the big house"]),
        (&["\"big house\""], &["the big house"]),
        (&["--", "house", "-from:me"], &["a house that is big"]),
        (&["house", "from:bob"], &["a house that is big"]),
        (&["has:link", "in:bob"], &["see https://example.org"]),
        (&["東京"], &["明日は東京に行く"]),
        (&["еще"], &["Съешь ещё булок 👍"]),
        (&["👍", "after:1d"], &["Съешь ещё булок 👍"]),
        (&["house", "before:2020"], &[]),
    ] {
        assert_eq!(found(&alice, query), expected, "{query:?}");
    }

    let line = &alice.ask(["history", "search", "koln"])[0];
    assert_eq!(line["snippet"]["text"], "Grüße aus Köln");
    assert_eq!(line["snippet"]["marks"], serde_json::json!([[10, 4]]));
    assert_eq!(line["chat"], "bob@localhost");
    let first = alice.ask(["history", "search", "house", "--limit", "1"]);
    let place = first[0]["place"].to_string();
    assert_eq!(found(&alice, &["house", "--before", &place]), ["the big house"]);

    assert!(alice.run(["history", "search", "before:soon"]).refusal(2).contains("2026-11-21"));
    assert!(alice.run(["history", "search", "\"open"]).refusal(2).contains("not closed"));
}

#[test]
fn hi3_a_chat_is_paged_both_ways_around_a_letter_and_by_date() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let ids = write(&alice, &bob, &["0", "1", "2", "3", "4", "5"]);
    let page = |args: &[&str]| {
        let lines = alice.ask(["history", "bob", "--limit", "3"].iter().chain(args));
        texts(&lines).join("")
    };
    assert_eq!(page(&[]), "345");
    assert_eq!(page(&["--before", &ids[3]]), "012");
    assert_eq!(page(&["--after", &ids[0]]), "123");
    assert_eq!(page(&["--around", &ids[2]]), "123");
    assert_eq!(page(&["--since", "1d"]), "012");
    let nowhere = ["history", "bob", "--after", "aaaaaaaaaaaaaaaaaaaaaaaaaa"];
    alice.run(nowhere).refusal(3);
    let counted = alice.ask(["history", "count", "bob"]);
    assert_eq!(counted, [serde_json::json!({ "address": "bob@localhost", "letters": 6 })]);
}

#[test]
fn hi4_what_is_cleared_is_gone_from_the_chat_the_search_and_the_disk() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    write(&alice, &bob, &["zebracanary one", "zebracanary two"]);
    assert!(on_disk(alice.home(), "zebracanary"));
    alice.run(["history", "clear", "bob"]).refusal(2);
    assert_eq!(alice.ask(["history", "clear", "bob", "--dry-run"])[0]["letters"], 2);
    assert_eq!(alice.ask(["history", "clear", "bob", "--older-than", "1d", "--yes"])[0]["letters"], 0);
    assert_eq!(alice.ask(["history", "clear", "--all", "--yes"])[0]["letters"], 2);
    assert_eq!(alice.ask(["history", "bob"]), Vec::<Value>::new());
    assert_eq!(found(&alice, &["zebracanary"]), Vec::<String>::new());
    assert!(!on_disk(alice.home(), "zebracanary"));
    assert_eq!(found(&bob, &["zebracanary"]).len(), 2, "others keep what they have");

    write(&alice, &bob, &["life goes on"]);
    assert_eq!(found(&alice, &["life"]), ["life goes on"]);
    alice.run(["config", "set", "history.keep_days", "soon"]).refusal(2);
    alice.tell(["config", "set", "history.keep_days", "30"]);
    assert_eq!(found(&alice, &["life"]), ["life goes on"]);
}

#[test]
fn hi2_a_chat_is_written_as_html_rtf_text_and_markdown_with_its_files() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    write(&alice, &bob, &["<script>alert(1)</script>", "Grüße"]);
    let (file, into) = (world.path("picture.png"), world.new_folder("arrived"));
    write_file(&file, 1_000, 1);
    let id = bob.offer(&alice, &[&file], &[]);
    alice.accept(&id, &into);
    alice.until_state(&id, "done");
    let out = world.new_folder("out");
    for (name, wanted) in [
        ("bob.html", ["&lt;script&gt;", "Grüße", "picture.png"]),
        ("bob.rtf", ["<script>", "Gr\\u252?\\u223?e", "picture.png"]),
        ("bob.txt", ["<script>", "Grüße", "picture.png"]),
        ("bob.md", ["\\<script\\>", "Grüße", "picture.png"]),
    ] {
        let path = out.join(name);
        let done = &alice.ask(["history", "export", "bob", "--to", text(&path)])[0];
        assert_eq!(done, &serde_json::json!({ "letters": 2, "files": 1 }));
        let written = fs::read_to_string(&path).unwrap();
        for part in wanted {
            assert!(written.contains(part), "{name}: {part} in {written}");
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        alice.run(["history", "export", "bob", "--to", text(&path)]).refusal(7);
    }
    let page = out.join("page.html");
    alice.tell(["history", "export", "--all", "--with-files", "--to", text(&page)]);
    let copy = out.join("page.html.files").join(&id).join("picture.png");
    assert_eq!(fs::read(copy).unwrap(), fs::read(&file).unwrap());
    let href = format!("<a href=\"page.html.files/{id}/picture.png\">");
    assert!(fs::read_to_string(&page).unwrap().contains(&href));
    let nothing = out.join("carol.txt");
    alice.run(["history", "export", "carol", "--to", text(&nothing)]).refusal(3);
    assert!(!nothing.exists(), "what failed leaves no file");
}

#[test]
fn x31_what_was_exported_is_imported_once_and_in_its_order() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    write(&alice, &bob, &["one", "two"]);
    write(&bob, &alice, &["drei", "vier"]);
    alice.until_letters(&bob, 4);
    let file = world.path("all.json");
    let done = &alice.ask(["history", "export", "--all", "--to", text(&file)])[0];
    assert_eq!(done["letters"], 4);
    let written = fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["hobnob_history"], 1);
    assert_eq!(lines[0]["account"], "alice@localhost");
    assert_eq!(lines[1]["text"], "vier", "the newest comes first");
    assert_eq!(lines[5], serde_json::json!({ "letters": 4, "files": 0 }));

    let again = alice.ask(["history", "import", text(&file)]);
    assert_eq!(again[0], serde_json::json!({ "added": 0, "known": 4, "refused": 0 }));
    alice.tell(["history", "clear", "--all", "--yes"]);
    write(&alice, &bob, &["five"]);
    let back = alice.ask(["history", "import", text(&file)]);
    assert_eq!(back[0], serde_json::json!({ "added": 4, "known": 0, "refused": 0 }));
    assert_eq!(texts(&alice.until_letters(&bob, 5)), ["one", "two", "drei", "vier", "five"]);
    assert_eq!(found(&alice, &["drei"]), ["drei"]);

    assert!(bob.run(["history", "import", text(&file)]).refusal(7).contains("another account"));
    let broken = world.path("broken.json");
    let damaged = written.replace("\"kind\":1", "\"kind\":2");
    fs::write(&broken, damaged.lines().take(4).collect::<Vec<_>>().join("\n")).unwrap();
    let taken = alice.ask(["history", "import", text(&broken)]);
    assert_eq!(taken[0], serde_json::json!({ "added": 0, "known": 0, "refused": 3 }));
    alice.run(["history", "import", text(&world.path("nowhere"))]).refusal(3);
}

#[test]
fn hi1_history_is_found_again_after_a_restart() {
    let world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    write(&alice, &bob, &["kept for good"]);
    alice.kill();
    alice.up();
    assert_eq!(found(&alice, &["\"for good\""]), ["kept for good"]);
    assert_eq!(texts(&alice.until_letters(&bob, 1)), ["kept for good"]);
}
