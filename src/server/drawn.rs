//! What a page draws of a map, and what has changed between two: texts that are safe to show, of a length that a page can take.

use std::collections::BTreeMap;

use atlas::{Edge, EdgeEnd, EdgeKind, ProcessId, ProgramMap, RunningProcess, TaskState};
use crossing::Kind;
use lab::units;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::refusal::json_text;
use crate::render::{self, foreign};

/// The longest list of processes and edges together. A WebSocket's frame can hold twice as much.
const MOST_BYTES: usize = 2 << 20;

/// The most ends of one edge: a pipe that hundreds have inherited is drawn with the first of them.
const ENDS: usize = 64;

/// The most letters of a command line.
const COMMAND: usize = 300;

/// What an edge may be.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DrawnKind {
    kind: &'static str,
    title: &'static str,
    means: &'static str,
    /// The place in the list of scenes of the mechanism that works in the same way: its colour.
    scene: Option<usize>,
}

/// A process, as a page shows it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DrawnProcess {
    id: String,
    pid: i32,
    name: String,
    command: String,
    parent: i32,
    uid: u32,
    service: Option<String>,
    session: i32,
    /// The network that it sees, by the number of its namespace.
    network: Option<u64>,
    threads: u32,
    state: TaskState,
    listens: Vec<String>,
}

/// An edge, as a page shows it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DrawnEdge {
    id: String,
    kind: &'static str,
    name: Option<String>,
    ends: Vec<DrawnEnd>,
    /// How many ends more there are.
    more_ends: usize,
    capacity_bytes: Option<u64>,
    /// What is at the other side, when no process is.
    beyond: Option<DrawnBeyond>,
    /// What this kind alone has.
    facts: Vec<DrawnFact>,
    unread: Vec<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DrawnEnd {
    process: String,
    side: u8,
    address: Option<String>,
    descriptors: Vec<i32>,
    reads: bool,
    writes: bool,
    queued_bytes: Option<u64>,
    queued_messages: Option<u64>,
    unacknowledged_bytes: Option<u64>,
    by_last_call: bool,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DrawnBeyond {
    words: &'static str,
    address: Option<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DrawnFact {
    label: &'static str,
    text: String,
}

/// What the map lacks, and why.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DrawnUnread {
    what: String,
    whose: String,
    why: String,
    remedy: String,
    processes: usize,
}

/// The frame that holds a whole map.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct MapSnapshot<'a> {
    is: &'static str,
    seq: u64,
    #[serde(flatten)]
    taking: Taking,
    kinds: Vec<DrawnKind>,
    #[cfg_attr(test, schemars(with = "Vec<DrawnProcess>"))]
    processes: Vec<&'a RawValue>,
    #[cfg_attr(test, schemars(with = "Vec<DrawnEdge>"))]
    edges: Vec<&'a RawValue>,
    #[cfg_attr(test, schemars(with = "Vec<DrawnUnread>"))]
    unread: &'a RawValue,
}

/// The frame that holds what is new, what is different and what is gone.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct MapChange<'a> {
    is: &'static str,
    seq: u64,
    #[serde(flatten)]
    taking: Taking,
    #[cfg_attr(test, schemars(with = "Vec<DrawnProcess>"))]
    processes: Vec<&'a RawValue>,
    gone_processes: Vec<&'a str>,
    #[cfg_attr(test, schemars(with = "Vec<DrawnEdge>"))]
    edges: Vec<&'a RawValue>,
    gone_edges: Vec<&'a str>,
    /// `None` where it is the same.
    #[cfg_attr(test, schemars(with = "Option<Vec<DrawnUnread>>"))]
    unread: Option<&'a RawValue>,
}

/// How a map was taken.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Taking {
    taken_unix_ms: u64,
    took_ns: u64,
    /// When the next one is due, from the begin of this one.
    every_ms: u64,
    /// Edges and processes for which there was no room.
    left_out: usize,
}

/// A map as a page draws it: each process and each edge by its name, as JSON.
#[derive(Debug)]
pub(super) struct DrawnMap {
    taking: Taking,
    processes: BTreeMap<String, Box<RawValue>>,
    edges: BTreeMap<String, Box<RawValue>>,
    unread: Box<RawValue>,
}

impl DrawnMap {
    /// What is drawn of a map that is taken each `every_ms`.
    pub(super) fn of(map: &ProgramMap, every_ms: u64) -> DrawnMap {
        DrawnMap::within(map, every_ms, MOST_BYTES)
    }

