//! How results look: one file for each form, and the words that the forms share. What is said of a report is judged in [`lab::judge`].

pub(crate) mod choice;
pub(crate) mod chrome_trace;
pub(crate) mod comparison;
pub(crate) mod csv;
pub(crate) mod doctor;
pub(crate) mod foreign;
pub(crate) mod form;
mod grid;
pub(crate) mod html;
mod ink;
pub(crate) mod json;
pub(crate) mod map;
pub(crate) mod markdown;
pub(crate) mod probe;
pub(crate) mod progress;
pub(crate) mod table;
pub(crate) mod timeline;
pub(crate) mod watch;
mod words;

pub(crate) use ink::Ink;

use crossing::Kind;
use lab::scene::Scene;

/// The scenes of all mechanisms.
pub(crate) fn scenes() -> Vec<Scene> {
    Kind::ALL.map(Scene::of).to_vec()
}

/// A report, judged, for those that draw it; `sort` puts the best of a group first.
pub(crate) fn judged(report: &lab::Report, sort: bool) -> lab::judge::Judged {
    let judged = lab::judge::judge(report, &scenes());
    if sort { judged.sorted() } else { judged }
}

/// A report of made-up figures, for the tests of the forms.
#[cfg(test)]
pub(crate) fn sample() -> lab::Report {
    serde_json::from_str(include_str!("../../tests/cli/sample.json")).expect("the sample is a report")
}

/// The sample, in which every text that a report may hold is hostile: what can be read back is replaced, what cannot (a word of ours)
/// stays.
#[cfg(test)]
pub(crate) fn hostile() -> lab::Report {
    let mut report = serde_json::to_value(sample()).expect("JSON");
    for place in foreign::tests::places(&report) {
        let before = report.pointer(&place).expect("it is there").clone();
        for text in [foreign::tests::HOSTILE.into(), serde_json::json!([foreign::tests::HOSTILE])] {
            *report.pointer_mut(&place).expect("it is there") = text;
            if lab::Report::read(report.to_string().as_bytes()).is_ok() {
                break;
            }
            report.pointer_mut(&place).expect("it is there").clone_from(&before);
        }
    }
    // One row that has figures, and one that has failed.
    report["rows"][0]["failed"] = serde_json::Value::Null;
    lab::Report::read(report.to_string().as_bytes()).expect("a report")
}
