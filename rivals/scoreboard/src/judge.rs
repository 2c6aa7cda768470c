//! From samples to verdicts: within one state of the machine, the quotient that was promised, round by round, its median and
//! its spread.
//!
//! Plain functions of the samples, so that they can be held against known answers.

use std::collections::BTreeMap;

use lab::stats::median;
use serde::{Deserialize, Serialize};

use crate::table::{Figure, Place, Row, Target, Value};

/// Rounds with both sides that a verdict needs at least; a count needs one.
const ENOUGH: usize = 3;

/// What a run found. Times are whole nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Figures {
    pub(crate) messages: u64,
    /// Of all messages, where it is the time for a message that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) elapsed_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p50_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99_ns: Option<u64>,
    /// Of all messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) receiver_cpu_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
}

impl Figures {
    fn get(&self, figure: Figure) -> Option<f64> {
        let each = |ns: Option<u64>| Some(ns? as f64 / self.messages as f64);
        match figure {
            Figure::P50 => self.p50_ns.map(|ns| ns as f64),
            Figure::P99 => self.p99_ns.map(|ns| ns as f64),
            Figure::Each => each(self.elapsed_ns),
            Figure::Cpu => each(self.receiver_cpu_ns),
            Figure::Bytes => self.bytes.map(|bytes| bytes as f64),
        }
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) series: String,
    pub(crate) round: u32,
    pub(crate) place: Place,
    #[serde(flatten)]
    pub(crate) figures: Figures,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) floor_ns: Option<[f64; 2]>,
}

/// A row with what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Judged {
    #[serde(flatten)]
    pub(crate) row: Row,
    pub(crate) verdict: Verdict,
    /// Why it was not measured, or which series were missing.
    pub(crate) why: Option<String>,
    pub(crate) near: Option<Reached>,
    pub(crate) far: Option<Reached>,
    pub(crate) no_floor: Option<Reached>,
    /// Runs of these series that count for nothing, because the cores kept moving.
    pub(crate) dropped: usize,
}

