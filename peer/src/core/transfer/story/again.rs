//! What is offered again.

use hobnob_wire::TransferId;

use super::world::{Who, World, refusal};
use crate::core::command::{Command, ErrorKind, Reply};
use crate::core::transfer::TransferInput;
use crate::core::transfer::job::{Failure, TransferFault, TransferJob, TransferReport};
use crate::core::view::TransferState;

fn scans(world: &World) -> usize {
    world.jobs.iter().filter(|(_, job)| matches!(job, TransferJob::Scan { .. })).count()
}

/// The transfer of a side that is only offered.
fn offered(world: &World, who: Who) -> Option<TransferId> {
    let views = &world.sides[who as usize].views;
    views.iter().find(|(_, views)| views.last().unwrap().state == TransferState::Offered).map(|(id, _)| *id)
}

/// A transfer that has failed on both sides.
fn failed(world: &mut World) -> TransferId {
    let id = world.offer();
    world.accept(id);
    world.connect();
    let result = Err(TransferFault::Lasting(refusal()));
    world.input(Who::Bob, TransferInput::Report(TransferReport::ManifestReceived { transfer: id, result }));
    while world.deliver_letter() {}
    assert_eq!(world.states(id), [TransferState::Failed; 2]);
    id
}

#[test]
fn what_changes_while_it_is_sent_is_offered_again_three_times_and_no_more() {
    let mut world = World::new(&[4; 9]);
    let mut id = world.offer();
    world.connect();
    for round in 1..=4 {
        world.accept(id);
        while world.deliver_frame() {}
        let link = world.link.unwrap();
        let told = "a has changed since it was offered; send it again";
        let result = Err(TransferFault::Changed(Failure::shared(told.to_owned())));
        let report = TransferReport::RangeSent { transfer: id, link, range: 0, result };
        world.input(Who::Alice, TransferInput::Report(report));
        world.streams.clear();
        world.settle();
        assert_eq!(world.states(id), [TransferState::Failed; 2]);
        assert_eq!(world.last(Who::Bob, id).error.as_deref(), Some(told));
        let Some(again) = offered(&world, Who::Bob) else {
            assert_eq!((round, scans(&world)), (4, 4));
            return;
        };
        assert_eq!(Some(again), offered(&world, Who::Alice));
        id = again;
    }
    panic!("it is offered without end");
}

#[test]
fn a_receiver_asks_for_what_failed_and_asking_often_makes_no_more_of_it() {
    let mut world = World::new(&[4; 9]);
    let id = failed(&mut world);
    for _ in 0..50 {
        let answer = world.command(Who::Bob, Command::FileRetry { id });
        assert!(matches!(answer, Ok(Reply::Transfers(views)) if views[0].state == TransferState::Failed));
        while world.deliver_letter() {}
    }
    world.settle();
    assert_eq!(scans(&world), 2);
    let again = offered(&world, Who::Bob).unwrap();
    world.accept(again);
    world.settle();
    assert_eq!(world.states(again), [TransferState::Done; 2]);
    let done = world.command(Who::Bob, Command::FileRetry { id: again }).unwrap_err();
    assert_eq!((done.kind, done.text.as_str()), (ErrorKind::Conflict, "it is done already"));
}

#[test]
fn what_was_cancelled_is_not_offered_again_without_its_user_and_the_receiver_is_told() {
    let mut world = World::new(&[4; 9]);
    let id = world.offer();
    world.command(Who::Alice, Command::FileCancel { id, text: String::new() }).unwrap();
    world.settle();
    assert!(world.command(Who::Bob, Command::FileRetry { id }).is_ok());
    world.settle();
    assert_eq!((scans(&world), offered(&world, Who::Bob)), (1, None));
    let error = world.last(Who::Bob, id).error;
    assert_eq!(error.as_deref(), Some("it was cancelled; ask me to send it again"));
}

#[test]
fn nobody_is_offered_what_was_offered_to_somebody_else() {
    let mut world = World::new(&[4; 9]);
    let id = failed(&mut world);
    let end = hobnob_wire::letter::OfferEnd {
        transfer: id,
        reason: hobnob_wire::letter::EndReason::Again,
        text: hobnob_wire::Text::default(),
    };
    let (from, device) = ("eve@localhost".parse().unwrap(), Who::Bob.device());
    world.input(Who::Alice, TransferInput::OfferEnd { from, device, end });
    assert_eq!(scans(&world), 1);
    assert!(world.letters.is_empty());
}
