//! One measure, in a fresh pair of processes on the first two cores: shared memory without the making of messages,
//! and what it is held against, memory itself and the bare cache lines.
//!
//! `scoreboard limit MEASURE BYTES MESSAGES RING WAIT PAYLOAD` prints one line of JSON. Both ends wait alike. A ring of 0 is
//! the channel's own. With the payload `ends` a message holds its number in its first word and in its last, and
//! both are verified; the rest is copied and not looked at, so that what is measured is the channel. `words` makes and
//! verifies every byte, as a race does. The line says which rules of safety the program was built without (`without`).

mod bare;
mod channel;
mod in_place;
mod many;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use clap::ValueEnum;
use crossing::{Endpoint, Kind, WaitStrategy};
use lab::clock::Clock;
use lab::plan::Placement;
use lab::stats::Histogram;
use lab::sys::lines::Lines;
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use crate::Failed;
use crate::judge::Figures;
use crate::table::Limit;

/// What makes this program the near process of a measure.
pub(crate) const LIMIT_VERB: &str = "limit";
/// What makes it the far one.
pub(crate) const FAR_VERB: &str = "limit-far";

/// The rules that can be left out, and what each is called in crossing's `mechanism/shm/rules.rs`.
pub(crate) const RULES: [(&str, &[&str]); 8] = [
    ("claims", &["CLAIMS"]),
    ("seal", &["SEAL"]),
    ("opaque", &["OPAQUE"]),
    ("death", &["DEATH"]),
    ("sleepers", &["SLEEPERS"]),
    ("all", &["CLAIMS", "SEAL", "DEATH", "SLEEPERS"]),
    ("parts", &["PARTS"]),
    ("asymmetric", &["ASYMMETRIC"]),
];

/// The text of `rules.rs` without some rules. An error when one of them is not there to be left out.
pub(crate) fn left_out(rules: &str, names: &[&str]) -> Result<String, String> {
    names.iter().try_fold(rules.to_owned(), |text, name| {
        let holds = format!("const {name}: bool = true;");
        let without = text.replacen(&holds, &format!("const {name}: bool = false;"), 1);
        if without == text { Err(format!("rules.rs has no line `{holds}`")) } else { Ok(without) }
    })
}

/// The rules that this program was built without: what it was told when it was built from a copy in which they are left out.
pub(crate) fn without() -> Vec<String> {
    option_env!("SCOREBOARD_WITHOUT").into_iter().map(str::to_owned).collect()
}

impl Limit {
    /// What is typed for it behind the verb: a [`Job`].
    pub(crate) fn words(&self, messages: u64) -> [String; 6] {
        let Limit { measure, size_bytes, ring_bytes, wait, payload, .. } = self;
        let [size, ring] = [size_bytes, ring_bytes].map(ToString::to_string);
        [measure.clone(), size, messages.to_string(), ring, wait.clone(), payload.clone()]
    }
}

/// What the near process tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    #[serde(flatten)]
    pub(crate) figures: Figures,
    /// The rules that the program which measured was built without.
    #[serde(default)]
    pub(crate) without: Vec<String>,
}

impl Figures {
    /// The percentiles of `samples`, divided by `parts`: 2 for half a round trip.
    fn percentiles(samples: &Histogram, parts: u64) -> Figures {
        let [p50_ns, p99_ns] = [500, 990].map(|part| samples.per_mille(part).map(|ns| ns / parts));
        Figures { p50_ns, p99_ns, ..Figures::default() }
    }

    /// What one side found, beside what the other one did: of memory the larger.
    fn and(self, other: Figures) -> Figures {
        Figures {
            elapsed_ns: self.elapsed_ns.or(other.elapsed_ns),
            p50_ns: self.p50_ns.or(other.p50_ns),
            p99_ns: self.p99_ns.or(other.p99_ns),
            bytes: self.bytes.max(other.bytes),
            ..self
        }
    }
}