    /// Threads of the kernel hold nothing, and are left out without a word.
    fn within(map: &ProgramMap, every_ms: u64, most_bytes: usize) -> DrawnMap {
        let (mut bytes, mut left_out) = (0, 0);
        let mut room_for = |text: &RawValue| {
            bytes += text.get().len();
            left_out += usize::from(bytes > most_bytes);
            bytes <= most_bytes
        };
        let users = map.processes.iter().filter(|process| !process.kernel_thread);
        let processes: BTreeMap<_, _> = users
            .map(|process| (name_of(process.id), raw(&DrawnProcess::of(process))))
            .filter(|(_, text)| room_for(text))
            .collect();
        // Of a map that is too long, what joins two programs is the last to go.
        let (joining, own): (Vec<&Edge>, Vec<&Edge>) = map.edges.iter().partition(|edge| joins(edge));
        let edges = joining.into_iter().chain(own);
        let edges = edges.map(|edge| (edge.id.0.clone(), raw(&DrawnEdge::of(edge))));
        let edges = edges.filter(|(_, text)| room_for(text)).collect();
        let unread = map.unread.iter().map(|unread| DrawnUnread {
            what: unread.what.clone(),
            whose: unread.whose.clone(),
            why: unread.why.clone(),
            remedy: unread.remedy.clone(),
            processes: unread.processes.len(),
        });
        let unread = raw(&unread.collect::<Vec<_>>());
        let taking = Taking { taken_unix_ms: map.taken_unix_ms, took_ns: map.took_ns, every_ms, left_out };
        DrawnMap { taking, processes, edges, unread }
    }

    /// All of it.
    pub(super) fn snapshot(&self, seq: u64) -> String {
        json_text(&MapSnapshot {
            is: "snapshot",
            seq,
            taking: self.taking,
            kinds: kinds(),
            processes: self.processes.values().map(Box::as_ref).collect(),
            edges: self.edges.values().map(Box::as_ref).collect(),
            unread: &self.unread,
        })
    }

    /// What is different from the one `before`.
    pub(super) fn change(&self, before: &DrawnMap, seq: u64) -> String {
        json_text(&MapChange {
            is: "change",
            seq,
            taking: self.taking,
            processes: anew(&before.processes, &self.processes),
            gone_processes: gone(&before.processes, &self.processes),
            edges: anew(&before.edges, &self.edges),
            gone_edges: gone(&before.edges, &self.edges),
            unread: (self.unread.get() != before.unread.get()).then_some(&self.unread),
        })
    }
}

type Named = BTreeMap<String, Box<RawValue>>;

fn anew<'a>(before: &Named, now: &'a Named) -> Vec<&'a RawValue> {
    let known = |name: &String, text: &RawValue| before.get(name).is_some_and(|one| one.get() == text.get());
    now.iter().filter(|(name, text)| !known(name, text)).map(|(_, text)| text.as_ref()).collect()
}

fn gone<'a>(before: &'a Named, now: &Named) -> Vec<&'a str> {
    before.keys().filter(|name| !now.contains_key(*name)).map(String::as_str).collect()
}

fn raw(value: &impl Serialize) -> Box<RawValue> {
    // Nothing of it has keys that are not text, the one thing that JSON cannot hold.
    to_raw_value(value).unwrap_or_else(|error| unreachable!("{error}"))
}

fn kinds() -> Vec<DrawnKind> {
    let scenes = render::scenes();
    let of = |kind: EdgeKind| {
        let mechanism = kind.mechanism().map(Kind::name);
        let scene = scenes.iter().position(|scene| Some(scene.kind.as_str()) == mechanism);
        DrawnKind { kind: kind.name(), title: kind.title(), means: kind.means(), scene }
    };
    EdgeKind::ALL.map(of).into()
}

/// The name of a process: its number alone may be used again.
fn name_of(id: ProcessId) -> String {
    format!("{}-{}", id.pid, id.started)
}

/// Whether two processes have a part in it.
fn joins(edge: &Edge) -> bool {
    edge.ends.iter().any(|end| end.process != edge.ends[0].process)
}

fn safe(text: &str) -> String {
    foreign::cell(text).into_owned()
}

impl DrawnProcess {
    fn of(process: &RunningProcess) -> DrawnProcess {
        let command = process.command.join(" ");
        let mut letters = foreign::clean(&command).chars().collect::<Vec<_>>();
        if letters.len() > COMMAND {
            letters.truncate(COMMAND - 1);
            letters.push('…');
        }
        DrawnProcess {
            id: name_of(process.id),
            pid: process.id.pid,
            name: safe(&process.name),
            command: letters.into_iter().collect(),
            parent: process.parent,
            uid: process.uid,
            service: process.service.as_deref().map(safe),
            session: process.session,
            network: process.namespaces.map(|all| all.net),
            threads: process.threads,
            state: process.state,
            listens: process
                .listens
                .iter()
                .take(ENDS)
                .map(|socket| format!("{}: {}", socket.kind.title(), safe(&socket.address)))
                .collect(),
        }
    }
}

impl DrawnEdge {
    fn of(edge: &Edge) -> DrawnEdge {
        let end = |end: &EdgeEnd| DrawnEnd {
            process: name_of(end.process),
            side: end.side,
            address: end.address.as_deref().map(safe),
            descriptors: end.descriptors.iter().copied().take(ENDS).collect(),
            reads: end.reads,
            writes: end.writes,
            queued_bytes: end.queued_bytes,
            queued_messages: end.queued_messages,
            unacknowledged_bytes: end.unacknowledged_bytes,
            by_last_call: end.by_last_call,
        };
        DrawnEdge {
            id: edge.id.0.clone(),
            kind: edge.kind.name(),
            name: edge.name.as_deref().map(safe),
            ends: edge.ends.iter().take(ENDS).map(end).collect(),
            more_ends: edge.ends.len().saturating_sub(ENDS),
            capacity_bytes: edge.capacity_bytes,
            beyond: edge.beyond.as_ref().map(|beyond| DrawnBeyond {
                words: beyond.kind.words(),
                address: beyond.address.as_deref().map(safe),
            }),
            facts: facts(edge),
            unread: edge.unread.iter().map(|text| safe(text)).collect(),
        }
    }
}

