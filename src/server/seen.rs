//! What a page draws of a watch: texts that are safe to show, bars and a line.

use atlas::{Distribution, WatchReport, WatchedDirection};
use lab::units;
use serde::Serialize;

use crate::render::foreign;
use crate::render::watch::{did, moved, process, side, spread};

/// This many different values are still told one by one.
const SINGLE: usize = 8;

/// The most points of a line.
const POINTS: usize = 300;

/// A watch that has ended.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DrawnWatch {
    edge: String,
    /// How it was looked at, what that costs, how long it lasted, what is lacking.
    told: Vec<String>,
    directions: Vec<DrawnDirection>,
    ends: Vec<DrawnFigure>,
    findings: Vec<DrawnFinding>,
    /// What could not be had, each with why and what to do.
    unavailable: Vec<String>,
    /// Whether its messages were kept, so that they can be repeated.
    repeats: bool,
}

/// One direction of the channel.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DrawnDirection {
    from: String,
    to: String,
    figures: Vec<DrawnFigure>,
    bars: Vec<DrawnBars>,
    /// What waited in it: nanoseconds since the begin, and bytes.
    queued: Vec<(u64, u64)>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DrawnFigure {
    label: String,
    text: String,
}

/// How often which values came.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DrawnBars {
    title: &'static str,
    bars: Vec<DrawnBar>,
}

#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DrawnBar {
    label: String,
    count: u64,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DrawnFinding {
    sentence: String,
    evidence: Vec<String>,
    remedy: String,
}

impl DrawnWatch {
    /// What is drawn of it.
    pub(super) fn of(report: &WatchReport) -> DrawnWatch {
        let safe = |text: &String| foreign::clean(text).into_owned();
        let seconds = report.lasted_ns as f64 / 1e9;
        let mut told = vec![
            format!("Watched for {seconds:.2} s by {}.", report.instrument.words()),
            format!("Price: {}.", report.instrument.price()),
        ];
        told.extend(report.ended_by.as_ref().map(|why| format!("Then {}.", safe(why))));
        told.extend((report.lost_calls > 0).then(|| {
            let lost = units::plural(report.lost_calls, "call");
            format!("{lost} came faster than they were taken: each count is at least what it says.")
        }));
        DrawnWatch {
            edge: report.edge.id.0.clone(),
            told,
            directions: report.directions.iter().map(|one| direction(report, one, seconds)).collect(),
            ends: report.ends.iter().map(|end| figure(&process(report, end), &did(end))).collect(),
            findings: report
                .findings
                .iter()
                .map(|found| DrawnFinding {
                    sentence: safe(&found.sentence),
                    evidence: found.evidence.iter().map(safe).collect(),
                    remedy: safe(&found.remedy),
                })
                .collect(),
            unavailable: report
                .unavailable
                .iter()
                .map(|gone| safe(&format!("{}: {}; {}", gone.what, gone.why, gone.remedy)))
                .collect(),
            repeats: report.traffic.is_some(),
        }
    }
}

fn figure(label: &str, text: &str) -> DrawnFigure {
    DrawnFigure { label: foreign::clean(label).into_owned(), text: foreign::clean(text).into_owned() }
}

fn direction(report: &WatchReport, seen: &WatchedDirection, seconds: f64) -> DrawnDirection {
    let mut figures = Vec::new();
    for (label, calls) in [("Writes", &seen.writes), ("Reads", &seen.reads)] {
        figures.extend(calls.as_ref().map(|calls| figure(label, &moved(calls, seconds))));
    }
    figures.extend(seen.write_to_read_ns.as_ref().map(|times| figure("From write to read", &spread(times))));
    figures.extend(seen.queued.as_ref().map(|queued| {
        let median = queued.p50.map(|p50| format!("{} in the median, ", units::bytes(p50)));
        figure(
            "Waiting to be read",
            &format!("{}{} at most", median.unwrap_or_default(), units::bytes(queued.max)),
        )
    }));
    let sizes = seen.writes.as_ref().and_then(|calls| calls.sizes.as_ref());
    let time = |ns: u64| units::duration(ns as f64);
    let bars = [
        seen.write_to_read_ns.as_ref().map(|times| ("Time from write to read", bars(times, &time))),
        sizes.map(|sizes| ("Bytes of a write", bars(sizes, &units::bytes))),
    ];
    let every = seen.queued_over_time.len().div_ceil(POINTS).max(1);
    // Of several looks the one at which most waited: a peak is not left out.
    let peak = |looks: &[(u64, u64)]| looks.iter().copied().max_by_key(|look| look.1);
    DrawnDirection {
        from: foreign::clean(&side(report, seen.from)).into_owned(),
        to: foreign::clean(&side(report, 1 - seen.from)).into_owned(),
        figures,
        bars: bars.into_iter().flatten().map(|(title, bars)| DrawnBars { title, bars }).collect(),
        queued: seen.queued_over_time.chunks(every).filter_map(peak).collect(),
    }
}

/// Each value where there are a few; else those between powers of two together, from the first to the last that there are.
fn bars(values: &Distribution, told: &dyn Fn(u64) -> String) -> Vec<DrawnBar> {
    if values.histogram.len() <= SINGLE {
        return values
            .histogram
            .iter()
            .map(|&(value, count)| DrawnBar { label: told(value), count })
            .collect();
    }
    let power = |value: u64| value.checked_ilog2().map_or(0, |power| power + 1);
    let of = |(value, _): &(u64, u64)| power(*value);
    let (first, last) = (values.histogram.first().map_or(0, of), values.histogram.last().map_or(0, of));
    let bar = |at: u32| {
        let inside = values.histogram.iter().filter(|pair| of(pair) == at);
        let from = if at == 0 { 0 } else { 1 << (at - 1) };
        DrawnBar { label: format!("from {}", told(from)), count: inside.map(|pair| pair.1).sum() }
    };
    (first..=last).map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(histogram: Vec<(u64, u64)>) -> Distribution {
        let samples = histogram.iter().map(|pair| pair.1).sum();
        let max = histogram.last().unwrap().0;
        Distribution { samples, p50: None, p90: None, p99: None, p999: None, max, histogram }
    }

    #[test]
    fn bars_hold_every_value_once() {
        let told = |value: u64| value.to_string();
        let few = bars(&distribution(vec![(64, 3), (100, 2)]), &told);
        assert_eq!(
            few,
            [("64", 3), ("100", 2)].map(|(label, count)| DrawnBar { label: label.into(), count })
        );
        let many: Vec<(u64, u64)> = [0, 1, 2, 3, 4, 7, 8, 1_000, u64::MAX].map(|value| (value, 1)).into();
        let bars = bars(&distribution(many.clone()), &told);
        assert_eq!(bars.iter().map(|bar| bar.count).sum::<u64>(), many.len() as u64);
        let counts: Vec<(&str, u64)> =
            bars.iter().filter(|bar| bar.count > 0).map(|bar| (bar.label.as_str(), bar.count)).collect();
        assert_eq!(
            counts,
            [
                ("from 0", 1),
                ("from 1", 1),
                ("from 2", 2),
                ("from 4", 2),
                ("from 8", 1),
                ("from 512", 1),
                ("from 9223372036854775808", 1)
            ]
        );
    }
}
