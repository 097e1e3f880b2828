//! What letters do to each other, in whatever order they come and whoever writes them.

use std::time::Duration;

use hobnob_wire::bounded::{List, Text};
use hobnob_wire::letter::{Delete, Edit, LetterBody, LetterRef, OwnSync, Reaction, TextBody, Vote, Words};
use hobnob_wire::{Address, LetterId};
use proptest::prelude::*;

use crate::core::chat::command::{ChatCommand, ChatReply, Saying};
use crate::core::chat::view::{ChatView, LetterKind, LetterView};
use crate::core::command::{Command, Reply};
use crate::core::event::Event;
use crate::core::input::Input;
use crate::core::letters::store::{LetterStore, OutboxStore, StoredLetter};
use crate::core::testing::World;
use crate::core::view::LetterState;

const SECOND: Duration = Duration::from_secs(1);

/// What a device says that keeps to no rule: any letter, under any identifier, for the devices of anybody.
struct Raw {
    id: u8,
    at_unix_ms: u64,
    /// What the inside says it is to.
    to: Address,
    kind: u16,
    body: Vec<u8>,
}

fn id(number: u8) -> LetterId {
    LetterId::new([number; 16])
}

fn raw(number: u8, to: &Address, body: &LetterBody) -> Raw {
    let (kind, body) = body.encode().unwrap();
    Raw { id: number, at_unix_ms: 1_700_000_000_000 + u64::from(number), to: to.clone(), kind, body }
}

fn say(world: &mut World, from: usize, to: usize, letter: Raw) {
    let author = world.nodes[from].address.clone();
    let (addressee, device) = world.who(to);
    let mut tx = world.nodes[from].database.begin().unwrap();
    tx.add_letter(&StoredLetter {
        id: id(letter.id),
        author,
        chat: letter.to.clone(),
        to: letter.to,
        at_unix_ms: letter.at_unix_ms,
        received_unix_ms: 0,
        kind: letter.kind,
        body: letter.body,
        thread: None,
        expires: None,
        state: LetterState::Queued,
        error: None,
    })
    .unwrap();
    tx.add_copies(id(letter.id), &addressee, &[device]).unwrap();
    tx.commit().unwrap();
    world.input(from, Input::Tick);
    world.run(SECOND);
}

fn words(text: &str) -> Words {
    Words { text: Text::new(text).unwrap(), ..Words::default() }
}

fn text(said: &str) -> LetterBody {
    LetterBody::Text(TextBody { words: words(said), ..TextBody::default() })
}

fn letter(world: &mut World, node: usize, with: usize, number: u8) -> LetterView {
    world.history(node, with).into_iter().find(|letter| letter.id == id(number)).unwrap()
}

fn chat(world: &mut World, node: usize, with: usize) -> ChatView {
    let with = world.nodes[with].address.clone();
    let reply = world.ask(node, Command::Chat(ChatCommand::Show { with })).unwrap();
    let Reply::Chat(ChatReply::Chats(mut chats)) = reply else { panic!("{reply:?}") };
    chats.remove(0)
}

#[test]
fn a_forged_edit_or_deletion_of_somebody_elses_letter_shows_nothing() {
    let mut world = World::of_two(40);
    let mine = world.send(0, 1, "what I said");
    world.run(SECOND);
    let alice = world.nodes[0].address.clone();
    say(&mut world, 1, 0, raw(1, &alice, &LetterBody::Edit(Edit { letter: mine, words: words("forged") })));
    say(&mut world, 1, 0, raw(2, &alice, &LetterBody::Delete(Delete { letter: mine })));
    let shown = world.history(0, 1);
    assert_eq!(shown.len(), 1);
    assert_eq!(
        (shown[0].text.as_str(), shown[0].deleted, &shown[0].edited_at),
        ("what I said", false, &None)
    );
    let changed = |event: &Event| matches!(event, Event::LetterChanged { .. });
    assert!(!world.nodes[0].events.iter().any(changed));
}

#[test]
fn what_only_own_devices_may_say_means_nothing_from_anybody_else() {
    let mut world = World::of_two(41);
    let (alice, bob) = (world.nodes[0].address.clone(), world.nodes[1].address.clone());
    world.send(1, 0, "unread");
    world.run(SECOND);
    let unread = world.history(0, 1)[0].id;
    let draft = OwnSync::Draft { chat: bob.clone(), text: Text::new("planted").unwrap() };
    let read = OwnSync::Read { chat: bob, letters: List::new(vec![unread]).unwrap() };
    say(&mut world, 1, 0, raw(1, &alice, &LetterBody::OwnSync(draft)));
    say(&mut world, 1, 0, raw(2, &alice, &LetterBody::OwnSync(read)));
    let shown = chat(&mut world, 0, 1);
    assert_eq!((shown.draft.as_str(), shown.unread), ("", 1));
    assert_eq!(world.words(0, 1), ["unread"]);
}

#[test]
fn a_forged_copy_shows_nothing_in_the_chat_that_it_names() {
    let mut world = World::of_two(42);
    let carol = world.register("carol");
    world.connect(carol);
    world.befriend(0, carol);
    let to_carol = world.nodes[carol].address.clone();
    // As if it were what Alice's other device had sent.
    say(&mut world, 1, 0, raw(1, &to_carol, &text("forged")));
    for with in [0, 1, carol] {
        assert_eq!(world.words(0, with), [""; 0], "{with}");
    }
    assert!(world.nodes[0].events.iter().any(|event| matches!(event, Event::Warning { .. })));
}

