//! The races of this person on this machine, one file each: `$XDG_STATE_HOME/ipcscope/runs/<id>.json`, else below
//! `~/.local/state`.
//!
//! A run's id is the time it began, in UTC: `20261124-153012-250`; a second one of the same millisecond has `-2` behind it. A
//! file appears whole or not at all, and never takes the place of another. Files that are no reports of ours are left alone
//! and named. Folders and files are closed to others ([`private`]). A report that the disk does not take can be held in memory
//! ([`unkept`](crate::unkept)).

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use lab::Report;
use lab::plan::Plan;
use lab::report::SCHEMA;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::export;
use crate::input::{self, LIMIT_BYTES};
use crate::plan;
use crate::private;
use crate::render::json;
use crate::unkept::{Unkept, UnkeptFile};
use lab::units;

/// The longest id: a time, and a number behind it.
const ID_LENGTH: usize = 40;

/// The history, and the summaries of its files that were read already.
#[derive(Debug)]
pub(crate) struct History {
    /// The folder of the files, or why there is none.
    folder: Result<PathBuf, String>,
    seen: Mutex<HashMap<String, SeenFile>>,
    unkept: Unkept,
}

/// What a file held when it had this size and was changed then.
#[derive(Debug, Clone)]
struct SeenFile {
    bytes: u64,
    changed: Option<SystemTime>,
    found: Result<Run, String>,
}

/// One run, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) started_unix_ms: u64,
    pub(crate) elapsed_ms: u64,
    /// The raced entrants, in words.
    pub(crate) title: String,
    /// The command line that runs it again.
    pub(crate) command: String,
    pub(crate) rows: usize,
    pub(crate) interrupted: bool,
    pub(crate) failed_rows: usize,
    pub(crate) bytes: u64,
    /// Why it is in memory only; `None` for a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unkept: Option<String>,
}

/// A file that is no report of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Unreadable {
    pub(crate) file: String,
    pub(crate) why: String,
}

/// Everything in the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Newest first.
    pub(crate) runs: Vec<Run>,
    pub(crate) unreadable: Vec<Unreadable>,
}

/// How a report is in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It has come.
    Anew,
    /// It was there, byte for byte.
    Already,
}

/// Why a run cannot be had.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MissingRun {
    /// There is none of this id.
    Unknown,
    /// It is there, and this is what is wrong with it.
    Broken(String),
}

impl History {
    /// The history of this person. Where there is no place for it, it is empty, and keeps nothing.
    pub(crate) fn open() -> History {
        History::at(folder().map(|folder| folder.join("runs")))
    }

    fn at(folder: Result<PathBuf, String>) -> History {
        History { folder, seen: Mutex::default(), unkept: Unkept::default() }
    }

    /// Where the files are.
    ///
    /// # Errors
    ///
    /// Why there is no such place.
    pub(crate) fn folder(&self) -> Result<&Path, &str> {
        self.folder.as_deref().map_err(String::as_str)
    }

    /// Keeps `report`, and returns its id. A report that is there already keeps the id that it has.
    ///
    /// # Errors
    ///
    /// The sentence says where it could not be kept.
    pub(crate) fn keep(&self, report: &Report) -> Result<(String, Kept), String> {
        let folder = self.folder.as_ref().map_err(Clone::clone)?;
        let kept = keep(folder, report.started_unix_ms, json::report(report).as_bytes())?;
        self.put_unkept();
        Ok(kept)
    }

    /// Holds a report in memory that could not be kept, and returns the id under which it is found until the program ends.
    pub(crate) fn hold(&self, report: &Report, why: &str) -> String {
        let is_taken =
            |id: &str| self.path(id).is_some_and(|path| path.exists()) || self.unkept.get(id).is_some();
        let mut ids = ids(report.started_unix_ms);
        // The last one is taken over where all are taken: a thousand reports of one millisecond.
        let id = ids.find(|id| !is_taken(id)).unwrap_or_else(|| units::stamp(report.started_unix_ms));
        self.unkept.hold(UnkeptFile {
            id: id.clone(),
            text: json::report(report).into_bytes(),
            why: why.into(),
        });
        id
    }

    /// Puts on disk what was held in memory, as far as the disk takes it now, and returns how many reports it does not take.
    pub(crate) fn put_unkept(&self) -> usize {
        self.unkept.put(|held| {
            let put = |path: PathBuf| export::create(&path, &held.text, private::FILE).is_ok();
            self.folder.as_deref().is_ok_and(|folder| private::make(folder).is_ok())
                && self.path(&held.id).is_some_and(put)
        })
    }

