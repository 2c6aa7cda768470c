//! The sentences above and below the tables: where and how the race ran, and what its figures do and do not say.

use std::collections::HashMap;

use super::groups::SPREAD;
use crate::report::{Channel, Entrant, Latency, LatencyBasis, Report, ReportRow, State};
use crate::units;

/// The most notes of one row that are shown.
const NOTES: usize = 32;

/// Where and how the race ran.
pub(super) fn above(report: &Report) -> Vec<String> {
    let plan = &report.plan;
    let two = report.rows.iter().filter(|row| row.entrant != Entrant::Null);
    let mut cores: Vec<[usize; 2]> = two.filter_map(|row| row.cores).collect();
    cores.sort_unstable();
    cores.dedup();
    let cores = match cores[..] {
        [[a, b]] if a == b => format!(" (core {a})"),
        [[a, b]] => format!(" (cores {a} and {b})"),
        _ => String::new(),
    };
    let mut lines = vec![
        machine(report),
        format!(
            "{} a row over {}, {}{cores}",
            units::plural(plan.count, "message"),
            units::plural(plan.launches.into(), "fresh launch"),
            plan.placement
        ),
        format!("seed {}, ipcscope {}, {}", plan.seed, report.version, units::date(report.started_unix_ms)),
    ];
    if let Some(bytes) = plan.capacity_bytes {
        lines.push(format!(
            "channels asked to hold {} in each direction, rivals as they are",
            units::bytes(bytes)
        ));
    }
    if plan.quick {
        let count = units::plural(plan.count, "message");
        lines.push(format!("quick: {count} a row; not a result to quote"));
    }
    if report.interrupted {
        lines.push("interrupted: the race was cut short; rows hold what was measured until then".into());
    }
    lines
}

