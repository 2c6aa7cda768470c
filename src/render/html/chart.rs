//! Charts as SVG, drawn once: bars of what a group is judged by, the curve of each row's percentiles, and how figures change
//! with the size. Colours come from the page's style, and every line and bar has its name beside it.

use std::fmt::Write;

use lab::report::Row;
use lab::stats::Measure;

use super::escape;
use super::scale::Scale;
use lab::units;

const WIDTH: f64 = 720.0;
/// Left of a chart: names of bars, marks of the vertical axis.
const LEFT: f64 = 76.0;
/// Right of a chart: figures behind bars, names behind lines.
const RIGHT: f64 = 118.0;
const BAR: f64 = 18.0;
const GAP: f64 = 10.0;
const HEIGHT: f64 = 250.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 36.0;
/// Between two names, from line to line.
const LINE: f64 = 14.0;

/// A figure as it is written.
fn write(measure: Measure, figure: f64) -> String {
    match measure {
        Measure::LatencyP50 => units::duration(figure),
        Measure::MessagesPerS => format!("{}/s", units::rate(figure)),
    }
}

fn words(measure: Measure) -> &'static str {
    match measure {
        Measure::LatencyP50 => "median latency, less is better",
        Measure::MessagesPerS => "messages a second, more is better",
    }
}

/// One bar for each row, from the foot of a logarithmic axis; the thin line spans the launches.
pub(super) fn bars(rows: &[&Row], measure: Measure, title: &str) -> Option<String> {
    let rows: Vec<(&Row, f64)> =
        rows.iter().filter_map(|row| Some((*row, measure.figure_of(row)?))).collect();
    let all =
        rows.iter().flat_map(|(row, figure)| measure.figures_of_launches(row).into_iter().chain([*figure]));
    let scale = Scale::around(all, LEFT, WIDTH - RIGHT)?.with_foot();
    let foot = TOP + rows.len() as f64 * (BAR + GAP);
    let mut out = String::new();
    for mark in scale.marks() {
        let (x, text) = (scale.at(mark), write(measure, mark));
        let _ = write!(out, "<path class=\"grid\" d=\"M{x:.1} {TOP}V{foot:.1}\"/>");
        let _ = write!(out, "<text class=\"mark\" x=\"{x:.1}\" y=\"{:.1}\">{text}</text>", foot + LINE);
    }
    for (place, (row, figure)) in rows.iter().enumerate() {
        let y = TOP + place as f64 * (BAR + GAP);
        let (end, middle) = (scale.at(*figure), y + BAR / 2.0);
        let width = end - LEFT;
        let _ = write!(
            out,
            "<text class=\"name\" x=\"{:.1}\" y=\"{middle:.1}\">{}</text>",
            LEFT - 8.0,
            escape(&row.kind)
        );
        let _ = write!(
            out,
            "<rect class=\"s{}\" x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\"/>",
            place % 6
        );
        let ends = measure.figures_of_launches(row).into_iter().map(|value| scale.at(value));
        let (low, high) = ends.fold((end, end), |(low, high), at| (low.min(at), high.max(at)));
        let _ = write!(out, "<path class=\"spread\" d=\"M{low:.1} {middle:.1}H{high:.1}\"/>");
        let text = write(measure, *figure);
        let _ = write!(
            out,
            "<text class=\"figure\" x=\"{:.1}\" y=\"{middle:.1}\">{text}</text>",
            high.max(end) + 6.0
        );
    }
    Some(svg(&format!("{title}: {}", words(measure)), foot + BOTTOM - LINE, &out))
}

/// A line: its name, and its points.
struct Curve<'a> {
    name: &'a str,
    points: Vec<(f64, f64)>,
}

