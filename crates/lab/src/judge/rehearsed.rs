//! What follows from a rehearsal: whether it stands for the two programs, and only then what they would gain.

use crossing::WaitStrategy;

use super::groups::{Advice, Placed, title};
use crate::plan::Workload;
use crate::rehearsal::{AgreedFigure, Agreement, Rehearsal, TOLERANCE, WatchedTraffic};
use crate::report::{Entrant, Report, ReportRow};
use crate::scene::Scene;
use crate::score::GATHER_NS;
use crate::stats::{Measure, Ratio, Verdict, ratio_by};
use crate::units::{self, duration, times};

/// What a group of a rehearsal says that does not stand for the programs.
pub(super) const NOTHING: &str =
    "Nothing is concluded from these rows: the rehearsal is not what was watched.";

/// What was watched, in one line.
pub(super) fn above(watched: &WatchedTraffic) -> String {
    let WatchedTraffic { edge, messages, not_kept, empty, waits, elapsed_ns, thought_ns, .. } = watched;
    let over = edge.as_ref().map_or_else(String::new, |edge| format!(" over `{edge}`"));
    let mut line = format!(
        "rehearsed: what two programs sent{over} in {}, {} from side 0 and {} from side 1, {} bytes together; {} of the time \
         nothing was on its way",
        duration(*elapsed_ns as f64),
        units::plural(messages[0], "message"),
        units::plural(messages[1], "message"),
        units::count(watched.bytes),
        duration(*thought_ns as f64),
    );
    line.push_str(&format!("; side 0 {}, side 1 {}", waits[0].words(), waits[1].words()));
    if *empty > 0 {
        line.push_str(&format!("; {} had no bytes", units::plural(*empty, "message")));
    }
    if *not_kept > 0 {
        line.push_str(&format!("; {} more were seen and not kept", units::count(*not_kept)));
    }
    line
}

/// What you need to read the rows.
pub(super) fn below(report: &Report) -> Vec<String> {
    let mut lines = vec![
        "rehearsed latency is stamped one way, from just before a message's send to the end of its receive, of both directions \
         together; msg/s is all messages over the whole time, thinking included"
            .to_owned(),
    ];
    let of = |workload| report.rows.iter().filter(move |row| row.workload == workload);
    if of(Workload::RehearsedCorked).next().is_some() {
        lines.push(format!(
            "rehearsed-corked: messages that follow their side's last one within {}, and wait for nothing, share its call",
            duration(GATHER_NS as f64)
        ));
    }
    let mut had: Vec<String> = Vec::new();
    for row in of(Workload::RehearsedRoomy) {
        let Some([least, most]) = row.channel_bytes else { continue };
        let told = format!("{} {}", row.kind, units::range([least, most]));
        if !had.contains(&told) {
            had.push(told);
        }
    }
    if !had.is_empty() {
        lines.push(format!("rehearsed-roomy: channels asked to hold more; they had {}", had.join(", ")));
    }
    lines
}

/// The conclusions.
pub(super) fn advice(report: &Report, rehearsal: &Rehearsal, scenes: &[Scene]) -> Vec<Advice> {
    let Rehearsal { watched, agreement } = rehearsal;
    let own = agreement.row.and_then(|index| Some((index, report.rows.get(index)?)));
    let Some(own @ (index, row)) = own else {
        let why = agreement.open.as_deref().unwrap_or("no row is like it");
        return vec![Advice { text: format!("Nothing is concluded: {why}."), rows: vec![] }];
    };
    let mut told = vec![Advice { text: agreed(agreement, row, scenes), rows: vec![index] }];
    if agreement.agrees {
        told.extend(gains(report, watched, own, scenes));
    }
    told
}

/// Whether the rehearsal repeats what was watched.
fn agreed(agreement: &Agreement, row: &ReportRow, scenes: &[Scene]) -> String {
    let words = |of: &dyn Fn(bool) -> bool| -> Vec<String> {
        agreement.figures.iter().filter(|figure| of(figure.agrees())).map(AgreedFigure::words).collect()
    };
    let on = format!("{}, waiting by {}", title(row, scenes), row.wait);
    let limit = format!("{:.0}%", TOLERANCE * 100.0);
    let mut text = if agreement.agrees {
        format!(
            "The rehearsal stands for the programs within {limit}. On {on}: {}.",
            words(&|_| true).join("; ")
        )
    } else if let Some(why) = &agreement.open {
        format!("Nothing is concluded: {why}.")
    } else {
        format!(
            "Nothing is concluded: the rehearsal is not what was watched, by more than {limit}. On {on}: {}.",
            words(&|agrees| !agrees).join("; ")
        )
    };
    for unlike in &agreement.unlike {
        text.push_str(&format!(" Note: {unlike}."));
    }
    text
}

