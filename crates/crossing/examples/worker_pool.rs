//! A pool of worker processes: `cargo run -p crossing --example worker_pool`
//!
//! The parent starts four workers over shared memory, and gives the next job to one that is free.
//! One thread waits for all of them with a `Poll`. One worker crashes, as programs do: its job goes
//! back into the queue, another worker does it, and the result is the same.

use std::collections::VecDeque;
use std::env;
use std::error::Error;
use std::process::{self, Command};
use std::time::Duration;

use crossing::{Config, Connection, Endpoint, Kind, OwnedChild, Poll, RecvError, Spawn};

const WORKERS: usize = 4;
/// A job is to count the primes among a thousand numbers: from 1000 × job on.
const JOBS: u64 = 200;
/// How many primes there are below 200 000.
const PRIMES: u64 = 17_984;

/// What the parent knows of a worker, beside the connection to it.
struct Worker {
    name: String,
    process: OwnedChild,
    /// What it works on now.
    job: Option<u64>,
    done: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1) {
        Some(name) => work(&name),
        None => hand_out(),
    }
}

fn hand_out() -> Result<(), Box<dyn Error>> {
    let mut poll = Poll::new()?;
    for number in 1..=WORKERS {
        let name = format!("worker-{number}");
        let (here, there) = Endpoint::pair(Kind::Shm)?;
        let mut command = Command::new(env::current_exe()?);
        command.arg(&name);
        // Killed on drop: if the parent leaves early by a `?`, no worker is left behind.
        let process = Spawn::new(command).give_unnamed(there).kill_on_drop(true).spawn()?;
        let connection = here.connect(&Config::small())?;
        poll.insert((connection, Worker { name, process, job: None, done: 0 }))?;
    }

    let mut jobs: VecDeque<u64> = (0..JOBS).collect();
    let (mut left, mut primes, mut crashes) = (JOBS, 0, 0);
    let mut answer = [0; 8];
    while left > 0 {
        for (_, (connection, worker)) in poll.iter_mut().filter(|(_, (_, worker))| worker.job.is_none()) {
            worker.job = give(connection, &mut jobs);
        }
        // Sleeps until a worker has answered, or has ended. A limit turns a hang into an error.
        let (key, (connection, worker)) = poll.next_timeout(Duration::from_secs(30))?;
        match connection.try_recv(&mut answer) {
            Ok(_) => {
                primes += u64::from_le_bytes(answer);
                (worker.job, worker.done, left) = (None, worker.done + 1, left - 1);
            }
            // Now and then there is nothing after all.
            Err(RecvError::Empty) => {}
            Err(RecvError::Disconnected) => {
                println!("{} has crashed; its job goes back into the queue", worker.name);
                jobs.extend(worker.job.take());
                crashes += 1;
                poll.remove(key); // the last one to go would make `next` say `Vacant`
            }
            Err(error) => return Err(error.into()),
        }
    }

    println!("{primes} primes below {}", JOBS * 1000);
    for (_, (_, worker)) in poll.iter_mut() {
        println!("{} (pid {}) did {} jobs", worker.name, worker.process.id(), worker.done);
    }
    // Dropped, the connections tell the workers that they may go.
    drop(poll);
    assert_eq!((primes, crashes), (PRIMES, 1));
    Ok(())
}

/// Gives a worker the next job, if there is one, and the worker is still there.
fn give(connection: &mut Connection, jobs: &mut VecDeque<u64>) -> Option<u64> {
    let job = jobs.pop_front()?;
    match connection.send(&job.to_le_bytes()) {
        Ok(()) => Some(job),
        // The poll lends the connection next, and its receiving half tells the end.
        Err(_) => {
            jobs.push_front(job);
            None
        }
    }
}

fn work(name: &str) -> Result<(), Box<dyn Error>> {
    let mut connection = Endpoint::inherited()?.connect(&Config::small())?;
    let mut job = [0; 8];
    for number in 0.. {
        match connection.recv(&mut job) {
            Ok(_) if name == "worker-2" && number == 3 => process::abort(),
            Ok(_) => {
                let from = u64::from_le_bytes(job) * 1000;
                let primes = (from..from + 1000).filter(|&it| is_prime(it)).count() as u64;
                connection.send(&primes.to_le_bytes())?;
            }
            Err(RecvError::Disconnected) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn is_prime(number: u64) -> bool {
    number > 1 && (2..).take_while(|it| it * it <= number).all(|it| number % it != 0)
}
