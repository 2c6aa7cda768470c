//! The command line as typed. [`crate::plan`] turns it into decisions.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use crossing::{Kind, WaitStrategy};
use lab::plan::{CAPACITY_LEAST, CAPACITY_LIMIT, Placement, SIZE_LIMIT, Workload};

use crate::outcome::{self, Failure, Outcome};
use crate::server::authority::is_localhost;

/// See, measure and use inter-process communication.
///
/// Two real processes exchange messages over shared memory, a pipe, a Unix socket or TCP; every figure is measured on
/// this machine. Without a verb, ipcscope starts the lab (`serve`).
#[derive(Debug, Parser)]
#[command(name = "ipcscope", version, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 a run failed, 2 usage or environment, 3 a comparison past its limit, 128 + N interrupted by signal N (130: Ctrl-C)."
)]
pub(crate) struct Typed {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    /// Colour in tables; NO_COLOR is respected
    #[arg(long, value_enum, value_name = "WHEN", default_value_t, global = true)]
    pub(crate) color: Color,
}

/// When to use colour. The variants have no comments, because clap would print each as a paragraph
/// of help.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start the lab: a page on this machine, for this machine (the default)
    Serve(Serve),
    /// Measure the mechanisms against each other
    Race(Box<Race>),
    /// Show a few real messages of one mechanism as a timeline
    Show(Show),
    /// Count what one message costs: system calls, copies, wake-ups, with the kernel's instruments
    Probe(Probe),
    /// Map which programs of this machine are joined by what: pipes, sockets, memory, queues
    Map(MapVerb),
    /// Watch one channel between two running programs: calls, sizes, times, who waits for whom
    Watch(WatchVerb),
    /// Run the traffic of two other programs, as it was watched, over every mechanism
    Rehearse(Rehearse),
    /// Compare two reports, row by row
    Compare(Compare),
    /// Open the lab with a recorded trace
    Replay(Replay),
    /// Check what this machine can and cannot measure
    Doctor(Doctor),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Print a manual page
    Man(Man),
}

impl Default for Verb {
    fn default() -> Verb {
        Verb::Serve(Serve::default())
    }
}

/// `ipcscope serve`.
#[derive(Debug, Default, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) door: ListenArgs,
}

/// The lab's address, and the source of its page.
#[derive(Debug, Default, Args)]
pub(crate) struct ListenArgs {
    /// Loopback address and port to listen on; port 0 picks a free one [default: 127.0.0.1:7878]
    #[arg(long, value_name = "ADDRESS", value_parser = listen)]
    pub(crate) listen: Option<SocketAddr>,
    /// Open the page in a browser
    #[arg(long)]
    pub(crate) open: bool,
    /// Serve the page from a folder instead of the binary, to develop it
    #[arg(long, value_name = "DIR")]
    pub(crate) web_dir: Option<PathBuf>,
}

/// `ipcscope race`.
#[derive(Debug, Args)]
pub(crate) struct Race {
    /// Mechanisms to race: shm, pipe, unix, tcp, or all [default: all]
    #[arg(value_name = "MECHANISM", value_delimiter = ',', value_parser = mechanism_or_all(), hide_possible_values = true)]
    pub(crate) mechanisms: Vec<Chosen>,
    /// Messages in each row; k and M are thousands and millions [default: 100k, with --quick 10k]
    #[arg(short = 'n', long, value_name = "N", value_parser = count)]
    pub(crate) count: Option<u64>,
    /// Bytes in each message, a list; k and M are KiB and MiB (1k = 1024) [default: 64]
    #[arg(short = 's', long = "size", value_name = "LIST", value_delimiter = ',', value_parser = size)]
    pub(crate) sizes: Vec<u32>,
    /// Workloads, a list of ping-pong, stream, corked, paced [default: ping-pong,stream]
    #[arg(long = "workload", value_name = "LIST", value_delimiter = ',', value_parser = workload(), hide_possible_values = true)]
    pub(crate) workloads: Vec<Workload>,
    /// Where the two processes run: same-core, cross-core, unpinned, or two cores such as 0,1 [default: cross-core]
    #[arg(long)]
    pub(crate) placement: Option<Placement>,
    /// How both ends wait, a list of spin, block, hybrid, hybrid:20us [default: spin,block]
    #[arg(long = "wait", value_name = "LIST", value_delimiter = ',')]
    pub(crate) waits: Vec<WaitStrategy>,
    /// Fresh pairs of processes for each row [default: 5, with --quick 2]
    #[arg(short = 'r', long, value_name = "N")]
    pub(crate) launches: Option<u32>,
    /// Shuffles the order of the rounds [default: random, printed with the result]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Messages a second in the paced workload; k and M are thousands and millions [default: 10k]
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) rate: Option<u32>,
    /// Bytes that a channel should hold in each direction: the ring of shared memory, the kernel's
    /// buffer of the others. The report says what each got; k and M are KiB and MiB [default: the
    /// mechanism's own]
    #[arg(long, value_name = "BYTES", value_parser = capacity)]
    pub(crate) capacity: Option<u32>,
    /// Quick: 10k messages a row, 2 launches; the table is marked so
    #[arg(long)]
    pub(crate) quick: bool,
    /// Race every rival built below a folder (make -C rivals) [default folder: rivals]
    #[arg(long = "rivals", value_name = "DIR", num_args = 0..=1, default_missing_value = "rivals")]
    pub(crate) rivals_below: Option<PathBuf>,
    /// Race an outside program that runs the same rounds; may be repeated
    #[arg(long = "rival", value_name = "PATH")]
    pub(crate) rivals: Vec<PathBuf>,
    /// Print the whole report as JSON on stdout, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the whole report as JSON to a file (- is stdout)
    #[arg(long, value_name = "FILE")]
    pub(crate) export_json: Option<PathBuf>,
    /// Write one line for each row as CSV (- is stdout)
    #[arg(long, value_name = "FILE")]
    pub(crate) export_csv: Option<PathBuf>,
    /// Write the tables as Markdown (- is stdout)
    #[arg(long, value_name = "FILE")]
    pub(crate) export_markdown: Option<PathBuf>,
    /// Write tables and charts as one self-contained HTML file, to mail or print (- is stdout)
    #[arg(long, value_name = "FILE")]
    pub(crate) export_html: Option<PathBuf>,
    /// Show the best of each group first
    #[arg(long)]
    pub(crate) sort: bool,
}

