//! Losses of links, and restarts of either side.

use std::time::Duration;

use hobnob_wire::transfer::TransferFrame;

use super::world::{MIB, Who, World};
use crate::core::transfer::TransferInput;
use crate::core::transfer::job::{TransferFault, TransferJob, TransferReport};
use crate::core::view::TransferState;

#[test]
fn after_a_crash_of_the_receiver_only_what_was_not_on_disk_or_is_spoiled_is_sent_again() {
    let (mut world, id) = World::under_way(20);
    for _ in 0..11 {
        world.carry(0);
        while world.deliver_report(Who::Alice) {}
    }
    assert_eq!(world.sides[1].disk[&id].ranges.len(), 10, "the first stream is the manifest");
    *world.sides[1].disk.get_mut(&id).unwrap().ranges.get_mut(&4).unwrap() = false;
    world.restart(Who::Bob);
    world.streams.clear();
    world.jobs.clear();
    world.calm();
    assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
    let mut sent = world.ranges_sent();
    sent.sort_unstable();
    assert_eq!(sent, [4].into_iter().chain(10..20).collect::<Vec<u64>>());
    assert!(!world.jobs.iter().any(|job| matches!(job.1, TransferJob::SendManifest { .. })));
}

#[test]
fn a_receiver_that_crashed_while_it_put_everything_in_place_only_ends_that() {
    let mut world = World::new(&[20]);
    let id = world.offer();
    world.accept(id);
    world.connect();
    while world.last(Who::Bob, id).state != TransferState::Verifying {
        if !(world.deliver_frame() || world.deliver_report(Who::Alice) || world.deliver_report(Who::Bob)) {
            world.carry(0);
        }
    }
    assert!(world.sides[1].disk[&id].whole);
    world.restart(Who::Bob);
    world.jobs.clear();
    world.calm();
    assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
    assert!(world.ranges_sent().is_empty());
}

#[test]
fn after_a_loss_only_what_is_missing_is_sent() {
    let (mut world, id) = World::under_way(20);
    for _ in 0..6 {
        world.carry(0);
    }
    while world.deliver_report(Who::Bob) {}
    world.disconnect(Who::Bob);
    assert_eq!(world.states(id), [TransferState::Queued, TransferState::Queued]);
    assert_eq!(world.last(Who::Bob, id).done, 5 * MIB);
    assert!(world.sides[1].needs_link);
    world.streams.clear();
    world.jobs.clear();
    world.connect();
    world.calm();
    let sent = |job: &&(Who, TransferJob)| matches!(job.1, TransferJob::SendRange { .. });
    assert_eq!(world.jobs.iter().filter(sent).count(), 15);
    assert!(!world.jobs.iter().any(|job| matches!(job.1, TransferJob::SendManifest { .. })));
    assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
}

#[test]
fn a_transfer_goes_on_after_either_side_was_restarted() {
    for who in [Who::Alice, Who::Bob] {
        let (mut world, id) = World::under_way(20);
        world.carry(0);
        world.carry(0);
        world.restart(who);
        world.calm();
        assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
    }
}

#[test]
fn a_sender_that_missed_the_end_is_told_again_until_it_knows() {
    let mut world = World::new(&[2]);
    let id = world.offer();
    world.accept(id);
    world.connect();
    while !matches!(world.frames.back(), Some((_, _, TransferFrame::Complete { .. }))) {
        if !(world.deliver_frame() || world.deliver_report(Who::Alice) || world.deliver_report(Who::Bob)) {
            world.carry(0);
        }
    }
    world.restart(Who::Bob);
    assert_eq!(world.states(id), [TransferState::Queued, TransferState::Done]);
    world.calm();
    assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
    assert!(world.sides[1].transfers.receiving.is_empty());
}

#[test]
fn after_a_day_without_each_other_it_goes_on_by_itself() {
    for restarted in [false, true] {
        let (mut world, id) = World::under_way(20);
        for _ in 0..6 {
            world.carry(0);
        }
        while world.deliver_report(Who::Bob) {}
        world.disconnect(Who::Bob);
        world.streams.clear();
        let mut wanted = 0;
        for minute in 0..24 * 60 {
            world.pass_time(Duration::from_secs(60));
            wanted += u32::from(std::mem::take(&mut world.sides[1].needs_link));
            if restarted && minute == 700 {
                world.restart(Who::Alice);
                world.restart(Who::Bob);
            }
        }
        // A link is asked for as often as costs nothing, and never given up.
        assert!((1_000..=24 * 60).contains(&wanted), "{wanted} times");
        assert_eq!(world.states(id), [TransferState::Queued, TransferState::Queued]);
        world.jobs.clear();
        world.connect();
        world.settle();
        assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
        assert_eq!(world.ranges_sent().len(), 15);
    }
}

#[test]
fn a_stream_that_stalls_is_asked_for_again_while_the_others_go_on() {
    let (mut world, id) = World::under_way(20);
    let at = world.streams.iter().position(|stream| stream.range == Some(3)).unwrap();
    let stalled = world.streams.remove(at);
    let link = stalled.link;
    let (range, result) = (3, Err(TransferFault::Stalled));
    world.settle();
    assert_eq!(world.sides[1].transfers.receiving[&id].ledger.record.done, 19 * MIB);
    let report = TransferReport::RangeReceived { transfer: id, range, result: result.clone() };
    world.input(Who::Bob, TransferInput::Report(report));
    let result = result.map(|_: u64| MIB);
    let report = TransferReport::RangeSent { transfer: id, link, range, result };
    world.input(Who::Alice, TransferInput::Report(report));
    world.settle();
    assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
    assert_eq!(world.ranges_sent().iter().filter(|range| **range == 3).count(), 2);
}
