//! What was counted on this machine, one file a probe: `$XDG_STATE_HOME/ipcscope/probes/<id>.json`,
//! beside the races and named like them. Until the first probe, the lab shows the record that came
//! with the program, named with its machine.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crossing::{Kind, WaitStrategy};
use lab::machine;
use lab::plan::Placement;
use lab::probe::{ProbeReport, ProbeSetup, SCHEMA};
use serde::Serialize;

use crate::history::{self, Unreadable};
use crate::input;
use crate::render;

/// The record that came with the program, packed.
const BUILT_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probe.json.gz"));

/// A stored report larger than this was not written by us: 4 MiB.
const LIMIT_BYTES: u64 = 4 << 20;

/// How many of the newest are looked at.
const LOOKED_AT: usize = 16;

/// Messages in each row, unless another number is typed.
pub(crate) const MESSAGES: u64 = 1_000;

/// The waits and placements that are counted for every mechanism: what decides most about what a message costs.
const WAITS: [WaitStrategy; 2] = [WaitStrategy::Spin, WaitStrategy::Block];

/// The probes of this person.
#[derive(Debug)]
pub(crate) struct Probes {
    /// Where the files are, or why there is no such place.
    folder: Result<PathBuf, String>,
    /// The newest that the disk did not take.
    unkept: Mutex<Option<ProbeReport>>,
}

/// A report, and where it is from.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Counted {
    /// The file's id; `None` for the record that came with the program, and for what is in memory only.
    pub(crate) id: Option<String>,
    pub(crate) report: ProbeReport,
    /// Files that were passed over, because they are no reports of ours.
    pub(crate) unreadable: Vec<Unreadable>,
}

impl Probes {
    /// The probes of this person. Where there is no place for them, there are none, and none is kept.
    pub(crate) fn open() -> Probes {
        Probes::at(history::folder().map(|folder| folder.join("probes")))
    }

    fn at(folder: Result<PathBuf, String>) -> Probes {
        Probes { folder, unkept: Mutex::default() }
    }

    /// Keeps `report`, and returns its id. What the disk does not take is held in memory, in place of what was held before.
    ///
    /// # Errors
    ///
    /// The sentence says where it could not be kept.
    pub(crate) fn keep(&self, report: &ProbeReport) -> Result<String, String> {
        let text = render::probe::json(report);
        let kept = self.folder.clone().and_then(|folder| {
            history::keep(&folder, report.started_unix_ms, text.as_bytes()).map(|(id, _)| id)
        });
        if kept.is_err() {
            *self.unkept.lock().unwrap_or_else(PoisonError::into_inner) = Some(report.clone());
        }
        kept
    }

    /// The newest of those that tell of most rows; the record that came with the program, if there is none.
    pub(crate) fn best(&self) -> Counted {
        let mut best: Option<(String, ProbeReport)> = None;
        let mut unreadable = Vec::new();
        for name in self.newest() {
            match self.read(&name) {
                Ok((id, report)) => {
                    if best.as_ref().is_none_or(|(_, found)| told(&report) > told(found)) {
                        best = Some((id, report));
                    }
                }
                Err(why) => unreadable.push(Unreadable { file: name, why }),
            }
        }
        let unkept = self.unkept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let unkept = unkept.filter(|held| best.as_ref().is_none_or(|(_, found)| told(held) >= told(found)));
        match (unkept, best) {
            (Some(report), _) => Counted { id: None, report, unreadable },
            (None, Some((id, report))) => Counted { id: Some(id), report, unreadable },
            (None, None) => Counted { id: None, report: built_in(), unreadable },
        }
    }

    /// The names of the newest files, the newest first. A folder that is not there yet is an empty one.
    fn newest(&self) -> Vec<String> {
        let entries = self.folder.as_ref().ok().and_then(|folder| fs::read_dir(folder).ok());
        let entries = entries.into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        // What is being written just now.
        names.retain(|name| !name.starts_with('.'));
        names.sort_by(|a, b| b.cmp(a));
        names.truncate(LOOKED_AT);
        names
    }

    fn read(&self, name: &str) -> Result<(String, ProbeReport), String> {
        let id = name.strip_suffix(".json").filter(|id| history::is_id(id));
        let id = id.ok_or("its name is not that of a probe")?;
        let path = self.folder.as_ref().map_err(Clone::clone)?.join(name);
        let text = input::file(&path, LIMIT_BYTES).map_err(|error| error.to_string())?;
        Ok((id.to_owned(), understand(&text)?))
    }
}

