//! One line for each row, units in the names of the columns (RFC 4180).

use std::fmt::Display;

use csv::{Terminator, WriterBuilder};
use lab::Report;
use lab::report::{LatencyBasis, ReportRow, SideUse};

use super::foreign;

/// The header; new columns are added at the end.
pub(crate) const HEADER: [&str; 44] = [
    "kind",
    "entrant",
    "workload",
    "size_bytes",
    "placement",
    "sender_core",
    "receiver_core",
    "wait",
    "messages",
    "verified",
    "latency_basis",
    "latency_samples",
    "latency_ns_p50",
    "latency_ns_p90",
    "latency_ns_p99",
    "latency_ns_p999",
    "latency_ns_max",
    "messages_per_s",
    "floor_ns",
    "floor_lines",
    "floor_polls",
    "launches",
    "launch_latency_ns_p50_min",
    "launch_latency_ns_p50_max",
    "launch_messages_per_s_min",
    "launch_messages_per_s_max",
    "missed",
    "sender_user_ns",
    "sender_system_ns",
    "sender_voluntary_switches",
    "sender_involuntary_switches",
    "sender_minor_faults",
    "sender_peak_rss_kib",
    "receiver_user_ns",
    "receiver_system_ns",
    "receiver_voluntary_switches",
    "receiver_involuntary_switches",
    "receiver_minor_faults",
    "receiver_peak_rss_kib",
    "failed",
    "notes",
    "interrupted",
    "channel_bytes_min",
    "channel_bytes_max",
];

/// The report as CSV; a figure that there is none of is an empty field.
pub(crate) fn report(report: &Report) -> String {
    let rows = report.rows.iter().map(|row| fields(row, report.interrupted));
    written([HEADER.map(str::to_owned).to_vec()].into_iter().chain(rows))
}

fn written(records: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut out = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for record in records {
        out.write_record(record.iter().map(|text| field(text))).expect("memory takes what is written");
    }
    String::from_utf8(out.into_inner().expect("memory takes what is written")).expect("every field is text")
}

fn fields(row: &ReportRow, interrupted: bool) -> Vec<String> {
    let latency = row.latency_ns.as_ref();
    let medians = || row.each_launch.iter().filter_map(|launch| launch.latency_ns_p50);
    let rates = || row.each_launch.iter().filter_map(|launch| launch.messages_per_s);
    let mut fields = vec![
        row.kind.clone(),
        format!("{:?}", row.entrant).to_lowercase(),
        row.workload.to_string(),
        row.size_bytes.to_string(),
        row.placement.to_string(),
        maybe(row.cores.map(|cores| cores[0])),
        maybe(row.cores.map(|cores| cores[1])),
        row.wait.to_string(),
        row.messages.to_string(),
        row.verified.to_string(),
        maybe(latency.map(|latency| basis(latency.basis))),
        maybe(latency.map(|latency| latency.samples)),
        maybe(latency.and_then(|latency| latency.p50)),
        maybe(latency.and_then(|latency| latency.p90)),
        maybe(latency.and_then(|latency| latency.p99)),
        maybe(latency.and_then(|latency| latency.p999)),
        maybe(latency.map(|latency| latency.max)),
        maybe(row.messages_per_s),
        maybe(row.floor_ns),
        maybe(row.floor.as_ref().map(|floor| floor.lines)),
        maybe(row.floor.as_ref().map(|floor| &floor.polls)),
        row.launches.to_string(),
        maybe(medians().min()),
        maybe(medians().max()),
        maybe(rates().min_by(f64::total_cmp)),
        maybe(rates().max_by(f64::total_cmp)),
        maybe(row.missed),
    ];
    fields.extend(side(row.sides.map(|sides| sides[0])));
    fields.extend(side(row.sides.map(|sides| sides[1])));
    fields.extend([maybe(row.failed.as_ref()), row.notes.join("; "), interrupted.to_string()]);
    let [least, most] = [0, 1].map(|which: usize| maybe(row.channel_bytes.map(|bytes| bytes[which])));
    fields.extend([least, most]);
    fields
}

fn side(side: Option<SideUse>) -> [String; 6] {
    [
        maybe(side.map(|side| side.user_ns)),
        maybe(side.map(|side| side.system_ns)),
        maybe(side.map(|side| side.voluntary_switches)),
        maybe(side.map(|side| side.involuntary_switches)),
        maybe(side.map(|side| side.minor_faults)),
        maybe(side.map(|side| side.peak_rss_kib)),
    ]
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
    fn every_row_has_every_column() {
        let sample = sample();
        for row in &sample.rows {
            assert_eq!(fields(row, false).len(), HEADER.len());
        }
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
