//! A map as a table, one line an edge, and what could not be read; and as JSON. Every name in it is a stranger's.

use atlas::{Edge, EdgeEnd, ProgramMap, Scope, Unread};
use lab::units;

use super::grid::{Column, GridLayout, wrap};
use super::{Ink, foreign};

const COLUMNS: [Column; 5] = [
    Column { title: "processes", gives_way: 0 },
    Column { title: "edge", gives_way: 0 },
    Column { title: "name", gives_way: 3 },
    Column { title: "waits to be read", gives_way: 2 },
    Column { title: "besides", gives_way: 1 },
];

/// How many ends of one side are named.
const NAMED: usize = 2;

/// The table for a terminal of `width` characters. Of a map of all processes, what a process has with itself is only counted.
pub(crate) fn text(map: &ProgramMap, scope: &Scope, width: usize, ink: Ink) -> String {
    let all = *scope == Scope::All;
    let shown: Vec<&Edge> = map.edges.iter().filter(|edge| !all || !is_own(edge)).collect();
    let rows: Vec<Vec<String>> = shown.iter().map(|edge| cells(map, edge, width)).collect();
    let layout = GridLayout::fit(&COLUMNS, rows.iter().map(Vec::as_slice), width);
    let mut out = format!("{}\n", ink.dim(&layout.line(|column| COLUMNS[column].title)));
    for row in &rows {
        out += &format!("{}\n", layout.line(|column| &row[column]));
    }
    if !all {
        out += &listening(map, scope, width);
    }
    if !layout.left_out.is_empty() {
        let columns = layout.left_out.join(", ");
        out += &format!("{}\n", wrap(&format!("not shown for want of width: {columns}"), width, 2));
    }
    out.push('\n');
    for (what, unread) in unread(map) {
        let of = match unread.processes.len() as u64 {
            0 => String::new(),
            count => format!(", {}", units::plural(count, "process")),
        };
        let sentence = format!("not read: {} ({}{of}): {}", units::list(&what), unread.whose, unread.why);
        out += &format!("{}\n", ink.fair(&wrap(&sentence, width, 2)));
        out += &format!("  {}\n", wrap(&format!("→ {}", unread.remedy), width.saturating_sub(2), 4));
    }
    out + &summary(map, shown.len(), width)
}

/// What was not read: one sentence for all that is lacking of the same processes for the same reason.
fn unread(map: &ProgramMap) -> Vec<(Vec<String>, &Unread)> {
    let mut all: Vec<(Vec<String>, &Unread)> = Vec::new();
    for one in &map.unread {
        let alike = |other: &Unread| {
            (&one.whose, &one.why, &one.remedy, &one.processes)
                == (&other.whose, &other.why, &other.remedy, &other.processes)
        };
        match all.iter_mut().find(|(_, other)| alike(other)) {
            Some((what, _)) => what.push(one.what.clone()),
            None => all.push((vec![one.what.clone()], one)),
        }
    }
    all
}

/// The map as JSON (docs/map.schema.json).
pub(crate) fn json(map: &ProgramMap) -> String {
    // A map holds no keys that are not text, the one thing that JSON cannot hold.
    let text = serde_json::to_string_pretty(map).unwrap_or_else(|error| unreachable!("{error}"));
    foreign::json(text + "\n")
}

/// Whether only one process has the edge, and nothing is beyond it.
fn is_own(edge: &Edge) -> bool {
    let mut processes = edge.ends.iter().map(|end| end.process);
    let first = processes.next();
    edge.beyond.is_none() && first.is_some() && processes.all(|process| Some(process) == first)
}

fn cells(map: &ProgramMap, edge: &Edge, width: usize) -> Vec<String> {
    let name = edge.name.clone().unwrap_or_default();
    vec![
        shortened(&processes(map, edge), (2 * width / 5).max(34)),
        edge.kind.name().into(),
        shortened(&name, (width / 5).max(18)),
        waits(edge),
        besides(edge),
    ]
}

