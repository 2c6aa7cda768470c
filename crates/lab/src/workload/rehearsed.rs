//! Rehearsed: traffic that was seen between two other programs, message by message as they sent it.
//!
//! A side takes as many messages of the other as its program had taken, thinks as long after its last event as the program did, and
//! sends. Making a message and checking one falls into that thinking. Both sides stamp each message by the shared clock: from just
//! before its send to the end of the receive that took it, whatever its size, so the stamps are kept beside and not in it.
//! Where messages are gathered, those that follow each other without a wait go through a cork.

use crossing::{Connection, CorkedConnection, Mechanism, RecvError, SendError};

use super::course::{Broken, spent_since};
use super::pacing::wait_until;
use super::payload::{check, fill};
use crate::job::{PairJob, Role};
use crate::request::SideOutcome;
use crate::score::{Score, ScoreNote};
use crate::stats::Histogram;
use crate::sys::usage::usage;

/// A connection, with a cork or without.
trait PlayedChannel {
    /// Sends a message; `more` says that the next one follows at once.
    fn give(&mut self, message: &[u8], more: bool) -> Result<(), SendError>;
    /// Receives one.
    fn take(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError>;
}

impl<M: Mechanism> PlayedChannel for Connection<M> {
    #[inline(always)]
    fn give(&mut self, message: &[u8], _: bool) -> Result<(), SendError> {
        self.send(message)
    }

    #[inline(always)]
    fn take(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        self.recv(buffer)
    }
}

impl<M: Mechanism> PlayedChannel for CorkedConnection<'_, M> {
    #[inline(always)]
    fn give(&mut self, message: &[u8], more: bool) -> Result<(), SendError> {
        self.send(message)?;
        if more { Ok(()) } else { self.flush() }
    }

    #[inline(always)]
    fn take(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        self.recv(buffer)
    }
}

/// One side's part.
pub(super) fn play<M: Mechanism>(
    connection: &mut Connection<M>,
    job: &PairJob,
    score: &Score,
    role: Role,
    gathers: bool,
) -> Result<SideOutcome, Broken> {
    let mut player = Player::new(job, score, role);
    player.warm_up(connection, role)?;
    if gathers { player.play(&mut connection.cork()) } else { player.play(connection) }
}

struct Player<'a> {
    job: &'a PairJob,
    mine: &'a [ScoreNote],
    theirs: &'a [ScoreNote],
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    /// When each of its messages began to be sent, in ticks.
    sent_at: Vec<u64>,
    /// When each of the other's had been received.
    taken_at: Vec<u64>,
}

