//! What the loops of all workloads share: why they fail, the warm-up, how far they are, and what they cost.

use std::ops::Range;

use crossing::{Connection, Mechanism, RecvError, SendError};
use thiserror::Error;

use super::payload;
use crate::job::PairJob;
use crate::report::SideUse;
use crate::sys::usage::{Usage, peak_rss_kib, usage};

/// Why a round failed.
#[derive(Debug, Error)]
pub(crate) enum Broken {
    /// The channel would not send.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The channel would not receive.
    #[error(transparent)]
    Recv(#[from] RecvError),
    /// What came was not what was sent.
    #[error(transparent)]
    Mismatch(#[from] payload::Mismatch),
    /// There is nothing to rehearse.
    #[error("told to rehearse before it was told what")]
    NoScore,
}

/// How often a round notes how far it is.
pub(super) const POINTS: u64 = 64;

/// The counted messages in [`POINTS`] stretches, or fewer where there are fewer messages. Between two of them a
/// loop notes how far it is; within one it does not look.
pub(super) fn stretches(job: &PairJob) -> impl Iterator<Item = Range<u64>> + use<> {
    let (warmup, messages) = (job.warmup, job.messages);
    let points = messages.min(POINTS);
    let bound = move |point| warmup + (u128::from(messages) * u128::from(point) / u128::from(points)) as u64;
    (0..points).map(move |point| bound(point)..bound(point + 1))
}

/// Sends the warm-up, and waits until it has been verified.
pub(super) fn send_warmup<M: Mechanism>(
    connection: &mut Connection<M>,
    job: &PairJob,
    message: &mut [u8],
) -> Result<(), Broken> {
    for seq in 0..job.warmup {
        payload::fill(message, seq, 0);
        connection.send(message)?;
    }
    await_signal(connection, job)
}

/// Receives the warm-up and verifies it. The peer waits for our [`signal`] then.
pub(super) fn receive_warmup<M: Mechanism>(
    connection: &mut Connection<M>,
    job: &PairJob,
    message: &mut [u8],
) -> Result<(), Broken> {
    for seq in 0..job.warmup {
        let len = connection.recv(message)?;
        payload::check(&message[..len], job.size(), seq)?;
    }
    Ok(())
}

/// One message that says "I am here": both sides have finished what came before.
pub(super) fn signal<M: Mechanism>(connection: &mut Connection<M>, job: &PairJob) -> Result<(), Broken> {
    Ok(connection.send(&vec![0; job.size()])?)
}

/// Waits for the peer's [`signal`].
pub(super) fn await_signal<M: Mechanism>(
    connection: &mut Connection<M>,
    job: &PairJob,
) -> Result<(), Broken> {
    connection.recv(&mut vec![0; job.size()])?;
    Ok(())
}

/// What this process has cost since `before`, with the peak of its memory until now.
///
/// The peak is read here and not in [`usage`], because reading /proc costs many times what the snapshot
/// does and would stand in the window that the two snapshots bound.
pub(super) fn spent_since(before: &Usage) -> SideUse {
    let now = usage();
    SideUse {
        user_ns: now.user_ns.saturating_sub(before.user_ns),
        system_ns: now.system_ns.saturating_sub(before.system_ns),
        voluntary_switches: now.voluntary.saturating_sub(before.voluntary),
        involuntary_switches: now.involuntary.saturating_sub(before.involuntary),
        minor_faults: now.minor_faults.saturating_sub(before.minor_faults),
        peak_rss_kib: peak_rss_kib().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use crossing::{Kind, WaitStrategy};

    use super::*;
    use crate::clock::Clock;
    use crate::job::Task;
    use crate::plan::Workload;
    use crate::sys::mapping::Mapping;

    #[test]
    fn the_stretches_are_the_counted_messages_in_order() {
        let task = Task::Race(Workload::Stream);
        let job = PairJob::new(task, Kind::Pipe, WaitStrategy::Spin, None, 64, Clock::Monotonic);
        for (warmup, messages) in [(0, 1), (7, 63), (64, 64), (64, 65), (10_000, 1_000_003), (0, u64::MAX)] {
            let job = PairJob { warmup, messages, ..job };
            let all: Vec<_> = stretches(&job).collect();
            assert_eq!(all.len() as u64, messages.min(POINTS));
            assert_eq!((all[0].start, all[all.len() - 1].end), (warmup, warmup + messages));
            assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start), "{all:?}");
        }
    }

    #[test]
    fn a_window_counts_only_what_happened_in_it() {
        let held = vec![1_u8; 8 << 20];
        let before = usage();
        // The heap may give pages that were touched before; a mapping never does.
        let fresh = Mapping::own_page().unwrap();
        fresh.bytes()[0].store(1, Ordering::Relaxed);
        let spent = spent_since(&before);
        std::hint::black_box(&held);
        assert!(spent.minor_faults > 0, "{spent:?}");
        assert!(spent.peak_rss_kib >= 8 << 10, "{spent:?}");
        let later = Usage { voluntary: u64::MAX, ..usage() };
        assert_eq!(spent_since(&later).voluntary_switches, 0);
    }
}
