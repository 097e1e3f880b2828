//! Letters, whatever happens on the way.

use std::time::Duration;

use hobnob_wire::Refusal;
use hobnob_wire::link::LinkFrame;
use hobnob_wire::presence::Availability;

use crate::core::command::{Command, ErrorKind};
use crate::core::event::Event;
use crate::core::letters::seal::WINDOW;
use crate::core::testing::World;
use crate::core::view::LetterState::{Accepted, Delivered, Failed, Queued, Read};

const SECOND: Duration = Duration::from_secs(1);

fn letters_on_links(world: &World, node: usize) -> usize {
    let frames = world.nodes[node].frames.iter();
    frames.filter(|frame| matches!(frame, LinkFrame::Letter { .. })).count()
}

#[test]
fn letters_go_both_ways_by_the_mailbox_and_say_so() {
    let mut world = World::of_two(1);
    world.reachable = false;
    world.send(0, 1, "e\u{301}t\u{e9}");
    world.run(SECOND);
    world.send(1, 0, "summer");
    world.run(SECOND);
    assert_eq!(world.words(0, 1), ["été", "summer"]);
    assert_eq!(world.words(1, 0), ["été", "summer"]);
    let letter = world.history(0, 1).remove(0);
    assert_eq!(letter.state, Delivered);
    assert_eq!(letter.devices.len(), 1);
    assert_eq!(letter.devices[0].device, world.nodes[1].device);
    assert_eq!(letters_on_links(&world, 0), 0);
    assert_eq!(world.rendezvous.waiting(world.nodes[1].device), 0);
}

#[test]
fn once_there_is_a_link_letters_go_over_it() {
    let mut world = World::of_two(2);
    world.send(0, 1, "first");
    world.run(SECOND);
    assert_eq!(world.links(0), 1);
    let deposits = world.rendezvous.deposits.len();
    for number in 0..5 {
        world.send(0, 1, &format!("a{number}"));
        world.send(1, 0, &format!("b{number}"));
    }
    world.run(SECOND);
    assert_eq!(world.words(0, 1).len(), 11);
    assert_eq!(world.rendezvous.deposits.len(), deposits);
    assert!(world.history(0, 1).iter().all(|letter| letter.state == Delivered));
}

#[test]
fn a_letter_that_comes_on_both_routes_is_shown_once() {
    let mut world = World::of_two(3);
    world.send(0, 1, "first");
    world.run(SECOND);
    assert_eq!(world.links(0), 1);
    world.send(0, 1, "twice");
    // The letter is on its way; its acknowledgement will be lost.
    world.frames_lost = true;
    world.run(30 * SECOND);
    assert_eq!(world.words(1, 0), ["first", "twice"]);
    let shown = world.nodes[1].events.iter().filter(|event| matches!(event, Event::Letter(_))).count();
    assert_eq!(shown, 2);
    assert_eq!(world.history(0, 1)[1].state, Delivered);
}

#[test]
fn an_unacknowledged_letter_goes_to_the_mailbox_after_seven_seconds() {
    let mut world = World::of_two(4);
    world.send(0, 1, "first");
    world.run(SECOND);
    world.frames_lost = true;
    let id = world.send(0, 1, "late");
    world.run(Duration::from_millis(6_950));
    assert!(world.rendezvous.deposits.iter().all(|(letter, _)| *letter != id));
    world.run(Duration::from_millis(100));
    assert_eq!(world.rendezvous.deposits.iter().filter(|(letter, _)| *letter == id).count(), 1);
    assert_eq!(world.words(1, 0), ["first", "late"]);
}

#[test]
fn without_a_session_an_unacknowledged_letter_goes_over_its_link_again_after_seven_seconds() {
    let mut world = World::of_two(4);
    world.send(0, 1, "first");
    world.run(SECOND);
    world.disconnect(0);
    world.run(SECOND);
    world.frames_lost = true;
    world.send(0, 1, "late");
    world.run(Duration::from_millis(6_950));
    world.frames_lost = false;
    let before = letters_on_links(&world, 0);
    assert_eq!(world.words(1, 0), ["first"]);
    world.run(Duration::from_millis(100));
    assert_eq!(letters_on_links(&world, 0), before + 1);
    assert_eq!(world.words(1, 0), ["first", "late"]);
    world.run(30 * SECOND);
    assert_eq!(letters_on_links(&world, 0), before + 1);
    assert_eq!(world.history(0, 1)[1].state, Delivered);
}