    /// Everything that is there. A folder that is not there yet is an empty one.
    pub(crate) fn list(&self) -> Listing {
        let mut listing = Listing::default();
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut now = HashMap::new();
        let entries = self.folder.as_ref().ok().and_then(|folder| fs::read_dir(folder).ok());
        for entry in entries.into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // What is being written just now.
            if name.starts_with('.') {
                continue;
            }
            let Ok(facts) = fs::metadata(entry.path()) else { continue };
            let (bytes, changed) = (facts.len(), facts.modified().ok());
            let known = seen.remove(&name).filter(|seen| seen.bytes == bytes && seen.changed == changed);
            let known = known.unwrap_or_else(|| SeenFile { bytes, changed, found: self.look(&name, bytes) });
            match &known.found {
                Ok(run) => listing.runs.push(run.clone()),
                Err(why) => listing.unreadable.push(Unreadable { file: name.clone(), why: why.clone() }),
            }
            now.insert(name, known);
        }
        *seen = now;
        listing.runs.extend(self.unkept.each(held).into_iter().flatten());
        listing.runs.sort_by(|a, b| (b.started_unix_ms, &b.id).cmp(&(a.started_unix_ms, &a.id)));
        listing.unreadable.sort_by(|a, b| a.file.cmp(&b.file));
        listing
    }

    /// The report of a run.
    pub(crate) fn report(&self, id: &str) -> Result<Report, MissingRun> {
        Report::read(&self.read(id)?).map_err(|why| MissingRun::Broken(format!("{id}.json: {why}")))
    }

    /// The bytes of a run's file.
    pub(crate) fn read(&self, id: &str) -> Result<Vec<u8>, MissingRun> {
        if !is_id(id) {
            return Err(MissingRun::Unknown);
        }
        if let Some(held) = self.unkept.get(id) {
            return Ok(held.text);
        }
        let path = self.path(id).ok_or(MissingRun::Unknown)?;
        input::file(&path, LIMIT_BYTES).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => MissingRun::Unknown,
            _ => MissingRun::Broken(format!("{id}.json: {error}")),
        })
    }

    /// Removes a run for good.
    pub(crate) fn delete(&self, id: &str) -> Result<(), MissingRun> {
        if !is_id(id) {
            return Err(MissingRun::Unknown);
        }
        if self.unkept.let_go(id) {
            return Ok(());
        }
        fs::remove_file(self.path(id).ok_or(MissingRun::Unknown)?).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => MissingRun::Unknown,
            _ => MissingRun::Broken(format!("cannot delete {id}.json: {error}")),
        })
    }

    /// The run in the file `name`, or what is wrong with it.
    fn look(&self, name: &str, bytes: u64) -> Result<Run, String> {
        let id = name.strip_suffix(".json").filter(|id| is_id(id)).ok_or("its name is not that of a run")?;
        let path = self.path(id).ok_or("there is no folder")?;
        let text = input::file(&path, LIMIT_BYTES).map_err(|error| error.to_string())?;
        brief(id, &text, bytes)
    }

    fn path(&self, id: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref().ok()?.join(format!("{id}.json")))
    }
}

/// The reports in memory, as the list shows them.
fn held(held: &UnkeptFile) -> Option<Run> {
    let run = brief(&held.id, &held.text, held.text.len() as u64).ok()?;
    Some(Run { unkept: Some(held.why.clone()), ..run })
}

/// A report in short, or its fault.
fn brief(id: &str, text: &[u8], bytes: u64) -> Result<Run, String> {
    let brief: Brief = match lab::text::plain(text)
        .and_then(|text| serde_json::from_slice(text).map_err(|error| error.to_string()))
    {
        Ok(brief) => brief,
        // Read again in full, for a message that names the field.
        Err(error) => return Err(Report::read(text).err().unwrap_or(error)),
    };
    if brief.schema != SCHEMA {
        return Err(Report::read(text).err().unwrap_or_else(|| "another version's report".into()));
    }
    Ok(Run {
        id: id.to_owned(),
        started_unix_ms: brief.started_unix_ms,
        elapsed_ms: brief.elapsed_ms,
        title: title(&brief.plan),
        command: plan::command(&brief.plan),
        rows: brief.rows.len(),
        interrupted: brief.interrupted,
        failed_rows: brief.rows.iter().filter(|row| row.failed.is_some()).count(),
        bytes,
        unkept: None,
    })
}

