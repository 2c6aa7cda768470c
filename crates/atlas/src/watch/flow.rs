//! One direction of a channel: which read took the bytes of which write.
//!
//! The n-th byte that is written is the n-th that is read, so two running counts join the calls. What they need is one moment at
//! which it is known how far apart they are. A read that was already waiting when a write began proves that the channel was empty,
//! and so does one that was told that there is nothing. Else a look at what waits in the channel tells it, if no call was under way
//! meanwhile. Later looks are held against the counts: more in the channel than they say means that they never were level. Datagrams
//! are joined likewise, each counting as one.

use std::collections::VecDeque;

/// How many calls are kept until the counts are level, and after that for a look.
const KEPT: usize = 4096;
/// How many looks wait for the calls that were under way meanwhile.
const LOOKS: usize = 4;
/// How many calls may wait for their counterpart, in 8 MiB. More means that the two counts are of different channels, or a buffer
/// full of tiny writes.
const UNJOINED: usize = 1 << 18;

/// A write or a read that has taken some bytes, or been told that there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moved {
    /// `None`: before the watch.
    pub(super) began_ns: Option<u64>,
    pub(super) ended_ns: u64,
    /// Bytes; of datagrams 1. 0 of a read that found nothing.
    pub(super) units: u64,
}

/// A write and the read that took its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Joined {
    /// The write is the n-th that was joined, from 0.
    pub(super) n: u64,
    pub(super) write: Moved,
    pub(super) read: Moved,
}

/// A look at what waits in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ChannelLook {
    began_ns: u64,
    ended_ns: u64,
    units: u64,
}

/// The last calls while the counts are level, and what is in the channel by all of them.
#[derive(Debug, Default)]
struct LevelCounts {
    /// Each with whether it was a write.
    calls: VecDeque<(Moved, bool)>,
    in_channel: i64,
    /// When the last write and the last read began.
    last_began: [u64; 2],
}

impl LevelCounts {
    fn add(&mut self, call: Moved, writes: bool) {
        self.in_channel += signed(call, writes);
        if let Some(began) = call.began_ns {
            self.last_began[usize::from(writes)] = began;
        }
        self.calls.push_back((call, writes));
        if self.calls.len() > KEPT {
            self.calls.pop_front();
        }
    }

    /// What was in the channel during a look, by the counts; `None` if a call was under way meanwhile, or the look is too old.
    fn during(&self, look: &ChannelLook) -> Option<i64> {
        let first = self.calls.front()?.0.ended_ns;
        let quiet = !self.calls.iter().any(|(call, _)| is_at(call, look.began_ns, look.ended_ns));
        let since = self.calls.iter().rev().take_while(|(call, _)| call.ended_ns > look.ended_ns);
        let moved: i64 = since.map(|&(call, writes)| signed(call, writes)).sum();
        (quiet && first < look.began_ns).then_some(self.in_channel - moved)
    }
}

/// What a call has added to the channel.
fn signed(call: Moved, writes: bool) -> i64 {
    let units = i64::try_from(call.units).unwrap_or(i64::MAX);
    if writes { units } else { -units }
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Whether the counts are level.
    level: bool,
    /// Bytes that were in the channel before: the next reads take them.
    ahead: u64,
    /// Looks that may tell how far apart the counts are, the last one last.
    looks: VecDeque<ChannelLook>,
    /// Writes and reads that are not joined yet: their bytes that are left. Before the counts are level, the last ones.
    writes: VecDeque<Moved>,
    reads: VecDeque<Moved>,
    counts: LevelCounts,
    joined: u64,
    /// How often a read came before its write, or a look saw more than there could be: the counts were not level after all.
    contradictions: u64,
}

impl Flow {
    /// A write has ended.
    pub(super) fn wrote(&mut self, write: Moved, each: impl FnMut(Joined)) {
        if write.units == 0 {
            return;
        }
        self.writes.push_back(write);
        if self.level {
            self.counts.add(write, true);
            self.join(each);
            self.check();
        } else {
            self.find_level(each);
        }
    }

