//! Whatever happens in whatever order, each letter is shown once, and its states only go forward.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use crate::core::command::Command;
use crate::core::event::Event;
use crate::core::testing::World;
use crate::core::view::LetterState;

#[derive(Clone, Copy, Debug)]
enum Step {
    Send(usize),
    Read(usize),
    Disconnect(usize),
    Connect(usize),
    Crash(usize),
    CutLinks,
    Reachable(bool),
    LoseFrames(bool),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..2usize).prop_map(Step::Send),
        1 => (0..2usize).prop_map(Step::Read),
        1 => (0..2usize).prop_map(Step::Disconnect),
        2 => (0..2usize).prop_map(Step::Connect),
        1 => (0..2usize).prop_map(Step::Crash),
        1 => Just(Step::CutLinks),
        1 => any::<bool>().prop_map(Step::Reachable),
        1 => any::<bool>().prop_map(Step::LoseFrames),
        4 => (0..400u16).prop_map(Step::Wait),
    ]
}

fn take(world: &mut World, step: Step, sent: &mut [Vec<String>; 2]) {
    match step {
        Step::Send(node) => {
            let text = format!("{node}-{}", sent[node].len());
            let to = world.nodes[1 - node].address.clone();
            world.command(node, Command::Send { to, text: text.clone() });
            sent[node].push(text);
        }
        Step::Read(node) => {
            let with = world.nodes[1 - node].address.clone();
            world.command(node, Command::MarkRead { with });
        }
        Step::Disconnect(node) if world.is_connected(node) => world.disconnect(node),
        Step::Connect(node) if !world.is_connected(node) => world.connect(node),
        Step::Disconnect(_) | Step::Connect(_) => {}
        Step::Crash(node) => {
            world.kill(node);
            world.start(node);
        }
        Step::CutLinks => world.cut_links(0),
        Step::Reachable(reachable) => world.reachable = reachable,
        Step::LoseFrames(lost) => world.frames_lost = lost,
        Step::Wait(ms) => world.run(Duration::from_millis(ms.into())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_letter_is_shown_once_and_its_states_go_forward(
        seed in 0..1_000u64,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World::of_two(1_000 + seed);
        let mut sent = [Vec::new(), Vec::new()];
        for step in steps {
            take(&mut world, step, &mut sent);
        }
        world.frames_lost = false;
        for node in 0..2 {
            if !world.is_connected(node) {
                world.connect(node);
            }
        }
        world.run(Duration::from_secs(60));
        for (node, sent) in sent.iter().enumerate() {
            let mut here = world.words(1 - node, node);
            here.retain(|text| text.starts_with(&format!("{node}-")));
            here.sort();
            let mut expected = sent.clone();
            expected.sort();
            prop_assert_eq!(here, expected);
            let mut states: BTreeMap<_, LetterState> = BTreeMap::new();
            for event in &world.nodes[node].events {
                if let Event::LetterState { id, device, state, .. } = event {
                    let before = states.insert((*id, *device), *state);
                    prop_assert!(before.is_none_or(|before| before < *state), "{before:?} -> {state:?}");
                }
            }
            let all_arrived = world.history(node, 1 - node).iter().all(|letter| letter.state >= LetterState::Delivered);
            prop_assert!(all_arrived);
        }
    }
}
