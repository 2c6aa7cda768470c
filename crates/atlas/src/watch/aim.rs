//! From words to the one channel that is meant.

use std::collections::BTreeSet;
use std::fmt;

use crate::edge::{Edge, EdgeEnd};
use crate::kind::EdgeKind;
use crate::map::ProgramMap;
use crate::scope::{Scope, ScopeError};

/// How many candidates an error lists.
const LISTED: usize = 12;

/// Why no channel is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AimError {
    /// A word names no process.
    Process(ScopeError),
    /// There is no channel of this name.
    NoSuchEdge(String),
    /// The process has no such descriptor, or it is of no channel.
    NoSuchDescriptor(i32, i32),
    /// These processes are joined by no channel.
    NotJoined(String),
    /// More than one channel is meant: their names, each with what joins it.
    Several(Vec<String>),
}

/// Finds the channel that the words mean in the map: the name of an edge, `PID:FD`, a process that has one channel only, or two
/// processes that have one only. A process is named by its number or by its name.
///
/// # Errors
/// When they mean none, or several.
///
/// # Examples
/// ```
/// use atlas::{ProgramMap, Scope, aim};
///
/// let (_out, _into) = std::io::pipe()?;
/// let map = ProgramMap::take(&Scope::All);
/// let own = std::process::id().to_string();
/// let pipe = map.edges.iter().find(|edge| edge.kind.name() == "pipe" && edge.ends.iter().any(|end| end.process.pid.to_string() == own));
/// if let Some(pipe) = pipe {
///     assert_eq!(aim(&map, &[&pipe.id.0]).unwrap(), pipe);
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn aim<'a>(map: &'a ProgramMap, words: &[&str]) -> Result<&'a Edge, AimError> {
    if let [word] = words {
        if let Some(edge) = map.edges.iter().find(|edge| edge.id.0 == *word) {
            return Ok(edge);
        }
        if let Some((process, descriptor)) = descriptor(word)? {
            let has = |end: &EdgeEnd| end.process.pid == process && end.descriptors.contains(&descriptor);
            let edge = map.edges.iter().find(|edge| edge.ends.iter().any(has));
            return edge.ok_or(AimError::NoSuchDescriptor(process, descriptor));
        }
        let kind = word.split(':').next().unwrap_or_default();
        if word.contains(':')
            && EdgeKind::ALL.iter().any(|known| known.name() == kind || kind == "unix" || kind == "memory")
        {
            return Err(AimError::NoSuchEdge((*word).to_owned()));
        }
    }
    let named = |word: &&str| match Scope::named([*word]).map_err(AimError::Process)? {
        Scope::Processes(pids) => Ok(pids),
        Scope::All => Ok(BTreeSet::new()),
    };
    let groups: Vec<BTreeSet<i32>> = words.iter().map(named).collect::<Result<_, _>>()?;
    let found: Vec<&Edge> = map.edges.iter().filter(|edge| joins(edge, &groups)).collect();
    match found[..] {
        [] => Err(AimError::NotJoined(words.join(" and "))),
        [edge] => Ok(edge),
        _ => Err(AimError::Several(found.iter().map(|edge| line(map, edge)).collect())),
    }
}

/// Whether the edge has an end of each group, each pair of them at different sides: two writers of one pipe are not joined by it. One
/// group alone is joined with whatever is at the other side.
fn joins(edge: &Edge, groups: &[BTreeSet<i32>]) -> bool {
    let sides = |group: &BTreeSet<i32>| -> BTreeSet<u8> {
        edge.ends.iter().filter(|end| group.contains(&end.process.pid)).map(|end| end.side).collect()
    };
    let has_sides = edge.ends.iter().any(|end| end.side != 0) || edge.beyond.is_some();
    match groups {
        [one] => {
            let others = edge.ends.iter().any(|end| !one.contains(&end.process.pid));
            !sides(one).is_empty() && (others || edge.beyond.is_some())
        }
        [one, other] => {
            let (one, other) = (sides(one), sides(other));
            let apart = one.iter().any(|side| other.iter().any(|another| side != another));
            !one.is_empty() && !other.is_empty() && (apart || !has_sides)
        }
        _ => false,
    }
}

/// `PID:FD`, where the first part is a process.
fn descriptor(word: &str) -> Result<Option<(i32, i32)>, AimError> {
    let Some((process, descriptor)) = word.rsplit_once(':') else { return Ok(None) };
    let Ok(descriptor) = descriptor.parse() else { return Ok(None) };
    let pids = match (process.parse::<i32>().is_ok(), Scope::named([process])) {
        (_, Ok(Scope::Processes(pids))) => pids,
        (true, Err(error)) => return Err(AimError::Process(error)),
        _ => return Ok(None),
    };
    // Of a name that several have, the first is as good as none: then it is no such word.
    Ok((pids.len() == 1).then(|| pids.first().map(|&pid| (pid, descriptor))).flatten())
}

/// An edge in a line.
fn line(map: &ProgramMap, edge: &Edge) -> String {
    let process = |end: &EdgeEnd| {
        let name = map.process(end.process).map_or("?", |process| process.name.as_str());
        format!("{name}[{}]", end.process.pid)
    };
    let mut names: Vec<String> = edge.ends.iter().map(process).collect();
    names.dedup();
    format!("{} ({})", edge.id, names.join(", "))
}

impl fmt::Display for AimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AimError::Process(error) => error.fmt(f),
            AimError::NoSuchEdge(name) => {
                write!(f, "there is no channel {name} any more: `ipcscope map` lists those that there are")
            }
            AimError::NoSuchDescriptor(process, descriptor) => write!(
                f,
                "descriptor {descriptor} of process {process} is of no channel: `ipcscope map {process}` lists those that are"
            ),
            AimError::NotJoined(words) => {
                write!(f, "{words}: no channel joins them. `ipcscope map` lists what joins which processes")
            }
            AimError::Several(edges) => {
                write!(f, "{} channels are meant: name one of them", edges.len())?;
                for edge in edges.iter().take(LISTED) {
                    write!(f, "\n  {edge}")?;
                }
                match edges.len().saturating_sub(LISTED) {
                    0 => Ok(()),
                    more => write!(f, "\n  and {more} more: `ipcscope map` lists them"),
                }
            }
        }
    }
}

impl std::error::Error for AimError {}
