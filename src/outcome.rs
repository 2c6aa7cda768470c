//! How a run ends, and its exit code.

use std::fmt::Display;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::render::foreign;

/// A run that came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything asked for was done.
    Done,
    /// A measured run failed; its row says why.
    RunFailed,
    /// A comparison found more than was allowed.
    PastLimit,
    /// Ctrl-C, or another signal that ends a program; what was measured until then was shown.
    Interrupted(i32),
}

impl Outcome {
    /// The end of a run, given the outcome of writing its results.
    ///
    /// A verdict stays the exit code even if stdout fails: a comparison past its limit stays so
    /// when the disk is full, and so does an interruption. Any other run fails if its result cannot
    /// be written.
    pub(crate) fn after(self, written: Result<(), Failure>) -> Result<Outcome, Failure> {
        match (self, written) {
            (ended, Ok(())) => Ok(ended),
            (Outcome::Done | Outcome::RunFailed, Err(failure)) => Err(failure),
            (ended, Err(Failure(sentence))) => {
                note(sentence);
                Ok(ended)
            }
        }
    }
}

/// A run that failed: one sentence for the user that says what is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) String);

impl Failure {
    /// A failure of one sentence.
    pub(crate) fn told(sentence: impl Display) -> Failure {
        Failure(sentence.to_string())
    }
}

/// Combines the outcomes of two writes. If both failed, the first is reported at once, so that
/// neither is lost.
pub(crate) fn both(first: Result<(), Failure>, second: Result<(), Failure>) -> Result<(), Failure> {
    match (first, second) {
        (Err(Failure(sentence)), Err(failure)) => {
            note(sentence);
            Err(failure)
        }
        (first, second) => first.and(second),
    }
}

/// The exit code of a run; a failure is first reported on stderr.
pub(crate) fn exit_code(result: Result<Outcome, Failure>) -> ExitCode {
    ExitCode::from(match result {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::RunFailed) => 1,
        Ok(Outcome::PastLimit) => 3,
        // A shell reports a program ended by a signal with the same number.
        Ok(Outcome::Interrupted(signal)) => u8::try_from(128 + signal).unwrap_or(255),
        Err(Failure(sentence)) => {
            note(sentence);
            2
        }
    })
}

/// Prints one line on stderr. A closed stderr is ignored.
pub(crate) fn note(sentence: impl Display) {
    let line = sentence.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(io::stderr(), "ipcscope: {}", foreign::clean(&line));
}

/// Writes a whole result to stdout. If the reader has gone (`| head`), the rest is dropped and the
/// run goes on.
///
/// # Errors
///
/// A sentence, when it cannot be written: a full disk.
pub(crate) fn print(result: impl AsRef<[u8]>) -> Result<(), Failure> {
    match write_all(&io::stdout(), result.as_ref()) {
        Err(Errno::PIPE) => Ok(()),
        Err(error) => Err(Failure::told(format_args!("cannot write to stdout: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Writes all of `bytes`, even if another program that shares the file has made it non-blocking.
fn write_all(to: &impl AsFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(to, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_stands_whether_or_not_it_can_be_written() {
        let full = || Err(Failure::told("the disk is full"));
        for verdict in [Outcome::PastLimit, Outcome::Interrupted(2)] {
            assert_eq!(verdict.after(full()), Ok(verdict));
        }
        for other in [Outcome::Done, Outcome::RunFailed] {
            assert_eq!(other.after(full()), Err(Failure::told("the disk is full")));
            assert_eq!(other.after(Ok(())), Ok(other));
        }
    }

    #[test]
    fn all_is_written_to_a_pipe_that_is_full_and_does_not_block() {
        let (mut reader, writer) = io::pipe().unwrap();
        rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
        let bytes = vec![7; 1 << 20];
        let read = std::thread::spawn(move || {
            let mut read = Vec::new();
            io::Read::read_to_end(&mut reader, &mut read).map(|_| read)
        });
        write_all(&writer, &bytes).unwrap();
        drop(writer);
        assert!(read.join().unwrap().unwrap() == bytes);
    }
}
