//! The loops that are measured. Each is generic over the link, so that the compiler sees through it.

use crate::clock;
use crate::{Failure, Job, Link, News, Outcome, Result, payload};

/// What the second side tells the first: how many messages were right, and when the last one was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    pub(crate) verified: u64,
    pub(crate) last_ticks: u64,
}

#[inline]
fn send(link: &mut impl Link, seq: u64) -> Result<()> {
    link.send(|message| payload::make(message, seq))
}

#[inline]
fn receive(link: &mut impl Link, job: &Job, seq: u64) -> Result<()> {
    link.receive(|message| payload::verify(message, job.size_bytes, seq))
}

/// The first side.
pub(crate) fn initiate(link: &mut impl Link, job: &Job, news: &mut News) -> Result<Outcome> {
    let mut samples = Vec::new();
    let elapsed_ticks;
    let report;
    if job.streams() {
        let first = pour(link, job, news)?;
        report = news.hear_report()?;
        elapsed_ticks = clock::between(first, report.last_ticks)?;
    } else {
        samples = room(job)?;
        elapsed_ticks = ping(link, job, &mut samples)?;
        report = news.hear_report()?;
    }
    if report.verified != job.warmup + job.messages {
        return Err(Failure::Failed(format!("only {} verified", report.verified)));
    }
    let latency_ns = samples.into_iter().map(|ticks| job.clock.ns(ticks, 2)).collect();
    Ok(Outcome {
        verified: report.verified - job.warmup,
        elapsed_ns: job.clock.ns(elapsed_ticks, 1),
        latency_ns,
    })
}

/// The second side.
pub(crate) fn respond(link: &mut impl Link, job: &Job, news: &mut News) -> Result<Report> {
    if job.streams() { drain(link, job, news) } else { pong(link, job) }
}

/// A place for each sample, touched before the clock runs.
fn room(job: &Job) -> Result<Vec<u64>> {
    let mut samples = Vec::new();
    let count = usize::try_from(job.messages)?;
    samples.try_reserve_exact(count)?;
    samples.resize(count, 0);
    samples.fill(std::hint::black_box(1));
    Ok(samples)
}

/// Times every round trip; one clock reading ends one and starts the next. Returns the whole in ticks.
fn ping(link: &mut impl Link, job: &Job, samples: &mut [u64]) -> Result<u64> {
    let mut round_trip = |seq| -> Result<()> {
        send(link, seq)?;
        link.flush()?;
        receive(link, job, seq)
    };
    (0..job.warmup).try_for_each(&mut round_trip)?;
    let first = job.clock.now_ticks();
    let mut last = first;
    for (seq, sample) in (job.warmup..).zip(samples) {
        round_trip(seq)?;
        let now = job.clock.now_ticks();
        *sample = clock::between(last, now)?;
        last = now;
    }
    clock::between(first, last)
}

/// Answers each message that it has verified by one of the same number.
fn pong(link: &mut impl Link, job: &Job) -> Result<Report> {
    let end = job.warmup + job.messages;
    for seq in 0..end {
        receive(link, job, seq)?;
        send(link, seq)?;
        link.flush()?;
    }
    Ok(Report { verified: end, last_ticks: job.clock.now_ticks() })
}

/// Sends one message after the other. Returns when the first one that counts was begun.
fn pour(link: &mut impl Link, job: &Job, news: &mut News) -> Result<u64> {
    (0..job.warmup).try_for_each(|seq| send(link, seq))?;
    link.flush()?;
    news.hear()?; // nothing of the warm-up is left on the way
    let first = job.clock.now_ticks();
    (job.warmup..job.warmup + job.messages).try_for_each(|seq| send(link, seq))?;
    link.flush()?;
    Ok(first)
}

/// Takes and verifies every message.
fn drain(link: &mut impl Link, job: &Job, news: &mut News) -> Result<Report> {
    (0..job.warmup).try_for_each(|seq| receive(link, job, seq))?;
    news.say()?;
    let end = job.warmup + job.messages;
    (job.warmup..end).try_for_each(|seq| receive(link, job, seq))?;
    Ok(Report { verified: end, last_ticks: job.clock.now_ticks() })
}
