//! Random numbers that a seed repeats.

use std::{env, time::SystemTime};

/// Xorshift, 64 bits.
#[derive(Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The seed is `E2E_SEED`, or else the clock; it is printed, so that a failure shows it.
    ///
    /// # Panics
    /// When `E2E_SEED` is not a number.
    pub fn from_env() -> Self {
        let seed = match env::var("E2E_SEED") {
            Ok(seed) => seed.parse().unwrap_or_else(|e| panic!("E2E_SEED={seed}: {e}")),
            Err(_) => SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs()),
        };
        println!("seed: {seed} (E2E_SEED={seed} repeats its choices)");
        // Spread, so that neighbouring seeds differ; and never 0, where xorshift stays.
        Random { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    /// A number from 0 to `end` - 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % end
    }
}
