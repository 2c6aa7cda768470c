//! How near shared memory comes to what the memory itself can do: one line of JSON on standard output.
//!
//! `limits MEASURE BYTES MESSAGES RING_BYTES` starts a second process, puts the two on the first two cores, and prints the
//! nanoseconds for a message, with the floor (two cache lines, half a round trip) before and after. Both spin. The ring holds
//! two messages twice as long at least. A message holds its number (one way: its stamp) in its first word and in its last, and
//! both are verified; the rest is copied and not looked at, so that what is measured is
//! the channel and not the making of messages.
//!
//! | measure | what the nanoseconds are of |
//! |---|---|
//! | `memcpy` | copying so many bytes from one place to another in one process, again and again |
//! | `dirtied` | copying so many bytes that another core has just written (two threads) |
//! | `stream` | a message, one `send` each, until its receiver has the last one |
//! | `corked` | the same through a cork |
//! | `variable` | the same as `stream`, lengths from half as long to half as long again |
//! | `one-way` | from just before `send` to just after `recv`, one message at a time, the median |

use std::hint::black_box;
use std::ops::Range;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossing::{Config, Connection, Endpoint, Kind, Shm, WaitStrategy};
use lab::clock::Clock;
use lab::stats::Histogram;
use lab::sys::lines::{Bounce, Lines, Polls};

type Failed = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let typed: Vec<String> = std::env::args().skip(1).collect();
    match run(&typed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("limits: {error}");
            ExitCode::from(2)
        }
    }
}

/// What is measured, and with what.
#[derive(Debug, Clone)]
struct Job {
    measure: String,
    size: usize,
    messages: u64,
    ring: usize,
    clock: Clock,
}

fn run(typed: &[String]) -> Result<(), Failed> {
    let (far_core, typed) = match typed {
        [first, core, rest @ ..] if first == "far" => (Some(core.parse()?), rest),
        _ => (None, typed),
    };
    let [measure, size, messages, ring] = typed else {
        return Err("usage: limits MEASURE BYTES MESSAGES RING_BYTES".into());
    };
    let job = Job {
        measure: measure.clone(),
        size: size.parse()?,
        messages: messages.parse()?,
        ring: ring.parse()?,
        clock: Clock::best(),
    };
    if job.size < 16 || job.messages == 0 {
        return Err("a message has at least 16 bytes, and there must be one".into());
    }
    if let Some(core) = far_core {
        lab::machine::pin(core)?;
        return far(&mut connect(Endpoint::inherited()?, &job)?, &job);
    }
    let [near_core, far_core, ..] = lab::machine::allowed_cores()?[..] else {
        return Err("this needs two cores".into());
    };
    lab::machine::pin(near_core)?;
    let before = floor_ns(&job, [near_core, far_core])?;
    let ns = match measure.as_str() {
        "memcpy" => memcpy(&job),
        "dirtied" => dirtied(&job, far_core)?,
        _ => {
            let (here, there) = Endpoint::pair(Kind::Shm)?;
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["far", &far_core.to_string()]).args(typed);
            let mut child = there.spawn(command)?;
            let ns = near(&mut connect(here, &job)?, &job)?;
            if !child.wait()?.success() {
                return Err("the other process failed".into());
            }
            ns
        }
    };
    let after = floor_ns(&job, [near_core, far_core])?;
    println!(
        "{{\"measure\":\"{measure}\",\"size_bytes\":{size},\"messages\":{messages},\"ring_bytes\":{ring},\"ns\":{ns:.2},\"floor_ns\":[{before:.1},{after:.1}]}}"
    );
    Ok(())
}

fn connect(endpoint: Endpoint, job: &Job) -> Result<Connection<Shm>, Failed> {
    let config = Config {
        max_message: job.size * 2,
        wait: WaitStrategy::Spin,
        capacity_bytes: job.ring,
        ..Config::default()
    };
    Ok(endpoint.connect_as::<Shm>(&config)?)
}

