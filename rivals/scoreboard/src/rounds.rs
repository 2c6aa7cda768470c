//! Measuring: every series in each round, in an order that is drawn anew for each round.
//!
//! Every run is a fresh pair of processes between two looks at the floor. One whose floor flipped meanwhile is run
//! again, up to twice, and counted.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossing::{Kind, WaitStrategy};
use lab::plan::{Placement, Plan};
use lab::report::{Entrant, ReportRow};
use lab::shuffle::SplitMix;
use serde::{Deserialize, Serialize};

use crate::judge::{Figures, Sample};
use crate::limit::{LIMIT_VERB, Told};
use crate::load::{Load, TOO_MUCH_PERCENT};
use crate::table::{Limit, Place, Race, Row, Table};
use crate::{Course, Failed};

/// How long one measure may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of a course.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Runs that were run again because the cores moved.
    pub(crate) repeated: u32,
    /// Rounds that were thrown away because others were at work; at most as many as were asked for.
    pub(crate) disturbed: u32,
    /// Whether a signal has cut it short.
    #[serde(default)]
    pub(crate) interrupted: bool,
    /// What others took of the machine in each round that was kept.
    pub(crate) others_percent: Vec<f64>,
    /// Series that could not be measured, and why.
    pub(crate) missing: BTreeMap<String, String>,
    #[serde(skip_serializing)]
    pub(crate) samples: Vec<Sample>,
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

/// Measures whatever `rows` need, until `stop` is set: then only what finished rounds have found is left.
pub(crate) fn measure(
    table: &Table,
    rows: &[Row],
    course: &Course,
    stop: &AtomicBool,
) -> Result<Measured, Failed> {
    let mut measured = Measured::default();
    let jobs = jobs(table, rows, course, &mut measured.missing)?;
    let mut random = SplitMix::new(course.seed);
    let began = Instant::now();
    undisturbed(course.rounds(), &mut measured, stop, |round, measured| {
        eprintln!("round {} of {}, after {} s", round + 1, course.rounds(), began.elapsed().as_secs());
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
                        run_limit(each[index], course, round, measured, stop);
                    }
                }
            }
        }
        Ok(Load::now()?.others_percent(&before))
    })?;
    Ok(measured)
}

/// Runs `rounds` rounds during which other programs took little of the machine; `once` returns
/// their share. It gives up once as many were thrown away: what is missing then has too few rounds
/// to be judged.
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
            measured.interrupted = true;
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

/// What a series asks for beside this program.
enum Need<'a> {
    Nothing,
    Rival(&'a str),
    BuildWithout(&'a str),
}

/// What `series` needs: `RACE: ENTRANT WAIT`, `LIMIT`, or `LIMIT, without RULE`; `None` when the table has no such thing.
fn need<'a>(table: &Table, series: &'a str) -> Option<Need<'a>> {
    let limit = |name: &str| table.limits.iter().flatten().any(|limit| limit.name == name);
    if limit(series) {
        return Some(Need::Nothing);
    }
    if let Some((name, rule)) = series.rsplit_once(", without ") {
        return limit(name).then_some(Need::BuildWithout(rule));
    }
    let (race, entrant) = series.split_once(": ")?;
    let race = table.races.iter().find(|known| known.name == race)?;
    let (who, wait) = entrant.split_once(' ')?;
    let has = |list: &[String], word: &str| list.iter().any(|known| known == word);
    let (known, need) = match who.split_once('/') {
        Some((rival, _)) => (has(&race.rivals, rival), Need::Rival(rival)),
        None => (has(&race.kinds, who), Need::Nothing),
    };
    (known && has(&race.waits, wait)).then_some(need)
}

/// Everything that the rows name, once; what cannot be had is said.
fn jobs<'a>(
    table: &'a Table,
    rows: &[Row],
    course: &Course,
    missing: &mut BTreeMap<String, String>,
) -> Result<Vec<Job<'a>>, Failed> {
    let mut wanted = BTreeSet::new();
    for series in rows.iter().flat_map(Row::values).map(|value| &value.series) {
        let unknown = || format!("promises.toml names what it does not have: {series}");
        let lacks = match need(table, series).ok_or_else(unknown)? {
            Need::Rival(rival) if program(course, rival).is_none() => {
                format!("{rival} is not built (make -C rivals)")
            }
            Need::BuildWithout(rule) if !course.without.iter().any(|(given, _)| given == rule) => {
                format!("a build without {rule} was not given (--without {rule}=PROGRAM)")
            }
            _ => {
                wanted.insert(series.as_str());
                continue;
            }
        };
        missing.insert(series.clone(), lacks);
    }
    let runs_in = |race: &Race| wanted.iter().any(|series| series.starts_with(&format!("{}: ", race.name)));
    let races = table.races.iter().filter(|race| runs_in(race)).map(Job::Race);
    let this = std::env::current_exe()?;
    let programs = |limit: &'a Limit| {
        let of_rule = |(rule, program): &(String, PathBuf)| {
            (format!("{}, without {rule}", limit.name), program.clone())
        };
        let all =
            std::iter::once((limit.name.clone(), this.clone())).chain(course.without.iter().map(of_rule));
        let wanted = all.filter(|(series, _)| wanted.contains(series.as_str()));
        wanted.map(move |(series, program)| Run { limit, series, program }).collect::<Vec<_>>()
    };
    let together = table.limits.iter().map(|beside| beside.iter().flat_map(programs).collect::<Vec<_>>());
    Ok(races.chain(together.filter(|runs| !runs.is_empty()).map(Job::Limits)).collect())
}

