//! What lies ahead in a stream: messages that are counted, or stepped over, without being handed out.
//!
//! What has been read and what the kernel still has are one row of bytes. A message is there when all of its bytes are in that
//! row, wherever they are. How long the row is is asked once for a call, so that a writer that is as fast cannot
//! keep it going.

use rustix::io::Errno;

use super::{FrameReceiver, HEADER_BYTES, Wire};
use crate::error::RecvError;
use crate::tuning::READ_BYTES;
use crate::wait::Patience;

impl<W: Wire> FrameReceiver<W> {
    /// Steps over the next message, once all of it has come. Its length.
    pub(super) fn step_over(&mut self, patience: &mut Patience) -> Result<usize, RecvError> {
        loop {
            let len = self.next_len();
            if let Some(len) = len.filter(|len| HEADER_BYTES + len <= self.end - self.start) {
                self.start += HEADER_BYTES + len;
                if self.start == self.end {
                    self.let_go();
                }
                return Ok(len);
            }
            self.fetch_more(patience)?;
        }
    }

    /// Waits until the length of a message has come, and steps over every message behind which another whole one is there
    /// already. How many that were.
    pub(super) fn step_over_stale(&mut self, patience: &mut Patience) -> Result<usize, RecvError> {
        let mut len = self.known_len(patience)?;
        let mut there = self.bytes_there()?;
        let mut passed = 0;
        loop {
            let frame = HEADER_BYTES + len;
            if there < frame + HEADER_BYTES || !self.bring(frame + HEADER_BYTES) {
                return Ok(passed);
            }
            let Some(behind) = self.len_at(self.start + frame) else { return Ok(passed) };
            // What is no length is told by the receive that comes to it.
            if behind > self.max_message || there < frame + HEADER_BYTES + behind {
                return Ok(passed);
            }
            self.start += frame;
            there -= frame;
            passed += 1;
            len = behind;
        }
    }

    /// How many messages are there whole, at least: those whose lengths have been read. And all bytes that are there.
    pub(super) fn count(&mut self, patience: &mut Patience) -> Result<(usize, usize), RecvError> {
        let mut there = self.bytes_there()?;
        while self.possible_len()?.is_none_or(|len| HEADER_BYTES + len > there) {
            match self.fetch_more(patience) {
                Ok(()) => there = self.bytes_there()?,
                Err(RecvError::Empty) => return Ok((0, there)),
                Err(error) => return Err(error),
            }
        }
        let (mut messages, mut bytes) = (0, 0);
        while let Some(len) = self.len_at(self.start + bytes).filter(|&len| len <= self.max_message) {
            bytes += HEADER_BYTES + len;
            if bytes > there {
                break;
            }
            messages += 1;
        }
        Ok((messages, there))
    }

    /// The length of the next message, once it has come.
    fn known_len(&mut self, patience: &mut Patience) -> Result<usize, RecvError> {
        loop {
            if let Some(len) = self.possible_len()? {
                return Ok(len);
            }
            self.fetch_more(patience)?;
        }
    }

    /// How many bytes were read and not taken, or can be read.
    fn bytes_there(&self) -> Result<usize, RecvError> {
        let unread = self.wire.unread_bytes().map_err(|errno| RecvError::Io(errno.into()))?;
        Ok(self.end - self.start + unread)
    }