/// `ipcscope show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The mechanism: shm, pipe, unix or tcp
    #[arg(value_name = "MECHANISM", value_parser = mechanism(), hide_possible_values = true)]
    pub(crate) mechanism: Kind,
    /// Messages to record, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) messages: u32,
    /// Bytes in each message; k and M are KiB and MiB (1k = 1024)
    #[arg(short = 's', long, value_name = "BYTES", default_value = "64", value_parser = size)]
    pub(crate) size: u32,
    /// How both ends wait: spin, block, hybrid or hybrid:20us
    #[arg(long, default_value = "block")]
    pub(crate) wait: WaitStrategy,
    /// Where the two processes run: same-core, cross-core, unpinned, or two cores such as 0,1 [default: cross-core]
    #[arg(long)]
    pub(crate) placement: Option<Placement>,
    /// Print the recorded trace, one JSON object a line (docs/trace.md)
    #[arg(long)]
    pub(crate) json: bool,
    /// Write it as Chrome trace events, too, which Perfetto opens
    #[arg(long, value_name = "FILE")]
    pub(crate) chrome_trace: Option<PathBuf>,
}

/// `ipcscope probe`.
#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// Mechanisms to probe: shm, pipe, unix, tcp, or all [default: all]
    #[arg(value_name = "MECHANISM", value_delimiter = ',', value_parser = mechanism_or_all(), hide_possible_values = true)]
    pub(crate) mechanisms: Vec<Chosen>,
    /// Messages in each row; k is thousands
    #[arg(long, value_name = "N", default_value = "1000", value_parser = count)]
    pub(crate) messages: u64,
    /// Bytes in each message; k and M are KiB and MiB (1k = 1024)
    #[arg(short = 's', long, value_name = "BYTES", default_value = "64", value_parser = size)]
    pub(crate) size: u32,
    /// How both ends wait, a list of spin, block, hybrid, hybrid:20us [default: spin,block]
    #[arg(long = "wait", value_name = "LIST", value_delimiter = ',')]
    pub(crate) waits: Vec<WaitStrategy>,
    /// Where the two processes run: same-core, cross-core, unpinned, or two cores such as 0,1; may be repeated
    /// [default: cross-core]
    #[arg(long = "placement", value_name = "PLACEMENT")]
    pub(crate) placements: Vec<Placement>,
    /// Instead, X-ray one message of each: every event on one time axis
    #[arg(long, conflicts_with_all = ["export_json", "export_markdown"])]
    pub(crate) xray: bool,
    /// Print the whole report as JSON on stdout, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the whole report as JSON to a file (- is stdout)
    #[arg(long, value_name = "FILE")]
    pub(crate) export_json: Option<PathBuf>,
    /// Write the table of quoted and measured figures as Markdown (- is stdout)
    #[arg(long, value_name = "FILE")]
    pub(crate) export_markdown: Option<PathBuf>,
}

/// A mechanism, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    All,
    One(Kind),
}

impl Chosen {
    /// The named mechanisms; none for `all`.
    pub(crate) fn named(these: &[Chosen]) -> Vec<Kind> {
        let one = |chosen: &Chosen| match chosen {
            Chosen::One(kind) => Some(*kind),
            Chosen::All => None,
        };
        these.iter().map(one).collect::<Option<_>>().unwrap_or_default()
    }
}

