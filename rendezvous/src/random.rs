//! Randomness as the cores take it, and that of the system.

use opaque_ke::rand::{CryptoRng, Error, RngCore};

/// A source of randomness fit for keys. The shell passes the system's; a simulation passes a seeded one.
pub trait Random: CryptoRng + RngCore {}

impl<T: CryptoRng + RngCore> Random for T {}

/// The system's source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl CryptoRng for SystemRandom {}

impl RngCore for SystemRandom {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_ne_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_ne_bytes(bytes)
    }

    /// # Panics
    /// When the system has no randomness. Nothing safe can be done then.
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("a running system has randomness");
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}
