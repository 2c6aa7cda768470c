//! Measuring: every series in each round, in an order that is drawn anew for each round.
//!
//! Every run is a fresh pair of processes between two looks at the floor. One whose floor flipped meanwhile is run
//! again, up to twice, and counted.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lab::plan::Plan;
use lab::race::AGAIN;
use lab::report::{Entrant, Row};
use lab::shuffle::SplitMix;
use rustix::process::{Pid, Signal};

use crate::Failed;
use crate::judge::Sample;
use crate::limit::{Found, Limit};
use crate::load::{Load, TOO_MUCH_PERCENT};
use crate::table::{Place, Race, Series, Table, Value};

/// How long one measure may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is typed.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    /// Where the rivals are, each in a folder of its name.
    pub(crate) rivals: PathBuf,
    /// Builds of this program in which a rule is left out.
    pub(crate) without: Vec<(String, PathBuf)>,
    pub(crate) rounds: u32,
    pub(crate) seed: u64,
    /// A tenth of the messages.
    pub(crate) quick: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) samples: Vec<Sample>,
    /// Series that could not be measured, and why.
    pub(crate) missing: BTreeMap<String, String>,
    /// Runs that were run again because the cores moved.
    pub(crate) repeated: u32,
    /// Rounds that were thrown away because others were at work; at most as many as were asked for.
    pub(crate) disturbed: u32,
    /// What others took of the machine in each round that was kept.
    pub(crate) others_percent: Vec<f64>,
}

/// What a round consists of.
enum Job<'a> {
    Race(&'a Race),
    /// One right after the other.
    Limits(Vec<Run<'a>>),
}

/// A measure by a program.
struct Run<'a> {
    limit: &'a Limit,
    series: String,
    program: PathBuf,
}

/// Measures whatever `table` needs, until `stop` is set: then only what finished rounds have found is left.
pub(crate) fn measure(table: &Table, course: &Course, stop: &AtomicBool) -> Result<Measured, Failed> {
    let mut measured = Measured::default();
    let jobs = jobs(table, course, &mut measured.missing)?;
    let mut random = SplitMix::new(course.seed);
    let began = Instant::now();
    undisturbed(course.rounds, &mut measured, stop, |round, measured| {
        eprintln!("round {} of {}, after {} s", round + 1, course.rounds, began.elapsed().as_secs());
        let before = Load::now()?;
        for index in random.shuffled(jobs.len()) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            match &jobs[index] {
                Job::Race(race) if round % race.every > 0 => {}
                Job::Race(race) => run_race(race, course, round, random.draw(), measured, stop)?,
                Job::Limits(runs) => {
                    let each: Vec<_> =
                        runs.iter().flat_map(|run| std::iter::repeat_n(run, run.limit.times)).collect();
                    for index in random.shuffled(each.len()) {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        run_limit(each[index], course, round, measured);
                    }
                }
            }
        }
        Ok(Load::now()?.others_percent(&before))
    })?;
    Ok(measured)
}

/// Runs so many rounds in which nobody else was at work; `once` says what others took. After as many that were thrown away it
/// gives up: what is missing then has too few rounds to be judged.
fn undisturbed(
    rounds: u32,
    measured: &mut Measured,
    stop: &AtomicBool,
    mut once: impl FnMut(u32, &mut Measured) -> Result<f64, Failed>,
) -> Result<(), Failed> {
    let mut round = 0;
    while round < rounds && measured.disturbed < rounds {
        let (kept, missing) = (measured.samples.len(), measured.missing.clone());
        let others_percent = once(round, measured)?;
        if stop.load(Ordering::Relaxed) {
            // What failed in this round may have failed by the signal.
            measured.samples.truncate(kept);
            measured.missing = missing;
            break;
        }
        if others_percent > TOO_MUCH_PERCENT {
            eprintln!("others took {others_percent:.0} % of the machine: thrown away");
            measured.samples.truncate(kept);
            measured.disturbed += 1;
            continue;
        }
        measured.others_percent.push((others_percent * 10.0).round() / 10.0);
        round += 1;
    }
    Ok(())
}