/// The percentiles of each row, as far as its samples carry them; the axis below counts the nines.
pub(super) fn percentiles(rows: &[&Row], title: &str) -> Option<String> {
    let curves: Vec<Curve<'_>> =
        rows.iter().filter_map(|row| Some(Curve { name: &row.kind, points: nines(row)? })).collect();
    let most = curves.iter().flat_map(|curve| &curve.points).map(|(nines, _)| *nines).fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let x = |nines: f64| LEFT + nines / most * (WIDTH - RIGHT - LEFT);
    let mut below = String::new();
    let marks = [
        ("min", 0.0),
        ("p50", 0.5),
        ("p90", 0.9),
        ("p99", 0.99),
        ("p99.9", 0.999),
        ("p99.99", 0.9999),
        ("p99.999", 0.99999),
    ];
    for (name, share) in marks {
        let nines = -f64::log10(1.0 - share);
        if nines <= most + 1e-9 {
            let _ =
                write!(below, "<path class=\"grid\" d=\"M{:.1} {TOP}V{:.1}\"/>", x(nines), HEIGHT - BOTTOM);
            let _ = write!(
                below,
                "<text class=\"mark\" x=\"{:.1}\" y=\"{:.1}\">{name}</text>",
                x(nines),
                HEIGHT - BOTTOM + LINE
            );
        }
    }
    lines(&curves, x, &below, Measure::LatencyP50, &format!("{title}: latency by percentile"))
}

/// How a figure changes with the size of the messages.
pub(super) fn sweep(rows: &[&Row], measure: Measure, title: &str) -> Option<String> {
    let mut curves: Vec<Curve<'_>> = Vec::new();
    for row in rows {
        let Some(figure) = measure.figure_of(row) else { continue };
        let point = (f64::from(row.size_bytes), figure);
        match curves.iter_mut().find(|curve| curve.name == row.kind) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Curve { name: &row.kind, points: vec![point] }),
        }
    }
    curves.iter_mut().for_each(|curve| curve.points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    let mut sizes: Vec<u32> = rows.iter().map(|row| row.size_bytes).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let scale = Scale::around(sizes.iter().map(|&size| f64::from(size)), LEFT, WIDTH - RIGHT)?;
    let mut below = String::new();
    for size in sizes {
        let x = scale.at(f64::from(size));
        let _ = write!(below, "<path class=\"grid\" d=\"M{x:.1} {TOP}V{:.1}\"/>", HEIGHT - BOTTOM);
        let _ = write!(
            below,
            "<text class=\"mark\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
            HEIGHT - BOTTOM + LINE,
            units::bytes(size)
        );
    }
    lines(&curves, |size| scale.at(size), &below, measure, &format!("{title}, by size: {}", words(measure)))
}

