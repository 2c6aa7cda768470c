//! What follows from the figures of a watch, each with the figures that it follows from.

mod ends;
#[cfg(test)]
mod sample;
mod sizes;
mod waiting;
mod words;

use super::report::{WatchFinding, WatchReport, WatchedDirection};

/// The findings of a watch, the gravest first.
pub(super) fn of(report: &WatchReport) -> Vec<WatchFinding> {
    type Rule = fn(&WatchReport, &WatchedDirection) -> Option<WatchFinding>;
    const RULES: [Rule; 11] = [
        ends::leaked_end,
        ends::nothing_reads,
        waiting::nagle,
        sizes::small_pipe,
        waiting::blocked_writer,
        waiting::slow_writer,
        waiting::spinning_reader,
        sizes::tiny_writes,
        sizes::one_call_a_message,
        ends::tcp_within_the_machine,
        waiting::idle,
    ];
    let of_rule =
        |rule: &Rule| -> Vec<_> { report.directions.iter().filter_map(|each| rule(report, each)).collect() };
    let mut found: Vec<WatchFinding> = RULES.iter().flat_map(of_rule).collect();
    // What is true of the channel as a whole is said once.
    found.dedup_by(|second, first| second == first);
    found
}

#[cfg(test)]
mod tests {
    use super::sample::{calls, ping_pong, pipe, spread};
    use super::*;
    use crate::kind::EdgeKind;

    #[test]
    fn of_a_healthy_channel_nothing_is_found() {
        assert_eq!(of(&ping_pong(EdgeKind::UnixStream)), []);
        assert_eq!(of(&pipe(calls(10_000, 4096, 2_000), calls(10_000, 4096, 3_000))), []);
        // Nor of one of which nothing is known.
        let mut unseen = ping_pong(EdgeKind::UnixStream);
        for direction in &mut unseen.directions {
            *direction = WatchedDirection { from: direction.from, ..Default::default() };
        }
        unseen.ends.clear();
        assert_eq!(of(&unseen), []);
    }

    #[test]
    fn what_is_found_has_a_sentence_evidence_and_a_remedy() {
        let mut report = pipe(calls(100_000, 10, 2_000), calls(1_000, 1_000, 3_000));
        report.directions[0].queued = spread(&[(0, 10)]);
        let found = of(&report);
        assert!(!found.is_empty());
        for one in found {
            assert!(!one.sentence.is_empty() && !one.evidence.is_empty() && !one.remedy.is_empty());
        }
    }
}
