//! Random numbers for logic that must not ask the system for them: it is given a seed and draws from that.

use sha2::{Digest as _, Sha256};

/// 32 random bytes that are used nowhere else.
pub type Seed = [u8; 32];

/// SHA-256 over a secret seed and a counter: whoever has seen some of what was drawn cannot tell the rest.
pub(crate) struct Dice {
    seed: Seed,
    drawn: u64,
}

impl Dice {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { seed, drawn: 0 }
    }

    /// Up to 32 bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N <= 32) }
        self.drawn += 1;
        let digest = Sha256::new().chain_update(self.seed).chain_update(self.drawn.to_be_bytes()).finalize();
        std::array::from_fn(|at| digest[at])
    }

    /// A number under `end`, which is not 0. The remainder's bias is under 2^-32: `end` is far below 2^64.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        let drawn = u64::from_be_bytes(self.bytes());
        u32::try_from(drawn % u64::from(end)).expect("a remainder is smaller than its divisor")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_repeats_with_the_same_seed_only() {
        let draw = |seed: u8| Dice::new([seed; 32]).bytes::<16>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let mut dice = Dice::new([1; 32]);
        assert_ne!(dice.bytes::<16>(), dice.bytes::<16>());
    }

    #[test]
    fn every_number_comes() {
        let mut dice = Dice::new([3; 32]);
        let mut seen = [0_u32; 9];
        for _ in 0..900 {
            seen[usize::try_from(dice.below(9)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (50..200).contains(count)), "{seen:?}");
    }
}
