//! Text in any language, and text that would deceive.

use hobnob_tests::world::World;

/// Greetings, scripts from right to left, emoji made of several characters, and what breaks careless programs.
const TEXTS: [&str; 10] = [
    "Grüße, señor Łukasz!",
    "Съешь ещё этих мягких французских булок",
    "日本語のテキスト、简体字、한국어",
    "שלום עולם, مرحبا بالعالم 123",
    "हिन्दी में नमस्ते, ไทย, አማርኛ",
    "👩‍👩‍👧‍👦🏳️‍🌈🇩🇪 family, flag, country",
    "first line\nsecond line\n\tindented",
    "-- \"quotes\" 'and' \\backslashes\\ {\"json\":true} <b>html</b>",
    "--looks-like-an-option",
    " spaces before and after ",
];

#[test]
fn text_of_any_language_arrives_as_it_was_written() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    for text in TEXTS {
        alice.tell(["send", "--wait", "delivered", "--timeout", "60", "bob", "--", text]);
    }
    let letters = bob.until_letters(&alice, TEXTS.len());
    let arrived: Vec<&str> = letters.iter().map(|letter| letter["text"].as_str().unwrap()).collect();
    assert_eq!(arrived, TEXTS);
}

#[test]
fn text_is_kept_in_normalization_form_c() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    alice.tell(["send", "bob", "Cafe\u{301} A\u{30a}"]);
    assert_eq!(bob.until_letters(&alice, 1)[0]["text"], "Café Å");
}

#[test]
fn a_letter_cannot_disguise_what_a_terminal_shows() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let trick = "pay \u{202e}001\u{202c} \u{2066}to me \u{1b}[2J\u{1b}]0;owned\u{7} \u{9b}31m \r overwritten \u{8}\u{7f}";
    alice.tell(["send", "bob", trick]);
    assert_eq!(bob.until_letters(&alice, 1)[0]["text"], trick, "programs get the words themselves");

    let shown = bob.read(&["history", "alice"]);
    assert!(shown.contains("pay") && shown.contains("001"), "{shown:?}");
    let harmful = |mark: char| {
        (mark.is_control() && mark != '\n')
            || matches!(mark, '\u{202a}'..='\u{202e}' | '\u{2066}' | '\u{2067}' | '\u{200e}' | '\u{200f}')
    };
    let found: Vec<char> = shown.chars().filter(|mark| harmful(*mark)).collect();
    assert!(found.is_empty(), "{found:?} in {shown:?}");
    let count = |wanted: char| shown.chars().filter(|mark| *mark == wanted).count();
    assert_eq!(count('\u{2068}'), count('\u{2069}'), "each isolate is closed: {shown:?}");
}
