//! Two people's transfers against one another.

mod queue;
mod world;

use std::time::Duration;

use hobnob_nat::core::agent::PathKind;
use hobnob_wire::transfer::{Span, TransferFrame};
use hobnob_wire::{DeviceId, List, TransferId};
use proptest::prelude::*;

use self::world::{DIGEST, MIB, Who, World, refusal};
use super::job::{TransferFault, TransferJob, TransferReport};
use super::shaper::Limited;
use super::*;
use crate::core::command::ErrorKind;
use crate::core::view::{TransferState, TransferView};

#[test]
fn an_accepted_offer_is_done_on_both_sides_with_equal_digests() {
    let mut world = World::new(&[20]);
    let id = world.offer();
    assert_eq!(world.last(Who::Bob, id).state, TransferState::Offered);
    world.accept(id);
    assert_eq!(world.states(id), [TransferState::Offered, TransferState::Queued]);
    world.connect();
    world.settle();
    assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
    for who in [Who::Alice, Who::Bob] {
        let view = world.last(who, id);
        assert_eq!((view.done, view.size), (20 * MIB, 20 * MIB));
        assert_eq!(view.digest, Some("07".repeat(32)));
        assert_eq!(
            world.command(who, Command::File { id }),
            Ok(Reply::Transfers(vec![TransferView {
                rate: 0,
                eta: None,
                path: "none".into(),
                ..view.clone()
            }]))
        );
    }
    assert!(world.sides.iter().all(|side| side.transfers.sending.is_empty()));
    assert!(world.sides.iter().all(|side| side.transfers.receiving.is_empty()));
    assert!(!world.sides[0].transfers.uses_link(LinkId(1)));
}

#[test]
fn a_rejected_offer_is_over_on_both_sides_and_says_why() {
    let mut world = World::new(&[1]);
    let id = world.offer();
    let reject = Command::FileReject { id, text: "too big".into() };
    assert_eq!(world.command(Who::Bob, reject.clone()), Ok(Reply::Done));
    world.settle();
    assert_eq!(world.states(id), [TransferState::Rejected, TransferState::Rejected]);
    assert_eq!(world.last(Who::Alice, id).error.as_deref(), Some("too big"));
    let again = world.command(Who::Bob, reject).unwrap_err();
    assert_eq!((again.kind, again.text.as_str()), (ErrorKind::Conflict, "it has been rejected already"));
}

#[test]
fn either_side_cancels_a_running_transfer_and_the_other_one_hears_of_it() {
    for who in [Who::Alice, Who::Bob] {
        let mut world = World::new(&[20]);
        let id = world.offer();
        world.accept(id);
        world.connect();
        while world.deliver_frame() {}
        assert_eq!(world.states(id), [TransferState::Running, TransferState::Running]);
        let cancel = Command::FileCancel { id, text: "never mind".into() };
        assert_eq!(world.command(who, cancel), Ok(Reply::Done));
        world.settle();
        assert_eq!(world.states(id), [TransferState::Cancelled, TransferState::Cancelled]);
        assert_eq!(world.last(who.other(), id).error.as_deref(), Some("never mind"));
        for side in [Who::Alice, Who::Bob] {
            assert!(world.jobs.contains(&(side, TransferJob::Stop { transfer: id, discard: true })));
        }
    }
}

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
    let mut world = World::new(&[20]);
    let id = world.offer();
    world.accept(id);
    world.connect();
    while world.deliver_frame() {}
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
fn offers_of_contacts_are_accepted_without_asking_when_the_user_says_so() {
    let mut world = World::new(&[1]);
    world.settings(Who::Bob, AutoAccept::Contacts);
    let id = world.offer();
    world.connect();
    world.settle();
    assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
    assert_eq!(world.last(Who::Bob, id).folder.as_deref(), Some("/in"));
}

#[test]
fn the_lower_of_both_limits_holds() {
    let mut world = World::new(&[20]);
    let id = world.offer_with_limit(5 * MIB);
    world.accept(id);
    world.connect();
    while world.deliver_frame() {}
    let of = Limited::Transfer(id);
    let pace = |bytes_per_s| (Who::Alice, TransferJob::Limit { of: of.clone(), bytes_per_s });
    assert!(world.jobs.contains(&pace(5 * MIB)));
    for (who, limit, effective) in
        [(Who::Bob, MIB, MIB), (Who::Alice, 2 * MIB, MIB), (Who::Bob, 0, 2 * MIB), (Who::Alice, 0, 0)]
    {
        assert_eq!(world.command(who, Command::FileLimit { id, limit }), Ok(Reply::Done));
        while world.deliver_frame() {}
        assert_eq!(
            world.jobs.iter().rev().find(|job| matches!(job.1, TransferJob::Limit { .. })),
            Some(&pace(effective))
        );
        world.pass_time(Duration::from_secs(1));
        assert_eq!([Who::Alice, Who::Bob].map(|who| world.last(who, id).limit), [effective; 2]);
    }
}

