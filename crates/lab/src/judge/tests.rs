//! The sample, changed in one thing, and what is said of it.

use crossing::Kind;

use super::groups::shared;
use super::*;
use crate::report::Launch;

pub(super) fn sample() -> Report {
    Report::read(include_bytes!("../../../../tests/cli/sample.json")).unwrap()
}

fn scenes() -> Vec<Scene> {
    Kind::ALL.map(Scene::of).to_vec()
}

fn judged(report: &Report) -> Judged {
    judge(report, &scenes())
}

/// Gives `row` these figures, and launches that lie `apart` of them as a share.
fn set(row: &mut ReportRow, ns: u64, rate: f64, apart: f64) {
    row.latency_ns.as_mut().unwrap().p50 = Some(ns);
    row.messages_per_s = Some(rate);
    row.each_launch = [1.0 - apart, 1.0, 1.0 + apart]
        .map(|factor| Launch {
            latency_ns_p50: Some((ns as f64 * factor) as u64),
            messages_per_s: Some(rate * factor),
        })
        .to_vec();
}

/// Two rows of the sample, shared memory and a pipe, under one workload.
fn two(workload: Workload, [a, b]: [(u64, f64); 2], apart: f64) -> Report {
    let mut report = sample();
    report.rows.truncate(2);
    for (row, (ns, rate)) in report.rows.iter_mut().zip([a, b]) {
        row.workload = workload;
        set(row, ns, rate, apart);
    }
    report
}

/// The indices of the rows that lead their groups.
fn best(judged: &Judged) -> Vec<usize> {
    judged.groups.iter().flat_map(|group| &group.rows).filter(|row| row.best).map(|row| row.row).collect()
}

#[test]
fn rows_that_differ_in_waiting_or_size_never_share_a_group() {
    let report = sample();
    for group in &judged(&report).groups {
        assert!(group.rows.iter().filter(|row| row.best).count() <= 1, "{}", group.title);
    }
    let mut other = report.rows[0].clone();
    other.size_bytes += 1;
    assert_ne!(shared(&report.rows[0]), shared(&other));
}

/// Two rows that the two figures put in opposite orders: every workload's best is the best by what it is judged by, and so say the
/// sentences, the ratios and the advice.
#[test]
fn each_workload_is_judged_by_its_own_figure_and_by_no_other() {
    for workload in Workload::ALL {
        let judged = judged(&two(workload, [(100, 1e3), (900, 1e6)], 0.01));
        let by_rate = matches!(workload, Workload::Stream | Workload::Corked);
        let [group] = &judged.groups[..] else { panic!("{judged:?}") };
        assert_eq!(group.measure == Measure::MessagesPerS, by_rate, "{workload}");
        assert_eq!(
            (best(&judged), group.ranked[0]),
            (vec![usize::from(by_rate)], usize::from(by_rate)),
            "{workload}"
        );
        let words = if by_rate {
            "The most messages a second: Pipe, 1.00 M"
        } else {
            "The lowest median latency: Shared memory, 100 ns"
        };
        assert!(group.verdicts[0].starts_with(words), "{workload}: {:?}", group.verdicts);
        let last = group.rows[usize::from(!by_rate)].cells.last().unwrap();
        let (times, row) = (if by_rate { "1 000×" } else { "9×" }, &group.rows[usize::from(!by_rate)]);
        assert!(last.starts_with(times), "{workload}: {last}");
        assert_eq!(row.behind.as_deref(), Some(times), "{workload}: without the spread");
        assert_eq!(group.rows[usize::from(by_rate)].behind, None, "{workload}: the best");
        assert_eq!(
            judged.advice.iter().any(|advice| advice.text.starts_with("For many messages")),
            by_rate,
            "{workload}"
        );
        assert_eq!(judged.claims.is_some(), !by_rate, "{workload}");
    }
}

#[test]
fn the_null_entrant_a_bound_and_failed_rows_are_not_judged() {
    let with = |change: fn(&mut ReportRow)| {
        let mut report = two(Workload::PingPong, [(100, 1e6), (900, 1e5)], 0.01);
        change(&mut report.rows[0]);
        judged(&report)
    };
    assert_eq!(best(&with(|_| {})), [0], "the control");
    assert_eq!(best(&with(|row| row.entrant = Entrant::Rival)), [0]);
    let bound = with(|row| row.entrant = Entrant::Bound);
    assert_eq!(best(&bound), [1]);
    assert!(bound.groups[0].rows[0].figures[0].is_some() && bound.groups[0].rows[0].cells[10] != NONE);
    let null = with(|row| row.entrant = Entrant::Null);
    assert_eq!(best(&null), [1]);
    assert_eq!(
        (null.groups[0].rows[0].cells[10].as_str(), &null.groups[0].rows[0].title[..]),
        (NONE, "no channel")
    );
    assert_eq!(null.groups[0].rows[0].behind, None);
    let failed = with(|row| row.failed = Some("the peer died".into()));
    assert_eq!((best(&failed), failed.groups[0].rows[0].cells.len()), (vec![1], 1));
}

