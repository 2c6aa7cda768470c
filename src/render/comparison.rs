//! Two reports side by side, one line for each row, by the figure that its workload is judged by.

use lab::compare::{Change, Compared, Comparison, Judgement, Side};
use lab::stats::Measure;

use super::grid::{Column, Layout, wrap};
use lab::units;

use super::Ink;

const COLUMNS: [Column; 6] = [
    Column { title: "row", gives_way: 0 },
    Column { title: "by", gives_way: 1 },
    Column { title: "a", gives_way: 0 },
    Column { title: "b", gives_way: 0 },
    Column { title: "b / a", gives_way: 0 },
    Column { title: "b is", gives_way: 0 },
];

/// A figure that there is none of.
const NONE: &str = "–";

/// The whole of `ipcscope compare` for a terminal of `width` characters.
pub(crate) fn text(comparison: &Comparison, width: usize, ink: Ink) -> String {
    let lines: Vec<Vec<String>> = comparison.rows.iter().map(cells).collect();
    let layout = Layout::fit(&COLUMNS, lines.iter().map(Vec::as_slice), width);
    let mut out = format!("{}\n", ink.dim(&layout.line(|column| COLUMNS[column].title)));
    for (row, cells) in comparison.rows.iter().zip(&lines) {
        let line = layout.line(|column| &cells[column]);
        out.push_str(&match row.change().map(|change| change.verdict) {
            Some(Judgement::Worse) => ink.bad(&line),
            Some(Judgement::Better) => ink.good(&line),
            _ if row.failed.is_some() => ink.bad(&line),
            _ => line,
        });
        out.push('\n');
        if let Some(why) = &row.failed {
            out.push_str(&format!("    {}\n", wrap(why, width.saturating_sub(4), 4)));
        }
    }
    out.push('\n');
    let below = [
        "b / a: the medians (p50) or rates (msg/s) divided, with the least and the greatest quotient of any two launches",
        "≈ the launches overlap, no difference; ? one launch only, no spread is known",
    ];
    for line in below.into_iter().map(str::to_owned).chain(warnings(comparison)) {
        out.push_str(&format!("{}\n", wrap(&line, width, 2)));
    }
    out
}

/// What a reader must know besides.
pub(crate) fn warnings(comparison: &Comparison) -> impl Iterator<Item = String> {
    comparison.warnings.iter().map(|warning| format!("warning: {warning}"))
}

fn cells(row: &Compared) -> Vec<String> {
    let figure = |figures: Option<lab::compare::Figures>| {
        let shown = figures.and_then(|figures| match row.judged_by {
            Measure::LatencyP50 => figures.latency_ns_p50.map(|ns| units::duration(ns as f64)),
            Measure::MessagesPerS => figures.messages_per_s.map(units::rate),
        });
        shown.unwrap_or_else(|| NONE.into())
    };
    let by = match row.judged_by {
        Measure::LatencyP50 => "p50",
        Measure::MessagesPerS => "msg/s",
    };
    vec![
        row.label.clone(),
        by.into(),
        figure(row.a),
        figure(row.b),
        row.change().map_or_else(|| NONE.into(), quotient),
        verdict(row).into(),
    ]
}

/// `1.31× (1.24–1.37)`.
fn quotient(change: Change) -> String {
    let bare = |factor| units::times(factor).trim_end_matches('×').to_owned();
    match change.verdict {
        Judgement::NoDifference => format!("{} ≈", units::times(change.ratio)),
        Judgement::Unknown => format!("{} ?", units::times(change.ratio)),
        Judgement::Better | Judgement::Worse => {
            format!("{} ({}–{})", units::times(change.ratio), bare(change.low), bare(change.high))
        }
    }
}

fn verdict(row: &Compared) -> &'static str {
    match (row.only_in, row.change()) {
        (Some(Side::A), _) => "only in a",
        (Some(Side::B), _) => "only in b",
        (None, None) if row.failed.is_some() => "failed",
        (None, None) => "not comparable",
        (None, Some(change)) => match change.verdict {
            Judgement::Better => "better",
            Judgement::Worse => "worse",
            Judgement::NoDifference => "no different",
            Judgement::Unknown => "not judged",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Color;
    use crate::render::sample;

    #[test]
    fn every_row_has_its_line_and_no_line_is_too_wide() {
        let mut other = sample();
        other.rows[0].failed = Some("the receiver died".into());
        other.rows[1].wait = crossing::WaitStrategy::HYBRID;
        other.version = "9.9.9".into();
        let comparison = Comparison::of(&sample(), &other);
        for width in [80, 100] {
            let text = text(&comparison, width, Ink::choose(Color::Never));
            for words in ["only in a", "only in b", "failed in b: the receiver died", "≈", "9.9.9 in b"] {
                assert!(text.contains(words), "{words}: {text}");
            }
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
        }
    }
}