/// What is to be done, as both processes read it from their arguments.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Job {
    measure: Measure,
    /// The size of a message: 16 bytes to 32 MiB, in steps of 8
    #[arg(value_name = "BYTES", value_parser = size)]
    size: usize,
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    messages: u64,
    /// The ring's bytes; 0 is the channel's own
    ring: usize,
    /// How both ends wait: spin, hybrid or block
    wait: WaitStrategy,
    payload: Payload,
    #[arg(skip = Clock::best())]
    clock: Clock,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// The time of copying the message's bytes in one process, again and again
    Memcpy,
    /// The median of copying bytes that another core has just written (two threads)
    Dirtied,
    /// Half a round trip of two cache lines, one each way, polled without a pause: the naive probe
    Probe,
    /// Half a round trip of a message: median and p99
    RoundTrip,
    /// From just before `send` to just after `recv`, one message at a time: median and p99
    OneWay,
    /// The time of a message, one `send` each, until its receiver has the last one
    Stream,
    /// The same through a cork
    Corked,
    /// The same as `stream`, lengths from half as long to half as long again
    Variable,
    /// The same as `stream`, each made in the ring by a claim
    Claimed,
    /// The same as `stream`, each read where it stands
    Trusted,
    /// Both at once
    ClaimedTrusted,
    /// The same as `stream`, received by a `Poll` over 1000 other connections, which are idle
    Polled,
    /// The same as `round-trip`, answered by such a `Poll`
    PolledRoundTrip,
    /// The same as `stream`, by tasks of a runtime at both ends; 1000 more wait in the receiver's only thread
    Futures,
    /// The same as `round-trip`, by such tasks
    FuturesRoundTrip,
    /// As `one-way`, written by a claim and read where it stands: only the first word is touched
    InPlace,
    /// The bytes of shared memory that a side with a default channel owns
    Memory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Payload {
    /// A message's number at both ends, and nothing in between
    Ends,
    /// Every byte, as in a race
    Words,
}

/// The longest of variable length is half as long again, and crossing's longest message is 64 MiB.
fn size(text: &str) -> Result<usize, String> {
    let size: usize = text.parse().map_err(|_| "a whole number is needed")?;
    let fits = (16..=32 << 20).contains(&size) && size.is_multiple_of(8);
    if fits { Ok(size) } else { Err("a message has 16 bytes to 32 MiB, in steps of 8".into()) }
}

/// The near process of a measure: prints what both have found.
pub(crate) fn near_main(job: &Job) -> Result<(), Failed> {
    // Its starter may be ended in a hurry; the far process ends when this one is gone.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let Some([near, far]) = lab::machine::resolve(Placement::CrossCore)? else {
        return Err("this needs two cores".into());
    };
    lab::machine::pin(near)?;
    let figures = match job.measure {
        Measure::Memcpy => bare::memcpy(job),
        Measure::Dirtied => bare::dirtied(job, far)?,
        Measure::Probe => {
            let (lines, fd) = Lines::create()?;
            let path = format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd());
            let child = far_process(far, &path)?.spawn()?;
            both(child, bare::probe(&lines, job))?
        }
        _ => {
            let (here, there) = Endpoint::pair(Kind::Shm)?;
            let child = there.spawn(far_process(far, "-")?)?;
            both(child, over(here, job, true))?
        }
    };
    let figures = Figures { messages: job.messages, ..figures };
    println!("{}", serde_json::to_string(&Told { figures, without: without() })?);
    Ok(())
}

/// The far process: prints what it has found itself.
pub(crate) fn far_main(core: usize, lines: &Path, job: &Job) -> Result<(), Failed> {
    lab::machine::pin(core)?;
    let found = if job.measure == Measure::Probe {
        let file = File::options().read(true).write(true).open(lines)?;
        bare::answer(&Lines::map(&file)?, job)?
    } else {
        over(Endpoint::inherited()?, job, false)?
    };
    println!("{}", serde_json::to_string(&found)?);
    Ok(())
}

