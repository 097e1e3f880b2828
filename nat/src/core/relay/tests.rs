use proptest::prelude::*;

use super::*;
use hobnob_wire::datagram::parse;

const LIMITS: RelayLimits = RelayLimits {
    channel_bytes_per_s: 1_000_000,
    channel_bytes_max: 100_000_000,
    account_bytes_per_s: 1_000_000,
    account_bytes_per_day: 1_000_000_000,
    idle: Duration::from_secs(300),
};
const ALICE: AllocationId = AllocationId(1);
const BOB: AllocationId = AllocationId(2);
const MALLORY: AllocationId = AllocationId(3);
const CHANNEL: Channel = Channel::new([7; 7]);
const ONE: Load = Load { bytes: 1_000, datagrams: 1 };

fn at(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 7700))
}

fn hop(peer: SocketAddr) -> Hop {
    Hop { peer, here: None }
}

fn key(id: AllocationId) -> DatagramKey {
    DatagramKey::new([id.0.to_be_bytes()[7]; 32])
}

/// A relay at which three people have a place, of whom two have a channel.
struct World {
    relay: Relay,
    now: Duration,
    count: u64,
}

impl World {
    fn new(limits: RelayLimits) -> Self {
        let mut world =
            Self { relay: Relay::new(limits, Zeroizing::new([5; 32])), now: Duration::ZERO, count: 0 };
        for allocation in [ALICE, BOB, MALLORY] {
            world.order(Order::Allocate { allocation, key: key(allocation), payer: Payer(allocation.0) });
        }
        world.order(Order::Open { channel: CHANNEL, between: [ALICE, BOB] });
        world
    }

    fn bound(limits: RelayLimits) -> Self {
        let mut world = Self::new(limits);
        world.bind(ALICE, at(1));
        world.bind(BOB, at(2));
        world
    }

    fn order(&mut self, order: Order) {
        self.relay.order(order, self.now);
    }

    fn say(&mut self, from: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
        self.relay.answer(hop(from), bytes, Door::Relay, self.now)
    }

    fn request(&mut self, allocation: AllocationId, cookie: Cookie) -> Vec<u8> {
        self.count += 1;
        Datagram::Bind { allocation, transaction: Transaction(self.count), cookie }.seal(&key(allocation))
    }

    fn challenge(&mut self, allocation: AllocationId, from: SocketAddr) -> Cookie {
        let request = self.request(allocation, Cookie::default());
        let answer = self.say(from, &request).unwrap();
        let answer = parse(&answer).unwrap().prove(&key(allocation)).unwrap();
        let Datagram::Challenge { cookie, .. } = answer else { panic!("{answer:?}") };
        cookie
    }

    fn bind(&mut self, allocation: AllocationId, from: SocketAddr) {
        let cookie = self.challenge(allocation, from);
        let request = self.request(allocation, cookie);
        let answer = self.say(from, &request).unwrap();
        let answer = parse(&answer).unwrap().prove(&key(allocation)).unwrap();
        assert_eq!(answer, Datagram::Bound { transaction: Transaction(self.count), seen: from.into() });
    }

    fn forward(&mut self, from: SocketAddr) -> Option<SocketAddr> {
        self.relay.forward(from, CHANNEL, ONE, self.now).map(|to| to.peer)
    }
}

#[test]
fn two_bound_peers_reach_each_other_in_their_channel_and_nobody_else_does() {
    let mut world = World::bound(LIMITS);
    world.bind(MALLORY, at(3));
    assert_eq!(world.forward(at(1)), Some(at(2)));
    assert_eq!(world.forward(at(2)), Some(at(1)));
    assert_eq!(world.forward(at(3)), None, "Mallory has the number but not the place");
    assert_eq!(world.relay.forward(at(1), Channel::new([8; 7]), ONE, world.now), None);
    let tally = RelayTally { bytes: 2_000, datagrams: 2, over_budget: 0, refused: 2, answers: 6 };
    assert_eq!(world.relay.tally(), tally);
}

