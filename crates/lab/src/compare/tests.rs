//! Two reports that differ in one thing, and what is said of it.

use super::*;
use crate::report::Launch;

fn sample() -> Report {
    Report::read(include_bytes!("../../../../tests/cli/sample.json")).unwrap()
}

/// The sample with the times of a row made `times` as long.
fn slower(place: usize, times: f64) -> Report {
    let mut report = sample();
    let row = &mut report.rows[place];
    let longer = |ns: u64| (ns as f64 * times) as u64;
    if let Some(latency) = &mut row.latency_ns {
        latency.p50 = latency.p50.map(longer);
    }
    row.messages_per_s = row.messages_per_s.map(|rate| rate / times);
    for Launch { latency_ns_p50, messages_per_s } in &mut row.each_launch {
        *latency_ns_p50 = latency_ns_p50.map(longer);
        *messages_per_s = messages_per_s.map(|rate| rate / times);
    }
    report
}

const NONE: [String; 0] = [];

/// Why it is past the limit, where nothing is left open.
fn past(comparison: &Comparison, percent: f64) -> Vec<String> {
    comparison.past(&Limit::of(percent))
}

fn place(of: Workload) -> usize {
    sample().rows.iter().position(|row| row.workload == of && row.failed.is_none()).unwrap()
}

#[test]
fn a_report_does_not_differ_from_itself() {
    let comparison = Comparison::of(&sample(), &sample());
    assert_eq!(comparison.rows.len(), sample().rows.len());
    for row in &comparison.rows {
        assert_eq!(row.only_in, None);
        for change in [row.latency_ratio, row.throughput_ratio].into_iter().flatten() {
            assert_eq!((change.ratio, change.verdict), (1.0, Judgement::NoDifference), "{row:?}");
        }
    }
    assert_eq!(comparison.warnings, Vec::<String>::new());
    assert_eq!(past(&comparison, 0.0), NONE);
}

#[test]
fn slower_is_worse_whatever_the_row_is_judged_by() {
    for workload in [Workload::PingPong, Workload::Stream] {
        let place = place(workload);
        let comparison = Comparison::of(&sample(), &slower(place, 3.0));
        let row = &comparison.rows[place];
        assert_eq!(row.change().unwrap().verdict, Judgement::Worse, "{row:?}");
        // Both figures are told, that by which the row is judged first.
        let [judging, other] = &row.lines[..] else { panic!("{row:?}") };
        let by = if workload == Workload::Stream { ["msg/s", "p50"] } else { ["p50", "msg/s"] };
        assert_eq!([&judging.cells[1], &other.cells[1]], by);
        for line in [judging, other] {
            assert_eq!((line.verdict, &line.cells[5][..]), (Some(Judgement::Worse), "worse"), "{line:?}");
        }
        let told = past(&comparison, 190.0);
        assert!(told.len() == 1 && told[0].starts_with(&format!("{}: 3.00 times", row.label)), "{told:?}");
        assert_eq!(past(&comparison, 210.0), NONE);
        let other = Comparison::of(&slower(place, 3.0), &sample());
        assert_eq!(other.rows[place].change().unwrap().verdict, Judgement::Better);
        assert_eq!(past(&other, 0.0), NONE);
    }
}

#[test]
fn overlapping_spreads_are_never_past_a_limit() {
    let place = place(Workload::PingPong);
    let mut wide = slower(place, 3.0);
    wide.rows[place].each_launch[0] = sample().rows[place].each_launch[0].clone();
    let comparison = Comparison::of(&sample(), &wide);
    assert_eq!(comparison.rows[place].change().unwrap().verdict, Judgement::NoDifference);
    assert_eq!(past(&comparison, 0.0), NONE);
}

#[test]
fn one_launch_is_not_judged_and_that_is_said() {
    let place = place(Workload::PingPong);
    let mut one = slower(place, 3.0);
    one.rows[place].each_launch.truncate(1);
    one.rows[place].launches = 1;
    let comparison = Comparison::of(&sample(), &one);
    assert_eq!(comparison.rows[place].change().unwrap().verdict, Judgement::Unknown);
    let told = past(&comparison, 1e9);
    assert!(told.len() == 1 && told[0].contains("one launch only"), "{told:?}");
    assert_eq!(comparison.past(&Limit { allow_unjudged: true, ..Limit::of(0.0) }), NONE);
    assert!(comparison.warnings.iter().any(|warning| warning.contains("one launch")));
}

