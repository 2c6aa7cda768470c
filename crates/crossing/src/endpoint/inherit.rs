//! Inheritance: a child takes what its parent has handed over, and nothing else.
//!
//! The parent leaves a descriptor open for the child, and writes into the child's environment which
//! one it is. An environment is inherited further than a descriptor is: by a grandchild, or by what
//! the child becomes with exec(2). There the number may mean another file. So the variable carries
//! the file's device and inode beside the number, and a descriptor that is not that very file is
//! left alone. One that exec(2) would close was not inherited: it was taken already, or opened
//! since.
//!
//! A child may be given several ends. Each has a variable of its own, with the end's name in it.

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use rustix::io::{Errno, FdFlags};

use crate::descriptor::FIRST_FREE;
use crate::kind::Kind;
use crate::owner::{self, PerProcess};

/// The variable that tells a child its endpoint. That of one with a name has the name behind it.
const VARIABLE: &str = "CROSSING_ENDPOINT";

/// The longest name.
const LONGEST_NAME: usize = 64;

/// The variable for an end, which may have a name. Shells pass on no other letters than these.
pub(super) fn variable(name: Option<&str>) -> Result<String, String> {
    let Some(name) = name else { return Ok(VARIABLE.to_owned()) };
    let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !fits || !(1..=LONGEST_NAME).contains(&name.len()) {
        let name = name.escape_debug();
        return Err(format!("`{name}` is no name of an endpoint: 1 to {LONGEST_NAME} of A-Z a-z 0-9 _"));
    }
    Ok(format!("{VARIABLE}_{name}"))
}

/// How an end came to lead to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Both ends were made together, and handed to their processes.
    Given,
    /// The ends met at an address, which any process may dial.
    Met,
}

impl How {
    fn name(self) -> &'static str {
        match self {
            How::Given => "given",
            How::Met => "met",
        }
    }

    fn named(name: &str) -> Option<How> {
        [How::Given, How::Met].into_iter().find(|how| how.name() == name)
    }
}

/// The content of the variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Legacy {
    pub(super) kind: Kind,
    pub(super) how: How,
    /// The descriptor's number in the child.
    pub(super) number: RawFd,
    pub(super) file: File,
}

/// The identity of a file: equal for two descriptors of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct File {
    device: u64,
    inode: u64,
}

impl File {
    pub(super) fn of(fd: impl AsFd) -> Result<File, Errno> {
        let stat = rustix::fs::fstat(fd)?;
        Ok(File { device: stat.st_dev, inode: stat.st_ino })
    }
}

impl fmt::Display for Legacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Legacy { kind, how, number, file: File { device, inode } } = self;
        write!(f, "{kind}:{}:{number}:{device}:{inode}", how.name())
    }
}

impl FromStr for Legacy {
    type Err = String;

    fn from_str(text: &str) -> Result<Legacy, String> {
        let fault = || {
            let text = text.escape_debug();
            format!("`{text}` is not <mechanism>:<given or met>:<descriptor>:<device>:<inode>")
        };
        let mut words = text.split(':');
        let mut word = || words.next().ok_or_else(fault);
        let legacy = Legacy {
            kind: word()?.parse().map_err(|_| fault())?,
            how: How::named(word()?).ok_or_else(fault)?,
            number: word()?.parse().map_err(|_| fault())?,
            file: File {
                device: word()?.parse().map_err(|_| fault())?,
                inode: word()?.parse().map_err(|_| fault())?,
            },
        };
        if words.next().is_some() { Err(fault()) } else { Ok(legacy) }
    }
}

/// Takes the end that this process was started with, by its name if it has one.
pub(super) fn take(name: Option<&str>) -> Result<(Legacy, OwnedFd), String> {
    /// The variables whose ends were taken.
    static TAKEN: PerProcess<Mutex<BTreeSet<String>>> = PerProcess::new();
    let taken = TAKEN.get().map_err(|errno| format!("cannot {}: {errno}", owner::NOTICING))?;
    let variable = variable(name)?;
    let text = env::var(&variable).ok();
    // What a panic leaves there is whole.
    let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    take_from(&variable, text, &mut taken)
}

/// Takes what the `text` of `variable` says, if it was not `taken` yet.
fn take_from(
    variable: &str,
    text: Option<String>,
    taken: &mut BTreeSet<String>,
) -> Result<(Legacy, OwnedFd), String> {
    let unset = || {
        format!(
            "{variable} is not set: this process must be started by Endpoint::spawn or with Endpoint::give"
        )
    };
    let said = |why: String| format!("{variable}: {why}");
    let legacy: Legacy = text.ok_or_else(unset)?.parse().map_err(said)?;
    if taken.contains(variable) {
        return Err(said("it was taken already".into()));
    }
    legacy.look().map_err(said)?;
    let socket = legacy.take().map_err(said)?;
    taken.insert(variable.to_owned());
    Ok((legacy, socket))
}

