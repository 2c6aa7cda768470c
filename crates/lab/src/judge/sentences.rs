//! Sentences about a report. Each names its figure, and follows from its rows alone.

use super::groups::{Advice, FIGURES, JudgedFigure, Placed, RowGroup, cpu, slower, title, title_of};
use super::rehearsed;
use crate::plan::Workload;
use crate::report::{Report, ReportRow};
use crate::scene::Scene;
use crate::stats::{Measure, Verdict};
use crate::units::{bytes, duration, each, list, rate, times};

/// The best of a group by each figure that matters for its workload; or why nothing is judged.
pub(super) fn verdicts(group: &RowGroup<'_>, report: &Report, scenes: &[Scene]) -> Vec<String> {
    if !group.is_whole {
        let titles: Vec<String> = group.absent(report).map(|kind| title_of(kind.name(), scenes)).collect();
        let missing = if titles.is_empty() { "every entrant".into() } else { list(&titles) };
        return vec![format!("Nothing is judged: the race was stopped before {missing} had a round here.")];
    }
    if report.rehearsal.as_ref().is_some_and(|rehearsal| !rehearsal.agreement.agrees) {
        return vec![rehearsed::NOTHING.into()];
    }
    let [p50, p99, rate, cpu, _] = &FIGURES;
    let figures: &[&JudgedFigure] = match group.measure() {
        Measure::LatencyP50 => &[p50, p99, cpu],
        Measure::MessagesPerS => &[rate, cpu],
    };
    figures.iter().filter_map(|figure| best(group, figure, scenes)).collect()
}

fn best(group: &RowGroup<'_>, figure: &JudgedFigure, scenes: &[Scene]) -> Option<String> {
    let order = group.ranked(figure);
    let [(_, first), rest @ .., (_, last)] = &order[..] else { return None };
    // Launches tell a spread of the figure that judges, and of no other.
    let like_the_first = |row: &ReportRow| {
        figure == group.measure().figure()
            && slower(row, first).is_some_and(|found| found.verdict == Verdict::NoDifference)
    };
    let rest = rest.iter().map(|(_, row)| *row).chain([*last]);
    let alike: Vec<&ReportRow> = rest.filter(|row| like_the_first(row)).collect();
    let names = std::iter::once(first).chain(&alike).map(|row| title(row, scenes)).collect::<Vec<_>>();
    let (least, most) = (figure.of_row(first)?, figure.of_row(last)?);
    let behind = if figure.less { most / least } else { least / most };
    let behind = match like_the_first(last) {
        true => String::new(),
        false => format!(" {} is behind by {}.", title(last, scenes), times(behind)),
    };
    let text = match figure.unit {
        "/s" => format!("{} messages a second", rate(least)),
        _ => figure.text(least),
    };
    let (most, names) = (figure.most, list(&names));
    Some(match alike.is_empty() {
        true => format!("The {most}: {names}, {text}.{behind}"),
        false => format!(
            "The {most}: {names}, which do not differ by more than their launches do ({text}).{behind}"
        ),
    })
}

/// Medians within this factor are no reason to choose.
const CLOSE: f64 = 2.0;

/// Beyond this factor a median is one.
const FAR: f64 = 5.0;

/// A side that sleeps less often than this, in switches a message, keeps its core busy.
const AWAKE: f64 = 0.05;

/// A side that sleeps more often than this gives its core away.
const ASLEEP: f64 = 0.3;

