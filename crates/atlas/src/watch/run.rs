//! A watch from its beginning to its end.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lab::machine::Unavailable;
use lab::sys::monotonic::monotonic_ns;
use lab::trace::Trace;
use lab::traffic::SeenWait;

use super::calls;
use super::findings;
use super::gather::WatchGathered;
use super::look::{self, ThreadLook};
use super::played;
use super::report::{WATCH_FORMAT, WATCH_SCHEMA, WatchInstrument, WatchReport, WatchedEnd};
use super::tap::CallTap;
use crate::edge::{Edge, EdgeEnd};
use crate::kind::EdgeKind;
use crate::map::ProgramMap;
use crate::process::{ProcessId, RunningProcess};
use crate::scope::Scope;

/// Between two times at which recorded calls are taken, and two looks.
const PERIOD: Duration = Duration::from_millis(10);
/// Between two checks whether the descriptors are still the channel's.
const CHECKED_EVERY: u32 = 25;
/// Between two new maps, which find descriptors that have been made since.
const MAPPED_EVERY: u32 = 200;
/// A map that takes longer is not made again while the watch lasts.
const MAP_LIMIT_NS: u64 = 100_000_000;
/// How many calls of all that were seen must have been told "nothing there" for a side to be spinning, at least.
const SPINS: u64 = 10;

/// How a channel is to be watched.
#[derive(Debug, Clone, Copy)]
pub struct WatchOptions {
    /// How long, at most.
    pub lasts: Duration,
    /// With which instrument; `None` takes the best that this user may use here.
    pub instrument: Option<WatchInstrument>,
}

/// Why a channel cannot be watched.
#[derive(Debug)]
pub enum WatchError {
    /// The instrument that was asked for cannot be had.
    Refused(Unavailable),
    /// No process of the channel can be looked at.
    Ended,
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WatchError::Refused(unavailable) => unavailable.fmt(f),
            WatchError::Ended => {
                f.write_str("the processes of this channel have ended: `ipcscope map` lists those that run")
            }
        }
    }
}

impl std::error::Error for WatchError {}

/// Watches `edge` of `map` until its time is over, its processes have ended, or `goes_on` says no; that is asked a hundred times a
/// second, with the nanoseconds since the beginning. Its processes are neither stopped nor traced.
///
/// # Errors
/// When the instrument that was asked for is refused, or nothing is left to watch.
pub fn watch(
    map: &ProgramMap,
    edge: &Edge,
    options: &WatchOptions,
    goes_on: impl FnMut(u64) -> bool,
) -> Result<WatchReport, WatchError> {
    watch_and_record(map, edge, options, goes_on).map(|(report, _)| report)
}

/// The same, with the first of its calls one by one, at most 2000 of them, as a trace that the stage can play (docs/trace.md); or
/// why there is none.
///
/// # Errors
/// As [`watch`].
pub fn watch_and_record(
    map: &ProgramMap,
    edge: &Edge,
    options: &WatchOptions,
    mut goes_on: impl FnMut(u64) -> bool,
) -> Result<(WatchReport, Result<Trace, Unavailable>), WatchError> {
    let mut watch = Watching::begin(map, edge, options)?;
    let mut ended_by = None;
    let mut round = 0;
    loop {
        let since_ns = monotonic_ns() - watch.began_ns;
        if since_ns >= options.lasts.as_nanos() as u64 {
            break;
        }
        if !goes_on(since_ns) {
            ended_by = Some("it was stopped".to_owned());
            break;
        }
        crossing::pause(PERIOD);
        round += 1;
        watch.look(round);
        if round % CHECKED_EVERY == 0
            && let Some(why) = watch.check()
        {
            ended_by = Some(why);
            break;
        }
        if round % MAPPED_EVERY == 0 {
            watch.map_again();
        }
    }
    Ok(watch.finish(ended_by))
}

/// One process of the channel, as it is watched.
#[derive(Debug)]
struct EndWatched {
    process: ProcessId,
    side: u8,
    /// Each descriptor of it, with what it refers to.
    descriptors: BTreeMap<i32, String>,
    at_begin: Vec<ThreadLook>,
    io_at_begin: Option<[u64; 4]>,
    doing: HashMap<String, u64>,
    looks: u64,
}

#[derive(Debug)]
struct Watching {
    edge: Edge,
    processes: Vec<RunningProcess>,
    tap: Option<CallTap>,
    gathered: WatchGathered,
    ends: Vec<EndWatched>,
    unavailable: Vec<Unavailable>,
    began_ns: u64,
    began_unix_ms: u64,
    lost: u64,
    maps: bool,
}