/// Lines over a logarithmic vertical axis; the horizontal one is drawn `below` already.
fn lines(
    curves: &[Curve<'_>],
    x: impl Fn(f64) -> f64,
    below: &str,
    measure: Measure,
    title: &str,
) -> Option<String> {
    let all = curves.iter().flat_map(|curve| &curve.points).map(|(_, value)| *value);
    let scale = Scale::around(all, HEIGHT - BOTTOM, TOP)?;
    let mut out = below.to_owned();
    for mark in scale.marks() {
        let (y, text) = (scale.at(mark), write(measure, mark));
        let _ = write!(out, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{:.1}\"/>", WIDTH - RIGHT);
        let _ = write!(out, "<text class=\"name\" x=\"{:.1}\" y=\"{y:.1}\">{text}</text>", LEFT - 8.0);
    }
    let mut names = Vec::new();
    for (place, curve) in curves.iter().enumerate() {
        let at: Vec<(f64, f64)> =
            curve.points.iter().map(|(along, value)| (x(*along), scale.at(*value))).collect();
        let Some(&(end_x, end_y)) = at.last() else { continue };
        let path: Vec<String> = at.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        let _ = write!(out, "<path class=\"line s{}\" d=\"M{}\"/>", place % 6, path.join("L"));
        let _ = write!(out, "<circle class=\"s{}\" cx=\"{end_x:.1}\" cy=\"{end_y:.1}\" r=\"3\"/>", place % 6);
        names.push((end_x, end_y, curve.name));
    }
    for (x, y, name) in apart(names) {
        let _ =
            write!(out, "<text class=\"figure\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>", x + 8.0, escape(name));
    }
    Some(svg(title, HEIGHT, &out))
}

/// The same names, moved so far that none covers another.
fn apart(mut names: Vec<(f64, f64, &str)>) -> Vec<(f64, f64, &str)> {
    names.sort_by(|a, b| a.1.total_cmp(&b.1));
    for place in 1..names.len() {
        names[place].1 = names[place].1.max(names[place - 1].1 + LINE);
    }
    // What was pushed below the chart comes up again.
    let mut lowest = HEIGHT - BOTTOM - 4.0;
    for name in names.iter_mut().rev() {
        name.1 = name.1.min(lowest);
        lowest = name.1 - LINE;
    }
    names
}

/// The points of a row's curve: nines, and the latency that so many messages did not exceed. A percentile needs ten
/// samples beyond it.
fn nines(row: &Row) -> Option<Vec<(f64, f64)>> {
    let histogram = &row.latency_ns.as_ref()?.histogram;
    let total: f64 = histogram.iter().map(|(_, count)| *count as f64).sum();
    if total < 20.0 {
        return None;
    }
    let most = (total / 10.0).log10();
    let mut seen = 0.0;
    let mut points: Vec<(f64, f64)> = Vec::new();
    for &(ns, count) in histogram {
        seen += count as f64;
        let share = seen / total;
        let nines = if share < 1.0 { -f64::log10(1.0 - share) } else { f64::INFINITY };
        if points.is_empty() {
            points.push((0.0, ns as f64));
        }
        let last = points.last().map_or(0.0, |(nines, _)| *nines);
        // A step that cannot be seen is not drawn.
        if nines - last > most / 300.0 || nines >= most {
            points.push((nines.min(most), ns as f64));
        }
        if nines >= most {
            break;
        }
    }
    Some(points)
}

fn svg(title: &str, height: f64, inside: &str) -> String {
    let title = escape(title);
    format!(
        "<figure><figcaption>{title} (logarithmic)</figcaption>\
         <svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{title}\">{inside}</svg></figure>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn a_curve_ends_where_ten_samples_are_left() {
        let mut row = sample().rows[0].clone();
        let latency = row.latency_ns.as_mut().unwrap();
        latency.histogram = (1..=1_000).map(|ns| (ns, 1)).collect();
        let points = nines(&row).unwrap();
        assert_eq!(points.first(), Some(&(0.0, 1.0)));
        let (nines_at_end, ns) = *points.last().unwrap();
        assert!((nines_at_end - 2.0).abs() < 1e-9 && (989.0..=991.0).contains(&ns), "{nines_at_end} {ns}");
        assert!(points.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1));
        row.latency_ns.as_mut().unwrap().histogram = vec![(1, 19)];
        assert_eq!(nines(&row), None);
        row.latency_ns.as_mut().unwrap().histogram = vec![(7, u64::MAX), (0, u64::MAX)];
        assert!(nines(&row).is_some());
    }

    #[test]
    fn names_do_not_cover_each_other_and_stay_in_the_chart() {
        let close = (0..6).map(|place| (0.0, HEIGHT - BOTTOM - f64::from(place), "x")).collect();
        let apart = apart(close);
        assert!(apart.windows(2).all(|pair| pair[1].1 - pair[0].1 >= LINE - 1e-9), "{apart:?}");
        assert!(apart.iter().all(|name| name.1 > 0.0 && name.1 < HEIGHT));
    }

    #[test]
    fn rows_without_figures_have_no_chart() {
        let mut row = sample().rows[0].clone();
        (row.latency_ns, row.messages_per_s) = (None, None);
        assert_eq!(bars(&[&row], Measure::LatencyP50, ""), None);
        assert_eq!(percentiles(&[&row], ""), None);
        assert_eq!(sweep(&[&row], Measure::MessagesPerS, ""), None);
    }
}
