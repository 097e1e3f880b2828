//! Disks that refuse, bytes that arrive broken, and silence.

use std::time::Duration;

use hobnob_wire::transfer::TransferFrame;

use super::world::{Who, World, refusal};
use crate::core::transfer::TransferInput;
use crate::core::transfer::job::{TransferFault, TransferJob, TransferReport};
use crate::core::view::TransferState;

#[test]
fn a_disk_that_refuses_holds_up_this_transfer_on_both_sides_and_no_other() {
    let mut world = World::new(&[20, 20]);
    let (broken, sound) = (world.offer(), world.offer());
    world.accept(broken);
    world.accept(sound);
    world.connect();
    while world.deliver_frame() {}
    while let Some(manifest) = world.streams.iter().position(|stream| stream.range.is_none()) {
        world.carry(manifest);
        while world.deliver_report(Who::Bob) {}
    }
    let result = Err(TransferFault::Disk(refusal()));
    let report = TransferReport::RangeReceived { transfer: broken, range: 0, result };
    world.sides[1].refuses = true;
    world.input(Who::Bob, TransferInput::Report(report));
    world.sides[1].refuses = false;
    while world.deliver_frame() {}
    assert_eq!(world.states(broken), [TransferState::Waiting, TransferState::Waiting]);
    assert_eq!(world.last(Who::Bob, broken).error, Some(refusal().text));
    let told = format!("bob@localhost waits: {}", refusal().told);
    assert_eq!(world.last(Who::Alice, broken).error, Some(told));
    world.settle();
    assert_eq!(world.states(broken), [TransferState::Waiting, TransferState::Waiting]);
    assert_eq!(world.states(sound), [TransferState::Done, TransferState::Done]);
    world.calm();
    assert_eq!(world.states(broken), [TransferState::Done, TransferState::Done]);
    assert_eq!([Who::Alice, Who::Bob].map(|who| world.last(who, broken).error), [None, None]);
}

#[test]
fn a_full_disk_is_looked_at_every_five_seconds_until_it_has_room_and_nothing_is_asked_for_meanwhile() {
    let mut world = World::new(&[20]);
    let id = world.offer();
    world.sides[1].refuses = true;
    world.accept(id);
    world.connect();
    world.settle();
    let looks =
        |world: &World| world.jobs.iter().filter(|(_, job)| matches!(job, TransferJob::Open { .. })).count();
    for _ in 0..600 {
        world.pass_time(Duration::from_millis(100));
        world.settle();
    }
    // After 0, 1, 3, 7 s, and every 5 s from then on.
    assert_eq!(looks(&world), 14);
    assert_eq!(world.states(id), [TransferState::Offered, TransferState::Waiting]);
    world.sides[1].refuses = false;
    world.pass_time(Duration::from_secs(5));
    world.settle();
    assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
}

#[test]
fn a_file_that_cannot_be_read_holds_up_both_sides_until_it_can() {
    let mut world = World::new(&[20]);
    let id = world.offer();
    world.accept(id);
    world.sides[0].refuses = true;
    world.connect();
    world.settle();
    assert_eq!(world.states(id), [TransferState::Waiting, TransferState::Waiting]);
    let told = format!("alice@localhost waits: {}", refusal().told);
    assert_eq!(world.last(Who::Bob, id).error, Some(told));
    world.calm();
    assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
}

#[test]
fn a_range_that_arrives_broken_is_sent_again_and_nothing_else_is() {
    let (mut world, id) = World::under_way(20);
    let at = world.streams.iter().position(|stream| stream.range == Some(3)).unwrap();
    world.streams[at].sound = false;
    world.settle();
    assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
    let mut sent = world.ranges_sent();
    sent.sort_unstable();
    let expected: Vec<u64> = [0, 1, 2, 3].into_iter().chain(3..20).collect();
    assert_eq!(sent, expected);
}

#[test]
fn a_sender_of_broken_ranges_is_named_and_tried_three_times_and_no_more() {
    let mut world = World::new(&[20]);
    let id = world.offer();
    world.accept(id);
    world.connect();
    while world.last(Who::Bob, id).state != TransferState::Failed {
        if let Some(stream) = world.streams.iter_mut().find(|stream| stream.range == Some(3)) {
            stream.sound = false;
        }
        if !(world.deliver_frame() || world.deliver_report(Who::Alice) || world.deliver_report(Who::Bob)) {
            world.carry(0);
        }
    }
    let text = "alice@localhost sent it broken 3 times: the bytes of a do not match their hash";
    assert_eq!(world.last(Who::Bob, id).error.as_deref(), Some(text));
    assert_eq!(world.ranges_sent().iter().filter(|range| **range == 3).count(), 3);
    world.settle();
    assert_eq!(world.states(id), [TransferState::Failed, TransferState::Failed]);
}

#[test]
fn silence_makes_the_receiver_ask_again() {
    let (mut world, _) = World::under_way(2);
    world.streams.clear();
    world.frames.clear();
    world.pass_time(Duration::from_secs(29));
    assert!(!world.frames.iter().any(|frame| matches!(frame.2, TransferFrame::Accept { .. })));
    world.pass_time(Duration::from_secs(1));
    assert!(world.frames.iter().any(|frame| matches!(frame.2, TransferFrame::Accept { .. })));
}
