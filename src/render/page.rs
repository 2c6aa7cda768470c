//! The lab's first page: the mechanisms as cards, and the last race. Plain HTML; nothing in it needs a script.

use crossing::{Kind, scene::Scene};
use lab::Report;

use super::results::{self, COLUMNS, Group, Line};
use super::units;

/// The whole page.
pub(crate) fn html(last: Option<&Report>) -> String {
    let cards: String = Kind::ALL.iter().map(|kind| card(kind.scene())).collect();
    let last = last.map_or_else(nothing_yet, last_race);
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>ipcscope lab</title>
<link rel="stylesheet" href="/style.css">
<link rel="icon" href="/icon.svg" type="image/svg+xml">
</head>
<body>
<header>
<h1>ipcscope</h1>
<p>How two processes on this machine talk, and what it costs here.</p>
</header>
<main>
<section aria-labelledby="mechanisms">
<h2 id="mechanisms">Mechanisms</h2>
<div class="cards">
{cards}</div>
</section>
<section aria-labelledby="last-race">
<h2 id="last-race">The last race</h2>
{last}</section>
</main>
<footer><p>ipcscope {version}. This page comes from your own machine and asks nobody else for anything.</p></footer>
</body>
</html>
"#,
        version = env!("CARGO_PKG_VERSION")
    )
}

fn card(scene: &Scene) -> String {
    let tags: String = scene.tags.iter().map(|tag| format!("<li>{}</li>", escape(tag))).collect();
    let facts = [
        ("copies", scene.quoted.copies),
        ("system calls", scene.quoted.syscalls),
        ("latency", scene.quoted.latency),
        ("use it when", scene.quoted.use_when),
    ];
    let facts: String =
        facts.iter().map(|(name, text)| format!("<dt>{name}</dt><dd>{}</dd>", escape(text))).collect();
    format!(
        "<article class=\"card\" id=\"{kind}\">\n<h3>{title}</h3>\n<p>{summary}</p>\n<ul class=\"tags\">{tags}</ul>\n\
         <h4>Textbooks say <small>(quoted, not measured here)</small></h4>\n<dl>{facts}</dl>\n\
         <p class=\"try\"><code>ipcscope show {kind}</code></p>\n</article>\n",
        kind = scene.kind,
        title = escape(scene.title),
        summary = escape(scene.summary),
    )
}

fn nothing_yet() -> String {
    "<p>None was run on this machine yet. Run <code>ipcscope race</code> in a terminal, then load this page again.</p>\n"
        .into()
}

fn last_race(report: &Report) -> String {
    let sheet = results::sheet(report, false);
    let groups: String = sheet.groups.iter().map(|rows| group(rows, report)).collect();
    format!("{}{groups}{}", list("facts", &sheet.above), list("notes", &sheet.below))
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
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table>\n\
         <caption>{title}, {placement}, {count} a row</caption>\n\
         <thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn every_mechanism_has_a_card_and_its_textbook_facts_are_marked() {
        let page = html(None);
        for kind in Kind::ALL {
            assert!(page.contains(&format!("id=\"{kind}\"")));
        }
        assert_eq!(page.matches("quoted, not measured here").count(), Kind::ALL.len());
    }

    #[test]
    fn the_page_asks_nobody_else_and_runs_nothing() {
        let page = html(Some(&sample()));
        for foreign in ["http:", "https:", "//", "<script", "style=", "onclick"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_report_cannot_bring_markup_along() {
        let mut report = sample();
        report.rows[0].kind = "<script>".into();
        report.rows[1].failed = Some("\"><img src=x>".into());
        let page = html(Some(&report));
        assert!(!page.contains("<script") && !page.contains("<img"));
    }
}