impl<'a> Player<'a> {
    fn new(job: &'a PairJob, score: &'a Score, role: Role) -> Player<'a> {
        let [first, second] = &score.sides;
        let (mine, theirs) = if role == Role::Initiator { (first, second) } else { (second, first) };
        // Taken and touched beforehand.
        let stamps = |notes: &[ScoreNote]| {
            let mut stamps = vec![1; notes.len()];
            stamps.clear();
            stamps
        };
        Player {
            job,
            mine,
            theirs,
            outgoing: vec![1; job.size()],
            incoming: vec![1; job.size()],
            sent_at: stamps(mine),
            taken_at: stamps(theirs),
        }
    }

    /// Round trips of the longest message.
    fn warm_up<M: Mechanism>(&mut self, connection: &mut Connection<M>, role: Role) -> Result<(), Broken> {
        for seq in 0..self.job.warmup {
            fill(&mut self.outgoing, seq, 0);
            if role == Role::Initiator {
                connection.send(&self.outgoing)?;
            }
            let len = connection.recv(&mut self.incoming)?;
            check(&self.incoming[..len], self.job.size(), seq)?;
            if role == Role::Responder {
                connection.send(&self.outgoing)?;
            }
        }
        Ok(())
    }

    fn play(mut self, way: &mut impl PlayedChannel) -> Result<SideOutcome, Broken> {
        let clock = self.job.clock;
        let before = usage();
        let began = clock.now();
        let mut last = began;
        for (number, note) in self.mine.iter().enumerate() {
            while self.taken_at.len() < note.after as usize {
                last = self.take(way)?;
            }
            let message = &mut self.outgoing[..note.bytes as usize];
            fill(message, self.job.warmup + number as u64, 0);
            if note.thought_ns > 0 {
                wait_until(last + clock.ticks(note.thought_ns), &clock, true);
            }
            let more = self.mine.get(number + 1).is_some_and(|next| next.follows(note));
            self.sent_at.push(clock.now());
            way.give(message, more)?;
            last = clock.now();
        }
        while self.taken_at.len() < self.theirs.len() {
            last = self.take(way)?;
        }
        let usage = spent_since(&before);
        Ok(SideOutcome {
            began,
            ended: last,
            verified: self.taken_at.len() as u64,
            usage,
            sent_at: self.sent_at,
            taken_at: self.taken_at,
            ..SideOutcome::default()
        })
    }

    /// Takes the next message, and says when it had come.
    #[inline(always)]
    fn take(&mut self, way: &mut impl PlayedChannel) -> Result<u64, Broken> {
        let number = self.taken_at.len();
        let len = way.take(&mut self.incoming)?;
        let now = self.job.clock.now();
        self.taken_at.push(now);
        let size = self.theirs[number].bytes as usize;
        check(&self.incoming[..len], size, self.job.warmup + number as u64)?;
        Ok(now)
    }
}

/// What the stamps of both sides say together.
#[derive(Debug)]
pub(crate) struct JoinedStamps {
    /// The times of each direction's messages, side 0's first.
    pub(crate) directions: [Histogram; 2],
    /// From the first send to the end of the last receive.
    pub(crate) elapsed_ns: u64,
}

