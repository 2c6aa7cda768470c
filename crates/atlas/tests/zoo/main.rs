//! A zoo of edges: each kind is made between this process and one that it forks, and must be in the map with both of its ends and
//! their directions, and nothing else may be. What lsof(8) and ss(8) say of the same processes must agree.

// The processes are made with fork(2), and some of the edges by calls that Rust's library does not have.
#![allow(unsafe_code)]

mod animals;
#[path = "../../../crossing/tests/process/cannot_run.rs"]
mod cannot_run;
mod child;
mod oracle;
mod strangers;

use std::collections::{BTreeMap, BTreeSet};

use atlas::{Edge, EdgeKind, ProgramMap, Scope};

use animals::{Animal, At};
use child::{Child, alone};

/// The map of these processes.
fn map_of(pids: &[i32]) -> ProgramMap {
    ProgramMap::take(&Scope::Processes(pids.iter().copied().collect()))
}

fn own_pid() -> i32 {
    std::process::id() as i32
}

/// What is wrong with the edge that an animal has become; `None` if nothing is.
fn fault(animal: &Animal, edge: Option<&Edge>, child: i32) -> Option<String> {
    let edge = edge.map_or_else(|| Err("it is not in the map".to_owned()), Ok);
    let edge = match edge {
        Ok(edge) => edge,
        Err(why) => return Some(format!("{}: {why}", animal.what)),
    };
    let pid = |at| if at == At::Here { own_pid() } else { child };
    let expected: BTreeSet<_> = animal
        .ends
        .iter()
        .map(|end| (end.side, pid(end.at), end.reads, end.writes, end.descriptors.clone(), end.queued_bytes))
        .collect();
    let found: BTreeSet<_> = edge
        .ends
        .iter()
        .map(|end| {
            (end.side, end.process.pid, end.reads, end.writes, end.descriptors.clone(), end.queued_bytes)
        })
        .collect();
    let same = expected == found && found.len() == edge.ends.len();
    let named = animal.name.as_ref().is_none_or(|name| edge.name.as_ref() == Some(name));
    let right = same && named && edge.kind == animal.kind && edge.beyond.is_none();
    (!right).then(|| format!("{}: expected {expected:#?} {:?}, found {edge:#?}", animal.what, animal.name))
}

/// Each animal's edge in the map, and the edges that are no animal's.
fn faults(map: &ProgramMap, animals: &[Animal], before: &BTreeSet<String>, child: i32) -> Vec<String> {
    let mut left: BTreeMap<&str, &Edge> = map.edges.iter().map(|edge| (&*edge.id.0, edge)).collect();
    left.retain(|id, _| !before.contains(*id));
    let mut faults: Vec<String> =
        animals.iter().filter_map(|animal| fault(animal, left.remove(&*animal.id), child)).collect();
    faults.extend(left.values().map(|edge| format!("invented: {edge:#?}")));
    faults
}

#[test]
fn every_kind_of_edge_is_there_with_both_ends_and_none_is_invented() {
    let _alone = alone();
    // What this process has inherited from whatever runs it.
    let before: BTreeSet<String> = map_of(&[own_pid()]).edges.into_iter().map(|edge| edge.id.0).collect();
    let mut animals = animals::all();
    let kinds: BTreeSet<EdgeKind> = animals.iter().map(|animal| animal.kind).collect();
    assert!(kinds.len() >= 12, "only {kinds:?} were made here");
    let child = Child::fork(&mut animals);
    let map = map_of(&[child.pid()]);
    let wrong = faults(&map, &animals, &before, child.pid());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(map.process(map.edges[0].ends[0].process).is_some(), "each end's process is in the map");

    // A queue of the kernel's says what its processes did last, and the rest is known.
    let sysv = map.edges.iter().find(|edge| edge.kind == EdgeKind::SysvQueue);
    assert!(sysv.is_none_or(|edge| edge.ends.iter().all(|end| end.by_last_call) && !edge.unread.is_empty()));
    let tcp = map.edges.iter().filter(|edge| edge.kind == EdgeKind::Tcp && !before.contains(&edge.id.0));
    for edge in tcp {
        let tcp = edge.tcp.as_ref().expect("facts");
        assert!(tcp.state == "ESTABLISHED" && tcp.rtt_ns.is_some_and(|ns| ns > 0), "{edge:#?}");
        assert_eq!((tcp.retransmits, &tcp.sent_bytes), (Some(0), &[Some(0), Some(0)]), "{edge:#?}");
    }

    // The control: two ends change places, an end is lost, an edge is made up.
    for spoil in [swap_two_ends, lose_an_end, make_up_an_edge] {
        let mut spoilt = map.clone();
        spoil(&mut spoilt, child.pid());
        assert!(!faults(&spoilt, &animals, &before, child.pid()).is_empty(), "a spoilt map was not caught");
    }
    oracle::hold_against_lsof(&map, child.pid());
    oracle::hold_against_ss(&map, child.pid());
}

/// Joins the ends of one pipe with those of another, as a wrong join would.
fn swap_two_ends(map: &mut ProgramMap, child: i32) {
    let of_both = |edge: &Edge| edge.ends.iter().any(|end| end.process.pid == child) && edge.ends.len() == 2;
    let kinds = [EdgeKind::UnixStream, EdgeKind::UnixStream];
    let mut places =
        map.edges.iter().enumerate().filter(|(_, edge)| kinds.contains(&edge.kind) && of_both(edge));
    let (one, other) = (places.next().expect("a socket").0, places.next().expect("another").0);
    let end = map.edges[one].ends[1].clone();
    map.edges[one].ends[1] = std::mem::replace(&mut map.edges[other].ends[1], end);
}

fn lose_an_end(map: &mut ProgramMap, child: i32) {
    let has =
        |edge: &&mut Edge| edge.kind == EdgeKind::Tcp && edge.ends.iter().any(|end| end.process.pid == child);
    map.edges.iter_mut().find(has).expect("a connection").ends.pop();
}

fn make_up_an_edge(map: &mut ProgramMap, _: i32) {
    let mut edge = map.edges[0].clone();
    edge.id.0.push('7');
    map.edges.push(edge);
}
