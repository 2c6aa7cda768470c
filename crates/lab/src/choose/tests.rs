//! Choices by made-up races of made-up mechanisms.

use crossing::WaitStrategy;

use super::*;
use crate::plan::Placement;
use crate::plan::SIZE_LIMIT;
use crate::report::{Entrant, Latency, LatencyBasis, Launch, ReportRow, SideUse};
use crate::scene::{Actor, Budget, Form, Part, Range, ScenePart, Space};

/// An unknown mechanism with this many copies a message.
fn scene(kind: &str, copies: f64, duplex: bool, cross_host: bool) -> Scene {
    let budget = |wait: &'static str| Budget {
        wait: wait.into(),
        sender_syscalls: Range::exactly(copies / 2.0),
        receiver_syscalls: Range::exactly(copies / 2.0),
        kernel_copies: Range::exactly(copies),
        wakes: Range::exactly(0.0),
    };
    let form = if copies == 0.0 { Form::Region { writer: Some(Actor::Sender) } } else { Form::Queue };
    let part = Part { id: "x".into(), form, label: "x".into(), space: Space::User };
    Scene {
        kind: kind.into(),
        title: kind.to_uppercase(),
        duplex,
        cross_host,
        stage: vec![ScenePart { part, gauges: vec![], level: None }],
        budgets: ["spin", "hybrid", "block"].map(budget).to_vec(),
        ..Scene::default()
    }
}

fn scenes() -> Vec<Scene> {
    vec![
        scene("smoke", 2.0, true, true),
        scene("shout", 2.0, true, false),
        scene("note", 0.0, false, false),
        scene("post", 4.0, true, true),
    ]
}

fn row(kind: &str, workload: Workload, wait: WaitStrategy, p50: u64, per_s: f64) -> ReportRow {
    let launch = |ns| Launch { latency_ns_p50: Some(ns), messages_per_s: Some(per_s) };
    ReportRow {
        kind: kind.into(),
        entrant: Entrant::Mechanism,
        workload,
        size_bytes: 64,
        placement: Placement::CrossCore,
        cores: Some([0, 1]),
        wait,
        messages: 1_000,
        verified: 1_000,
        latency_ns: Some(Latency {
            basis: LatencyBasis::HalfRoundTrip,
            samples: 1_000,
            p50: Some(p50),
            p90: None,
            p99: None,
            p999: None,
            max: p50,
            histogram: vec![(p50, 1_000)],
        }),
        messages_per_s: Some(per_s),
        floor_ns: None,
        floor: None,
        state: None,
        launches: 2,
        each_launch: vec![launch(p50 - p50 / 20), launch(p50 + p50 / 20)],
        sides: Some([SideUse { user_ns: 300_000, ..SideUse::default() }; 2]),
        channel_bytes: None,
        progress: None,
        directions_ns_p50: None,
        missed: None,
        failed: None,
        notes: vec![],
    }
}

fn report(rows: Vec<ReportRow>) -> Report {
    let sample = Report::read(include_bytes!("../../../../tests/cli/sample.json")).unwrap();
    Report { rows, ..sample }
}

/// Spinning and blocking, ping-pong and stream.
fn whole_race() -> Report {
    let both = |kind, spin, block, per_s| {
        [
            row(kind, Workload::PingPong, WaitStrategy::Spin, spin, 1e9 / spin as f64),
            row(kind, Workload::PingPong, WaitStrategy::Block, block, 1e9 / block as f64),
            row(kind, Workload::Stream, WaitStrategy::Spin, spin, per_s),
            row(kind, Workload::Stream, WaitStrategy::Block, block, per_s / 2.0),
        ]
    };
    report(
        [
            both("smoke", 4_000, 26_000, 2e5),
            both("shout", 1_600, 20_000, 1e6),
            both("note", 100, 20_100, 3e7),
            both("post", 9_000, 60_000, 1e5),
        ]
        .concat(),
    )
}

fn ask(wanted: &Constraints, runs: &[(&str, Report)]) -> Choice {
    let runs: Vec<_> = runs.iter().map(|(id, report)| ((*id).to_owned(), report.clone())).collect();
    choose(&scenes(), &runs, &report(vec![]).machine, wanted)
}

fn kinds(choice: &Choice) -> Vec<&str> {
    choice.answers.iter().map(|answer| answer.kind.as_str()).collect()
}