#[test]
fn a_lost_link_sends_its_letters_to_the_mailbox_at_once_with_the_same_bytes() {
    let mut world = World::of_two(5);
    world.send(0, 1, "first");
    world.run(SECOND);
    world.frames_lost = true;
    let id = world.send(0, 1, "second");
    world.cut_links(0);
    world.run(SECOND);
    assert_eq!(world.words(1, 0), ["first", "second"]);
    let on_link = world.nodes[0].frames.iter().find_map(|frame| {
        let LinkFrame::Letter { letter, sealed } = frame else { return None };
        (*letter == id).then(|| sealed.as_slice().to_vec())
    });
    let (_, copies) = world.rendezvous.deposits.iter().find(|(letter, _)| *letter == id).unwrap();
    assert_eq!(on_link.as_ref(), Some(&copies[0].1));
}

#[test]
fn letters_wait_for_who_is_away_and_come_in_order() {
    let mut world = World::of_two(6);
    world.disconnect(1);
    world.run(SECOND);
    for text in ["one", "two", "three"] {
        world.send(0, 1, text);
    }
    world.run(SECOND);
    assert!(world.history(0, 1).iter().all(|letter| letter.state == Accepted));
    world.connect(1);
    assert_eq!(world.words(1, 0), ["one", "two", "three"]);
    world.run(SECOND);
    assert!(world.history(0, 1).iter().all(|letter| letter.state == Delivered));
}

#[test]
fn letters_written_without_a_session_go_when_it_is_back() {
    let mut world = World::of_two(7);
    world.disconnect(0);
    world.send(0, 1, "from the train");
    world.run(SECOND);
    assert_eq!(world.history(0, 1)[0].state, Queued);
    world.connect(0);
    world.run(SECOND);
    assert_eq!(world.words(1, 0), ["from the train"]);
}

#[test]
fn a_crash_at_any_moment_loses_no_letter_and_shows_none_twice() {
    for moment in 0..24u32 {
        for victim in [0, 1] {
            let mut world = World::of_two(8);
            world.reachable = moment % 2 == 0;
            world.send(0, 1, "before");
            world.send(0, 1, "the crash");
            world.run(Duration::from_millis(7) * moment);
            world.kill(victim);
            world.run(SECOND);
            world.start(victim);
            world.connect(victim);
            world.run(20 * SECOND);
            assert_eq!(world.words(1, 0), ["before", "the crash"], "moment {moment}, victim {victim}");
            let states: Vec<_> = world.history(0, 1).iter().map(|letter| letter.state).collect();
            assert_eq!(states, [Delivered, Delivered], "moment {moment}, victim {victim}");
        }
    }
}

#[test]
fn no_more_letters_than_the_window_are_out_unacknowledged() {
    let mut world = World::of_two(9);
    world.send(0, 1, "first");
    world.run(SECOND);
    world.disconnect(1);
    world.cut_links(1);
    world.run(SECOND);
    let texts: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    for text in &texts {
        world.send(0, 1, text);
    }
    world.run(SECOND);
    assert_eq!(world.rendezvous.waiting(world.nodes[1].device), WINDOW);
    let queued = world.history(0, 1).iter().filter(|letter| letter.state == Queued).count();
    assert_eq!(queued, 40 - WINDOW);
    world.connect(1);
    world.run(5 * SECOND);
    assert_eq!(world.words(1, 0)[1..], texts);
}

#[test]
fn the_author_learns_what_was_read() {
    let mut world = World::of_two(10);
    world.send(0, 1, "read me");
    world.run(SECOND);
    let with = world.nodes[0].address.clone();
    world.ask(1, Command::MarkRead { with }).unwrap();
    world.run(SECOND);
    assert_eq!(world.history(0, 1)[0].state, Read);
    assert_eq!(world.history(1, 0)[0].state, Read);
}

