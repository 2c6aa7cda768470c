//! What is measured over a channel of shared memory: the loops of both processes.

use std::fs;
use std::ops::Range;

use crossing::{Config, Connection, Endpoint, Receiver, Sender, Shm};
use lab::payload;
use lab::stats::Histogram;

use super::{Found, Job, Measure};
use crate::Failed;

/// How a message is made and verified.
trait Payload {
    fn make(message: &mut [u8], n: u64);
    fn is(message: &[u8], len: usize, n: u64) -> bool;
}

/// Its number at both ends, and nothing in between.
struct Ends;

impl Payload for Ends {
    #[inline(always)]
    fn make(message: &mut [u8], n: u64) {
        let last = message.len() - 8;
        message[..8].copy_from_slice(&n.to_le_bytes());
        message[last..].copy_from_slice(&n.to_le_bytes());
    }

    #[inline(always)]
    fn is(message: &[u8], len: usize, n: u64) -> bool {
        let n = &n.to_le_bytes();
        message.len() == len && message.first_chunk() == Some(n) && message.last_chunk() == Some(n)
    }
}

/// Every byte, as in a race.
struct Words;

impl Payload for Words {
    #[inline(always)]
    fn make(message: &mut [u8], n: u64) {
        payload::fill(message, n, 0);
    }

    #[inline(always)]
    fn is(message: &[u8], len: usize, n: u64) -> bool {
        payload::check(message, len, n).is_ok()
    }
}

pub(super) fn near(endpoint: Endpoint, job: &Job) -> Result<Found, Failed> {
    let mut connection = connect(endpoint, job)?;
    match (job.measure, job.words) {
        (Measure::Memory, _) => memory(&mut connection),
        (_, true) => sends::<Words>(&mut connection, job),
        (_, false) => sends::<Ends>(&mut connection, job),
    }
}

pub(super) fn far(endpoint: Endpoint, job: &Job) -> Result<(), Failed> {
    let mut connection = connect(endpoint, job)?;
    match (job.measure, job.words) {
        (Measure::Memory, _) => Ok(connection.send(&own_bytes()?.to_le_bytes())?),
        (_, true) => receives::<Words>(&mut connection, job),
        (_, false) => receives::<Ends>(&mut connection, job),
    }
}

pub(super) fn connect(endpoint: Endpoint, job: &Job) -> Result<Connection<Shm>, Failed> {
    let usual = Config::default();
    if job.measure == Measure::Memory {
        return Ok(endpoint.connect_as::<Shm>(&usual)?);
    }
    let capacity_bytes = if job.ring == 0 { usual.capacity_bytes } else { job.ring };
    let config = Config { max_message: longest(job), wait: job.wait, capacity_bytes, ..usual };
    Ok(endpoint.connect_as::<Shm>(&config)?)
}

/// The longest message: of variable length up to half as long again.
fn longest(job: &Job) -> usize {
    if job.measure == Measure::Variable { job.size + job.size / 2 } else { job.size }
}

/// How long message `n` is.
#[inline(always)]
fn length(job: &Job, n: u64) -> usize {
    if job.measure != Measure::Variable {
        return job.size;
    }
    let part = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    (job.size / 2 + part as usize % job.size) & !7
}

/// The messages that are not counted, and those that are.
pub(super) fn parts(job: &Job) -> [Range<u64>; 2] {
    let warmup = (job.messages / 10).max(64);
    [0..warmup, warmup..warmup + job.messages]
}

/// The process that sends, and asks.
fn sends<P: Payload>(connection: &mut Connection<Shm>, job: &Job) -> Result<Found, Failed> {
    let clock = job.clock;
    let mut message = vec![0; longest(job)];
    let mut found = Found::default();
    for part in parts(job) {
        let began = clock.now();
        match job.measure {
            Measure::Corked => {
                let mut cork = connection.cork();
                for n in part {
                    let message = &mut message[..job.size];
                    P::make(message, n);
                    cork.send(message)?;
                }
                cork.flush()?;
            }
            Measure::RoundTrip => found = round_trips::<P>(connection, job, part, &mut message)?,
            Measure::OneWay => {
                for _ in part {
                    let message = &mut message[..job.size];
                    // Its time is its number.
                    Ends::make(message, clock.now());
                    connection.send(message)?;
                    connection.recv(message)?;
                }
            }
            _ => {
                for n in part {
                    let message = &mut message[..length(job, n)];
                    P::make(message, n);
                    connection.send(message)?;
                }
            }
        }
        match job.measure {
            Measure::OneWay => found = told(connection.receiver(), &mut message)?,
            Measure::RoundTrip => {}
            _ => {
                connection.recv(&mut message)?;
                found.elapsed_ns = Some(clock.ns(clock.now() - began));
            }
        }
    }
    Ok(found)
}

