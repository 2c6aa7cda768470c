//! The whole report as JSON (`docs/report.schema.json`): exact, and no terminal obeys what it holds.

use lab::Report;

use super::foreign;

/// The report, and a newline.
pub(crate) fn report(report: &Report) -> String {
    // A report holds no map with keys that are not text, the one thing that JSON cannot hold.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_else(|error| unreachable!("{error}"));
    text.push('\n');
    foreign::json(text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_written_is_read_back() {
        let report = crate::render::sample();
        assert_eq!(serde_json::from_str::<lab::Report>(&super::report(&report)).unwrap(), report);
    }
}