/// Everything that the rows name, once; what cannot be had is said.
fn jobs<'a>(
    table: &'a Table,
    course: &Course,
    missing: &mut BTreeMap<String, String>,
) -> Result<Vec<Job<'a>>, Failed> {
    let this = std::env::current_exe()?;
    let (mut races, mut runs) = (BTreeSet::new(), BTreeMap::new());
    let values = table.rows.iter().flat_map(|row| std::iter::once(&row.ours).chain(&row.theirs));
    for Value(_, series) in values {
        let name = series.to_string();
        match series {
            Series::Race(race, who, _) => match who.split_once('/') {
                Some((rival, _)) if program(course, rival).is_none() => {
                    missing.insert(name, format!("{rival} is not built (make -C rivals)"));
                }
                _ => drop(races.insert(*race)),
            },
            Series::Limit(limit) => drop(runs.insert(name, (*limit, this.clone()))),
            Series::Without(rule, limit) => match course.without.iter().find(|(given, _)| given == rule) {
                Some((_, program)) => drop(runs.insert(name, (*limit, program.clone()))),
                None => {
                    let needs = format!("a build without {rule} was not given (--without {rule}=PROGRAM)");
                    missing.insert(name, needs);
                }
            },
        }
    }
    let mut jobs: Vec<Job<'a>> =
        table.races.iter().filter(|race| races.remove(race.name)).map(Job::Race).collect();
    for beside in &table.limits {
        let of = |limit: &'a Limit| {
            let these = runs.iter().filter(|(_, (name, _))| *name == limit.name);
            these.map(move |(series, (_, program))| Run {
                limit,
                series: series.clone(),
                program: program.clone(),
            })
        };
        let together: Vec<Run<'a>> = beside.iter().flat_map(of).collect();
        runs.retain(|series, _| !together.iter().any(|run| run.series == *series));
        if !together.is_empty() {
            jobs.push(Job::Limits(together));
        }
    }
    match races.first().map(|race| (*race).to_owned()).or(runs.into_keys().next()) {
        Some(unknown) => Err(format!("the table names what it does not have: {unknown}").into()),
        None => Ok(jobs),
    }
}

/// A rival's program, if it was built.
fn program(course: &Course, name: &str) -> Option<PathBuf> {
    let program = course.rivals.join(name).join(name);
    let facts = std::fs::metadata(&program).ok()?;
    (facts.is_file() && facts.permissions().mode() & 0o111 != 0).then_some(program)
}

fn run_race(
    race: &Race,
    course: &Course,
    round: u32,
    seed: u64,
    measured: &mut Measured,
    stop: &AtomicBool,
) -> Result<(), Failed> {
    let plan = Plan {
        kinds: race.kinds.to_vec(),
        workloads: vec![race.workload],
        sizes: vec![race.size_bytes],
        placement: race.placement,
        waits: race.waits.to_vec(),
        count: fewer(race.messages, course),
        launches: 1,
        rate_per_s: race.rate_per_s,
        capacity_bytes: race.capacity_bytes,
        seed,
        quick: course.quick,
        rivals: race.rivals.iter().filter_map(|name| program(course, name)).collect(),
    };
    let report = lab::race::run(&plan, &mut |_| {}, stop)?;
    measured.repeated += report.rounds_dropped;
    for row in report.rows.iter().filter(|row| row.entrant != Entrant::Null) {
        let name = Series::Race(race.name, row.kind.clone(), row.wait.name()).to_string();
        match sample(row, name.clone(), round) {
            Ok(sample) => measured.samples.push(sample),
            Err(why) => {
                measured.missing.insert(name, format!("{}: {why}", row.kind));
            }
        }
    }
    Ok(())
}