#[test]
fn rows_match_only_their_like() {
    let mut other = sample();
    other.rows[0].size_bytes += 1;
    let comparison = Comparison::of(&sample(), &other);
    assert_eq!(comparison.rows.len(), sample().rows.len() + 1);
    assert_eq!(comparison.rows[0].only_in, Some(Side::A));
    let last = comparison.rows.last().unwrap();
    assert_eq!((last.only_in, last.a, last.change()), (Some(Side::B), None, None));
    assert!(comparison.has_common_rows());
    other.rows[0].size_bytes = 65_536;
    let renamed = Comparison::of(&sample(), &other).rows.pop().unwrap();
    assert_eq!(renamed.label, format!("{} cross-core", other.rows[0].label()));
    assert_eq!(renamed.label, "shm ping-pong 64 KiB spin cross-core");
    other.rows.clear();
    assert!(!Comparison::of(&sample(), &other).has_common_rows());
}

#[test]
fn a_row_that_fails_now_is_past_every_limit() {
    let mut broken = sample();
    let place = place(Workload::PingPong);
    broken.rows[place].failed = Some("message 7 was lost".into());
    let comparison = Comparison::of(&sample(), &broken);
    assert!(
        comparison.rows[place].lines.iter().all(|line| line.cells[5] == "failed" && line.verdict.is_none())
    );
    assert_eq!(comparison.rows[place].failed.as_deref(), Some("failed in b: message 7 was lost"));
    let anything = Limit { allow_missing: true, allow_unjudged: true, ..Limit::of(1e9) };
    assert_eq!(comparison.past(&anything).len(), 1);
    assert_eq!(past(&Comparison::of(&broken, &sample()), 0.0), NONE);
    assert_eq!(past(&Comparison::of(&broken, &broken), 0.0).len(), 1, "failed in both");
}

/// The control: the same was asked for, and one of the two got less, or does not tell.
#[test]
fn what_channels_had_is_compared_where_room_was_asked_for() {
    let warned = |change: fn(&mut ReportRow)| {
        let mut both = [sample(), sample()];
        both.iter_mut().for_each(|report| report.plan.capacity_bytes = Some(4096));
        both[1].rows.iter_mut().for_each(change);
        let [a, b] = &both;
        let warnings = Comparison::of(a, b).warnings;
        warnings.into_iter().find(|warning| warning.starts_with("capacity of the channels: "))
    };
    assert_eq!(warned(|_| {}), None);
    assert!(
        warned(|row| row.channel_bytes = row.channel_bytes.map(|[least, most]| [least, 2 * most])).is_some()
    );
    let untold = warned(|row| row.channel_bytes = None).unwrap();
    assert!(untold.ends_with("4096 bytes asked for (what was had is not told) in b"), "{untold}");
}

#[test]
fn whatever_else_differs_is_a_warning() {
    let mut other = sample();
    other.machine.kernel = Some("7.0.0".into());
    other.version = "9.9.9".into();
    other.page_open = true;
    other.plan.placement = crate::plan::Placement::SameCore;
    other.plan.rate_per_s += 1;
    other.plan.capacity_bytes = Some(2 << 20);
    other.interrupted = true;
    for row in &mut other.rows {
        row.floor_ns = row.floor_ns.map(|ns| ns * 4.0);
    }
    let comparison = Comparison::of(&sample(), &other);
    for words in [
        "kernel: ",
        "7.0.0 in b",
        "9.9.9",
        "lab page: ",
        "placement: ",
        "rate of",
        "capacity of the channels: each mechanism's own in a, 2097152 bytes asked for (had shm of 64 262144, pipe of 64 65536",
        "b was cut short",
        "floor: ",
    ] {
        assert!(comparison.warnings.iter().any(|warning| warning.contains(words)), "{words}: {comparison:?}");
    }
    let paced = comparison.rows.iter().find(|row| row.label.contains("paced")).unwrap();
    assert_eq!(paced.change(), None, "another rate");
}