#[test]
fn a_kind_of_the_future_is_kept_and_shown_as_such() {
    let mut world = World::of_two(43);
    let alice = world.nodes[0].address.clone();
    let future = Raw { id: 1, at_unix_ms: 1_700_000_000_000, to: alice, kind: 999, body: vec![1, 2, 3] };
    say(&mut world, 1, 0, future);
    let shown = letter(&mut world, 0, 1, 1);
    assert_eq!((shown.kind, shown.unknown_kind, shown.text.as_str()), (LetterKind::Unknown, Some(999), ""));
    assert_eq!(chat(&mut world, 0, 1).unread, 1);
    let mut tx = world.nodes[0].database.begin().unwrap();
    assert_eq!(tx.any_letter(id(1)).unwrap().unwrap().body, [1, 2, 3], "a newer version will read it");
}

#[test]
fn a_deletion_that_comes_first_keeps_the_words_from_ever_being_kept() {
    let mut world = World::of_two(44);
    let alice = world.nodes[0].address.clone();
    say(&mut world, 1, 0, raw(2, &alice, &LetterBody::Delete(Delete { letter: id(1) })));
    say(&mut world, 1, 0, raw(1, &alice, &text("never")));
    let shown = letter(&mut world, 0, 1, 1);
    assert_eq!((shown.deleted, shown.text.as_str()), (true, ""));
    let mut tx = world.nodes[0].database.begin().unwrap();
    assert_eq!(tx.any_letter(id(1)).unwrap().unwrap().body, [0; 0]);
    drop(tx);
    assert_eq!(chat(&mut world, 0, 1).unread, 0);
}

#[test]
fn what_was_read_on_another_device_before_it_came_is_read_here() {
    let mut world = World::of_two(45);
    let tablet = world.add_device(0);
    world.connect(tablet);
    let (alice, bob) = (world.nodes[0].address.clone(), world.nodes[1].address.clone());
    let read = OwnSync::Read { chat: bob, letters: List::new(vec![id(1)]).unwrap() };
    say(&mut world, tablet, 0, raw(9, &alice, &LetterBody::OwnSync(read)));
    say(&mut world, 1, 0, raw(1, &alice, &text("read elsewhere")));
    assert_eq!(letter(&mut world, 0, 1, 1).state, LetterState::Read);
    assert_eq!(chat(&mut world, 0, 1).unread, 0);
}

#[test]
fn a_scheduled_letter_is_sent_once_although_the_app_dies_at_any_moment_around() {
    for moment in 0..12u32 {
        let mut world = World::of_two(46);
        let to = world.nodes[1].address.clone();
        let due_unix_ms = Some(1_700_000_000_000 + u64::try_from(world.now.as_millis()).unwrap() + 3_600_000);
        let what = Saying::plain("later");
        world.ask(0, Command::Chat(ChatCommand::Write { to, what, due_unix_ms })).unwrap();
        world.run(3_600 * SECOND - Duration::from_millis(60) + Duration::from_millis(10) * moment);
        world.kill(0);
        world.run(5 * SECOND);
        world.start(0);
        world.connect(0);
        world.run(20 * SECOND);
        assert_eq!(world.words(1, 0), ["later"], "moment {moment}");
        assert_eq!(world.words(0, 1), ["later"], "moment {moment}");
    }
}

/// A letter of Bob's, and what he and Alice say about it.
fn about_it(alice: &Address, bob: &Address) -> Vec<(usize, Raw)> {
    let it = LetterRef { author: bob.clone(), id: id(1) };
    let react = |text: &str| {
        LetterBody::Reaction(Reaction { letter: it.clone(), reaction: Text::new(text).unwrap() })
    };
    let edit = |text: &str| LetterBody::Edit(Edit { letter: id(1), words: words(text) });
    let vote = LetterBody::Vote(Vote { poll: it.clone(), choices: List::default() });
    vec![
        (1, raw(1, alice, &text("first"))),
        (1, raw(2, alice, &edit("second"))),
        (1, raw(3, alice, &edit("third"))),
        (1, raw(4, alice, &react("👍"))),
        (1, raw(5, alice, &react("🎉"))),
        (1, raw(6, alice, &vote)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_order_letters_come_in_the_same_is_shown(
        order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle(),
        deletes_after in 0..12_usize,
    ) {
        let mut world = World::of_two(47);
        let (alice, bob) = (world.nodes[0].address.clone(), world.nodes[1].address.clone());
        let mut letters: Vec<Option<(usize, Raw)>> = about_it(&alice, &bob).into_iter().map(Some).collect();
        for (step, place) in order.iter().enumerate() {
            if step == deletes_after {
                say(&mut world, 1, 0, raw(9, &alice, &LetterBody::Delete(Delete { letter: id(1) })));
            }
            let (from, letter) = letters[*place].take().unwrap();
            say(&mut world, from, 0, letter);
        }
        let shown = letter(&mut world, 0, 1, 1);
        if deletes_after < order.len() {
            prop_assert_eq!((shown.deleted, shown.text.as_str(), shown.reactions.len()), (true, "", 0));
        } else {
            prop_assert_eq!((shown.text.as_str(), shown.edited_at.is_some()), ("third", true));
            prop_assert_eq!(shown.reactions.len(), 1);
            prop_assert_eq!(shown.reactions[0].reaction.as_str(), "🎉");
        }
        prop_assert_eq!(world.history(0, 1).len(), 1);
    }
}
