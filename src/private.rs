//! Folders and files for the eyes of one person: 0700 and 0600, from the moment they exist.
//!
//! A report names the machine, its kernel, the programs that were raced and where they lie. An earlier version left such files as wide
//! as the umask had them; [`tighten`] mends what it finds.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use crate::outcome;

/// The mode of a file.
pub(crate) const FILE: u32 = 0o600;
const FOLDER: u32 = 0o700;

/// Makes `folder` and what is missing above it, closed to others. What is there already stays as it is.
///
/// # Errors
///
/// Those of mkdir(2).
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(folder)
}

/// Closes `folder`, the folders in it and their files to others, where they are open. What cannot be closed is said once, not refused.
pub(crate) fn tighten(folder: &Path) {
    if let Err(error) = close(folder, 2) {
        outcome::note(format_args!(
            "{}: others can read what is kept here, and that cannot be changed: {error}",
            folder.display()
        ));
    }
}

/// Closes what `path` is, and as many levels below it.
fn close(path: &Path, levels: u32) -> io::Result<()> {
    let Ok(facts) = fs::metadata(path) else { return Ok(()) };
    let mode = if facts.is_dir() { FOLDER } else { FILE };
    if is_wide(&facts) {
        match fs::set_permissions(path, Permissions::from_mode(mode)) {
            // Another lab has deleted it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            changed => changed?,
        }
        // Some file systems have no modes, and say nothing.
        if fs::metadata(path).is_ok_and(|facts| is_wide(&facts)) {
            return Err(io::Error::other("this file system keeps no permissions"));
        }
    }
    if facts.is_dir() && levels > 0 {
        for entry in fs::read_dir(path)?.flatten() {
            // A link leads to what is not ours to change, and a file of another kind is the person's.
            let path = entry.path();
            let is_report = path.extension().is_some_and(|ending| ending == "json" || ending == "part");
            if entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_file() && is_report) {
                close(&path, levels - 1)?;
            }
        }
    }
    Ok(())
}

fn is_wide(facts: &Metadata) -> bool {
    facts.permissions().mode() & 0o077 != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::tempdir;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_closed_and_what_was_open_is_closed() {
        let folder = tempdir().unwrap();
        let runs = folder.path().join("ipcscope/runs");
        make(&runs).unwrap();
        assert_eq!((mode(&folder.path().join("ipcscope")), mode(&runs)), (0o700, 0o700));
        let (file, elsewhere) = (runs.join("1.json"), folder.path().join("elsewhere.json"));
        fs::write(runs.join("shopping.txt"), "milk").unwrap();
        fs::set_permissions(runs.join("shopping.txt"), Permissions::from_mode(0o644)).unwrap();
        fs::write(&file, "{}").unwrap();
        fs::write(&elsewhere, "").unwrap();
        std::os::unix::fs::symlink(&elsewhere, runs.join("link.json")).unwrap();
        for (path, wide) in [(&file, 0o644), (&runs, 0o755), (&elsewhere, 0o644)] {
            fs::set_permissions(path, Permissions::from_mode(wide)).unwrap();
        }
        tighten(&folder.path().join("ipcscope"));
        assert_eq!((mode(&runs), mode(&file), mode(&elsewhere)), (0o700, 0o600, 0o644));
        assert_eq!(mode(&runs.join("shopping.txt")), 0o644, "none of ours");
        tighten(&folder.path().join("missing"));
    }
}
