//! Losses of links, and restarts of either side.

use hobnob_wire::transfer::TransferFrame;

use super::world::{MIB, Who, World};
use crate::core::transfer::TransferJob;
use crate::core::view::TransferState;

#[test]
fn after_a_crash_of_the_receiver_only_what_was_not_on_disk_or_is_spoiled_is_sent_again() {
    let mut world = World::new(&[20]);
    let id = world.offer();
    world.accept(id);
    world.connect();
    while world.deliver_frame() {}
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
    let mut world = World::new(&[20]);
    let id = world.offer();
    world.accept(id);
    world.connect();
    while world.deliver_frame() {}
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
        let mut world = World::new(&[20]);
        let id = world.offer();
        world.accept(id);
        world.connect();
        while world.deliver_frame() {}
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
