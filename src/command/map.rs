//! `ipcscope map`: which programs of this machine are joined by what.

use atlas::{ProgramMap, Scope};

use crate::args;
use crate::outcome::{self, Failure, Outcome};
use crate::render::{self, Ink};

/// Takes the map and prints it.
pub(crate) fn run(typed: &args::MapVerb, ink: Ink) -> Result<Outcome, Failure> {
    let scope = Scope::named(typed.processes.iter().map(String::as_str)).map_err(Failure::told)?;
    let map = ProgramMap::take(&scope);
    let printed = match typed.json {
        true => render::map::json(&map),
        false => render::map::text(&map, &scope, render::table::width(), ink),
    };
    outcome::print(printed)?;
    if map.processes.is_empty() {
        return Err(Failure::told("no process was seen; what was not read says why"));
    }
    Ok(Outcome::Done)
}