#[test]
fn nothing_goes_to_an_address_that_has_not_proved_itself() {
    let mut world = World::new(LIMITS);
    assert_eq!(world.forward(at(1)), None);
    world.bind(ALICE, at(1));
    assert_eq!(world.forward(at(1)), None, "Bob is nowhere yet");
    // Bob asks with a forged source, whose owner does not tell him the cookie.
    let request = world.request(BOB, Cookie::default());
    world.say(at(9), &request).unwrap();
    let elsewhere = world.challenge(BOB, at(2));
    let request = world.request(BOB, elsewhere);
    let answer = world.say(at(9), &request).unwrap();
    assert!(matches!(parse(&answer).unwrap().claims(), Datagram::Challenge { .. }));
    assert_eq!(world.forward(at(1)), None);
}

#[test]
fn a_cookie_of_another_allocation_is_worth_nothing() {
    let mut world = World::new(LIMITS);
    let cookie = world.challenge(MALLORY, at(3));
    let request = world.request(ALICE, cookie);
    let answer = world.say(at(3), &request).unwrap();
    assert!(matches!(parse(&answer).unwrap().claims(), Datagram::Challenge { .. }));
}

#[test]
fn a_request_that_is_heard_twice_is_answered_once_and_an_older_one_does_not_move_the_peer_back() {
    let mut world = World::new(LIMITS);
    let cookie = world.challenge(ALICE, at(1));
    let older = world.request(ALICE, cookie);
    world.bind(ALICE, at(4));
    world.bind(BOB, at(2));
    assert!(world.say(at(1), &older).is_some(), "it overtook nothing that it could spoil");
    assert_eq!(world.forward(at(2)), Some(at(4)));
    assert_eq!(world.say(at(1), &older), None);
    assert_eq!(world.say(at(9), &older), None, "nor when it comes from elsewhere");
}

#[test]
fn what_nobody_with_a_place_has_signed_is_not_answered() {
    let mut world = World::new(LIMITS);
    let forged = Datagram::Bind { allocation: ALICE, transaction: Transaction(1), cookie: Cookie::default() };
    assert_eq!(world.say(at(1), &forged.seal(&key(BOB))), None);
    let stranger = AllocationId(99);
    let unknown = Datagram::Reflect { allocation: stranger, transaction: Transaction(1), room: [0; 16] };
    assert_eq!(world.say(at(1), &unknown.seal(&key(stranger))), None);
    assert_eq!(world.relay.tally().answers, 0);
}

#[test]
fn each_side_is_sent_what_comes_from_the_address_that_it_knows() {
    let mut world = World::bound(LIMITS);
    let here = |last| Some(std::net::IpAddr::from([198, 51, 100, last]));
    for (allocation, peer, here) in [(ALICE, at(1), here(1)), (BOB, at(2), here(2))] {
        let cookie = world.challenge(allocation, peer);
        let bind = world.request(allocation, cookie);
        world.relay.answer(Hop { peer, here }, &bind, Door::Relay, world.now).unwrap();
    }
    let to = |world: &mut World, from| world.relay.forward(from, CHANNEL, ONE, world.now);
    assert_eq!(to(&mut world, at(1)), Some(Hop { peer: at(2), here: here(2) }));
    assert_eq!(to(&mut world, at(2)), Some(Hop { peer: at(1), here: here(1) }));
}

#[test]
fn what_is_forwarded_answered_and_refused_is_counted() {
    let mut world = World::bound(RelayLimits { channel_bytes_max: 1_000, ..LIMITS });
    let answers = world.relay.tally().answers;
    for from in [at(1), at(1), at(3)] {
        world.forward(from);
    }
    world.say(at(3), b"");
    world.say(at(3), &Channel::new([8; 7]).header());
    let tally = RelayTally { bytes: 1_000, datagrams: 1, over_budget: 1, refused: 3, answers };
    assert_eq!(world.relay.tally(), tally);
}

