//! Two people's transfers against one another.

mod again;
mod any_order;
mod queue;
mod resume;
mod trouble;
mod world;

use std::time::Duration;

use hobnob_nat::core::agent::PathKind;
use hobnob_wire::choice::Choice;
use hobnob_wire::transfer::{Span, TransferFrame};
use hobnob_wire::{DeviceId, List, TransferId};

use self::world::{DIGEST, MIB, Who, World};
use super::job::TransferJob;
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
fn what_is_not_chosen_is_never_asked_for_and_both_sides_know_how_much_is_to_come() {
    for restarted in [None, Some(Who::Alice), Some(Who::Bob)] {
        let mut world = World::new(&[20]);
        let id = world.offer();
        let choice = Choice::new(&["*.jpg".to_owned()], &[]).unwrap();
        world.accept_chosen(id, choice.clone());
        world.connect();
        let halfway = |world: &World| world.sides[1].disk.get(&id).is_some_and(|it| it.ranges.len() == 3);
        while !halfway(&world) {
            if !(world.deliver_frame() || world.deliver_report(Who::Alice) || world.deliver_report(Who::Bob))
            {
                world.carry(0);
            }
        }
        if let Some(who) = restarted {
            world.restart(who);
        }
        world.calm();
        assert_eq!(world.states(id), [TransferState::Done, TransferState::Done]);
        for who in [Who::Alice, Who::Bob] {
            let view = world.last(who, id);
            let chosen = crate::core::view::Chosen { files: 10, of: 20, bytes: 10 * MIB };
            assert_eq!((view.size, view.done, view.chosen), (10 * MIB, 10 * MIB, Some(chosen)));
        }
        assert!(world.ranges_sent().iter().all(|range| *range < 10));
        assert!(
            world.jobs.contains(&(Who::Alice, TransferJob::Digest { transfer: id, choice: Some(choice) }))
        );
    }
}

#[test]
fn only_the_device_that_gets_the_transfer_chooses_and_only_once() {
    let mut world = World::new(&[4]);
    let id = world.offer();
    let [first, second] = ["a", "b"].map(|only| Choice::new(&[only.to_owned()], &[]).unwrap());
    let other = (LinkId(50), DeviceId::new([9; 16]));
    let address = Who::Bob.address();
    let up = TransferInput::LinkUp { link: other.0, address, device: other.1, path: PathKind::Lan };
    world.input(Who::Alice, up);
    world.connect();
    let say = |world: &mut World, link, choice: &Choice| {
        let frame = TransferFrame::Choose { transfer: id, choice: choice.clone() };
        world.input(Who::Alice, TransferInput::Frame { link, frame });
    };
    say(&mut world, other.0, &second);
    say(&mut world, LinkId(1), &first);
    say(&mut world, LinkId(1), &second);
    let want = List::new(vec![Span { start: 0, end: 2 }]).unwrap();
    let accept = TransferFrame::Accept { transfer: id, manifest: true, compare: false, want };
    for _ in 0..100 {
        world.input(Who::Alice, TransferInput::Frame { link: LinkId(1), frame: accept.clone() });
        say(&mut world, LinkId(1), &second);
    }
    let chooses =
        world.jobs.iter().filter(|(_, job)| matches!(job, TransferJob::Choose { .. })).collect::<Vec<_>>();
    assert_eq!(chooses, [&(Who::Alice, TransferJob::Choose { transfer: id, choice: first })]);
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
        let (mut world, id) = World::under_way(20);
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
    let (mut world, id) = World::under_way(20);
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
fn another_device_that_accepts_later_is_told_that_it_is_gone() {
    let (mut world, id) = World::under_way(2);
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
        swarm: None,
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
    let (mut world, id) = World::under_way(400);
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