    /// A read has ended.
    pub(super) fn read(&mut self, read: Moved, each: impl FnMut(Joined)) {
        if !self.level {
            self.reads.push_back(read);
            if self.reads.len() > KEPT {
                self.reads.pop_front();
            }
            self.find_level(each);
        } else {
            self.counts.add(read, false);
            if read.units > 0 {
                self.reads.push_back(read);
                self.join(each);
            }
            self.check();
        }
    }

    /// What waited in the channel, at some moment between these two.
    pub(super) fn looked(&mut self, began_ns: u64, ended_ns: u64, units: u64) {
        self.looks.push_back(ChannelLook { began_ns, ended_ns, units });
        if self.looks.len() > LOOKS {
            self.looks.pop_front();
        }
    }

    /// Whether the counts are level.
    pub(super) fn is_level(&self) -> bool {
        self.level
    }

    /// Which write the next one is.
    pub(super) fn next(&self) -> u64 {
        self.joined + self.writes.len() as u64
    }

    /// How often the counts turned out not to be level.
    pub(super) fn contradictions(&self) -> u64 {
        self.contradictions
    }

    /// Calls have been lost: the counts are level no longer.
    pub(super) fn forget(&mut self) {
        self.level = false;
        self.ahead = 0;
        self.looks.clear();
        self.writes.clear();
        self.reads.clear();
        self.counts = LevelCounts::default();
    }

    /// Holds the first look against the counts, once both sides have begun another call since.
    fn check(&mut self) {
        let Some(look) = self
            .looks
            .front()
            .filter(|look| self.counts.last_began.iter().all(|&began| began > look.ended_ns))
        else {
            return;
        };
        // Fewer is no contradiction: TCP may not have sent it yet.
        let more = self
            .counts
            .during(look)
            .is_some_and(|counted| i64::try_from(look.units).is_ok_and(|seen| seen > counted));
        self.looks.pop_front();
        if self.level && more {
            self.contradictions += 1;
            self.forget();
        }
    }

    /// Looks for a moment at which it is known how far apart the counts are, by the call that has just been added.
    fn find_level(&mut self, each: impl FnMut(Joined)) {
        if self.writes.len() > KEPT {
            self.writes.pop_front();
        }
        let Some((at_ns, ahead)) = self.proof().or_else(|| self.quiet_look()) else { return };
        self.writes.retain(|write| write.ended_ns > at_ns);
        self.reads.retain(|read| read.ended_ns > at_ns && read.units > 0);
        self.looks.clear();
        (self.level, self.ahead) = (true, ahead);
        self.counts.in_channel = i64::try_from(ahead).unwrap_or(i64::MAX);
        let mut calls: Vec<(Moved, bool)> = self.writes.iter().map(|&write| (write, true)).collect();
        calls.extend(self.reads.iter().map(|&read| (read, false)));
        calls.sort_by_key(|(call, _)| call.ended_ns);
        calls.into_iter().for_each(|(call, writes)| self.counts.add(call, writes));
        self.join(each);
    }

    /// When a read began that proves that the channel was empty then: it was under way when writes began that put in no less than
    /// it took, and no write was under way when it began.
    fn proof(&self) -> Option<(u64, u64)> {
        let proves = |read: &Moved, write: &Moved| {
            let empty_at = read.began_ns?;
            let meanwhile = |write: &&Moved| {
                write.began_ns.is_some_and(|began| began > empty_at)
                    && (read.units == 0 || write.began_ns < Some(read.ended_ns))
            };
            let given: u64 = self.writes.iter().rev().take_while(meanwhile).map(|write| write.units).sum();
            let waited = meanwhile(&write) && read.units <= given;
            (waited && !any_at(&self.writes, empty_at, empty_at)).then_some((empty_at, 0))
        };
        // Either the newest write was waited for by a read that has ended before it or since, or the newest read waited.
        let write = self.writes.back()?;
        let overlapping = self.reads.iter().rev().take_while(|read| Some(read.ended_ns) > write.began_ns);
        let mut reads =
            overlapping.chain(self.reads.iter().rev().find(|read| Some(read.ended_ns) <= write.began_ns));
        reads.find_map(|read| proves(read, write)).or_else(|| {
            let read = self.reads.back()?;
            self.writes.iter().rev().take(8).find_map(|write| proves(read, write))
        })
    }

