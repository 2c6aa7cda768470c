//! A report as a page of one file, to mail, to keep or to print: no script, nothing fetched, charts as SVG.

mod chart;
mod scale;

use lab::Report;
use lab::judge::{COLUMNS, JudgedGroup, JudgedRow};
use lab::report::Row;
use lab::stats::Measure;

use super::judged;
use lab::units;

use super::foreign;
use crate::plan;

/// The whole file.
pub(crate) fn report(report: &Report, notices: &[String], sort: bool) -> String {
    let judged = judged(report, sort);
    let groups: String = judged.groups.iter().map(|rows| group(rows, report)).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>ipcscope: {date}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n\
         <h1>A race between ways to talk to another process</h1>\n<p>{date}</p>\n{above}{notices}\
         <p>Run it again: <code>{command}</code></p>\n{groups}{sweeps}\
         <section>\n<h2>To read these figures</h2>\n{below}</section>\n</main>\n</body>\n</html>\n",
        date = units::date(report.started_unix_ms),
        style = include_str!("style.css"),
        above = list(&judged.above),
        notices = list(notices),
        command = escape(&plan::command(&report.plan)),
        sweeps = sweeps(report),
        below = list(&[&judged.below[..], &judged.doubts].concat()),
    )
}

fn list(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let items: String = lines.iter().map(|line| format!("<li>{}</li>\n", escape(line))).collect();
    format!("<ul>\n{items}</ul>\n")
}

fn group(group: &JudgedGroup, report: &Report) -> String {
    let rows: Vec<&Row> = group.rows.iter().filter_map(|row| report.rows.get(row.row)).collect();
    let Some(first) = rows.first() else { return String::new() };
    let fine: Vec<&Row> = rows.iter().copied().filter(|row| row.failed.is_none()).collect();
    let bars = chart::bars(&fine, Measure::of(first.workload), &group.title).unwrap_or_default();
    let curves = chart::percentiles(&fine, &group.title).unwrap_or_default();
    let heads: String = COLUMNS.iter().map(|column| format!("<th scope=\"col\">{column}</th>")).collect();
    let lines: String = group.rows.iter().map(row).collect();
    format!(
        "<section>\n<h2>{title}, {placement}</h2>\n{bars}<div class=\"wide\">\n<table>\n\
         <thead><tr>{heads}</tr></thead>\n<tbody>\n{lines}</tbody>\n</table>\n</div>\n{curves}</section>\n",
        title = escape(&group.title),
        placement = first.placement,
    )
}

fn row(line: &JudgedRow) -> String {
    let who = escape(&line.cells[0]);
    if let Some(why) = &line.failed {
        let span = COLUMNS.len() - 1;
        return format!(
            "<tr class=\"failed\"><th scope=\"row\">{who}</th><td colspan=\"{span}\">failed: {}</td></tr>\n",
            escape(why)
        );
    }
    let cells: String = line.cells[1..].iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
    let class = if line.best { " class=\"best\"" } else { "" };
    format!("<tr{class}><th scope=\"row\">{who}</th>{cells}</tr>\n")
}

/// Where there are several sizes: how what each group is judged by changes with them.
fn sweeps(report: &Report) -> String {
    let plan = &report.plan;
    if plan.sizes.len() < 2 {
        return String::new();
    }
    let mut charts = String::new();
    for &workload in &plan.workloads {
        for wait in &plan.waits {
            let fine = |row: &&Row| row.workload == workload && row.wait == *wait && row.failed.is_none();
            let rows: Vec<&Row> = report.rows.iter().filter(fine).collect();
            let chart = chart::sweep(&rows, Measure::of(workload), &format!("{workload}, {wait}"));
            charts.push_str(&chart.unwrap_or_default());
        }
    }
    format!("<section>\n<h2>By size of the message</h2>\n{charts}</section>\n")
}

/// Keeps text from being read as markup, in content and in quoted attributes, and from being anything that is not seen.
fn escape(text: &str) -> String {
    let text = foreign::clean(text);
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn every_row_is_there_with_its_charts() {
        let page = report(&sample(), &["a notice".into()], false);
        assert_eq!(page.matches("<th scope=\"row\">").count(), sample().rows.len());
        assert!(page.matches("<svg ").count() >= 4, "{page}");
        for words in [
            "ping-pong, 64 B, spin, cross-core",
            "2.10 µs",
            "a notice",
            "half of a measured round trip",
            "p50</text>",
        ] {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    }

    /// Whatever a group is judged by is what its chart shows, and who is best of the table has the longest bar of a rate, or the
    /// shortest of a latency.
    #[test]
    fn a_chart_shows_the_figure_that_judges() {
        for workload in lab::plan::Workload::ALL {
            let mut report = sample();
            // Two rows that the two figures put in opposite orders.
            report.rows.truncate(2);
            for (row, (ns, rate)) in report.rows.iter_mut().zip([(100, 1e3), (900, 1e6)]) {
                row.workload = workload;
                row.latency_ns.as_mut().unwrap().p50 = Some(ns);
                row.messages_per_s = Some(rate);
                for launch in &mut row.each_launch {
                    (launch.latency_ns_p50, launch.messages_per_s) = (Some(ns), Some(rate));
                }
            }
            let page = super::report(&report, &[], false);
            let by_rate = Measure::of(workload) == Measure::MessagesPerS;
            let caption = if by_rate { ": messages a second" } else { ": median latency" };
            assert!(page.contains(caption), "{workload}");
            let best = judged(&report, false).groups[0].rows.iter().position(|line| line.best);
            assert_eq!(best, Some(usize::from(by_rate)), "{workload}");
            let widths: Vec<f64> = page
                .split("x=\"76\"")
                .skip(1)
                .map(|rect| {
                    rect.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
                })
                .collect();
            assert!(widths.len() == 2 && widths[1] > widths[0], "{workload}: {widths:?}");
        }
    }

    #[test]
    fn several_sizes_are_drawn_as_lines() {
        let mut swept = sample();
        swept.plan.sizes = vec![64, 65_536];
        let more: Vec<Row> = swept.rows.iter().map(|row| Row { size_bytes: 65_536, ..row.clone() }).collect();
        swept.rows.extend(more);
        let page = report(&swept, &[], false);
        assert!(page.contains("By size of the message") && page.contains("64 KiB</text>"), "{page}");
    }

    #[test]
    fn it_asks_nobody_and_runs_nothing() {
        let page = report(&sample(), &[], true);
        for foreign in ["http:", "https:", "//", "<script", "style=", "onclick", "url(", "@import", "href="] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_report_cannot_bring_markup_along() {
        let mut hostile = sample();
        hostile.rows[0].kind = "<script>".into();
        hostile.rows[1].failed = Some("\"><img src=x>".into());
        hostile.machine.cpu = Some("</style><script>".into());
        hostile.plan.rivals = vec!["/tmp/<script>".into()];
        let page = report(&hostile, &["<script>".into()], false);
        assert!(!page.contains("<script") && !page.contains("<img") && page.matches("</style>").count() == 1);
    }
}
