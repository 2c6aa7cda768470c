//! How a run ends, and what the shell is told about it.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// A run that came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Everything asked for was done.
    Done,
    /// A measured run failed; its row says why.
    RunFailed,
    /// A comparison found more than was allowed.
    PastLimit,
    /// Ctrl-C or SIGTERM; what was measured until then was shown.
    Interrupted,
}

/// A run that did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// One sentence for the person: what was wrong, where, what to do.
    Told(String),
    /// Whoever read our stdout has gone (`| head`). Nobody is left to be told, and nothing is wrong.
    ReaderGone,
}

impl Failure {
    /// A failure that is told in one sentence.
    pub(crate) fn told(sentence: impl Display) -> Failure {
        Failure::Told(sentence.to_string())
    }
}

/// The exit code of a run; a failure is told on stderr first.
pub(crate) fn exit_code(result: Result<Ended, Failure>) -> ExitCode {
    ExitCode::from(match result {
        Ok(Ended::Done) | Err(Failure::ReaderGone) => 0,
        Ok(Ended::RunFailed) => 1,
        Ok(Ended::PastLimit) => 3,
        Ok(Ended::Interrupted) => 130,
        Err(Failure::Told(sentence)) => {
            note(sentence);
            2
        }
    })
}

/// Says one line on stderr. A stderr that is closed is no reason to stop.
pub(crate) fn note(sentence: impl Display) {
    let line = sentence.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(io::stderr(), "ipcscope: {line}");
}

/// Writes a result to stdout, all of it.
///
/// # Errors
///
/// [`Failure::ReaderGone`] when the other end is closed, [`Failure::Told`] for anything else (a full disk).
pub(crate) fn print(result: impl AsRef<[u8]>) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(result.as_ref()).and_then(|()| stdout.flush()).map_err(|error| {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Failure::ReaderGone
        } else {
            Failure::told(format_args!("cannot write to stdout: {error}"))
        }
    })
}
