//! A report as a page of one file, to mail, to keep or to print: the lab's own page with the report inside. It fetches nothing, and
//! opens from a disk. Where scripts do not run, it is the terminal's table.

use std::io::{self, Write};

use lab::judge::Judged;
use lab::{Report, units};
use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};

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
    let run =
        ExportedRun { report, judged: judged(report, sort), notices, command: plan::command(&report.plan) };
    // In this order: what follows a place that was filled is ours.
    let (before, after) = page.split_once("{{report}}").expect("the page has a place for the report");
    let before = before.replacen("{{title}}", &units::date(report.started_unix_ms), 1);
    let (head, middle) = before.split_once("{{plain}}").expect("the page has a place for the table");
    [head, &escape(&plain), middle, &inert(&run), after].concat()
}

/// What the page's script reads.
#[derive(Serialize)]
struct ExportedRun<'a> {
    report: &'a Report,
    judged: Judged,
    notices: &'a [String],
    command: String,
}

/// `run` as JSON in which nothing ends the element that holds it, and every text can be shown.
fn inert(run: &ExportedRun<'_>) -> String {
    let mut json = Vec::new();
    let mut to = Serializer::with_formatter(&mut json, ShownText::default());
    run.serialize(&mut to).expect("memory takes what is written");
    String::from_utf8(json).expect("JSON is text")
}

/// Writes each text of JSON as [`foreign::clean`] shows it.
#[derive(Default)]
struct ShownText {
    /// How many letters the text at hand has had.
    letters: usize,
}

impl ShownText {
    fn letter(&mut self, to: &mut (impl Write + ?Sized), letter: char) -> io::Result<()> {
        self.letters += 1;
        let letter = match self.letters.saturating_sub(foreign::LONGEST) {
            0 => letter,
            1 => '…',
            _ => return Ok(()),
        };
        for shown in foreign::clean(letter.encode_utf8(&mut [0; 4])).chars() {
            match shown {
                '"' | '\\' => write!(to, "\\{shown}")?,
                '<' => to.write_all(b"\\u003c")?,
                _ => to.write_all(shown.encode_utf8(&mut [0; 4]).as_bytes())?,
            }
        }
        Ok(())
    }
}

impl Formatter for ShownText {
    fn begin_string<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.letters = 0;
        to.write_all(b"\"")
    }

    fn write_string_fragment<W: Write + ?Sized>(&mut self, to: &mut W, fragment: &str) -> io::Result<()> {
        fragment.chars().try_for_each(|letter| self.letter(to, letter))
    }

    fn write_char_escape<W: Write + ?Sized>(&mut self, to: &mut W, escape: CharEscape) -> io::Result<()> {
        let letter = match escape {
            CharEscape::Quote => '"',
            CharEscape::ReverseSolidus => '\\',
            CharEscape::Solidus => '/',
            CharEscape::Backspace => '\u{8}',
            CharEscape::FormFeed => '\u{c}',
            CharEscape::LineFeed => '\n',
            CharEscape::CarriageReturn => '\r',
            CharEscape::Tab => '\t',
            CharEscape::AsciiControl(byte) => byte.into(),
        };
        self.letter(to, letter)
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
    use serde_json::{Value, json};

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
        let (_, plain) = page.split_once("<noscript><pre>\n").unwrap();
        let plain = plain.split_once("</pre></noscript>").unwrap().0;
        let table = table::text(&sample(), &["a notice".into()], false, WIDTH, Ink::choose(Color::Never));
        assert_eq!(plain, escape(&table));
        for words in ["ping-pong, 64 B, spin", "2.10 µs", "notice: a notice", "half of a measured round trip"]
        {
            assert!(plain.contains(words), "{words}: {plain}");
        }
        assert!(!plain.contains("NaN") && !plain.contains(" inf"), "{plain}");
    }

    #[test]
    fn a_text_is_held_as_it_is_shown() {
        let mut report = sample();
        let long = "é\u{202e}".repeat(foreign::LONGEST);
        for text in ["a\"b\\c/d<e\n\u{8}\u{1b}\u{7f}\u{202e}\u{e0041}x", &long] {
            report.rows[0].kind = text.into();
            let page = super::report(&report, &[], false);
            let shown = inside(&page)["report"]["rows"][0]["kind"].clone();
            match text.len() > foreign::LONGEST {
                false => assert_eq!(shown, json!(foreign::clean(text))),
                true => assert!(
                    shown.as_str().is_some_and(|text| text.ends_with('…') && text.len() < long.len() * 2)
                ),
            }
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
        let (before, map) = page.split_once("<script type=\"importmap\">").unwrap();
        let (map, after) = map.split_once("</script>").unwrap();
        // Beside its style and its modules there is nothing that could ask or run.
        let rest = before.split_once("<style>").unwrap().0.to_owned() + after;
        for foreign in ["//", "style=", "onclick", "href="] {
            assert!(!rest.contains(foreign), "{foreign}");
        }
        let map: Value = serde_json::from_str(map).unwrap();
        let modules = map["imports"].as_object().unwrap();
        for (name, module) in modules {
            let module = module.as_str().unwrap();
            assert!(module.starts_with("data:text/javascript,"), "{name}");
            // Of an import or an export, on one line or several.
            let code = module.split("%0A").filter(|line| !line.trim_start().starts_with(['/', '*']));
            for (_, wanted) in code.filter_map(|line| line.split_once(" from '")) {
                let wanted = wanted.split('\'').next().unwrap();
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