/// Cut in its middle, because both ends of a path and of a line tell something.
fn shortened(text: &str, most: usize) -> String {
    let text = foreign::clean(text);
    let count = text.chars().count();
    if count <= most {
        return text.into_owned();
    }
    let head = most.saturating_sub(1) / 2;
    let tail = most.saturating_sub(1) - head;
    let letters = || text.chars();
    letters().take(head).chain(['…']).chain(letters().skip(count - tail)).collect()
}

/// `one[1] → other[2]`.
fn processes(map: &ProgramMap, edge: &Edge) -> String {
    let two_sided = edge.ends.iter().any(|end| end.side == 1) || edge.beyond.is_some();
    let of = |wanted: &dyn Fn(&EdgeEnd) -> bool| names(map, edge.ends.iter().filter(|end| wanted(end)));
    // Of a side that was not seen the other one tells.
    let goes = |from: u8, to: u8| {
        let mut at = [from, to].map(|side| edge.ends.iter().filter(move |end| end.side == side).peekable());
        match at[0].peek() {
            Some(_) => at[0].any(|end| end.writes),
            None => at[1].any(|end| end.reads),
        }
    };
    let arrow = match (goes(0, 1), goes(1, 0)) {
        (true, false) => "→",
        (false, true) => "←",
        _ => "⇄",
    };
    if two_sided {
        let (here, there) = (|end: &EdgeEnd| end.side == 0, |end: &EdgeEnd| end.side == 1);
        let beyond = || {
            let beyond = edge.beyond.as_ref()?;
            let words = beyond.kind.words();
            Some(beyond.address.as_ref().map_or(format!("({words})"), |at| format!("({words}: {at})")))
        };
        let side = |names: String| if names.is_empty() { beyond().unwrap_or_default() } else { names };
        return format!("{} {} {}", side(of(&here)), arrow, side(of(&there)));
    }
    let (writers, readers) = (|end: &EdgeEnd| end.writes, |end: &EdgeEnd| !end.writes);
    match (of(&writers), of(&readers)) {
        (writers, readers) if readers.is_empty() => writers.replace(", ", " ⇄ "),
        (writers, readers) if writers.is_empty() => readers.replace(", ", " ⇄ "),
        (writers, readers) => format!("{writers} → {readers}"),
    }
}

fn names<'a>(map: &ProgramMap, ends: impl Iterator<Item = &'a EdgeEnd>) -> String {
    let name = |end: &EdgeEnd| {
        let name = map.process(end.process).map_or("?", |process| process.name.as_str());
        format!("{}[{}]", foreign::cell(name), end.process.pid)
    };
    let names: Vec<String> = ends.map(name).collect();
    match names.len().checked_sub(NAMED) {
        Some(more) if more > 1 => format!("{} and {more} more", names[..NAMED].join(", ")),
        _ => names.join(", "),
    }
}

/// What waits to be read at the second side, and at the first.
fn waits(edge: &Edge) -> String {
    let told = |end: &EdgeEnd| match (end.queued_bytes, end.queued_messages) {
        (Some(bytes), Some(messages)) => Some(format!("{} in {messages}", units::bytes(bytes))),
        (Some(bytes), None) => Some(units::bytes(bytes)),
        (None, Some(count)) => Some(format!("count {count}")),
        (None, None) => None,
    };
    let at = |side: u8| edge.ends.iter().filter(|end| end.side == side && end.reads).find_map(told);
    match (at(1), at(0)) {
        (Some(there), Some(here)) => format!("→ {there} ← {here}"),
        (Some(there), None) => format!("→ {there}"),
        (None, Some(here)) => here,
        (None, None) => String::new(),
    }
}