#[test]
fn sorting_puts_the_best_first() {
    let plain = judged(&sample());
    for (group, before) in plain.clone().sorted().groups.iter().zip(&plain.groups) {
        assert_eq!(group.rows.len(), before.rows.len());
        for (place, &was) in before.ranked.iter().enumerate() {
            assert_eq!((group.ranked[place], &group.rows[place]), (place, &before.rows[was]), "{group:?}");
        }
        assert!(group.rows.iter().all(|row| !row.best) || group.rows[0].best, "{group:?}");
    }
}

#[test]
fn launches_that_overlap_are_no_difference_in_cells_and_sentences() {
    let judged = judged(&two(Workload::PingPong, [(100, 1e6), (105, 9e5)], 0.1));
    let group = &judged.groups[0];
    assert!(group.rows[1].cells[10].ends_with(" ≈"), "{:?}", group.rows[1]);
    assert_eq!(group.rows[1].behind.as_deref(), Some("≈"));
    assert!(
        group.verdicts[0]
            .starts_with("The lowest median latency: Shared memory and Pipe, which do not differ"),
        "{:?}",
        group.verdicts
    );
    assert!(!group.verdicts[0].contains("behind"), "{:?}", group.verdicts);
    let advice = &judged.advice[0].text;
    assert!(advice.starts_with("Everything is within 1.05× (ping-pong, 64 B, spin). Choose by"), "{advice}");
}

#[test]
fn advice_names_its_rows() {
    let report = sample();
    let judged = judged(&report);
    assert!(!judged.advice.is_empty());
    for advice in &judged.advice {
        assert!(
            !advice.rows.is_empty() && advice.rows.iter().all(|&row| row < report.rows.len()),
            "{advice:?}"
        );
        let named = advice.rows.iter().any(|&row| advice.text.contains(&title(&report.rows[row], &scenes())));
        assert!(named || advice.text.contains("within"), "{advice:?}");
    }
    let mut nothing = report;
    nothing.rows.clear();
    let nothing = super::judge(&nothing, &scenes());
    assert_eq!((nothing.advice, nothing.claims, nothing.groups), (vec![], None, vec![]));
}

#[test]
fn what_textbooks_say_stands_beside_what_was_measured() {
    let mut report = sample();
    let mut asleep = report.rows[0].clone();
    asleep.wait = WaitStrategy::Block;
    set(&mut asleep, 6_100, 8e4, 0.01);
    report.rows.push(asleep);
    let claims = judged(&report).claims.unwrap();
    assert_eq!((claims.workload, &claims.setting[..]), (Workload::PingPong, "ping-pong, 64 B, cross-core"));
    assert_eq!(claims.columns[..4], ["mechanism", "quoted", "measured, spin", "measured, block"]);
    let pipe = claims.rows.iter().find(|claim| scenes()[claim.scene].kind == "pipe").unwrap();
    assert_eq!(pipe.cells.len(), claims.columns.len());
    assert_eq!(pipe.cells[2], "2.10 µs");
    let why = claims.why.join("\n");
    for words in [
        "The way of waiting: Shared memory takes 101 ns or 6.10 µs",
        "A ratio is not a constant: ",
        "many on their way: Shared memory (64 B, block) carries",
        "The placement: these processes ran on two cores.",
    ] {
        assert!(why.contains(words), "{words}: {why}");
    }
}

#[test]
fn a_stage_finds_its_mechanism_beside_the_others_where_it_waits_and_sits_alike() {
    let report = sample();
    let at = |kind, wait, placement| beside(&report, &scenes(), kind, (wait, placement, 1000));
    let found = at("pipe", WaitStrategy::Spin, Placement::CrossCore).unwrap();
    assert_eq!((found.workload, &found.size[..], &found.p50[..]), (Workload::PingPong, "64 B", "2.10 µs"));
    assert!(
        found.versus.iter().any(|other| other.title == "Shared memory" && other.ratio.starts_with("20.8×")),
        "{found:?}"
    );
    assert!(found.versus.iter().all(|other| other.title != "Pipe"), "{found:?}");
    let mut apart = sample();
    let own = apart.rows.iter_mut().find(|row| row.kind == "pipe" && row.workload == Workload::PingPong);
    own.unwrap().size_bytes = 65_536;
    let like = ("pipe", (WaitStrategy::Spin, Placement::CrossCore, 64));
    let apart = beside(&apart, &scenes(), like.0, like.1).unwrap();
    assert_eq!((&apart.size[..], apart.versus.len()), ("64 KiB", 0), "its own size, the others at another");
    assert_eq!(at("pipe", WaitStrategy::Spin, Placement::SameCore), None);
    assert_eq!(at("pipe", WaitStrategy::HYBRID, Placement::CrossCore), None);
    assert_eq!(at("carrier pigeon", WaitStrategy::Spin, Placement::CrossCore), None);
}