/// Where it ran, in one line.
fn machine(report: &Report) -> String {
    let machine = &report.machine;
    let cores = machine.cores_online.map(|cores| units::plural(cores as u64, "core"));
    let facts = [
        Some(machine.cpu.clone().unwrap_or_else(|| format!("a {} processor", machine.architecture))),
        cores,
        machine.kernel.as_ref().map(|kernel| format!("Linux {kernel}")),
        machine.virtualised.as_ref().map(|hypervisor| format!("virtual machine ({hypervisor})")),
        machine.container.as_ref().map(|container| format!("container ({container})")),
        machine.governor.as_ref().map(|governor| format!("governor {governor}")),
        machine.clock_source.as_ref().map(|source| format!("clock source {source}")),
    ];
    facts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The notes that you need to read the figures.
pub(super) fn below(report: &Report) -> Vec<String> {
    let mut lines = floors(report);
    if lines.is_empty() {
        lines.push(
            "floor: none here; it needs each process on a core of its own (--placement cross-core)".into(),
        );
    }
    let has_basis = |basis| {
        report.rows.iter().any(|row| row.latency_ns.as_ref().is_some_and(|latency| latency.basis == basis))
    };
    let basis = [
        (LatencyBasis::HalfRoundTrip, "ping-pong latency is half of a measured round trip"),
        (
            LatencyBasis::OneWayStamped,
            "stream latency is stamped one way, from just before send to just after recv, waiting in the channel included",
        ),
        (
            LatencyBasis::FromDueTime,
            "paced latency counts from the moment a message was due to just after recv, so a stall is not hidden",
        ),
    ];
    lines.extend(basis.into_iter().filter(|(basis, _)| has_basis(*basis)).map(|(_, text)| text.to_owned()));
    let lacks = |latency: &Latency| latency.p999.is_none();
    if report.rows.iter().any(|row| row.latency_ns.as_ref().is_some_and(lacks)) {
        lines.push("– too few samples for that percentile: at least 10 must lie beyond it".into());
    }
    if report.rows.iter().any(|row| row.entrant == Entrant::Null) {
        lines.push("null: no channel at all, what making and checking a message costs by itself".into());
    }
    lines.push(format!(
        "clock: one read costs {}, its smallest step is {}; part of every sample, never subtracted",
        units::duration(report.clock_cost_ns),
        units::duration(report.clock_step_ns)
    ));
    lines.push("CPU and context switches for each message: sender + receiver, while the clock ran".into());
    lines.push(format!(
        "vs best: times slower than the best of the group, with the spread between launches; {SPREAD}"
    ));
    lines.extend(channels(report));
    lines.extend(states(report));
    lines
}

/// What befell the race as a whole: rounds that ran again, time that was taken, a page that was open.
pub(super) fn befell(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if report.rounds_dropped > 0 {
        let rounds = units::plural(report.rounds_dropped.into(), "round");
        lines.push(format!(
            "dropped: {rounds}, run again because the floor changed meanwhile, or they were disturbed"
        ));
    }
    if let Some(steal) = report.steal_percent.filter(|&steal| steal > 0.0) {
        lines.push(format!(
            "steal: the hypervisor took {}% of this machine's time meanwhile",
            units::each(steal)
        ));
    }
    if report.page_open {
        lines.push("a lab page was open while this ran".into());
    }
    lines
}

/// The capacities of the channels, if one was asked for.
fn channels(report: &Report) -> Option<String> {
    report.plan.capacity_bytes?;
    let mut kinds: Vec<(&str, Vec<Channel<'_>>)> = Vec::new();
    for channel in report.channels() {
        match kinds.iter_mut().find(|(kind, _)| *kind == channel.kind) {
            Some((_, of_kind)) => of_kind.push(channel),
            None => kinds.push((channel.kind, vec![channel])),
        }
    }
    let had = kinds.into_iter().map(|(kind, of_kind)| {
        let alike = of_kind.iter().all(|one| one.had_bytes == of_kind[0].had_bytes);
        let each = of_kind.iter().take(if alike { 1 } else { of_kind.len() }).map(|one| {
            let room = units::range(one.had_bytes);
            if alike { room } else { format!("{room} at {}", units::bytes(one.size_bytes)) }
        });
        format!("{kind} {}", each.collect::<Vec<_>>().join(", "))
    });
    let had = had.collect::<Vec<_>>().join("; ");
    Some(match had.as_str() {
        "" => "channels had: not reported, so the request may have had no effect".into(),
        _ => format!(
            "channels had: {had}. A ring holds two of the longest messages at least; of a socket the kernel counts twice what \
             was asked for, and no buffer grows beyond the system's limits"
        ),
    })
}

/// Every note once, with the rows that it is about.
pub(super) fn doubts<'a>(
    rows: impl Iterator<Item = &'a ReportRow>,
    name: impl Fn(&ReportRow) -> String,
) -> Vec<String> {
    let mut notes: Vec<(&str, Vec<String>)> = Vec::new();
    // A row may hold any number of notes.
    let mut places: HashMap<&str, usize> = HashMap::new();
    for row in rows {
        for note in row.notes.iter().take(NOTES) {
            let place = *places.entry(note).or_insert(notes.len());
            if place == notes.len() {
                notes.push((note, Vec::new()));
            }
            notes[place].1.push(name(row));
        }
    }
    notes.into_iter().map(|(text, rows)| format!("{}: {text}", rows.join(", "))).collect()
}

/// Which rows ran in which state of the machine, where that differs.
fn states(report: &Report) -> Option<String> {
    let mut states: Vec<(State, Vec<String>)> = Vec::new();
    for row in &report.rows {
        let Some(state) = row.state else { continue };
        match states.iter_mut().find(|(known, _)| *known == state) {
            Some((_, rows)) => rows.push(row.label()),
            None => states.push((state, vec![row.label()])),
        }
    }
    match states[..] {
        [] => None,
        [(state, _)] => Some(format!("state: {} throughout, by the floor", state.name())),
        _ => {
            let lists = states.iter().map(|(state, rows)| format!("{} {}", state.name(), rows.join(", ")));
            let lists = lists.collect::<Vec<_>>().join("; ");
            Some(format!("state: the cores moved, compare rows of one state only: {lists}"))
        }
    }
}

/// One line for each make of floor: the median over the rows, and its range.
fn floors(report: &Report) -> Vec<String> {
    let mut makes: Vec<(u32, &str, Vec<f64>)> = Vec::new();
    for row in &report.rows {
        let (Some(floor), Some(ns)) = (&row.floor, row.floor_ns) else { continue };
        match makes.iter_mut().find(|make| make.0 == floor.lines && make.1 == floor.polls) {
            Some(make) => make.2.push(ns),
            None => makes.push((floor.lines, &floor.polls, vec![ns])),
        }
    }
    makes.into_iter().map(|(lines, polls, ns)| floor(lines, polls, ns)).collect()
}

fn floor(lines: u32, polls: &str, mut ns: Vec<f64>) -> String {
    ns.sort_by(f64::total_cmp);
    let shown = |ns: f64| units::duration(ns.round());
    let (least, median, most) = (shown(ns[0]), shown(ns[ns.len() / 2]), shown(ns[ns.len() - 1]));
    let range = if least == most { String::new() } else { format!(" ({least} to {most})") };
    let lines = match lines {
        1 => "one cache line".into(),
        2 => "two cache lines, one each way".into(),
        more => format!("{more} cache lines"),
    };
    let polls = if polls == "tsc" { "tsc-paced" } else { polls };
    format!("floor {median}{range}: {lines}, {polls} polls, half a round trip")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::tests::sample;

    #[test]
    fn the_floor_names_its_lines_and_its_polls() {
        assert_eq!(
            floor(2, "tsc", vec![42.4, 41.0, 44.0]),
            "floor 42 ns (41 ns to 44 ns): two cache lines, one each way, tsc-paced polls, half a round trip"
        );
    }

    #[test]
    fn what_a_reader_must_know_is_said() {
        let mut report = sample();
        report.plan.quick = true;
        report.plan.capacity_bytes = Some(2 << 20);
        report.rounds_dropped = 2;
        report.interrupted = true;
        let all = [above(&report), below(&report), befell(&report)].concat().join("\n");
        for words in [
            "quick: ",
            "channels asked to hold 2 MiB",
            "channels had: shm 256 KiB; pipe 64 KiB",
            "dropped: 2 rounds",
            "interrupted: ",
            "seed ",
            "half of a measured round trip",
            "floor ",
        ] {
            assert!(all.contains(words), "{words}: {all}");
        }
    }

    #[test]
    fn what_channels_had_is_said_where_room_was_asked_for() {
        let mut report = sample();
        assert_eq!(channels(&report), None);
        report.plan.capacity_bytes = Some(4096);
        report.rows[0].size_bytes = 1 << 20;
        report.rows[0].channel_bytes = Some([4 << 20, 8 << 20]);
        let told = channels(&report).unwrap();
        assert!(told.contains("shm 4 MiB to 8 MiB at 1 MiB, 256 KiB at 64 B; pipe 64 KiB; "), "{told}");
        report.rows.iter_mut().for_each(|row| row.channel_bytes = None);
        assert!(channels(&report).unwrap().starts_with("channels had: not reported"));
    }
}
