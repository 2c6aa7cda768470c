//! A gate: whether `b` passes for no worse than `a`, without a reader of the table.
//!
//! A row that was not compared does not pass. A row of `a` without its like in `b` is past the
//! limit, and so is one that cannot be judged; each of the two can be allowed. Impossible figures
//! and duplicate rows never pass.

use super::compared::{Change, Compared, Comparison, Judgement, NoVerdict, Side};
use super::figures;
use crate::plan::Workload;
use crate::report::{Report, ReportRow};
use crate::stats::{Measure, ratio_by};

/// How much worse `b` may be, and what it may leave open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// How much more time a message may take than in `a`, in percent, beyond the spread of both. A stream's time for a message is
    /// one over its rate.
    pub percent: f64,
    /// Whether `b` may lack rows of `a`, and either race may have been cut short.
    pub allow_missing: bool,
    /// Whether a row may stand in both and not be judged: one launch, no figure, failed in both, another machine, another rate.
    pub allow_unjudged: bool,
}

impl Limit {
    /// A limit that leaves nothing open.
    pub fn of(percent: f64) -> Limit {
        Limit { percent, allow_missing: false, allow_unjudged: false }
    }
}

impl Comparison {
    /// Why `b` is past `limit`, one sentence for each reason, the row first where it is about a row; empty when it is not past.
    pub fn past(&self, limit: &Limit) -> Vec<String> {
        let mut past: Vec<String> =
            self.rows.iter().filter_map(|row| Some(format!("{}: {}", row.label, row.past(limit)?))).collect();
        if !limit.allow_missing {
            past.extend(self.cut_short.iter().map(|what| format!("{what}, so rows may be missing")));
        }
        if !limit.allow_unjudged {
            past.extend(self.unlike.iter().map(|what| format!("not judged by its like: {what}")));
        }
        if past.is_empty() && !self.rows.iter().any(Compared::is_judged) {
            past.push("no row was judged".into());
        }
        past
    }
}

impl Compared {
    /// Why this row alone is past `limit`.
    fn past(&self, limit: &Limit) -> Option<String> {
        match (self.only_in, &self.open) {
            (_, Some(NoVerdict::Broken(why))) => Some(why.clone()),
            (Some(Side::A), _) => (!limit.allow_missing).then(|| "b has no such row".into()),
            (Some(Side::B), _) => None,
            (None, _) if self.a.is_some() && self.b.is_none() => self.failed.clone(),
            (None, Some(NoVerdict::Unjudged(why))) => (!limit.allow_unjudged).then(|| why.clone()),
            (None, None) => {
                let times = self.slower();
                let is_past = times > 1.0 + limit.percent / 100.0;
                is_past.then(|| format!("{times:.2} times the time for a message, beyond the spread of both"))
            }
        }
    }

    fn is_judged(&self) -> bool {
        self.change().is_some_and(|change| change.verdict != Judgement::Unknown)
    }

    /// How many times the time for a message has become, where it has become longer; else 0.
    fn slower(&self) -> f64 {
        match self.change().filter(|change| change.verdict == Judgement::Worse) {
            Some(change) if self.judged_by.more_is_better() => 1.0 / change.ratio,
            Some(change) => change.ratio,
            None => 0.0,
        }
    }
}

/// Why a row of both cannot be judged.
pub(super) fn open(
    a: &ReportRow,
    b: &ReportRow,
    (report_a, report_b): (&Report, &Report),
) -> Option<NoVerdict> {
    for (name, row, report) in [("a", a, report_a), ("b", b, report_b)] {
        if let Some(fault) = figures::fault(row, report).filter(|_| row.failed.is_none()) {
            return Some(NoVerdict::Broken(format!("cannot be true in {name}: {fault}")));
        }
    }
    let unjudged = |why: &str| Some(NoVerdict::Unjudged(why.into()));
    match (&a.failed, &b.failed) {
        (Some(_), Some(_)) => return unjudged("failed in both"),
        (Some(_), None) => return None,
        (None, Some(_)) => return None,
        (None, None) => {}
    }
    if let Some(why) = unlike_offer(a.workload, (report_a, report_b)) {
        return unjudged(why);
    }
    let measure = Measure::of(a.workload);
    // An entrant that cannot do this at all has nothing that could become worse.
    if a.messages == 0 && measure.figure_of(a).is_none() {
        return None;
    }
    match (measure.figure_of(a), measure.figure_of(b)) {
        (None, _) => return unjudged("a has no figure"),
        (_, None) => return Some(NoVerdict::Broken("b has no figure".into())),
        _ => {}
    }
    match ratio_by(measure, b, a).map(Change::from) {
        None => unjudged("the figures are not of one kind"),
        Some(change) if change.verdict == Judgement::Unknown => {
            unjudged("one launch only, so that no spread is known")
        }
        Some(_) => None,
    }
}

/// Why rows of this workload are not offered the same messages in both reports, if so.
pub(super) fn unlike_offer(workload: Workload, (a, b): (&Report, &Report)) -> Option<&'static str> {
    let watched = |report: &Report| report.rehearsal.as_ref().map(|rehearsal| rehearsal.watched.clone());
    match workload {
        Workload::Paced => (a.plan.rate_per_s != b.plan.rate_per_s).then_some("paced at another rate"),
        _ if workload.is_rehearsed() => (watched(a) != watched(b)).then_some("a rehearsal of other traffic"),
        _ => None,
    }
}
