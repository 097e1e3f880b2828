//! What a closer look at the network finds in each place.

use std::net::SocketAddr;
use std::time::Duration;

use hobnob_nat::core::mapping::classify;
use hobnob_nat::reach::Survey;
use hobnob_nat::simulation::{Place, RENDEZVOUS_V6, Shape};
use hobnob_wire::signal::Mapping;

use crate::world::{LINE, World};

/// The kind of the NAT of each address, and what else was found.
async fn survey(place: Place) -> (Vec<Mapping>, Survey) {
    let world = World::new(1, [place, Place::Open], &Shape::delay(LINE)).await;
    let survey = world.peers[0].reach.survey(vec![SocketAddr::from((RENDEZVOUS_V6, 7700))]).await.unwrap();
    let kinds = survey.posts.iter().map(|(own, seen)| classify(seen, &[*own])).collect();
    (kinds, survey)
}

#[tokio::test(start_paused = true)]
async fn a_survey_tells_the_nat_of_each_address_the_hairpin_and_the_relay() {
    let cases: [(Place, &[Mapping], Option<bool>); 9] = [
        (Place::Open, &[Mapping::NoNat, Mapping::NoNat], None),
        (Place::FullCone, &[Mapping::EndpointIndependent], Some(true)),
        (Place::PortRestricted, &[Mapping::EndpointIndependent], Some(false)),
        (Place::Hairpin, &[Mapping::EndpointIndependent], Some(true)),
        (Place::DoubleNat, &[Mapping::EndpointIndependent], Some(true)),
        (Place::SymmetricSequential, &[Mapping::Sequential { step: 1 }], Some(false)),
        (Place::SymmetricRandom, &[Mapping::Random], Some(false)),
        (Place::V6Only, &[Mapping::NoNat], None),
        (Place::BrokenV6, &[Mapping::EndpointIndependent, Mapping::Unknown], Some(false)),
    ];
    for (place, kinds, hairpin) in cases {
        let (found, survey) = survey(place).await;
        assert_eq!(found, kinds, "{place}: {survey:?}");
        assert_eq!(survey.hairpin, hairpin, "{place}");
        assert_eq!(survey.relay_rtt, Some(2 * LINE), "{place}");
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_tunnel_nothing_is_sent_beside_it_and_the_relay_is_still_measured() {
    let world = World::new(1, [Place::UdpBlocked, Place::Open], &Shape::delay(LINE)).await;
    let peer = &world.peers[0];
    let sent = || world.simulation.with(|internet| internet.counts(peer.host).sent_packets);
    let before = sent();
    let survey = peer.reach.survey(vec![SocketAddr::from((RENDEZVOUS_V6, 7700))]).await.unwrap();
    assert!(survey.posts.iter().all(|(_, seen)| seen.is_empty()));
    assert_eq!((survey.hairpin, sent() - before), (None, 0));
    assert!(survey.relay_rtt.is_some_and(|rtt| rtt < Duration::from_millis(50)), "{survey:?}");
}

#[tokio::test(start_paused = true)]
async fn two_who_ask_at_once_get_the_same_survey_and_a_later_one_is_another() {
    let world = World::new(1, [Place::PortRestricted, Place::Open], &Shape::delay(LINE)).await;
    let reach = &world.peers[0].reach;
    let (one, other) = tokio::join!(reach.survey(Vec::new()), reach.survey(Vec::new()));
    assert_eq!(one, other);
    let later = reach.survey(Vec::new()).await.unwrap();
    assert_ne!(one.unwrap().posts[0].0, later.posts[0].0);
    reach.session(None);
    assert_eq!(reach.survey(Vec::new()).await, None);
}
