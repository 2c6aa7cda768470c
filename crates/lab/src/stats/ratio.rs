//! How many times one row is another, with the spread that their launches give, or that they do not differ.

use serde::Serialize;

use super::Spread;
use crate::plan::Workload;
use crate::report::{Launch, ReportRow};

/// What two rows are compared by; their workload decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum Measure {
    /// The median latency, for ping-pong and paced rows: less is better.
    #[serde(rename = "p50")]
    LatencyP50,
    /// Messages a second, for streams: more is better.
    #[serde(rename = "rate")]
    MessagesPerS,
}

/// Whether two rows differ by more than their launches do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// All launches of one lie on the same side of all launches of the other.
    Different,
    /// The launches' ranges overlap: nothing may be said about which is better.
    NoDifference,
    /// A row has one launch only, so that nothing is known about its spread.
    Unknown,
}

/// One row's figure divided by another's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// What was divided.
    pub measure: Measure,
    /// The rows' own figures divided.
    pub value: f64,
    /// The smallest quotient of any launch of the one and any launch of the other.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Whether it means anything.
    pub verdict: Verdict,
}

/// `a` divided by `b`.
///
/// `None` when they must not be compared (another workload, size, placement, way of waiting or basis of
/// latency), or when one failed or has no figure.
pub fn ratio(a: &ReportRow, b: &ReportRow) -> Option<Ratio> {
    let comparable = a.workload == b.workload
        && a.size_bytes == b.size_bytes
        && a.placement == b.placement
        && a.wait == b.wait
        && a.failed.is_none()
        && b.failed.is_none();
    if !comparable {
        return None;
    }
    ratio_by(Measure::of(a.workload), a, b)
}

/// `a` divided by `b` in one measure, whatever else they differ in: for rows that were matched already, such as
/// the same row of two reports.
///
/// `None` when one has no figure, or their latencies have another basis.
pub fn ratio_by(measure: Measure, a: &ReportRow, b: &ReportRow) -> Option<Ratio> {
    if measure == Measure::LatencyP50 && a.latency_ns.as_ref()?.basis != b.latency_ns.as_ref()?.basis {
        return None;
    }
    let (whole_a, whole_b) = (measure.of_row(a)?, measure.of_row(b)?);
    let (each_a, each_b) = (measure.of_launches(a), measure.of_launches(b));
    // Absurd figures, such as the largest numbers there are, have no quotient.
    let value = positive(whole_a / whole_b)?;
    let (min, max) = match (Spread::of(&each_a), Spread::of(&each_b)) {
        (Some(a), Some(b)) => (a.min / b.max, a.max / b.min),
        _ => (value, value),
    };
    let (min, max) = (positive(min)?, positive(max)?);
    let verdict = if each_a.len() < 2 || each_b.len() < 2 {
        Verdict::Unknown
    } else if min <= 1.0 && max >= 1.0 {
        // The ranges overlap exactly when some quotients are at most 1 and some at least 1.
        Verdict::NoDifference
    } else {
        Verdict::Different
    };
    Some(Ratio { measure, value, min, max, verdict })
}

impl Measure {
    /// What rows of `workload` are judged by.
    pub fn of(workload: Workload) -> Measure {
        match workload {
            Workload::PingPong | Workload::Paced => Measure::LatencyP50,
            Workload::Stream | Workload::Corked => Measure::MessagesPerS,
            // What its programs gain is that the whole is over sooner.
            Workload::Rehearsed | Workload::RehearsedCorked | Workload::RehearsedRoomy => {
                Measure::MessagesPerS
            }
        }
    }

    /// Whether the larger of two figures is the better one.
    pub fn more_is_better(self) -> bool {
        self == Measure::MessagesPerS
    }

    /// A row's own figure, whatever it is: nanoseconds, or messages a second.
    pub fn figure_of(self, row: &ReportRow) -> Option<f64> {
        match self {
            Measure::LatencyP50 => row.latency_ns.as_ref()?.p50.map(|ns| ns as f64),
            Measure::MessagesPerS => row.messages_per_s,
        }
    }

    /// What its launches found, where they found any, in the same unit.
    pub fn figures_of_launches(self, row: &ReportRow) -> Vec<f64> {
        let of = |launch: &Launch| match self {
            Measure::LatencyP50 => launch.latency_ns_p50.map(|ns| ns as f64),
            Measure::MessagesPerS => launch.messages_per_s,
        };
        row.each_launch.iter().filter_map(of).collect()
    }

    fn of_row(self, row: &ReportRow) -> Option<f64> {
        positive(self.figure_of(row)?)
    }

    fn of_launches(self, row: &ReportRow) -> Vec<f64> {
        self.figures_of_launches(row).into_iter().filter_map(positive).collect()
    }
}