/// The conclusions from these numbers.
pub(super) fn advice(report: &Report, groups: &[RowGroup<'_>], scenes: &[Scene]) -> Vec<Advice> {
    if let Some(rehearsal) = &report.rehearsal {
        return rehearsed::advice(report, rehearsal, scenes);
    }
    let mut told = Vec::new();
    let mut tell = |text: String, rows: &[Placed<'_>]| {
        told.push(Advice { text, rows: rows.iter().map(|(index, _)| *index).collect() });
    };
    let p50 = |row: &ReportRow| Measure::LatencyP50.figure_of(row).unwrap_or_default();
    let (timed, streamed): (Vec<_>, Vec<_>) = groups
        .iter()
        .filter(|group| !group.judged_order().is_empty())
        .partition(|group| group.measure() == Measure::LatencyP50);
    let timed: Vec<(String, Vec<Placed<'_>>)> =
        timed.into_iter().map(|group| (group.setting(), group.judged_order())).collect();
    let (mut alike, mut told_alike) = (Vec::new(), Vec::new());
    for (setting, order) in &timed {
        let [best @ (_, first), .., worst @ (_, last)] = &order[..] else { continue };
        let span = p50(last) / p50(first);
        if span < CLOSE {
            alike.extend(order);
            told_alike.push(format!("{} ({setting})", times(span)));
        } else if span > FAR {
            let [least, most] = [first, last].map(|row| duration(p50(row)));
            let first = title(first, scenes);
            tell(
                format!(
                    "{setting}: {first} is worth its trouble if latency is what you need: {least} instead of {most}."
                ),
                &[*best, *worst],
            );
        }
    }
    if !alike.is_empty() {
        let (told_alike, needs) = (told_alike.join(", "), needs(scenes));
        tell(
            format!("Everything is within {told_alike}. Choose by what you need, not by speed: {needs}."),
            &alike,
        );
    }
    let sleeps = |row: &ReportRow| {
        let sides = row.sides.filter(|_| row.messages > 0)?;
        let slept = sides.map(|side| side.voluntary_switches as f64 / row.messages as f64);
        Some(slept[0] + slept[1])
    };
    let awake = timed
        .iter()
        .map(|(setting, order)| (setting, order[0]))
        .find(|(_, (_, row))| cpu(row).is_some() && sleeps(row).is_some_and(|sleeps| sleeps < AWAKE));
    if let Some((setting, fast @ (_, row))) = awake {
        let is_like = |other: &ReportRow| {
            (&other.kind, other.workload, other.size_bytes, other.placement)
                == (&row.kind, row.workload, row.size_bytes, row.placement)
                && sleeps(other).is_some_and(|sleeps| sleeps > ASLEEP)
                && p50(other) > 0.0
        };
        if let Some(asleep) = report.rows.iter().enumerate().find(|(_, other)| is_like(other)) {
            let (name, sleeps) = (title(row, scenes), each(sleeps(row).unwrap_or_default()));
            let instead = duration(p50(asleep.1));
            tell(
                format!(
                    "{setting}: {name} is fast because neither side sleeps ({sleeps} switches a message). It keeps two cores busy, also when nothing is sent. If you cannot spare them, count with {instead}, as waiting by {} took.",
                    asleep.1.wait
                ),
                &[fast, asleep],
            );
        }
    }
    let has_a_tail = |(_, row): &&Placed<'_>| FIGURES[1].of_row(row).is_some_and(|p99| p99 > FAR * p50(row));
    let (mut tails, mut told_tails) = (Vec::new(), Vec::new());
    for (setting, order) in &timed {
        let long: Vec<Placed<'_>> = order.iter().filter(has_a_tail).copied().collect();
        let names: Vec<String> = long.iter().map(|(_, row)| title(row, scenes)).collect();
        if !long.is_empty() {
            told_tails.push(format!("{} ({setting})", list(&names)));
        }
        tails.extend(long);
    }
    if !tails.is_empty() {
        let told_tails = told_tails.join("; ");
        tell(
            format!(
                "The tail is long for {told_tails}: p99 is more than five times the median. If a late message hurts, read the percentile chart, not the median."
            ),
            &tails,
        );
    }
    let fastest = streamed.iter().map(|group| group.judged_order()[0]).max_by(|(_, a), (_, b)| {
        let of = |row| FIGURES[2].of_row(row).unwrap_or_default();
        of(a).total_cmp(&of(b))
    });
    if let Some(best @ (_, row)) = fastest {
        let (name, carried) = (title(row, scenes), rate(row.messages_per_s.unwrap_or_default()));
        let gathered = if row.workload == Workload::Corked { ", through a cork" } else { "" };
        tell(
            format!(
                "For many messages without answers, {name} carries most: {carried} a second of {}, waiting by {}{gathered}.",
                bytes(row.size_bytes),
                row.wait
            ),
            &[best],
        );
    }
    told
}

/// The differences between mechanisms beside speed.
fn needs(scenes: &[Scene]) -> String {
    let titles = |is: fn(&Scene) -> bool| -> Vec<String> {
        scenes.iter().filter(|scene| is(scene)).map(|scene| scene.title.clone()).collect()
    };
    let far = titles(|scene| scene.cross_host);
    let near = titles(|scene| scene.duplex && !scene.cross_host);
    let told = [(far, "for other machines"), (near, "for both ways on this one")];
    let told: Vec<String> = told
        .iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, what)| format!("{} {what}", list(names)))
        .collect();
    told.join(", ")
}
