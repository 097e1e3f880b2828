//! A crowd that connects to the rendezvous and stays silent.

use std::time::{Duration, Instant};

use hobnob_tests::crowd::Crowd;
use hobnob_tests::world::World;

const SIZE: usize = 2_000;
const BYTES_EACH_MAX: u64 = 64 << 10;

#[test]
fn two_thousand_silent_connections_cost_under_64_kib_each_and_delay_a_login_by_less_than_1_s() {
    let world = World::new();
    let alice = world.person("alice");
    let login = |home| {
        let device = world.home_of(&alice, home);
        let begin = Instant::now();
        assert_eq!(device.login().code, 0);
        begin.elapsed()
    };
    login("alice before");
    let calm = login("alice in calm");

    let before = world.rendezvous.process().memory_bytes();
    let mut crowd = Crowd::gather(SIZE, &world.rendezvous.invite).unwrap();
    let here = crowd.wait_for(SIZE);
    let cost = (world.rendezvous.process().peak_memory_bytes() - before) / here as u64;
    assert!(cost < BYTES_EACH_MAX, "{cost} bytes for each of {here} connections");

    let crowded = login("alice in the crowd");
    assert!(crowded < calm + Duration::from_secs(1), "{crowded:?} instead of {calm:?}");
    assert!(crowd.size() > SIZE / 2, "{} were still there", crowd.size());
}
