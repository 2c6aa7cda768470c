//! An order that is drawn anew and can be drawn again: from a seed.

/// SplitMix64: enough to shuffle with, and the same everywhere.
#[derive(Debug, Clone)]
pub struct SplitMix(u64);

impl SplitMix {
    /// The numbers that follow from `seed`.
    pub fn new(seed: u64) -> SplitMix {
        SplitMix(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// The numbers below `len` in random order (Fisher and Yates).
    pub fn shuffled(&mut self, len: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..len).collect();
        for last in (1..len).rev() {
            order.swap(last, (self.draw() % (last as u64 + 1)) as usize);
        }
        order
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::hash::{BuildHasher, Hasher, RandomState};

    /// What a randomised test begins with: a new seed each run, said beforehand.
    /// `IPCSCOPE_SEED=<it> cargo test -p ipcscope-lab <test>` repeats the run.
    pub(crate) fn seed(test: &str) -> u64 {
        let seed = match std::env::var("IPCSCOPE_SEED") {
            Ok(asked) => asked.parse().expect("IPCSCOPE_SEED is a number"),
            Err(_) => RandomState::new().build_hasher().finish(),
        };
        println!("{test}: IPCSCOPE_SEED={seed} repeats this run");
        seed
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_follows_its_seed() {
        let seed = seed("a shuffle");
        let one = SplitMix::new(seed).shuffled(100);
        assert_eq!(one, SplitMix::new(seed).shuffled(100));
        assert_ne!(one, SplitMix::new(seed.wrapping_add(1)).shuffled(100));
        let mut sorted = one;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }
}