/// What a process does over a channel: the near one sends and asks.
fn over(endpoint: Endpoint, job: &Job, near: bool) -> Result<Figures, Failed> {
    let connection = channel::connect(endpoint, job)?;
    match (job.measure, job.payload, near) {
        (Measure::Memory, ..) => channel::own_memory(),
        (Measure::InPlace, _, true) => in_place::sends(connection, job),
        (Measure::InPlace, _, false) => in_place::receives(connection, job),
        (Measure::Trusted | Measure::ClaimedTrusted, Payload::Words, false) => {
            in_place::receives_all::<true>(connection, job)
        }
        (Measure::Trusted | Measure::ClaimedTrusted, Payload::Ends, false) => {
            in_place::receives_all::<false>(connection, job)
        }
        (Measure::Polled | Measure::PolledRoundTrip, Payload::Words, false) => {
            many::polled::<true>(connection, job)
        }
        (Measure::Polled | Measure::PolledRoundTrip, Payload::Ends, false) => {
            many::polled::<false>(connection, job)
        }
        (Measure::Futures | Measure::FuturesRoundTrip, Payload::Words, false) => {
            many::futures::<true>(connection, job)
        }
        (Measure::Futures | Measure::FuturesRoundTrip, Payload::Ends, false) => {
            many::futures::<false>(connection, job)
        }
        (Measure::Futures | Measure::FuturesRoundTrip, Payload::Words, true) => {
            many::asks::<true>(connection, job)
        }
        (Measure::Futures | Measure::FuturesRoundTrip, Payload::Ends, true) => {
            many::asks::<false>(connection, job)
        }
        (_, Payload::Words, true) => channel::sends::<true>(connection, job),
        (_, Payload::Words, false) => channel::receives::<true>(connection, job),
        (_, Payload::Ends, true) => channel::sends::<false>(connection, job),
        (_, Payload::Ends, false) => channel::receives::<false>(connection, job),
    }
}

/// The far process: its core, the lines of a probe, and the words of the near one.
fn far_process(core: usize, lines: &str) -> Result<Command, Failed> {
    let mut command = Command::new(std::env::current_exe()?);
    let words = std::env::args_os().skip(2);
    command.args([FAR_VERB, &core.to_string(), lines]).args(words).stdout(Stdio::piped());
    Ok(command)
}

/// What both have found, if the far process ended well too. If both failed, the far one's failure
/// is told: the near one's follows from it.
fn both(child: Child, found: Result<Figures, Failed>) -> Result<Figures, Failed> {
    let far = child.wait_with_output()?;
    if !far.status.success() {
        return Err(format!("the far process ended with {}", far.status).into());
    }
    Ok(found?.and(serde_json::from_slice(&far.stdout)?))
}

