//! Two reports side by side, one line for each row, by the figure that its workload is judged by.

use lab::compare::{COLUMNS, Comparison, Judgement};

use super::Ink;
use super::grid::{Column, GridLayout, wrap};

/// The whole of `ipcscope compare` for a terminal of `width` characters.
pub(crate) fn text(comparison: &Comparison, width: usize, ink: Ink) -> String {
    let columns = COLUMNS.map(|title| Column { title, gives_way: u8::from(title == "by") });
    let judging = || comparison.rows.iter().map(|row| &row.lines[0]);
    let layout = GridLayout::fit(&columns, judging().map(|line| line.cells.as_slice()), width);
    let mut out = format!("{}\n", ink.dim(&layout.line(|column| COLUMNS[column])));
    for (row, judging) in comparison.rows.iter().zip(judging()) {
        let line = layout.line(|column| &judging.cells[column]);
        out.push_str(&match judging.verdict {
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
    for line in comparison.below.iter().cloned().chain(warnings(comparison)) {
        out.push_str(&format!("{}\n", wrap(&line, width, 2)));
    }
    out
}

/// What a reader must know besides.
pub(crate) fn warnings(comparison: &Comparison) -> impl Iterator<Item = String> {
    comparison.warnings.iter().map(|warning| format!("warning: {warning}"))
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
