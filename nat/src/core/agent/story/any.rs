//! Whatever the NATs and the network are: what must hold does.

use proptest::prelude::*;

use super::super::Selection;
use super::nat::{By, Kind, Ports};
use super::world::{A, B, Link, World, ms};

fn by() -> impl Strategy<Value = By> {
    prop_oneof![Just(By::Nothing), Just(By::Address), Just(By::AddressAndPort)]
}

fn ports() -> impl Strategy<Value = Ports> {
    prop_oneof![
        Just(Ports::Preserved),
        (1..4_i8).prop_map(Ports::Counted),
        (-3..0_i8).prop_map(Ports::Counted),
        Just(Ports::Within(1024)),
        Just(Ports::Random),
    ]
}

fn kind() -> impl Strategy<Value = Option<Kind>> {
    let nat = (by(), by(), ports(), any::<bool>());
    proptest::option::weighted(
        0.9,
        nat.prop_map(|(mapping, filtering, ports, hairpin)| Kind { mapping, filtering, ports, hairpin }),
    )
}

fn link() -> impl Strategy<Value = Link> {
    ([1..150_u64, 1..150_u64], 0..40_u64, 0..10_u64, 0..10_u64).prop_map(
        |(delay_ms, jitter_ms, loss_percent, double_percent)| Link {
            delay_ms,
            jitter_ms,
            loss_percent,
            double_percent,
        },
    )
}

/// Whether theory lets the pair be direct by plain checks and prediction.
fn is_certain(kinds: [Option<Kind>; 2]) -> bool {
    let is_hard = |kind: Option<Kind>| kind.is_some_and(|kind| kind.mapping != By::Nothing);
    let is_strict = |kind: Option<Kind>| kind.is_some_and(|kind| kind.filtering == By::AddressAndPort);
    match kinds.map(is_hard) {
        [false, false] => true,
        [true, false] => !is_strict(kinds[1]),
        [false, true] => !is_strict(kinds[0]),
        [true, true] => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pair_that_theory_allows_is_direct_and_both_sides_agree(kinds in [kind(), kind()], link in link(), seed: u64) {
        let mut world = World::new(kinds, seed);
        world.link = link;
        world.exchange();
        world.run(ms(15_000));
        if is_certain(kinds) {
            prop_assert!(world.are_direct(), "{:?}\n{:?}", world.report(A), world.report(B));
        }
        // Each side's way is admitted by the other, or QUIC would be dropped.
        for side in [A, B] {
            if let Selection::Direct(way) = world.sides[side].selection {
                prop_assert!(world.sides[side].admitted.contains(&way));
            }
            for (ip, (packets, _)) in &world.sides[side].sent {
                prop_assert!(*packets <= 1500 + 300, "{packets} packets to {ip} {:?}\n{:?}", world.report(A), world.report(B));
            }
            prop_assert!(world.report(side).why_not_direct.is_none() == world.report(side).kind.is_direct());
        }
        let are_direct = [A, B].map(|side| world.report(side).kind.is_direct());
        prop_assert_eq!(are_direct[A], are_direct[B], "{:?}\n{:?}", world.report(A), world.report(B));
    }

    #[test]
    fn a_path_survives_any_moment_of_silence(from_ms in 500..5000_u64, lasts_ms in 0..5000_u64, cut: [bool; 2], seed: u64) {
        let mut world = World::new([None, Some(super::nat::PORT_RESTRICTED)], seed);
        world.exchange();
        world.talk(ms(60_000), ms(30));
        world.run(ms(from_ms));
        world.cut = cut;
        world.run(ms(lasts_ms));
        world.cut = [false, false];
        world.run(ms(20_000));
        prop_assert!(world.are_direct(), "{:#?} {:#?}", world.report(A), world.report(B));
    }
}
