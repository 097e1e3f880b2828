//! Nodes that meet, in one thread and under virtual time.

use std::collections::{BTreeMap, BTreeSet};

use hobnob_wire::limits::SIGNAL_BYTES_MAX;
use hobnob_wire::noise::NoiseKeypair;
use zeroize::Zeroizing;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const DAY: u32 = 20_000;

fn pair(seed: u8) -> NoiseKeypair {
    NoiseKeypair::from_secret(Zeroizing::new([seed; 32]))
}

fn device(seed: u8) -> DeviceId {
    DeviceId::new([seed; 16])
}

fn node(seed: u8) -> Node {
    Node::new([seed; 32])
}

fn acquaintances(own: u8, others: &[u8]) -> Vec<Acquaintance> {
    let acquaintance = |other: &u8| Acquaintance {
        device: device(*other),
        secret: PairSecret::of(&pair(own), &pair(*other).public()).unwrap(),
    };
    others.iter().map(acquaintance).collect()
}

/// Nodes by the seeds of their keys; a device has the seed of its node without the tens.
#[derive(Default)]
struct World {
    nodes: BTreeMap<u8, Meeting>,
    now: Duration,
    /// Everything that any node did or learned, with its time.
    told: Vec<(u8, Output)>,
    table: BTreeMap<Tag, BTreeSet<u8>>,
    /// Nodes that no question reaches.
    silent: BTreeSet<u8>,
}

impl World {
    fn start(&mut self, seed: u8, others: &[u8]) {
        let mut meeting = Meeting::new(node(seed), device(seed % 10), [seed; 32]);
        meeting.set_acquaintances(acquaintances(seed % 10, others), self.now);
        self.nodes.insert(seed, meeting);
    }

    /// Discovery on the network: everybody finds everybody.
    fn discover(&mut self) {
        let seeds: Vec<u8> = self.nodes.keys().copied().collect();
        for (seed, meeting) in &mut self.nodes {
            for other in seeds.iter().filter(|other| *other != seed) {
                meeting.found(node(*other), self.now);
            }
        }
        self.settle();
    }

    fn settle(&mut self) {
        while let Some((seed, output)) =
            self.nodes.iter_mut().find_map(|(seed, meeting)| Some((*seed, meeting.poll()?)))
        {
            self.perform(seed, &output);
            self.told.push((seed, output));
        }
    }

    fn perform(&mut self, from: u8, output: &Output) {
        let (now, me) = (self.now, node(from));
        let seed = |node: &Node| node.as_bytes()[0];
        match output {
            Output::Ask { node, marks } => {
                let reached = !self.silent.contains(&seed(node));
                let other = self.nodes.get_mut(&seed(node)).filter(|_| reached);
                let mark = other.map(|other| other.asked(me, marks, now));
                self.nodes.get_mut(&from).unwrap().answered(*node, mark, now);
            }
            Output::Send { node, sealed } => {
                let reached = !self.silent.contains(&seed(node));
                let other = self.nodes.get_mut(&seed(node)).filter(|_| reached);
                let taken = other.map(|other| other.signalled(me, sealed.clone(), now));
                self.nodes.get_mut(&from).unwrap().taken(*node, taken, now);
            }
            Output::Provide(tags) => {
                for tag in tags {
                    self.table.entry(*tag).or_default().insert(from);
                }
            }
            Output::Find(tag) => {
                let providers = self.table.get(tag).cloned().unwrap_or_default();
                let meeting = self.nodes.get_mut(&from).unwrap();
                for provider in providers.iter().filter(|provider| **provider != from) {
                    meeting.provider(tag, node(*provider), now);
                }
                meeting.searched(tag, now);
            }
            Output::Seen(_) | Output::Lost(_) | Output::Received { .. } => {}
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) =
            self.nodes.values().filter_map(Meeting::deadline).min().filter(|due| *due <= end)
        {
            assert!(due >= self.now || self.now == Duration::ZERO, "time goes forward");
            self.now = due.max(self.now);
            for meeting in self.nodes.values_mut() {
                meeting.tick(self.now);
            }
            self.settle();
        }
        self.now = end;
    }

    fn node(&mut self, seed: u8) -> &mut Meeting {
        self.nodes.get_mut(&seed).unwrap()
    }

    fn count(&self, seed: u8, is_it: impl Fn(&Output) -> bool) -> usize {
        self.told.iter().filter(|(by, output)| *by == seed && is_it(output)).count()
    }

    fn questions(&self, seed: u8) -> usize {
        self.count(seed, |output| matches!(output, Output::Ask { .. }))
    }
}

fn received(by: u8, from: u8, sealed: &[u8]) -> (u8, Output) {
    (by, Output::Received { device: device(from), sealed: sealed.to_vec() })
}