/// `ipcscope map`.
#[derive(Debug, Args)]
#[command(after_help = "Example: ipcscope map redis-server 4711")]
pub(crate) struct MapVerb {
    /// Processes by number or name, with all that they are joined with [default: every process]
    #[arg(value_name = "PID|NAME")]
    pub(crate) processes: Vec<String>,
    /// Print the whole map as JSON (docs/map.schema.json)
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ipcscope watch`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: ipcscope watch pipe:4711; ipcscope watch 812:7; ipcscope watch redis-server redis-benchmark --for 5s"
)]
pub(crate) struct WatchVerb {
    /// The channel: its name in `ipcscope map`, a process's descriptor, a process that has one channel only, or two processes
    /// that have one only; a process by its number or name
    #[arg(value_name = "EDGE|PID:FD|PID", required = true, num_args = 1..=2)]
    pub(crate) channel: Vec<String>,
    /// How long; it ends before, with what was seen, on Ctrl-C or when the channel is closed
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = span)]
    pub(crate) lasts: Duration,
    /// The instrument [default: calls, where this user may record them]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) by: Option<WatchBy>,
    /// Print all that was seen as JSON (docs/watch.schema.json), and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the first calls, at most 2000, as a trace (docs/trace.md), which `ipcscope replay` plays on the stage
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Write them as Chrome trace events, too, which Perfetto opens
    #[arg(long, value_name = "FILE")]
    pub(crate) chrome_trace: Option<PathBuf>,
}

/// The instruments of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WatchBy {
    /// Every system call on the channel: root only, and each call of every process becomes slower
    Calls,
    /// Looks from outside, a hundred a second
    Looks,
}

/// A time such as `10s`, `1.5s` or `200ms`, up to an hour.
fn span(text: &str) -> Result<Duration, String> {
    const LONGEST_NS: f64 = 3600e9;
    let whole = text.starts_with(|first: char| first.is_ascii_digit())
        && text.chars().all(|letter| letter.is_alphanumeric() || letter == '.');
    let ns = lab::units::parse_duration(text).filter(|ns| whole && *ns > 0.0 && *ns <= LONGEST_NS);
    let ns = ns.ok_or("a time up to an hour is expected, such as 10s or 200ms")?;
    Ok(Duration::from_nanos(ns as u64))
}

/// `ipcscope rehearse`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: ipcscope watch 812:7 --for 2s --json > watch.json; ipcscope rehearse watch.json"
)]
pub(crate) struct Rehearse {
    /// The watch, printed by `ipcscope watch --json`; - is stdin
    #[arg(value_name = "WATCH")]
    pub(crate) watch: PathBuf,
    /// Where the two processes run: same-core, cross-core, unpinned, or two cores such as 0,1 [default: unpinned, as
    /// the programs most likely are]
    #[arg(long, alias = "place")]
    pub(crate) placement: Option<Placement>,
    /// How both ends wait, a list of spin, block, hybrid, hybrid:20us [default: block,hybrid, and spin where there are two
    /// cores]
    #[arg(long = "wait", value_name = "LIST", value_delimiter = ',')]
    pub(crate) waits: Vec<WaitStrategy>,
    /// Fresh pairs of processes for each row [default: 5; fewer, at least 2, where the traffic takes long]
    #[arg(short = 'r', long = "rounds", alias = "launches", value_name = "N")]
    pub(crate) rounds: Option<u32>,
    /// Shuffles the order of the rounds [default: random, printed with the result]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Print the whole report as JSON on stdout, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Show the best of each group first
    #[arg(long)]
    pub(crate) sort: bool,
}

/// `ipcscope compare`.
#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// The report to compare with: a file, - for stdin, or the id of a run in the history
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,
    /// The report to judge
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,
    /// Exit with 3 if a message in any row of B takes this much longer than in A, beyond the spread
    /// of both, or if any row of A was not compared
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) fail_over: Option<f64>,
    /// With --fail-over: accept rows of A that B lacks, and interrupted races
    #[arg(long, requires = "fail_over")]
    pub(crate) allow_missing: bool,
    /// With --fail-over: accept rows that cannot be judged: one launch, no figure, another machine,
    /// failed in both
    #[arg(long, requires = "fail_over")]
    pub(crate) allow_unjudged: bool,
    /// Print the comparison as JSON (docs/api.md)
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ipcscope replay`.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The trace, printed by `ipcscope show --json` or saved by the page; - is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Write it as Chrome trace events, which Perfetto opens, and open no page
    #[arg(long, value_name = "FILE", conflicts_with_all = ["listen", "open"])]
    pub(crate) chrome_trace: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) door: ListenArgs,
}