#[test]
fn a_note_is_said_once_with_its_rows() {
    let mut report = sample();
    report.rows.iter_mut().for_each(|row| row.notes.clear());
    report.rows[0].notes = vec!["two modes: the medians of the launches fall into two camps".into()];
    report.rows[1].notes = report.rows[0].notes.clone();
    let judged = judged(&report);
    assert_eq!(judged.doubts.len(), 1);
    assert!(
        judged.doubts[0].starts_with("shm ping-pong 64 B spin, pipe ping-pong 64 B spin: two modes"),
        "{:?}",
        judged.doubts
    );
    assert!(
        judged.groups[0].doubts[0].starts_with("Shared memory, Pipe: two modes"),
        "{:?}",
        judged.groups[0].doubts
    );
}

#[test]
fn a_sentence_never_gathers_rows_of_different_settings_without_naming_them() {
    let mut report = two(Workload::PingPong, [(100, 1e6), (900, 1e5)], 0.01);
    report.rows.extend(two(Workload::PingPong, [(100, 1e6), (900, 1e5)], 0.01).rows);
    for (index, row) in report.rows.iter_mut().enumerate() {
        row.wait = if index < 2 { WaitStrategy::Spin } else { WaitStrategy::Block };
        let latency = row.latency_ns.as_mut().unwrap();
        // The tail of one mechanism under one way of waiting, and of the other under the other.
        let factor = if [0, 3].contains(&index) { 6 } else { 2 };
        latency.p99 = latency.p50.map(|ns| ns * factor);
    }
    let judged = judged(&report);
    let tails = judged.advice.iter().find(|advice| advice.text.starts_with("The tail is long")).unwrap();
    assert_eq!(tails.rows, [0, 3]);
    let words = "for Shared memory (ping-pong, 64 B, spin); Pipe (ping-pong, 64 B, block): p99";
    assert!(tails.text.contains(words), "{}", tails.text);
    for advice in &judged.advice {
        let settings = advice.rows.iter().map(|&row| report.rows[row].wait.to_string());
        assert!(settings.into_iter().all(|wait| advice.text.contains(&wait)), "{advice:?}");
    }
}

#[test]
fn a_race_that_was_stopped_before_all_had_run_judges_nothing() {
    let stopped = |launches: u32, rows: usize| {
        let mut report = two(Workload::PingPong, [(100, 1e6), (900, 1e5)], 0.01);
        report.plan.kinds = Kind::ALL[..2].to_vec();
        report.plan.rivals.clear();
        report.interrupted = true;
        report.rows.truncate(rows);
        report.rows.iter_mut().for_each(|row| row.launches = launches);
        judged(&report)
    };
    let cut = stopped(1, 1);
    let group = &cut.groups[0];
    assert_eq!(group.verdicts, ["Nothing is judged: the race was stopped before Pipe had a round here."]);
    assert!(best(&cut).is_empty() && group.ranked.is_empty() && cut.advice.is_empty(), "{cut:?}");
    assert_eq!((group.rows[0].cells[10].as_str(), &group.rows[0].behind), (NONE, &None));
    assert!(group.rows[0].figures[0].is_some(), "its own figures are shown");
    assert_eq!(cut.marks, ["stopped early"]);
    assert_eq!(best(&stopped(1, 2)), [0], "each had its round");
    assert_eq!(best(&stopped(2, 1)), [0], "no entrant has a second round before all had their first");
    let mut with_a_rival = two(Workload::PingPong, [(100, 1e6), (900, 1e5)], 0.01);
    with_a_rival.interrupted = true;
    with_a_rival.rows.iter_mut().for_each(|row| row.launches = 1);
    with_a_rival.plan.kinds = Kind::ALL[..2].to_vec();
    with_a_rival.plan.rivals = vec!["other".into()];
    let judged = judged(&with_a_rival);
    assert!(best(&judged).is_empty());
    assert!(judged.groups[0].verdicts[0].contains("before every entrant had a round"), "{judged:?}");
}

#[test]
fn notes_that_differ_in_their_numbers_alone_are_one_doubt() {
    let mut report = two(Workload::PingPong, [(100, 1e6), (900, 1e5)], 0.01);
    report.rows[0].notes =
        vec!["the floor moved during 1 of 5 launches, by 0.4%".into(), "é1".into(), String::new()];
    report.rows[1].notes = vec!["the floor moved during 3 of 5 launches, by 12%".into(), "é".into()];
    assert_eq!(
        judged(&report).groups[0].doubts,
        [
            "Shared memory, Pipe: the floor moved during 1 and 3 of 5 launches, by 0.4 and 12%",
            "Shared memory: é1",
            "Shared memory: ",
            "Pipe: é",
        ]
    );
}

#[test]
fn a_quick_race_and_one_that_was_stopped_are_marked_wherever_their_figures_stand() {
    let mut report = sample();
    let marks = |report: &Report| {
        let like = (WaitStrategy::Spin, Placement::CrossCore, 64);
        let found = beside(report, &scenes(), "pipe", like).unwrap().marks;
        assert_eq!(found, judged(report).marks);
        found
    };
    assert_eq!(marks(&report), Vec::<&str>::new());
    (report.plan.quick, report.interrupted) = (true, true);
    assert_eq!(marks(&report), ["quick race", "stopped early"]);
}
