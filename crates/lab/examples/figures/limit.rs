//! One measure, in a fresh pair of processes on the first two cores: shared memory without the making of messages,
//! and what it is held against, memory itself and the bare cache lines.
//!
//! `figures limit MEASURE BYTES MESSAGES RING WAIT PAYLOAD` prints one line of JSON. Both ends wait alike. A ring of 0 is
//! the channel's own. With the payload `ends` a message holds its number in its first word and in its last, and
//! both are verified; the rest is copied and not looked at, so that what is measured is the channel. `words` makes and
//! verifies every byte, as a race does. The line says which rules of safety the program was built without (`crossing_off`).
//!
//! | measure | what is told |
//! |---|---|
//! | `memcpy` | the time of copying so many bytes in one process, again and again |
//! | `dirtied` | the median of copying so many bytes that another core has just written (two threads) |
//! | `probe` | half a round trip of two cache lines, one each way, polled without a pause: the naive probe |
//! | `round-trip` | half a round trip of a message: median and p99 |
//! | `one-way` | from just before `send` to just after `recv`, one message at a time: median and p99 |
//! | `in-place` | the same, written by a claim and read where it stands: only the first word is touched |
//! | `stream` | the time of a message, one `send` each, until its receiver has the last one |
//! | `corked` | the same through a cork |
//! | `variable` | the same as `stream`, lengths from half as long to half as long again |
//! | `memory` | the bytes of shared memory that a side with a default channel owns |

mod bare;
mod channel;
mod in_place;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::{Child, Command};
use std::str::FromStr;
use std::time::Duration;

use crossing::{Endpoint, Kind, WaitStrategy};
use lab::clock::Clock;
use lab::stats::Histogram;
use lab::sys::lines::{Bounce, Lines, Polls};
use serde::{Deserialize, Serialize};

use crate::Failed;

/// What makes this program the far process of a measure.
pub(crate) const FAR_VERB: &str = "limit-far";

/// The rules that this program was built without, by the names of crossing's `mechanism/shm/rules.rs`. RUSTFLAGS hold for every
/// crate of a build alike, so what is set here is set there.
pub(crate) fn crossing_off() -> Vec<String> {
    let rules = [
        ("claims", cfg!(crossing_off = "claims")),
        ("seal", cfg!(crossing_off = "seal")),
        ("opaque", cfg!(crossing_off = "opaque")),
        ("death", cfg!(crossing_off = "death")),
        ("sleepers", cfg!(crossing_off = "sleepers")),
        ("all", cfg!(crossing_off = "all")),
        ("parts", cfg!(crossing_off = "parts")),
        ("asymmetric", cfg!(crossing_off = "asymmetric")),
    ];
    rules.iter().filter(|(_, off)| *off).map(|(rule, _)| (*rule).to_owned()).collect()
}

/// A measure, and with what.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    pub(crate) measure: &'static str,
    pub(crate) size_bytes: usize,
    pub(crate) messages: u64,
    /// 0: the channel's own.
    pub(crate) ring_bytes: usize,
    pub(crate) wait: &'static str,
    pub(crate) payload: &'static str,
    /// Fresh pairs of processes in each round.
    pub(crate) times: usize,
}

impl Limit {
    /// What is typed for it behind the verb.
    pub(crate) fn words(&self, messages: u64) -> [String; 6] {
        let Limit { measure, size_bytes, ring_bytes, wait, payload, .. } = self;
        let numbers = [*size_bytes as u64, messages, *ring_bytes as u64].map(|number| number.to_string());
        let [size, messages, ring] = numbers;
        [(*measure).to_owned(), size, messages, ring, (*wait).to_owned(), (*payload).to_owned()]
    }
}

/// What a measure found. Times are whole nanoseconds; the floor is half a round trip, before and after.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) messages: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) elapsed_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) p50_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) p99_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) floor_ns: Option<[f64; 2]>,
    /// The rules that the program which measured was built without.
    #[serde(default)]
    pub(crate) crossing_off: Vec<String>,
}

