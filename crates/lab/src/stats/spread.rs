//! How much a few numbers differ: the spread between launches, and whether they fall into two camps.

/// The middle and the ends of some numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Half of the numbers are at most this; between the two middle ones when there is an even number.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The spread of `numbers`; `None` when there are none, or one is not a number.
    pub fn of(numbers: &[f64]) -> Option<Spread> {
        let sorted = sorted(numbers)?;
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Spread { median: low / 2.0 + high / 2.0, min, max })
    }
}

/// The median of `numbers`, as in [`Spread::of`].
pub fn median(numbers: &[f64]) -> Option<f64> {
    Spread::of(numbers).map(|spread| spread.median)
}

/// How many times larger the upper neighbour at the widest gap must be. A virtual machine's own noise between
/// launches stays well below it, and a core that was moved farther away is at least double.
const GAP: f64 = 1.6;

/// Whether `numbers`, such as the medians of launches, fall into two camps.
///
/// The rule: sort them, find the pair of neighbours with the largest ratio, and say yes when that ratio is
/// above 1.6 and at least two numbers lie on each side. Fewer than four numbers, or a single outlier, are
/// never two camps; neither are numbers that are not all positive.
pub fn two_modes(numbers: &[f64]) -> bool {
    let Some(sorted) = sorted(numbers) else { return false };
    if sorted.first().is_none_or(|&smallest| smallest <= 0.0) {
        return false;
    }
    let gaps = sorted.windows(2).map(|pair| pair[1] / pair[0]).enumerate();
    let widest = gaps.max_by(|(_, a), (_, b)| a.total_cmp(b));
    widest.is_some_and(|(below, ratio)| ratio > GAP && below >= 1 && sorted.len() - below > 2)
}

fn sorted(numbers: &[f64]) -> Option<Vec<f64>> {
    if numbers.iter().any(|number| !number.is_finite()) {
        return None;
    }
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_spreads() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[1.0, f64::NAN]), None);
        assert_eq!(Spread::of(&[3.0]), Some(Spread { median: 3.0, min: 3.0, max: 3.0 }));
        assert_eq!(Spread::of(&[9.0, 1.0, 4.0]), Some(Spread { median: 4.0, min: 1.0, max: 9.0 }));
        assert_eq!(median(&[4.0, 1.0, 9.0, 6.0]), Some(5.0));
    }

    #[test]
    fn two_camps_are_told_from_noise_and_from_an_outlier() {
        assert!(two_modes(&[63.0, 265.0, 61.0, 260.0]));
        assert!(two_modes(&[24.0, 23.0, 63.0, 66.0, 61.0]));
        assert!(!two_modes(&[60.0, 62.0, 61.0, 66.0, 72.0]), "noise");
        assert!(!two_modes(&[60.0, 62.0, 61.0, 265.0]), "one outlier above");
        assert!(!two_modes(&[24.0, 62.0, 61.0, 65.0]), "one outlier below");
        assert!(!two_modes(&[60.0, 265.0, 61.0]), "too few");
        assert!(!two_modes(&[10.0, 15.0, 22.0, 33.0, 49.0]), "a slope has no gap");
        assert!(!two_modes(&[0.0, 0.0, 5.0, 5.0]));
        assert!(!two_modes(&[]));
        assert!(!two_modes(&[f64::NAN, 1.0, 5.0, 5.0]));
    }
}