#[test]
fn a_reflector_reflects_and_binds_nobody() {
    let mut world = World::new(LIMITS);
    let bind = world.request(ALICE, Cookie::default());
    assert_eq!(world.relay.answer(hop(at(1)), &bind, Door::Reflector, world.now), None);
    let transaction = Transaction(50);
    let reflect = Datagram::Reflect { allocation: ALICE, transaction, room: [0; 16] }.seal(&key(ALICE));
    let answer = world.relay.answer(hop(at(1)), &reflect, Door::Reflector, world.now).unwrap();
    assert_eq!(answer, Datagram::Reflected { transaction, seen: at(1).into() }.seal(&key(ALICE)));
}

#[test]
fn answers_to_one_peer_are_few_and_never_longer_than_the_requests() {
    let mut world = World::new(LIMITS);
    let mut answered = 0;
    for _ in 0..1_000 {
        let request = world.request(ALICE, Cookie::default());
        if let Some(answer) = world.say(at(9), &request) {
            assert!(answer.len() <= request.len());
            answered += 1;
        }
    }
    assert_eq!(answered, 50);
}

#[test]
fn a_session_that_ends_takes_its_channels_along() {
    let mut world = World::bound(LIMITS);
    world.order(Order::Release { allocation: BOB });
    assert_eq!(world.forward(at(1)), None);
    assert_eq!(world.relay.counts(), (2, 0));
    let request = world.request(BOB, Cookie::default());
    assert_eq!(world.say(at(2), &request), None, "the key is gone");
    world.order(Order::Open { channel: CHANNEL, between: [ALICE, BOB] });
    assert_eq!(world.relay.counts(), (2, 0));
}

#[test]
fn an_address_counts_for_five_minutes_after_it_was_proved() {
    let mut world = World::bound(LIMITS);
    world.now = BINDING_LASTS;
    assert_eq!(world.forward(at(1)), Some(at(2)));
    world.now += Duration::from_millis(1);
    assert_eq!(world.forward(at(1)), None);
    world.bind(ALICE, at(1));
    world.bind(BOB, at(2));
    assert_eq!(world.forward(at(1)), Some(at(2)), "the channel is still there");
}

#[test]
fn a_channel_that_is_not_used_expires_unless_both_sides_are_there() {
    let mut unbound = World::new(LIMITS);
    unbound.now = UNBOUND_MAX + Duration::from_secs(1);
    unbound.relay.sweep(unbound.now);
    assert_eq!(unbound.relay.counts(), (3, 0));

    let mut world = World::bound(LIMITS);
    world.forward(at(1));
    world.now = BINDING_LASTS;
    world.relay.sweep(world.now);
    assert_eq!(world.relay.counts(), (3, 1), "both sides are bound");
    world.now = LIMITS.idle + Duration::from_secs(1);
    world.relay.sweep(world.now);
    assert_eq!(world.relay.counts(), (3, 0));
}

#[test]
fn of_too_many_channels_the_one_that_was_not_used_for_the_longest_time_ends() {
    let mut world = World::new(LIMITS);
    let number = |number: usize| {
        let [.., a, b] = number.to_be_bytes();
        Channel::new([0, 0, 0, 0, 1, a, b])
    };
    for each in 0..CHANNELS_PER_ALLOCATION_MAX {
        world.now += Duration::from_millis(1);
        let other = AllocationId(1_000 + each as u64);
        world.order(Order::Allocate { allocation: other, key: key(other), payer: Payer(other.0) });
        world.order(Order::Open { channel: number(each), between: [ALICE, other] });
    }
    assert_eq!(world.relay.counts().1, CHANNELS_PER_ALLOCATION_MAX);
    assert!(!world.relay.channels.contains_key(&CHANNEL));
    assert!(world.relay.channels.contains_key(&number(0)));
}

#[test]
fn a_number_that_two_have_is_not_given_to_others() {
    let mut world = World::bound(LIMITS);
    world.bind(MALLORY, at(3));
    world.order(Order::Open { channel: CHANNEL, between: [MALLORY, BOB] });
    assert_eq!(world.forward(at(3)), None);
    assert_eq!(world.forward(at(1)), Some(at(2)));
}

