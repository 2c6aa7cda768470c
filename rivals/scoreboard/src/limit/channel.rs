//! What is measured over a channel of shared memory: the loops of both processes.

use std::ops::Range;

use crossing::{Config, Connection, Endpoint, Shm};
use lab::payload;
use lab::stats::Histogram;
use procfs::process::{MMPermissions, MMapPath, Process};

use super::{Job, Measure};
use crate::Failed;
use crate::judge::Figures;

/// Makes message `n`: every byte as in a race, or its number at both ends and nothing in between.
#[inline(always)]
pub(super) fn make<const WORDS: bool>(message: &mut [u8], n: u64) {
    if WORDS {
        return payload::fill(message, n, 0);
    }
    let last = message.len() - 8;
    message[..8].copy_from_slice(&n.to_le_bytes());
    message[last..].copy_from_slice(&n.to_le_bytes());
}

/// Whether `message` is message `n`.
#[inline(always)]
pub(super) fn is<const WORDS: bool>(message: &[u8], len: usize, n: u64) -> bool {
    if WORDS {
        return payload::check(message, len, n).is_ok();
    }
    let n = &n.to_le_bytes();
    message.len() == len && message.first_chunk() == Some(n) && message.last_chunk() == Some(n)
}

pub(super) fn connect(endpoint: Endpoint, job: &Job) -> Result<Connection<Shm>, Failed> {
    let usual = Config::default();
    if job.measure == Measure::Memory {
        return Ok(endpoint.connect_as::<Shm>(&usual)?);
    }
    let mut config = usual.max_message(longest(job)).wait(job.wait);
    config.capacity_bytes = Some(job.ring).filter(|&ring| ring > 0);
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
pub(super) fn sends<const WORDS: bool>(
    mut connection: Connection<Shm>,
    job: &Job,
) -> Result<Figures, Failed> {
    let mut message = vec![0; longest(job)];
    let mut found = Figures::default();
    for part in parts(job) {
        let began = job.clock.now();
        match job.measure {
            Measure::RoundTrip | Measure::PolledRoundTrip => {
                found = round_trips::<WORDS>(&mut connection, job, part, &mut message)?;
                continue;
            }
            Measure::OneWay => {
                for _ in part {
                    // Its time is its number.
                    make::<false>(&mut message, job.clock.now());
                    connection.send(&message)?;
                    connection.recv(&mut message)?;
                }
                continue;
            }
            Measure::Corked => {
                let mut cork = connection.cork();
                for n in part {
                    make::<WORDS>(&mut message, n);
                    cork.send(&message)?;
                }
                cork.flush()?;
            }
            Measure::Claimed | Measure::ClaimedTrusted => {
                for n in part {
                    let mut claim = connection.sender().claim(job.size)?;
                    make::<WORDS>(&mut claim, n);
                    claim.commit()?;
                }
            }
            _ => {
                for n in part {
                    let message = &mut message[..length(job, n)];
                    make::<WORDS>(message, n);
                    connection.send(message)?;
                }
            }
        }
        // The receiver's word that it has everything.
        connection.recv(&mut message)?;
        found.elapsed_ns = Some(job.clock.ns(job.clock.now() - began));
    }
    Ok(found)
}

fn round_trips<const WORDS: bool>(
    connection: &mut Connection<Shm>,
    job: &Job,
    part: Range<u64>,
    message: &mut [u8],
) -> Result<Figures, Failed> {
    let mut samples = Histogram::new();
    let mut began = job.clock.now();
    for n in part {
        make::<WORDS>(message, n);
        connection.send(message)?;
        let len = connection.recv(message)?;
        if !is::<WORDS>(&message[..len], job.size, n) {
            return Err(format!("answer {n} is not the one that was due").into());
        }
        // One reading for each: the end of one is the start of the next.
        let now = job.clock.now();
        samples.record(job.clock.ns(now - began));
        began = now;
    }
    Ok(Figures::percentiles(&samples, 2))
}

/// The process that receives, and answers.
pub(super) fn receives<const WORDS: bool>(
    mut connection: Connection<Shm>,
    job: &Job,
) -> Result<Figures, Failed> {
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
                if !is::<false>(&message[..len], job.size, sent) {
                    return Err("a message came that is not whole".into());
                }
                connection.send(&message[..8])?;
                continue;
            }
            if !is::<WORDS>(&message[..len], length(job, n), n) {
                return Err(format!("message {n} is not the one that was sent").into());
            }
            if job.measure == Measure::RoundTrip {
                make::<WORDS>(&mut message, n);
                connection.send(&message)?;
            }
        }
        if !matches!(job.measure, Measure::OneWay | Measure::RoundTrip) {
            connection.send(&[])?;
        }
    }
    Ok(Figures::percentiles(&samples, 1))
}

/// The memory files that this process has mapped for writing: the region that it owns.
pub(super) fn own_memory() -> Result<Figures, Failed> {
    let mut own = std::collections::BTreeMap::new();
    for map in Process::myself()?.maps()? {
        let writes = map.perms.contains(MMPermissions::READ | MMPermissions::WRITE);
        let MMapPath::Path(name) = &map.pathname else { continue };
        if writes && name.to_string_lossy().starts_with(crossing::REGION_FILE) {
            // A ring may be mapped twice, one behind the other; the file is there once.
            let most: &mut u64 = own.entry(map.inode).or_default();
            *most = (*most).max(map.address.1 - map.address.0);
        }
    }
    let bytes: u64 = own.values().sum();
    if bytes == 0 {
        return Err("no region is mapped for writing".into());
    }
    Ok(Figures { bytes: Some(bytes), ..Figures::default() })
}
