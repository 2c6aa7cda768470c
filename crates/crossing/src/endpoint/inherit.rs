//! Inheritance: a child takes what its parent has handed over, and nothing else.
//!
//! The parent leaves a descriptor open for the child, and writes into the child's environment which one it is. An environment is
//! inherited further than a descriptor is: by a grandchild, or by what the child becomes with exec(2). There the number may
//! mean another file. So the variable carries the file's device and inode beside the number, and a descriptor that is
//! not that very file is left alone.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;

use crate::descriptor::FIRST_FREE;
use crate::kind::Kind;

/// The variable that tells a child its endpoint.
pub(super) const VARIABLE: &str = "CROSSING_ENDPOINT";

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
        let fault =
            || format!("{VARIABLE}={text} is not <mechanism>:<given or met>:<descriptor>:<device>:<inode>");
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

/// Takes what `text` says, if it was not `taken` yet.
pub(super) fn take(text: Option<String>, taken: &AtomicBool) -> Result<(Legacy, OwnedFd), String> {
    let text = text
        .ok_or_else(|| format!("{VARIABLE} is not set: this process must be started by Endpoint::spawn"))?;
    let legacy: Legacy = text.parse()?;
    let gone = "it was taken already";
    if taken.load(Ordering::Relaxed) {
        return Err(gone.into());
    }
    legacy.look()?;
    // It publishes no data: the thread that sets the flag takes the descriptor.
    if taken.swap(true, Ordering::Relaxed) {
        return Err(gone.into());
    }
    let socket = legacy.take()?;
    Ok((legacy, socket))
}

impl Legacy {
    /// Refuses a number that does not mean the socket that was handed over.
    fn look(&self) -> Result<(), String> {
        let Legacy { number, file, .. } = self;
        let stale = |what: &str| {
            format!(
                "descriptor {number} {what}: {VARIABLE} was meant for another process, and is inherited by whatever that one starts"
            )
        };
        if *number < FIRST_FREE {
            return Err(stale("is standard input, output or error, or no number of a descriptor"));
        }
        let found = crate::sys::with_number(*number, |fd| File::of(fd)).map_err(|_| stale("is not open"))?;
        if found != *file {
            return Err(stale("is another file"));
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

    fn take_it(legacy: &Legacy, taken: &AtomicBool) -> Result<(Legacy, OwnedFd), String> {
        take(Some(legacy.to_string()), taken)
    }

    #[test]
    fn what_was_handed_over_is_taken_once_and_kept_from_the_next_child() {
        let (mine, _theirs) = crate::descriptor::packet_pair().unwrap();
        rustix::io::fcntl_setfd(&mine, rustix::io::FdFlags::empty()).unwrap();
        let legacy = legacy(&mine);
        let number = mine.into_raw_fd();
        let taken = AtomicBool::new(false);
        let (told, socket) = take_it(&legacy, &taken).unwrap();
        assert_eq!((told.kind, told.how, socket.as_raw_fd()), (Kind::Shm, How::Given, number));
        assert!(rustix::io::fcntl_getfd(&socket).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        assert!(take_it(&legacy, &taken).unwrap_err().contains("taken already"));
    }

    #[test]
    fn a_strangers_descriptor_is_left_as_it_is() {
        let (mine, theirs) = crate::descriptor::packet_pair().unwrap();
        let flags = rustix::io::FdFlags::empty();
        rustix::io::fcntl_setfd(&mine, flags).unwrap();
        let right = legacy(&mine);
        let taken = AtomicBool::new(false);
        let wrong = [
            ("is another file", Legacy { file: File::of(&theirs).unwrap(), ..right }),
            ("is another file", Legacy { file: File { device: 0, ..right.file }, ..right }),
            ("standard input", Legacy { number: 0, ..right }),
            ("standard input", Legacy { number: 2, ..right }),
            ("standard input", Legacy { number: -1, ..right }),
            ("not open", Legacy { number: 1_000_000, ..right }),
        ];
        for (why, legacy) in wrong {
            let error = take_it(&legacy, &taken).unwrap_err();
            assert!(error.contains(why), "{legacy}: {error}");
        }
        assert_eq!(rustix::io::fcntl_getfd(&mine).unwrap(), flags);
        // None of them counts as taking it. The number is the endpoint's from here on.
        drop(take_it(&right, &taken).unwrap());
        let _ = mine.into_raw_fd();
    }

    #[test]
    fn what_is_no_legacy_is_refused_by_the_variables_name() {
        for text in
            ["", "shm:5", "shm:given:5:1", "shm:given:5:1:2:3", "shm:found:5:1:2", "smoke:given:5:1:2"]
        {
            let error = take(Some(text.into()), &AtomicBool::new(false)).unwrap_err();
            assert!(error.contains(VARIABLE), "{text}: {error}");
        }
        assert!(take(None, &AtomicBool::new(false)).unwrap_err().contains("not set"));
    }
}