#[test]
fn budgets_of_the_channel_and_of_the_sender_hold_and_the_receiver_pays_nothing() {
    let limits = RelayLimits { account_bytes_per_day: 3_000, ..LIMITS };
    let mut world = World::bound(limits);
    let sent: Vec<bool> = (0..4).map(|_| world.forward(at(1)).is_some()).collect();
    assert_eq!(sent, [true, true, true, false]);
    assert_eq!(world.forward(at(2)), Some(at(1)));

    let limits = RelayLimits { channel_bytes_max: 3_000, ..LIMITS };
    let mut world = World::bound(limits);
    let sent: Vec<bool> = (0..4).map(|_| world.forward(at(1)).is_some()).collect();
    assert_eq!(sent, [true, true, true, false]);
    assert_eq!(world.forward(at(2)), None);
    assert_eq!(world.relay.tally().over_budget, 2);
}

/// What may happen to a relay, in any order.
#[derive(Clone, Debug)]
enum Step {
    Order(usize, bool),
    Open(usize, usize),
    Bind(usize, u8),
    Forward(u8, usize, usize),
    Garbage(u8, Vec<u8>),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_usize, any::<bool>()).prop_map(|(id, on)| Step::Order(id, on)),
        (0..4_usize, 0..4_usize).prop_map(|(left, right)| Step::Open(left, right)),
        (0..4_usize, 0..6_u8).prop_map(|(id, from)| Step::Bind(id, from)),
        (0..6_u8, 0..4_usize, 0..4_usize).prop_map(|(from, left, right)| Step::Forward(from, left, right)),
        (0..6_u8, prop::collection::vec(any::<u8>(), 0..80))
            .prop_map(|(from, bytes)| Step::Garbage(from, bytes)),
        (0..200_u64).prop_map(Step::Wait),
    ]
}

fn between(left: usize, right: usize) -> Channel {
    Channel::new([0, 0, 0, 0, 0, left.min(right) as u8, left.max(right) as u8])
}

proptest! {
    /// A model that keeps no more than who proved which address when, and who has a channel.
    #[test]
    fn what_is_forwarded_always_goes_from_one_proved_side_of_a_channel_to_the_other(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new(LIMITS);
        let id = |index: usize| AllocationId(10 + index as u64);
        let mut places: [Option<Option<(SocketAddr, Duration)>>; 4] = [None; 4];
        for step in steps {
            match step {
                Step::Order(index, true) => {
                    let (allocation, payer) = (id(index), Payer(index as u64));
                    world.order(Order::Allocate { allocation, key: key(allocation), payer });
                    places[index].get_or_insert(None);
                }
                Step::Order(index, false) => {
                    world.order(Order::Release { allocation: id(index) });
                    places[index] = None;
                }
                Step::Open(left, right) => {
                    world.order(Order::Open { channel: between(left, right), between: [id(left), id(right)] });
                }
                Step::Bind(index, from) if places[index].is_some() => {
                    world.now += Duration::from_secs(1);
                    world.bind(id(index), at(from));
                    places[index] = Some(Some((at(from), world.now)));
                }
                Step::Bind(index, from) => {
                    let request = world.request(id(index), Cookie::default());
                    prop_assert_eq!(world.say(at(from), &request), None);
                }
                Step::Forward(from, left, right) => {
                    let to = world.relay.forward(at(from), between(left, right), ONE, world.now).map(|to| to.peer);
                    if let Some(to) = to {
                        let proved = [left, right].map(|index| {
                            let (at, when) = places[index].flatten().expect("both sides are bound");
                            prop_assert!(world.now - when <= BINDING_LASTS);
                            Ok(at)
                        });
                        let [left, right] = [proved[0].clone()?, proved[1].clone()?];
                        prop_assert!((left, right) == (at(from), to) || (right, left) == (at(from), to));
                    }
                }
                Step::Garbage(from, bytes) => prop_assert_eq!(world.say(at(from), &bytes), None),
                Step::Wait(seconds) => world.now += Duration::from_secs(seconds),
            }
            let open: usize = world.relay.allocations.values().map(|at| at.channels.len()).sum();
            prop_assert_eq!(open, 2 * world.relay.channels.len());
        }
    }
}
