//! A histogram of latencies, and the rule for which of its percentiles may be shown.

use crate::report::{Latency, LatencyBasis};

/// The largest latency that is told apart, in nanoseconds: 60 s. Longer ones count as this one.
pub const HIGHEST_NS: u64 = 60_000_000_000;

/// A percentile is shown only if at least this many samples lie beyond it.
const BEYOND: u64 = 10;

/// The last quantile that `samples` samples support, with at least ten of them beyond it; `None` if they
/// do not support the median.
pub fn last_quantile(samples: u64) -> Option<f64> {
    (samples >= 2 * BEYOND).then(|| 1.0 - BEYOND as f64 / samples as f64)
}

/// Latencies in nanoseconds, up to [`HIGHEST_NS`], with 3 significant digits (to the nanosecond below 2048).
///
/// All its memory (about 220 KiB) is taken and touched when it is made: recording neither allocates nor
/// faults.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram(hdrhistogram::Histogram<u64>);

impl Default for Histogram {
    fn default() -> Self {
        Histogram::new()
    }
}

impl Histogram {
    /// An empty one.
    pub fn new() -> Histogram {
        let mut counts = hdrhistogram::Histogram::new_with_bounds(1, HIGHEST_NS, 3)
            .expect("1, 60e9 and 3 are bounds that the format allows");
        // The allocator gives zero pages that are not there yet; this writes to each, so that no sample pays
        // for it.
        counts.reset();
        Histogram(counts)
    }