/// The folder for everything of this user. Files that others could read are closed to them.
///
/// # Errors
///
/// A sentence, when there is no place for it.
pub(crate) fn folder() -> Result<PathBuf, String> {
    // The crate etcetera would ask passwd for a home that the environment does not name: nothing is kept unasked.
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let state = state.ok_or("no state folder: neither XDG_STATE_HOME nor HOME is an absolute path")?;
    let folder = state.join("ipcscope");
    private::tighten(&folder);
    Ok(folder)
}

/// Whether anything can be kept, as far as can be told without leaving anything.
///
/// # Errors
///
/// A sentence that says why nothing can be kept.
pub(crate) fn can_keep() -> Result<(), String> {
    let folder = folder()?;
    // What is missing is made when it is needed, in the first folder that is there.
    let there = folder.ancestors().find(|path| fs::symlink_metadata(path).is_ok()).unwrap_or(&folder);
    let told = |error: &dyn std::fmt::Display| Err(format!("{}: {error}", there.display()));
    if !there.is_dir() {
        return told(&"it is not a folder");
    }
    match accessat(CWD, there, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) => Ok(()),
        Err(error) => told(&error),
    }
}

/// Keeps what began then in `folder`, under an id that is free; what is there already keeps the id that it has.
///
/// # Errors
///
/// The sentence says where it could not be kept.
pub(crate) fn keep(folder: &Path, started_unix_ms: u64, bytes: &[u8]) -> Result<(String, Kept), String> {
    let told = |error: io::Error| format!("{}: {error}", folder.display());
    private::make(folder).map_err(told)?;
    for id in ids(started_unix_ms) {
        let path = folder.join(format!("{id}.json"));
        match export::create(&path, bytes, private::FILE) {
            Ok(()) => return Ok((id, Kept::Anew)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if input::file(&path, LIMIT_BYTES).is_ok_and(|kept| kept == bytes) {
                    return Ok((id, Kept::Already));
                }
            }
            Err(error) => return Err(told(error)),
        }
    }
    Err(format!("{}: too many reports of one millisecond", folder.display()))
}

/// The ids that a report of this moment may have, in the order in which they are taken.
fn ids(started_unix_ms: u64) -> impl Iterator<Item = String> {
    let began = units::stamp(started_unix_ms);
    (1..=1_000).map(move |number| if number == 1 { began.clone() } else { format!("{began}-{number}") })
}

/// As much of a report as a list shows.
#[derive(Deserialize)]
struct Brief {
    schema: u32,
    started_unix_ms: u64,
    elapsed_ms: u64,
    plan: Plan,
    rows: Vec<BriefRow>,
    interrupted: bool,
}

#[derive(Deserialize)]
struct BriefRow {
    failed: Option<IgnoredAny>,
}

/// What a plan races, in words: `shm, pipe · 64 B, 1 KiB · 100 000 messages · cross-core · spin, block`.
pub(crate) fn title(plan: &Plan) -> String {
    let mut who: Vec<String> = plan.kinds.iter().map(ToString::to_string).collect();
    let names = plan.rivals.iter().filter_map(|path| path.file_name());
    who.extend(names.map(|name| name.to_string_lossy().into_owned()));
    let sizes: Vec<String> = plan.sizes.iter().map(|&size| units::bytes(size)).collect();
    let waits: Vec<String> = plan.waits.iter().map(ToString::to_string).collect();
    let mut words = vec![
        who.join(", "),
        sizes.join(", "),
        units::plural(plan.count, "message"),
        plan.placement.to_string(),
        waits.join(", "),
    ];
    words.extend(plan.quick.then(|| "quick".into()));
    words.extend(plan.capacity_bytes.map(|bytes| format!("channels asked to hold {}", units::bytes(bytes))));
    words.join(" · ")
}

