//! Sentences about the grid of forms: each call that can wait has a blocking, a non-blocking, a deadline and a timeout form, and
//! what is dropped does not wait at all. They are held against a side that does not read.

use std::io::IoSlice;
use std::time::{Duration, Instant};

use crossing::{Cork, SendError, Sender};

use crate::process::message;
use crate::waiting::{account, settle};
use crate::{Sentence, judge, sentence};

/// How long a deadline form may wait here.
const MOMENT: Duration = Duration::from_millis(2);

/// Claims and commits in one form until there is no room. How many messages were taken.
fn claim_all(
    sender: &mut Sender,
    len: usize,
    claim: impl Fn(&mut Sender, usize) -> Result<crossing::Claim<'_>, SendError>,
) -> u64 {
    let mut taken = 0;
    loop {
        match claim(sender, len) {
            Ok(mut claim) => {
                claim.copy_from_slice(message(taken, len));
                match claim.commit() {
                    // It counts as sent; the next claim waits for it.
                    Ok(()) | Err(SendError::Unfinished) => taken += 1,
                    Err(error) => panic!("a claim was granted, and its commit said: {error}"),
                }
            }
            Err(SendError::Full | SendError::Timeout) => return taken,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A claim that was granted without waiting commits without waiting, although the other side does not read; and an error says
/// when there is no room for another.
pub(crate) fn a_granted_claim_commits_without_waiting() -> Sentence {
    const LENGTHS: [usize; 4] = [0, 100, 5000, 65_536];
    sentence(
        |mut here| {
            for len in LENGTHS {
                let taken = claim_all(here.connection.sender(), len, Sender::try_claim);
                assert!(taken > 0, "not one of {len} bytes");
                // Nothing more than that one message ever waits.
                let outcome = here.connection.sender().try_claim(len).map(drop);
                assert!(matches!(outcome, Err(SendError::Full)), "{outcome:?}");
                account(&mut here, taken);
                let timeout = |sender: &mut Sender, len| sender.claim_timeout(len, MOMENT).map(drop);
                timeout(here.connection.sender(), len).expect("there is room again");
            }
            let deadline = |sender: &'_ mut Sender| sender.claim_deadline(10, Instant::now()).map(drop);
            deadline(here.connection.sender()).expect("a deadline bounds the waiting only");
            here.line.say(0);
        },
        |mut there| {
            LENGTHS.into_iter().for_each(|len| settle(&mut there, len));
            // The last claims are made while this side lives.
            there.line.hear();
        },
    )
}

/// Fills a cork until it takes no more.
fn gather(cork: &mut Cork<'_>, len: usize) -> u64 {
    let mut taken = 0;
    loop {
        match cork.try_send(message(taken, len)) {
            Ok(()) => taken += 1,
            Err(SendError::Full) => return taken,
            Err(SendError::Unfinished) => taken += 1,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A cork that is dropped sends what fits and returns, also in a panic. What does not fit goes with the next call.
pub(crate) fn a_dropped_cork_never_waits() -> Sentence {
    const LEN: usize = 40;
    sentence(
        |mut here| {
            let taken = gather(&mut here.connection.sender().cork(), LEN);
            assert!(taken > 0);
            account(&mut here, taken);

            let mut taken = 0;
            let sender = std::panic::AssertUnwindSafe(here.connection.sender());
            let counted = std::panic::AssertUnwindSafe(&mut taken);
            let panic = std::panic::catch_unwind(move || {
                let (sender, counted) = (sender, counted);
                let mut cork = sender.0.cork();
                *counted.0 = gather(&mut cork, LEN);
                // As a panic, but without the noise of one.
                std::panic::resume_unwind(Box::new("while a cork is open"));
            });
            panic.expect_err("it goes through");
            account(&mut here, taken);
        },
        |mut there| (0..2).for_each(|_| settle(&mut there, LEN)),
    )
}

/// Without a reader, every form of every sending call ends when it must, and takes or refuses:
/// nothing in between.
pub(crate) fn every_form_waits_no_longer_than_it_may() -> Sentence {
    const LEN: usize = 900;
    type Send = fn(&mut Sender, &[u8]) -> Result<(), SendError>;
    /// Each takes one message, or none.
    const FORMS: [(&str, Send); 15] = [
        ("try_send", Sender::try_send),
        ("send_deadline", |sender, message| sender.send_deadline(message, Instant::now() + MOMENT)),
        ("send_timeout", |sender, message| sender.send_timeout(message, MOMENT)),
        ("cork.try_send", |sender, message| sender.cork().try_send(message)),
        ("cork.send_deadline", |sender, message| {
            sender.cork().send_deadline(message, Instant::now() + MOMENT)
        }),
        ("cork.send_timeout", |sender, message| sender.cork().send_timeout(message, MOMENT)),
        ("try_claim", |sender, message| write(sender.try_claim(message.len())?, message)),
        ("claim_deadline", |sender, message| {
            write(sender.claim_deadline(message.len(), Instant::now() + MOMENT)?, message)
        }),
        ("claim_timeout", |sender, message| write(sender.claim_timeout(message.len(), MOMENT)?, message)),
        ("try_send_vectored", |sender, message| sender.try_send_vectored(&[IoSlice::new(message)])),
        ("send_vectored_timeout", |sender, message| {
            sender.send_vectored_timeout(&[IoSlice::new(message)], MOMENT)
        }),
        ("cork.try_send_vectored", |sender, message| {
            sender.cork().try_send_vectored(&[IoSlice::new(message)])
        }),
        ("cork.send_vectored_timeout", |sender, message| {
            sender.cork().send_vectored_timeout(&[IoSlice::new(message)], MOMENT)
        }),
        ("cork.try_claim", |sender, message| put(sender.cork().try_claim(message.len())?, message)),
        ("cork.claim_timeout", |sender, message| {
            put(sender.cork().claim_timeout(message.len(), MOMENT)?, message)
        }),
    ];
    fn put(mut claim: crossing::CorkClaim<'_>, message: &[u8]) -> Result<(), SendError> {
        claim.copy_from_slice(message);
        claim.commit()
    }
    fn write(mut claim: crossing::Claim<'_>, message: &[u8]) -> Result<(), SendError> {
        claim.copy_from_slice(message);
        claim.commit()
    }
    type Flush = fn(&mut Sender) -> Result<(), SendError>;
    /// None of these takes anything.
    const FLUSHES: [(&str, Flush); 6] = [
        ("try_flush", Sender::try_flush),
        ("flush_deadline", |sender| sender.flush_deadline(Instant::now() + MOMENT)),
        ("flush_timeout", |sender| sender.flush_timeout(MOMENT)),
        ("cork.try_flush", |sender| sender.cork().try_flush()),
        ("cork.flush_deadline", |sender| sender.cork().flush_deadline(Instant::now() + MOMENT)),
        ("cork.flush_timeout", |sender| sender.cork().flush_timeout(MOMENT)),
    ];
    sentence(
        |mut here| {
            for (name, send) in FORMS {
                let sender = here.connection.sender();
                let mut taken = 0;
                loop {
                    match send(sender, message(taken, LEN)) {
                        Ok(()) | Err(SendError::Unfinished) => taken += 1,
                        Err(SendError::Full) if name.contains("try") => break,
                        Err(SendError::Timeout) if !name.contains("try") => break,
                        Err(error) => panic!("{name}: {error}"),
                    }
                }
                assert!(taken > 0, "{name}");
                for (name, flush) in FLUSHES {
                    match flush(sender) {
                        Ok(()) => {}
                        Err(SendError::Full) if name.contains("try") => {}
                        Err(SendError::Timeout) if !name.contains("try") => {}
                        Err(error) => panic!("{name}: {error}"),
                    }
                }
                account(&mut here, taken);
            }
            // And a corked connection asks before it listens, in every form.
            here.line.hear();
            let mut corked = here.connection.cork();
            let mut buffer = [0; 64];
            let outcomes = [
                corked.try_recv(&mut buffer),
                corked.recv_timeout(&mut buffer, MOMENT),
                corked.recv_deadline(&mut buffer, Instant::now() + MOMENT),
            ];
            assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
            corked.cork().try_send(message(7, 30)).expect("room");
            let len = corked.recv_timeout(&mut buffer, Duration::MAX).expect("the answer");
            judge(&buffer[..len], 8, 31);
        },
        |mut there| {
            FORMS.iter().for_each(|_| settle(&mut there, LEN));
            there.line.say(0);
            there.expect(7, 30);
            there.send(8, 31);
        },
    )
}
