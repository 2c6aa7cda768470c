//! The floor: two cache lines bounced between two processes, which is what the hardware itself takes for a
//! message.
//!
//! Both processes map one memfd and both are the lab's own: this is a measuring instrument, not a channel.
//! The first writes a number to line 0 and waits for it on line 1; the second does the reverse.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::mapping::{self, Mapping};

/// Idle polls between two looks at the deadline.
const POLLS_PER_LOOK: u32 = 4096;

/// Ticks between two polls of [`Polls::Tsc`]: about 20 ns where a tick is a third of a nanosecond.
#[cfg(target_arch = "x86_64")]
const TICKS_PER_POLL: u64 = 60;

/// How the polls of a waiting side are spaced. It matters: a reader that hammers a line fights the writer for
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Polls {
    /// One load after the other.
    Tight,
    /// The processor's pause hint between two loads.
    Pause,
    /// A fixed number of clock ticks between two loads; the same as [`Polls::Pause`] where there is no such
    /// counter.
    Tsc,
}

impl Polls {
    /// Every spacing.
    pub const ALL: [Polls; 3] = [Polls::Tight, Polls::Pause, Polls::Tsc];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Polls::Tight => "tight",
            Polls::Pause => "pause",
            Polls::Tsc => "tsc",
        }
    }
}

/// One bounce, the same for both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounce {
    /// The numbers from `base + 1` to [`Bounce::end`] are this bounce's own. Two bounces over the same lines,
    /// finished or not, must not share a number: begin with 0 and go on with the previous one's `end`.
    pub base: u64,
    /// Round trips that are stamped. One more goes before them, unstamped: it waits until both sides are
    /// there.
    pub rounds: u32,
    /// How both sides poll.
    pub polls: Polls,
    /// How long one answer may take before the peer is given up.
    pub deadline: Duration,
}

impl Bounce {
    /// The last number this bounce uses: the next one's `base`.
    pub fn end(&self) -> u64 {
        self.base + u64::from(self.rounds) + 1
    }
}

/// The word that the first side writes.
const THERE: usize = 0;

/// The word that the second side writes: 128 bytes on, because processors fetch neighbouring 64-byte lines in pairs.
const BACK: usize = 128 / size_of::<AtomicU64>();

/// Two cache lines that two processes share.
#[derive(Debug)]
pub struct Lines(Mapping);

impl Lines {
    /// Makes the lines and maps them; the descriptor (close-on-exec) is for the other process.
    ///
    /// # Errors
    /// As [`mapping::page`] and [`Mapping::page`].
    pub fn create() -> io::Result<(Lines, OwnedFd)> {
        let fd = mapping::page("ipcscope-floor")?;
        Ok((Lines::map(&fd)?, fd))
    }

    /// Maps lines that were made by another process.
    ///
    /// # Errors
    /// As [`Mapping::page`].
    pub fn map(fd: impl AsFd) -> io::Result<Lines> {
        Mapping::page(fd).map(Lines)
    }

    /// Leaves `number` on the line of this side, for the other to find: the first writes to its own line, as in a
    /// bounce.
    pub fn leave(&self, first: bool, number: u64) {
        let (mine, _) = self.words(first);
        // Publishes nothing but itself.
        mine.store(number, Ordering::Release);
    }

    /// What the other side has left last; 0 in the beginning.
    pub fn found(&self, first: bool) -> u64 {
        let (_, theirs) = self.words(first);
        theirs.load(Ordering::Acquire)
    }

    /// The word of this side, and of the other.
    fn words(&self, first: bool) -> (&AtomicU64, &AtomicU64) {
        let words = self.0.words();
        if first { (&words[THERE], &words[BACK]) } else { (&words[BACK], &words[THERE]) }
    }

    /// Bounces a growing number: the side with `first` begins, the other answers. Both block until it is done.
    ///
    /// `each` is called by the first side after every stamped round trip with its length in ticks of `now`.
    /// There is one clock reading for each round trip, since the end of one is the start of the next; what
    /// `each` does is therefore part of the next sample, as in the ping-pong workload.
    ///
    /// Returns false when the peer did not answer in time. The lines can be used again after that, with a
    /// fresh base.
    #[must_use]
    pub fn bounce(&self, first: bool, job: &Bounce, now: impl Fn() -> u64, each: impl FnMut(u64)) -> bool {
        match job.polls {
            Polls::Tight => self.side(first, job, now, each, || {}),
            Polls::Pause => self.side(first, job, now, each, std::hint::spin_loop),
            Polls::Tsc => self.side(first, job, now, each, wait_some_ticks),
        }
    }

