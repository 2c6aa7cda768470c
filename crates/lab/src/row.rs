//! From rounds to a row: what all launches of one entrant found together, and each by itself.

use crate::disturbance::Disturbance;
use crate::entrant::{RaceEntrant, Runner};
use crate::job::PairJob;
use crate::plan::{Plan, Workload};
use crate::report::{Entrant, Floor, LatencyBasis, Launch, ReportRow, SideUse, State};
use crate::round::{Floors, Round};
use crate::settle::RoundFound;
use crate::stats::{self, Histogram};
use crate::workload::rehearsed::{JoinedStamps, joined};

/// The rounds of one entrant so far.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) entrant: RaceEntrant,
    pub(crate) failed: Option<String>,
    /// Whether it failed because no process could be started.
    not_started: bool,
    /// Why this entrant cannot do this at all.
    pub(crate) gap: Option<String>,
    cores: Option<[usize; 2]>,
    messages: u64,
    verified: u64,
    missed: u64,
    samples: Histogram,
    /// Of each direction, of a rehearsal.
    directions: Option<Box<[Histogram; 2]>>,
    elapsed_ns: u64,
    floors: Vec<Floors>,
    /// Why there is no floor where there should be one.
    blind: Option<String>,
    slept_by: Option<String>,
    /// Why it is not known what the processes cost.
    uncounted: Option<String>,
    moved: u32,
    disturbed: Disturbance,
    launches: Vec<Launch>,
    /// Of each launch.
    progress: Vec<Option<Vec<(u64, u64)>>>,
    sides: Option<[SideUse; 2]>,
    channel_bytes: Option<[u32; 2]>,
}