/// Joins the n-th message that one side sent with the n-th that the other received.
pub(crate) fn joined(job: &PairJob, [first, second]: [&SideOutcome; 2]) -> JoinedStamps {
    let direction = |from: &SideOutcome, to: &SideOutcome| {
        let mut times = Histogram::new();
        for (sent, taken) in from.sent_at.iter().zip(&to.taken_at) {
            times.record(job.clock.ns(taken.saturating_sub(*sent)));
        }
        times
    };
    let began = first.sent_at.iter().chain(&second.sent_at).min();
    let ended = first.taken_at.iter().chain(&second.taken_at).max();
    let ticks = began.zip(ended).map_or(0, |(began, ended)| ended.saturating_sub(*began));
    JoinedStamps {
        directions: [direction(first, second), direction(second, first)],
        elapsed_ns: job.clock.ns(ticks),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use crossing::{Config, Kind, WaitStrategy};

    use super::*;
    use crate::clock::Clock;
    use crate::job::Task;
    use crate::plan::Workload;
    use crate::score::tests::traffic;

    fn job(kind: Kind, scores: [&Score; 2]) -> PairJob {
        let size = scores.map(Score::longest).into_iter().max().unwrap();
        let task = Task::Race(Workload::Rehearsed);
        let job = PairJob::new(task, kind, WaitStrategy::Block, None, size, Clock::Monotonic);
        PairJob { warmup: 4, messages: scores[0].messages(), ..job }
    }

    fn pair(job: &PairJob) -> (Connection, Connection) {
        Connection::pair(job.kind, &Config::default().max_message(job.size())).unwrap()
    }

    /// Both sides on two threads, each by its own score.
    fn rehearse(kind: Kind, scores: [&Score; 2], gathers: bool) -> [Result<SideOutcome, Broken>; 2] {
        let job = job(kind, scores);
        let (mut here, mut there) = pair(&job);
        thread::scope(|scope| {
            // An end that fails is dropped, so that the other does not wait for it.
            let other = scope.spawn(move || play(&mut there, &job, scores[1], Role::Responder, gathers));
            let first = play(&mut here, &job, scores[0], Role::Initiator, gathers);
            drop(here);
            [first, other.join().unwrap()]
        })
    }

    /// Questions and answers, messages in a row, empty ones, and both sides at once.
    fn score() -> Score {
        let messages = [
            (0, 100, 0, 0),
            (1, 3, 1, 1_000),
            (0, 0, 1, 300_000),
            (0, 70_000, 1, 50),
            (0, 1, 1, 50),
            (1, 9, 4, 0),
            (1, 16, 4, 0),
            (0, 8, 2, 0),
        ];
        Score::of(&traffic(&messages)).unwrap()
    }

    #[test]
    fn every_message_is_sent_received_verified_and_stamped_in_the_order_that_was_seen() {
        let score = score();
        for (kind, gathers) in Kind::ALL.into_iter().flat_map(|kind| [(kind, false), (kind, true)]) {
            let [first, second] = rehearse(kind, [&score; 2], gathers).map(Result::unwrap);
            assert_eq!((first.verified, second.verified), (3, 5), "{kind} {gathers}");
            for side in [&first, &second] {
                assert!(side.sent_at.is_sorted() && side.taken_at.is_sorted(), "{kind} {side:?}");
            }
            for ((side, other), notes) in [(&first, &second), (&second, &first)].into_iter().zip(&score.sides)
            {
                assert_eq!(side.sent_at.len(), notes.len());
                assert_eq!(other.taken_at.len(), notes.len());
                for (note, sent) in notes.iter().zip(&side.sent_at) {
                    // No message goes before those that it comes after have been taken.
                    let Some(awaited) = (note.after as usize).checked_sub(1) else { continue };
                    assert!(side.taken_at[awaited] <= *sent, "{kind} {gathers}");
                }
            }
            let joined = joined(&job(kind, [&score; 2]), [&first, &second]);
            assert_eq!(joined.directions.each_ref().map(Histogram::count), [5, 3]);
            assert!(joined.elapsed_ns >= score.least_ns, "it thinks as long as was seen");
        }
    }

    /// A connection that loses its second message.
    struct Lossy {
        connection: Connection,
        sent: usize,
    }

    impl PlayedChannel for Lossy {
        fn give(&mut self, message: &[u8], more: bool) -> Result<(), SendError> {
            self.sent += 1;
            if self.sent == 2 { Ok(()) } else { self.connection.give(message, more) }
        }

        fn take(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
            self.connection.take(buffer)
        }
    }

    /// The controls: a repetition that leaves a message out, sends another size, or loses one on the way.
    #[test]
    fn a_wrong_repetition_is_caught() {
        let score = score();
        let mut lossy = score.clone();
        lossy.sides[0].remove(1);
        let mut longer = score.clone();
        longer.sides[0][0].bytes += 1;
        for (wrong, words) in [(&lossy, "where 0 were sent"), (&longer, "has 101 bytes where 100 were sent")]
        {
            for kind in Kind::ALL {
                let [_, told] = rehearse(kind, [wrong, &score], false);
                let told = told.unwrap_err().to_string();
                assert!(told.contains(words), "{kind}: {told}");
            }
        }
        // Those behind a lost one of the same size are caught by their number.
        let alike = Score::of(&traffic(&[(0, 64, 0, 0), (0, 64, 0, 0), (0, 64, 0, 0)])).unwrap();
        for kind in Kind::ALL {
            let job = PairJob { warmup: 0, ..job(kind, [&alike; 2]) };
            let (connection, mut there) = pair(&job);
            let player = Player::new(&job, &alike, Role::Initiator);
            player.play(&mut Lossy { connection, sent: 0 }).unwrap();
            let told = Player::new(&job, &alike, Role::Responder).play(&mut there).unwrap_err();
            assert_eq!(told.to_string(), "message 2 came where 1 was due", "{kind}");
        }
    }
}
