//! A report as a page of one file, to mail, to keep or to print: no script, nothing fetched, charts as SVG.

use lab::Report;

use super::results::{self, COLUMNS, Group, Line};
use super::units;

/// The whole file.
pub(crate) fn report(report: &Report, notices: &[String], sort: bool) -> String {
    let sheet = results::sheet(report, sort);
    let groups: String = sheet.groups.iter().map(|rows| group(rows, report)).collect();
    format!(
        "{}{}{groups}{}",
        list("facts", &sheet.above),
        list("facts", notices),
        list("notes", &sheet.below)
    )
}

fn list(class: &str, lines: &[String]) -> String {
    let items: String = lines.iter().map(|line| format!("<li>{}</li>\n", escape(line))).collect();
    format!("<ul class=\"{class}\">\n{items}</ul>\n")
}

fn group(group: &Group, report: &Report) -> String {
    let heads: String =
        COLUMNS.iter().map(|column| format!("<th scope=\"col\">{}</th>", column.title)).collect();
    let rows: String = group.lines.iter().map(row).collect();
    format!(
        "<table>\n<caption>{title}, {placement}, {count} a row</caption>\n\
         <thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n",
        title = escape(&group.title),
        placement = report.plan.placement,
        count = units::plural(report.plan.count, "message"),
    )
}

fn row(line: &Line) -> String {
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

/// Keeps text from being read as markup, in content and in quoted attributes.
fn escape(text: &str) -> String {
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
