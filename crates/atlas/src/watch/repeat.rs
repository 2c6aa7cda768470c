//! The traffic of a channel, in the form in which it can be repeated.

use std::collections::VecDeque;

use lab::stats::Histogram;
use lab::traffic::{MESSAGES_LIMIT, SeenWait, SentMessage, Traffic};

/// How many writes may pass until the traffic begins, although one direction is not joined: there may be none in it.
const PATIENCE: u64 = 64;
/// How many past events of a side are kept: a call that began before the last ones ended is of another thread.
const EVENTS: usize = 32;

/// Builds [`Traffic`] from writes and joined reads.
#[derive(Debug, Default)]
pub(super) struct TrafficBuilder {
    /// In each direction, which write is the first that is kept; once it is known.
    first: Option<[u64; 2]>,
    stopped: bool,
    /// Writes in each direction before it begins.
    passed: [u64; 2],
    messages: Vec<SentMessage>,
    not_kept: u64,
    sides: [SideOfTraffic; 2],
    medians: [Histogram; 2],
    began_ns: u64,
    ended_ns: u64,
}

/// What is known of a side.
#[derive(Debug, Default)]
struct SideOfTraffic {
    /// Ends of its last calls, with the number of messages that it had taken by then.
    events: VecDeque<(u64, u64)>,
    taken: u64,
}

impl SideOfTraffic {
    fn event(&mut self, at_ns: u64) {
        self.events.push_back((at_ns, self.taken));
        if self.events.len() > EVENTS {
            self.events.pop_front();
        }
    }
}

impl TrafficBuilder {
    /// Begins, if the counts of both directions are level: then it is known which write is the next. `None` of a direction whose
    /// counts are not; that does not matter for long if nothing goes there.
    pub(super) fn begin_if(&mut self, next: [Option<u64>; 2]) {
        if self.first.is_some() || self.stopped {
            return;
        }
        let silent = |at: usize| self.passed[at] == 0 && self.passed[1 - at] > PATIENCE;
        let first = [0, 1].map(|at| next[at].or(silent(at).then_some(0)));
        if let [Some(there), Some(back)] = first {
            self.first = Some([there, back]);
            self.sides = Default::default();
        }
    }

    /// Calls were lost, or cannot be joined: what is kept stays, and no more comes.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    fn runs(&self) -> bool {
        self.first.is_some() && !self.stopped
    }

    /// This side has written.
    pub(super) fn wrote(&mut self, side: u8, began_ns: Option<u64>, ended_ns: u64, bytes: u64) {
        self.passed[usize::from(side)] += 1;
        if !self.runs() {
            return;
        }
        if self.messages.len() >= MESSAGES_LIMIT {
            self.not_kept += 1;
            return;
        }
        let began_ns = began_ns.unwrap_or(ended_ns);
        let of = &mut self.sides[usize::from(side)];
        let before = of.events.iter().rev().find(|event| event.0 <= began_ns).copied();
        let (last, after) = before.unwrap_or((began_ns, 0));
        self.messages.push(SentMessage { side, bytes, after, thought_ns: began_ns - last });
        of.event(ended_ns);
        if self.messages.len() == 1 {
            self.began_ns = began_ns;
        }
        self.ended_ns = self.ended_ns.max(ended_ns);
    }

    /// This side has read: some bytes of a message, or its last.
    pub(super) fn was_read(&mut self, side: u8, ended_ns: u64) {
        if self.runs() {
            self.sides[usize::from(side)].event(ended_ns);
        }
    }

    /// This side has taken the last byte of the other's write `n`.
    pub(super) fn joined(&mut self, side: u8, n: u64, ended_ns: u64, ns: u64) {
        let from = usize::from(1 - side);
        let Some(first) = self.first.map(|first| first[from]).filter(|&first| n >= first && !self.stopped)
        else {
            return;
        };
        let nth = n - first;
        let kept = self.messages.len() < MESSAGES_LIMIT || self.not_kept == 0;
        if kept {
            self.sides[usize::from(side)].taken = nth + 1;
            self.sides[usize::from(side)].event(ended_ns);
            self.medians[from].record(ns);
            self.ended_ns = self.ended_ns.max(ended_ns);
        }
    }

    /// The traffic, if there is any.
    pub(super) fn finish(&self, waits: [SeenWait; 2]) -> Option<Traffic> {
        (!self.messages.is_empty()).then(|| Traffic {
            messages: self.messages.clone(),
            not_kept: self.not_kept,
            waits,
            elapsed_ns: self.ended_ns.saturating_sub(self.began_ns),
            median_ns: [0, 1].map(|at| self.medians[at].per_mille(500)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_and_its_answer_keep_their_order_and_the_time_that_was_thought() {
        let mut traffic = TrafficBuilder::default();
        traffic.wrote(0, Some(1), 2, 9);
        traffic.begin_if([Some(1), None]);
        assert_eq!(traffic.finish(Default::default()), None, "the other direction is not level");
        traffic.begin_if([Some(1), Some(0)]);
        for n in 0..3 {
            let at = 1000 * n;
            traffic.wrote(0, Some(at + 100), at + 110, 10);
            traffic.joined(1, 1 + n, at + 120, 20);
            traffic.was_read(1, at + 120);
            traffic.wrote(1, Some(at + 150), at + 160, 20 + n);
            traffic.joined(0, n, at + 170, 20);
            traffic.was_read(0, at + 170);
        }
        let traffic = traffic.finish(Default::default()).unwrap();
        let told: Vec<_> =
            traffic.messages.iter().map(|one| (one.side, one.bytes, one.after, one.thought_ns)).collect();
        assert_eq!(
            told,
            [(0, 10, 0, 0), (1, 20, 1, 30), (0, 10, 1, 930), (1, 21, 2, 30), (0, 10, 2, 930), (1, 22, 3, 30)]
        );
        assert_eq!((traffic.elapsed_ns, traffic.not_kept), (2070, 0));
    }

    #[test]
    fn a_silent_direction_is_not_waited_for_and_no_more_is_kept_than_may_be() {
        let mut traffic = TrafficBuilder::default();
        for n in 0..MESSAGES_LIMIT as u64 + 100 {
            traffic.wrote(0, Some(10 * n), 10 * n + 1, 1);
            traffic.begin_if([Some(n + 1), None]);
        }
        let traffic = traffic.finish(Default::default()).unwrap();
        assert_eq!((traffic.messages.len(), traffic.not_kept), (MESSAGES_LIMIT, 100 - PATIENCE - 1));
    }
}
