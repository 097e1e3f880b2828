use proptest::prelude::*;

use super::*;

const S: Duration = Duration::from_secs(1);

/// Streams of each transfer that wait at a time. With one or two of them, a late timer finds less waiting than may go by then.
const STREAMS: usize = 8;

fn id(number: u8) -> TransferId {
    TransferId::new([number; 16])
}

fn peer(number: u8) -> Address {
    format!("p{number}@localhost").parse().unwrap()
}

fn flow(number: u8, to: u8, weight: u32) -> Flow {
    Flow { transfer: id(number), peer: peer(to), link: LinkId(to.into()), weight }
}

/// Transfers that always have bytes to send, and a sender whose timers are late.
struct Load {
    shaper: Shaper,
    now: Duration,
    asked: BTreeMap<Ticket, (u8, usize)>,
    waiting: BTreeMap<u8, usize>,
    sent: BTreeMap<u8, u64>,
}

impl Load {
    fn new(flows: &[Flow]) -> Self {
        let mut shaper = Shaper::default();
        flows.iter().cloned().for_each(|flow| shaper.set_flow(flow));
        let numbers = flows.iter().map(|flow| flow.transfer.as_bytes()[0]);
        let waiting = numbers.clone().map(|number| (number, 0)).collect();
        Self {
            shaper,
            now: S,
            asked: BTreeMap::new(),
            waiting,
            sent: numbers.map(|number| (number, 0)).collect(),
        }
    }

    fn limit(&mut self, of: Limited, bytes_per_s: u64) {
        self.shaper.set_limit(of, bytes_per_s, self.now);
    }

    /// Bytes that each sent in the time.
    fn run(&mut self, time: Duration, late: Duration) -> BTreeMap<u8, u64> {
        let end = self.now + time;
        let before = self.sent.clone();
        while self.now < end {
            for (number, waiting) in &mut self.waiting {
                while *waiting < STREAMS {
                    let portion = self.shaper.portion(id(*number));
                    let ticket = self.shaper.ask(id(*number), portion).expect("all are limited");
                    self.asked.insert(ticket, (*number, portion));
                    *waiting += 1;
                }
            }
            let (granted, wait) = self.shaper.grant(self.now);
            if granted.is_empty() {
                self.now += (wait.expect("somebody waits") + late).min(end - self.now + late);
            }
            for ticket in granted {
                let (number, bytes) = self.asked.remove(&ticket).unwrap();
                *self.sent.get_mut(&number).unwrap() += bytes as u64;
                *self.waiting.get_mut(&number).unwrap() -= 1;
            }
        }
        before.iter().map(|(number, sent)| (*number, self.sent[number] - sent)).collect()
    }
}

/// How far apart, in percent.
fn off(is: u64, should: u64) -> f64 {
    is.abs_diff(should) as f64 * 100.0 / should as f64
}

#[test]
fn any_five_seconds_carry_five_seconds_worth_within_3_percent() {
    for rate in [50 << 10, 1 << 20, 20_000_000, 500_000_000] {
        for late_us in [0, 1_200, 7_000] {
            let mut load = Load::new(&[flow(1, 1, 1), flow(2, 2, 1)]);
            load.limit(Limited::Total, rate);
            for _ in 0..3 {
                let sent: u64 = load.run(5 * S, Duration::from_micros(late_us)).values().sum();
                assert!(off(sent, rate * 5) < 3.0, "{rate} bytes/s, {late_us} µs late: {sent}");
            }
        }
    }
}

#[test]
fn a_change_counts_from_that_moment_both_ways() {
    let mut load = Load::new(&[flow(1, 1, 1)]);
    load.limit(Limited::Transfer(id(1)), 100 << 20);
    load.run(S, Duration::ZERO);
    load.limit(Limited::Transfer(id(1)), 50 << 10);
    // Portions that were asked for before are larger, but are paid for.
    let slow = load.run(5 * S, Duration::ZERO)[&1];
    assert!(off(slow, 250 << 10) < 4.0, "{slow}");
    load.limit(Limited::Transfer(id(1)), 100 << 20);
    let fast = load.run(S / 2, Duration::ZERO)[&1];
    assert!(off(fast, 50 << 20) < 5.0, "{fast}");
    load.limit(Limited::Transfer(id(1)), 0);
    assert_eq!(load.shaper.ask(id(1), 1 << 30), None);
}