/// Every way to be not as good as `a` without being slower; the control is that the unchanged sample passes.
#[test]
fn what_was_not_compared_does_not_pass() {
    let told = |change: fn(&mut Report), limit: Limit| {
        let mut b = sample();
        change(&mut b);
        Comparison::of(&sample(), &b).past(&limit).join("\n")
    };
    let strict = Limit::of(1e6);
    let missing = Limit { allow_missing: true, ..strict };
    let unjudged = Limit { allow_unjudged: true, ..strict };
    assert_eq!(told(|_| {}, strict), "");
    type Case = (&'static str, fn(&mut Report), Limit);
    let cases: [Case; 8] = [
        ("b has no such row", |b| b.rows.truncate(1), missing),
        ("b has no such row", |b| b.rows[0].size_bytes += 1, missing),
        ("b was cut short", |b| b.interrupted = true, missing),
        ("one launch only", |b| b.rows[0].each_launch.truncate(1), unjudged),
        ("one launch only", |b| b.rows[0].each_launch.clear(), unjudged),
        ("processor: ", |b| b.machine.cpu = Some("Another one".into()), unjudged),
        ("capacity of the channels: ", |b| b.plan.capacity_bytes = Some(1 << 20), unjudged),
        ("paced at another rate", |b| b.plan.rate_per_s += 1, unjudged),
    ];
    for (words, change, allowed) in cases {
        assert!(told(change, strict).contains(words), "{words}: {}", told(change, strict));
        assert_eq!(told(change, allowed), "", "{words}");
    }
    // A baseline that was cut short, or that lacks figures, is none.
    let mut a = sample();
    a.interrupted = true;
    assert_eq!(past(&Comparison::of(&a, &sample()), 1e6).len(), 1);
    a.interrupted = false;
    a.rows[0].latency_ns = None;
    assert!(past(&Comparison::of(&a, &sample()), 1e6)[0].contains("a has no figure"));
    // An entrant that cannot do this at all has nothing that could become worse.
    a.rows.truncate(1);
    a.rows[0].messages = 0;
    assert_eq!(past(&Comparison::of(&a, &a), 0.0), ["no row was judged"]);
}

/// Figures that no race has found never pass, whatever is allowed.
#[test]
fn figures_that_cannot_be_never_pass() {
    let anything = Limit { allow_missing: true, allow_unjudged: true, ..Limit::of(1e9) };
    fn latency(report: &mut Report, whole: u64, each: u64) {
        report.rows[0].latency_ns.as_mut().unwrap().p50 = Some(whole);
        report.rows[0].each_launch.iter_mut().for_each(|launch| launch.latency_ns_p50 = Some(each));
    }
    fn rate(report: &mut Report, whole: f64, each: f64) {
        let row = report.rows.iter_mut().find(|row| row.workload == Workload::Stream).unwrap();
        row.messages_per_s = Some(whole);
        row.each_launch.iter_mut().for_each(|launch| launch.messages_per_s = Some(each));
    }
    let changes: [fn(&mut Report); 12] = [
        |b| latency(b, 0, 0),
        |b| latency(b, 1, 101),
        |b| latency(b, 101, 303),
        |b| latency(b, u64::MAX, u64::MAX),
        |b| rate(b, 0.0, 0.0),
        |b| rate(b, -9.1e6, -9.1e6),
        |b| rate(b, f64::NAN, f64::NAN),
        |b| rate(b, f64::INFINITY, f64::INFINITY),
        |b| rate(b, 1e308, 1e308),
        |b| rate(b, 9.1e6, 1e3),
        |b| b.rows[0].verified -= 1,
        |b| b.rows[0].latency_ns.as_mut().unwrap().p50 = None,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut broken = sample();
        change(&mut broken);
        assert_ne!(Comparison::of(&sample(), &broken).past(&anything), NONE, "{number} in b");
        let in_a = Comparison::of(&broken, &sample());
        // Where the baseline has no figure, that may be allowed.
        assert_ne!(in_a.past(&Limit::of(1e9)), NONE, "{number} in a");
    }
}

#[test]
fn a_row_that_stands_twice_never_passes() {
    let anything = Limit { allow_missing: true, allow_unjudged: true, ..Limit::of(1e9) };
    let mut twice = sample();
    let mut slow = slower(0, 9.0).rows[0].clone();
    slow.notes.clear();
    twice.rows.push(slow);
    for (a, b) in [(&sample(), &twice), (&twice, &sample()), (&twice, &twice)] {
        let comparison = Comparison::of(a, b);
        let told = comparison.past(&anything);
        assert!(told.iter().any(|why| why.contains("stands 2 times")), "{told:?}");
        assert!(comparison.warnings.iter().any(|why| why.contains("stands 2 times")), "{comparison:?}");
    }
}