impl Found {
    /// The percentiles of `samples`, divided by `parts`: 2 for half a round trip.
    fn percentiles(samples: &Histogram, parts: u64) -> Found {
        let p99 = samples.per_mille(990);
        Found {
            p50_ns: samples.median().map(|ns| ns / parts),
            p99_ns: p99.map(|ns| ns / parts),
            ..Found::default()
        }
    }
}

/// What is to be done, as both processes read it from their arguments.
#[derive(Debug, Clone)]
struct Job {
    measure: Measure,
    size: usize,
    messages: u64,
    ring: usize,
    wait: WaitStrategy,
    words: bool,
    clock: Clock,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Memcpy,
    Dirtied,
    Probe,
    RoundTrip,
    OneWay,
    Stream,
    Corked,
    Variable,
    InPlace,
    Memory,
}

impl FromStr for Measure {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "memcpy" => Measure::Memcpy,
            "dirtied" => Measure::Dirtied,
            "probe" => Measure::Probe,
            "round-trip" => Measure::RoundTrip,
            "one-way" => Measure::OneWay,
            "stream" => Measure::Stream,
            "corked" => Measure::Corked,
            "variable" => Measure::Variable,
            "in-place" => Measure::InPlace,
            "memory" => Measure::Memory,
            other => {
                return Err(format!(
                    "unknown measure `{other}`: see the top of limit.rs for those there are"
                ));
            }
        })
    }
}

impl Job {
    fn read(typed: &[String]) -> Result<Job, Failed> {
        let [measure, size, messages, ring, wait, payload] = typed else {
            return Err("usage: figures limit MEASURE BYTES MESSAGES RING WAIT PAYLOAD".into());
        };
        let number = |what: &str, text: &str| {
            text.parse::<u64>().map_err(|_| format!("{what} is `{text}`: a whole number is needed"))
        };
        let job = Job {
            measure: measure.parse()?,
            size: number("BYTES", size)? as usize,
            messages: number("MESSAGES", messages)?,
            ring: number("RING", ring)? as usize,
            wait: wait.parse()?,
            words: match payload.as_str() {
                "ends" => false,
                "words" => true,
                other => return Err(format!("unknown payload `{other}`: ends or words").into()),
            },
            clock: Clock::best(),
        };
        // The longest of variable length is half as long again, and crossing's longest message is 64 MiB.
        if !(16..=32 << 20).contains(&job.size) || !job.size.is_multiple_of(8) || job.messages == 0 {
            return Err("a message has 16 bytes to 32 MiB, in steps of 8, and there must be one".into());
        }
        Ok(job)
    }
}

/// `figures limit …`: the near process.
pub(crate) fn near_main(typed: &[String]) -> Result<(), Failed> {
    let job = Job::read(typed)?;
    let Some([near, far]) = lab::machine::resolve(lab::plan::Placement::CrossCore)? else {
        return Err("this needs two cores".into());
    };
    lab::machine::pin(near)?;
    // A count takes no time that could depend on it.
    let floor = || (job.measure != Measure::Memory).then(|| floor_ns(&job.clock, [near, far])).transpose();
    let before = floor()?;
    let found = match job.measure {
        Measure::Memcpy => bare::memcpy(&job),
        Measure::Dirtied => bare::dirtied(&job, far)?,
        Measure::Probe => {
            let (lines, fd) = Lines::create()?;
            let path = format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd());
            let child = far_process(far, &path, typed)?.spawn()?;
            both(child, bare::probe(&lines, &job))?
        }
        _ => {
            let (here, there) = Endpoint::pair(Kind::Shm)?;
            let child = there.spawn(far_process(far, "-", typed)?)?;
            both(child, asks(here, &job))?
        }
    };
    let floor_ns = before.zip(floor()?).map(|(before, after)| [before, after]);
    let found = Found { messages: job.messages, floor_ns, crossing_off: crossing_off(), ..found };
    println!("{}", serde_json::to_string(&found)?);
    Ok(())
}