/// What only a connection over the network's stack has.
fn facts(edge: &Edge) -> Vec<DrawnFact> {
    let Some(found) = &edge.tcp else { return Vec::new() };
    let fact = |label, text: Option<String>| Some(DrawnFact { label, text: text? });
    [
        fact("State", Some(found.state.clone())),
        fact("Round trip, smoothed", found.rtt_ns.map(|ns| units::duration(ns as f64))),
        fact("Segments sent again", found.retransmits.map(units::count)),
        fact("Sent by the first side", found.sent_bytes[0].map(units::bytes)),
        fact("Sent by the second side", found.sent_bytes[1].map(units::bytes)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use atlas::{EdgeId, Scope};
    use serde_json::{Value, json};

    use super::*;

    fn read(frame: &str) -> Value {
        serde_json::from_str(frame).unwrap()
    }

    /// This machine's own.
    fn taken() -> ProgramMap {
        ProgramMap::take(&Scope::All)
    }

    #[test]
    fn a_change_holds_what_is_new_different_or_gone_and_nothing_else() {
        let mut map = taken();
        map.edges.truncate(0);
        let (first, second) = (map.processes[0].id, map.processes[map.processes.len() - 1].id);
        let end = |process, side, queued| EdgeEnd {
            process,
            side,
            address: None,
            descriptors: vec![3],
            reads: side == 1,
            writes: side == 0,
            queued_bytes: queued,
            queued_messages: None,
            unacknowledged_bytes: None,
            by_last_call: false,
        };
        let edge = |id: &str, queued| Edge {
            id: EdgeId(id.into()),
            kind: EdgeKind::ALL[0],
            name: None,
            ends: vec![end(first, 0, None), end(second, 1, Some(queued))],
            capacity_bytes: Some(65_536),
            tcp: None,
            beyond: None,
            unread: Vec::new(),
        };
        map.edges = vec![edge("same", 0), edge("fuller", 0), edge("gone", 0)];
        let before = DrawnMap::of(&map, 1_000);
        assert_eq!(read(&before.snapshot(1))["edges"].as_array().unwrap().len(), 3);
        map.edges = vec![edge("same", 0), edge("fuller", 4_096), edge("new", 0)];
        let now = DrawnMap::of(&map, 1_000);
        let change = read(&now.change(&before, 2));
        let ids: Vec<&Value> = change["edges"].as_array().unwrap().iter().map(|edge| &edge["id"]).collect();
        assert_eq!(ids, ["fuller", "new"]);
        assert_eq!(change["edges"][0]["ends"][1]["queued_bytes"], 4_096);
        assert_eq!(change["gone_edges"], json!(["gone"]));
        assert_eq!((&change["processes"], &change["gone_processes"]), (&json!([]), &json!([])));
        assert_eq!(change["unread"], Value::Null);
    }

    #[test]
    fn what_has_no_room_is_counted_and_what_joins_two_goes_last() {
        let map = taken();
        let whole = DrawnMap::of(&map, 1_000);
        assert_eq!(whole.taking.left_out, 0);
        let processes: usize = whole.processes.values().map(|text| text.get().len()).sum();
        let cut = DrawnMap::within(&map, 1_000, processes);
        assert_eq!((cut.processes.len(), cut.edges.len()), (whole.processes.len(), 0));
        assert_eq!(cut.taking.left_out, map.edges.len());
        assert!(cut.snapshot(1).len() < whole.snapshot(1).len() || map.edges.is_empty());
    }

    #[test]
    fn names_of_strangers_are_safe_and_short() {
        let mut map = taken();
        map.processes.truncate(1);
        map.processes[0].kernel_thread = false;
        map.processes[0].name = "\u{1b}[31m\u{202e}evil".into();
        map.processes[0].command = vec!["x".repeat(100_000)];
        let frame = read(&DrawnMap::of(&map, 1_000).snapshot(1));
        let process = &frame["processes"][0];
        assert!(!process["name"].as_str().unwrap().contains(['\u{1b}', '\u{202e}']), "{process}");
        assert_eq!(process["command"].as_str().unwrap().chars().count(), COMMAND);
    }

    #[test]
    fn each_kind_is_told_and_those_of_a_mechanism_have_its_colour() {
        let kinds = kinds();
        assert_eq!(kinds.len(), EdgeKind::ALL.len());
        let scenes = render::scenes().len();
        for place in 0..scenes {
            assert!(kinds.iter().any(|kind| kind.scene == Some(place)), "no edge is like scene {place}");
        }
    }
}