impl Gathered {
    /// No rounds yet, and none to come if it `failed` already.
    pub(crate) fn new(entrant: RaceEntrant, failed: Option<String>) -> Gathered {
        Gathered {
            entrant,
            failed,
            not_started: false,
            gap: None,
            cores: None,
            messages: 0,
            verified: 0,
            missed: 0,
            samples: Histogram::new(),
            directions: None,
            elapsed_ns: 0,
            floors: Vec::new(),
            blind: None,
            slept_by: None,
            uncounted: None,
            moved: 0,
            disturbed: Disturbance::default(),
            launches: Vec::new(),
            progress: Vec::new(),
            sides: None,
            channel_bytes: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.launches.is_empty()
    }

    pub(crate) fn fail(&mut self, why: String) {
        self.failed = Some(why);
    }

    /// Whether it has failed, and no round of it came to its end.
    pub(crate) fn never_ran(&self) -> bool {
        self.is_empty() && self.failed.is_some()
    }

    /// Fails because no process could be started.
    pub(crate) fn fail_to_start(&mut self, why: String) {
        self.not_started = self.is_empty();
        self.fail(why);
    }

    /// Why no process of its could be started, if none ever was.
    pub(crate) fn not_started(&self) -> Option<&str> {
        self.failed.as_deref().filter(|_| self.not_started)
    }

    /// Adds a round. One that did not verify every message fails the entrant.
    pub(crate) fn add(&mut self, job: &PairJob, found: RoundFound, disturbed: &Disturbance) {
        self.disturbed = self.disturbed.and(disturbed);
        let per_count = self.messages_per_count();
        let messages = job.messages * per_count;
        let moved = found.moved();
        let (samples, elapsed_ns, verified, progress) = match found {
            RoundFound::Ours(round) if self.entrant.workload.is_rehearsed() => {
                self.note_round(&round);
                let JoinedStamps { directions, elapsed_ns } =
                    joined(job, [&round.initiator, &round.responder]);
                let mut both = directions[0].clone();
                both.merge(&directions[1]);
                match &mut self.directions {
                    Some(all) => all.iter_mut().zip(&directions).for_each(|(all, one)| all.merge(one)),
                    None => self.directions = Some(Box::new(directions)),
                }
                (both, elapsed_ns, round.initiator.verified + round.responder.verified, None)
            }
            RoundFound::Ours(round) => {
                self.note_round(&round);
                // A stream ends when its receiver has verified the last message.
                let one_sided = matches!(self.entrant.runner, Runner::Null)
                    || self.entrant.workload == Workload::PingPong;
                let ended = if one_sided { round.initiator.ended } else { round.responder.ended };
                let elapsed_ns = job.clock.ns(ended.saturating_sub(round.initiator.began));
                let verified = match self.entrant.runner {
                    Runner::Null => round.initiator.verified * per_count,
                    Runner::Mechanism(_) | Runner::Rival(..) | Runner::Absent(_) => {
                        round.initiator.verified + round.responder.verified
                    }
                };
                let from =
                    if round.initiator.samples.is_empty() { &round.responder } else { &round.initiator };
                let since = |ticks: u64| job.clock.ns(ticks.saturating_sub(round.initiator.began));
                let points = from.progress.iter().map(|&(ticks, done)| (since(ticks), done * per_count));
                let progress: Vec<_> = points.collect();
                let progress = Some(progress).filter(|points| !points.is_empty());
                (Histogram::from_pairs(&from.samples), elapsed_ns, verified, progress)
            }
            RoundFound::Gap(why) => {
                self.gap = Some(why);
                return;
            }
            RoundFound::Guest(outcome, floors, blind) => {
                self.cores = job.cores;
                self.floors.extend(floors);
                self.blind = blind.or(self.blind.take());
                let samples = Histogram::from_pairs(&outcome.latency_ns);
                (samples, outcome.elapsed_ns, outcome.verified * per_count, None)
            }
        };
        if verified != messages {
            self.fail(format!("only {verified} of {messages} messages were verified"));
            return;
        }
        self.moved += u32::from(moved);
        self.messages += messages;
        self.verified += verified;
        self.elapsed_ns += elapsed_ns;
        self.samples.merge(&samples);
        self.progress.push(progress);
        self.launches.push(Launch {
            latency_ns_p50: samples.median(),
            messages_per_s: per_second(messages, elapsed_ns),
        });
    }

    /// A round trip counts as two messages.
    fn messages_per_count(&self) -> u64 {
        if self.entrant.workload == Workload::PingPong { 2 } else { 1 }
    }

    fn note_round(&mut self, round: &Round) {
        self.cores = round.cores;
        self.floors.extend(round.floors);
        self.blind = round.blind.clone().or(self.blind.take());
        self.missed += round.initiator.missed;
        let sides = [&round.initiator, &round.responder];
        self.uncounted = sides.iter().find_map(|side| side.uncounted.clone()).or(self.uncounted.take());
        self.slept_by = sides.iter().find_map(|side| side.slept_by.clone()).or(self.slept_by.take());
        let [first, second] = self.sides.get_or_insert_default();
        add_use(first, &round.initiator.usage);
        add_use(second, &round.responder.usage);
        if let Some(bytes) = round.initiator.channel_bytes {
            let [least, most] = self.channel_bytes.unwrap_or([bytes; 2]);
            self.channel_bytes = Some([least.min(bytes), most.max(bytes)]);
        }
    }

    /// The row; `None` when nothing ran before the race was cut short. `siblings`: what is to be said of the two places.
    pub(crate) fn into_row(self, plan: &Plan, siblings: Option<&String>) -> Option<ReportRow> {
        if self.is_empty() && self.failed.is_none() && self.gap.is_none() {
            return None;
        }
        let entrant = match &self.entrant.runner {
            Runner::Mechanism(_) => Entrant::Mechanism,
            Runner::Null => Entrant::Null,
            Runner::Rival(rival, _) if rival.is_bound() => Entrant::Bound,
            Runner::Rival(..) | Runner::Absent(_) => Entrant::Rival,
        };
        let basis = match self.entrant.workload {
            Workload::PingPong => LatencyBasis::HalfRoundTrip,
            Workload::Stream | Workload::Corked => LatencyBasis::OneWayStamped,
            Workload::Rehearsed | Workload::RehearsedCorked | Workload::RehearsedRoomy => {
                LatencyBasis::OneWayStamped
            }
            Workload::Paced => LatencyBasis::FromDueTime,
        };
        let mut notes = self.notes();
        notes.extend(siblings.filter(|_| self.cores.is_some_and(|[a, b]| a != b)).cloned());
        let progress = self.middle().and_then(|launch| self.progress[launch].clone());
        let failed = self.failed;
        let floors: Vec<f64> = self.floors.iter().flatten().map(|floor| floor.ns).collect();
        let fine = failed.is_none();
        Some(ReportRow {
            kind: self.entrant.runner.kind(),
            entrant,
            workload: self.entrant.workload,
            size_bytes: self.entrant.size_bytes,
            placement: plan.placement,
            cores: self.cores,
            wait: self.entrant.wait,
            messages: self.messages,
            verified: self.verified,
            latency_ns: self.samples.latency(basis).filter(|_| fine),
            messages_per_s: per_second(self.messages, self.elapsed_ns).filter(|_| fine),
            floor_ns: stats::median(&floors),
            floor: floor(&self.floors),
            state: State::of(&floors),
            launches: self.launches.len() as u32,
            each_launch: self.launches,
            sides: self.sides.filter(|_| fine && self.uncounted.is_none()),
            channel_bytes: self.channel_bytes,
            progress: progress.filter(|_| fine),
            directions_ns_p50: self
                .directions
                .filter(|_| fine)
                .map(|both| both.each_ref().map(Histogram::median)),
            missed: (self.entrant.workload == Workload::Paced).then_some(self.missed),
            failed,
            notes,
        })
    }

    /// The launch in the middle by its rate; of an even number the slower one of the two.
    fn middle(&self) -> Option<usize> {
        let mut order: Vec<usize> = (0..self.launches.len()).collect();
        let rate = |launch: usize| self.launches[launch].messages_per_s.unwrap_or(0.0);
        order.sort_by(|&a, &b| rate(a).total_cmp(&rate(b)));
        order.get(order.len().saturating_sub(1) / 2).copied()
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Runner::Rival(rival, _) = &self.entrant.runner {
            notes.extend(rival.notes());
        }
        notes.extend(self.gap.as_ref().map(|why| format!("cannot do this: {why}")));
        let of_launches = |pick: fn(&Launch) -> Option<f64>| -> Vec<f64> {
            self.launches.iter().filter_map(pick).collect()
        };
        let medians = of_launches(|launch| launch.latency_ns_p50.map(|ns| ns as f64));
        let rates = of_launches(|launch| launch.messages_per_s);
        let pairs = [("medians", medians), ("rates", rates)];
        for (what, _) in pairs.iter().filter(|(_, numbers)| stats::two_modes(numbers)) {
            notes.push(format!("two modes: the {what} of the launches fall into two camps"));
        }
        if self.moved > 0 {
            notes.push(format!("the floor moved during {} of {} launches", self.moved, self.launches.len()));
        }
        notes.extend(self.disturbed.sentences().map(|what| format!("rounds were disturbed: {what}")));
        notes.extend(self.blind.clone());
        let uncounted = self.uncounted.as_ref();
        notes.extend(uncounted.map(|why| format!("what it cost is not known: getrusage: {why}")));
        let slept = self.slept_by.as_ref();
        notes.extend(slept.map(|how| format!("it slept by {how}, since futex_waitv is refused here")));
        if self.missed > 0 {
            notes.push(format!("{} messages were sent more than one interval late", self.missed));
        }
        notes
    }
}

fn per_second(messages: u64, elapsed_ns: u64) -> Option<f64> {
    (elapsed_ns > 0).then(|| messages as f64 * 1e9 / elapsed_ns as f64)
}

fn add_use(sum: &mut SideUse, one: &SideUse) {
    sum.user_ns += one.user_ns;
    sum.system_ns += one.system_ns;
    sum.voluntary_switches += one.voluntary_switches;
    sum.involuntary_switches += one.involuntary_switches;
    sum.minor_faults += one.minor_faults;
    sum.peak_rss_kib = sum.peak_rss_kib.max(one.peak_rss_kib);
}

fn floor(rounds: &[Floors]) -> Option<Floor> {
    let best = rounds.iter().flatten().min_by(|a, b| a.ns.total_cmp(&b.ns))?;
    Some(Floor {
        lines: 2,
        polls: best.polls.name().into(),
        each_round_ns: rounds.iter().map(|[before, after]| [before.ns, after.ns]).collect(),
    })
}
