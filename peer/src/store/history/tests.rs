use std::fs;
use std::path::Path;

use hobnob_wire::bounded::Text;
use hobnob_wire::letter::{Edit, LetterBody, LetterRef, TextBody, Words};

use super::*;
use crate::core::chat::change::{Change, Stamp};
use crate::core::chat::store::ChatStore;
use crate::core::history::query::parse;
use crate::core::letters::store::{LetterStore, OutboxStore};
use crate::core::view::LetterState;
use crate::store::Database;

const DAY_MS: u64 = 86_400_000;
const NOW: u64 = 20_000 * DAY_MS;

fn own() -> Address {
    "alice@a".parse().unwrap()
}

fn address(name: &str) -> Address {
    Address::parse(name, &own().domain()).unwrap()
}

fn id(number: u16) -> LetterId {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    LetterId::new(bytes)
}

/// A letter of somebody's to alice, written `age` days ago.
fn letter(number: u16, from: &str, text: &str, age: u64) -> StoredLetter {
    let words = Words { text: Text::new(text).unwrap(), ..Words::default() };
    let body = LetterBody::Text(TextBody { words, ..TextBody::default() });
    let (kind, body) = body.encode().unwrap();
    StoredLetter {
        id: id(number),
        author: address(from),
        to: own(),
        chat: address(from),
        at_unix_ms: NOW - age * DAY_MS,
        received_unix_ms: NOW,
        kind,
        body,
        thread: None,
        expires: None,
        state: LetterState::Delivered,
        error: None,
    }
}

fn database(letters: &[StoredLetter]) -> Database {
    let mut database = Database::in_memory().unwrap();
    let mut tx = database.begin().unwrap();
    letters.iter().for_each(|letter| tx.add_letter(letter).unwrap());
    tx.commit().unwrap();
    database
}

fn numbers(letters: &[StoredLetter]) -> Vec<u16> {
    letters
        .iter()
        .map(|letter| u16::from_be_bytes([letter.id.as_bytes()[0], letter.id.as_bytes()[1]]))
        .collect()
}

fn found(tx: &mut Tx<'_>, query: &str) -> Vec<u16> {
    let query = parse(query, &own(), NOW).unwrap();
    let found = tx.search(&query, None, 100).unwrap();
    numbers(&found.into_iter().map(|(_, letter)| letter).collect::<Vec<_>>())
}

#[test]
fn letters_are_found_by_words_people_and_times() {
    let mut database = database(&[
        letter(1, "bob", "Grüße aus Köln", 30),
        letter(2, "carol", "the big house", 20),
        letter(3, "bob", "a house that is big, see https://example.org", 10),
        letter(4, "bob", "新しい東京の家", 5),
        letter(5, "bob", "Съешь ещё этих булок 👍", 0),
    ]);
    let mut tx = database.begin().unwrap();
    for (query, expected) in [
        ("grusse", vec![1]),
        ("house big", vec![3, 2]),
        ("\"big house\"", vec![2]),
        ("house -from:carol", vec![3]),
        ("from:bob", vec![5, 4, 3, 1]),
        ("in:carol", vec![2]),
        ("has:link", vec![3]),
        ("-has:link -from:carol", vec![5, 4, 1]),
        ("hou*", vec![3, 2]),
        ("hou", vec![]),
        ("東京", vec![4]),
        ("家", vec![4]),
        ("еще", vec![5]),
        ("👍", vec![5]),
        ("after:7d", vec![5, 4]),
        ("after:25d before:6d", vec![3, 2]),
        ("house before:15d", vec![2]),
        ("house after:1d", vec![]),
        ("a OR b", vec![]),
        ("said:house", vec![]),
        ("any", vec![]),
    ] {
        assert_eq!(found(&mut tx, query), expected, "{query}");
    }
}

#[test]
fn a_search_goes_on_where_it_ended() {
    let letters: Vec<_> = (0..50).map(|number| letter(number, "bob", "hello", 0)).collect();
    let mut database = database(&letters);
    let mut tx = database.begin().unwrap();
    let query = parse("hello", &own(), NOW).unwrap();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = tx.search(&query, before, 7).unwrap();
        let Some((place, _)) = page.last() else { break };
        before = Some(*place);
        seen.extend(numbers(&page.into_iter().map(|(_, letter)| letter).collect::<Vec<_>>()));
    }
    assert_eq!(seen, (0..50).rev().collect::<Vec<_>>());
}

fn edit(of: u16, at: u64, text: &str) -> Change {
    let words = Words { text: Text::new(text).unwrap(), ..Words::default() };
    let body = LetterBody::Edit(Edit { letter: id(of), words });
    Change::of(&address("bob"), &address("bob"), Stamp::new(at, id(100)), &body).unwrap()
}

#[test]
fn a_letter_is_found_by_what_it_says_now() {
    let mut database = database(&[letter(1, "bob", "first words", 0)]);
    let mut tx = database.begin().unwrap();
    tx.put_change(&edit(1, 1, "second thoughts"), false).unwrap();
    assert_eq!((found(&mut tx, "first"), found(&mut tx, "second")), (vec![], vec![1]));
    tx.put_change(&edit(1, 2, "third thoughts"), false).unwrap();
    assert_eq!((found(&mut tx, "second"), found(&mut tx, "third from:bob")), (vec![], vec![1]));
    let name = LetterRef { author: address("bob"), id: id(1) };
    tx.erase(&name, true).unwrap();
    assert_eq!((found(&mut tx, "third"), found(&mut tx, "from:bob")), (vec![], vec![]));
    tx.remove_letter(&address("bob"), id(1)).unwrap();
    check(&tx);

    // An edit may come before its letter.
    tx.put_change(&edit(2, 1, "what counts"), true).unwrap();
    tx.add_letter(&letter(2, "bob", "what does not", 0)).unwrap();
    tx.settle_changes(&address("bob"), &LetterRef { author: address("bob"), id: id(2) }).unwrap();
    assert_eq!((found(&mut tx, "not"), found(&mut tx, "counts")), (vec![], vec![2]));
}