#[test]
fn a_receiver_that_asks_again_and_again_makes_no_more_work_than_one_that_asks_once() {
    let mut world = World::new(&[20]);
    let id = world.offer();
    world.accept(id);
    world.connect();
    while world.deliver_frame() {}
    let link = LinkId(1);
    let want = || List::new(vec![Span { start: 0, end: u64::MAX }]).unwrap();
    let accept = || TransferFrame::Accept { transfer: id, manifest: true, compare: false, want: want() };
    let digests = |world: &World| {
        world.jobs.iter().filter(|(_, job)| matches!(job, TransferJob::Digest { .. })).count()
    };
    let streams = world.streams.len();
    for _ in 0..100 {
        world.input(Who::Alice, TransferInput::Frame { link, frame: accept() });
    }
    assert_eq!(world.streams.len(), streams);
    for _ in 0..100 {
        let frame = TransferFrame::Complete { transfer: id, digest: DIGEST };
        world.input(Who::Alice, TransferInput::Frame { link, frame });
        world.input(Who::Alice, TransferInput::Frame { link, frame: accept() });
    }
    assert_eq!((world.streams.len(), digests(&world)), (streams, 1));
}

#[test]
fn a_slow_transfer_sends_one_range_after_the_other() {
    let mut world = World::new(&[20]);
    let id = world.offer_with_limit(MIB);
    world.accept(id);
    world.connect();
    while world.deliver_frame() {}
    assert_eq!(world.streams.iter().filter(|stream| stream.range.is_some()).count(), 1);
}