#[test]
fn two_contacts_meet_with_one_question_and_exchange_a_signal() {
    let mut world = World::default();
    world.start(1, &[2]);
    world.start(2, &[1]);
    world.discover();
    assert_eq!(world.node(1).here(), [device(2)]);
    assert_eq!(world.node(2).here(), [device(1)]);
    assert_eq!((world.questions(1), world.questions(2)), (1, 0));

    let now = world.now;
    world.node(2).signal(device(1), b"offer".to_vec(), now);
    world.settle();
    assert_eq!(world.told.last(), Some(&received(1, 2, b"offer")));
    world.wait(60 * SECOND);
    assert_eq!((world.questions(1), world.questions(2)), (1, 0));
}

#[test]
fn a_signal_waits_for_its_device_but_not_longer_than_it_is_of_use() {
    let mut world = World::default();
    world.start(1, &[2]);
    world.node(1).signal(device(2), b"old".to_vec(), Duration::ZERO);
    world.settle();
    world.wait(9 * SECOND);
    let now = world.now;
    world.node(1).signal(device(2), b"new".to_vec(), now);
    world.wait(SECOND);
    world.start(2, &[1]);
    world.discover();
    assert!(world.told.contains(&received(2, 1, b"new")));
    assert!(!world.told.contains(&received(2, 1, b"old")));
}

#[test]
fn a_stranger_is_asked_once_in_a_while_and_learns_nothing() {
    let mut world = World::default();
    world.start(1, &[2]);
    world.start(3, &[4]);
    world.discover();
    world.wait(200 * SECOND);
    assert!(world.nodes.values().all(|meeting| meeting.here().is_empty()));
    // One of them asks at once, the other after its patience.
    assert_eq!((world.questions(1), world.questions(3)), (1, 1));
    let now = world.now;
    assert!(!world.node(1).signalled(node(3), b"offer".to_vec(), now));
    // Repeating what the stranger was asked leads to no recognition, whoever repeats it.
    let is_it = |(by, output): &&(u8, Output)| *by == 1 && matches!(output, Output::Ask { .. });
    let Some((_, Output::Ask { marks: asked, .. })) = world.told.iter().find(is_it).cloned() else {
        panic!("the first node asks");
    };
    world.start(2, &[1]);
    let (first, again) = (world.node(2).asked(node(3), &asked, now), world.node(2).asked(node(3), &[], now));
    assert_eq!(first, again);
    assert!(world.node(2).here().is_empty());
}

#[test]
fn a_device_that_starts_again_is_met_again_and_the_old_node_forgotten() {
    let mut world = World::default();
    world.start(1, &[2]);
    world.start(2, &[1]);
    world.discover();
    world.nodes.remove(&2);
    world.start(12, &[1]);
    world.silent.insert(2);
    world.discover();
    assert_eq!(world.node(1).here(), [device(2)]);
    assert_eq!(world.node(12).here(), [device(1)]);
    let now = world.now;
    world.node(1).signal(device(2), b"offer".to_vec(), now);
    world.settle();
    assert!(world.told.contains(&received(12, 1, b"offer")));
    world.node(1).gone(node(2));
    assert_eq!(world.node(1).here(), [device(2)]);
    world.node(1).gone(node(12));
    assert!(world.node(1).here().is_empty());
}

#[test]
fn a_question_that_is_lost_is_asked_again_three_times_at_most() {
    let mut world = World::default();
    world.start(1, &[2]);
    world.start(2, &[1]);
    world.silent.insert(2);
    world.node(1).found(node(2), Duration::ZERO);
    world.settle();
    world.wait(100 * SECOND);
    assert_eq!(world.questions(1), 3);
    world.silent.clear();
    world.wait(300 * SECOND);
    assert_eq!(world.node(2).here(), [device(1)]);
}

#[test]
fn a_signal_that_was_not_taken_is_sent_again_and_counts_once() {
    let mut world = World::default();
    world.start(1, &[2]);
    world.start(2, &[1]);
    world.discover();
    world.silent.insert(2);
    let now = world.now;
    world.node(1).signal(device(2), b"offer".to_vec(), now);
    world.settle();
    world.wait(2 * SECOND);
    world.silent.clear();
    world.wait(2 * SECOND);
    assert_eq!(world.told.iter().filter(|told| **told == received(2, 1, b"offer")).count(), 1);
    // Its answer was lost and it comes again.
    let now = world.now;
    assert!(world.node(2).signalled(node(1), b"offer".to_vec(), now));
    assert_eq!(world.node(2).poll(), None);
}