    #[inline]
    fn side(
        &self,
        first: bool,
        job: &Bounce,
        now: impl Fn() -> u64,
        mut each: impl FnMut(u64),
        pause: impl Fn(),
    ) -> bool {
        let (mine, theirs) = self.words(first);
        let numbers = job.base + 1..=job.end();
        if first {
            let mut began = None;
            for number in numbers {
                mine.store(number, Ordering::Release);
                if !arrives(theirs, number, job.deadline, &pause) {
                    return false;
                }
                let ended = now();
                if let Some(began) = began {
                    each(ended.saturating_sub(began));
                }
                began = Some(ended);
            }
        } else {
            for number in numbers {
                if !arrives(theirs, number, job.deadline, &pause) {
                    return false;
                }
                mine.store(number, Ordering::Release);
            }
        }
        true
    }
}

/// Polls until `line` holds `number`; false when it has not come by the deadline.
#[inline]
fn arrives(line: &AtomicU64, number: u64, deadline: Duration, pause: &impl Fn()) -> bool {
    let mut since = None;
    loop {
        for _ in 0..POLLS_PER_LOOK {
            // Acquire pairs with the peer's release: the same pair of orderings that publishes a message.
            if line.load(Ordering::Acquire) == number {
                return true;
            }
            pause();
        }
        if since.get_or_insert_with(Instant::now).elapsed() >= deadline {
            return line.load(Ordering::Acquire) == number;
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn wait_some_ticks() {
    let began = super::tsc::tsc();
    while super::tsc::tsc().wrapping_sub(began) < TICKS_PER_POLL {}
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn wait_some_ticks() {
    std::hint::spin_loop();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::monotonic::monotonic_ns;

    const DEADLINE: Duration = Duration::from_secs(20);

    fn job(base: u64, rounds: u32, polls: Polls) -> Bounce {
        Bounce { base, rounds, polls, deadline: DEADLINE }
    }

    #[test]
    fn every_round_trip_is_stamped_once_and_bounces_follow_each_other() {
        let (ours, fd) = Lines::create().unwrap();
        let theirs = Lines::map(&fd).unwrap();
        // Few rounds: on a machine with one core each of them takes a time slice.
        let plan: Vec<Bounce> = Polls::ALL
            .into_iter()
            .scan(0, |base, polls| {
                let job = job(*base, 20, polls);
                *base = job.end();
                Some(job)
            })
            .collect();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for job in &plan {
                    assert!(theirs.bounce(false, job, monotonic_ns, |_| panic!("the second side stamped")));
                }
            });
            for job in &plan {
                let mut stamped = 0;
                assert!(ours.bounce(true, job, monotonic_ns, |_| stamped += 1));
                assert_eq!(stamped, job.rounds);
            }
        });
    }

    #[test]
    fn a_silent_peer_is_given_up_and_the_lines_can_be_used_again() {
        let (ours, fd) = Lines::create().unwrap();
        let theirs = Lines::map(&fd).unwrap();
        let given_up = Bounce { deadline: Duration::from_millis(5), ..job(0, 10, Polls::Pause) };
        for first in [true, false] {
            assert!(!ours.bounce(first, &given_up, monotonic_ns, |_| {}));
        }
        let next = job(given_up.end(), 5, Polls::Pause);
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(theirs.bounce(false, &next, monotonic_ns, |_| {})));
            assert!(ours.bounce(true, &next, monotonic_ns, |_| {}));
        });
    }

    #[test]
    fn what_one_side_leaves_the_other_finds() {
        let (ours, fd) = Lines::create().unwrap();
        let theirs = Lines::map(&fd).unwrap();
        assert_eq!((ours.found(true), theirs.found(false)), (0, 0));
        theirs.leave(false, 7);
        assert_eq!((ours.found(true), theirs.found(false)), (7, 0));
        ours.leave(true, 9);
        assert_eq!(theirs.found(false), 9);
    }

    #[test]
    fn a_foreign_file_is_refused() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert_eq!(Lines::map(file).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