/// The far process: its core, the lines of a probe, and the words of the near one.
pub(crate) fn far_main(typed: &[String]) -> Result<(), Failed> {
    let [core, lines, typed @ ..] = typed else {
        return Err("a far process is started by a near one".into());
    };
    let job = Job::read(typed)?;
    lab::machine::pin(core.parse()?)?;
    if job.measure == Measure::Probe {
        let file = File::options().read(true).write(true).open(lines)?;
        return bare::answer(&Lines::map(&file)?, &job);
    }
    answers(Endpoint::inherited()?, &job)
}

fn asks(endpoint: Endpoint, job: &Job) -> Result<Found, Failed> {
    match job.measure {
        Measure::InPlace => in_place::near(endpoint, job),
        _ => channel::near(endpoint, job),
    }
}

fn answers(endpoint: Endpoint, job: &Job) -> Result<(), Failed> {
    match job.measure {
        Measure::InPlace => in_place::far(endpoint, job),
        _ => channel::far(endpoint, job),
    }
}

fn far_process(core: usize, lines: &str, typed: &[String]) -> Result<Command, Failed> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([FAR_VERB, &core.to_string(), lines]).args(typed);
    Ok(command)
}

/// What the near process found, if the far one ended well too. Where both failed, the near one's failure is the echo.
fn both(mut child: Child, found: Result<Found, Failed>) -> Result<Found, Failed> {
    match child.wait()? {
        status if status.success() => found,
        status => Err(format!("the far process ended with {status}").into()),
    }
}

