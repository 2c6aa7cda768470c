//! What a randomised test begins with: a new seed each run, said beforehand, and the same one again when it is asked for.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;

/// The seed of this run. `CROSSING_SEED=<it> cargo test -p crossing <test>` repeats the run.
///
/// # Panics
/// If `CROSSING_SEED` is no number.
pub(crate) fn seed(test: &str) -> u64 {
    let seed = match std::env::var("CROSSING_SEED") {
        Ok(asked) => asked.parse().expect("CROSSING_SEED is a number"),
        Err(_) => RandomState::new().build_hasher().finish(),
    };
    // Not through print!, which the harness would keep to itself. A closed stream is ignored.
    let _ = writeln!(std::io::stderr(), "{test}: CROSSING_SEED={seed} repeats this run");
    seed
}