/// `ipcscope doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print the findings as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ipcscope completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// `ipcscope man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The page of one verb [default: the page of ipcscope itself]
    pub(crate) verb: Option<String>,
}

/// Reads the command line.
pub(crate) fn read() -> Result<Typed, clap::Error> {
    Typed::try_parse()
}

/// The whole grammar, for completions and manual pages.
pub(crate) fn grammar() -> clap::Command {
    Typed::command()
}

/// Prints help or the version; reports a mistake in one line, with clap's advice.
pub(crate) fn explain(refusal: &clap::Error) -> Result<Outcome, Failure> {
    let text = refusal.render().to_string();
    if matches!(refusal.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return outcome::print(text).map(|()| Outcome::Done);
    }
    let advice = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| line.trim_start_matches("error: "));
    let verbs =
        (refusal.kind() == ErrorKind::InvalidSubcommand).then_some("`ipcscope --help` lists the verbs");
    Err(Failure::told(advice.chain(verbs).collect::<Vec<_>>().join("; ").replace(":; ", ": ")))
}

fn mechanism() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::name)).try_map(|name| name.parse::<Kind>())
}

fn mechanism_or_all() -> impl TypedValueParser<Value = Chosen> {
    let names = Kind::ALL.map(Kind::name).into_iter().chain(["all"]);
    PossibleValuesParser::new(names).try_map(|name| match name.as_str() {
        "all" => Ok::<_, crossing::ParseError>(Chosen::All),
        name => Ok(Chosen::One(name.parse()?)),
    })
}

fn workload() -> impl TypedValueParser<Value = Workload> {
    PossibleValuesParser::new(Workload::ALL.map(Workload::name)).try_map(|name| name.parse::<Workload>())
}

/// An address and a port; `localhost`, however it is written, is 127.0.0.1.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let named = text.rsplit_once(':').filter(|(host, _)| is_localhost(host));
    named
        .map_or_else(|| text.parse(), |(_, port)| format!("127.0.0.1:{port}").parse())
        .map_err(|_| "not an address with a port, such as 127.0.0.1:7878".to_owned())
}

fn count(text: &str) -> Result<u64, String> {
    number(text, 1_000)
}

fn rate(text: &str) -> Result<u32, String> {
    let rate = number(text, 1_000)?;
    u32::try_from(rate).map_err(|_| format!("at most {} messages a second", u32::MAX))
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>().ok();
    let number = number.filter(|percent| percent.is_finite() && *percent >= 0.0);
    number.ok_or_else(|| "not a percentage, such as 10".into())
}

fn size(text: &str) -> Result<u32, String> {
    bytes(text, 1..=SIZE_LIMIT)
}

fn capacity(text: &str) -> Result<u32, String> {
    bytes(text, CAPACITY_LEAST..=CAPACITY_LIMIT)
}

fn bytes(text: &str, allowed: RangeInclusive<u32>) -> Result<u32, String> {
    match u32::try_from(number(text, 1_024)?) {
        Ok(bytes) if allowed.contains(&bytes) => Ok(bytes),
        _ => Err(format!("out of range: {} to {} bytes", allowed.start(), allowed.end())),
    }
}

/// A whole number, perhaps with a suffix: `k` is once and `M` twice the `step`.
fn number(text: &str, step: u64) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, step),
        None => match text.strip_suffix(['m', 'M']) {
            Some(digits) => (digits, step * step),
            None => (text, 1),
        },
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("not a whole number, such as 64, 1k or 1M".into());
    }
    let value = digits.parse::<u64>().ok().and_then(|digits| digits.checked_mul(unit));
    value.ok_or_else(|| "the number is too large".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        grammar().debug_assert();
    }

    #[test]
    fn suffixes_are_thousands_for_counts_and_kib_for_sizes() {
        assert_eq!(count("100k"), Ok(100_000));
        assert_eq!(count("1M"), Ok(1_000_000));
        assert_eq!(size("1k"), Ok(1_024));
        assert_eq!(size("1M"), Ok(1 << 20));
        assert_eq!(size("64"), Ok(64));
        assert_eq!((capacity("4k"), capacity("1024M")), (Ok(4 << 10), Ok(1 << 30)));
    }

    #[test]
    fn what_is_not_a_number_in_range_is_refused() {
        for text in
            ["", "k", "1.5k", "-1", "+1", "1 k", "99999999999999999999", "18446744073709551615k", "0x10"]
        {
            assert!(count(text).is_err(), "{text}");
        }
        for text in ["0", "17M", "4294967297", "5000M"] {
            assert!(size(text).is_err(), "{text}");
        }
        for text in ["0", "4095", "1025M", "5000M", "2m2"] {
            assert!(capacity(text).is_err(), "{text}");
        }
    }
}
