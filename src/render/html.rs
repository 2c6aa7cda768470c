//! A report as a page of one file, to mail, to keep or to print: the lab's own page with the report inside. It fetches nothing, and
//! opens from a disk. Where scripts do not run, it is the terminal's table.

use lab::{Report, units};
use serde_json::{Value, json};

use super::{Ink, foreign, judged, table};
use crate::args::Color;
use crate::{input, plan};

/// The page, its style and its modules inside; where the rest belongs stands a name in braces.
const PAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/exported.html.gz"));

/// Characters in a line of the terminal's table: enough that no column is dropped.
const WIDTH: usize = 160;

/// The whole file.
pub(crate) fn report(report: &Report, notices: &[String], sort: bool) -> String {
    let page = String::from_utf8(input::unpacked(PAGE)).expect("the build read it as text");
    let plain = table::text(report, notices, sort, WIDTH, Ink::choose(Color::Never));
    let run = json!({
        "report": report,
        "judged": judged(report, sort),
        "notices": notices,
        "command": plan::command(&report.plan),
    });
    // In this order: what follows a place that was filled is ours.
    let (before, after) = page.split_once("{{report}}").expect("the page has a place for the report");
    let before = before.replacen("{{title}}", &units::date(report.started_unix_ms), 1);
    let (head, middle) = before.split_once("{{plain}}").expect("the page has a place for the table");
    [head, &escape(&plain), middle, &inert(run), after].concat()
}

/// JSON in which nothing ends the element that holds it, and every text can be shown.
fn inert(mut value: Value) -> String {
    clean(&mut value);
    value.to_string().replace('<', "\\u003c")
}

fn clean(value: &mut Value) {
    match value {
        Value::String(text) => *text = foreign::clean(text).into_owned(),
        Value::Array(list) => list.iter_mut().for_each(clean),
        Value::Object(object) => object.values_mut().for_each(clean),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Text between elements.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{hostile, sample};

    /// What the page holds, as its script reads it.
    fn inside(page: &str) -> Value {
        let (_, rest) = page.split_once("id=\"report\">").unwrap();
        serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
    }

    #[test]
    fn every_row_is_there_with_and_without_a_script() {
        let page = report(&sample(), &["a notice".into()], false);
        let rows = |run: &Value| -> usize {
            let groups = run["judged"]["groups"].as_array().unwrap();
            groups.iter().map(|group| group["rows"].as_array().unwrap().len()).sum()
        };
        let run = inside(&page);
        assert_eq!(rows(&run), sample().rows.len());
        assert_eq!(run["report"], serde_json::to_value(sample()).unwrap());
        assert_eq!(run["notices"], json!(["a notice"]));
        let (_, plain) = page.split_once("<noscript>").unwrap();
        let plain = plain.split_once("</noscript>").unwrap().0;
        for words in ["ping-pong, 64 B, spin", "2.10 µs", "notice: a notice", "half of a measured round trip"]
        {
            assert!(plain.contains(words), "{words}: {plain}");
        }
    }

    #[test]
    fn it_asks_nobody_and_holds_all_that_it_needs() {
        let page = report(&sample(), &[], true).replace("http://www.w3.org/2000/svg", "");
        assert!(page.contains(
            "content=\"default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'\""
        ));
        for foreign in [
            "http:",
            "https:",
            "<link",
            "<img",
            " src=",
            "url(",
            "@import url",
            "fetch(",
            "WebSocket",
            "{{style}}",
            "{{modules}}",
            "{{title}}",
            "{{plain}}",
            "{{report}}",
        ] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        let (_, map) = page.split_once("<script type=\"importmap\">").unwrap();
        let map: Value = serde_json::from_str(map.split_once("</script>").unwrap().0).unwrap();
        let modules = map["imports"].as_object().unwrap();
        for (name, module) in modules {
            let module = module.as_str().unwrap();
            assert!(module.starts_with("data:text/javascript,"), "{name}");
            let imports = module.split("%0A").filter(|line| line.starts_with("import "));
            for wanted in imports.filter_map(|line| line.split('\'').nth(1)) {
                assert!(modules.contains_key(wanted), "{name} needs {wanted}");
            }
        }
        assert!(modules.contains_key("ipcscope/js/exported.js") && modules.len() > 8, "{:?}", modules.keys());
        let without = page.len() - inside(&page).to_string().len();
        assert!(without < 96 << 10, "{without} bytes beside the report");
    }

    #[test]
    fn a_report_cannot_bring_markup_along() {
        let mut forged = sample();
        forged.rows[0].kind = "<script>".into();
        forged.rows[1].failed = Some("\"><img src=x></pre></noscript>".into());
        forged.machine.cpu = Some("</style></script><!--<script>{{report}}{{plain}}".into());
        forged.plan.rivals = vec!["/tmp/<script>".into()];
        for forged in [forged, hostile()] {
            let page = report(&forged, &["</script><script>".into()], false);
            let plain = report(&sample(), &[], false);
            for mark in ["<script", "</script", "<img", "</style", "</pre", "<!--", "</noscript"] {
                assert_eq!(page.matches(mark).count(), plain.matches(mark).count(), "{mark}");
            }
            assert_eq!(inside(&page)["report"]["rows"].as_array().map(Vec::len), Some(forged.rows.len()));
        }
    }
}