    /// A look while which no call was under way: both sides have begun another since.
    fn quiet_look(&self) -> Option<(u64, u64)> {
        let last = |calls: &VecDeque<Moved>| calls.back().and_then(|call| call.began_ns);
        let seen_to = last(&self.writes)?.min(last(&self.reads)?);
        // Before the first call that is kept there may be others.
        let first = self.writes.front()?.ended_ns.max(self.reads.front()?.ended_ns);
        let quiet = |look: &&ChannelLook| {
            let any = |calls| any_at(calls, look.began_ns, look.ended_ns);
            first < look.began_ns && look.ended_ns < seen_to && !any(&self.writes) && !any(&self.reads)
        };
        self.looks.iter().rev().find(quiet).map(|look| (look.began_ns, look.units))
    }

    /// Joins what can be joined.
    fn join(&mut self, mut each: impl FnMut(Joined)) {
        while let Some(read) = self.reads.front_mut() {
            let before = self.ahead.min(read.units);
            read.units -= before;
            self.ahead -= before;
            let Some(write) = self.writes.front_mut().filter(|_| read.units > 0) else {
                if read.units > 0 {
                    break;
                }
                self.reads.pop_front();
                continue;
            };
            if write.began_ns.is_some_and(|began| began > read.ended_ns) {
                self.contradictions += 1;
                return self.forget();
            }
            let units = write.units.min(read.units);
            write.units -= units;
            read.units -= units;
            let (write, read) = (*write, *read);
            if write.units == 0 {
                self.writes.pop_front();
                each(Joined { n: self.joined, write, read });
                self.joined += 1;
            }
            if read.units == 0 {
                self.reads.pop_front();
            }
        }
        if self.writes.len() > UNJOINED || self.reads.len() > UNJOINED {
            self.contradictions += 1;
            self.forget();
        }
    }
}

/// Whether any of these was under way at some moment between these two.
fn any_at(calls: &VecDeque<Moved>, from_ns: u64, to_ns: u64) -> bool {
    calls.iter().any(|call| is_at(call, from_ns, to_ns))
}

