//! One line for each row, units in the names of the columns (RFC 4180).

use std::fmt::Display;

use csv::{Terminator, WriterBuilder};
use lab::Report;
use lab::report::{Latency, LatencyBasis, ReportRow, SideUse};

use super::foreign;

/// A heading, and the field of a row.
type CsvColumn = (&'static str, fn(&Report, &ReportRow) -> String);

/// The columns; new ones are added at the end.
const COLUMNS: [CsvColumn; 44] = [
    ("kind", |_, row| row.kind.clone()),
    ("entrant", |_, row| format!("{:?}", row.entrant).to_lowercase()),
    ("workload", |_, row| row.workload.to_string()),
    ("size_bytes", |_, row| row.size_bytes.to_string()),
    ("placement", |_, row| row.placement.to_string()),
    ("sender_core", |_, row| maybe(row.cores.map(|cores| cores[0]))),
    ("receiver_core", |_, row| maybe(row.cores.map(|cores| cores[1]))),
    ("wait", |_, row| row.wait.to_string()),
    ("messages", |_, row| row.messages.to_string()),
    ("verified", |_, row| row.verified.to_string()),
    ("latency_basis", |_, row| latency(row, |latency| Some(basis(latency.basis)))),
    ("latency_samples", |_, row| latency(row, |latency| Some(latency.samples))),
    ("latency_ns_p50", |_, row| latency(row, |latency| latency.p50)),
    ("latency_ns_p90", |_, row| latency(row, |latency| latency.p90)),
    ("latency_ns_p99", |_, row| latency(row, |latency| latency.p99)),
    ("latency_ns_p999", |_, row| latency(row, |latency| latency.p999)),
    ("latency_ns_max", |_, row| latency(row, |latency| Some(latency.max))),
    ("messages_per_s", |_, row| maybe(row.messages_per_s)),
    ("floor_ns", |_, row| maybe(row.floor_ns)),
    ("floor_lines", |_, row| maybe(row.floor.as_ref().map(|floor| floor.lines))),
    ("floor_polls", |_, row| maybe(row.floor.as_ref().map(|floor| &floor.polls))),
    ("launches", |_, row| row.launches.to_string()),
    ("launch_latency_ns_p50_min", |_, row| maybe(medians(row).min())),
    ("launch_latency_ns_p50_max", |_, row| maybe(medians(row).max())),
    ("launch_messages_per_s_min", |_, row| maybe(rates(row).min_by(f64::total_cmp))),
    ("launch_messages_per_s_max", |_, row| maybe(rates(row).max_by(f64::total_cmp))),
    ("missed", |_, row| maybe(row.missed)),
    ("sender_user_ns", |_, row| side(row, 0, |side| side.user_ns)),
    ("sender_system_ns", |_, row| side(row, 0, |side| side.system_ns)),
    ("sender_voluntary_switches", |_, row| side(row, 0, |side| side.voluntary_switches)),
    ("sender_involuntary_switches", |_, row| side(row, 0, |side| side.involuntary_switches)),
    ("sender_minor_faults", |_, row| side(row, 0, |side| side.minor_faults)),
    ("sender_peak_rss_kib", |_, row| side(row, 0, |side| side.peak_rss_kib)),
    ("receiver_user_ns", |_, row| side(row, 1, |side| side.user_ns)),
    ("receiver_system_ns", |_, row| side(row, 1, |side| side.system_ns)),
    ("receiver_voluntary_switches", |_, row| side(row, 1, |side| side.voluntary_switches)),
    ("receiver_involuntary_switches", |_, row| side(row, 1, |side| side.involuntary_switches)),
    ("receiver_minor_faults", |_, row| side(row, 1, |side| side.minor_faults)),
    ("receiver_peak_rss_kib", |_, row| side(row, 1, |side| side.peak_rss_kib)),
    ("failed", |_, row| maybe(row.failed.as_ref())),
    ("notes", |_, row| row.notes.join("; ")),
    ("interrupted", |report, _| report.interrupted.to_string()),
    ("channel_bytes_min", |_, row| maybe(row.channel_bytes.map(|bytes| bytes[0]))),
    ("channel_bytes_max", |_, row| maybe(row.channel_bytes.map(|bytes| bytes[1]))),
];

/// The report as CSV; a figure that there is none of is an empty field.
pub(crate) fn report(report: &Report) -> String {
    let header = COLUMNS.map(|(heading, _)| heading.to_owned()).to_vec();
    let rows = report.rows.iter().map(|row| COLUMNS.map(|(_, field)| field(report, row)).to_vec());
    written([header].into_iter().chain(rows))
}

fn written(records: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut out = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for record in records {
        out.write_record(record.iter().map(|text| field(text))).expect("memory takes what is written");
    }
    String::from_utf8(out.into_inner().expect("memory takes what is written")).expect("every field is text")
}

fn latency<T: Display>(row: &ReportRow, figure: fn(&Latency) -> Option<T>) -> String {
    maybe(row.latency_ns.as_ref().and_then(figure))
}

fn side<T: Display>(row: &ReportRow, which: usize, figure: fn(&SideUse) -> T) -> String {
    maybe(row.sides.as_ref().map(|sides| figure(&sides[which])))
}

/// The median of each launch that has one.
fn medians(row: &ReportRow) -> impl Iterator<Item = u64> {
    row.each_launch.iter().filter_map(|launch| launch.latency_ns_p50)
}

/// The rate of each launch that has one.
fn rates(row: &ReportRow) -> impl Iterator<Item = f64> {
    row.each_launch.iter().filter_map(|launch| launch.messages_per_s)
}

/// The name of a basis, as JSON has it.
pub(crate) fn basis(basis: LatencyBasis) -> &'static str {
    match basis {
        LatencyBasis::HalfRoundTrip => "half-round-trip",
        LatencyBasis::OneWayStamped => "one-way-stamped",
        LatencyBasis::FromDueTime => "from-due-time",
    }
}

fn maybe(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A field that can be shown, and that no spreadsheet takes for a formula: what begins like one gets an apostrophe (OWASP, "CSV
/// Injection"), and control characters are written out.
fn field(text: &str) -> String {
    let text = foreign::clean(text);
    let begins_a_formula = |letter: char| {
        matches!(letter, '=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}')
    };
    if text.trim_start().starts_with(begins_a_formula) { format!("'{text}") } else { text.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn every_row_has_a_line() {
        let sample = sample();
        assert_eq!(report(&sample).lines().count(), 1 + sample.rows.len());
    }

    #[test]
    fn commas_and_quotes_are_kept_inside_a_field() {
        let record = ["a, \"b\"", "0 1", "=HYPERLINK(\"x\",1)"].map(str::to_owned).to_vec();
        assert_eq!(written([record]), "\"a, \"\"b\"\"\",0 1,\"'=HYPERLINK(\"\"x\"\",1)\"\r\n");
    }

    #[test]
    fn no_field_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"] {
            assert!(field(text).starts_with('\''), "{text}: {}", field(text));
        }
        assert_eq!(field("a=b"), "a=b");
    }
}
