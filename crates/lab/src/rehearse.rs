//! A rehearsal: traffic that was watched between two other programs is run by our own two processes, over every mechanism and way of
//! waiting, as in a race.
//!
//! So it tells what those programs would gain by another channel. It runs their sizes, their order of question and answer and their
//! thinking, and nothing else of them; how well that stands for them is shown by the row on their own mechanism
//! ([`rehearsal`](crate::rehearsal)).

mod agree;
mod watch_file;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crossing::{Kind, WaitStrategy};

use crate::entrant::{RaceEntrant, Runner};
use crate::plan::{Placement, Plan, Workload};
use crate::race::{self, RaceError, RaceProgress};
use crate::rehearsal::{Rehearsal, WatchedTraffic};
use crate::report::Report;
use crate::score::{Score, ScoreFault};
use crate::traffic::Traffic;
use crate::units;
pub use watch_file::{FORMAT, SCHEMA, WatchFault, WatchedFile};

/// The longest that a rehearsal may take by the thinking of its programs alone: an hour.
pub const TIME_LIMIT: Duration = Duration::from_secs(3_600);

/// What is left open by the traffic, and may be asked for.
#[derive(Debug, Clone)]
pub struct RehearsalWish {
    /// The ways of waiting; both sides of a row wait alike.
    pub waits: Vec<WaitStrategy>,
    /// Where the two processes run.
    pub placement: Placement,
    /// Fresh pairs of processes for each row; `None`: [`ROUNDS`], or fewer where those take more than [`SOON`].
    pub launches: Option<u32>,
    /// Shuffles the order of the rounds.
    pub seed: u64,
}

/// The usual number of rounds.
pub const ROUNDS: u32 = 5;

/// The least number that gives a spread.
const FEW_ROUNDS: u32 = 2;

/// How long the usual rounds may take by thinking before there are fewer: five minutes.
pub const SOON: Duration = Duration::from_secs(300);

/// Traffic that can be rehearsed, and how it will be.
#[derive(Debug)]
pub struct PlannedRehearsal {
    score: Arc<Score>,
    watched: WatchedTraffic,
    /// Its part of the report.
    plan: Plan,
}

impl PlannedRehearsal {
    /// Decides on a rehearsal of `traffic` over an edge of the kind `edge`.
    ///
    /// # Errors
    /// Why it cannot be repeated, or a limit of the plan, in one sentence.
    pub fn of(
        traffic: &Traffic,
        edge: Option<&str>,
        wish: RehearsalWish,
    ) -> Result<PlannedRehearsal, String> {
        let score = Score::of(traffic).map_err(|fault: ScoreFault| fault.to_string())?;
        let mut workloads = vec![Workload::Rehearsed];
        if score.gathered() > 0 {
            workloads.push(Workload::RehearsedCorked);
        }
        workloads.push(Workload::RehearsedRoomy);
        let rows = (workloads.len() * wish.waits.len() * Kind::ALL.len()) as u64;
        let once_ns = rows.saturating_mul(score.least_ns);
        let rounds_in = |time: Duration| (time.as_nanos() as u64).checked_div(once_ns).unwrap_or(u64::MAX);
        let usual = rounds_in(SOON).clamp(FEW_ROUNDS.into(), ROUNDS.into()) as u32;
        let launches = wish.launches.unwrap_or(usual);
        let most = rounds_in(TIME_LIMIT);
        if u64::from(launches) > most {
            let once = units::duration(once_ns as f64);
            return Err(format!(
                "{launches} round(s) of {rows} rows would take {once} each by the programs' thinking alone, more than an hour \
                 together: ask for fewer rounds or ways of waiting, or watch for a shorter time"
            ));
        }
        let plan = Plan {
            kinds: Kind::ALL.to_vec(),
            workloads,
            sizes: vec![score.longest()],
            placement: wish.placement,
            waits: wish.waits,
            count: score.messages().saturating_mul(launches.max(1).into()),
            launches,
            rate_per_s: 1,
            capacity_bytes: None,
            seed: wish.seed,
            quick: false,
            rivals: Vec::new(),
        };
        if let Some(fault) = plan.first_fault() {
            return Err(fault);
        }
        let watched = WatchedTraffic {
            edge: edge.map(str::to_owned),
            messages: score.sides.each_ref().map(|notes| notes.len() as u64),
            not_kept: traffic.not_kept,
            bytes: score.bytes(),
            empty: score.empty() as u64,
            waits: traffic.waits,
            elapsed_ns: traffic.elapsed_ns,
            thought_ns: score.least_ns,
            median_ns: traffic.median_ns,
        };
        Ok(PlannedRehearsal { score: Arc::new(score), watched, plan })
    }