/// Half a round trip of two cache lines between two threads, by the best of the ways to poll, as in a race.
fn floor_ns(clock: &Clock, [near, far]: [usize; 2]) -> Result<f64, Failed> {
    let (lines, fd) = Lines::create()?;
    let theirs = Lines::map(&fd)?;
    let bounces: Vec<Bounce> = Polls::ALL
        .into_iter()
        .scan(0, |base, polls| {
            let bounce = Bounce { base: *base, rounds: 2_000, polls, deadline: Duration::from_secs(1) };
            *base = bounce.end();
            Some(bounce)
        })
        .collect();
    let mut best: Option<u64> = None;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let placed = lab::machine::pin(far).is_ok();
            placed && bounces.iter().all(|bounce| theirs.bounce(false, bounce, clock, |_| {}))
        });
        for bounce in &bounces {
            let mut samples = Histogram::new();
            let finished = lines.bounce(true, bounce, clock, |ticks| samples.record(clock.ns(ticks)));
            let median = samples.median().filter(|_| finished);
            best = best.into_iter().chain(median).min();
        }
    });
    lab::machine::pin(near)?;
    Ok(best.ok_or("no answer from the other core")? as f64 / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(line: &str) -> Result<Job, Failed> {
        Job::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    /// Both ends in one process, each on a thread.
    fn both_ends(near: &Job, far: &Job) -> (Result<Found, String>, Result<(), String>) {
        let (here, there) = Endpoint::pair(Kind::Shm).unwrap();
        std::thread::scope(|scope| {
            let far = scope.spawn(move || answers(there, far).map_err(|error| error.to_string()));
            let found = asks(here, near).map_err(|error| error.to_string());
            (found, far.join().unwrap())
        })
    }

    #[test]
    fn every_measure_of_a_channel_finds_its_figures() {
        for (line, figures) in [
            ("stream 64 100 0 block ends", [true, false, false]),
            ("stream 64 100 4096 hybrid words", [true, false, false]),
            ("corked 64 100 0 block words", [true, false, false]),
            ("variable 64 100 0 block ends", [true, false, false]),
            ("variable 64 100 0 block words", [true, false, false]),
            ("round-trip 64 1000 0 hybrid ends", [false, true, true]),
            ("round-trip 64 100 0 block words", [false, true, false]),
            ("one-way 1048576 20 0 block ends", [false, true, false]),
            ("in-place 1048576 20 0 block ends", [false, true, false]),
            ("stream 1048576 3 0 block ends", [true, false, false]),
        ] {
            let job = job(line).unwrap();
            let (found, far) = both_ends(&job, &job);
            let found = found.unwrap_or_else(|why| panic!("{line}: {why}"));
            assert_eq!(far, Ok(()), "{line}");
            let there = [found.elapsed_ns, found.p50_ns, found.p99_ns].map(|figure| figure.is_some());
            assert_eq!(there, figures, "{line}: {found:?}");
        }
    }

    /// The control: a message that is not the one that was due is seen, in each payload.
    #[test]
    fn a_wrong_message_fails_both_ends() {
        for (near, far) in [
            ("stream 64 100 0 block ends", "stream 72 100 0 block ends"),
            ("stream 64 100 0 block ends", "stream 64 100 0 block words"),
            ("variable 64 100 0 block words", "stream 64 100 0 block words"),
            ("round-trip 64 100 0 block ends", "round-trip 64 100 0 block words"),
        ] {
            let (found, told) = both_ends(&job(near).unwrap(), &job(far).unwrap());
            assert!(
                told.as_ref().is_err_and(|why| why.contains("is not the one that was sent")),
                "{far}: {told:?}"
            );
            assert!(found.is_err(), "{near}: {found:?}");
        }
        let [near, far] =
            ["in-place 64 9 0 block ends", "in-place 72 9 0 block ends"].map(|line| job(line).unwrap());
        assert!(both_ends(&near, &far).1.is_err_and(|why| why.contains("not whole")));
    }

    #[test]
    fn what_owns_memory_says_how_much() {
        let (found, far) =
            both_ends(&job("memory 64 1 0 spin ends").unwrap(), &job("memory 64 1 0 spin ends").unwrap());
        // Both ends are in this process here, so each counts both regions, and those of other tests.
        let least = 2 * crossing::Config::default().capacity_bytes as u64;
        assert_eq!(far, Ok(()));
        assert!(found.unwrap().bytes.unwrap() >= least);
    }

    #[test]
    fn every_rule_that_can_be_left_out_would_be_told() {
        let named = |text: &'static str| -> std::collections::BTreeSet<&str> {
            let parts = text.split("cfg!(").skip(1).flat_map(|part| part.split(&['\n', ';'][..]).next());
            let names = parts.flat_map(|part| part.split("crossing_off = \"").skip(1));
            names.map(|rest| &rest[..rest.find('"').unwrap()]).collect()
        };
        let rules = named(include_str!("../../../crossing/src/mechanism/shm/rules.rs"));
        assert_eq!(named(include_str!("limit.rs")), rules);
        assert!(rules.contains("all") && rules.contains("claims"), "{rules:?}");
    }

    #[test]
    fn a_copy_takes_time() {
        assert!(bare::memcpy(&job("memcpy 4096 1000 0 spin ends").unwrap()).elapsed_ns > Some(0));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (line, words) in [
            ("", "usage"),
            ("stream 64 1 0 spin", "usage"),
            ("swim 64 1 0 spin ends", "unknown measure"),
            ("stream 8 1 0 spin ends", "16 bytes to 32 MiB"),
            ("stream 66 1 0 spin ends", "steps of 8"),
            ("stream 64 0 0 spin ends", "must be one"),
            ("stream 64M 1 0 spin ends", "BYTES is `64M`"),
            ("stream 64 many 0 spin ends", "MESSAGES is `many`"),
            ("stream 64 1 -1 spin ends", "RING is `-1`"),
            ("stream 64 1 0 dozing ends", "unknown way of waiting"),
            ("stream 64 1 0 spin all", "unknown payload"),
        ] {
            let why = job(line).unwrap_err().to_string();
            assert!(why.contains(words), "{line}: {why}");
        }
    }
}
