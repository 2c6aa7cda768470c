//! Impossible figures. A report may come from any source, and one edited by hand must not pass for
//! a measured one.

use crate::report::{Report, ReportRow};
use crate::stats::Measure;

/// More messages a second than any channel carries: ten in each nanosecond.
const MOST_PER_S: f64 = 1e10;

/// How far a row's figure may lie outside the range of its launches, as a factor: the rounding of
/// histograms and sums.
const ROUNDING: f64 = 1.01;

/// The fault of the figure that a row is judged by; `None` also if there is no figure.
pub(super) fn fault(row: &ReportRow, report: &Report) -> Option<String> {
    let measure = Measure::of(row.workload);
    let whole = measure.figure_of(row);
    let each = measure.figures_of_launches(row);
    if whole.is_some() && row.verified != row.messages {
        return Some(format!("only {} of {} messages were verified", row.verified, row.messages));
    }
    let most = match measure {
        // No message takes longer than the whole race.
        Measure::LatencyP50 => (report.elapsed_ms as f64 + 1.0) * 1e6,
        Measure::MessagesPerS => MOST_PER_S,
    };
    let impossible = |figure: &f64| !(figure.is_finite() && *figure > 0.0 && *figure <= most);
    if let Some(figure) = whole.iter().chain(&each).find(|figure| impossible(figure)) {
        return Some(format!("no race has a figure of {figure:e}"));
    }
    let whole = whole?;
    let least = each.iter().copied().fold(f64::INFINITY, f64::min) / ROUNDING;
    let most = each.iter().copied().fold(0.0, f64::max) * ROUNDING;
    (!each.is_empty() && !(least..=most).contains(&whole))
        .then(|| format!("its figure, {whole}, is not between those of its launches, {least} to {most}"))
}
