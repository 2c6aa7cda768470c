//! A score: traffic that was found to be repeatable, as two processes play it.
//!
//! Each side has a list of notes: how many messages of the other side it takes first, how long it thinks then, and what it sends.
//! A [`Traffic`] comes from a file. Here it is held against what can be played at all: in some order, within limits.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::plan::SIZE_LIMIT;
use crate::traffic::{MESSAGES_LIMIT, Traffic};
use crate::units;

/// The longest time that traffic may take through a channel that takes none, in nanoseconds: a minute.
pub const THOUGHT_LIMIT_NS: u64 = 60_000_000_000;

/// The most bytes that all messages of both sides may have together: 4 GiB.
pub const BYTES_LIMIT: u64 = 4 << 30;

/// A message that follows its own side's last one within this time, in nanoseconds, and waits for nothing between, could share a
/// system call with it. It is longer than a write takes to return and begin again, and shorter than a sleep.
pub const GATHER_NS: u64 = 10_000;

/// What is wrong with traffic that cannot be repeated. Messages are numbered from 1, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScoreFault {
    /// There is none.
    #[error("there is no message in it, so nothing to rehearse: watch while the programs talk")]
    Empty,
    /// More than are ever kept.
    #[error("it holds {0} messages: at most {MESSAGES_LIMIT} are rehearsed")]
    Many(usize),
    /// A side that a channel does not have.
    #[error("message {message} is of side {side}: a channel has the sides 0 and 1")]
    Side {
        /// Which.
        message: usize,
        /// Its side.
        side: u8,
    },
    /// A message that no channel of ours carries.
    #[error("message {message} has {bytes} bytes: at most {SIZE_LIMIT} are rehearsed as one")]
    Long {
        /// Which.
        message: usize,
        /// Its bytes.
        bytes: u64,
    },
    /// Too many bytes.
    #[error(
        "its messages have {0} bytes together: at most {BYTES_LIMIT} are rehearsed, so watch for a shorter time"
    )]
    Bytes(u64),
    /// A message before which fewer had been read than before an earlier one of its side.
    #[error(
        "message {message} comes after {after} of the other side, and an earlier one of its side after {before}"
    )]
    Backwards {
        /// Which.
        message: usize,
        /// Its own.
        after: u64,
        /// The earlier one's.
        before: u64,
    },
    /// A message that waits for one that cannot be sent before it.
    #[error(
        "message {message} comes after {after} of the other side, and the last of those can only come later"
    )]
    Early {
        /// Which.
        message: usize,
        /// How many it waits for.
        after: u64,
    },
    /// It takes too long.
    #[error(
        "it takes {} even through a channel that takes no time: at most {} are rehearsed, so watch for a shorter time",
        units::duration(*.0 as f64),
        units::duration(THOUGHT_LIMIT_NS as f64)
    )]
    Slow(u64),
}

/// What a side does once: it takes, it thinks, it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u64, u32)", into = "(u32, u64, u32)")]
pub(crate) struct ScoreNote {
    /// How many messages of the other side it has taken before.
    pub(crate) after: u32,
    /// How long it thinks after its last event, in nanoseconds.
    pub(crate) thought_ns: u64,
    /// The bytes of the message that it sends then.
    pub(crate) bytes: u32,
}

impl From<(u32, u64, u32)> for ScoreNote {
    fn from((after, thought_ns, bytes): (u32, u64, u32)) -> ScoreNote {
        ScoreNote { after, thought_ns, bytes }
    }
}

impl From<ScoreNote> for (u32, u64, u32) {
    fn from(note: ScoreNote) -> (u32, u64, u32) {
        (note.after, note.thought_ns, note.bytes)
    }
}

impl ScoreNote {
    /// Whether its message could share a call with the one before it.
    pub(crate) fn follows(&self, before: &ScoreNote) -> bool {
        self.after == before.after && self.thought_ns <= GATHER_NS
    }
}

/// The notes of both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Score {
    /// Of side 0, and of side 1.
    pub(crate) sides: [Vec<ScoreNote>; 2],
    /// How long it takes through a channel that takes no time, in nanoseconds.
    pub(crate) least_ns: u64,
    /// How long it took when it was seen.
    pub(crate) elapsed_ns: u64,
}