#[test]
fn the_fastest_comes_first_and_says_by_which_row() {
    let choice = ask(&Constraints::default(), &[("7", whole_race())]);
    assert_eq!(kinds(&choice), ["note", "shout", "smoke", "post"]);
    assert!(choice.answers.iter().all(|answer| answer.wait == "spin"), "{choice:?}");
    assert_eq!((choice.excluded.len(), choice.missing), (0, None));
    let first = &choice.answers[0].reasons[0];
    let ChoiceFact::Latency { p50_ns: 100, row, like_the_best: false, .. } = &first.fact else {
        panic!("{first:?}")
    };
    let source = first.source.as_ref().unwrap();
    assert_eq!(source.run, "7");
    assert_eq!(&whole_race().rows[source.row], &**row);
    assert!(source.marks.is_empty());
    let mut quick = whole_race();
    quick.plan.quick = true;
    let marked = ask(&Constraints::default(), &[("7", quick)]);
    let sources = marked.answers[0].reasons.iter().filter_map(|reason| reason.source.as_ref());
    assert!(sources.clone().next().is_some() && sources.clone().all(|source| source.marks == ["quick race"]));
    let cpu = choice.answers[0]
        .reasons
        .iter()
        .find(|reason| matches!(reason.fact, ChoiceFact::Cpu { .. }))
        .unwrap();
    assert_eq!(cpu.fact, ChoiceFact::Cpu { ns: 600.0 });
    // A report from elsewhere may claim any time.
    let mut endless = whole_race();
    let most = SideUse { user_ns: u64::MAX, system_ns: u64::MAX, ..SideUse::default() };
    endless.rows.iter_mut().for_each(|row| row.sides = Some([most; 2]));
    let choice = ask(&Constraints::default(), &[("7", endless)]);
    let costs = |reason: &ChoiceReason| matches!(reason.fact, ChoiceFact::Cpu { ns } if ns > 7e16);
    assert!(choice.answers[0].reasons.iter().any(costs), "{choice:?}");
}

#[test]
fn who_may_not_spin_blocks_and_overlapping_rows_do_not_differ() {
    let wanted = Constraints { cpu: Some(Cpu::Shared), ..Constraints::default() };
    let choice = ask(&wanted, &[("7", whole_race())]);
    assert_eq!(kinds(&choice)[..2], ["shout", "note"]);
    assert!(choice.answers.iter().all(|answer| answer.wait == "block"), "{choice:?}");
    let alike = |place: usize| {
        let fact = &choice.answers[place].reasons[0].fact;
        matches!(fact, ChoiceFact::Latency { like_the_best: true, .. })
    };
    assert_eq!([alike(0), alike(1), alike(2)], [false, true, false]);
}

#[test]
fn another_host_excludes_what_cannot_go_there() {
    let wanted = Constraints { same_host: Some(false), both_ways: Some(true), ..Constraints::default() };
    let choice = ask(&wanted, &[("7", whole_race())]);
    assert_eq!(kinds(&choice), ["smoke", "post"]);
    assert!(
        choice.excluded.iter().all(|excluded| excluded.why.fact == ChoiceFact::OneHostOnly),
        "{choice:?}"
    );
    let facts: Vec<&ChoiceFact> = choice.answers[0].reasons.iter().map(|reason| &reason.fact).collect();
    assert!(
        facts.contains(&&ChoiceFact::CrossesHosts) && facts.contains(&&ChoiceFact::BothWays),
        "{facts:?}"
    );
    assert!(matches!(facts[0], ChoiceFact::Latency { loopback_only: true, .. }), "{facts:?}");
}

#[test]
fn a_rate_that_is_not_reached_excludes_by_the_row_that_shows_it() {
    let wanted = Constraints { rate_per_s: Some(400_000), ..Constraints::default() };
    let choice = ask(&wanted, &[("7", whole_race())]);
    assert_eq!(kinds(&choice), ["note", "shout"]);
    let smoke = choice.excluded.iter().find(|excluded| excluded.kind == "smoke").unwrap();
    assert!(matches!(smoke.why.fact, ChoiceFact::Rate { wanted_per_s: 400_000, .. }), "{smoke:?}");
    assert_eq!(whole_race().rows[smoke.why.source.as_ref().unwrap().row].kind, "smoke");
    // A way of waiting that does carry it is taken, though another one is faster.
    let mut odd = whole_race();
    for row in odd.rows.iter_mut().filter(|row| row.kind == "note" && row.workload == Workload::Stream) {
        row.messages_per_s = Some(if row.wait == WaitStrategy::Spin { 1e3 } else { 1e7 });
    }
    let choice = ask(&wanted, &[("7", odd)]);
    assert_eq!(choice.answers.iter().find(|answer| answer.kind == "note").unwrap().wait, "block");
    // Shorter messages than those that were measured may be faster.
    let short = Constraints { size_bytes: Some(8), ..wanted };
    assert!(ask(&short, &[("7", whole_race())]).excluded.is_empty());
}