pub(crate) fn is_id(text: &str) -> bool {
    (1..=ID_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;
    use tempfile::tempdir;

    #[test]
    fn what_was_kept_is_listed_and_read_newest_first() {
        let folder = tempdir().unwrap();
        let history = History::at(Ok(folder.path().join("runs")));
        assert_eq!(history.list(), Listing::default());
        let old = sample();
        let mut new = sample();
        new.started_unix_ms += 60_000;
        new.rows[0].failed = Some("it died".into());
        let ((old_id, _), (new_id, _)) = (history.keep(&old).unwrap(), history.keep(&new).unwrap());
        assert_eq!(old_id, "20000101-000000-000");
        let runs = history.list().runs;
        assert_eq!(runs.iter().map(|run| &run.id).collect::<Vec<_>>(), [&new_id, &old_id]);
        assert_eq!((runs[0].failed_rows, runs[0].rows), (1, new.rows.len()));
        assert_eq!(history.report(&new_id).unwrap(), new);
        assert_eq!(history.list().runs, runs, "from memory");
        history.delete(&new_id).unwrap();
        assert_eq!(history.delete(&new_id), Err(MissingRun::Unknown));
        assert_eq!(history.list().runs.len(), 1);
    }

    #[test]
    fn what_the_disk_does_not_take_is_held_listed_and_put_there_later() {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join("runs"), "a file where the folder belongs").unwrap();
        let history = History::at(Ok(folder.path().join("runs")));
        let why = history.keep(&sample()).unwrap_err();
        let id = history.hold(&sample(), &why);
        let other = history.hold(&sample(), &why);
        assert_eq!((id.as_str(), other.as_str()), ("20000101-000000-000", "20000101-000000-000-2"));
        assert!(history.list().runs.iter().all(|run| run.unkept.as_ref() == Some(&why)));
        assert_eq!(history.report(&id).unwrap(), sample());
        history.delete(&other).unwrap();
        assert_eq!((history.put_unkept(), history.report(&other)), (1, Err(MissingRun::Unknown)));
        fs::remove_file(folder.path().join("runs")).unwrap();
        assert_eq!(history.put_unkept(), 0);
        let runs = history.list().runs;
        assert_eq!(
            (runs.len(), runs[0].id == id, &runs[0].unkept),
            (1, true, &None),
            "under the id that it had"
        );
        assert_eq!(history.report(&id).unwrap(), sample());
    }

    #[test]
    fn without_a_place_nothing_is_kept_and_all_else_goes_on() {
        let history = History::at(Err("no state folder".into()));
        assert_eq!(history.keep(&sample()), Err("no state folder".into()));
        assert_eq!(history.list(), Listing::default());
        assert_eq!(history.report("1"), Err(MissingRun::Unknown));
        let id = history.hold(&sample(), "no state folder");
        assert_eq!((history.put_unkept(), history.list().runs.len()), (1, 1));
        assert_eq!(history.report(&id).unwrap(), sample());
    }

    #[test]
    fn no_report_takes_the_place_of_another() {
        let folder = tempdir().unwrap();
        let history = History::at(Ok(folder.path().to_owned()));
        let mut other = sample();
        other.elapsed_ms += 1;
        let (first, _) = history.keep(&sample()).unwrap();
        let second = format!("{first}-2");
        assert_eq!(history.keep(&other), Ok((second.clone(), Kept::Anew)));
        assert_eq!(history.keep(&sample()), Ok((first, Kept::Already)));
        assert_eq!(history.keep(&other), Ok((second, Kept::Already)));
        assert_eq!(history.list().runs.len(), 2);
    }

    #[test]
    fn foreign_and_broken_files_are_left_alone_and_named() {
        let folder = tempdir().unwrap();
        let history = History::at(Ok(folder.path().to_owned()));
        history.keep(&sample()).unwrap();
        fs::write(folder.path().join("1.json"), "{\"schema\": 1, \"vers").unwrap();
        fs::write(folder.path().join("2.json"), "{\"schema\": 9}").unwrap();
        fs::write(folder.path().join("notes.txt"), "hello").unwrap();
        fs::create_dir(folder.path().join("3.json")).unwrap();
        let listing = history.list();
        assert_eq!(listing.runs.len(), 1);
        let named: Vec<_> = listing.unreadable.iter().map(|unreadable| unreadable.file.as_str()).collect();
        assert_eq!(named, ["1.json", "2.json", "3.json", "notes.txt"]);
        assert!(listing.unreadable[0].why.contains("line 1"), "{:?}", listing.unreadable);
        assert!(listing.unreadable[1].why.contains("`schema` is 9"), "{:?}", listing.unreadable);
    }

    #[test]
    fn an_id_never_leads_out_of_the_folder() {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join("secret.json"), "{}").unwrap();
        let history = History::at(Ok(folder.path().join("runs")));
        for id in ["", "../secret", "..", "/etc/passwd", "1/2", "secret", "1\0", &"1".repeat(41)] {
            assert_eq!(history.read(id), Err(MissingRun::Unknown), "{id}");
            assert_eq!(history.delete(id), Err(MissingRun::Unknown), "{id}");
        }
        assert!(folder.path().join("secret.json").exists());
    }
}
