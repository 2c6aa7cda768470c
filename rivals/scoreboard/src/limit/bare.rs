//! What shared memory is held against: copying, and the bare cache lines.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lab::stats::Histogram;
use lab::sys::lines::{Bounce, Lines, Polls};

use super::Job;
use crate::Failed;
use crate::judge::Figures;

pub(super) fn memcpy(job: &Job) -> Figures {
    let (from, mut to) = (vec![1_u8; job.size], vec![0_u8; job.size]);
    let mut copy = |times: u64| {
        for _ in 0..times {
            black_box(&mut to[..]).copy_from_slice(black_box(&from[..]));
        }
    };
    copy((job.messages / 10).max(64));
    let began = job.clock.now();
    copy(job.messages);
    Figures { elapsed_ns: Some(job.clock.ns(job.clock.now() - began)), ..Figures::default() }
}

pub(super) fn dirtied(job: &Job, far: usize) -> Result<Figures, Failed> {
    let (shared, turn) = (Arc::new(Mutex::new(vec![0_u8; job.size])), Arc::new(AtomicU64::new(0)));
    let (bytes, theirs) = (shared.clone(), turn.clone());
    let messages = job.messages;
    let writer = std::thread::spawn(move || {
        let pinned = lab::machine::pin(far).is_ok();
        for n in 0..messages {
            while theirs.load(Ordering::Acquire) != 2 * n {
                std::hint::spin_loop();
            }
            bytes.lock().map(|mut bytes| bytes.fill(n as u8)).ok();
            theirs.store(2 * n + 1, Ordering::Release);
        }
        pinned
    });
    let mut mine = vec![0_u8; job.size];
    let mut samples = Histogram::new();
    for n in 0..messages {
        while turn.load(Ordering::Acquire) != 2 * n + 1 {
            std::hint::spin_loop();
        }
        let bytes = shared.lock().map_err(|_| "the other thread panicked")?;
        let began = job.clock.now();
        mine.copy_from_slice(black_box(&bytes[..]));
        black_box(&mut mine);
        samples.record(job.clock.ns(job.clock.now() - began));
        drop(bytes);
        turn.store(2 * n + 2, Ordering::Release);
    }
    if !writer.join().is_ok_and(|pinned| pinned) {
        return Err("the other thread could not be put in its place".into());
    }
    Ok(Figures::percentiles(&samples, 1))
}

/// Naive: one look after the other, on both sides.
fn bounce(job: &Job) -> Result<Bounce, Failed> {
    let rounds = u32::try_from(job.messages).map_err(|_| "too many messages for a probe")?;
    Ok(Bounce { base: 0, rounds, polls: Polls::Tight, deadline: Duration::from_secs(5) })
}

pub(super) fn probe(lines: &Lines, job: &Job) -> Result<Figures, Failed> {
    let mut samples = Histogram::new();
    if !lines.bounce(true, &bounce(job)?, || job.clock.now(), |ticks| samples.record(job.clock.ns(ticks))) {
        return Err("the far process did not answer".into());
    }
    Ok(Figures::percentiles(&samples, 2))
}

pub(super) fn answer(lines: &Lines, job: &Job) -> Result<Figures, Failed> {
    let answered = lines.bounce(false, &bounce(job)?, || job.clock.now(), |_| {});
    if answered { Ok(Figures::default()) } else { Err("the near process did not ask".into()) }
}
