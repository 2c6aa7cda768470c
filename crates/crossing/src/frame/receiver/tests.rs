//! A receiver on a stream that does what is written down.

use super::super::script::{Script, message, patience};
use super::*;
use crate::place::Growing;

const LONG: usize = 8 << 20;

fn receiver(gives: impl IntoIterator<Item = Result<Vec<u8>, Errno>>) -> FrameReceiver<Script> {
    let wire = Script { gives: gives.into_iter().collect(), ..Script::default() };
    FrameReceiver::new(wire, LONG, Owner::me().unwrap())
}

/// Receives until it is no longer for want of bytes.
fn recv(receiver: &mut FrameReceiver<Script>, buffer: &mut [u8], until: Until) -> Result<usize, RecvError> {
    loop {
        match receiver.recv_at_once(buffer).map_or_else(|| receiver.recv(buffer, &mut patience(until)), Ok) {
            Err(RecvError::Empty) => {}
            outcome => return outcome,
        }
    }
}

#[test]
fn a_long_message_leaves_no_buffer_behind() {
    let ((long, long_frame), (short, short_frame)) = (message(LONG), message(10));
    let mut buffer = vec![0; LONG];
    for until in [Until::Now, Until::Forever] {
        let mut stream = [&short_frame[..], &long_frame, &short_frame].concat();
        let behind = stream.split_off(3_000_000);
        let gives = [Err(Errno::INTR), Ok(stream), Err(Errno::AGAIN), Ok(behind)];
        let mut receiver = receiver(gives);
        for expected in [&short, &long, &short] {
            let len = recv(&mut receiver, &mut buffer, until).unwrap();
            assert!(buffer[..len] == expected[..], "{until:?}");
            assert_eq!(receiver.buffer.len(), READ_BYTES, "{until:?}: after {len} bytes");
        }
    }
}

#[test]
fn a_message_too_long_for_its_buffer_leaves_none_either() {
    let (long, frame) = message(LONG);
    let mut receiver = receiver([Ok(frame), Err(Errno::AGAIN)]);
    let outcome = recv(&mut receiver, &mut [0; 9], Until::Now);
    assert!(matches!(outcome, Err(RecvError::TooLong { len: LONG, room: 9 })), "{outcome:?}");
    let mut buffer = vec![0; LONG];
    assert_eq!(recv(&mut receiver, &mut buffer, Until::Now).unwrap(), LONG);
    assert!(buffer == long);
    assert_eq!(receiver.buffer.len(), READ_BYTES);
}

#[test]
fn a_shortage_in_the_middle_of_a_long_message_loses_nothing() {
    let (long, mut frame) = message(LONG);
    let behind = frame.split_off(70_000);
    let mut receiver = receiver([Ok(frame), Err(Errno::NOMEM), Ok(behind)]);
    let mut buffer = vec![0; LONG];
    let outcome = recv(&mut receiver, &mut buffer, Until::Forever);
    assert!(matches!(outcome, Err(RecvError::Io(_))), "{outcome:?}");
    buffer.fill(0);
    assert_eq!(recv(&mut receiver, &mut buffer, Until::Forever).unwrap(), LONG);
    assert!(buffer == long);
    assert_eq!(receiver.buffer.len(), READ_BYTES);
}

/// The same error, in every form, and the same end.
fn is_over(receiver: &mut FrameReceiver<Script>, end: End) {
    for until in [Until::Forever, Until::Now, Until::Forever] {
        let outcome = receiver.recv(&mut [0; 64][..], &mut patience(until));
        match outcome {
            Err(RecvError::Reset) if end == End::Reset => {}
            Err(RecvError::Disconnected) if end != End::Reset => {}
            outcome => panic!("{end:?}: {outcome:?}"),
        }
        assert_eq!(receiver.end(), end);
    }
}

#[test]
fn an_end_is_told_by_one_word_whatever_the_kernel_says_next() {
    let (_, frame) = message(10);
    let last = END.to_le_bytes().to_vec();
    let half = frame[..8].to_vec();
    let cases = [
        // What comes behind the last word is nothing.
        (End::Closed, vec![Ok([&frame[..], &last, &frame].concat()), Ok(frame.clone())]),
        (End::Abrupt, vec![Ok(frame.clone())]),
        (End::Abrupt, vec![Ok(frame.clone()), Ok(half.clone())]),
        // A reset comes first, and the end of the stream behind it.
        (End::Reset, vec![Ok(frame.clone()), Err(Errno::CONNRESET)]),
        (End::Reset, vec![Ok(frame.clone()), Ok(half), Err(Errno::CONNABORTED)]),
    ];
    for (end, gives) in cases {
        let mut receiver = receiver(gives);
        assert_eq!(
            recv(&mut receiver, &mut [0; 64], Until::Forever).unwrap(),
            10,
            "what came before is there"
        );
        is_over(&mut receiver, end);
    }
}

#[test]
fn a_long_message_whose_sender_died_was_never_sent() {
    let (_, mut frame) = message(LONG);
    frame.truncate(1_000_000);
    let mut receiver = receiver([Ok(frame)]);
    let outcome = recv(&mut receiver, &mut vec![0; LONG], Until::Forever);
    assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
    is_over(&mut receiver, End::Abrupt);
}

/// What a peer announces costs nothing until it comes.
#[test]
fn a_vector_is_opened_as_far_as_a_long_message_has_come() {
    let (long, mut frame) = message(LONG);
    let behind = frame.split_off(1_000_000);
    for (until, ends) in [(Until::Forever, true), (Until::Forever, false), (Until::Now, false)] {
        let after = if ends { vec![] } else { vec![Err(Errno::NOMEM), Ok(behind.clone())] };
        let mut receiver = receiver([Ok(frame.clone())].into_iter().chain(after));
        let mut vec = Vec::new();
        let outcome = receiver.recv(&mut Growing(&mut vec), &mut patience(until));
        let expected = if ends { RecvError::Disconnected } else { RecvError::Io(Errno::NOMEM.into()) };
        assert_eq!(outcome, Err(expected), "{until:?}");
        assert!(vec.len() <= 2_100_000, "opened for {} bytes", vec.len());
        if !ends {
            assert_eq!(receiver.recv(&mut Growing(&mut vec), &mut patience(until)), Ok(LONG), "{until:?}");
            assert!(
                vec == long && vec.capacity() == LONG && receiver.buffer.len() == READ_BYTES,
                "{until:?}"
            );
        }
    }
}