/// What the programs would gain.
fn gains(report: &Report, watched: &WatchedTraffic, own: Placed<'_>, scenes: &[Scene]) -> Vec<Advice> {
    let mut told = Vec::new();
    let mut tell = |text: String, rows: &[Placed<'_>]| {
        told.push(Advice { text, rows: rows.iter().map(|(index, _)| *index).collect() });
    };
    let others = || {
        report.rows.iter().enumerate().filter(|(index, row)| {
            *index != own.0 && row.failed.is_none() && row.entrant == Entrant::Mechanism
        })
    };
    // A cork or a larger channel is named only where it gains something by itself: of many rows that are alike one is always best.
    let plain = |row: &ReportRow| {
        others().chain([own]).map(|(_, other)| other).find(|other| {
            (other.workload, &other.kind, other.wait) == (Workload::Rehearsed, &row.kind, row.wait)
        })
    };
    let pays = |row: &ReportRow, measure: Measure| {
        let found = plain(row).filter(|_| row.workload != Workload::Rehearsed);
        found.and_then(|plain| ratio_by(measure, row, plain)).is_none_or(|found| {
            found.verdict == Verdict::Different && (found.value > 1.0) == measure.more_is_better()
        })
    };
    let (_, own_row) = own;
    let faster = |(_, row): Placed<'_>| {
        let found = gain(row, own_row).filter(|_| pays(row, Measure::MessagesPerS));
        found.filter(|gain| gain.verdict == Verdict::Different)
    };
    let best_of = |found: &mut dyn Iterator<Item = Placed<'_>>| -> Option<usize> {
        let gained = found.filter_map(|placed| Some((faster(placed)?.value, placed.0)));
        let best = gained.filter(|(value, _)| *value > 1.0).max_by(|(a, _), (b, _)| a.total_cmp(b));
        best.map(|(_, index)| index)
    };
    let placed = |index: usize| (index, &report.rows[index]);
    let best = best_of(&mut others()).map(placed);
    match best {
        Some(best) => tell(gained(best.1, own_row, scenes), &[best, own]),
        None => {
            let share = 100.0 * watched.thought_ns as f64 / watched.elapsed_ns.max(1) as f64;
            tell(
                format!(
                    "No mechanism, cork or larger channel makes the whole end sooner by more than the launches differ: for {:.0}% of \
                     the time nothing was on its way, because the programs were thinking.",
                    share.min(100.0)
                ),
                &[own],
            );
        }
    }
    // A way of waiting is a price of its own, so the best at their own price is told, too.
    if best.is_some_and(|(_, row)| row.wait != own_row.wait) {
        let alike = &mut others().filter(|(_, row)| row.wait == own_row.wait);
        match best_of(alike).map(placed) {
            Some(best) => tell(gained(best.1, own_row, scenes), &[best, own]),
            None => tell(
                format!("Waiting by {} as they do, nothing ends sooner than what they have.", own_row.wait),
                &[own],
            ),
        }
    }
    for workload in [Workload::RehearsedCorked, Workload::RehearsedRoomy] {
        let same = |row: &ReportRow| {
            row.kind == own_row.kind && row.wait == own_row.wait && row.workload == workload
        };
        let Some(row) = others().find(|(_, row)| same(row)) else { continue };
        // Told already.
        if best.is_some_and(|best| best.0 == row.0) {
            continue;
        }
        let Some(found) = gain(row.1, own_row) else { continue };
        let what = format!("{} with {}", title(row.1, scenes), variant(row.1.workload));
        let text = match found.verdict {
            Verdict::Unknown => continue,
            Verdict::NoDifference => format!("{what} makes no difference beyond that of the launches."),
            Verdict::Different if found.value > 1.0 => format!("{what} ends {} sooner.", times(found.value)),
            Verdict::Different => format!("{what} takes {} as long.", times(1.0 / found.value)),
        };
        tell(text, &[row, own]);
    }
    let quicker = others().filter_map(|placed| {
        let found = ratio_by(Measure::LatencyP50, own_row, placed.1)?;
        let found = Some(found).filter(|_| pays(placed.1, Measure::LatencyP50))?;
        (found.verdict == Verdict::Different && found.value > 1.0).then_some((found.value, placed))
    });
    let quickest = quicker.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, placed)| placed);
    if let Some(quickest) = quickest.filter(|(index, _)| best.is_none_or(|(best, _)| best != *index)) {
        let median = |row: &ReportRow| duration(Measure::LatencyP50.figure_of(row).unwrap_or_default());
        tell(
            format!(
                "A single message arrives soonest through {}: {} instead of {} (median).",
                setting(quickest.1, scenes),
                median(quickest.1),
                median(own_row)
            ),
            &[quickest, own],
        );
    }
    told
}