/// A rival's program, if it was built.
fn program(course: &Course, name: &str) -> Option<PathBuf> {
    let program = course.rivals.join(name).join(name);
    let facts = std::fs::metadata(&program).ok()?;
    (facts.is_file() && facts.permissions().mode() & 0o111 != 0).then_some(program)
}

/// What the lab runs for `race`.
fn plan(race: &Race, course: &Course, seed: u64) -> Result<Plan, Failed> {
    Ok(Plan {
        kinds: race.kinds.iter().map(|kind| kind.parse::<Kind>()).collect::<Result<_, _>>()?,
        workloads: vec![race.workload],
        sizes: vec![race.size_bytes],
        placement: race.placement.parse::<Placement>()?,
        waits: race.waits.iter().map(|wait| wait.parse::<WaitStrategy>()).collect::<Result<_, _>>()?,
        count: fewer(race.messages, course),
        launches: 1,
        rate_per_s: race.rate_per_s,
        capacity_bytes: race.capacity_bytes,
        seed,
        quick: course.quick,
        rivals: race.rivals.iter().filter_map(|name| program(course, name)).collect(),
    })
}

fn run_race(
    race: &Race,
    course: &Course,
    round: u32,
    seed: u64,
    measured: &mut Measured,
    stop: &AtomicBool,
) -> Result<(), Failed> {
    let report = lab::race::run(&plan(race, course, seed)?, &mut |_| {}, stop)?;
    measured.repeated += report.rounds_dropped;
    for row in report.rows.iter().filter(|row| row.entrant != Entrant::Null) {
        let name = format!("{}: {} {}", race.name, row.kind, row.wait.name());
        match sample(row, name.clone(), round) {
            Ok(sample) => measured.samples.push(sample),
            Err(why) => drop(measured.missing.insert(name, format!("{}: {why}", row.kind))),
        }
    }
    Ok(())
}

/// What a race's row of one launch says; why it says nothing, if so.
fn sample(row: &ReportRow, series: String, round: u32) -> Result<Sample, String> {
    if let Some(why) = &row.failed {
        return Err(why.clone());
    }
    let Some(rate) = row.messages_per_s else {
        return Err(row.notes.last().cloned().unwrap_or_else(|| "nothing was measured".into()));
    };
    let floor_ns = row.floor.as_ref().and_then(|floor| floor.each_round_ns.first().copied());
    let latency = row.latency_ns.as_ref();
    let figures = Figures {
        messages: row.messages,
        elapsed_ns: Some((row.messages as f64 * 1e9 / rate).round() as u64),
        p50_ns: latency.and_then(|latency| latency.p50),
        p99_ns: latency.and_then(|latency| latency.p99),
        receiver_cpu_ns: row.sides.map(|[_, receiver]| receiver.user_ns + receiver.system_ns),
        bytes: None,
    };
    Ok(Sample { series, round, place: Place::of(floor_ns), figures, floor_ns })
}

fn run_limit(run: &Run<'_>, course: &Course, round: u32, measured: &mut Measured, stop: &AtomicBool) {
    let Run { limit, series, program } = run;
    // A count takes no time that could depend on where the cores are.
    let counts = limit.measure == "memory";
    let asked = lab::machine::resolve(Placement::CrossCore).map_err(Failed::from).and_then(|cores| {
        let words = limit.words(fewer(limit.messages, course));
        ask(program, &words, cores.filter(|_| !counts), stop)
    });
    match asked {
        Ok((told, floor_ns, dropped)) => {
            let (series, figures) = (series.clone(), told.figures);
            measured.repeated += dropped;
            measured.samples.push(Sample { series, round, place: Place::of(floor_ns), figures, floor_ns });
        }
        Err(why) => drop(measured.missing.insert(series.clone(), format!("{series}: {why}"))),
    }
}