impl Score {
    /// The score of what was seen.
    ///
    /// # Errors
    /// Its first fault.
    pub(crate) fn of(traffic: &Traffic) -> Result<Score, ScoreFault> {
        let messages = &traffic.messages;
        match messages.len() {
            0 => return Err(ScoreFault::Empty),
            many if many > MESSAGES_LIMIT => return Err(ScoreFault::Many(many)),
            _ => {}
        }
        let mut sides = [Vec::new(), Vec::new()];
        let mut numbers = [Vec::new(), Vec::new()];
        let mut all_bytes = 0_u64;
        for (index, sent) in messages.iter().enumerate() {
            let message = index + 1;
            let side = usize::from(sent.side);
            if side > 1 {
                return Err(ScoreFault::Side { message, side: sent.side });
            }
            let bytes = u32::try_from(sent.bytes).ok().filter(|&bytes| bytes <= SIZE_LIMIT);
            let bytes = bytes.ok_or(ScoreFault::Long { message, bytes: sent.bytes })?;
            // A number that no list has room for waits for what never comes.
            let after = u32::try_from(sent.after);
            let after = after.map_err(|_| ScoreFault::Early { message, after: sent.after })?;
            let before = sides[side].last().map_or(0, |note: &ScoreNote| note.after);
            if after < before {
                let before = before.into();
                return Err(ScoreFault::Backwards { message, after: sent.after, before });
            }
            all_bytes += u64::from(bytes);
            sides[side].push(ScoreNote { after, thought_ns: sent.thought_ns, bytes });
            numbers[side].push(message);
        }
        if all_bytes > BYTES_LIMIT {
            return Err(ScoreFault::Bytes(all_bytes));
        }
        let least_ns = least_ns(&sides).map_err(|(side, at)| ScoreFault::Early {
            message: numbers[side][at],
            after: sides[side][at].after.into(),
        })?;
        if least_ns > THOUGHT_LIMIT_NS {
            return Err(ScoreFault::Slow(least_ns));
        }
        Ok(Score { sides, least_ns, elapsed_ns: traffic.elapsed_ns })
    }

    fn notes(&self) -> impl Iterator<Item = &ScoreNote> {
        self.sides.iter().flatten()
    }

    /// How many messages both sides send.
    pub(crate) fn messages(&self) -> u64 {
        self.notes().count() as u64
    }

    /// Their bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.notes().map(|note| u64::from(note.bytes)).sum()
    }

    /// How long it may take before it is given up: ten times as long as was seen, and time for what another channel may cost.
    pub(crate) fn patience_ns(&self) -> u64 {
        const TIMES: u64 = 10;
        const PER_MESSAGE_NS: u64 = 1_000_000;
        const PER_BYTE_NS: u64 = 20;
        let seen = self.least_ns.max(self.elapsed_ns.min(THOUGHT_LIMIT_NS));
        TIMES * seen + PER_MESSAGE_NS * self.messages() + PER_BYTE_NS * self.bytes()
    }

    /// The bytes of the longest message; 1 where all are empty, because a channel must have room for something.
    pub(crate) fn longest(&self) -> u32 {
        self.notes().map(|note| note.bytes).max().unwrap_or(0).max(1)
    }

    /// How many messages could share a call with the one before them.
    pub(crate) fn gathered(&self) -> usize {
        let of_side = |notes: &Vec<ScoreNote>| notes.windows(2).filter(|two| two[1].follows(&two[0])).count();
        self.sides.iter().map(of_side).sum()
    }

    /// How many messages have no bytes.
    pub(crate) fn empty(&self) -> usize {
        self.notes().filter(|note| note.bytes == 0).count()
    }
}