/// What a race's row of one launch says; why it says nothing, if so.
fn sample(row: &Row, series: String, round: u32) -> Result<Sample, String> {
    if let Some(why) = &row.failed {
        return Err(why.clone());
    }
    let Some(rate) = row.messages_per_s else {
        return Err(row.notes.last().cloned().unwrap_or_else(|| "nothing was measured".into()));
    };
    let floor_ns = row.floor.as_ref().and_then(|floor| floor.each_round_ns.first().copied());
    let latency = row.latency_ns.as_ref();
    Ok(Sample {
        series,
        round,
        place: Place::of(floor_ns),
        messages: row.messages,
        elapsed_ns: Some((row.messages as f64 * 1e9 / rate).round() as u64),
        p50_ns: latency.and_then(|latency| latency.p50),
        p99_ns: latency.and_then(|latency| latency.p99),
        receiver_cpu_ns: row.sides.map(|[_, receiver]| receiver.user_ns + receiver.system_ns),
        bytes: None,
        floor_ns,
    })
}

fn run_limit(run: &Run<'_>, course: &Course, round: u32, measured: &mut Measured) {
    let Run { limit, series, program } = run;
    let words = limit.words(fewer(limit.messages, course));
    let once = || ask(program, &words).map(|found| of_limit(found, series.clone(), round));
    match settled(once, &mut measured.repeated) {
        Ok(sample) => measured.samples.push(sample),
        Err(why) => drop(measured.missing.insert(series.clone(), format!("{series}: {why}"))),
    }
}

/// Runs until the cores hold still, or patience ends.
fn settled(mut once: impl FnMut() -> Result<Sample, Failed>, repeated: &mut u32) -> Result<Sample, Failed> {
    for _ in 0..AGAIN {
        let sample = once()?;
        if sample.place != Place::Moved {
            return Ok(sample);
        }
        *repeated += 1;
    }
    once()
}