#[test]
fn pages_go_both_ways_around_and_by_date() {
    let letters: Vec<_> = (0..10).map(|number| letter(number, "bob", "x", 9 - u64::from(number))).collect();
    let mut database = database(&letters);
    let mut tx = database.begin().unwrap();
    tx.add_letter(&letter(10, "carol", "elsewhere", 0)).unwrap();
    let mut page = |page| tx.page(&address("bob"), page, 4).unwrap().map(|found| numbers(&found));
    assert_eq!(page(Page::Newest), Some(vec![6, 7, 8, 9]));
    assert_eq!(page(Page::Before(id(6))), Some(vec![2, 3, 4, 5]));
    assert_eq!(page(Page::Before(id(0))), Some(vec![]));
    assert_eq!(page(Page::After(id(7))), Some(vec![8, 9]));
    assert_eq!(page(Page::Around(id(5))), Some(vec![3, 4, 5, 6]));
    assert_eq!(page(Page::Since(0)), Some(vec![0, 1, 2, 3]));
    assert_eq!(page(Page::Since(NOW - 3 * DAY_MS)), Some(vec![6, 7, 8, 9]));
    assert_eq!(page(Page::Since(NOW + DAY_MS)), Some(vec![]));
    assert_eq!(page(Page::After(id(10))), None);
    assert_eq!(tx.holdings().unwrap(), [(address("bob"), 10), (address("carol"), 1)]);
}

#[test]
fn what_is_old_is_forgotten_in_one_chat_or_all_but_not_what_waits_to_be_sent() {
    let mut waiting = letter(3, "bob", "not sent", 40);
    waiting.author = own();
    let mut database = database(&[letter(1, "bob", "old", 31), letter(2, "carol", "old", 50), waiting]);
    let mut tx = database.begin().unwrap();
    tx.add_letter(&letter(4, "bob", "young", 1)).unwrap();
    tx.add_copies(id(3), &address("bob"), &[hobnob_wire::DeviceId::new([9; 16])]).unwrap();
    let before = Some(NOW - 30 * DAY_MS);
    let of_bob = Forgetting { chat: Some(address("bob")), before };
    assert_eq!(tx.forgettable(&of_bob).unwrap(), 1);
    assert_eq!(tx.forget(&of_bob, 10).unwrap(), 1);
    assert_eq!(found(&mut tx, "after:1970"), [4, 3, 2]);
    assert_eq!(tx.forget(&Forgetting { chat: None, before }, 10).unwrap(), 1);
    assert_eq!(tx.forget(&Forgetting::default(), 10).unwrap(), 1);
    assert_eq!(found(&mut tx, "after:1970"), [3]);
    check(&tx);
}

#[test]
fn nothing_of_what_is_forgotten_stays_on_the_disk() {
    let home = tempfile::tempdir().unwrap();
    let mut database = Database::open(home.path()).unwrap();
    let mut tx = database.begin().unwrap();
    // Enough words for an index of several levels.
    for number in 0..3_000 {
        let text = format!("word{number:05} zebra{:05} canary{} common", number * 7 % 3_000, number % 10);
        tx.add_letter(&letter(number, "bob", &text, 0)).unwrap();
    }
    tx.commit().unwrap();
    assert!(on_disk(home.path(), b"zebra00"), "the test can see words");

    let mut tx = database.begin().unwrap();
    let mut forgotten = 0;
    loop {
        let count = tx.forget(&Forgetting::default(), 500).unwrap();
        forgotten += count;
        if count < 500 {
            break;
        }
    }
    assert_eq!(forgotten, 3_000);
    tx.commit().unwrap();
    for word in ["zebra", "canary", "word0", "word1", "word2"] {
        assert!(!on_disk(home.path(), word.as_bytes()), "{word}");
    }
}

#[test]
fn letters_that_are_carried_stand_before_all_others_in_their_order_and_once() {
    let letters: Vec<_> = (0..6).map(|number| letter(number, "bob", "x", 0)).collect();
    let mut there = database(&letters);
    let mut here = database(&letters[4..]);
    let mut there = there.begin().unwrap();
    let mut here = here.begin().unwrap();
    let mut added = 0;
    let mut before = None;
    loop {
        let records = there.records(None, before, 2).unwrap();
        let Some((place, _)) = records.last() else { break };
        before = Some(*place);
        for (_, letter) in &records {
            added += u32::from(here.put_first(letter).unwrap());
        }
    }
    assert_eq!(added, 4);
    let page = here.page(&address("bob"), Page::Newest, 100).unwrap().unwrap();
    assert_eq!(numbers(&page), [0, 1, 2, 3, 4, 5]);
    assert_eq!(found(&mut here, "x"), [5, 4, 3, 2, 1, 0]);
}

/// The index hangs together.
fn check(tx: &Tx<'_>) {
    tx.transaction.execute("INSERT INTO words (words) VALUES ('integrity-check')", []).unwrap();
}

fn on_disk(folder: &Path, words: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(words.len()).any(|window| window == words)
    })
}