impl Legacy {
    /// Refuses a number that does not mean the socket that was handed over.
    fn look(&self) -> Result<(), String> {
        let Legacy { number, file, .. } = self;
        let stale = |what: &str| {
            format!(
                "descriptor {number} {what}: it was meant for another process, and is inherited by whatever that one starts"
            )
        };
        if *number < FIRST_FREE {
            return Err(stale("is standard input, output or error, or no number of a descriptor"));
        }
        let look = |fd: BorrowedFd<'_>| Ok((File::of(fd)?, rustix::io::fcntl_getfd(fd)?));
        let looked: Result<_, Errno> = crate::sys::with_number(*number, look);
        let (found, flags) = looked.map_err(|_| stale("is not open"))?;
        if found != *file {
            return Err(stale("is another file"));
        }
        if flags.contains(FdFlags::CLOEXEC) {
            return Err(format!("descriptor {number} was taken already"));
        }
        Ok(())
    }

    fn take(&self) -> Result<OwnedFd, String> {
        crate::sys::take_inherited(self.number)
            .map_err(|errno| format!("descriptor {}: {errno}", self.number))
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsRawFd, IntoRawFd};

    use super::*;

    fn legacy(fd: &OwnedFd) -> Legacy {
        let file = File::of(fd).unwrap();
        Legacy { kind: Kind::Shm, how: How::Given, number: fd.as_raw_fd(), file }
    }

    type Taken = BTreeSet<String>;

    fn take_it(legacy: &Legacy, taken: &mut Taken) -> Result<(Legacy, OwnedFd), String> {
        take_from(VARIABLE, Some(legacy.to_string()), taken)
    }

    #[test]
    fn what_was_handed_over_is_taken_once_and_kept_from_the_next_child() {
        let (mine, _theirs) = crate::descriptor::packet_pair().unwrap();
        rustix::io::fcntl_setfd(&mine, FdFlags::empty()).unwrap();
        let legacy = legacy(&mine);
        let number = mine.into_raw_fd();
        let mut taken = Taken::new();
        let (told, socket) = take_it(&legacy, &mut taken).unwrap();
        assert_eq!((told.kind, told.how, socket.as_raw_fd()), (Kind::Shm, How::Given, number));
        assert!(rustix::io::fcntl_getfd(&socket).unwrap().contains(FdFlags::CLOEXEC));
        assert!(take_it(&legacy, &mut taken).unwrap_err().contains("taken already"));
        // Also by a fork, which has another list.
        assert!(take_it(&legacy, &mut Taken::new()).unwrap_err().contains("taken already"));
    }

    #[test]
    fn a_strangers_descriptor_is_left_as_it_is() {
        let (mine, theirs) = crate::descriptor::packet_pair().unwrap();
        let flags = FdFlags::empty();
        rustix::io::fcntl_setfd(&mine, flags).unwrap();
        let right = legacy(&mine);
        let mut taken = Taken::new();
        let wrong = [
            ("is another file", Legacy { file: File::of(&theirs).unwrap(), ..right }),
            ("is another file", Legacy { file: File { device: 0, ..right.file }, ..right }),
            ("standard input", Legacy { number: 0, ..right }),
            ("standard input", Legacy { number: 2, ..right }),
            ("standard input", Legacy { number: -1, ..right }),
            ("not open", Legacy { number: 1_000_000, ..right }),
            // The very file, and opened by this process: exec(2) would close it.
            ("taken already", legacy(&theirs)),
        ];
        for (why, legacy) in wrong {
            let error = take_it(&legacy, &mut taken).unwrap_err();
            assert!(error.contains(why), "{legacy}: {error}");
        }
        assert_eq!(rustix::io::fcntl_getfd(&mine).unwrap(), flags);
        // None of them counts as taking it. The number is the endpoint's from here on.
        drop(take_it(&right, &mut taken).unwrap());
        let _ = mine.into_raw_fd();
    }

    #[test]
    fn what_is_no_legacy_is_refused_by_the_variables_name() {
        for text in
            ["", "shm:5", "shm:given:5:1", "shm:given:5:1:2:3", "shm:found:5:1:2", "smoke:given:5:1:2", "\n"]
        {
            let error = take_from("CROSSING_ENDPOINT_x", Some(text.into()), &mut Taken::new()).unwrap_err();
            assert!(error.contains("CROSSING_ENDPOINT_x") && !error.contains('\n'), "{text}: {error}");
        }
        assert!(take_from(VARIABLE, None, &mut Taken::new()).unwrap_err().contains("not set"));
    }

    #[test]
    fn a_name_is_what_every_shell_passes_on() {
        assert_eq!(variable(Some("frames_2")).unwrap(), "CROSSING_ENDPOINT_frames_2");
        assert_eq!(variable(None).unwrap(), "CROSSING_ENDPOINT");
        for name in ["", "a-b", "a b", "a=b", "ä", "a\0", &"x".repeat(LONGEST_NAME + 1)] {
            assert!(variable(Some(name)).unwrap_err().contains("is no name"), "{name}");
        }
        assert!(variable(Some(&"x".repeat(LONGEST_NAME))).is_ok());
    }
}