    /// The plan that will stand in the report.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Runs it. `stop` cuts it short: the report then holds what was measured, and says `interrupted`.
    ///
    /// # Errors
    /// As [`race::run`].
    pub fn run(&self, watch: &mut dyn FnMut(&RaceProgress), stop: &AtomicBool) -> Result<Report, RaceError> {
        let mut entrants = Vec::new();
        for &workload in &self.plan.workloads {
            for &wait in &self.plan.waits {
                for &kind in &self.plan.kinds {
                    let entrant = RaceEntrant {
                        runner: Runner::Mechanism(kind),
                        workload,
                        size_bytes: self.score.longest(),
                        wait,
                        score: Some(Arc::clone(&self.score)),
                    };
                    entrants.push((entrant, None));
                }
            }
        }
        let mut report = race::of_entrants(&self.plan, entrants, watch, stop)?;
        let watched = self.watched.clone();
        let agreement = agree::of(&watched, &report);
        report.rehearsal = Some(Rehearsal { watched, agreement });
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::tests::traffic;

    fn wish(launches: Option<u32>) -> RehearsalWish {
        let waits = vec![WaitStrategy::Block, WaitStrategy::Spin];
        RehearsalWish { waits, placement: Placement::Unpinned, launches, seed: 7 }
    }

    #[test]
    fn what_cannot_be_gathered_has_no_corked_rows() {
        let planned =
            |messages: &[_]| PlannedRehearsal::of(&traffic(messages), None, wish(None)).unwrap().plan;
        let answered = planned(&[(0, 64, 0, 0), (1, 64, 1, 0)]);
        assert_eq!(answered.workloads, [Workload::Rehearsed, Workload::RehearsedRoomy]);
        assert_eq!((answered.count, answered.launches), (2 * u64::from(ROUNDS), ROUNDS));
        let row = planned(&[(0, 64, 0, 0), (0, 64, 0, 0)]);
        assert!(row.workloads.contains(&Workload::RehearsedCorked));
        assert!(row.is_rehearsal() && row.fault().is_some(), "no race can run it");
    }

    #[test]
    fn long_thoughts_get_fewer_rounds_and_no_more_than_an_hour() {
        let second = 1_000_000_000;
        let planned = |seconds: u64, launches| {
            let thinks = traffic(&[(0, 64, 0, seconds * second)]);
            PlannedRehearsal::of(&thinks, None, wish(launches)).map(|planned| planned.plan.launches)
        };
        // 16 rows: two ways of waiting, two workloads, four mechanisms.
        assert_eq!([planned(3, None), planned(5, None), planned(60, None)], [Ok(5), Ok(3), Ok(2)]);
        assert_eq!(planned(60, Some(3)), Ok(3));
        assert!(planned(60, Some(4)).unwrap_err().contains("more than an hour"));
        assert!(planned(61, None).unwrap_err().contains("even through a channel that takes no time"));
        assert!(planned(0, Some(0)).unwrap_err().contains("launches 0 is out of range"));
        assert!(planned(0, Some(u32::MAX)).unwrap_err().contains("out of range"));
    }
}