#[cfg(test)]
pub(crate) mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Typed {
        #[command(flatten)]
        job: Job,
    }

    pub(crate) fn job(line: &str) -> Result<Job, clap::Error> {
        Typed::try_parse_from(["limit"].into_iter().chain(line.split_whitespace())).map(|typed| typed.job)
    }

    /// Both ends in one process, each on a thread.
    fn both_ends(near: &str, far: &str) -> [Result<Figures, String>; 2] {
        let (near, far) = (job(near).unwrap(), job(far).unwrap());
        let (here, there) = Endpoint::pair(Kind::Shm).unwrap();
        std::thread::scope(|scope| {
            let far = scope.spawn(move || over(there, &far, false).map_err(|error| error.to_string()));
            let near = over(here, &near, true).map_err(|error| error.to_string());
            [near, far.join().unwrap()]
        })
    }

    fn found(line: &str) -> Figures {
        let [near, far] =
            both_ends(line, line).map(|found| found.unwrap_or_else(|why| panic!("{line}: {why}")));
        near.and(far)
    }

    #[test]
    fn every_measure_of_a_channel_finds_its_figures() {
        for (line, figures) in [
            ("stream 64 100 0 block ends", [true, false, false]),
            ("stream 64 100 4096 hybrid words", [true, false, false]),
            ("corked 64 100 0 block words", [true, false, false]),
            ("claimed 64 100 0 block ends", [true, false, false]),
            ("claimed 64 100 4096 hybrid words", [true, false, false]),
            ("trusted 64 100 0 block ends", [true, false, false]),
            ("trusted 64 100 4096 hybrid words", [true, false, false]),
            ("claimed-trusted 64 100 0 block words", [true, false, false]),
            ("polled 64 100 0 block ends", [true, false, false]),
            ("polled 64 100 0 hybrid words", [true, false, false]),
            ("polled-round-trip 64 100 0 block words", [false, true, false]),
            ("futures 64 100 0 hybrid words", [true, false, false]),
            ("futures-round-trip 64 100 0 block ends", [false, true, false]),
            ("variable 64 100 0 block ends", [true, false, false]),
            ("variable 64 100 0 block words", [true, false, false]),
            ("round-trip 64 1000 0 hybrid ends", [false, true, true]),
            ("round-trip 64 100 0 block words", [false, true, false]),
            ("one-way 1048576 20 0 block ends", [false, true, false]),
            ("in-place 1048576 20 0 block ends", [false, true, false]),
            ("stream 1048576 3 0 block ends", [true, false, false]),
        ] {
            let found = found(line);
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
            ("claimed 64 100 0 block ends", "claimed 72 100 0 block ends"),
            ("polled 64 100 0 block ends", "polled 72 100 0 block ends"),
            ("futures 64 100 0 block ends", "futures 72 100 0 block ends"),
            ("trusted 64 100 0 block ends", "trusted 64 100 0 block words"),
            ("stream 64 100 0 block ends", "claimed-trusted 72 100 0 block ends"),
            ("variable 64 100 0 block words", "stream 64 100 0 block words"),
            ("round-trip 64 100 0 block ends", "round-trip 64 100 0 block words"),
        ] {
            let [asked, answered] = both_ends(near, far);
            let told = answered.unwrap_err();
            assert!(told.contains("is not the one that was sent"), "{far}: {told}");
            assert!(asked.is_err(), "{near}: {asked:?}");
        }
        let [_, told] = both_ends("in-place 64 9 0 block ends", "in-place 72 9 0 block ends");
        assert!(told.is_err_and(|why| why.contains("not whole")));
    }

    #[test]
    fn what_owns_memory_says_how_much() {
        // Both ends are in this process here, so each counts both regions, and those of other tests.
        // Both rings of 256 KiB.
        let least = 2 * (256 << 10);
        assert!(found("memory 64 1 0 spin ends").bytes.unwrap() >= least);
    }

    #[test]
    fn each_rule_of_the_library_can_be_left_out() {
        let rules = include_str!("../../../crates/crossing/src/mechanism/shm/rules.rs");
        let there: std::collections::BTreeSet<_> =
            rules.lines().filter_map(|line| line.split_once("const ")?.1.split(':').next()).collect();
        assert_eq!(
            RULES.iter().flat_map(|(_, names)| *names).copied().collect::<std::collections::BTreeSet<_>>(),
            there
        );
        for (_, names) in RULES {
            assert_eq!(left_out(rules, names).unwrap().matches("= false;").count(), names.len());
        }
        // A rule that is left out already, or that there is none of by this name, is no build without it.
        let twice = left_out(&left_out(rules, &["SEAL"]).unwrap(), &["SEAL"]);
        assert!(twice.unwrap_err().contains("const SEAL: bool = true;"));
        assert!(left_out(rules, &["SMOKE"]).is_err());
    }

    #[test]
    fn a_copy_takes_time() {
        assert!(bare::memcpy(&job("memcpy 4096 1000 0 spin ends").unwrap()).elapsed_ns > Some(0));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (line, words) in [
            ("", "required"),
            ("stream 64 1 0 spin", "<PAYLOAD>"),
            ("swim 64 1 0 spin ends", "'swim' for '<MEASURE>'"),
            ("stream 8 1 0 spin ends", "16 bytes to 32 MiB"),
            ("stream 66 1 0 spin ends", "steps of 8"),
            ("stream 64 0 0 spin ends", "0 is not in 1.."),
            ("stream 64M 1 0 spin ends", "'64M' for '<BYTES>'"),
            ("stream 64 many 0 spin ends", "'many' for '<MESSAGES>'"),
            ("stream 64 1 x spin ends", "'x' for '<RING>'"),
            ("stream 64 1 -1 spin ends", "unexpected argument '-1'"),
            ("stream 64 1 0 dozing ends", "is no way of waiting"),
            ("stream 64 1 0 spin all", "'all' for '<PAYLOAD>'"),
        ] {
            let why = job(line).unwrap_err().to_string();
            assert!(why.contains(words), "{line}: {why}");
        }
    }
}
