//! One busy connection among a thousand idle ones, in one thread: the receiver waits for all of them, by a `Poll` or as a task of a
//! runtime. In a test fewer are idle.

use crossing::tokio::AsyncConnection;
use crossing::{Config, Connection, Kind, Poll, RecvError, Shm};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::channel::{is, make, parts};
use super::{Job, Measure};
use crate::Failed;
use crate::judge::Figures;

/// Both ends of the idle connections are in this process: they take three descriptors an end.
const IDLE: usize = if cfg!(test) { 20 } else { 1000 };

type Ends = (Vec<Connection<Shm>>, Vec<Connection<Shm>>);

fn idle(job: &Job) -> Result<Ends, Failed> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let config = Config::small().wait(job.wait);
    let pairs: Result<Vec<_>, _> = (0..IDLE).map(|_| Connection::pair_as(Kind::Shm, &config)).collect();
    Ok(pairs?.into_iter().unzip())
}

fn wrong(n: u64) -> Failed {
    format!("message {n} is not the one that was sent").into()
}

/// The process that receives, and answers, by a `Poll`.
pub(super) fn polled<const WORDS: bool>(connection: Connection<Shm>, job: &Job) -> Result<Figures, Failed> {
    let (_peers, idle) = idle(job)?;
    let mut poll = Poll::new()?;
    poll.set_wait(job.wait);
    for connection in idle {
        poll.insert(connection)?;
    }
    let busy = poll.insert(connection)?;
    let mut message = vec![0; job.size];
    for part in parts(job) {
        for n in part {
            let len = loop {
                let (key, connection) = poll.next()?;
                if key != busy {
                    return Err("a connection on which nothing was sent is ready".into());
                }
                match connection.receiver().try_recv(&mut message) {
                    Err(RecvError::Empty) => {}
                    received => break received?,
                }
            };
            if !is::<WORDS>(&message[..len], job.size, n) {
                return Err(wrong(n));
            }
            if job.measure == Measure::PolledRoundTrip {
                make::<WORDS>(&mut message, n);
                poll.get_mut(busy).ok_or("it was inserted")?.send(&message)?;
            }
        }
        if job.measure == Measure::Polled {
            poll.get_mut(busy).ok_or("it was inserted")?.send(&[])?;
        }
    }
    Ok(Figures::default())
}

fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_io().build()?)
}

/// The process that receives, and answers, by tasks on one thread.
pub(super) fn futures<const WORDS: bool>(connection: Connection<Shm>, job: &Job) -> Result<Figures, Failed> {
    let (_peers, idle) = idle(job)?;
    runtime()?.block_on(async {
        for connection in idle {
            let mut connection = AsyncConnection::new(connection)?;
            tokio::spawn(async move { connection.recv(&mut [0; 8]).await });
        }
        let mut connection = AsyncConnection::new(connection)?;
        let mut message = vec![0; job.size];
        for part in parts(job) {
            for n in part {
                let len = connection.recv(&mut message).await?;
                if !is::<WORDS>(&message[..len], job.size, n) {
                    return Err(wrong(n));
                }
                if job.measure == Measure::FuturesRoundTrip {
                    make::<WORDS>(&mut message, n);
                    connection.send(&message).await?;
                }
            }
            if job.measure == Measure::Futures {
                connection.send(&[]).await?;
            }
        }
        Ok(Figures::default())
    })
}

/// The process that sends, and asks, by a task.
pub(super) fn asks<const WORDS: bool>(connection: Connection<Shm>, job: &Job) -> Result<Figures, Failed> {
    runtime()?.block_on(async {
        let mut connection = AsyncConnection::new(connection)?;
        let mut message = vec![0; job.size];
        let mut samples = lab::stats::Histogram::new();
        let mut elapsed_ns = None;
        for part in parts(job) {
            samples.clear();
            let began = job.clock.now();
            let mut last = began;
            for n in part {
                make::<WORDS>(&mut message, n);
                connection.send(&message).await?;
                if job.measure == Measure::FuturesRoundTrip {
                    let len = connection.recv(&mut message).await?;
                    if !is::<WORDS>(&message[..len], job.size, n) {
                        return Err(wrong(n));
                    }
                    let now = job.clock.now();
                    samples.record(job.clock.ns(now - last));
                    last = now;
                }
            }
            if job.measure == Measure::Futures {
                // The receiver's word that it has everything.
                connection.recv(&mut message).await?;
                elapsed_ns = Some(job.clock.ns(job.clock.now() - began));
            }
        }
        if job.measure == Measure::Futures {
            return Ok(Figures { elapsed_ns, ..Figures::default() });
        }
        Ok(Figures::percentiles(&samples, 2))
    })
}
