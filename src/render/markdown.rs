//! The tables as Markdown, with what is needed to read them: machine, placement, way of waiting, spread.

use lab::Report;

use super::{foreign, judged};

/// The report as Markdown.
pub(crate) fn report(report: &Report, notices: &[String], sort: bool) -> String {
    let judged = judged(report, sort);
    let mut out = String::new();
    let list = |out: &mut String, lines: &[String]| {
        lines.iter().for_each(|line| out.push_str(&format!("- {}\n", escape(line))));
    };
    list(&mut out, &judged.above);
    list(&mut out, notices);
    for group in &judged.groups {
        out.push_str(&format!("\n**{}, {}**\n\n", escape(&group.title), group.placement));
        out.push_str(&format!("| {} |\n", judged.columns.join(" | ")));
        out.push_str(&format!("|:--|{}\n", "--:|".repeat(judged.columns.len() - 1)));
        for row in &group.rows {
            let mut cells: Vec<String> = row.cells.iter().map(|cell| escape(cell)).collect();
            cells.extend(row.failed.iter().map(|why| format!("failed: {}", escape(why))));
            cells.resize(judged.columns.len(), String::new());
            out.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
    }
    out.push('\n');
    list(&mut out, &judged.below);
    list(&mut out, &judged.doubts);
    list(&mut out, &judged.befell);
    if report.rehearsal.is_some() {
        out.push('\n');
        list(&mut out, &judged.advice.into_iter().map(|advice| advice.text).collect::<Vec<_>>());
    }
    out
}

/// Keeps text from being read as markup, as links, or as the beginning of another list or heading.
fn escape(text: &str) -> String {
    let text = foreign::clean(text);
    let mut escaped = String::with_capacity(text.len());
    for (place, letter) in text.char_indices() {
        let rest = &text[place..];
        let is_markup =
            matches!(letter, '|' | '*' | '_' | '<' | '>' | '`' | '\\' | '[' | ']' | '&' | '~' | '$' | '!');
        let is_link =
            rest.starts_with("://") || letter == '.' && text[..place].to_ascii_lowercase().ends_with("www");
        let begins = place == 0 && matches!(letter, '#' | '-' | '+' | '=');
        if is_markup || is_link || begins {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn every_line_of_a_table_has_the_same_number_of_cells() {
        let mut sample = sample();
        sample.rows[0].failed = Some("a | b".into());
        let text = report(&sample, &[], false);
        for line in text.lines().filter(|line| line.starts_with('|')) {
            assert_eq!(line.replace("\\|", "").matches('|').count(), lab::judge::COLUMNS.len() + 1, "{line}");
        }
        assert!(text.contains("failed: a \\| b"));
    }
}