    /// Reads what the kernel has until `bytes` bytes stand in the buffer. Whether it was so much.
    fn bring(&mut self, bytes: usize) -> bool {
        while self.end - self.start < bytes {
            if self.buffer.len() - self.start < bytes {
                self.move_to(bytes.max(READ_BYTES));
            }
            match self.wire.read(&mut self.buffer[self.end..], true) {
                Ok(read @ 1..) => self.end += read,
                Err(Errno::INTR) => {}
                ended => {
                    if ended != Err(Errno::AGAIN) {
                        // The kernel tells some errors once: the receive that comes to it tells it again.
                        self.fail(ended);
                    }
                    return false;
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::super::script::{Script, message, patience};
    use super::*;
    use crate::error::End;
    use crate::halves::Inbound;
    use crate::owner::Owner;
    use crate::wait::Until;

    const LONGEST: usize = 300_000;

    /// What happens next.
    #[derive(Debug, Clone)]
    enum Act {
        /// The stream brings this many bytes more.
        Bring(usize),
        Recv,
        Skip,
        SkipStale,
        Pending,
    }

    /// A receiver, and what is known of its stream without it.
    struct History {
        receiver: FrameReceiver<Script>,
        /// The lengths of messages that are there or will come.
        messages: VecDeque<usize>,
        /// Bytes that will come, and bytes that are there.
        to_come: VecDeque<u8>,
        there: usize,
    }

    impl History {
        /// How many messages are there whole.
        fn whole(&self) -> usize {
            let frames = self.messages.iter().scan(0, |bytes, len| {
                *bytes += HEADER_BYTES + len;
                Some(*bytes)
            });
            frames.take_while(|bytes| *bytes <= self.there).count()
        }

        fn taken(&mut self, len: usize) {
            assert_eq!(Some(len), self.messages.pop_front());
            self.there -= HEADER_BYTES + len;
        }

        fn act(&mut self, act: Act) {
            let (whole, now) = (self.whole(), &mut patience(Until::Now));
            match act {
                Act::Bring(bytes) => {
                    let bytes: Vec<u8> = self.to_come.drain(..bytes.min(self.to_come.len())).collect();
                    self.there += bytes.len();
                    // The wire has an end for a reader that has read everything, unless it waits.
                    let gives = &mut self.receiver.wire.gives;
                    gives.retain(Result::is_ok);
                    gives.extend((!bytes.is_empty()).then_some(Ok(bytes)));
                    gives.extend([const { Err(Errno::AGAIN) }; 64]);
                }
                Act::Recv => {
                    let mut buffer = vec![0; LONGEST];
                    match self.receiver.recv(&mut buffer[..], now) {
                        Ok(len) => {
                            assert!(buffer[..len] == message(len).0, "{len} bytes that were not sent");
                            self.taken(len);
                        }
                        outcome => assert_eq!((outcome, whole), (Err(RecvError::Empty), 0)),
                    }
                }
                Act::Skip => match self.receiver.skip(now) {
                    Ok(len) => self.taken(len),
                    outcome => assert_eq!((outcome, whole), (Err(RecvError::Empty), 0)),
                },
                Act::SkipStale => match self.receiver.skip_stale(now) {
                    Ok(passed) => {
                        assert_eq!(passed, whole.saturating_sub(1));
                        let stale: usize = self.messages.drain(..passed).map(|len| HEADER_BYTES + len).sum();
                        self.there -= stale;
                    }
                    outcome => assert_eq!((outcome, whole), (Err(RecvError::Empty), 0)),
                },
                Act::Pending => {
                    let (messages, bytes) = self.receiver.pending(now).unwrap();
                    assert_eq!(bytes, self.there);
                    assert!(messages <= whole && (messages > 0 || whole == 0), "{messages} of {whole}");
                }
            }
            let largest = READ_BYTES.max(2 * HEADER_BYTES + LONGEST);
            assert!(
                self.receiver.buffer.len() <= largest,
                "a buffer of {} bytes",
                self.receiver.buffer.len()
            );
        }
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let bytes = prop_oneof![2 => 0..=9_usize, 2 => 0..=200_usize, 2 => 0..=400_000_usize];
        let act = prop_oneof![
            6 => bytes.prop_map(Act::Bring),
            2 => Just(Act::Recv),
            2 => Just(Act::Skip),
            2 => Just(Act::SkipStale),
            2 => Just(Act::Pending),
        ];
        vec(act, 1..60)
    }

    fn lengths() -> impl Strategy<Value = Vec<usize>> {
        vec(prop_oneof![4 => 0..=40_usize, 2 => 0..=3000_usize, 1 => 0..=LONGEST], 1..30)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn what_is_stepped_over_is_what_is_there(lengths in lengths(), acts in acts()) {
            let to_come = lengths.iter().flat_map(|&len| message(len).1).collect();
            let wire = Script { gives: [const { Err(Errno::AGAIN) }; 64].into(), ..Script::default() };
            let receiver = FrameReceiver::new(wire, LONGEST, Owner::me().unwrap());
            let mut history = History { receiver, messages: lengths.into(), to_come, there: 0 };
            acts.into_iter().for_each(|act| history.act(act));
            history.act(Act::Bring(usize::MAX));
            while !history.messages.is_empty() {
                history.act(Act::SkipStale);
                history.act(Act::Recv);
            }
            prop_assert_eq!(history.there, 0);
        }
    }

    #[test]
    fn an_end_that_is_met_while_stepping_over_is_told_behind_what_came() {
        let (_, frame) = message(10);
        for ended in [Err(Errno::CONNRESET), Ok(vec![])] {
            let gives = [Ok(frame.clone()), Ok(frame[..7].to_vec()), ended.clone()];
            let wire = Script { gives: gives.into(), ..Script::default() };
            let mut receiver = FrameReceiver::new(wire, LONGEST, Owner::me().unwrap());
            let now = &mut patience(Until::Now);
            assert_eq!(receiver.skip_stale(now), Ok(0));
            assert_eq!(receiver.recv(&mut [0; 10][..], now), Ok(10));
            let over = if ended.is_err() { RecvError::Reset } else { RecvError::Disconnected };
            for _ in 0..2 {
                assert_eq!(receiver.skip(now).unwrap_err(), over);
                assert_eq!(receiver.pending(now).unwrap_err(), over);
                // What will never be whole is not stepped over.
                assert_eq!(receiver.skip_stale(now), Ok(0));
            }
        }
    }

    /// A kernel tells of a reset once, and it may be the one that steps over messages that it tells.
    #[test]
    fn a_reset_that_is_met_while_stepping_over_is_not_forgotten() {
        let frames = message(10).1.repeat(2);
        let gives = [Ok(frames[..16].to_vec()), Err(Errno::CONNRESET), Ok(frames[16..].to_vec())];
        let wire = Script { gives: gives.into(), ..Script::default() };
        let mut receiver = FrameReceiver::new(wire, LONGEST, Owner::me().unwrap());
        let now = &mut patience(Until::Now);
        assert_eq!(receiver.skip_stale(now), Ok(0));
        assert_eq!(receiver.recv(&mut [0; 10][..], now), Ok(10));
        assert_eq!(receiver.recv(&mut [0; 10][..], now), Err(RecvError::Reset));
        assert_eq!(receiver.end(), End::Reset);
    }

    #[test]
    fn an_announced_length_that_is_none_is_refused_by_every_form() {
        let bad = (LONGEST as u32 + 1).to_le_bytes().to_vec();
        let receiver = |gives: Vec<u8>| {
            let wire = Script { gives: [Ok(gives)].into(), ..Script::default() };
            FrameReceiver::new(wire, LONGEST, Owner::me().unwrap())
        };
        let now = &mut patience(Until::Now);
        assert!(matches!(receiver(bad.clone()).skip(now), Err(RecvError::Poisoned(_))));
        assert!(matches!(receiver(bad.clone()).skip_stale(now), Err(RecvError::Poisoned(_))));
        assert!(matches!(receiver(bad.clone()).pending(now), Err(RecvError::Poisoned(_))));
        // Behind a message it is told when it is its turn, even if all that was announced has come.
        let mut whole = receiver([message(10).1, message(LONGEST + 1).1].concat());
        assert_eq!(whole.skip_stale(now), Ok(0));
        assert_eq!(whole.skip(now), Ok(10));
        let mut behind = receiver([message(10).1, bad].concat());
        assert_eq!(behind.skip_stale(now), Ok(0));
        assert_eq!(behind.pending(now), Ok((1, 18)));
        assert_eq!(behind.skip(now), Ok(10));
        assert!(matches!(behind.skip(now), Err(RecvError::Poisoned(_))));
    }
}
