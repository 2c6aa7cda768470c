//! Sentences about a process that forks while it is connected.

use std::time::{Duration, Instant};

use crossing::{Connection, RecvError, SendError};

use crate::process::{forked, message};
use crate::{Sentence, sentence};

/// What `outcome` must be in a forked child.
fn is_forked_send(form: &str, outcome: Result<(), SendError>) -> Result<(), String> {
    match outcome {
        Err(SendError::Forked) => Ok(()),
        other => Err(format!("{form}: {other:?}")),
    }
}

fn is_forked_recv(form: &str, outcome: Result<usize, RecvError>) -> Result<(), String> {
    match outcome {
        Err(RecvError::Forked) => Ok(()),
        other => Err(format!("{form}: {other:?}")),
    }
}

/// Every call of a connection that another process made.
fn every_call_is_refused(connection: &mut Connection) -> Result<(), String> {
    const SECOND: Duration = Duration::from_secs(1);
    let soon = || Instant::now() + SECOND;
    for len in [0, 100, 40_000] {
        let sender = connection.sender();
        is_forked_send("send", sender.send(message(0, len)))?;
        is_forked_send("try_send", sender.try_send(message(0, len)))?;
        is_forked_send("send_deadline", sender.send_deadline(message(0, len), soon()))?;
        is_forked_send("send_timeout", sender.send_timeout(message(0, len), SECOND))?;
        is_forked_send("claim", sender.claim(len).map(drop))?;
        is_forked_send("try_claim", sender.try_claim(len).map(drop))?;
        is_forked_send("claim_deadline", sender.claim_deadline(len, soon()).map(drop))?;
        is_forked_send("claim_timeout", sender.claim_timeout(len, SECOND).map(drop))?;
        let mut cork = sender.cork();
        is_forked_send("a cork's send", cork.send(message(0, len)))?;
        is_forked_send("a cork's try_send", cork.try_send(message(0, len)))?;
        is_forked_send("a cork's send_deadline", cork.send_deadline(message(0, len), soon()))?;
        is_forked_send("a cork's send_timeout", cork.send_timeout(message(0, len), SECOND))?;
        is_forked_send("a cork's flush", cork.flush())?;
        is_forked_send("a cork's try_flush", cork.try_flush())?;
        is_forked_send("a cork's flush_deadline", cork.flush_deadline(soon()))?;
        is_forked_send("a cork's flush_timeout", cork.flush_timeout(SECOND))?;
        drop(cork);
        is_forked_send("flush", sender.flush())?;
        is_forked_send("try_flush", sender.try_flush())?;
        is_forked_send("flush_deadline", sender.flush_deadline(soon()))?;
        is_forked_send("flush_timeout", sender.flush_timeout(SECOND))?;
        let mut corked = connection.cork();
        is_forked_send("a corked connection's send", corked.send(message(0, len)))?;
        is_forked_send("a corked connection's flush", corked.flush())?;
        is_forked_recv("a corked connection's recv", corked.recv(&mut [0; 64]))?;
        is_forked_recv("a corked connection's try_recv", corked.try_recv(&mut [0; 64]))?;
        is_forked_recv("a corked connection's recv_deadline", corked.recv_deadline(&mut [0; 64], soon()))?;
        is_forked_recv("a corked connection's recv_timeout", corked.recv_timeout(&mut [0; 64], SECOND))?;
    }
    let mut buffer = [0; 64];
    let receiver = connection.receiver();
    is_forked_recv("recv", receiver.recv(&mut buffer))?;
    is_forked_recv("try_recv", receiver.try_recv(&mut buffer))?;
    is_forked_recv("recv_deadline", receiver.recv_deadline(&mut buffer, soon()))?;
    is_forked_recv("recv_timeout", receiver.recv_timeout(&mut buffer, SECOND))
}

/// A child that was forked is told so by every call, whatever stands ready; and its parent notices nothing of what it asks
/// and drops.
pub(crate) fn a_forked_child_is_told_by_every_call() -> Sentence {
    sentence(
        |mut here| {
            // One message has been looked at, so that the next ones may be there at once.
            here.expect(0, 60);
            here.line.say(1);
            assert_eq!(here.line.hear(), 2, "three messages are there");
            here.expect(1, 60);
            let mut connection = Some(here.connection);
            forked("a connection's copy", || {
                let mut copy = connection.take().ok_or("it is there")?;
                every_call_is_refused(&mut copy)?;
                drop(copy);
                Ok(())
            });
            here.connection = connection.take().expect("only the child took it");
            (2..4).for_each(|number| here.expect(number, 60));
            (0..50).for_each(|number| here.send(number, 1000));
            here.line.say(3);
        },
        |mut there| {
            there.send(0, 60);
            assert_eq!(there.line.hear(), 1);
            (1..4).for_each(|number| there.send(number, 60));
            there.line.say(2);
            (0..50).for_each(|number| there.expect(number, 1000));
            assert_eq!(there.line.hear(), 3);
        },
    )
}

/// What is in line, or claimed, when a process forks is its own: the child sends nothing of it, and what it writes to its copy
/// of a claim goes nowhere.
pub(crate) fn a_forked_child_sends_nothing_of_its_parents() -> Sentence {
    sentence(
        |mut here| {
            let mut cork = here.connection.cork();
            cork.send(message(0, 100)).expect("a line has room");
            let mut copy = Some(cork);
            forked("a cork's copy", || {
                drop(copy.take());
                Ok(())
            });
            copy.take().expect("only the child took it").flush().expect("the other side receives");
            drop(copy);
            let mut claim = here.connection.sender().claim(100).expect("there is room");
            claim.copy_from_slice(message(1, 100));
            let mut copy = Some(claim);
            forked("a claim's copy", || {
                let mut claim = copy.take().ok_or("it is there")?;
                if claim.len() != 100 {
                    return Err(format!("a claim of {} bytes", claim.len()));
                }
                claim.fill(7);
                if claim[..] != [7; 100] {
                    return Err("what was written is not there".into());
                }
                claim.copy_from_slice(message(2, 100));
                if *claim != *message(2, 100) {
                    return Err("what was copied is not there".into());
                }
                is_forked_send("commit", claim.commit())
            });
            copy.take().expect("only the child took it").commit().expect("the other side receives");
            drop(copy);
            here.expect(0, 10);
        },
        |mut there| {
            (0..2).for_each(|number| there.expect(number, 100));
            there.send(0, 10);
        },
    )
}
