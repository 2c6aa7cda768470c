//! The tables on the terminal.

use lab::Report;
use lab::judge::{COLUMNS, JudgedRow};

use super::grid::{Column, GridLayout, wrap};
use super::{Ink, judged};

/// The width when there is no terminal to ask.
pub(crate) const DEFAULT_WIDTH: usize = 100;

/// Which of [`COLUMNS`] gives way first ([`Column::gives_way`]).
const GIVES_WAY: [u8; COLUMNS.len()] = [0, 0, 1, 6, 5, 2, 0, 4, 3, 7, 8];

/// The whole report for a terminal of `width` characters; `notices` are shown first.
pub(crate) fn text(report: &Report, notices: &[String], sort: bool, width: usize, ink: Ink) -> String {
    let judged = judged(report, sort);
    let columns: Vec<Column> =
        COLUMNS.iter().zip(GIVES_WAY).map(|(title, gives_way)| Column { title, gives_way }).collect();
    let numbers = || judged.groups.iter().flat_map(|group| &group.rows).filter(|row| row.failed.is_none());
    let layout = GridLayout::fit(&columns, numbers().map(|row| row.cells.as_slice()), width);
    let mut out = String::new();
    for line in &judged.above {
        out.push_str(&format!("{}\n", wrap(line, width, 2)));
    }
    for notice in notices {
        out.push_str(&format!("{}\n", wrap(&format!("notice: {notice}"), width, 2)));
    }
    for group in &judged.groups {
        out.push_str(&format!("\n{}\n", ink.bold(&group.title)));
        if group.rows.iter().any(|row| row.failed.is_none()) {
            out.push_str(&format!("{}\n", ink.dim(&layout.line(|column| COLUMNS[column]))));
        }
        for row in &group.rows {
            out.push_str(&format!("{}\n", line(row, &layout, width, ink)));
        }
    }
    out.push('\n');
    for line in judged.below.iter().chain(&judged.doubts).chain(&judged.befell) {
        out.push_str(&format!("{}\n", wrap(line, width, 2)));
    }
    // A rehearsal is asked for its answer.
    if report.rehearsal.is_some() {
        out.push('\n');
        for advice in &judged.advice {
            out.push_str(&format!("{}\n", wrap(&advice.text, width, 2)));
        }
    }
    if !layout.left_out.is_empty() && numbers().next().is_some() {
        let columns = layout.left_out.join(", ");
        out.push_str(&format!("{}\n", wrap(&format!("not shown for want of width: {columns}"), width, 2)));
    }
    out
}

fn line(row: &JudgedRow, layout: &GridLayout, width: usize, ink: Ink) -> String {
    match &row.failed {
        Some(why) => {
            ink.bad(&format!("  {}", wrap(&format!("{}  failed: {why}", row.cells[0]), width - 2, 4)))
        }
        None => {
            let text = layout.line(|column| &row.cells[column]);
            if row.best { ink.bold(&text) } else { text }
        }
    }
}

/// The width of the terminal that stdout is, or [`DEFAULT_WIDTH`].
pub(crate) fn width() -> usize {
    match rustix::termios::tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col >= 20 => size.ws_col.into(),
        _ => DEFAULT_WIDTH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Color;
    use crate::render::sample;

    fn at(width: usize) -> String {
        text(&sample(), &[], false, width, Ink::choose(Color::Never))
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [60, 80, 100, 160] {
            for line in at(width).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn narrow_tables_drop_p90_and_max_first_and_say_so() {
        assert!(at(160).lines().any(|line| line.contains("p90") && line.contains("max")));
        let narrow = at(80);
        assert!(narrow.contains("not shown for want of width: p90, max"), "{narrow}");
    }

    /// Of the terminal and of Markdown: the rows' notes stand before what befell the race as a whole.
    #[test]
    fn notes_of_rows_come_before_what_befell_the_race() {
        let mut report = sample();
        report.rows[0].notes = vec!["it hiccuped".into()];
        report.rounds_dropped = 1;
        report.page_open = true;
        let table = text(&report, &[], false, 160, Ink::choose(Color::Never));
        for text in [table, crate::render::markdown::report(&report, &[], false)] {
            let places = ["vs best: ", "it hiccuped", "dropped: ", "a lab page was open"]
                .map(|words| text.find(words));
            assert!(places.is_sorted() && places[0].is_some(), "{places:?}: {text}");
        }
    }

    #[test]
    fn a_failed_row_says_why_and_has_no_numbers() {
        let mut report = sample();
        report.rows[0].failed = Some("the receiver died".into());
        let table = text(&report, &[], false, 100, Ink::choose(Color::Never));
        let line = table.lines().find(|line| line.contains("failed: ")).unwrap();
        assert_eq!(line.trim(), format!("{}  failed: the receiver died", report.rows[0].kind));
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let plain = at(100);
        let mut painted = text(&sample(), &[], false, 100, Ink::choose(Color::Always));
        assert!(painted.contains("\x1b["));
        for code in ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m"] {
            painted = painted.replace(code, "");
        }
        assert_eq!(painted, plain);
    }
}
