//! The map: the processes of this machine, and what joins them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use lab::sys::monotonic::monotonic_ns;
use serde::{Deserialize, Serialize};

use crate::edge::Edge;
use crate::process::{ProcessId, RunningProcess};
use crate::scope::Scope;
use crate::unread::{Unread, UnreadList};
use crate::{collect, proc, sockets};

/// The word by which a map is told from other JSON.
pub const FORMAT: &str = "ipcscope-map";

/// The version of the map's structure. It changes when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// Which processes are joined by what, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ProgramMap {
    /// What this is.
    #[cfg_attr(feature = "schemars", schemars(extend("const" = FORMAT)))]
    pub format: String,
    /// The version of this structure. It changes when a field changes its meaning or goes away.
    #[cfg_attr(feature = "schemars", schemars(extend("const" = SCHEMA)))]
    pub schema: u32,
    /// When it was taken, in milliseconds since 1970-01-01 UTC.
    pub taken_unix_ms: u64,
    /// How long that took, in nanoseconds. What happened meanwhile may be in it or not.
    pub took_ns: u64,
    /// The processes, by their numbers.
    pub processes: Vec<RunningProcess>,
    /// The edges, by kind, then by the names of their processes.
    pub edges: Vec<Edge>,
    /// What could not be read, and so may be lacking.
    pub unread: Vec<Unread>,
}

impl ProgramMap {
    /// Looks at every process once, and at the kernel's tables. It takes some tens of milliseconds for a hundred processes.
    /// Nothing is stopped, traced or changed.
    pub fn take(scope: &Scope) -> ProgramMap {
        let (taken_unix_ms, began) = (unix_ms(), monotonic_ns());
        let mut unread = UnreadList::default();
        let (looked_at, complete) = proc::read_all(&mut unread);
        let sockets = sockets::read_all(&looked_at, &mut unread);
        let (mut edges, listening) = collect::all(&looked_at, complete, &sockets, scope, &mut unread);
        drop(sockets);
        let mut processes: Vec<RunningProcess> = looked_at.into_iter().map(|one| one.process).collect();
        for (process, socket) in listening {
            if let Ok(at) = processes.binary_search_by_key(&process, |one| one.id) {
                processes[at].listens.push(socket);
            }
        }
        for process in &mut processes {
            process.listens.sort_by(|one, other| (one.kind, &one.address).cmp(&(other.kind, &other.address)));
        }
        scope.cut(&mut processes, &mut edges);
        sort(&mut edges, &processes);
        let took_ns = monotonic_ns() - began;
        ProgramMap {
            format: FORMAT.into(),
            schema: SCHEMA,
            taken_unix_ms,
            took_ns,
            processes,
            edges,
            unread: unread.into_list(),
        }
    }

    /// A process of the map.
    pub fn process(&self, id: ProcessId) -> Option<&RunningProcess> {
        self.processes.binary_search_by_key(&id, |one| one.id).ok().map(|at| &self.processes[at])
    }
}

/// By kind, then by the names of the processes, then by identity.
fn sort(edges: &mut [Edge], processes: &[RunningProcess]) {
    let names: BTreeMap<ProcessId, &str> = processes.iter().map(|one| (one.id, one.name.as_str())).collect();
    edges.sort_by_cached_key(|edge| {
        let ends: Vec<_> =
            edge.ends.iter().map(|end| (names.get(&end.process).copied(), end.process)).collect();
        (edge.kind, ends, edge.id.clone())
    });
}

impl Scope {
    /// Leaves the edges of these processes, and the processes that they lead to.
    fn cut(&self, processes: &mut Vec<RunningProcess>, edges: &mut Vec<Edge>) {
        edges.retain(|edge| edge.ends.iter().any(|end| self.has(end.process)));
        let reached: BTreeSet<ProcessId> =
            edges.iter().flat_map(|edge| &edge.ends).map(|end| end.process).collect();
        processes.retain(|one| self.has(one.id) || reached.contains(&one.id));
    }
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