/// The rows that hold figures.
fn told(report: &ProbeReport) -> usize {
    report.rows.iter().filter(|row| row.failed.is_none()).count()
}

fn understand(text: &[u8]) -> Result<ProbeReport, String> {
    let report: ProbeReport = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    match (report.format.as_str(), report.schema) {
        ("ipcscope-probe", SCHEMA) => Ok(report),
        ("ipcscope-probe", other) => Err(format!("field `schema` is {other}; this version reads {SCHEMA}")),
        _ => Err("field `format` is not `ipcscope-probe`".into()),
    }
}

fn built_in() -> ProbeReport {
    understand(&crate::input::unpacked(BUILT_IN)).expect("a test has read it")
}

/// Where the two processes of a whole probe run: on one core, and on two where there are two.
pub(crate) fn placements() -> Vec<Placement> {
    if machine::resolve(Placement::CrossCore).is_ok() {
        vec![Placement::SameCore, Placement::CrossCore]
    } else {
        vec![Placement::SameCore]
    }
}

/// Every mechanism, way of waiting and placement, as [`command`] says it.
pub(crate) fn whole(placements: &[Placement]) -> Vec<ProbeSetup> {
    setups(&Kind::ALL, &WAITS, placements)
}

/// Every combination, by placement, way of waiting and mechanism.
pub(crate) fn setups(kinds: &[Kind], waits: &[WaitStrategy], placements: &[Placement]) -> Vec<ProbeSetup> {
    let mut setups = Vec::new();
    for &placement in placements {
        for &wait in waits {
            setups.extend(kinds.iter().map(|&kind| ProbeSetup::new(kind, wait, placement)));
        }
    }
    setups
}

/// The command line of a whole probe.
pub(crate) fn command(placements: &[Placement]) -> String {
    let mut line = String::from("ipcscope probe all");
    for placement in placements {
        line.push_str(&format!(" --placement {placement}"));
    }
    line
}

/// What is counted next, in words.
pub(crate) fn label(setup: &ProbeSetup) -> String {
    format!("{} {} {}", setup.kind, setup.wait, setup.placement)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::tempdir;

    fn rows(count: usize, started_unix_ms: u64) -> ProbeReport {
        let mut report = built_in();
        report.rows.truncate(count);
        report.started_unix_ms = started_unix_ms;
        report
    }

    #[test]
    fn the_record_that_came_along_tells_of_every_mechanism_way_of_waiting_and_placement() {
        let report = built_in();
        let told: Vec<_> = report.rows.iter().map(|row| (row.kind, row.wait, row.placement)).collect();
        for setup in whole(&[Placement::SameCore, Placement::CrossCore]) {
            let is_told = told.contains(&(setup.kind, setup.wait, setup.placement));
            assert!(is_told, "the record lacks `{}`: make it anew", label(&setup));
        }
        assert!(report.machine.cpu.is_some(), "it says whose it is");
    }

    #[test]
    fn what_the_disk_does_not_take_is_shown_until_the_program_ends() {
        let probes = Probes::at(Err("no state folder".into()));
        assert_eq!(probes.keep(&rows(3, 1_000)), Err("no state folder".into()));
        assert_eq!((probes.best().id, probes.best().report), (None, rows(3, 1_000)));
    }

    #[test]
    fn the_newest_that_tells_most_is_shown_and_what_is_none_of_ours_is_named() {
        let folder = tempdir().unwrap();
        let probes = Probes::at(Ok(folder.path().join("probes")));
        assert_eq!(probes.best().id, None, "nothing was counted yet");
        let whole = probes.keep(&rows(16, 1_000)).unwrap();
        let later = probes.keep(&rows(16, 2_000)).unwrap();
        let part = probes.keep(&rows(1, 3_000)).unwrap();
        assert!(whole < later && later < part);
        fs::write(folder.path().join("probes/9.json"), "{}").unwrap();
        fs::write(folder.path().join("probes/notes"), "hello").unwrap();
        let best = probes.best();
        assert_eq!((best.id, best.report.started_unix_ms), (Some(later), 2_000));
        let named: Vec<_> = best.unreadable.iter().map(|unreadable| unreadable.file.as_str()).collect();
        assert_eq!(named, ["notes", "9.json"]);
    }
}
