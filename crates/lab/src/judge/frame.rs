//! The sentences above and below the tables: where and how the race ran, and what its figures do and do not say.

use std::collections::HashMap;

use super::groups::SPREAD;
use super::rehearsed;
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
    lines.extend(report.rehearsal.as_ref().map(|rehearsal| rehearsed::above(&rehearsal.watched)));
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

/// Why no figure of a report is one to quote, in two words each: they stand beside its figures wherever those are shown.
pub(crate) fn marks(report: &Report) -> Vec<&'static str> {
    let marks = [(report.plan.quick, "quick race"), (report.interrupted, "stopped early")];
    marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect()
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
        let raced = report.rows.iter().filter(|row| !row.workload.is_rehearsed());
        raced.filter_map(|row| row.latency_ns.as_ref()).any(|latency| latency.basis == basis)
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
    if report.rows.iter().any(|row| row.workload.is_rehearsed()) {
        lines.extend(rehearsed::below(report));
    }
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

/// Every note once, with the rows that it is about. Notes that differ in their numbers alone are one: `10 and 12 rounds`.
pub(super) fn doubts<'a>(
    rows: impl Iterator<Item = &'a ReportRow>,
    name: impl Fn(&ReportRow) -> String,
) -> Vec<String> {
    let mut notes: Vec<(Vec<Piece<'a>>, Vec<String>)> = Vec::new();
    // A row may hold any number of notes.
    let mut places: HashMap<Vec<&'a str>, usize> = HashMap::new();
    for row in rows {
        for note in row.notes.iter().take(NOTES) {
            let words = pieces(note);
            let key = words.iter().map(|piece| if is_number(piece) { "0" } else { piece }).collect();
            let place = *places.entry(key).or_insert(notes.len());
            if place == notes.len() {
                notes.push((words.iter().map(|_| Piece::default()).collect(), Vec::new()));
            }
            let (found, rows) = &mut notes[place];
            found.iter_mut().zip(words).for_each(|(found, piece)| found.push(piece));
            rows.push(name(row));
        }
    }
    let told = |(found, rows): (Vec<Piece<'a>>, Vec<String>)| {
        let text: String = found.iter().map(|piece| in_words(piece)).collect();
        format!("{}: {text}", rows.join(", "))
    };
    notes.into_iter().map(told).collect()
}

/// A piece of a note, as each of its rows has it.
type Piece<'a> = Vec<&'a str>;

/// Words and numbers in turns.
fn pieces(note: &str) -> Vec<&str> {
    let is_digit = |at: usize| note.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let is_point = |at: usize| note.as_bytes()[at] == b'.' && at > 0 && is_digit(at - 1) && is_digit(at + 1);
    let is_of_number = |at: usize| is_digit(at) || is_point(at);
    let ends = (1..note.len()).filter(|&at| is_of_number(at) != is_of_number(at - 1));
    let mut begin = 0;
    let mut found = Vec::new();
    for end in ends.chain([note.len()]) {
        found.push(&note[begin..end]);
        begin = end;
    }
    found
}

fn is_number(piece: &str) -> bool {
    piece.starts_with(|letter: char| letter.is_ascii_digit())
}

/// The one text that all rows have, or the number of each row in their order.
fn in_words(piece: &[&str]) -> String {
    let is_same = piece.iter().all(|one| *one == piece[0]);
    let each: Vec<String> =
        piece.iter().take(if is_same { 1 } else { piece.len() }).map(|&one| one.into()).collect();
    units::list(&each)
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
            // Of the state that most rows ran in, none need be named.
            states.sort_by_key(|(_, rows)| rows.len());
            let most = states.len() - 1;
            let lists = states.iter().enumerate().map(|(place, (state, rows))| {
                let rows = if place == most { "all others".into() } else { rows.join(", ") };
                format!("{} {rows}", state.name())
            });
            let lists = lists.collect::<Vec<_>>().join("; ");
            Some(format!("state: the cores moved, compare rows of one state only: {lists}"))
        }
    }
}

/// A line for the floors of each number of cache lines: of each way of polling the median over the rows, and its range.
fn floors(report: &Report) -> Vec<String> {
    let mut makes: Vec<(u32, Vec<FloorsOf<'_>>)> = Vec::new();
    for row in &report.rows {
        let (Some(floor), Some(ns)) = (&row.floor, row.floor_ns) else { continue };
        let place = makes.iter().position(|(lines, _)| *lines == floor.lines).unwrap_or(makes.len());
        if place == makes.len() {
            makes.push((floor.lines, Vec::new()));
        }
        let polls = &mut makes[place].1;
        match polls.iter_mut().find(|(polls, _)| *polls == floor.polls) {
            Some((_, found)) => found.push(ns),
            None => polls.push((&floor.polls, vec![ns])),
        }
    }
    makes.into_iter().map(|(lines, polls)| floor(lines, polls)).collect()
}

/// A way to poll, and its floors in nanoseconds.
type FloorsOf<'a> = (&'a str, Vec<f64>);

fn floor(lines: u32, polls: Vec<FloorsOf<'_>>) -> String {
    let lines = match lines {
        1 => "one cache line".into(),
        2 => "two cache lines, one each way".into(),
        more => format!("{more} cache lines"),
    };
    let shown = |ns: f64| units::duration(ns.round());
    let each = polls.into_iter().map(|(polls, mut ns)| {
        ns.sort_by(f64::total_cmp);
        let (least, median, most) = (shown(ns[0]), shown(ns[ns.len() / 2]), shown(ns[ns.len() - 1]));
        let range = if least == most { String::new() } else { format!(" ({least} to {most})") };
        let polls = if polls == "tsc" { "tsc-paced" } else { polls };
        format!("{median}{range} by {polls} polls")
    });
    format!("floor {}: {lines}, half a round trip", units::list(&each.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::tests::sample;

    #[test]
    fn the_floor_names_its_lines_and_its_polls() {
        let polls = vec![("tsc", vec![42.4, 41.0, 44.0]), ("pause", vec![45.0])];
        assert_eq!(
            floor(2, polls),
            "floor 42 ns (41 ns to 44 ns) by tsc-paced polls and 45 ns by pause polls: two cache lines, one each way, \
             half a round trip"
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