/// What else is known of the edge.
fn besides(edge: &Edge) -> String {
    let mut words = Vec::new();
    words.extend(edge.capacity_bytes.map(|bytes| format!("holds {}", units::bytes(bytes))));
    if let Some(tcp) = &edge.tcp {
        words.extend((tcp.state != "ESTABLISHED").then(|| tcp.state.clone()));
        words.extend(tcp.rtt_ns.map(|ns| format!("round trip {}", units::duration(ns as f64))));
        let again = tcp.retransmits.filter(|&count| count > 0);
        words.extend(again.map(|count| format!("{} sent again", units::count(count))));
    }
    words.extend(edge.ends.iter().any(|end| end.by_last_call).then(|| "by last calls".into()));
    words.join(", ")
}

/// Where the processes that were asked for can be reached.
fn listening(map: &ProgramMap, scope: &Scope, width: usize) -> String {
    let Scope::Processes(pids) = scope else { return String::new() };
    let mut out = String::new();
    for process in map.processes.iter().filter(|process| pids.contains(&process.id.pid)) {
        for socket in &process.listens {
            let line = format!(
                "{}[{}] listens: {} {}",
                process.name,
                process.id.pid,
                socket.kind.name(),
                socket.address
            );
            out += &format!("  {}\n", shortened(&line, width.saturating_sub(2)));
        }
    }
    out
}

fn summary(map: &ProgramMap, shown: usize, width: usize) -> String {
    let mut words = format!(
        "{}, {}; taken in {}",
        units::plural(map.processes.len() as u64, "process"),
        units::plural(shown as u64, "edge"),
        units::duration(map.took_ns as f64)
    );
    let own = (map.edges.len() - shown) as u64;
    if own > 0 {
        words += &format!(
            ". Not shown: {} of one process with itself (name the process)",
            units::plural(own, "edge")
        );
    }
    format!("{}\n", wrap(&words, width, 2))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::args::Color;
    use crate::render::foreign::tests::HOSTILE;

    /// The map of this test's own process, which has one pipe with itself at least, with hostile words wherever there may be any.
    fn hostile() -> (ProgramMap, Scope) {
        let scope = Scope::Processes(BTreeSet::from([std::process::id() as i32]));
        let pipe = std::io::pipe().expect("a pipe");
        let mut map = ProgramMap::take(&scope);
        drop(pipe);
        for process in &mut map.processes {
            process.name = HOSTILE.into();
            process.command = vec![HOSTILE.into()];
            process.service = Some(HOSTILE.into());
        }
        for edge in &mut map.edges {
            edge.name = Some(HOSTILE.repeat(20));
        }
        let unread = |word: &str| format!("{word} {HOSTILE}");
        map.unread.push(Unread {
            what: unread("what"),
            whose: unread("whose"),
            why: unread("why"),
            remedy: unread("remedy"),
            processes: Vec::new(),
        });
        (map, scope)
    }

    #[test]
    fn no_name_of_a_stranger_is_obeyed_and_each_edge_has_its_line() {
        let (map, scope) = hostile();
        assert!(!map.edges.is_empty());
        let table = text(&map, &scope, 100, Ink::choose(Color::Never));
        let offending = |text: &str| text.chars().any(|letter| letter != '\n' && foreign::is_unsafe(letter));
        assert!(offending(&map.processes[0].name), "the control");
        assert!(!offending(&table) && !offending(&json(&map)), "{table:?}");
        let kinds = map.edges.iter().map(|edge| edge.kind.name());
        for kind in kinds.collect::<BTreeSet<_>>() {
            let lines = table.lines().filter(|line| line.split("  ").any(|cell| cell.trim() == kind)).count();
            let edges = map.edges.iter().filter(|edge| edge.kind.name() == kind).count();
            assert_eq!(lines, edges, "{kind}: {table}");
        }
        assert!(table.contains("→ remedy"), "{table}");
        assert_eq!(serde_json::from_str::<ProgramMap>(&json(&map)).expect("JSON"), map, "JSON is exact");
    }

    #[test]
    fn what_is_too_long_is_cut_in_its_middle() {
        assert_eq!(shortened("0123456789", 10), "0123456789");
        assert_eq!(shortened("0123456789", 7), "012…789");
        assert_eq!(shortened("\u{1b}", 7).chars().count(), 6);
    }
}