#[test]
fn what_was_not_measured_is_not_guessed() {
    let choice = ask(&Constraints { size_bytes: Some(1_024), ..Constraints::default() }, &[]);
    assert_eq!(kinds(&choice), ["note", "smoke", "shout", "post"], "by what the design costs");
    assert_eq!(choice.answers[0].reasons[0].fact, ChoiceFact::NotMeasured);
    let missing = choice.missing.unwrap();
    assert_eq!((missing.sizes, missing.waits), (vec![1_024], vec!["spin", "block"]));
    assert_eq!((missing.workloads, missing.kinds.len()), (vec![Workload::PingPong], 4));

    let mut half = whole_race();
    half.rows.retain(|row| row.kind != "note");
    let choice = ask(&Constraints::default(), &[("7", half)]);
    assert_eq!(kinds(&choice), ["shout", "smoke", "post", "note"]);
    assert!(choice.missing.is_some());
}

#[test]
fn another_size_is_evidence_and_a_race_is_missing() {
    let wanted = Constraints { size_bytes: Some(100), ..Constraints::default() };
    let choice = ask(&wanted, &[("7", whole_race())]);
    let ChoiceFact::Latency { row, .. } = &choice.answers[0].reasons[0].fact else { panic!("{choice:?}") };
    assert_eq!(row.size_bytes, 64);
    assert_eq!(choice.missing.unwrap().sizes, [100]);
}

#[test]
fn idling_is_judged_by_cold_messages_and_without_spinning() {
    let idle = Constraints { idle: Some(true), ..Constraints::default() };
    let warm = ask(&idle, &[("7", whole_race())]);
    assert!(warm.answers.iter().all(|answer| answer.wait == "block"), "{warm:?}");
    let missing = warm.missing.unwrap();
    assert_eq!((missing.workloads, missing.waits), (vec![Workload::Paced], vec!["block"]));
    assert_eq!((missing.rate_per_s, missing.count), (Some(100), Some(500)));

    let mut cold = whole_race();
    cold.plan.rate_per_s = 100;
    cold.rows = ["post", "note", "shout", "smoke"]
        .into_iter()
        .zip([1_000, 2_000, 3_000, 4_000])
        .map(|(kind, ns)| row(kind, Workload::Paced, WaitStrategy::Block, ns, 100.0))
        .collect();
    let choice = ask(&idle, &[("8", whole_race()), ("7", cold)]);
    assert_eq!(kinds(&choice), ["post", "note", "shout", "smoke"]);
    assert_eq!(choice.missing, None);
}

#[test]
fn all_rows_come_from_the_newest_race_that_says_most() {
    let mut few = whole_race();
    few.rows.retain(|row| row.kind == "post");
    let runs = [("9", few), ("8", whole_race()), ("7", whole_race())];
    let choice = ask(&Constraints::default(), &runs);
    let sources =
        choice.answers.iter().flat_map(|answer| &answer.reasons).filter_map(|reason| reason.source.as_ref());
    assert!(sources.map(|source| &source.run).all(|run| run == "8"), "{choice:?}");
}

#[test]
fn another_machines_race_and_failed_rows_are_no_evidence() {
    let mut foreign = whole_race();
    foreign.machine.cpu = Some("another processor".into());
    assert_eq!(
        ask(&Constraints::default(), &[("7", foreign)]).answers[0].reasons[0].fact,
        ChoiceFact::NotMeasured
    );
    let mut broken = whole_race();
    broken.rows.iter_mut().filter(|row| row.kind == "note").for_each(|row| row.failed = Some("lost".into()));
    let choice = ask(&Constraints::default(), &[("7", broken)]);
    assert_eq!(kinds(&choice).last(), Some(&"note"));
}

#[test]
fn isolation_is_a_fact_of_the_stage() {
    let wanted = Constraints { isolation: Some(Isolation::Hostile), ..Constraints::default() };
    let choice = ask(&wanted, &[]);
    for answer in &choice.answers {
        let expected =
            if answer.kind == "note" { ChoiceFact::OwnMemoryOnly } else { ChoiceFact::NoSharedMemory };
        assert!(answer.reasons.iter().any(|reason| reason.fact == expected), "{answer:?}");
    }
}

#[test]
fn constraints_out_of_range_are_named() {
    let size = |size| Constraints { size_bytes: Some(size), ..Constraints::default() }.fault();
    assert_eq!(size(64), None);
    for wrong in [0, SIZE_LIMIT + 1] {
        assert!(size(wrong).unwrap().starts_with("size_bytes"), "{wrong}");
    }
    assert!(Constraints { rate_per_s: Some(0), ..Constraints::default() }.fault().is_some());
    assert!(serde_json::from_str::<Constraints>("{\"colour\":\"red\"}").is_err());
}
