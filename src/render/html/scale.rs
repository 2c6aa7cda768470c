//! Logarithmic axes: where a value stands, and which values are worth a mark.

/// From values to pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    /// Decimal logarithms of the ends.
    low: f64,
    high: f64,
    /// Pixels of the ends.
    from: f64,
    to: f64,
}

impl Scale {
    /// A scale that holds all `values`, from `from` to `to` pixels; `None` when there is none that is positive.
    pub(super) fn around(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Option<Scale> {
        let logs = values.filter(|value| value.is_finite() && *value > 0.0).map(f64::log10);
        let (low, high) =
            logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), log| (low.min(log), high.max(log)));
        if low > high {
            return None;
        }
        // Room at both ends, and never a scale without length.
        let room = ((high - low) * 0.06).max(0.05);
        Some(Scale { low: low - room, high: high + room, from, to })
    }

    /// The same, down to the next power of ten below: bars need a foot to stand on.
    pub(super) fn with_foot(self) -> Scale {
        Scale { low: (self.low - 0.1).floor(), ..self }
    }

    /// Where `value` stands.
    pub(super) fn at(self, value: f64) -> f64 {
        let share = (value.max(f64::MIN_POSITIVE).log10() - self.low) / (self.high - self.low);
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Round values within the scale: 1, 2 and 5 of each power of ten, or fewer where it spans many.
    pub(super) fn marks(self) -> Vec<f64> {
        let span = self.high - self.low;
        let of_each: &[f64] = if span < 1.5 {
            &[1.0, 2.0, 5.0]
        } else if span < 2.5 {
            &[1.0, 3.0]
        } else {
            &[1.0]
        };
        let every = (span / 8.0).ceil().max(1.0) as i32;
        let powers =
            (self.low.floor() as i32..=self.high.ceil() as i32).filter(|power| power.rem_euclid(every) == 0);
        let values = powers.flat_map(|power| of_each.iter().map(move |factor| factor * 10f64.powi(power)));
        values.filter(|value| (self.low..=self.high).contains(&value.log10())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_holds_its_values_in_order() {
        let scale = Scale::around([90.0, 4_000.0].into_iter(), 0.0, 100.0).unwrap();
        let (least, most) = (scale.at(90.0), scale.at(4_000.0));
        assert!(0.0 < least && least < scale.at(600.0) && scale.at(600.0) < most && most < 100.0);
        assert_eq!(scale.marks(), [100.0, 300.0, 1_000.0, 3_000.0]);
        let foot = scale.with_foot();
        assert!(foot.at(90.0) > least && foot.at(10.0) == 0.0, "{foot:?}");
    }

    #[test]
    fn odd_values_have_a_scale_or_none() {
        assert_eq!(Scale::around([0.0, -1.0, f64::NAN].into_iter(), 0.0, 1.0), None);
        let one = Scale::around([7.0].into_iter(), 0.0, 100.0).unwrap();
        assert!((one.at(7.0) - 50.0).abs() < 1e-9);
        let wide = Scale::around([1.0, 1.8e19].into_iter(), 0.0, 100.0).unwrap();
        assert!((3..=12).contains(&wide.marks().len()), "{:?}", wide.marks());
        assert!(wide.at(0.0) >= 0.0 && wide.at(f64::INFINITY) <= 100.0);
    }
}