#[test]
fn idle_time_is_not_saved_up() {
    let mut load = Load::new(&[flow(1, 1, 1)]);
    load.limit(Limited::Total, 1 << 20);
    load.now += 100 * S;
    let sent = load.run(Duration::from_millis(10), Duration::ZERO)[&1];
    assert!(sent < 200_000, "{sent}");
}

#[test]
fn what_one_may_not_use_goes_to_the_others() {
    let mut load = Load::new(&[flow(1, 1, 1), flow(2, 2, 1), flow(3, 3, 1)]);
    load.limit(Limited::Total, 10_000_000);
    load.limit(Limited::Peer(peer(1)), 1_000_000);
    load.limit(Limited::Link(LinkId(2)), 2_000_000);
    let sent = load.run(10 * S, Duration::from_millis(1));
    for (number, rate) in [(1, 1_000_000), (2, 2_000_000), (3, 7_000_000)] {
        assert!(off(sent[&number], rate * 10) < 3.0, "{sent:?}");
    }
}

#[test]
fn whoever_asked_and_is_gone_is_not_waited_for() {
    let mut load = Load::new(&[flow(1, 1, 1), flow(2, 1, 1)]);
    load.limit(Limited::Total, 1_000_000);
    let first = load.shaper.ask(id(1), 50_000).unwrap();
    let second = load.shaper.ask(id(1), 50_000).unwrap();
    assert_eq!(load.shaper.grant(load.now), (vec![first], Some(Duration::from_millis(50))));
    let third = load.shaper.ask(id(2), 50_000).unwrap();
    load.shaper.take_back(id(1), second);
    assert_eq!(load.shaper.grant(load.now + S).0, [third]);
    load.shaper.ask(id(2), 50_000).unwrap();
    load.shaper.remove(id(2));
    assert_eq!(load.shaper.grant(load.now + S), (vec![], None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the limits, weights and lateness: no limit is exceeded, those under one limit share it by weight, and nobody starves.
    #[test]
    fn a_shared_limit_is_kept_used_up_and_shared_by_weight(
        rate in 200_000..50_000_000_u64,
        weights in proptest::collection::vec(1..5_u32, 2..7),
        own in proptest::option::of(0..7_usize),
        late_us in 0..5_000_u64,
    ) {
        let flows: Vec<Flow> =
            weights.iter().enumerate().map(|(at, weight)| flow(at as u8, at as u8 % 3, *weight)).collect();
        let mut load = Load::new(&flows);
        load.limit(Limited::Total, rate);
        let all: u32 = weights.iter().sum();
        let share = |at: usize| rate * u64::from(weights[at]) / u64::from(all);
        // One of them may be held below its share by a limit of its own.
        let own = own.filter(|at| *at < weights.len());
        if let Some(at) = own {
            load.limit(Limited::Transfer(id(at as u8)), (share(at) / 2).max(1));
        }
        load.run(2 * S, Duration::from_micros(late_us));
        let sent = load.run(20 * S, Duration::from_micros(late_us));
        let total: u64 = sent.values().sum();
        prop_assert!(off(total, rate * 20) < 3.0, "{total} of {}", rate * 20);
        let others: u32 = weights.iter().enumerate().filter(|(at, _)| Some(*at) != own).map(|(_, w)| w).sum();
        for (at, weight) in weights.iter().enumerate() {
            let should = match own {
                Some(own) if own == at => share(at) / 2 * 20,
                Some(own) => (rate - share(own) / 2) * 20 * u64::from(*weight) / u64::from(others),
                None => share(at) * 20,
            };
            prop_assert!(off(sent[&(at as u8)], should) < 6.0, "{at}: {} of {should}; {sent:?}", sent[&(at as u8)]);
        }
    }
}