impl Watching {
    fn begin(map: &ProgramMap, edge: &Edge, options: &WatchOptions) -> Result<Watching, WatchError> {
        let mut unavailable = Vec::new();
        let tap = match options.instrument {
            Some(WatchInstrument::Looks) => None,
            wanted => match open_tap(edge.kind) {
                Ok(tap) => Some(tap),
                Err(refused) if wanted.is_some() => return Err(WatchError::Refused(refused)),
                Err(refused) => {
                    unavailable.push(refused);
                    None
                }
            },
        };
        let began_ns = monotonic_ns();
        let ids: Vec<ProcessId> = edge.ends.iter().map(|end| end.process).collect();
        let processes = map.processes.iter().filter(|process| ids.contains(&process.id)).cloned().collect();
        let mut watching = Watching {
            edge: edge.clone(),
            processes,
            tap,
            gathered: WatchGathered::new(edge.kind),
            ends: Vec::new(),
            unavailable,
            began_ns,
            began_unix_ms: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_millis() as u64),
            lost: 0,
            maps: map.took_ns < MAP_LIMIT_NS,
        };
        watching.add(&edge.ends);
        // All of them are watched from here on: what one did before the other was does not count.
        watching.began_ns = monotonic_ns();
        watching.gathered.begin(watching.began_ns);
        if watching.ends.is_empty() || watching.ends.iter().all(|end| end.at_begin.is_empty()) {
            return Err(WatchError::Ended);
        }
        Ok(watching)
    }

    /// Watches the descriptors of these ends that are not watched yet.
    fn add(&mut self, ends: &[EdgeEnd]) {
        for end in ends {
            let at =
                self.ends.iter().position(|known| known.process == end.process && known.side == end.side);
            let at = at.unwrap_or_else(|| {
                let pid = end.process.pid;
                self.ends.push(EndWatched {
                    process: end.process,
                    side: end.side,
                    descriptors: BTreeMap::new(),
                    at_begin: look::threads(pid),
                    io_at_begin: look::io_so_far(pid),
                    doing: HashMap::new(),
                    looks: 0,
                });
                self.ends.len() - 1
            });
            let pid = end.process.pid.unsigned_abs();
            self.gathered.kept.meet(pid);
            let mut failed = self.tap.as_ref().and_then(|tap| tap.watch(pid).err());
            for &descriptor in &end.descriptors {
                let known = &mut self.ends[at];
                if known.descriptors.contains_key(&descriptor) {
                    continue;
                }
                let Some(refers_to) = look::refers_to(end.process.pid, descriptor) else { continue };
                known.descriptors.insert(descriptor, refers_to);
                let number = descriptor.unsigned_abs();
                failed = failed.or(self.tap.as_ref().and_then(|tap| tap.watch_descriptor(pid, number).err()));
                self.gathered.descriptor(pid, number, end.side);
            }
            if let Some(error) = failed {
                self.unavailable.push(Unavailable {
                    what: format!("calls of process {pid}"),
                    why: error.to_string(),
                    remedy: "watch a channel of fewer processes and descriptors".into(),
                });
            }
        }
    }

    fn look(&mut self, round: u32) {
        self.look_at_queues();
        if let Some(tap) = &mut self.tap {
            let gathered = &mut self.gathered;
            tap.drain(|call| gathered.call(&call));
            for (process, descriptor, side) in gathered.take_changed() {
                follow(tap, &mut self.ends, process, descriptor, side);
            }
            let lost = tap.lost().unwrap_or(self.lost);
            if lost > self.lost {
                self.lost = lost;
                self.gathered.calls_were_lost();
            }
            // What the threads are doing follows from their calls; a look beside that is for the ones that are in none.
            if !round.is_multiple_of(5) {
                return;
            }
        }
        for end in &mut self.ends {
            for thread in look::threads(end.process.pid) {
                if !self.gathered.concerns(thread.thread.unsigned_abs()) {
                    continue;
                }
                *end.doing.entry(thread.doing()).or_default() += 1;
                end.looks += 1;
            }
        }
    }

    /// What waits at each reading end.
    fn look_at_queues(&mut self) {
        // Of memory the kernel would tell the file's size.
        if self.edge.kind.is_memory() {
            return;
        }
        let mut seen = [false; 2];
        for end in &self.ends {
            let is = |known: &&EdgeEnd| known.process == end.process && known.side == end.side;
            let reads = self.edge.ends.iter().find(is).is_none_or(|known| known.reads);
            let at = if self.edge.kind.is_one_way() { 0 } else { usize::from(1 - end.side.min(1)) };
            let Some((&descriptor, _)) = end.descriptors.first_key_value().filter(|_| reads && !seen[at])
            else {
                continue;
            };
            let began_ns = monotonic_ns();
            if let Ok(queued) = look::queued(end.process.pid, descriptor) {
                seen[at] = true;
                self.gathered.looked(at, began_ns, monotonic_ns(), queued);
            }
        }
    }

    /// Leaves descriptors that are the channel's no longer. Why the watch must end, if it must.
    fn check(&mut self) -> Option<String> {
        for end in &mut self.ends {
            let pid = end.process.pid;
            let (tap, gathered) = (&self.tap, &mut self.gathered);
            end.descriptors.retain(|&descriptor, refers_to| {
                let stays = look::refers_to(pid, descriptor).as_ref() == Some(refers_to);
                if !stays {
                    let (process, number) = (pid.unsigned_abs(), descriptor.unsigned_abs());
                    gathered.forget_descriptor(process, number);
                    // Fails only where it is not there any more.
                    let _ = tap.as_ref().map(|tap| tap.leave_descriptor(process, number));
                }
                stays
            });
        }
        let had_descriptors = self.edge.ends.iter().any(|end| !end.descriptors.is_empty());
        let closed = had_descriptors && self.ends.iter().all(|end| end.descriptors.is_empty());
        closed.then(|| "every descriptor of it was closed".to_owned())
    }

    /// Finds what has been opened since: by a fork, by dup(2), by a descriptor that was passed on.
    fn map_again(&mut self) {
        let pids = self.ends.iter().map(|end| end.process.pid).collect();
        if !self.maps {
            return;
        }
        let map = ProgramMap::take(&Scope::Processes(pids));
        self.maps = map.took_ns < MAP_LIMIT_NS;
        if !self.maps {
            self.unavailable.push(Unavailable {
                what: "ends that are made while the watch lasts".into(),
                why: "a map takes too long here to be made again".into(),
                remedy: "watch again once all of them are there".into(),
            });
        }
        if let Some(edge) = map.edges.iter().find(|edge| edge.id == self.edge.id) {
            let added = edge.ends.clone();
            self.processes.extend(map.processes.into_iter().filter(|process| {
                added.iter().any(|end| end.process == process.id)
                    && self.ends.iter().all(|end| end.process != process.id)
            }));
            self.add(&added);
        }
    }

    fn finish(mut self, ended_by: Option<String>) -> (WatchReport, Result<Trace, Unavailable>) {
        let ended_ns = monotonic_ns();
        self.gathered.end(ended_ns);
        self.look(1);
        let lasted_ns = ended_ns - self.began_ns;
        let calls = self.tap.is_some();
        let instrument = if calls { WatchInstrument::Calls } else { WatchInstrument::Looks };
        let ends: Vec<WatchedEnd> = self.ends.iter().map(|end| self.end(end)).collect();
        let directions = if self.edge.kind.is_one_way() { 1 } else { 2 };
        let directions: Vec<_> = self
            .gathered
            .directions
            .iter()
            .zip(0..directions)
            .map(|(one, from)| one.finish(from, calls))
            .collect();
        for (direction, gathered) in directions.iter().zip(&self.gathered.directions) {
            let moved =
                |seen: &Option<super::report::CallsSeen>| seen.as_ref().is_some_and(|seen| seen.calls > 0);
            if let Some(why) = gathered
                .unjoined(self.edge.kind)
                .filter(|_| moved(&direction.writes) && moved(&direction.reads))
            {
                self.unavailable.push(Unavailable {
                    what: format!("the time from write to read, from side {}", direction.from),
                    why: why.into(),
                    remedy: "watch again, for longer, or while less goes over it".into(),
                });
            }
        }
        let waits = [0, 1].map(|side| self.seen_wait(side));
        let traffic = self.gathered.traffic.finish(waits).filter(|_| calls);
        let trace =
            played::trace(&self.gathered.kept, &self.edge, &self.processes, waits, self.began_unix_ms);
        let mut report = WatchReport {
            format: WATCH_FORMAT.into(),
            schema: WATCH_SCHEMA,
            began_unix_ms: self.began_unix_ms,
            lasted_ns,
            edge: self.edge,
            processes: self.processes,
            instrument,
            lost_calls: self.lost,
            directions,
            ends,
            ended_by,
            traffic,
            unavailable: self.unavailable,
            findings: Vec::new(),
        };
        report.findings = findings::of(&report);
        (report, trace)
    }

    fn end(&self, end: &EndWatched) -> WatchedEnd {
        let pid = end.process.pid;
        let now = look::threads(pid);
        let grown = |of: fn(&ThreadLook) -> u64| {
            (!now.is_empty()).then(|| {
                let before = |thread: &ThreadLook| {
                    end.at_begin.iter().find(|then| then.thread == thread.thread).map_or(0, of)
                };
                now.iter().map(|thread| of(thread).saturating_sub(before(thread))).sum()
            })
        };
        let looks = end.looks.max(1) as f64;
        let waits = self.tap.as_ref().map(|_| {
            self.gathered
                .waits
                .get(&pid.unsigned_abs())
                .map_or_else(Default::default, super::gather::CallsGathered::finish)
        });
        let io = end.io_at_begin.zip(look::io_so_far(pid));
        WatchedEnd {
            process: end.process,
            side: end.side,
            moved: self.tap.as_ref().map(|_| {
                self.gathered.moved_by.get(&(pid.unsigned_abs(), end.side)).copied().unwrap_or_default()
            }),
            waits,
            on_core_ns: grown(|thread| thread.on_core_ns),
            slept: grown(|thread| thread.slept),
            preempted: grown(|thread| thread.preempted),
            all_channels: io
                .map(|(before, after)| std::array::from_fn(|at| after[at].saturating_sub(before[at]))),
            doing: end.doing.iter().map(|(doing, &count)| (doing.clone(), count as f64 / looks)).collect(),
            in_call: self.in_call(end, &now),
        }
    }

    /// The call on the channel that one of the end's threads is in, and for how long, as far as that was seen.
    fn in_call(&self, end: &EndWatched, now: &[ThreadLook]) -> Option<(String, Option<u64>)> {
        let thread = now.iter().find(|thread| {
            thread.call.is_some_and(|(number, descriptor)| {
                calls::of(number).is_some() && end.descriptors.contains_key(&(descriptor as i32))
            })
        })?;
        let name = calls::of(thread.call?.0)?.name;
        let open = self.tap.as_ref().and_then(|tap| tap.in_flight().ok()).unwrap_or_default();
        let began =
            open.iter().find(|open| open.thread == thread.thread.unsigned_abs()).map(|open| open.began_ns);
        Some((name.to_owned(), began.map(|began| monotonic_ns().saturating_sub(began))))
    }

    /// How a side waited for messages, by where it spent its time.
    fn seen_wait(&self, side: u8) -> SeenWait {
        let at = if self.edge.kind.is_one_way() { 0 } else { usize::from(1 - side) };
        if self.edge.kind.is_one_way() && side == 0 {
            return SeenWait::NotSeen;
        }
        let reads = self.gathered.directions[at].reads.finish();
        let of_side =
            self.ends.iter().filter(|end| end.side == side).map(|end| end.process.pid.unsigned_abs());
        let waited: u64 = of_side
            .filter_map(|pid| self.gathered.waits.get(&pid))
            .map(|waits| waits.finish().total_ns)
            .sum();
        match reads.total_ns {
            0 => SeenWait::NotSeen,
            _ if reads.would_wait > SPINS * reads.calls && reads.total_ns > waited => SeenWait::Spinning,
            in_reads if in_reads > waited => SeenWait::InTheCall,
            _ => SeenWait::ByDescriptor,
        }
    }
}