/// When the last message is sent if none is on its way for any time; or the side and the place of a message that waits for ever.
fn least_ns(sides: &[Vec<ScoreNote>; 2]) -> Result<u64, (usize, usize)> {
    let mut sent_at = [Vec::new(), Vec::new()];
    loop {
        let next = |side: usize| sides[side].get(sent_at[side].len());
        let ready =
            |&side: &usize| next(side).is_some_and(|note| note.after as usize <= sent_at[1 - side].len());
        let Some(side) = [0, 1].into_iter().find(ready) else { break };
        let note = sides[side][sent_at[side].len()];
        let came: u64 = match note.after {
            0 => 0,
            after => sent_at[1 - side][after as usize - 1],
        };
        let free = sent_at[side].last().copied().unwrap_or(0);
        sent_at[side].push(free.max(came).saturating_add(note.thought_ns));
    }
    match [0, 1].into_iter().find(|&side| sent_at[side].len() < sides[side].len()) {
        Some(side) => Err((side, sent_at[side].len())),
        None => Ok(sent_at.iter().filter_map(|times| times.last()).copied().max().unwrap_or(0)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::traffic::SentMessage;

    /// Messages of a side, their bytes, what they come after, and the thought before them.
    pub(crate) fn traffic(messages: &[(u8, u64, u64, u64)]) -> Traffic {
        let sent = |&(side, bytes, after, thought_ns): &_| SentMessage { side, bytes, after, thought_ns };
        Traffic { messages: messages.iter().map(sent).collect(), ..Traffic::default() }
    }

    fn fault(messages: &[(u8, u64, u64, u64)]) -> ScoreFault {
        Score::of(&traffic(messages)).unwrap_err()
    }

    #[test]
    fn a_score_is_what_each_side_does() {
        let score =
            Score::of(&traffic(&[(0, 5, 0, 0), (1, 7, 1, 40), (0, 0, 1, 2), (0, 9, 1, 30_000)])).unwrap();
        let note = |after, thought_ns, bytes| ScoreNote { after, thought_ns, bytes };
        assert_eq!(score.sides[0], [note(0, 0, 5), note(1, 2, 0), note(1, 30_000, 9)]);
        assert_eq!(score.sides[1], [note(1, 40, 7)]);
        assert_eq!((score.least_ns, score.messages(), score.bytes()), (30_042, 4, 21));
        assert_eq!((score.longest(), score.gathered(), score.empty()), (9, 0, 1));
        let json = serde_json::to_string(&score).unwrap();
        assert_eq!(serde_json::from_str::<Score>(&json).unwrap(), score);
    }

    #[test]
    fn two_writes_in_a_row_could_share_a_call_unless_something_is_awaited_between() {
        let gathered = |messages: &[_]| Score::of(&traffic(messages)).unwrap().gathered();
        assert_eq!(gathered(&[(0, 1, 0, 0), (0, 1, 0, GATHER_NS), (0, 1, 0, GATHER_NS + 1)]), 1);
        assert_eq!(gathered(&[(0, 1, 0, 0), (1, 1, 1, 0), (0, 1, 1, 0), (0, 1, 1, 0)]), 1);
    }

    /// The order in the file is that of one clock; a read may end before the write that it answers does.
    #[test]
    fn a_message_may_stand_before_the_one_that_it_answers() {
        assert!(Score::of(&traffic(&[(1, 1, 1, 0), (0, 1, 0, 0)])).is_ok());
    }

    #[test]
    fn what_cannot_be_played_is_refused_with_the_message_at_fault() {
        assert_eq!(fault(&[]), ScoreFault::Empty);
        assert_eq!(fault(&[(0, 1, 0, 0), (2, 1, 0, 0)]), ScoreFault::Side { message: 2, side: 2 });
        let bytes = u64::from(SIZE_LIMIT) + 1;
        assert_eq!(fault(&[(0, bytes, 0, 0)]), ScoreFault::Long { message: 1, bytes });
        assert_eq!(fault(&[(0, u64::MAX, 0, 0)]), ScoreFault::Long { message: 1, bytes: u64::MAX });
        let long = (0, u64::from(SIZE_LIMIT), 0, 0);
        assert_eq!(fault(&[long; 257]), ScoreFault::Bytes(257 * u64::from(SIZE_LIMIT)));
        let one = (0, 1, 0, 0);
        assert_eq!(fault(&vec![one; MESSAGES_LIMIT + 1]), ScoreFault::Many(MESSAGES_LIMIT + 1));
        let backwards = [(1, 1, 0, 0), (0, 1, 1, 0), (0, 1, 0, 0)];
        assert_eq!(fault(&backwards), ScoreFault::Backwards { message: 3, after: 0, before: 1 });
    }

    #[test]
    fn a_circle_of_messages_that_wait_for_each_other_is_refused() {
        assert_eq!(fault(&[(0, 1, 1, 0), (1, 1, 1, 0)]), ScoreFault::Early { message: 1, after: 1 });
        assert_eq!(fault(&[(0, 1, 0, 0), (1, 1, 2, 0)]), ScoreFault::Early { message: 2, after: 2 });
        assert_eq!(fault(&[(0, 1, u64::MAX, 0)]), ScoreFault::Early { message: 1, after: u64::MAX });
    }

    #[test]
    fn thoughts_are_bounded_along_the_longest_chain() {
        let trillion = 1_000_000_000_000;
        assert_eq!(fault(&[(0, 1, 0, trillion)]), ScoreFault::Slow(trillion));
        assert_eq!(fault(&[(0, 1, 0, u64::MAX), (1, 1, 1, u64::MAX)]), ScoreFault::Slow(u64::MAX));
        let half = THOUGHT_LIMIT_NS / 2;
        assert_eq!(Score::of(&traffic(&[(0, 1, 0, half), (1, 1, 1, half)])).unwrap().least_ns, 2 * half);
        // Side by side they take no longer than one.
        assert_eq!(Score::of(&traffic(&[(0, 1, 0, half), (1, 1, 0, half)])).unwrap().least_ns, half);
    }
}
