//! This program, to be started again as a measured process: the one place that knows how.
//!
//! `/proc/self/exe` is this program whatever its file is called by now: it may have been replaced by a newer build, or deleted. But
//! when a loader was started with the program as its argument (`ld.so ./program`, ld.so(8)), it is the loader. Then the file that
//! this very code is mapped from is the program, and the loader is started again as it was started before.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use crate::sys::maps::{self, ProcessMapping};

/// The file that the kernel started as this process: the program, or its loader.
pub(crate) const THIS_PROGRAM: &str = "/proc/self/exe";

/// The command that starts `program`; [`THIS_PROGRAM`] is this one, even behind a loader.
pub(crate) fn command(program: &OsStr) -> io::Result<Command> {
    let mut command = Command::new(program);
    if program == THIS_PROGRAM {
        command.args(loader_words()?);
    }
    Ok(command)
}

/// The loader's arguments, up to the program's path; none if the program itself was started.
fn loader_words() -> io::Result<Vec<OsString>> {
    // If the kernel does not tell, assume the usual: no loader.
    let Ok(maps) = maps::of("self") else { return Ok(Vec::new()) };
    let here = loader_words as fn() -> io::Result<Vec<OsString>> as usize;
    let Some(mapped) = mapped_at(maps, here as u64) else { return Ok(Vec::new()) };
    if is_file(&mapped, Path::new(THIS_PROGRAM)) {
        return Ok(Vec::new());
    }
    if !is_file(&mapped, &mapped.name) {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "this program was started by a loader, and its file is not at {} any more; start the program itself",
                mapped.name.display()
            ),
        ));
    }
    let typed = fs::read("/proc/self/cmdline").unwrap_or_default();
    Ok(words_before(&typed, &mapped.name, |word| is_file(&mapped, word)))
}

/// Whether `mapped` is of the file at `path`. Device numbers are not compared: on some file systems
/// stat(2) tells another one than the memory map.
fn is_file(mapped: &ProcessMapping, path: &Path) -> bool {
    let same_name = fs::read_link(path).is_ok_and(|leads_to| leads_to == mapped.name);
    same_name || fs::metadata(path).is_ok_and(|facts| facts.ino() == mapped.file.1)
}

/// The mapping of a file that holds `address`.
fn mapped_at(maps: Vec<ProcessMapping>, address: u64) -> Option<ProcessMapping> {
    maps.into_iter().find(|one| one.at.contains(&address) && one.name.is_absolute())
}

/// The words that the loader was started with, up to the program, which is named by `program`. `typed` is everything that was typed, each
/// word with a zero behind it.
fn words_before(typed: &[u8], program: &Path, is_program: impl Fn(&Path) -> bool) -> Vec<OsString> {
    let words: Vec<&[u8]> = typed.split(|&byte| byte == 0).collect();
    let of_the_loader = words.get(1..).unwrap_or(&[]);
    let name = of_the_loader.iter().position(|word| is_program(Path::new(OsStr::from_bytes(word))));
    let options = of_the_loader[..name.unwrap_or(0)].iter().map(|word| OsString::from_vec(word.to_vec()));
    options.chain([program.as_os_str().to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_started_as_such_needs_no_words() {
        assert_eq!(loader_words().unwrap(), Vec::<OsString>::new());
        assert_eq!(command(THIS_PROGRAM.as_ref()).unwrap().get_args().count(), 0);
    }

    #[test]
    fn the_file_behind_an_address_is_found_and_nothing_else() {
        let mapping = |at, name: &str| ProcessMapping {
            at,
            writable: false,
            shared: false,
            offset: 0,
            file: ("fd:00".into(), 77),
            name: name.into(),
        };
        let maps =
            [(0x10..0x20, "/lib/a"), (0x20..0x30, "/a b/c d"), (0x30..0x40, ""), (0x50..0x60, "[vdso]")]
                .map(|(at, name)| mapping(at, name))
                .to_vec();
        assert_eq!(mapped_at(maps.clone(), 0x2f), Some(mapping(0x20..0x30, "/a b/c d")));
        for address in [0x00, 0x30, 0x35, 0x45, 0x55] {
            assert_eq!(mapped_at(maps.clone(), address), None, "{address:x}");
        }
    }

    #[test]
    fn the_loader_is_started_as_it_was() {
        let program = Path::new("/bin/ipcscope");
        let words = |typed: &[u8]| words_before(typed, program, |word| word == Path::new("./ipcscope"));
        assert_eq!(words(b"/lib/ld.so\0./ipcscope\0race\0pipe\0"), ["/bin/ipcscope"]);
        let more = b"ld.so\0--library-path\0/a b\0--argv0\0x\0./ipcscope\0race\0\0";
        assert_eq!(words(more), ["--library-path", "/a b", "--argv0", "x", "/bin/ipcscope"]);
        // Impossible command lines give the program alone.
        for typed in [&b""[..], b"a\0", b"a\0b\0c\0"] {
            assert_eq!(words(typed), ["/bin/ipcscope"]);
        }
    }
}