/// Leaves a descriptor that a call has closed, or watches one that a call has made for a side.
fn follow(tap: &CallTap, ends: &mut [EndWatched], process: u32, descriptor: u32, side: Option<u8>) {
    let (pid, number) = (process as i32, descriptor as i32);
    let refers_to = side.and_then(|_| look::refers_to(pid, number));
    for end in ends.iter_mut().filter(|end| end.process.pid == pid) {
        match (&refers_to, side) {
            (Some(refers_to), Some(side)) if side == end.side => {
                // Fails when there are too many; then the next map says so.
                if tap.watch_descriptor(process, descriptor).is_ok() {
                    end.descriptors.insert(number, refers_to.clone());
                }
            }
            _ => {
                end.descriptors.remove(&number);
            }
        }
    }
    if refers_to.is_none() {
        // Fails only where it is not there any more.
        let _ = tap.leave_descriptor(process, descriptor);
    }
}

/// Opens the tap, if calls of such a channel tell what goes over it.
fn open_tap(kind: EdgeKind) -> Result<CallTap, Unavailable> {
    let refused = |why: String, remedy: &str| Unavailable {
        what: "the calls on this channel".into(),
        why,
        remedy: remedy.into(),
    };
    if kind.is_memory() {
        let remedy = "look at what its processes wait in; a program that uses crossing can be asked for its own counts";
        return Err(refused("no system call moves what goes through shared memory".into(), remedy));
    }
    let recorded: Vec<_> = calls::KNOWN.iter().map(|call| (call.number, call.scope())).collect();
    CallTap::open(&recorded).map_err(|error: io::Error| {
        let remedy = match error.kind() {
            io::ErrorKind::Unsupported => "run it on the machine itself, outside of a container",
            _ => "run as root, or with CAP_BPF and CAP_PERFMON; without, looks from outside tell less",
        };
        refused(error.to_string(), remedy)
    })
}