    /// Forgets every sample, and keeps the memory.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// Adds one sample.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns.min(HIGHEST_NS));
    }

    /// Adds the samples of another one.
    pub fn merge(&mut self, other: &Histogram) {
        self.0.add(&other.0).expect("all histograms here have the same bounds");
    }

    /// How many samples.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Every value that was seen, ascending, and how many samples had it. A value is the upper end of its
    /// class.
    pub fn pairs(&self) -> Vec<(u64, u64)> {
        self.0.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
    }

    /// The histogram that [`Histogram::pairs`] came from.
    pub fn from_pairs(pairs: &[(u64, u64)]) -> Histogram {
        let mut histogram = Histogram::new();
        for &(ns, count) in pairs {
            histogram.0.saturating_record_n(ns.min(HIGHEST_NS), count);
        }
        histogram
    }

    /// The median however few samples there are, for floors and for comparing launches; `None` without any.
    pub fn median(&self) -> Option<u64> {
        (self.count() > 0).then(|| self.0.value_at_quantile(0.5))
    }

    /// The latency below which this many thousandths of the samples lie; `None` when there are too
    /// few samples to say so.
    ///
    /// A percentile is supported up to 1 − 10/n, so that at least ten samples lie beyond it: the median needs
    /// 20 samples, p90 100, p99 1 000 and p99.9 10 000.
    pub fn per_mille(&self, thousandths: u64) -> Option<u64> {
        let beyond = 1000_u64.checked_sub(thousandths)?;
        let supported = u128::from(self.count()) * u128::from(beyond) >= u128::from(BEYOND) * 1000;
        supported.then(|| self.0.value_at_quantile(thousandths as f64 / 1000.0))
    }

    /// All that a report says about a row's latency; `None` without samples.
    pub fn latency(&self, basis: LatencyBasis) -> Option<Latency> {
        (self.count() > 0).then(|| Latency {
            basis,
            samples: self.count(),
            p50: self.per_mille(500),
            p90: self.per_mille(900),
            p99: self.per_mille(990),
            p999: self.per_mille(999),
            max: self.0.max(),
            histogram: self.pairs(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shuffle::SplitMix;
    use crate::shuffle::tests::seed;

    /// Samples with a long tail, from 0 to about 2^30 ns.
    fn samples(count: usize) -> Vec<u64> {
        let mut random = SplitMix::new(seed("samples of a histogram"));
        let mut next = || random.draw();
        (0..count).map(|_| (next() & 0xffff) >> (next() % 16) << (next() % 15)).collect()
    }

    fn filled(samples: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        samples.iter().for_each(|&ns| histogram.record(ns));
        histogram
    }

    #[test]
    fn percentiles_agree_with_a_sorted_list() {
        for count in [20, 21, 99, 100, 1_000, 12_345, 100_000] {
            let mut sorted = samples(count);
            let histogram = filled(&sorted);
            sorted.sort_unstable();
            for thousandths in [500, 900, 990, 999_u64] {
                let Some(found) = histogram.per_mille(thousandths) else { continue };
                let rank = (thousandths as usize * count).div_ceil(1000);
                let exact = sorted[rank - 1];
                let class = exact / 1000;
                assert!(
                    (exact..=exact + class).contains(&found),
                    "{thousandths} of {count}: {found} is not {exact}"
                );
            }
            let max = histogram.latency(LatencyBasis::HalfRoundTrip).unwrap().max;
            let exact = sorted[count - 1];
            assert!((exact..=exact + exact / 1000).contains(&max));
        }
    }

    #[test]
    fn known_answers() {
        let histogram = filled(&(1..=100).collect::<Vec<_>>());
        let latency = histogram.latency(LatencyBasis::OneWayStamped).unwrap();
        assert_eq!((latency.p50, latency.p90, latency.p99), (Some(50), Some(90), None));
        assert_eq!((latency.samples, latency.max), (100, 100));
        assert_eq!(histogram.median(), Some(50));
    }

    #[test]
    fn a_percentile_needs_ten_samples_beyond_it() {
        for (thousandths, needs) in [(500, 20), (900, 100), (990, 1_000), (999, 10_000)] {
            let mut histogram = filled(&vec![7; needs - 1]);
            assert_eq!(histogram.per_mille(thousandths), None, "{thousandths}");
            let quantile = thousandths as f64 / 1000.0;
            assert!(last_quantile(needs as u64 - 1).is_none_or(|last| last < quantile), "{thousandths}");
            assert!(last_quantile(needs as u64).is_some_and(|last| last >= quantile), "{thousandths}");
            histogram.record(7);
            assert_eq!(histogram.per_mille(thousandths), Some(7), "{thousandths}");
        }
        assert_eq!(filled(&[7; 50]).per_mille(1000), None);
        assert_eq!(filled(&[7; 50]).per_mille(1001), None);
    }

    #[test]
    fn nothing_is_said_about_no_samples() {
        assert_eq!(Histogram::new().median(), None);
        assert_eq!(Histogram::new().latency(LatencyBasis::FromDueTime), None);
        assert_eq!(Histogram::new().pairs(), []);
    }

    #[test]
    fn pairs_are_the_whole_histogram() {
        let mut all = samples(10_000);
        all.extend([0, 1, HIGHEST_NS, u64::MAX]);
        let histogram = filled(&all);
        let pairs = histogram.pairs();
        assert_eq!(pairs.iter().map(|pair| pair.1).sum::<u64>(), histogram.count());
        assert!(pairs.is_sorted_by(|a, b| a.0 < b.0));
        let again = Histogram::from_pairs(&pairs);
        assert_eq!(again.pairs(), pairs);
        assert_eq!(again.latency(LatencyBasis::FromDueTime), histogram.latency(LatencyBasis::FromDueTime));
    }

    #[test]
    fn merging_is_the_same_as_recording_all() {
        let all = samples(5_000);
        let mut merged = filled(&all[..1_234]);
        merged.merge(&filled(&all[1_234..]));
        assert_eq!(merged.pairs(), filled(&all).pairs());
    }

    #[test]
    fn what_is_too_long_counts_as_the_longest() {
        let histogram = filled(&[u64::MAX]);
        assert_eq!(histogram.count(), 1);
        assert!(histogram.median().is_some_and(|ns| (HIGHEST_NS..HIGHEST_NS / 100 * 101).contains(&ns)));
    }
}
