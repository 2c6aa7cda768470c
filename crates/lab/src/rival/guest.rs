//! A guest: a rival's program while it runs.
//!
//! It is the first of a process group of its own. Its answer is what it has written when it ends; a helper that lives longer
//! and holds its output open changes nothing. Whatever happens, the whole group is ended, and no wait lasts longer than its
//! deadline or goes on when the lab is told to stop.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

use crate::lookout::{self, WaitCut};
use crate::machine::killed_by;
use crate::peer::PeerFault;

/// The longest answer that is believed, in bytes.
const ANSWER_LIMIT: usize = 16 << 20;
/// How much of a sentence of a rival's is shown, in characters.
const SENTENCE_LIMIT: usize = 200;
/// How long a guest may take to end once it has closed its output.
const PARTING: Duration = Duration::from_secs(10);
/// How often the lab looks whether a guest has ended where the kernel gives no descriptor of a process.
const WITHOUT_PIDFD: Duration = Duration::from_millis(20);

/// The running groups, so that a hurried end of this process can end them first.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<Pid>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills every guest that runs, with all that it started. For a process that is about to exit without cleaning up: the
/// measured processes of the lab die with it, guests would not.
pub fn end_guests() {
    for &group in running().iter() {
        // Fails only for what is gone.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// A rival that runs. Dropped, it is killed and reaped, and its second process with it.
pub(super) struct Guest {
    child: Child,
    reaped: bool,
    /// `None` where the kernel does not give one.
    pidfd: Option<OwnedFd>,
    /// What it says on stderr.
    complaint: File,
}

impl Guest {
    pub(super) fn start(command: &mut Command, line: Option<&[u8]>) -> io::Result<Guest> {
        let stdin = if line.is_some() { Stdio::piped() } else { Stdio::null() };
        // A file and not a pipe, so that a rival that prints a lot never waits for a reader.
        let complaint = File::from(memfd_create("ipcscope-rival-stderr", MemfdFlags::CLOEXEC)?);
        let command = command.stdin(stdin).stdout(Stdio::piped()).stderr(complaint.try_clone()?);
        let child = command.process_group(0).spawn()?;
        let group = Pid::from_child(&child);
        running().push(group);
        // Where memory runs out the kernel shall end the guest, and not the lab. Refused only where /proc cannot be written.
        let _ = std::fs::write(format!("/proc/{}/oom_score_adj", child.id()), "1000");
        let pidfd = pidfd_open(group, PidfdFlags::empty()).ok();
        let mut guest = Guest { child, reaped: false, pidfd, complaint };
        if let (Some(line), Some(mut stdin)) = (line, guest.child.stdin.take()) {
            match stdin.write_all(line) {
                // It ended without reading: how it ended says more.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                written => written?,
            }
        }
        Ok(guest)
    }

    /// Everything it says until it ends, if it ends well.
    pub(super) fn answer(mut self, deadline: Instant, stop: &AtomicBool) -> Result<Vec<u8>, PeerFault> {
        let failed = |error: &dyn std::fmt::Display| PeerFault::Failed(error.to_string());
        let mut stdout = self.child.stdout.take().ok_or_else(|| failed(&"it has no output"))?;
        rustix::io::ioctl_fionbio(&stdout, true).map_err(|errno| failed(&errno))?;
        let mut answer = Vec::new();
        while !self.has_ended() {
            self.wait(Some(&stdout), deadline, "it did not answer in time", stop)?;
            if take(&mut stdout, &mut answer)? {
                break;
            }
        }
        let parting = deadline.min(Instant::now() + PARTING);
        while !self.has_ended() {
            self.wait(None, parting, "it closed its output, and did not end in time", stop)?;
        }
        // In this order: what it has started cannot go on writing, and what it has written is still there.
        self.end_group();
        take(&mut stdout, &mut answer)?;
        let ended = self.child.wait();
        self.reaped = true;
        match ended {
            Ok(status) if status.success() => Ok(answer),
            Ok(status) => Err(self.ended_badly(status)),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Whether it has ended. It is not reaped: its number, and that of its group, stay its own.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // An error means that it was already reaped; how it ended is checked later.
        !matches!(waitid(WaitId::Pid(Pid::from_child(&self.child)), options), Ok(None))
    }

    /// Waits for its end, or for something in `stdout`; past the deadline it has failed because of `late`.
    fn wait(
        &self,
        stdout: Option<&ChildStdout>,
        deadline: Instant,
        late: &str,
        stop: &AtomicBool,
    ) -> Result<(), PeerFault> {
        let stdout = stdout.map(|stdout| PollFd::new(stdout, PollFlags::IN));
        let pidfd = self.pidfd.as_ref().map(|pidfd| PollFd::new(pidfd, PollFlags::IN));
        let mut fds: Vec<PollFd<'_>> = stdout.into_iter().chain(pidfd).collect();
        let soon = self.pidfd.is_none().then(|| Instant::now() + WITHOUT_PIDFD);
        match lookout::wait(&mut fds, Some(soon.map_or(deadline, |soon| soon.min(deadline))), stop) {
            Ok(()) => Ok(()),
            Err(WaitCut::Late) if Instant::now() < deadline => Ok(()),
            Err(WaitCut::Late) => Err(PeerFault::Failed(late.into())),
            Err(WaitCut::Stopped) => Err(PeerFault::Stopped),
            Err(WaitCut::Refused(errno)) => Err(PeerFault::Failed(format!("cannot wait for it: {errno}"))),
        }
    }

    /// Kills everything that it has started and that still runs.
    fn end_group(&self) {
        // Fails only for a group that is gone. Its leader was not reaped, so the number is still its own.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }

    fn ended_badly(&mut self, status: ExitStatus) -> PeerFault {
        let killed = status.signal() == Some(Signal::KILL.as_raw());
        PeerFault::Failed(match self.last_words() {
            words if words.is_empty() && killed => format!("it was killed: {}", killed_by()),
            words if words.is_empty() => format!("it ended with {status}"),
            words => format!("it ended with {status}: {words}"),
        })
    }

    /// The last line that it wrote to stderr.
    fn last_words(&mut self) -> String {
        const TAIL: u64 = 4096;
        let mut tail = Vec::new();
        let length = self.complaint.stream_position().unwrap_or(0);
        let from = SeekFrom::Start(length.saturating_sub(TAIL));
        let read =
            self.complaint.seek(from).and_then(|_| (&self.complaint).take(TAIL).read_to_end(&mut tail));
        let text = String::from_utf8_lossy(&tail);
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).filter(|_| read.is_ok());
        last.map(sentence).unwrap_or_default()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.child);
        // Once it is reaped its number may be another's, and its group was ended before.
        if !self.reaped {
            self.end_group();
            // Fails only for what is gone.
            let _ = self.child.wait();
        }
        running().retain(|&other| other != group);
    }
}

/// Takes what is there to be read; whether that was the end of it.
fn take(stdout: &mut ChildStdout, answer: &mut Vec<u8>) -> Result<bool, PeerFault> {
    let mut bytes = [0; 16 << 10];
    loop {
        match stdout.read(&mut bytes) {
            Ok(0) => return Ok(true),
            Ok(read) => answer.extend_from_slice(&bytes[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(PeerFault::Failed(error.to_string())),
        }
        if answer.len() > ANSWER_LIMIT {
            return Err(PeerFault::Failed(format!("its answer is longer than {ANSWER_LIMIT} bytes")));
        }
    }
}

/// A guest's sentence, fit to be shown: one line, no control characters, not too long.
pub(super) fn sentence(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.take(SENTENCE_LIMIT).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_cannot_write_on_the_terminal() {
        assert_eq!(sentence("\x1b[31mred\nand\tmore\x07 "), "[31mred and more");
        assert_eq!(sentence(&"ä".repeat(1_000)).chars().count(), SENTENCE_LIMIT);
    }

    fn shell(script: &str) -> Guest {
        Guest::start(Command::new("sh").args(["-c", script]), Some(b"a job\n")).unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(300)
    }

    fn failure(guest: Guest, deadline: Instant) -> String {
        match guest.answer(deadline, &AtomicBool::new(false)) {
            Err(PeerFault::Failed(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_that_hangs_is_killed_with_all_that_it_started() {
        let mut guest = shell("sleep 1000 & echo $!; wait");
        let mut pid = [0; 16];
        let read = guest.child.stdout.as_mut().unwrap().read(&mut pid).unwrap();
        let sleeper = String::from_utf8_lossy(&pid[..read]).trim().to_owned();
        assert!(!gone(&sleeper), "{sleeper}");
        assert_eq!(failure(guest, soon()), "it did not answer in time");
        eventually_gone(&sleeper);
    }

    #[test]
    fn one_that_ends_badly_has_the_last_word() {
        let later = Instant::now() + Duration::from_secs(20);
        assert!(
            failure(shell("echo first >&2; echo last >&2; exit 3"), later).ends_with("exit status: 3: last")
        );
        assert!(failure(shell("exit 3"), later).ends_with("exit status: 3"));
        let noisy = failure(
            shell("yes a line of no use | head -c 3000000 >&2; echo >&2; echo end >&2; exit 1"),
            later,
        );
        assert!(noisy.ends_with(": end"), "{noisy}");
        let flood = failure(shell("yes"), later);
        assert!(flood.contains("longer than"), "{flood}");
    }

    /// Whether a process is gone, or waits to be reaped by the process that inherits orphans.
    fn gone(pid: &str) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
    }

    fn eventually_gone(pid: &str) {
        let patience = Instant::now() + Duration::from_secs(60);
        while !gone(pid) {
            assert!(Instant::now() < patience, "{pid} is still there");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn an_answer_counts_when_its_guest_has_ended_whoever_holds_the_output_open() {
        for helper in ["sleep 1000", "trap '' HUP TERM; sleep 1000"] {
            let guest = shell(&format!("({helper}) & echo $!"));
            let never = AtomicBool::new(false);
            let answer = guest.answer(Instant::now() + Duration::from_secs(600), &never).unwrap();
            let answer = String::from_utf8(answer).unwrap();
            eventually_gone(answer.lines().find(|line| line.parse::<u32>().is_ok()).unwrap());
        }
    }

    #[test]
    fn one_that_failed_has_failed_whoever_holds_the_output_open() {
        let later = Instant::now() + Duration::from_secs(600);
        let why = failure(shell("sleep 1000 & echo no >&2; exit 4"), later);
        assert!(why.ends_with("exit status: 4: no"), "{why}");
    }

    #[test]
    fn one_that_is_killed_says_what_may_have_killed_it_and_goes_before_the_lab() {
        let later = Instant::now() + Duration::from_secs(600);
        let why = failure(shell("kill -9 $$"), later);
        assert!(why.contains("it was killed: SIGKILL") && why.contains("memory"), "{why}");
        let score = shell("read -r job; cat /proc/self/oom_score_adj").answer(later, &AtomicBool::new(false));
        assert_eq!(score.unwrap(), b"1000\n");
    }

    #[test]
    fn one_that_closes_its_output_and_stays_is_bounded_and_obeys() {
        let stays = "echo an answer; exec >&-; exec sleep 1000";
        let mut guest = shell(stays);
        // It has closed its output before its time begins, however busy the machine is.
        guest.child.stdout.as_mut().unwrap().read_to_end(&mut Vec::new()).unwrap();
        let why = failure(guest, Instant::now() + Duration::from_secs(3));
        assert!(why.contains("did not end in time"), "{why}");
        let stop = AtomicBool::new(false);
        let far = Instant::now() + Duration::from_secs(600);
        let stopped = std::thread::scope(|scope| {
            let running = scope.spawn(|| shell(stays).answer(far, &stop));
            std::thread::sleep(Duration::from_millis(100));
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            running.join().unwrap()
        });
        assert_eq!(stopped.unwrap_err(), PeerFault::Stopped);
    }

    #[test]
    fn whoever_ends_in_a_hurry_ends_the_guests_first() {
        // Another test's guest could be meant, too: this is a process of its own.
        let exe = std::env::current_exe().unwrap();
        let ended = Command::new(exe)
            .args(["--exact", "rival::guest::tests::a_guest_and_a_hurry", "--ignored", "--nocapture"])
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stdout).unwrap();
        let pid = said.lines().find_map(|line| line.strip_prefix("the helper is ")).expect(&said);
        eventually_gone(pid);
    }

    #[test]
    #[ignore = "started by the test above"]
    fn a_guest_and_a_hurry() {
        let mut guest = shell("sleep 1000 & echo $!; wait");
        let mut pid = [0; 16];
        let read = guest.child.stdout.as_mut().unwrap().read(&mut pid).unwrap();
        println!("\nthe helper is {}", String::from_utf8_lossy(&pid[..read]).trim());
        end_guests();
        std::process::exit(0);
    }
}