impl Judged {
    /// What was reached where the promise was made.
    pub(crate) fn reached(&self) -> Option<&Reached> {
        match self.row.at {
            Place::Near => self.near.as_ref(),
            Place::Far => self.far.as_ref(),
            Place::NoFloor => self.no_floor.as_ref(),
            Place::Moved => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Reached,
    Missed,
    NotMeasured,
}

/// What was reached in one state of the machine, against the one of theirs that beats ours by most.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Reached {
    /// The median of the rounds' own ratios: what both sides share in a minute cancels in each.
    pub(crate) ratio: f64,
    /// The middle half of them lies between.
    pub(crate) spread: [f64; 2],
    /// The median of our runs in those rounds: nanoseconds; of bytes the most.
    pub(crate) ours: f64,
    /// The median of theirs in the same rounds.
    pub(crate) theirs: Option<f64>,
    /// The series that `theirs` belongs to.
    pub(crate) whose: Option<String>,
    /// Rounds that had both sides.
    pub(crate) rounds: usize,
    /// Messages in a run of ours, and of theirs.
    pub(crate) messages: (u64, Option<u64>),
}

/// What each round gave: the median of its runs.
type Rounds = BTreeMap<u32, f64>;

/// Judges `row`. `missing` says of a series why it could not be measured.
pub(crate) fn judge(row: &Row, samples: &[Sample], missing: &BTreeMap<String, String>) -> Judged {
    let [near, far, no_floor] =
        [Place::Near, Place::Far, Place::NoFloor].map(|place| reached(row, samples, place));
    let moved = samples.iter().filter(|sample| sample.place == Place::Moved);
    let dropped = moved.filter(|sample| row.values().any(|value| value.series == sample.series)).count();
    let (row, verdict, why) = (row.clone(), Verdict::NotMeasured, None);
    let mut judged = Judged { row, verdict, why, near, far, no_floor, dropped };
    let row = &judged.row;
    let failed = row.values().filter_map(|value| missing.get(&value.series).cloned());
    let mut absent: Vec<String> = failed.chain(lacking(row, samples, missing)).collect();
    absent.dedup();
    let told = Some(absent.join("; ")).filter(|told| !told.is_empty());
    (judged.verdict, judged.why) = match judged.reached() {
        None => (Verdict::NotMeasured, told.or_else(|| Some(format!("never {}", row.at.word())))),
        Some(reached) if reached.rounds < enough(row) => (Verdict::NotMeasured, told),
        Some(reached) if row.target.margin(reached.ratio) < 0.0 => (Verdict::Missed, told),
        // A missing series might have been the best of them.
        Some(_) if told.is_some() => (Verdict::NotMeasured, told),
        Some(_) => (Verdict::Reached, None),
    };
    judged
}

fn enough(row: &Row) -> usize {
    if let Target::Bytes(_) = row.target { 1 } else { ENOUGH }
}

/// Which of theirs have too few rounds with ours in the state that is judged, and how many. Those
/// in `missing` are left out: their reason is told already.
fn lacking(row: &Row, samples: &[Sample], missing: &BTreeMap<String, String>) -> Vec<String> {
    let ours = rounds(&row.ours, samples, row.at);
    let mut told = Vec::new();
    for theirs in row.theirs.iter().filter(|value| !missing.contains_key(&value.series)) {
        let rounds = beside(&ours, &rounds(theirs, samples, row.at)).count();
        let of = if row.theirs.len() > 1 { format!("{}: ", theirs.series) } else { String::new() };
        let at = row.at.word();
        match rounds {
            0 => told.push(format!("{of}never {at}")),
            few if few < ENOUGH => told.push(format!("{of}{at} only {few} of at least {ENOUGH} rounds")),
            _ => {}
        }
    }
    told
}

/// What the samples of one state say; `None` when no round has both. Each of theirs is compared
/// with ours alone, in the rounds that they share. The worst ratio for us counts: that one is the
/// best of theirs. Medians over all rounds could not tell which is the best, because a series that
/// runs seldom, or was often dropped, was measured at other times.
fn reached(row: &Row, samples: &[Sample], place: Place) -> Option<Reached> {
    let ours = rounds(&row.ours, samples, place);
    if let Target::Bytes(_) = row.target {
        let most = ours.values().copied().reduce(f64::max)?;
        let (theirs, whose) = (None, None);
        return Some(Reached {
            ratio: most,
            spread: [most; 2],
            ours: most,
            theirs,
            whose,
            rounds: ours.len(),
            messages: (messages(&row.ours, samples)?, None),
        });
    }
    let each = row.theirs.iter().filter_map(|theirs| held(row, &ours, theirs, samples, place));
    // Those with too few rounds are shown only if there are no others.
    let (enough, few): (Vec<Reached>, Vec<Reached>) = each.partition(|one| one.rounds >= ENOUGH);
    let margin = |one: &Reached| row.target.margin(one.ratio);
    let worst = |these: Vec<Reached>| these.into_iter().min_by(|a, b| margin(a).total_cmp(&margin(b)));
    worst(enough).or_else(|| worst(few))
}

/// Ours against one of theirs, round by round.
fn held(row: &Row, ours: &Rounds, theirs: &Value, samples: &[Sample], place: Place) -> Option<Reached> {
    let found = rounds(theirs, samples, place);
    let (mine, other): (Vec<f64>, Vec<f64>) = beside(ours, &found).unzip();
    let mut ratios: Vec<f64> = mine.iter().zip(&other).map(|(a, b)| row.target.ratio(*a, *b)).collect();
    ratios.sort_by(f64::total_cmp);
    let (last, quarter) = (ratios.len().checked_sub(1)?, (ratios.len() - 1) / 4);
    Some(Reached {
        ratio: median(&ratios)?,
        spread: [ratios[quarter], ratios[last - quarter]],
        ours: median(&mine)?,
        theirs: median(&other),
        whose: Some(theirs.series.clone()),
        rounds: ratios.len(),
        messages: (messages(&row.ours, samples)?, messages(theirs, samples)),
    })
}

/// How many messages a run has: as many in each.
fn messages(value: &Value, samples: &[Sample]) -> Option<u64> {
    samples.iter().find(|sample| sample.series == value.series).map(|sample| sample.figures.messages)
}

/// What both found, in the rounds that have both.
fn beside(ours: &Rounds, theirs: &Rounds) -> impl Iterator<Item = (f64, f64)> {
    ours.iter().filter_map(|(round, ours)| Some((*ours, *theirs.get(round)?)))
}

fn rounds(value: &Value, samples: &[Sample], place: Place) -> Rounds {
    let mut runs: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.place == place && sample.series == value.series) {
        runs.entry(sample.round).or_default().extend(sample.figures.get(value.figure));
    }
    runs.into_iter().filter_map(|(round, figures)| Some((round, median(&figures)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(series: &str, round: u32, place: Place, p50_ns: u64) -> Sample {
        let figures = Figures { messages: 10, p50_ns: Some(p50_ns), ..Figures::default() };
        Sample { series: series.into(), round, place, figures, floor_ns: None }
    }

    fn p50(series: &str) -> Value {
        Value { figure: Figure::P50, series: series.into() }
    }

    fn row(target: Target, theirs: &[&str]) -> Row {
        let (group, what, against) = ("a group".into(), "ours".into(), "theirs".into());
        let theirs = theirs.iter().map(|name| p50(name)).collect();
        Row { group, what, against, ours: p50("ours"), theirs, target, at: Place::Near }
    }

    /// Near, ours takes 80 and theirs 100, then 90 and 60; far everything is tenfold, and ours is slower.
    fn samples() -> Vec<Sample> {
        let rounds = [(80, 100), (82, 100), (78, 104), (80, 96), (300, 100)];
        let mut all = Vec::new();
        for (round, (ours, theirs)) in (0..).zip(rounds) {
            all.push(sample("ours", round, Place::Near, ours));
            all.push(sample("theirs", round, Place::Near, theirs));
            all.push(sample("slow", round, Place::Near, 500));
            all.push(sample("ours", 10 + round, Place::Far, 2_000));
            all.push(sample("theirs", 10 + round, Place::Far, 1_000));
        }
        all
    }

    fn judged(row: &Row, samples: &[Sample]) -> Judged {
        judge(row, samples, &BTreeMap::new())
    }

    /// The verdict, and why.
    fn said(judged: &Judged) -> (Verdict, &str) {
        (judged.verdict, judged.why.as_deref().unwrap_or_default())
    }

    #[test]
    fn a_ratio_is_of_one_state_round_by_round_and_to_the_best_of_them() {
        let judged = judged(&row(Target::AtMost(0.82), &["slow", "theirs"]), &samples());
        let near = judged.near.unwrap();
        // 0.75, 0.8, 0.82, 0.83 and 3.
        assert_eq!((near.ours, near.theirs, near.ratio), (80.0, Some(100.0), 0.82));
        assert_eq!((near.whose.as_deref(), near.rounds), (Some("theirs"), 5));
        assert_eq!(near.spread, [0.8, 80.0 / 96.0], "without the ends");
        assert_eq!(judged.far.unwrap().ratio, 2.0);
        assert_eq!((judged.verdict, judged.why), (Verdict::Reached, None));
    }

    #[test]
    fn a_round_is_the_median_of_its_runs() {
        let more = [(0, 500), (0, 40), (1, 90)].map(|(round, ns)| sample("ours", round, Place::Near, ns));
        let row = row(Target::AtMost(0.8), &["theirs"]);
        let rounds = rounds(&row.ours, &[&samples()[..], &more].concat(), Place::Near);
        assert_eq!(rounds.into_values().collect::<Vec<_>>(), [80.0, 86.0, 78.0, 80.0, 300.0]);
    }

    #[test]
    fn times_as_fast_is_the_other_way_round() {
        for (least, verdict) in [(1.21, Verdict::Reached), (1.22, Verdict::Missed)] {
            assert_eq!(judged(&row(Target::Times(least), &["theirs"]), &samples()).verdict, verdict);
        }
    }

    /// The control: what is slower than promised must be seen to be, however the far state or moved runs look.
    #[test]
    fn a_missed_target_is_missed() {
        let slower: Vec<Sample> = samples()
            .into_iter()
            .map(|mut sample| {
                if sample.series == "ours" {
                    let far = sample.place == Place::Far;
                    sample.figures.p50_ns = sample.figures.p50_ns.map(|ns| if far { 1 } else { ns * 2 });
                }
                sample
            })
            .chain((20..40).map(|round| sample("ours", round, Place::Moved, 1)))
            .collect();
        let judged = judged(&row(Target::AtMost(0.8), &["theirs"]), &slower);
        assert_eq!((judged.verdict, judged.dropped), (Verdict::Missed, 20));
        assert_eq!(judged.near.unwrap().ratio, 1.64);
    }

    #[test]
    fn what_was_not_seen_is_not_judged() {
        let far: Vec<Sample> =
            samples().into_iter().filter(|sample| sample.place == Place::Far || sample.round < 2).collect();
        let row = row(Target::AtMost(0.8), &["theirs"]);
        for (samples, why) in [(&far[..], "near only 2 of at least 3 rounds"), (&[], "never near")] {
            assert_eq!(said(&judged(&row, samples)), (Verdict::NotMeasured, why));
        }
    }

    /// The control of the pairing: where both become slower together, ours is not faster for having run in the better rounds.
    #[test]
    fn what_both_share_cancels_round_by_round() {
        let minutes = [100, 100, 100, 200, 200, 400, 400];
        let of = |name, round: usize| sample(name, round as u32, Place::Near, minutes[round]);
        let all: Vec<Sample> =
            (0..5).map(|round| of("ours", round)).chain((2..7).map(|round| of("theirs", round))).collect();
        let near = judged(&row(Target::AtMost(0.8), &["theirs"]), &all).near.unwrap();
        assert_eq!((near.ours, near.theirs, near.ratio, near.rounds), (200.0, Some(200.0), 1.0, 3));
    }

    /// The control of the choice: B ran in the slow minutes alone, where it was ahead of A; by medians it comes behind.
    #[test]
    fn the_best_of_them_is_found_round_by_round_too() {
        let mut all = Vec::new();
        for round in 0..20 {
            let slow = if round < 10 { 1 } else { 2 };
            all.push(sample("ours", round, Place::Near, 80 * slow));
            all.push(sample("A", round, Place::Near, 100 * slow));
            all.extend((round >= 15).then(|| sample("B", round, Place::Near, 190)));
        }
        for (target, ratio) in [(Target::AtMost(0.8), 160.0 / 190.0), (Target::Times(1.2), 190.0 / 160.0)] {
            let judged = judged(&row(target, &["A", "B"]), &all);
            let near = judged.near.unwrap();
            assert_eq!((near.whose.as_deref(), near.ratio, near.rounds), (Some("B"), ratio, 5));
            assert_eq!((near.ours, near.theirs), (160.0, Some(190.0)), "in the rounds that they share");
            assert_eq!((judged.verdict, judged.why), (Verdict::Missed, None));
        }
    }

    #[test]
    fn who_was_seldom_there_lets_nothing_be_reached_and_alone_makes_nothing_missed() {
        for (seldom_ns, rounds) in [(900, 2), (10, 2), (10, 1)] {
            let seldom = (0..rounds).map(|round| sample("seldom", round, Place::Near, seldom_ns));
            let all: Vec<Sample> = samples().into_iter().chain(seldom).collect();
            let judged = judged(&row(Target::AtMost(0.9), &["theirs", "seldom"]), &all);
            let why = format!("seldom: near only {rounds} of at least 3 rounds");
            assert_eq!((judged.verdict, judged.why), (Verdict::NotMeasured, Some(why)));
            assert_eq!(judged.near.unwrap().whose.as_deref(), Some("theirs"));
        }
        let all: Vec<Sample> = samples().into_iter().chain([sample("seldom", 0, Place::Near, 900)]).collect();
        let missed = judged(&row(Target::AtMost(0.7), &["theirs", "seldom"]), &all);
        assert_eq!(missed.verdict, Verdict::Missed, "whichever others are there");
        assert!(missed.why.is_some_and(|why| why.starts_with("seldom: ")));
    }

    #[test]
    fn who_is_not_there_might_have_been_the_best() {
        let missing = BTreeMap::from([("absent".to_owned(), "absent is not built".to_owned())]);
        let all = ["theirs", "absent"];
        for (missing, why) in [(&missing, "absent is not built"), (&BTreeMap::new(), "absent: never near")] {
            let reached = judge(&row(Target::AtMost(0.9), &all), &samples(), missing);
            assert_eq!(said(&reached), (Verdict::NotMeasured, why));
        }
        let missed = judge(&row(Target::AtMost(0.7), &all), &samples(), &missing);
        assert_eq!(missed.verdict, Verdict::Missed, "whichever others are there");
    }

    #[test]
    fn a_floor_that_flipped_is_of_no_state() {
        for (floor_ns, place, why) in [
            (Some([60.0, 70.0]), Place::Near, "alike"),
            (Some([240.0, 250.0]), Place::Far, "alike"),
            (Some([60.0, 250.0]), Place::Moved, "of two states"),
            (Some([24.0, 60.0]), Place::Moved, "both near, but not alike"),
            (Some([110.0, 130.0]), Place::Moved, "on both sides of the line"),
            (None, Place::NoFloor, "no floor"),
        ] {
            assert_eq!(Place::of(floor_ns), place, "{why}");
        }
    }

    #[test]
    fn of_bytes_the_most_counts() {
        let memory = |round, bytes| Sample {
            figures: Figures { bytes: Some(bytes), ..Figures::default() },
            ..sample("memory", round, Place::NoFloor, 0)
        };
        let row = Row {
            ours: Value { figure: Figure::Bytes, series: "memory".into() },
            theirs: Vec::new(),
            at: Place::NoFloor,
            ..row(Target::Bytes(1_000), &[])
        };
        for (bytes, verdict) in [
            (&[1_000][..], Verdict::Reached),
            (&[1_001], Verdict::Missed),
            (&[900, 1_950, 900], Verdict::Missed),
        ] {
            let samples: Vec<Sample> = (0..).zip(bytes).map(|(round, bytes)| memory(round, *bytes)).collect();
            assert_eq!(judged(&row, &samples).verdict, verdict, "{bytes:?}");
        }
    }

    #[test]
    fn a_message_of_a_stream_is_a_share_of_the_whole() {
        let figures = Figures { messages: 10, elapsed_ns: Some(95), ..Figures::default() };
        assert_eq!((figures.get(Figure::Each), figures.get(Figure::Cpu)), (Some(9.5), None));
    }
}
