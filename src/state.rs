//! The last race, kept between runs in the state folder (`$XDG_STATE_HOME/ipcscope`, else `~/.local/state/ipcscope`).

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;

use lab::Report;

use crate::export;

/// A stored report larger than this was not written by us: 64 MiB.
const LIMIT_BYTES: u64 = 64 << 20;

/// Keeps `report` as the last race.
///
/// # Errors
///
/// The sentence says where it could not be kept.
pub(crate) fn keep(report: &Report) -> Result<(), String> {
    let path = path().ok_or("no state folder: neither XDG_STATE_HOME nor HOME is an absolute path")?;
    let told = |error: io::Error| format!("{}: {error}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(told)?;
    }
    export::replace(&path, crate::render::json::report(report).as_bytes()).map_err(told)
}

/// The last race, if one was kept and can be read.
pub(crate) fn last_race() -> Option<Report> {
    let path = path()?;
    let facts = fs::metadata(&path).ok()?;
    if !facts.is_file() || facts.len() > LIMIT_BYTES {
        return None;
    }
    let report: Report = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
    (report.schema == lab::report::SCHEMA).then_some(report)
}

fn path() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(folder.join("ipcscope/last-race.json"))
}
