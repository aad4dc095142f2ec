//! Random bytes for a machine that has no source of its own.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// Bytes from 32 fresh random ones: SHA-256 of label, seed and a counter, block by block.
#[derive(Clone)]
pub(crate) struct Entropy {
    seed: [u8; 32],
    count: u64,
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(..)")
    }
}

impl Entropy {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, count: 0 }
    }

    /// The next `N` bytes.
    pub(crate) fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for block in bytes.chunks_mut(32) {
            self.count += 1;
            let mut hash = Sha256::new();
            hash.update(b"eyeline/1 entropy");
            hash.update(self.seed);
            hash.update(self.count.to_be_bytes());
            block.copy_from_slice(&hash.finalize()[..block.len()]);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_twice() {
        let (mut a, mut b) = (Entropy::new([1; 32]), Entropy::new([2; 32]));
        let first = a.take::<64>();
        assert_ne!(first[..32], first[32..]);
        assert_ne!(first, a.take::<64>());
        assert_ne!(first, b.take::<64>());
    }
}
