//! Whatever happens, in any order.

use std::time::Duration;

use hobnob_wire::TransferId;
use proptest::prelude::*;

use super::world::{Who, World};
use crate::core::view::TransferState;

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