fn round_trips<P: Payload>(
    connection: &mut Connection<Shm>,
    job: &Job,
    part: Range<u64>,
    message: &mut [u8],
) -> Result<Found, Failed> {
    let mut samples = Histogram::new();
    let mut began = job.clock.now();
    for n in part {
        P::make(&mut message[..job.size], n);
        connection.send(&message[..job.size])?;
        let len = connection.recv(message)?;
        if !P::is(&message[..len], job.size, n) {
            return Err(format!("answer {n} is not the one that was due").into());
        }
        // One reading for each: the end of one is the start of the next.
        let now = job.clock.now();
        samples.record(job.clock.ns(now - began));
        began = now;
    }
    Ok(Found::percentiles(&samples, 2))
}

/// The process that receives, and answers.
fn receives<P: Payload>(connection: &mut Connection<Shm>, job: &Job) -> Result<(), Failed> {
    let mut message = vec![0; longest(job)];
    let mut samples = Histogram::new();
    for part in parts(job) {
        samples.clear();
        for n in part {
            let len = connection.recv(&mut message)?;
            if job.measure == Measure::OneWay {
                let now = job.clock.now();
                let sent = u64::from_le_bytes(*message.first_chunk().ok_or("an empty message")?);
                samples.record(job.clock.ns(now.saturating_sub(sent)));
                if !Ends::is(&message[..len], job.size, sent) {
                    return Err("a message came that is not whole".into());
                }
                connection.send(&message[..8])?;
                continue;
            }
            if !P::is(&message[..len], length(job, n), n) {
                return Err(format!("message {n} is not the one that was sent").into());
            }
            if job.measure == Measure::RoundTrip {
                P::make(&mut message[..job.size], n);
                connection.send(&message[..job.size])?;
            }
        }
        match job.measure {
            Measure::OneWay => tell(connection.sender(), &Found::percentiles(&samples, 1))?,
            Measure::RoundTrip => {}
            _ => connection.send(&[])?,
        }
    }
    Ok(())
}

/// Two percentiles in 16 bytes, the shortest message that there may be; 0 for none.
pub(super) fn tell(sender: &mut Sender<Shm>, found: &Found) -> Result<(), Failed> {
    let mut words = [0; 16];
    words[..8].copy_from_slice(&found.p50_ns.unwrap_or(0).to_le_bytes());
    words[8..].copy_from_slice(&found.p99_ns.unwrap_or(0).to_le_bytes());
    Ok(sender.send(&words)?)
}

pub(super) fn told(receiver: &mut Receiver<Shm>, message: &mut [u8]) -> Result<Found, Failed> {
    let len = receiver.recv(message)?;
    let ([p50, p99], []) = message[..len].as_chunks::<8>() else {
        return Err("the far process told something else than two percentiles".into());
    };
    let known = |bytes: &[u8; 8]| Some(u64::from_le_bytes(*bytes)).filter(|&ns| ns > 0);
    Ok(Found { p50_ns: known(p50), p99_ns: known(p99), ..Found::default() })
}

/// The larger of both sides' regions.
fn memory(connection: &mut Connection<Shm>) -> Result<Found, Failed> {
    let mut theirs = [0; 8];
    connection.recv(&mut theirs)?;
    Ok(Found { bytes: Some(own_bytes()?.max(u64::from_le_bytes(theirs))), ..Found::default() })
}

/// The memory files that this process has mapped for writing: the region that it owns.
fn own_bytes() -> Result<u64, Failed> {
    let mut own = std::collections::BTreeMap::new();
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let [_, _, inode, name] = [(); 4].map(|()| fields.next().unwrap_or_default());
        if !rights.starts_with("rw") || !name.starts_with("/memfd:crossing") {
            continue;
        }
        let ends = range.split_once('-').map(|(from, to)| [from, to].map(|end| u64::from_str_radix(end, 16)));
        let Some([Ok(from), Ok(to)]) = ends else { return Err(format!("`{line}` is no mapping").into()) };
        // A ring may be mapped twice, one behind the other; the file is there once.
        own.entry(inode.to_owned())
            .and_modify(|most: &mut u64| *most = (*most).max(to - from))
            .or_insert(to - from);
    }
    let bytes: u64 = own.values().sum();
    if bytes > 0 { Ok(bytes) } else { Err("no region is mapped for writing".into()) }
}
