//! Pauses, and the order of many.

use std::time::Duration;

use hobnob_wire::TransferId;

use super::world::{Who, World};
use crate::core::command::{Command, ErrorKind, Reply};
use crate::core::transfer::limits::{Limits, Rates};
use crate::core::transfer::{Move, Settings, TransferInput, TransferJob};
use crate::core::view::{HeldBy, Priority, TransferState};

impl World {
    fn at_once(&mut self, who: Who, at_once: usize) {
        let limits = Limits::new(Rates::default(), [].into(), at_once);
        let settings = Settings { folder: "/in".into(), limits, ..Settings::default() };
        self.input(who, TransferInput::Settings(settings));
    }

    fn done(&mut self, who: Who, command: Command) {
        assert_eq!(self.command(who, command), Ok(Reply::Done));
    }

    /// Only what needs no stream.
    fn talk(&mut self) {
        while self.deliver_letter()
            || self.deliver_frame()
            || self.deliver_report(Who::Alice)
            || self.deliver_report(Who::Bob)
        {}
    }

    fn held(&self, id: TransferId) -> [Option<HeldBy>; 2] {
        [Who::Alice, Who::Bob].map(|who| self.last(who, id).held)
    }

    /// Several offers, accepted, on a link, before any range has moved.
    fn begun(&mut self, count: usize) -> Vec<TransferId> {
        let ids: Vec<TransferId> = (0..count).map(|_| self.offer()).collect();
        ids.iter().for_each(|id| self.accept(*id));
        self.connect();
        self.talk();
        ids
    }

    fn sent(&self, id: TransferId) -> usize {
        let is_range = |job: &&(Who, TransferJob)| matches!(job.1, TransferJob::SendRange { transfer, .. } if transfer == id);
        self.jobs.iter().filter(is_range).count()
    }
}

#[test]
fn a_pause_by_either_side_stops_the_streams_and_the_same_bytes_come_after_it() {
    for who in [Who::Alice, Who::Bob] {
        let mut world = World::new(&[20]);
        let id = world.begun(1)[0];
        assert_eq!(world.states(id), [TransferState::Running; 2]);
        world.done(who, Command::FilePause { id });
        world.talk();
        world.pass_time(Duration::from_secs(1));
        assert_eq!(world.states(id), [TransferState::Paused; 2]);
        let mut held = [Some(HeldBy::Peer); 2];
        held[who as usize] = Some(HeldBy::Own);
        assert_eq!(world.held(id), held);
        assert!(world.jobs.contains(&(Who::Alice, TransferJob::Halt { transfer: id })));
        assert!(world.streams.is_empty());
        // However long.
        world.pass_time(Duration::from_secs(3_600));
        world.talk();
        assert!(world.streams.is_empty());
        world.done(who, Command::FileResume { id });
        world.calm();
        assert_eq!(world.states(id), [TransferState::Done; 2]);
        assert_eq!(world.held(id), [None; 2]);
    }
}

#[test]
fn a_pause_outlives_a_lost_link_and_a_restart_and_the_one_who_ends_it_calls_the_other() {
    let mut world = World::new(&[20]);
    let id = world.begun(1)[0];
    world.done(Who::Alice, Command::FilePause { id });
    world.talk();
    world.restart(Who::Alice);
    world.pass_time(Duration::from_secs(60));
    assert!(!world.sides.iter().any(|side| side.needs_link), "nobody needs a link for a paused transfer");
    assert_eq!(world.command(Who::Bob, Command::FileResume { id }).unwrap_err().kind, ErrorKind::Conflict);
    world.done(Who::Alice, Command::FileResume { id });
    assert!(world.sides[Who::Alice as usize].needs_link);
    world.calm();
    assert_eq!(world.states(id), [TransferState::Done; 2]);
}

#[test]
fn more_than_may_run_at_once_wait_in_order_on_the_senders_side() {
    let mut world = World::new(&[3, 3, 3]);
    world.at_once(Who::Alice, 1);
    let ids = world.begun(3);
    world.pass_time(Duration::from_secs(1));
    assert_eq!(ids.iter().map(|id| world.sent(*id)).collect::<Vec<_>>(), [3, 0, 0]);
    assert_eq!(world.held(ids[1]), [Some(HeldBy::Queue); 2]);
    assert_eq!(world.states(ids[2]), [TransferState::Queued; 2]);
    world.done(Who::Alice, Command::FileMove { id: ids[2], to: Move::Before(ids[1]) });
    world.calm();
    for id in &ids {
        assert_eq!(world.states(*id), [TransferState::Done; 2]);
    }
    let order: Vec<TransferId> = world
        .jobs
        .iter()
        .filter_map(|(_, job)| {
            let TransferJob::SendRange { transfer, range: 0, .. } = job else { return None };
            Some(*transfer)
        })
        .collect();
    assert_eq!(order, [ids[0], ids[2], ids[1]]);
}

#[test]
fn a_receiver_asks_for_no_more_at_once_than_its_user_wants() {
    let mut world = World::new(&[3, 3]);
    world.at_once(Who::Bob, 1);
    let ids = world.begun(2);
    assert_eq!(ids.iter().map(|id| world.sent(*id)).collect::<Vec<_>>(), [3, 0]);
    world.pass_time(Duration::from_secs(1));
    assert_eq!(world.held(ids[1]), [None, Some(HeldBy::Queue)]);
    world.calm();
    assert_eq!(world.states(ids[1]), [TransferState::Done; 2]);
}

#[test]
fn a_high_priority_goes_before_what_runs_and_what_it_interrupts_goes_on_after_it() {
    let mut world = World::new(&[40, 3]);
    world.at_once(Who::Alice, 1);
    let ids = world.begun(1);
    let before = world.sent(ids[0]);
    let urgent = world.offer();
    world.done(Who::Alice, Command::FilePriority { id: urgent, priority: Priority::High });
    world.accept(urgent);
    world.talk();
    assert_eq!((world.sent(ids[0]), world.sent(urgent)), (before, 3));
    world.calm();
    assert_eq!([world.states(ids[0]), world.states(urgent)], [[TransferState::Done; 2]; 2]);
}

#[test]
fn what_was_cancelled_is_offered_again_as_it_was_asked_for() {
    let mut world = World::new(&[2, 2]);
    let id = world.offer_with_limit(7);
    assert_eq!(world.command(Who::Alice, Command::FileRetry { id }).unwrap_err().kind, ErrorKind::Conflict);
    world.done(Who::Alice, Command::FileCancel { id, text: "wrong".into() });
    world.talk();
    let Ok(Reply::Transfers(again)) = world.command(Who::Alice, Command::FileRetry { id }) else { panic!() };
    assert_ne!(again[0].id, id);
    assert_eq!((again[0].limit, again[0].text.as_str(), again[0].state), (7, "here", TransferState::Offered));
    world.talk();
    world.accept(again[0].id);
    world.calm();
    assert_eq!(world.states(again[0].id), [TransferState::Done; 2]);
}
