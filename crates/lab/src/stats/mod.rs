//! What can be said about many samples: how they spread, and whether two rows differ at all.

mod histogram;
mod ratio;
mod spread;

pub use histogram::{HIGHEST_NS, Histogram, last_quantile};
pub use ratio::{Measure, Ratio, Verdict, ratio, ratio_by};
pub use spread::{Spread, median, two_modes};
