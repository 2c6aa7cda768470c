//! What is read where it stands, by a receiver that trusts its peer. One way, a message is written into the ring by a claim, its
//! first word is its time, and the rest is not touched by either. In a stream each is verified as elsewhere.
#![allow(unsafe_code)]

use crossing::{Connection, Receiver, Shm, TrustedReceiver};
use lab::stats::Histogram;

use super::Job;
use super::channel::{is, parts};
use crate::Failed;
use crate::judge::Figures;

pub(super) fn sends(connection: Connection<Shm>, job: &Job) -> Result<Figures, Failed> {
    let (mut sender, mut receiver) = connection.split();
    for _ in parts(job).into_iter().flatten() {
        let mut claim = sender.claim(job.size)?;
        claim[..8].copy_from_slice(&job.clock.now().to_le_bytes());
        claim.commit()?;
        receiver.recv(&mut [0; 16])?;
    }
    Ok(Figures::default())
}

pub(super) fn receives(connection: Connection<Shm>, job: &Job) -> Result<Figures, Failed> {
    let (mut sender, receiver) = connection.split();
    let mut receiver = trusting(receiver);
    let mut samples = Histogram::new();
    for part in parts(job) {
        samples.clear();
        for _ in part {
            let message = receiver.recv()?;
            let sent = message.first_chunk().filter(|_| message.len() == job.size);
            let sent = u64::from_le_bytes(*sent.ok_or("a message came that is not whole")?);
            samples.record(job.clock.ns(job.clock.now().saturating_sub(sent)));
            drop(message);
            sender.send(&[0; 8])?;
        }
    }
    Ok(Figures::percentiles(&samples, 1))
}

/// The process that receives a stream.
pub(super) fn receives_all<const WORDS: bool>(
    connection: Connection<Shm>,
    job: &Job,
) -> Result<Figures, Failed> {
    let (mut sender, receiver) = connection.split();
    let mut receiver = trusting(receiver);
    for part in parts(job) {
        for n in part {
            if !is::<WORDS>(&receiver.recv()?, job.size, n) {
                return Err(format!("message {n} is not the one that was sent").into());
            }
        }
        sender.send(&[])?;
    }
    Ok(Figures::default())
}

fn trusting(receiver: Receiver<Shm>) -> TrustedReceiver {
    // SAFETY: the near process is this same program: it writes to a message only before it sends it.
    unsafe { receiver.trusting() }
}
