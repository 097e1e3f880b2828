//! OPAQUE (RFC 9807) as Hobnob uses it: the rendezvous checks a password that it never sees.
//!
//! Both sides must agree on these choices, so they are part of the protocol: ristretto255, 3DH with
//! SHA-512, Argon2id. [`VERSION`] names them on the wire; a change of parameters is a new version.

use opaque_ke::CipherSuite;
use opaque_ke::argon2::{Algorithm, Argon2, Params, Version};

/// The choices below, as a number that travels with registration and login.
pub const VERSION: u8 = 1;

/// Memory of the key stretching, in KiB (about 110 ms on a laptop of 2024 with three passes).
const MEMORY_KIB: u32 = 64 * 1024;
/// Passes of the key stretching.
const PASSES: u32 = 3;

/// The cipher suite of version 1.
#[derive(Clone, Copy, Debug)]
pub struct Suite;

impl CipherSuite for Suite {
    type OprfCs = opaque_ke::Ristretto255;
    type KeyExchange = opaque_ke::TripleDh<opaque_ke::Ristretto255, sha2::Sha512>;
    type Ksf = Argon2<'static>;
}

/// The key-stretching function of version 1. Pass it to both finish calls: without it opaque-ke silently
/// uses a weaker default.
#[must_use]
pub fn key_stretching() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).expect("constants within Argon2's own limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}
