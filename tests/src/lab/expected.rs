//! Which pairs can be direct.

use hobnob_nat::simulation::Place;
use serde::Serialize;

/// What physics allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// Direct, always, and at once.
    Direct,
    /// Direct, always, after both counters have been found.
    Counted,
    /// Direct nearly always, since ports have to be guessed.
    Guessed,
    /// Seldom direct: ports would have to be guessed at an address that nobody vouches for.
    Unvouched,
    /// Direct when the router is not confused by packets that come before its own side has sent any.
    Confused,
    /// Over the relay.
    Relayed,
}

/// What is to be expected of two people in these places.
#[must_use]
pub fn expected([one, other]: [Place; 2]) -> Expected {
    use Place::{
        AddressRestricted, BrokenV6, DoubleNat, DualStack, FullCone, Hairpin, Lan, Open, Poisonable,
        PortRestricted, SymmetricRandom, SymmetricSequential, UdpBlocked, V6Only,
    };
    let is = |place| one == place || other == place;
    let is_any = |places: &[Place]| places.iter().any(|place| is(*place));
    let strict = [PortRestricted, DoubleNat, Hairpin, BrokenV6, Lan];
    if is(UdpBlocked) {
        return Expected::Relayed;
    }
    if is(V6Only) {
        // There is no IPv4 on one side, and no IPv6 that works on the other.
        let both_v6 = [one, other].iter().all(|place| matches!(place, V6Only | Open | DualStack));
        return if both_v6 { Expected::Direct } else { Expected::Relayed };
    }
    if is(Poisonable) && !is_any(&[Open, FullCone, AddressRestricted]) {
        return Expected::Confused;
    }
    if is(DualStack) && is(SymmetricRandom) {
        // The rendezvous vouches for the address that the session comes from, which is one of IPv6.
        return Expected::Unvouched;
    }
    if is(SymmetricRandom) {
        return if is_any(&[Open, FullCone, AddressRestricted]) {
            Expected::Direct
        } else if is_any(&strict) {
            Expected::Guessed
        } else {
            Expected::Relayed
        };
    }
    if one == SymmetricSequential && one == other {
        return Expected::Counted;
    }
    Expected::Direct
}