/// Whether it was under way at some moment between these two.
fn is_at(call: &Moved, from_ns: u64, to_ns: u64) -> bool {
    call.ended_ns >= from_ns && call.began_ns.is_none_or(|began| began <= to_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(began: u64, ended: u64, units: u64) -> Moved {
        Moved { began_ns: Some(began), ended_ns: ended, units }
    }

    /// The times of all joined pairs: when the write began, when the read ended.
    fn pairs(steps: &[(char, Moved)]) -> (Vec<(u64, u64)>, Flow) {
        let (mut flow, mut pairs) = (Flow::default(), Vec::new());
        for &(what, call) in steps {
            let each = |joined: Joined| pairs.push((joined.write.began_ns.unwrap(), joined.read.ended_ns));
            if what == 'w' { flow.wrote(call, each) } else { flow.read(call, each) }
        }
        (pairs, flow)
    }

    #[test]
    fn a_read_that_waited_makes_the_counts_level() {
        // Ten bytes are in the channel before the watch: the first read takes them.
        let (pairs, flow) = pairs(&[
            ('w', moved(5, 6, 7)),
            ('r', moved(8, 9, 17)),
            ('r', moved(20, 32, 4)),
            ('w', moved(30, 33, 4)),
            ('w', moved(40, 41, 6)),
            ('w', moved(42, 43, 2)),
            ('r', moved(50, 51, 8)),
        ]);
        assert_eq!(pairs, [(30, 32), (40, 51), (42, 51)]);
        assert_eq!((flow.is_level(), flow.joined, flow.contradictions()), (true, 3, 0));
    }

    #[test]
    fn a_read_that_was_told_that_there_is_nothing_does_too() {
        let (pairs, flow) = pairs(&[
            ('r', moved(10, 11, 0)),
            ('w', moved(20, 25, 100)),
            ('r', moved(30, 31, 40)),
            ('w', moved(32, 33, 5)),
            ('r', moved(34, 35, 62)),
        ]);
        assert_eq!(pairs, [(20, 35)], "by its last byte");
        assert_eq!((flow.joined, flow.next()), (1, 2), "three bytes of the second are left");
    }

    #[test]
    fn what_was_in_flight_proves_nothing() {
        // The write at 5 was in the channel, in part, when the read found nothing more.
        let (pairs, flow) =
            pairs(&[('r', moved(10, 12, 0)), ('w', moved(5, 20, 9)), ('r', moved(30, 31, 9))]);
        assert_eq!((pairs, flow.is_level()), (vec![], false));
        // A read that ended before any write began was not waiting for one.
        let steps = [
            ('r', moved(10, 12, 3)),
            ('w', moved(20, 21, 3)),
            ('r', moved(30, 31, 3)),
            ('w', moved(40, 41, 3)),
        ];
        assert!(!super::tests::pairs(&steps).1.is_level());
    }

    #[test]
    fn a_read_before_its_write_is_a_contradiction_and_the_search_begins_again() {
        let (joined, flow) = pairs(&[
            ('r', moved(10, 11, 0)),
            ('w', moved(20, 21, 5)),
            ('r', moved(30, 31, 50)),
            ('w', moved(40, 41, 5)),
            ('r', moved(50, 62, 7)),
            ('w', moved(60, 63, 7)),
        ]);
        assert_eq!((joined, flow.contradictions()), (vec![(20, 31), (60, 62)], 1));
    }

    #[test]
    fn a_look_while_nothing_was_under_way_tells_how_far_apart_the_counts_are() {
        // The reader of a descriptor that is ready never waits in its reads: it is told by another call.
        let joined = |look: (u64, u64, u64)| {
            let (mut flow, mut pairs) = (Flow::default(), Vec::new());
            let mut each =
                |joined: Joined| pairs.push((joined.n, joined.write.began_ns.unwrap(), joined.read.ended_ns));
            flow.read(moved(1, 2, 1), &mut each);
            flow.wrote(moved(10, 12, 5), &mut each);
            flow.looked(look.0, look.1, look.2);
            flow.wrote(moved(20, 22, 6), &mut each);
            flow.read(moved(30, 32, 4), &mut each);
            flow.read(moved(40, 42, 8), &mut each);
            flow.wrote(moved(50, 52, 3), &mut each);
            flow.read(moved(60, 62, 2), &mut each);
            pairs
        };
        // Six bytes waited, one of them from before the watch: 4 and 2 of them are read, then 6, then 2 of the last 3.
        assert_eq!(joined((14, 16, 6)), [(0, 20, 42)]);
        assert_eq!(joined((11, 16, 6)), [], "a write was under way");
        assert_eq!(joined((14, 21, 6)), [], "another one was");
    }

    #[test]
    fn a_look_that_sees_more_than_the_counts_is_a_contradiction() {
        let contradictions = |seen: u64| {
            let mut flow = Flow::default();
            let mut each = |_: Joined| {};
            // Ten bytes wait already: a read takes four of them just while a write begins, and seems to have waited for it.
            flow.read(moved(10, 14, 4), &mut each);
            flow.wrote(moved(12, 16, 4), &mut each);
            assert!(flow.is_level());
            flow.looked(20, 22, seen);
            flow.wrote(moved(30, 32, 5), &mut each);
            flow.read(moved(40, 42, 5), &mut each);
            flow.contradictions()
        };
        assert_eq!(contradictions(10), 1, "by the counts it is empty");
        assert_eq!(contradictions(0), 0);
    }

    #[test]
    fn a_wrong_join_is_noticed() {
        // The reads of another channel, that run ahead of these writes.
        let mut steps = vec![('r', moved(1, 2, 0)), ('w', moved(10, 11, 1))];
        for n in 0..100 {
            steps.push(('r', moved(100 * n + 20, 100 * n + 21, 2)));
            steps.push(('w', moved(100 * n + 60, 100 * n + 61, 1)));
        }
        assert!(pairs(&steps).1.contradictions() > 0);
    }

    #[test]
    fn lost_calls_end_the_join_until_the_counts_are_level_again() {
        let mut flow = Flow::default();
        flow.read(moved(1, 2, 0), |_| {});
        flow.wrote(moved(3, 4, 5), |_| {});
        assert!(flow.is_level());
        flow.forget();
        flow.read(moved(5, 6, 3), |_| panic!("joined"));
        assert!(!flow.is_level());
    }
}