#[test]
fn every_device_of_both_sides_gets_the_letter() {
    let mut world = World::of_two(11);
    let (second_alice, second_bob) = (world.add_device(0), world.add_device(1));
    world.connect(second_alice);
    world.connect(second_bob);
    world.send(0, 1, "to all");
    world.run(2 * SECOND);
    for node in [1, second_bob] {
        assert_eq!(world.words(node, 0), ["to all"], "node {node}");
    }
    assert_eq!(world.words(second_alice, 1), ["to all"]);
    let letter = world.history(0, 1).remove(0);
    assert_eq!(letter.devices.len(), 2);
    assert!(letter.devices.iter().all(|device| device.state == Delivered));
    let own = world.nodes[0].address.clone();
    assert_eq!(world.history(second_alice, 1)[0].from, own);
}

#[test]
fn a_refused_letter_has_failed_and_says_why() {
    let mut world = World::of_two(12);
    world.reachable = false;
    world.rendezvous.refuse_deposits = Some(Refusal::QuotaRequired);
    let id = world.send(0, 1, "too much");
    world.run(SECOND);
    let letter = world.history(0, 1).remove(0);
    assert_eq!(letter.state, Failed);
    assert_eq!(letter.error.as_deref(), Some("a quota is used up"));
    let device = world.nodes[1].device;
    let told = Event::LetterState { id, to: world.nodes[1].address.clone(), device, state: Failed };
    assert!(world.nodes[0].events.contains(&told));
}

#[test]
fn a_refusal_that_may_pass_is_tried_again() {
    let mut world = World::of_two(13);
    world.reachable = false;
    world.rendezvous.refuse_deposits = Some(Refusal::TooManyRequests);
    world.send(0, 1, "patience");
    world.run(2 * SECOND);
    assert_eq!(world.history(0, 1)[0].state, Queued);
    world.rendezvous.refuse_deposits = None;
    world.run(6 * SECOND);
    assert_eq!(world.words(1, 0), ["patience"]);
}

#[test]
fn a_full_mailbox_of_one_device_does_not_keep_the_letter_from_another() {
    let mut world = World::of_two(18);
    let second = world.add_device(1);
    world.connect(second);
    world.reachable = false;
    world.rendezvous.full = Some(world.nodes[second].device);
    world.send(0, 1, "hello");
    world.run(2 * SECOND);
    assert_eq!(world.words(1, 0), ["hello"]);
    assert_eq!(world.words(second, 0).len(), 0);
    world.rendezvous.full = None;
    world.run(61 * SECOND);
    assert_eq!(world.words(second, 0), ["hello"]);
}

#[test]
fn strangers_cannot_be_written_to_and_are_told_why() {
    let mut world = World::new(14);
    world.register("alice");
    world.connect(0);
    let to = "carol@localhost".parse().unwrap();
    let error = world.ask(0, Command::Send { to, text: "Hi".to_owned() }).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[test]
fn commands_about_contacts_need_the_session() {
    let mut world = World::of_two(15);
    world.disconnect(0);
    let address = world.nodes[1].address.clone();
    let error = world.ask(0, Command::ContactRemove { address, text: String::new() }).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Offline);
    assert_eq!(
        error.text,
        "There is no connection to the rendezvous (The network is away). Try again when it is back."
    );
}

#[test]
fn a_removed_contact_is_gone_on_both_sides_also_after_being_away() {
    let mut world = World::of_two(16);
    world.disconnect(1);
    let address = world.nodes[1].address.clone();
    world.ask(0, Command::ContactRemove { address, text: "Farewell".to_owned() }).unwrap();
    world.run(SECOND);
    world.connect(1);
    let alice = world.nodes[0].address.clone();
    let gone = Event::ContactRemoved { address: alice, text: "Farewell".to_owned() };
    assert!(world.nodes[1].events.contains(&gone));
}

#[test]
fn presence_is_shown_again_after_a_restart() {
    let mut world = World::of_two(17);
    let text = "in a meeting".to_owned();
    let command = Command::Presence { availability: Availability::Busy, hidden: false, text };
    world.ask(0, command).unwrap();
    world.kill(0);
    world.run(SECOND);
    world.start(0);
    world.connect(0);
    let shown = world.nodes[1].events.iter().rev().find_map(|event| {
        let Event::Contact(view) = event else { return None };
        Some((view.presence.clone(), view.status_text.clone()))
    });
    assert_eq!(shown, Some(("busy".to_owned(), "in a meeting".to_owned())));
}