/// Starts `program` as the near process of a measure, and hears what it found.
pub(crate) fn ask(program: &Path, words: &[String]) -> Result<Found, Failed> {
    let mut command = Command::new(program);
    let asked = command.arg(crate::LIMIT_VERB).args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = asked.spawn()?;
    let pid = Pid::from_child(&child);
    let (tell, told) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || tell.send(child.wait_with_output()));
    let output = match told.recv_timeout(PATIENCE) {
        Ok(output) => output?,
        Err(_) => {
            // It has not been reaped, so the number is its own; the far process ends when this one is gone.
            rustix::process::kill_process(pid, Signal::KILL)?;
            return Err(format!("it did not end within {PATIENCE:?}").into());
        }
    };
    drop(waiting.join());
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(complaint.lines().last().unwrap_or("it failed, and says nothing").to_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn of_limit(found: Found, series: String, round: u32) -> Sample {
    let Found { messages, elapsed_ns, p50_ns, p99_ns, bytes, floor_ns, crossing_off: _ } = found;
    let place = Place::of(floor_ns);
    let receiver_cpu_ns = None;
    Sample { series, round, place, messages, elapsed_ns, p50_ns, p99_ns, receiver_cpu_ns, bytes, floor_ns }
}

fn fewer(messages: u64, course: &Course) -> u64 {
    if course.quick { messages.div_ceil(10) } else { messages }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course() -> Course {
        let (rivals, without) = ("/nowhere".into(), Vec::new());
        Course { rivals, without, rounds: 1, seed: 1, quick: true }
    }

    fn found(floor_ns: [f64; 2]) -> Sample {
        of_limit(Found { messages: 1, floor_ns: Some(floor_ns), ..Found::default() }, "a".into(), 0)
    }

    #[test]
    fn what_moved_is_run_again_up_to_twice_and_counted() {
        for (moves, repeated, place) in
            [(0, 0, Place::Near), (1, 1, Place::Near), (2, 2, Place::Near), (3, 2, Place::Moved)]
        {
            let (mut runs, mut counted) = (0, 0);
            let once = || {
                runs += 1;
                Ok(found([60.0, if runs <= moves { 250.0 } else { 61.0 }]))
            };
            assert_eq!(settled(once, &mut counted).unwrap().place, place, "{moves}");
            assert_eq!(counted, repeated, "{moves}");
        }
    }

    /// What comes of rounds in which others took as much as these say, and then of quiet ones.
    fn rounds_with(others_percent: &[f64]) -> Measured {
        let (mut measured, mut others) = (Measured::default(), others_percent.iter().copied());
        let once = |round, measured: &mut Measured| {
            let sample = found([60.0, 61.0]);
            measured.samples.push(Sample { round, ..sample });
            Ok(others.next().unwrap_or(0.0))
        };
        undisturbed(3, &mut measured, &AtomicBool::new(false), once).unwrap();
        measured
    }

    #[test]
    fn an_interruption_leaves_what_finished_rounds_have_found() {
        let (mut measured, stop) = (Measured::default(), AtomicBool::new(false));
        let once = |round, measured: &mut Measured| {
            measured.samples.push(Sample { round, ..found([60.0, 61.0]) });
            if round == 1 {
                measured.missing.insert("a".into(), "killed by the signal".into());
                stop.store(true, Ordering::Relaxed);
            }
            Ok(0.0)
        };
        undisturbed(3, &mut measured, &stop, once).unwrap();
        let rounds: Vec<u32> = measured.samples.iter().map(|sample| sample.round).collect();
        assert_eq!((rounds, measured.missing.len(), measured.others_percent.len()), (vec![0], 0, 1));
    }

    #[test]
    fn a_round_in_which_others_were_at_work_is_thrown_away_however_many_there_are() {
        for (others, kept, disturbed) in [
            (&[0.0, 10.0][..], 3, 0),
            (&[50.0, 0.0, 11.0], 3, 2),
            (&[0.0, 50.0, 50.0, 50.0], 1, 3),
            (&[50.0; 9], 0, 3),
        ] {
            let measured = rounds_with(others);
            let rounds: Vec<u32> = measured.samples.iter().map(|sample| sample.round).collect();
            assert_eq!(rounds, (0..kept).collect::<Vec<_>>(), "{others:?}");
            assert_eq!(measured.disturbed, disturbed, "{others:?}");
            assert_eq!(measured.others_percent.len(), kept as usize);
            assert!(measured.others_percent.iter().all(|percent| *percent <= TOO_MUCH_PERCENT));
        }
    }

    #[test]
    fn the_table_names_only_what_it_has() {
        let table = crate::narrowed(crate::promises::table(), &course(), None).unwrap();
        let mut missing = BTreeMap::new();
        let course = Course { without: vec![("all".into(), "/bin/true".into())], ..course() };
        let jobs = jobs(&table, &course, &mut missing).unwrap();
        let races = jobs.iter().filter(|job| matches!(job, Job::Race(_))).count();
        // Those of rivals alone are not run where none is built, and said to be missing.
        let alone = table.races.iter().filter(|race| race.kinds.is_empty()).count();
        assert_eq!(races, table.races.len() - alone);
        assert!(missing.values().any(|why| why.contains("is not built")), "{missing:?}");
        let used = jobs.iter().flat_map(|job| match job {
            Job::Race(_) => &[],
            Job::Limits(runs) => &runs[..],
        });
        let used: BTreeSet<_> = used.map(|run| run.limit.name).collect();
        let all: BTreeSet<_> = table.limits.iter().flatten().map(|limit| limit.name).collect();
        assert_eq!(used, all, "every measure is there for a row");
    }

    #[test]
    fn a_row_about_nothing_is_a_fault_of_the_table() {
        let mut table = crate::promises::table();
        table.limits.retain(|beside| beside.iter().all(|limit| limit.name != "memory"));
        let fault = jobs(&table, &course(), &mut BTreeMap::new()).err().unwrap().to_string();
        assert!(fault.ends_with("does not have: memory"), "{fault}");
    }

    #[test]
    fn a_program_that_measures_nothing_is_a_reason() {
        for (program, words) in
            [("/bin/false", "says nothing"), ("/bin/true", "EOF"), ("/nowhere", "No such file")]
        {
            let why = ask(program.as_ref(), &[]).unwrap_err().to_string();
            assert!(why.contains(words), "{program}: {why}");
        }
    }
}