/// How many times sooner the whole ends by a row than by the programs' own.
fn gain(row: &ReportRow, own: &ReportRow) -> Option<Ratio> {
    ratio_by(Measure::MessagesPerS, row, own)
}

/// `Shared memory, waiting by spin, with a cork`.
fn setting(row: &ReportRow, scenes: &[Scene]) -> String {
    let title = title(row, scenes);
    match row.workload {
        Workload::RehearsedCorked | Workload::RehearsedRoomy => {
            format!("{title}, waiting by {}, with {}", row.wait, variant(row.workload))
        }
        _ => format!("{title}, waiting by {}", row.wait),
    }
}

fn variant(workload: Workload) -> &'static str {
    if workload == Workload::RehearsedCorked { "corked writes" } else { "a larger channel" }
}

/// What the best row gains.
fn gained(row: &ReportRow, own: &ReportRow, scenes: &[Scene]) -> String {
    let whole = |row: &ReportRow| {
        let each = row.messages as f64 / f64::from(row.launches.max(1));
        row.messages_per_s.map_or_else(String::new, |rate| duration(each * 1e9 / rate))
    };
    let found = gain(row, own).map_or(1.0, |gain| gain.value);
    let price = match row.wait {
        WaitStrategy::Spin if own.wait != WaitStrategy::Spin => " It keeps two cores busy.",
        _ => "",
    };
    format!(
        "{}: the same traffic ends {} sooner, after {} instead of {}.{price}",
        setting(row, scenes),
        times(found),
        whole(row),
        whole(own)
    )
}

#[cfg(test)]
mod tests {
    use super::super::judge;
    use super::*;
    use crate::report::Launch;
    use crate::traffic::SeenWait;
    use crossing::Kind;

    /// Rows of these mechanisms and ways of waiting, each of that many messages a second in launches that lie close together; the
    /// first is the programs' own.
    fn rehearsed(rows: &[(&str, Workload, WaitStrategy, f64)]) -> Report {
        let mut report = super::super::tests::sample();
        let of = |&(kind, workload, wait, rate): &(&str, Workload, WaitStrategy, f64)| ReportRow {
            kind: kind.into(),
            workload,
            wait,
            messages: 3_000,
            verified: 3_000,
            messages_per_s: Some(rate),
            launches: 3,
            each_launch: [0.99, 1.0, 1.01]
                .map(|factor| Launch { latency_ns_p50: Some(5_000), messages_per_s: Some(rate * factor) })
                .to_vec(),
            ..report.rows[0].clone()
        };
        report.rows = rows.iter().map(of).collect();
        let watched = WatchedTraffic {
            edge: Some("pipe".into()),
            messages: [500, 500],
            not_kept: 7,
            bytes: 64_000,
            empty: 1,
            waits: [SeenWait::InTheCall, SeenWait::NotSeen],
            elapsed_ns: 1_000_000,
            thought_ns: 910_000,
            median_ns: [None; 2],
        };
        let figure =
            AgreedFigure { what: "the whole".into(), watched_ns: 1_000_000, rehearsed_ns: 1_000_000 };
        let agreement =
            Agreement { row: Some(0), figures: vec![figure], agrees: true, ..Agreement::default() };
        report.rehearsal = Some(Rehearsal { watched, agreement });
        report
    }

    const BLOCK: WaitStrategy = WaitStrategy::Block;
    const SPIN: WaitStrategy = WaitStrategy::Spin;
    const PLAIN: Workload = Workload::Rehearsed;