#[test]
fn transfers_on_one_link_share_it_evenly() {
    let mut world = World::new(&[100, 100, 100]);
    let ids: Vec<TransferId> = (0..3).map(|_| world.offer()).collect();
    ids.iter().for_each(|id| world.accept(*id));
    world.connect();
    while world.deliver_frame() {}
    let mut steps = 0;
    while steps < 120 {
        let manifest = world.streams.iter().position(|stream| stream.range.is_none());
        world.carry(manifest.unwrap_or(0));
        while world.deliver_report(Who::Bob) || world.deliver_report(Who::Alice) || world.deliver_frame() {}
        steps += 1;
    }
    let done: Vec<u64> =
        ids.iter().map(|id| world.sides[1].transfers.receiving[id].ledger.record.done / MIB).collect();
    // The first had the link for itself when it began.
    assert!(done.iter().all(|done| (33..=46).contains(done)), "{done:?}");
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

#[test]
fn another_device_that_accepts_later_is_told_that_it_is_gone() {
    let mut world = World::new(&[2]);
    let id = world.offer();
    world.accept(id);
    world.connect();
    while world.deliver_frame() {}
    let (link, device) = (LinkId(50), DeviceId::new([9; 16]));
    let up = TransferInput::LinkUp { link, address: Who::Bob.address(), device, path: PathKind::Lan };
    world.input(Who::Alice, up);
    let want = List::new(vec![Span { start: 0, end: 9 }]).unwrap();
    let frame = TransferFrame::Accept { transfer: id, manifest: true, compare: false, want };
    world.input(Who::Alice, TransferInput::Frame { link, frame });
    assert!(world.frames.contains(&(Who::Bob, link, TransferFrame::Gone { transfer: id })));
    let link = LinkId(51);
    let stranger = TransferInput::LinkUp {
        link,
        address: "eve@localhost".parse().unwrap(),
        device,
        path: PathKind::Lan,
    };
    world.input(Who::Alice, stranger);
    let frame = TransferFrame::Complete { transfer: id, digest: DIGEST };
    world.input(Who::Alice, TransferInput::Frame { link, frame });
    assert_eq!(world.last(Who::Alice, id).state, TransferState::Running);
}

#[test]
fn silence_makes_the_receiver_ask_again() {
    let mut world = World::new(&[2]);
    let id = world.offer();
    world.accept(id);
    world.connect();
    while world.deliver_frame() {}
    world.streams.clear();
    world.frames.clear();
    world.pass_time(Duration::from_secs(29));
    assert!(!world.frames.iter().any(|frame| matches!(frame.2, TransferFrame::Accept { .. })));
    world.pass_time(Duration::from_secs(1));
    assert!(world.frames.iter().any(|frame| matches!(frame.2, TransferFrame::Accept { .. })));
}

#[test]
fn what_is_no_contact_any_more_ends() {
    let mut world = World::new(&[2]);
    let id = world.offer();
    world.accept(id);
    world.input(Who::Alice, TransferInput::ContactRemoved(Who::Bob.address()));
    world.input(Who::Bob, TransferInput::ContactRemoved(Who::Alice.address()));
    assert_eq!(world.states(id), [TransferState::Cancelled, TransferState::Cancelled]);
    assert!(world.letters.is_empty());
}

#[test]
fn more_offers_than_anybody_can_decide_on_are_refused() {
    let mut world = World::new(&[1]);
    let id = world.offer();
    let mut offer = Offer {
        transfer: id,
        name: Text::truncated("x"),
        entries: 1,
        bytes: 1,
        manifest: [0; 32],
        sealed: true,
        text: Text::default(),
    };
    let (from, device) = (Who::Alice.address(), Who::Alice.device());
    for number in 0..1_000u128 {
        offer.transfer = TransferId::new((number | 1 << 100).to_be_bytes());
        let (from, offer) = (from.clone(), offer.clone());
        world.input(Who::Bob, TransferInput::Offer { from, device, offer });
    }
    assert_eq!(world.sides[1].transfers.receiving.len(), 1_000);
    assert_eq!(world.letters.len(), 1);
}

#[test]
fn progress_is_shown_at_most_four_times_a_second() {
    let mut world = World::new(&[400]);
    let id = world.offer();
    world.accept(id);
    world.connect();
    while world.deliver_frame() {}
    let before = world.sides[1].views[&id].len();
    for _ in 0..200 {
        world.now += Duration::from_millis(10);
        let at = world.streams.iter().position(|stream| stream.range.is_none()).unwrap_or(0);
        world.carry(at);
        while world.deliver_report(Who::Bob) || world.deliver_report(Who::Alice) || world.deliver_frame() {}
    }
    let shown = world.sides[1].views[&id].len() - before;
    assert!((6..=9).contains(&shown), "{shown} in 2 s");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Losses, restarts, disks that refuse or forget, broken bytes and any order of what is under way end with the same bytes
    /// on both sides, or with a failure that both know and that names who is to blame.
    #[test]
    fn whatever_happens_on_the_way_it_ends_well(
        sizes in proptest::collection::vec(0..40u64, 1..4),
        steps in proptest::collection::vec((0..16u8, any::<u16>()), 0..300),
    ) {
        let mut world = World::new(&sizes);
        let ids: Vec<TransferId> = sizes.iter().map(|_| world.offer()).collect();
        ids.iter().for_each(|id| world.accept(*id));
        for (step, choice) in steps {
            let who = if choice % 2 == 0 { Who::Alice } else { Who::Bob };
            match step {
                0 if world.link.is_some() && choice % 4 == 0 => world.disconnect(who),
                0 | 1 if world.link.is_none() => world.connect(),
                2 if choice % 16 == 0 => world.restart(who),
                3 => world.pass_time(Duration::from_millis(choice.into())),
                4 | 5 => drop(world.deliver_frame()),
                6 => drop(world.deliver_letter()),
                7 | 8 => drop(world.deliver_report(who)),
                9 => world.sides[who as usize].refuses = choice % 8 < 4,
                10 => world.spoil(who, choice),
                11 if choice % 8 == 0 && !world.streams.is_empty() => {
                    let at = usize::from(choice) % world.streams.len();
                    world.streams[at].sound = world.streams[at].range.is_none();
                }
                _ if !world.streams.is_empty() => {
                    let manifest = world.streams.iter().position(|stream| stream.range.is_none());
                    world.carry(manifest.unwrap_or(usize::from(choice) % world.streams.len()));
                }
                _ => {}
            }
        }
        world.calm();
        for id in ids {
            let states = world.states(id);
            if states == [TransferState::Failed, TransferState::Failed] {
                let why = world.last(Who::Bob, id).error.unwrap();
                prop_assert!(why.starts_with("alice@localhost sent it broken 3 times: "), "{}", why);
                continue;
            }
            prop_assert_eq!(states, [TransferState::Done, TransferState::Done]);
            prop_assert_eq!(world.last(Who::Alice, id).digest, world.last(Who::Bob, id).digest);
        }
        prop_assert!(world.sides.iter().all(|side| side.transfers.receiving.is_empty()));
    }
}
