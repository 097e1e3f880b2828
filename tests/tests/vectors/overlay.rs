//! Examples of what nodes of the overlay say, and tags and marks computed from the formulas of the page.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use hobnob_wire::List;
use hobnob_wire::overlay::{Mark, Means, Node, OverlayAnswer, OverlayRequest, PairSecret};

use crate::example::{Example, Vector, every, frames, variants};
use crate::link::bob_noise;
use crate::people::*;

variants! {
    OverlayRequest: Marks, Signal;
    OverlayAnswer: Mark, Taken;
}

const DAY: u32 = 20_778;
const ASKER: [u8; 32] = [0x11; 32];
const ASKED: [u8; 32] = [0x22; 32];

pub(crate) fn vectors() -> Vec<Vector> {
    [frames("overlay", requests()), frames("overlay", answers()), marks()].concat()
}

fn requests() -> Vec<Example<OverlayRequest>> {
    let marks = List::new(vec![Mark::new([0x55; 16]), Mark::new([0x66; 16])]).unwrap();
    every(vec![
        ("marks", "marks 16 bytes 55 and 16 bytes 66", OverlayRequest::Marks(marks)),
        ("signal", "sealed 010203", OverlayRequest::Signal(bytes(&[1, 2, 3]))),
    ])
}

fn answers() -> Vec<Example<OverlayAnswer>> {
    every(vec![
        ("mark", "mark 16 bytes 77", OverlayAnswer::Mark(Mark::new([0x77; 16]))),
        ("taken", "yes", OverlayAnswer::Taken(true)),
    ])
}

fn marks() -> Vec<Vector> {
    let (alice, bob) = (noise(NOISE), bob_noise());
    let own = PrivateKey::from_private_key(&X25519, alice.secret().as_slice()).unwrap();
    let theirs = UnparsedPublicKey::new(&X25519, *bob.public().as_bytes());
    let shared: Vec<u8> = agree(&own, theirs, (), |shared| Ok(shared.to_vec())).unwrap();
    let mut publics = [*alice.public().as_bytes(), *bob.public().as_bytes()];
    publics.sort_unstable();
    let material = [shared, publics.concat()].concat();
    let key = blake3::derive_key("hobnob 2026-11 overlay pair secret", &material);
    let hash = |parts: &[&[u8]]| *blake3::keyed_hash(&key, &parts.concat()).as_bytes();
    let tag = hash(&[b"t", &DAY.to_be_bytes(), device_id().as_bytes()]);
    let question = &hash(&[b"q", &ASKER, &ASKED])[..16];
    let answer = &hash(&[b"a", &ASKED, &ASKER])[..16];

    let secret = PairSecret::of(&bob, &alice.public()).unwrap();
    let (asker, asked) = (Node::new(ASKER), Node::new(ASKED));
    assert_eq!(secret.tag(DAY, device_id()).as_bytes(), &tag);
    assert_eq!(secret.mark(Means::Question, &asker, &asked), Mark::new(question.try_into().unwrap()));
    assert_eq!(secret.mark(Means::Answer, &asked, &asker), Mark::new(answer.try_into().unwrap()));

    let vector = |name, says, bytes| Vector { kind: "bytes", name, says, bytes, target: None };
    vec![
        vector("pair secret", "of the Noise keys of the device and of Bob's", key.to_vec()),
        vector("tag", "of that pair on day 20778, for the device", tag.to_vec()),
        vector("question mark", "of that pair, from node 32 bytes 11 to node 32 bytes 22", question.to_vec()),
        vector("answer mark", "of that pair, back", answer.to_vec()),
    ]
}