fn positive(figure: f64) -> Option<f64> {
    (figure.is_finite() && figure > 0.0).then_some(figure)
}

#[cfg(test)]
mod tests {
    use crossing::WaitStrategy;

    use super::*;
    use crate::plan::Placement;
    use crate::report::{Entrant, Latency, LatencyBasis};

    fn row(p50: u64, launches: &[u64]) -> ReportRow {
        let each = |&ns: &u64| Launch { latency_ns_p50: Some(ns), messages_per_s: Some(1e9 / ns as f64) };
        ReportRow {
            kind: "pipe".into(),
            entrant: Entrant::Mechanism,
            workload: Workload::PingPong,
            size_bytes: 64,
            placement: Placement::CrossCore,
            cores: Some([0, 1]),
            wait: WaitStrategy::Block,
            messages: 1000,
            verified: 1000,
            latency_ns: Some(Latency {
                basis: LatencyBasis::HalfRoundTrip,
                samples: 1000,
                p50: Some(p50),
                p90: None,
                p99: None,
                p999: None,
                max: p50,
                histogram: vec![(p50, 1000)],
            }),
            messages_per_s: Some(1e9 / p50 as f64),
            floor_ns: None,
            floor: None,
            state: None,
            launches: launches.len() as u32,
            each_launch: launches.iter().map(each).collect(),
            sides: None,
            channel_bytes: None,
            progress: None,
            directions_ns_p50: None,
            missed: None,
            failed: None,
            notes: vec![],
        }
    }

    #[test]
    fn rows_that_lie_apart_have_a_ratio_with_a_spread() {
        let found = ratio(&row(600, &[500, 600, 800]), &row(200, &[160, 200, 250])).unwrap();
        let expected = Ratio {
            measure: Measure::LatencyP50,
            value: 3.0,
            min: 2.0,
            max: 5.0,
            verdict: Verdict::Different,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn rows_that_overlap_do_not_differ() {
        let found = ratio(&row(210, &[190, 210, 230]), &row(200, &[180, 200, 220])).unwrap();
        assert_eq!(found.verdict, Verdict::NoDifference);
        let touching = ratio(&row(210, &[200, 220]), &row(190, &[180, 200])).unwrap();
        assert_eq!(touching.verdict, Verdict::NoDifference);
    }

    #[test]
    fn one_launch_says_nothing_about_the_spread() {
        let found = ratio(&row(600, &[600]), &row(200, &[200, 210])).unwrap();
        assert_eq!(found.verdict, Verdict::Unknown);
        assert_eq!(ratio(&row(600, &[]), &row(200, &[])).unwrap().verdict, Verdict::Unknown);
    }

    #[test]
    fn streams_are_compared_by_throughput() {
        let stream = |p50, launches: &[u64]| ReportRow {
            workload: Workload::Stream,
            latency_ns: None,
            ..row(p50, launches)
        };
        let found = ratio(&stream(200, &[190, 210]), &stream(600, &[590, 610])).unwrap();
        assert_eq!(found.measure, Measure::MessagesPerS);
        assert!((found.value - 3.0).abs() < 1e-9);
        assert_eq!(found.verdict, Verdict::Different);
    }

    #[test]
    fn a_workload_is_judged_by_its_rate_where_no_message_is_answered_or_due() {
        for workload in Workload::ALL {
            let by_rate = matches!(workload, Workload::Stream | Workload::Corked);
            let measure = Measure::of(workload);
            assert_eq!(
                (measure == Measure::MessagesPerS, measure.more_is_better()),
                (by_rate, by_rate),
                "{workload}"
            );
        }
    }

    #[test]
    fn unlike_rows_have_no_ratio() {
        let one = row(200, &[190, 210]);
        let latency = |basis| one.latency_ns.clone().map(|latency| Latency { basis, ..latency });
        let unlike = [
            ReportRow { workload: Workload::Paced, ..one.clone() },
            ReportRow { size_bytes: 65, ..one.clone() },
            ReportRow { placement: Placement::SameCore, ..one.clone() },
            ReportRow { wait: WaitStrategy::Spin, ..one.clone() },
            ReportRow { wait: WaitStrategy::HYBRID, ..one.clone() },
            ReportRow { latency_ns: latency(LatencyBasis::OneWayStamped), ..one.clone() },
            ReportRow { latency_ns: None, ..one.clone() },
            ReportRow { failed: Some("message 7 was lost".into()), ..one.clone() },
            row(0, &[0, 0]),
        ];
        for other in &unlike {
            assert_eq!(ratio(&one, other), None, "{other:?}");
            assert_eq!(ratio(other, &one), None, "{other:?}");
        }
        assert!(ratio(&one, &one).is_some());
    }
}
