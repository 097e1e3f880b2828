//! The randomness of the system, for the core and for OPAQUE.

use opaque_ke::rand::{CryptoRng, Error, RngCore};

use crate::core::time::Entropy;

/// The kernel's generator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the kernel's generator does not fail once the system is up");
    }
}

impl CryptoRng for SystemEntropy {}

impl RngCore for SystemEntropy {
    fn next_u32(&mut self) -> u32 {
        u32::from_ne_bytes(self.array())
    }

    fn next_u64(&mut self) -> u64 {
        u64::from_ne_bytes(self.array())
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill(bytes);
        Ok(())
    }
}