#[test]
fn one_that_forgot_us_is_asked_anew() {
    let mut world = World::default();
    world.start(1, &[2]);
    world.start(2, &[1]);
    world.discover();
    world.node(2).gone(node(1));
    let now = world.now;
    world.node(1).signal(device(2), b"offer".to_vec(), now);
    world.settle();
    world.wait(2 * SECOND);
    assert!(world.told.contains(&received(2, 1, b"offer")));
}

#[test]
fn who_is_no_contact_any_more_is_not_here_and_who_became_one_is_met() {
    let mut world = World::default();
    world.start(1, &[2]);
    world.start(2, &[1]);
    world.start(3, &[1]);
    world.discover();
    world.wait(10 * SECOND);
    let now = world.now;
    world.node(1).set_acquaintances(acquaintances(1, &[3]), now);
    world.settle();
    assert_eq!(world.node(1).here(), [device(3)]);
    assert!(!world.node(1).signalled(node(2), b"offer".to_vec(), now));
}

#[test]
fn the_table_leads_devices_to_each_other_and_shows_another_tag_each_day() {
    let mut world = World::default();
    for day in [DAY, DAY + 1] {
        for (seed, other) in [(1, 2), (2, 1)] {
            world.start(seed, &[other]);
            let now = world.now;
            world.node(seed).search_on(&[day, day - 1], now);
        }
        world.settle();
        world.wait(61 * SECOND);
        assert_eq!(world.node(1).here(), [device(2)]);
        assert_eq!(world.node(2).here(), [device(1)]);
    }
    assert_eq!(world.table.len(), 4);
    assert_eq!(world.table.values().map(BTreeSet::len).collect::<Vec<_>>(), [1; 4]);
}

#[test]
fn forged_providers_lead_nowhere_and_cost_four_questions_a_search() {
    let mut world = World::default();
    world.start(1, &[2]);
    let tag = PairSecret::of(&pair(1), &pair(2).public()).unwrap().tag(DAY, device(2));
    for seed in 100..200 {
        world.start(seed, &[]);
        world.table.entry(tag).or_default().insert(seed);
    }
    let now = world.now;
    world.node(1).search_on(&[DAY], now);
    world.settle();
    assert_eq!(world.questions(1), 4);
    world.wait(3600 * SECOND);
    let searches = world.count(1, |output| matches!(output, Output::Find(_)));
    assert_eq!(searches, 11);
    assert!(world.questions(1) <= 4 * searches + 4 * 12, "{}", world.questions(1));
    assert!(world.node(1).here().is_empty());
}

#[test]
fn whoever_floods_is_forgotten_and_costs_little() {
    let mut meeting = Meeting::new(node(1), device(1), [0; 32]);
    meeting.set_acquaintances(acquaintances(1, &[2]), Duration::ZERO);
    let many = |i: u32| Node::new(*blake3::hash(&i.to_be_bytes()).as_bytes());
    for i in 0..10_000 {
        meeting.found(many(i), Duration::ZERO);
        meeting.asked(many(i), &[Mark::new([0; 16])], Duration::ZERO);
    }
    assert!(meeting.nodes.len() <= NODES_MAX);
    let mut asked = 0;
    while let Some(output) = meeting.poll() {
        asked += usize::from(matches!(output, Output::Ask { .. }));
    }
    assert!(asked <= NODES_MAX, "{asked}");

    for i in 0..1_000_u32 {
        meeting.signal(device(2), vec![0; SIGNAL_BYTES_MAX], Duration::ZERO);
        meeting.signal(
            DeviceId::new(*blake3::hash(&i.to_be_bytes()).as_bytes().first_chunk().unwrap()),
            vec![],
            Duration::ZERO,
        );
    }
    // A contact that was met counts only so often either.
    let mut world = World::default();
    world.start(1, &[2]);
    world.start(2, &[1]);
    world.discover();
    for i in 0..1_000_u32 {
        assert!(world.node(1).signalled(node(2), i.to_be_bytes().to_vec(), Duration::ZERO));
    }
    world.settle();
    assert_eq!(world.count(1, |output| matches!(output, Output::Received { .. })), 32);
}

#[test]
fn a_node_that_asks_without_end_is_answered_in_the_same_form_without_work() {
    let mut world = World::default();
    world.start(1, &[2]);
    world.start(2, &[1]);
    let right =
        PairSecret::of(&pair(1), &pair(2).public()).unwrap().mark(Means::Question, &node(2), &node(1));
    let guesses: Vec<Mark> =
        (0..8).map(|i| world.node(1).asked(node(2), &[Mark::new([i; 16])], Duration::ZERO)).collect();
    let after = world.node(1).asked(node(2), &[right], Duration::ZERO);
    assert!(guesses.iter().all(|guess| *guess == after));
    assert!(world.node(1).here().is_empty());
    world.node(1).asked(node(2), &[right], QUESTIONS_SPAN);
    assert_eq!(world.node(1).here(), [device(2)]);
}
