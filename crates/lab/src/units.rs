//! Numbers for people: three significant digits, a unit that fits, digits in groups of three.

use jiff::Timestamp;

/// A duration in nanoseconds: `51 ns`, `4.21 µs`, `1.30 ms`.
pub fn duration(ns: f64) -> String {
    significant(ns, &["ns", "µs", "ms", "s"])
}

/// Two durations in nanoseconds, in the unit that fits the longer: `1.20+0.95 µs`.
pub fn durations(ns: [f64; 2]) -> String {
    let longer = ns[0].max(ns[1]);
    let (unit, scale) = match longer {
        _ if longer < 999.5 => ("ns", 1.0),
        _ if longer < 999_500.0 => ("µs", 1e3),
        _ if longer < 999_500_000.0 => ("ms", 1e6),
        _ => ("s", 1e9),
    };
    let decimals = if scale == 1.0 { 0 } else { decimals(longer / scale) };
    format!("{:.decimals$}+{:.decimals$} {unit}", ns[0] / scale, ns[1] / scale)
}

/// A number a second: `950`, `12.3 k`, `1.23 M`.
pub fn rate(per_s: f64) -> String {
    significant(per_s, &["", "k", "M", "G"])
}

/// A size in bytes: `64 B`, `1 KiB`, `1.5 MiB`, `23.5 GiB`.
pub fn bytes(size: impl Into<u64>) -> String {
    let size = size.into() as f64;
    let (value, unit) = match size {
        gib if gib >= 1_073_741_824.0 => (size / 1_073_741_824.0, "GiB"),
        mib if mib >= 1_048_576.0 => (size / 1_048_576.0, "MiB"),
        kib if kib >= 1_024.0 => (size / 1_024.0, "KiB"),
        _ => (size, "B"),
    };
    let text = format!("{value:.2}");
    format!("{} {unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Two sizes in bytes, or one where they are alike: `4 KiB to 8 KiB`.
pub fn range([least, most]: [u32; 2]) -> String {
    if least == most { bytes(least) } else { format!("{} to {}", bytes(least), bytes(most)) }
}

/// A count with its digits in groups: `100 000`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count for each message: `1`, `0.05`, `12.3`; `~0` is a little more than none.
pub fn each(count: f64) -> String {
    let text = match count {
        small if small < 0.005 => return if count > 0.0 { "~0".into() } else { "0".into() },
        small if small < 10.0 => format!("{count:.2}"),
        _ => format!("{count:.1}"),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A factor: `1.05×`, `20.8×`, `150×`, `120 000×`.
pub fn times(factor: f64) -> String {
    if !(999.5..1e15).contains(&factor) {
        return format!("{}×", significant(factor, &[""]));
    }
    // Three digits; the others are zeros.
    let scale = 10f64.powf(factor.log10().floor() - 2.0);
    format!("{}×", count(((factor / scale).round() * scale).round() as u64))
}

/// `1 round`, `2 rounds`, `3 launches`.
pub fn plural(n: u64, thing: &str) -> String {
    let ending = match thing {
        _ if n == 1 => "",
        _ if ["ch", "sh", "s", "x"].iter().any(|end| thing.ends_with(end)) => "es",
        _ => "s",
    };
    format!("{} {thing}{ending}", count(n))
}

/// `a`, `a and b`, `a, b and c`.
pub fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

/// A duration written by a person, such as `~0.04 ms`, in nanoseconds.
pub fn parse_duration(text: &str) -> Option<f64> {
    let text = &text[text.find(|letter: char| letter.is_ascii_digit())?..];
    let number = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(number);
    let scale = match rest.trim_start().split(|letter: char| !letter.is_alphabetic()).next()? {
        "ns" => 1.0,
        "µs" | "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * scale)
}

/// Milliseconds since 1970-01-01 UTC as `2026-01-31 12:00:00 UTC`. Every date is shown in UTC, on the page as well: a
/// report says the same wherever it is read.
pub fn date(unix_ms: u64) -> String {
    moment(unix_ms).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Milliseconds since 1970-01-01 UTC as a name that sorts by time: `20260131-120000-250`.
pub fn stamp(unix_ms: u64) -> String {
    moment(unix_ms).strftime("%Y%m%d-%H%M%S-%3f").to_string()
}

/// The last moment of the year 9999 stands for all that come after it.
fn moment(unix_ms: u64) -> Timestamp {
    let moment = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    moment.unwrap_or(Timestamp::MAX)
}

/// The decimals of a number below 1000 that is written with three significant digits.
pub fn decimals(value: f64) -> usize {
    match value {
        small if small < 9.995 => 2,
        middle if middle < 99.95 => 1,
        _ => 0,
    }
}

/// Three significant digits in the first unit that holds them; a whole number of the first unit stays whole.
fn significant(value: f64, units: &[&str]) -> String {
    let mut scaled = value;
    for (index, unit) in units.iter().enumerate() {
        let last = index + 1 == units.len();
        if scaled < 999.5 || last {
            let whole = index == 0 && scaled.fract() == 0.0;
            let decimals = if whole { 0 } else { decimals(scaled) };
            return format!("{scaled:.decimals$} {unit}").trim_end().to_owned();
        }
        scaled /= 1_000.0;
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The same file holds web/js/format.js to the same texts: the page's charts write figures of their own.
    #[test]
    fn figures_are_written_as_the_page_writes_them() {
        let written: BTreeMap<String, Vec<(f64, String)>> =
            serde_json::from_str(include_str!("../../../tests/page/fixtures/units.json")).unwrap();
        for (of, write) in [
            ("duration", duration as fn(f64) -> String),
            ("rate", rate),
            ("times", times),
            ("bytes", |size| bytes(size as u64)),
            ("count", |n| count(n as u64)),
            ("each", each),
            ("launches", |n| plural(n as u64, "launch")),
            ("date", |unix_ms| date(unix_ms as u64)),
        ] {
            assert!(written[of].len() > 1, "{of}");
            for (figure, text) in &written[of] {
                assert_eq!(&write(*figure), text, "{of} {figure}");
            }
        }
        assert_eq!(written.len(), 8);
    }

    #[test]
    fn two_durations_share_their_unit() {
        assert_eq!(durations([150.0, 90.0]), "150+90 ns");
        assert_eq!(durations([1_200.0, 950.0]), "1.20+0.95 µs");
        assert_eq!(durations([0.0, 0.0]), "0+0 ns");
    }

    #[test]
    fn what_people_write_is_read_or_is_nothing() {
        let read = [
            ("~0.04 ms", Some(4e4)),
            ("2 µs", Some(2e3)),
            ("2us, once", Some(2e3)),
            ("fast", None),
            ("3 minutes", None),
        ];
        for (text, ns) in read {
            assert_eq!(parse_duration(text), ns, "{text}");
        }
        let list = |words: &[&str]| list(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(
            [list(&[]), list(&["a"]), list(&["a", "b"]), list(&["a", "b", "c"])],
            ["", "a", "a and b", "a, b and c"]
        );
    }

    #[test]
    fn a_stamp_sorts_by_time_and_no_number_is_beyond_it() {
        assert_eq!(stamp(951_782_400_250), "20000229-000000-250");
        assert_eq!(date(u64::MAX), "9999-12-30 22:00:00 UTC");
        assert!(stamp(u64::MAX) > stamp(951_782_400_250));
    }
}