/// Runs `program` as the near process of a measure between two looks at the floor of `cores`: what it told, the floor, and
/// how many runs were thrown away for it.
pub(crate) fn ask(
    program: &Path,
    words: &[String],
    cores: Option<[usize; 2]>,
    stop: &AtomicBool,
) -> Result<(Told, Option<[f64; 2]>, u32), Failed> {
    let command = || {
        let mut command = Command::new(program);
        command.arg(LIMIT_VERB).args(words);
        command
    };
    let run = lab::race::run_program(command, cores, PATIENCE, stop)?;
    Ok((serde_json::from_slice(&run.answer)?, run.floor_ns, run.dropped))
}

fn fewer(messages: u64, course: &Course) -> u64 {
    if course.quick { messages.div_ceil(10) } else { messages }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(line: &str) -> Course {
        crate::tests::course(&format!("out --rivals /nowhere --quick {line}")).unwrap()
    }

    fn sample_of(round: u32) -> Sample {
        let floor_ns = Some([60.0, 61.0]);
        Sample {
            series: "a".into(),
            round,
            place: Place::of(floor_ns),
            figures: Figures::default(),
            floor_ns,
        }
    }

    /// What comes of rounds in which others took as much as these say, and then of quiet ones.
    fn rounds_with(others_percent: &[f64]) -> Measured {
        let (mut measured, mut others) = (Measured::default(), others_percent.iter().copied());
        let once = |round, measured: &mut Measured| {
            measured.samples.push(sample_of(round));
            Ok(others.next().unwrap_or(0.0))
        };
        undisturbed(3, &mut measured, &AtomicBool::new(false), once).unwrap();
        measured
    }

    #[test]
    fn an_interruption_leaves_what_finished_rounds_have_found() {
        let (mut measured, stop) = (Measured::default(), AtomicBool::new(false));
        let once = |round, measured: &mut Measured| {
            measured.samples.push(sample_of(round));
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
        let (table, course) = (Table::read().unwrap(), course("--without all=/bin/true"));
        let mut missing = BTreeMap::new();
        let rows = table.rows(&course.rules(), None).unwrap();
        let jobs = jobs(&table, &rows, &course, &mut missing).unwrap();
        let races = jobs.iter().filter(|job| matches!(job, Job::Race(_))).count();
        // Those of rivals alone are not run where none is built, and said to be missing.
        let alone = table.races.iter().filter(|race| race.kinds.is_empty()).count();
        assert_eq!(races, table.races.len() - alone);
        assert!(missing.values().any(|why| why.contains("is not built")), "{missing:?}");
        let used = jobs.iter().flat_map(|job| match job {
            Job::Race(_) => &[],
            Job::Limits(runs) => &runs[..],
        });
        let used: BTreeSet<_> = used.map(|run| &run.limit.name).collect();
        let all: BTreeSet<_> = table.limits.iter().flatten().map(|limit| &limit.name).collect();
        assert_eq!(used, all, "every measure is there for a row");
    }

    #[test]
    fn whatever_the_table_has_can_be_run() {
        let (table, course) = (Table::read().unwrap(), course(""));
        for race in &table.races {
            let plan = plan(race, &course, 1).unwrap_or_else(|why| panic!("{}: {why}", race.name));
            assert!(plan.fault().is_none() || plan.kinds.is_empty(), "{}: {:?}", race.name, plan.fault());
        }
        for limit in table.limits.iter().flatten() {
            crate::limit::tests::job(&limit.words(limit.messages).join(" ")).unwrap();
        }
    }

    #[test]
    fn a_row_about_nothing_is_a_fault_of_the_table() {
        for series in [
            "no limit",
            "no limit, without all",
            "no race: shm spin",
            "stream: tcp spin",
            "stream: plain-c/tcp spin",
            "stream: shm block",
            "stream",
        ] {
            let table = Table::read().unwrap();
            let mut rows = table.rows(&[], None).unwrap();
            rows[0].ours.series = series.into();
            let fault = jobs(&table, &rows, &course(""), &mut BTreeMap::new()).err().unwrap().to_string();
            assert!(fault.ends_with(&format!("does not have: {series}")), "{fault}");
        }
    }

    #[test]
    fn a_program_that_measures_nothing_is_a_reason() {
        for (program, words) in
            [("/bin/false", "exit status: 1"), ("/bin/true", "EOF"), ("/nowhere", "No such file")]
        {
            let why = ask(program.as_ref(), &[], None, &AtomicBool::new(false)).unwrap_err().to_string();
            assert!(why.contains(words), "{program}: {why}");
        }
    }
}
