//! The signals that end a program: Ctrl-C, a terminal that is gone, a batch system whose patience is over.
//!
//! The first one asks the work to stop, so that what was measured is kept and printed. The next one ends the program at once, and so does
//! the first when all results are safe and only a reader keeps the program waiting. A signal that was ignored when the program
//! was started stays ignored: `nohup` means it.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::{fs, io};

use lab::sys::signals::ENDING;
use rustix::io::Errno;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use signal_hook::low_level;

use crate::outcome::{Failure, Outcome};

/// Whether this program was asked to end, and by what.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interruption {
    stop: Arc<AtomicBool>,
    first: Arc<AtomicI32>,
    safe: Arc<AtomicBool>,
}

impl Interruption {
    /// Watches from now on; `heard` is called at the first signal.
    ///
    /// # Errors
    ///
    /// A sentence, when the kernel gives no handler or no thread.
    pub(crate) fn watch(heard: impl Fn() + Send + 'static) -> Result<Interruption, Failure> {
        let told = |error| Failure::told(format_args!("cannot watch for Ctrl-C: {error}"));
        let interruption = Interruption::default();
        let (read, write) = UnixStream::pair().map_err(told)?;
        let mut signals = SignalDelivery::with_pipe(read, write, SignalOnly, watched()).map_err(told)?;
        let watching = interruption.clone();
        // `Signals` panics where nothing can be read. Here, nothing is heard then.
        let watch = move || {
            while let Ok(Some(pending)) = signals.poll_pending(&mut has_come) {
                pending.for_each(|signal| watching.hear(signal, &heard));
            }
        };
        std::thread::Builder::new().name("signals".into()).spawn(watch).map_err(told)?;
        Ok(interruption)
    }

    fn hear(&self, signal: i32, heard: &impl Fn()) {
        if self.stop.load(Ordering::SeqCst) || self.safe.load(Ordering::SeqCst) {
            lab::end_guests();
            low_level::exit(128 + signal);
        }
        self.first.store(signal, Ordering::SeqCst);
        self.stop.store(true, Ordering::SeqCst);
        heard();
    }

    /// Set by the first signal.
    pub(crate) fn stop(&self) -> &Arc<AtomicBool> {
        &self.stop
    }

    /// How a run ends that was cut short by the first signal; `None` if there was none.
    pub(crate) fn ended(&self) -> Option<Outcome> {
        Some(self.first.load(Ordering::SeqCst)).filter(|&signal| signal != 0).map(Outcome::Interrupted)
    }

    /// All results are safe: from now on every signal ends the program at once.
    pub(crate) fn results_are_safe(&self) {
        self.safe.store(true, Ordering::SeqCst);
    }
}

/// Waits until a handler has written that there is a signal.
fn has_come(signals: &mut UnixStream) -> io::Result<bool> {
    loop {
        match rustix::io::read(&*signals, &mut [0]) {
            Ok(read) => return Ok(read > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The signals that end this program and were not ignored when it was started.
fn watched() -> impl Iterator<Item = i32> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = ignored(&status);
    ENDING.into_iter().filter(move |signal| ignored & (1 << (signal - 1)) == 0)
}

/// The mask of ignored signals in a text like /proc/self/status: bit n − 1 is signal n (proc_pid_status(5)).
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// A program that was started with SIGCHLD ignored cannot wait for its own processes (waitpid(2)): a handler that does nothing
/// gives that back.
pub(crate) fn children_can_be_waited_for() -> Result<(), Failure> {
    let signal = signal_hook::consts::SIGCHLD;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if ignored(&status) & (1 << (signal - 1)) == 0 {
        return Ok(());
    }
    let registered = signal_hook::flag::register(signal, Arc::default());
    registered.map(drop).map_err(|error| Failure::told(format_args!("cannot watch for SIGCHLD: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read_from_the_mask() {
        let status =
            "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001003\nSigCgt:\t0000000000000000\n";
        assert_eq!(ignored(status), 0x1003, "SIGHUP, SIGINT, SIGPIPE");
        assert_eq!([ignored(""), ignored("SigIgn:\tx\n")], [0, 0]);
    }
}
