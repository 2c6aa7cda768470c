//! A sender on a stream that does what is written down.

use super::super::script::{Script, message, patience};
use super::*;
use crate::wait::Until;

const LONG: usize = 8 << 20;

fn sender(takes: impl IntoIterator<Item = Result<usize, Errno>>) -> FrameSender<Script> {
    let wire = Script { takes: takes.into_iter().collect(), ..Script::default() };
    FrameSender::new(wire, LONG, Owner::me().unwrap())
}

#[test]
fn a_long_message_goes_from_where_it_is() {
    let (long, frame) = message(LONG);
    // Cut within the header, and twice within the message; and interrupted.
    let mut sender = sender([Ok(3), Ok(70_000), Err(Errno::INTR), Ok(1), Err(Errno::AGAIN)]);
    sender.send(&long, &mut patience(Until::Forever)).unwrap();
    assert!(sender.wire.taken == frame);
    assert_eq!(sender.buffer.len(), 0, "it was copied");
}

#[test]
fn what_exceeds_a_line_is_let_go_when_it_has_gone() {
    let ((long, long_frame), (short, short_frame)) = (message(LONG), message(10));
    let forever = &mut patience(Until::Forever);
    type Leave = fn(&mut FrameSender<Script>, &[u8]);
    let ways: [(&str, Leave); 3] = [
        ("an unfinished message", |sender, long| {
            sender.wire.takes = [Ok(70_000), Err(Errno::AGAIN)].into();
            let outcome = sender.send(long, &mut patience(Until::Now));
            assert!(matches!(outcome, Err(SendError::Unfinished)), "{outcome:?}");
        }),
        ("a claim", |sender, long| {
            sender.claim(long.len()).unwrap();
            sender.claimed_mut(long.len()).copy_from_slice(long);
            sender.commit(long.len());
        }),
        ("a claim that is given back", |sender, long| {
            sender.claim(long.len()).unwrap();
            sender.abandon();
            sender.wire.taken = message(LONG).1;
        }),
    ];
    for (way, leave) in ways {
        let mut sender = sender([]);
        leave(&mut sender, &long);
        sender.publish(forever).unwrap();
        assert!(sender.buffer.len() <= Script::LINE_BYTES, "{way}: {} bytes are kept", sender.buffer.len());
        sender.send(&short, forever).unwrap();
        assert!(sender.wire.taken == [&long_frame[..], &short_frame].concat(), "{way}");
        assert!(sender.buffer.len() <= Script::LINE_BYTES, "{way}");
    }
}

#[test]
fn a_claim_waits_behind_what_the_kernel_has_not_taken() {
    let mut sender = sender([Err(Errno::AGAIN), Err(Errno::AGAIN)]);
    let now = &mut patience(Until::Now);
    sender.claim(100).unwrap();
    assert!(!sender.commit(100), "it is only in line");
    assert!(matches!(sender.publish(now), Err(SendError::Full)));
    assert!(sender.has_in_line());
    assert!(matches!(sender.claim(1), Err(SendError::Full)), "a second message was taken");
    assert!(matches!(sender.wait_room(1, now), Err(SendError::Full)));
    sender.wait_room(1, now).unwrap();
    sender.claim(1).unwrap();
}

#[test]
fn an_abort_is_told_by_one_word_whatever_the_kernel_says_next() {
    let mut sender = sender([Err(Errno::CONNABORTED), Err(Errno::PIPE), Err(Errno::PIPE)]);
    for _ in 0..3 {
        let outcome = sender.send(b"x", &mut patience(Until::Forever));
        assert!(matches!(outcome, Err(SendError::Reset)), "{outcome:?}");
    }
    let mut broken = sender_of(Errno::IO);
    for _ in 0..3 {
        let outcome = broken.send(b"x", &mut patience(Until::Forever));
        let Err(SendError::Io(error)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.raw_os_error(), Some(Errno::IO.raw_os_error()));
    }
}

fn sender_of(first: Errno) -> FrameSender<Script> {
    sender([Err(first), Err(Errno::PIPE), Err(Errno::PIPE)])
}

#[test]
fn a_shortage_passes_and_loses_nothing() {
    for len in [10, 60_000, 100_000] {
        let (message, frame) = message(len);
        let mut sender = sender([Err(Errno::NOMEM), Ok(5), Err(Errno::NOBUFS)]);
        let forever = &mut patience(Until::Forever);
        // Nothing was taken: it is sent again.
        let outcome = sender.send(&message, forever);
        assert!(matches!(outcome, Err(SendError::Io(_))), "{len}: {outcome:?}");
        // Its beginning was taken: it is not.
        let outcome = sender.send(&message, forever);
        assert!(matches!(outcome, Err(SendError::Unfinished)), "{len}: {outcome:?}");
        sender.publish(forever).unwrap();
        assert!(sender.wire.taken == frame, "{len}");
    }
}

#[test]
fn the_last_word_goes_behind_what_is_in_line() {
    let (short, frame) = message(10);
    let mut sender = sender([Ok(3), Err(Errno::AGAIN)]);
    assert!(matches!(sender.send(&short, &mut patience(Until::Now)), Err(SendError::Unfinished)));
    sender.close(&mut patience(Until::Now));
    assert!(sender.closed);
    assert!(sender.wire.taken == [&frame[..], &[0xff; 4]].concat());
}

/// Whatever the kernel takes at a time, parts go one behind the other, those of a long message from where they are.
#[test]
fn parts_go_whole_however_the_kernel_takes_them() {
    for len in [0, 10, 3000, 70_000, 200_000] {
        let (whole, frame) = message(len);
        for count in [1, 2, PARTS - 1, PARTS, 100] {
            let parts: Vec<IoSlice<'_>> =
                whole.chunks(len.div_ceil(count).max(1)).map(IoSlice::new).collect();
            for until in [Until::Forever, Until::Now] {
                let takes = [Ok(1), Err(Errno::INTR), Ok(2), Ok(1), Ok(1500), Err(Errno::AGAIN), Ok(66_000)];
                let wire = Script { takes: takes.into(), ..Script::default() };
                let mut sender = FrameSender::new(wire, 1 << 20, Owner::me().unwrap());
                let outcome = sender.send_vectored(&parts, len, &mut patience(until));
                // A call that is interrupted has taken a part.
                let finished = until == Until::Forever;
                assert_eq!(outcome.is_ok(), finished, "{len} bytes in {count} parts: {outcome:?}");
                if !finished {
                    assert_eq!(outcome, Err(SendError::Unfinished));
                    sender.publish(&mut patience(Until::Forever)).unwrap();
                }
                assert!(sender.wire.taken == frame, "{len} bytes in {count} parts");
                assert!(sender.buffer.len() <= Script::LINE_BYTES, "a buffer is left behind");
            }
        }
    }
}
