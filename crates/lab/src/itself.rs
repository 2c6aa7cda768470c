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
use std::path::{Path, PathBuf};
use std::process::Command;

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
    let Ok(maps) = fs::read("/proc/self/maps") else { return Ok(Vec::new()) };
    let here = loader_words as fn() -> io::Result<Vec<OsString>> as usize;
    let Some(mapped) = mapped_at(&maps, here) else { return Ok(Vec::new()) };
    if mapped.is_file(Path::new(THIS_PROGRAM)) {
        return Ok(Vec::new());
    }
    if !mapped.is_file(&mapped.path) {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "this program was started by a loader, and its file is not at {} any more; start the program itself",
                mapped.path.display()
            ),
        ));
    }
    let typed = fs::read("/proc/self/cmdline").unwrap_or_default();
    Ok(words_before(&typed, &mapped.path, |word| mapped.is_file(word)))
}

/// The file that a piece of memory is mapped from.
#[derive(Debug, PartialEq, Eq)]
struct MappedFile {
    inode: u64,
    path: PathBuf,
}

impl MappedFile {
    /// Whether it is the file at `path`. Device numbers are not compared: on some file systems
    /// stat(2) tells another one than the memory map.
    fn is_file(&self, path: &Path) -> bool {
        let same_name = fs::read_link(path).is_ok_and(|leads_to| leads_to == self.path);
        same_name || fs::metadata(path).is_ok_and(|facts| facts.ino() == self.inode)
    }
}

/// The file behind an address, by the lines of /proc/PID/maps: `7f00-7f10 r-xp 00001000 00:01 22   /bin/a`.
fn mapped_at(maps: &[u8], address: usize) -> Option<MappedFile> {
    maps.split(|&byte| byte == b'\n').find_map(|line| {
        let mut fields = line.splitn(6, |&byte| byte == b' ');
        let range = str::from_utf8(fields.next()?).ok()?;
        let (from, to) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        (number(from)?..number(to)?).contains(&address).then_some(())?;
        let inode = str::from_utf8(fields.nth(3)?).ok()?.parse().ok()?;
        let path = fields.next()?.trim_ascii_start();
        path.starts_with(b"/").then(|| MappedFile { inode, path: PathBuf::from(OsStr::from_bytes(path)) })
    })
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
    fn the_file_behind_an_address_is_read_with_spaces_in_its_name() {
        let maps = b"10-20 r--p 00000000 00:01 5    /lib/a\n20-30 r-xp 00001000 fd:00 77                       /a b/c d\n\
                     30-40 rw-p 00000000 00:00 0 \n50-60 r-xp 00000000 00:00 0          [vdso]\n";
        let expected = MappedFile { inode: 77, path: "/a b/c d".into() };
        assert_eq!(mapped_at(maps, 0x2f), Some(expected));
        for address in [0x00, 0x30, 0x35, 0x45, 0x55] {
            assert_eq!(mapped_at(maps, address), None, "{address:x}");
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
