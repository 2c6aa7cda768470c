//! Shared memory: what several processes have mapped, or hold open.

use std::collections::BTreeMap;

use crate::edge::{Edge, EdgeEnd, EdgeId};
use crate::holders::end;
use crate::kind::EdgeKind;
use crate::proc::{FileId, HeldObject, LookedAt};

/// Memory, and the processes that have it.
struct FoundMemory {
    name: String,
    size_bytes: u64,
    ends: Vec<EdgeEnd>,
}

impl FoundMemory {
    /// The end of a process.
    fn end_of(&mut self, one: &LookedAt) -> &mut EdgeEnd {
        let at = self.ends.iter().position(|end| end.process == one.process.id).unwrap_or_else(|| {
            self.ends.push(EdgeEnd { writes: false, ..end(one.process.id, 0) });
            self.ends.len() - 1
        });
        &mut self.ends[at]
    }
}

/// The edges of all memory that two processes or more have.
pub(super) fn edges(processes: &[LookedAt]) -> Vec<Edge> {
    let mut found: BTreeMap<FileId, FoundMemory> = BTreeMap::new();
    for one in processes {
        for mapping in &one.mapped {
            let of = || FoundMemory { name: mapping.name.clone(), size_bytes: 0, ends: Vec::new() };
            let memory = found.entry(mapping.file).or_insert_with(of);
            memory.size_bytes = memory.size_bytes.max(mapping.to_bytes);
            memory.end_of(one).writes |= mapping.writes;
        }
        for held in &one.held {
            let HeldObject::Memory { file, name, size_bytes, sealed } = &held.object else { continue };
            let of = || FoundMemory { name: name.clone(), size_bytes: 0, ends: Vec::new() };
            let memory = found.entry(*file).or_insert_with(of);
            memory.size_bytes = memory.size_bytes.max(*size_bytes);
            let end = memory.end_of(one);
            end.writes |= held.writes && !sealed;
            end.descriptors.push(held.fd);
        }
    }
    found.into_iter().filter(|(_, found)| found.ends.len() > 1).filter_map(edge).collect()
}

fn edge((file, found): (FileId, FoundMemory)) -> Option<Edge> {
    let (kind, name) = named(&found.name)?;
    // A file that is mapped for reading only says nothing to any of them.
    if kind == EdgeKind::MappedFile && !found.ends.iter().any(|end| end.writes) {
        return None;
    }
    Some(Edge {
        id: EdgeId(format!("memory:{file}")),
        kind,
        name,
        ends: found.ends,
        capacity_bytes: Some(found.size_bytes),
        tcp: None,
        beyond: None,
        unread: Vec::new(),
    })
}

/// What memory is by the name that the kernel gives its file; `None` of devices.
fn named(name: &str) -> Option<(EdgeKind, Option<String>)> {
    let path = name.strip_suffix(" (deleted)").unwrap_or(name);
    if let Some(name) = path.strip_prefix("/memfd:") {
        return Some((EdgeKind::Memfd, Some(name.to_owned())));
    }
    if path.starts_with("/SYSV") && path != name {
        return Some((EdgeKind::SysvMemory, Some(format!("key 0x{}", &path["/SYSV".len()..]))));
    }
    if path == "/dev/zero" {
        return Some((EdgeKind::AnonymousMemory, None));
    }
    if path.starts_with("/dev/shm/") {
        return Some((EdgeKind::PosixMemory, Some(path.to_owned())));
    }
    let of_the_kernel = ["/dev/", "/proc/", "/sys/"].iter().any(|folder| path.starts_with(folder));
    (!of_the_kernel).then(|| (EdgeKind::MappedFile, Some(path.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_by_its_name() {
        for (name, kind, told) in [
            ("/memfd:a b (deleted)", EdgeKind::Memfd, Some("a b")),
            ("/SYSV0000002a (deleted)", EdgeKind::SysvMemory, Some("key 0x0000002a")),
            ("/dev/zero (deleted)", EdgeKind::AnonymousMemory, None),
            ("/dev/shm/x (deleted)", EdgeKind::PosixMemory, Some("/dev/shm/x")),
            ("/SYSV.txt", EdgeKind::MappedFile, Some("/SYSV.txt")),
            ("/var/lib/a.db", EdgeKind::MappedFile, Some("/var/lib/a.db")),
        ] {
            assert_eq!(named(name), Some((kind, told.map(str::to_owned))), "{name}");
        }
        assert_eq!(named("/dev/dri/card0"), None);
    }
}