/// Half a round trip of two cache lines.
fn floor_ns(job: &Job, [near, far]: [usize; 2]) -> Result<f64, Failed> {
    let (lines, fd) = Lines::create()?;
    let theirs = Lines::map(&fd)?;
    let bounce = Bounce { base: 0, rounds: 2000, polls: Polls::Pause, deadline: Duration::from_secs(1) };
    let clock = job.clock;
    let mut samples = Histogram::new();
    std::thread::scope(|scope| {
        scope.spawn(move || lab::machine::pin(far).is_ok() && theirs.bounce(false, &bounce, &clock, |_| {}));
        lines.bounce(true, &bounce, &clock, |ticks| samples.record(clock.ns(ticks)))
    });
    lab::machine::pin(near)?;
    Ok(samples.median().ok_or("no answer from the other core")? as f64 / 2.0)
}

fn memcpy(job: &Job) -> f64 {
    let (from, mut to) = (vec![1_u8; job.size], vec![0_u8; job.size]);
    let began = job.clock.now();
    for _ in 0..job.messages {
        black_box(&mut to[..]).copy_from_slice(black_box(&from[..]));
    }
    job.clock.ns(job.clock.now() - began) as f64 / job.messages as f64
}

fn dirtied(job: &Job, far: usize) -> Result<f64, Failed> {
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
    Ok(samples.median().ok_or("too few samples")? as f64)
}

/// How long message `n` is.
fn length(job: &Job, n: u64) -> usize {
    if job.measure != "variable" {
        return job.size;
    }
    let part = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    (job.size / 2 + part as usize % job.size) & !7
}

/// Writes the number of a message into its first and its last word.
#[inline(always)]
fn number(message: &mut [u8], n: u64) {
    let last = message.len() - 8;
    message[..8].copy_from_slice(&n.to_le_bytes());
    message[last..].copy_from_slice(&n.to_le_bytes());
}

#[inline(always)]
fn numbered(message: &[u8], n: u64) -> bool {
    message.first_chunk() == Some(&n.to_le_bytes()) && message.last_chunk() == Some(&n.to_le_bytes())
}

/// The messages that are not counted, and those that are.
fn parts(job: &Job) -> [Range<u64>; 2] {
    let warmup = (job.messages / 10).max(64);
    [0..warmup, warmup..warmup + job.messages]
}

/// The process that sends.
fn near(connection: &mut Connection<Shm>, job: &Job) -> Result<f64, Failed> {
    let mut message = vec![0; job.size * 2];
    let mut spent_ns = 0;
    for part in parts(job) {
        let began = job.clock.now();
        match job.measure.as_str() {
            "stream" | "variable" => {
                for n in part {
                    let message = &mut message[..length(job, n)];
                    number(message, n);
                    connection.send(message)?;
                }
            }
            "corked" => {
                let mut cork = connection.sender().cork();
                for n in part {
                    let message = &mut message[..job.size];
                    number(message, n);
                    cork.send(message)?;
                }
            }
            "one-way" => {
                for _ in part {
                    let message = &mut message[..job.size];
                    number(message, job.clock.now());
                    connection.send(message)?;
                    connection.recv(&mut message[..8])?;
                }
            }
            other => return Err(format!("unknown measure `{other}`").into()),
        }
        let len = connection.recv(&mut message)?;
        spent_ns = job.clock.ns(job.clock.now() - began);
        if job.measure == "one-way" && len > 0 {
            return Ok(std::str::from_utf8(&message[..len])?.parse()?);
        }
    }
    Ok(spent_ns as f64 / job.messages as f64)
}

/// The process that receives.
fn far(connection: &mut Connection<Shm>, job: &Job) -> Result<(), Failed> {
    let mut message = vec![0; job.size * 2];
    let mut samples = Histogram::new();
    for part in parts(job) {
        samples.clear();
        let counted = part.start > 0;
        for n in part {
            let len = connection.recv(&mut message)?;
            if job.measure == "one-way" {
                let now = job.clock.now();
                let sent = u64::from_le_bytes(*message.first_chunk().ok_or("an empty message")?);
                samples.record(job.clock.ns(now.saturating_sub(sent)));
                if !numbered(&message[..len], sent) || len != job.size {
                    return Err("a message came that is not whole".into());
                }
                connection.send(&message[..8])?;
            } else if !numbered(&message[..len], n) || len != length(job, n) {
                return Err(format!("message {n} is not the one that was sent").into());
            }
        }
        let median = samples.median().filter(|_| counted).map_or(String::new(), |ns| ns.to_string());
        connection.send(median.as_bytes())?;
    }
    Ok(())
}