    fn told(report: &Report) -> Vec<String> {
        let scenes = Kind::ALL.map(Scene::of);
        let judged = judge(report, &scenes);
        for advice in &judged.advice {
            assert!(advice.rows.iter().all(|&row| row < report.rows.len()), "{advice:?}");
        }
        judged.advice.into_iter().map(|advice| advice.text).collect()
    }

    #[test]
    fn a_gain_is_told_at_any_price_and_at_their_own() {
        let report = rehearsed(&[
            ("pipe", PLAIN, BLOCK, 1e6),
            ("shm", PLAIN, SPIN, 4e6),
            ("shm", PLAIN, BLOCK, 2e6),
            ("pipe", Workload::RehearsedCorked, BLOCK, 1e6),
            ("pipe", Workload::RehearsedRoomy, BLOCK, 5e5),
        ]);
        let told = told(&report);
        assert!(
            told[0].starts_with("The rehearsal stands for the programs within 20%. On Pipe"),
            "{told:#?}"
        );
        let spin = "Shared memory, waiting by spin: the same traffic ends 4× sooner, after 250 µs instead of 1.00 ms. It keeps two cores busy.";
        assert_eq!(told[1], spin);
        assert!(
            told[2].starts_with("Shared memory, waiting by block: the same traffic ends 2×"),
            "{told:#?}"
        );
        assert_eq!(told[3], "Pipe with corked writes makes no difference beyond that of the launches.");
        assert_eq!(told[4], "Pipe with a larger channel takes 2× as long.");
        assert_eq!(told.len(), 5, "{told:#?}");
    }

    /// Of many rows that are alike one is always best: a variant that does as its plain row does is not named.
    #[test]
    fn a_variant_is_named_only_where_it_gains_by_itself() {
        let rows = |cork| {
            let corked = ("shm", Workload::RehearsedCorked, BLOCK, cork);
            told(&rehearsed(&[("pipe", PLAIN, BLOCK, 1e6), ("shm", PLAIN, BLOCK, 2e6), corked]))
        };
        assert!(rows(2.01e6)[1].starts_with("Shared memory, waiting by block: "), "{:#?}", rows(2.01e6));
        assert!(rows(3e6)[1].starts_with("Shared memory, waiting by block, with corked writes: "));
    }

    #[test]
    fn where_nothing_ends_sooner_the_thinking_is_named() {
        let report = rehearsed(&[("pipe", PLAIN, BLOCK, 1e6), ("shm", PLAIN, SPIN, 1.01e6)]);
        let told = told(&report);
        assert!(told[1].contains("for 91% of the time nothing was on its way"), "{told:#?}");
        assert_eq!(told.len(), 2, "{told:#?}");
    }

    /// The control of the agreement: the same rows, and nothing is concluded from them, in a sentence or by a group.
    #[test]
    fn without_agreement_nothing_is_concluded() {
        let mut report = rehearsed(&[("pipe", PLAIN, BLOCK, 1e6), ("shm", PLAIN, BLOCK, 4e6)]);
        let verdicts = |report: &Report| judge(report, &Kind::ALL.map(Scene::of)).groups[0].verdicts.clone();
        assert!(verdicts(&report)[0].starts_with("The most messages a second"), "{:?}", verdicts(&report));
        let agreement = &mut report.rehearsal.as_mut().unwrap().agreement;
        agreement.agrees = false;
        agreement.figures[0].rehearsed_ns = 2_000_000;
        let off = told(&report);
        assert_eq!(off.len(), 1, "{off:#?}");
        assert!(off[0].starts_with("Nothing is concluded: ") && off[0].contains("(100% more)"), "{off:#?}");
        assert_eq!(verdicts(&report), [NOTHING]);
        report.rehearsal.as_mut().unwrap().agreement =
            Agreement { row: Some(77), open: Some("it is so".into()), ..Agreement::default() };
        assert_eq!(told(&report), ["Nothing is concluded: it is so."]);
    }

    #[test]
    fn what_was_watched_is_said() {
        let report = rehearsed(&[("pipe", PLAIN, BLOCK, 1e6)]);
        let line = above(&report.rehearsal.unwrap().watched);
        for words in [
            "over `pipe` in 1.00 ms",
            "500 messages from side 0",
            "side 0 slept in the call that reads",
            "1 message had no bytes",
            "7 more were seen",
        ] {
            assert!(line.contains(words), "no `{words}`: {line}");
        }
    }
}
