//! X-ray: one message's whole journey, both processes and the kernel on one axis of time.
//!
//! Tracepoints and watchpoints are read as one stream. Of a short row of messages the one is shown in which the
//! watchpoint on the kernel's own copy was where the copy was. Every event says which step of the scene it is an
//! instance of; one that is none is shown as such. Times are those of a message that is stopped a dozen times on its
//! way: the order is true, the lengths are not.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::AtomicBool;

use super::bench::{Bench, ProbeError, Row, Setup};
use super::calls::{self, Called};
use super::copies::{Aim, LEAST_BYTES, Life, Place, touch};
use super::counters::cores;
use super::instruments::refused;
use super::steps::{Sign, step};
use super::stream::{Seen, Stream, Want};
use super::symbols::Symbols;
use super::tracefs::{Tracefs, Tracepoint};
use super::wire::{Segment, Tap, ports};
use super::{spell, symbols};
use crate::machine::Unavailable;
use crate::stage::Window;
use crate::sys::perf::{Sample, Watched, Whom};
use crate::trace::{Basis, Event, Side, Tone, What};

/// Pages of each ring.
const PAGES: usize = 2048;
/// Rows that are sent until one is met by the watchpoint on the kernel's copy.
const ROWS: usize = 3;
/// Of the looks that found nothing so many are shown at the beginning, and at the end.
const LOOKS: usize = 2;
/// What a look returns that found nothing.
const EMPTY: i64 = -(libc::EAGAIN as i64);

/// One message, looked through.
#[derive(Debug, Clone, PartialEq)]
pub struct Xray {
    /// The sender's and the receiver's process.
    pub pids: [u32; 2],
    /// The cores they were read back on.
    pub cores: Option<[usize; 2]>,
    /// What happened; times are on CLOCK_MONOTONIC.
    pub events: Vec<Event>,
}

/// What the stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Enter,
    Leave,
    Waking,
    Switch,
    UserFault,
    KernelFault,
    Out,
    In,
    Byte(Place),
}

const TRACEPOINTS: [(Key, &str); 8] = [
    (Key::Enter, "raw_syscalls/sys_enter"),
    (Key::Leave, "raw_syscalls/sys_exit"),
    (Key::Waking, "sched/sched_waking"),
    (Key::Switch, "sched/sched_switch"),
    (Key::UserFault, "exceptions/page_fault_user"),
    (Key::KernelFault, "exceptions/page_fault_kernel"),
    (Key::Out, "net/net_dev_start_xmit"),
    (Key::In, "net/netif_receive_skb"),
];

/// Looks through one message of at least [`LEAST_BYTES`], with the best instruments that this machine allows.
///
/// # Errors
/// When a process cannot be started, or a message is lost.
pub fn xray(setup: &Setup, stop: &AtomicBool) -> Result<Xray, ProbeError> {
    // A shorter message has no byte of its own to be watched.
    let setup = &Setup { size_bytes: setup.size_bytes.max(LEAST_BYTES), ..setup.clone() };
    let _held = Symbols::kernel();
    let looked = Tracefs::open().and_then(|tracefs| through_the_kernel(setup, &tracefs, stop));
    match looked {
        Ok(looked) => looked,
        Err(error) => from_outside(setup, refused("tracepoints of the kernel", &error), stop),
    }
}

/// With tracepoints and watchpoints.
fn through_the_kernel(
    setup: &Setup,
    tracefs: &Tracefs,
    stop: &AtomicBool,
) -> io::Result<Result<Xray, ProbeError>> {
    let mut aim = match Aim::take(setup, Some(tracefs), stop)? {
        Ok(aim) => aim,
        Err(error) => return Ok(Err(error)),
    };
    let mut formats = BTreeMap::new();
    for (key, name) in TRACEPOINTS {
        match tracefs.tracepoint(name) {
            Ok(tracepoint) => drop(formats.insert(key, tracepoint)),
            // Not every kernel has all of them.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let tap = Tap::open().ok();
    let socket = || {
        let [sender, _] = Window::open_both(setup.kind, aim.bench().pids()).ok()?;
        ports(&sender.take(sender.outbound).ok()?)
    };
    let ports = socket();
    let mut shown: Option<(bool, Xray)> = None;
    for guess in aim.guesses().into_iter().cycle().take(aim.guesses().len().max(ROWS)) {
        let mut wants = aim.wants(guess, Key::Byte);
        wants.extend(traced(&formats, aim.bench()));
        let mut stream = Stream::open(&wants, PAGES, true, true)?;
        stream.begin()?;
        drop(tap.as_ref().zip(ports).map(|(tap, ports)| tap.take(ports)));
        let row = match aim.send(stop) {
            Ok(row) => row,
            Err(error) => return Ok(Err(error)),
        };
        let told = stream.end()?;
        let segments = tap.as_ref().zip(ports).map(|(tap, ports)| tap.take(ports)).unwrap_or_default();
        let scan = Scan::new(setup, &formats, &told.events, aim.bench(), &row, segments);
        let whole = scan.met.is_some() || guess.is_none();
        if shown.is_none() || whole {
            shown = Some((whole, scan.xray(told.lost)));
        }
        if whole {
            break;
        }
    }
    let shown = shown.ok_or_else(|| io::Error::other("no row was sent"))?;
    Ok(Ok(shown.1))
}

/// What is wanted of the kernel's tracepoints.
fn traced(formats: &BTreeMap<Key, Tracepoint>, bench: &Bench) -> Vec<Want<Key>> {
    let [sender, receiver] = bench.pids();
    let mut wants = Vec::new();
    for (&key, format) in formats {
        let watched = Watched::Tracepoint(format.id);
        let only = match key {
            Key::Waking => Some(format!("pid == {sender} || pid == {receiver}")),
            Key::Switch => Some(
                [sender, receiver].map(|pid| format!("prev_pid == {pid} || next_pid == {pid}")).join(" || "),
            ),
            _ => None,
        };
        let whom: Vec<Whom> = match only {
            Some(_) => cores(bench).into_iter().map(Whom::Core).collect(),
            None => vec![Whom::Thread(sender), Whom::Thread(receiver)],
        };
        wants.extend(whom.into_iter().map(|whom| Want { key, watched, whom, only: only.clone() }));
    }
    wants
}

/// A row that was looked at.
struct Scan<'a> {
    setup: &'a Setup,
    formats: &'a BTreeMap<Key, Tracepoint>,
    events: &'a [Seen<Key>],
    pids: [u32; 2],
    cores: Option<[usize; 2]>,
    row: &'a Row,
    segments: Vec<Segment>,
    /// The message in which the kernel's copy was met.
    met: Option<usize>,
}

impl<'a> Scan<'a> {
    fn new(
        setup: &'a Setup,
        formats: &'a BTreeMap<Key, Tracepoint>,
        events: &'a [Seen<Key>],
        bench: &Bench,
        row: &'a Row,
        segments: Vec<Segment>,
    ) -> Scan<'a> {
        let pids = bench.pids();
        let lives = row.windows().map(|window| Life {
            window,
            touches: events
                .iter()
                .filter(|seen| (window.0..=window.1).contains(&seen.sample.t_ns))
                .filter_map(|seen| match seen.key {
                    Key::Byte(place) => Some(touch(place, &seen.sample, &pids)),
                    _ => None,
                })
                .collect(),
        });
        let met = lives.enumerate().filter(|(_, life)| life.kernel_was_met()).map(|(place, _)| place).last();
        Scan { setup, formats, events, pids, cores: bench.cores(), row, segments, met }
    }

    fn number(&self, seen: &Seen<Key>, name: &str) -> Option<i64> {
        self.formats.get(&seen.key)?.number(&seen.sample.fields, name, 0)
    }

    /// The journey of one message: from its receiver's call to both being back from theirs.
    fn xray(&self, lost: bool) -> Xray {
        let index = self.met.unwrap_or(self.row.sends.len().saturating_sub(1));
        let (Some(&send), Some(&recv)) = (self.row.sends.get(index), self.row.recvs.get(index)) else {
            return Xray { pids: self.pids, cores: self.cores, events: Vec::new() };
        };
        let windows = [send, recv];
        let mut events = vec![
            Event::new(recv.0, What::RecvBegin {}).by(Side::Receiver).of(0),
            Event::new(send.0, What::SendBegin { payload: None }).by(Side::Sender).of(0),
            Event::new(send.1, What::SendEnd {}).by(Side::Sender).of(0),
            Event::new(recv.1, What::RecvEnd { payload: None }).by(Side::Receiver).of(0),
        ];
        let mut calls = Inside::default();
        let mut packets = self.packets();
        let mut told = None;
        for seen in self.events {
            let segment = if seen.key == Key::Out { packets.next().flatten() } else { None };
            let before = events.len();
            self.event(seen, &windows, &mut calls, segment, &mut events);
            // The acknowledgement of this message may go out when both are back from their calls.
            match segment {
                Some(data) if data.bytes > 0 && events.len() > before => told = Some((data, false)),
                Some(back) if told.is_some_and(|(data, done)| !done && back.acknowledges(data)) => {
                    told = told.map(|(data, _)| (data, true));
                    if events.len() == before {
                        let text = format!("the acknowledgement goes out: {}", back.words());
                        let what = What::Packet { function: None, detail: Some(stack_of(&seen.sample)) };
                        let event = Event::new(seen.sample.t_ns, what).by(Side::Receiver).of(0).saying(text);
                        let found = step(self.setup.kind.scene(), 1, Sign::Acknowledged).map(Into::into);
                        events.push(Event { cpu: Some(seen.sample.cpu), step: found, ..event });
                    }
                }
                _ => {}
            }
        }
        let end = send.1.max(recv.1);
        for side in 0..2 {
            calls.left_open(self.setup, side, end, &mut events);
        }
        events.sort_by_key(|event| event.t_ns);
        let mut events = without_empty_looks(events);
        events.extend(self.copies(index, end));
        if lost {
            let text = "events found no room in the ring: some may be missing here";
            events.push(Event::new(end, What::Note { tone: Tone::Bad }).saying(text));
        }
        Xray { pids: self.pids, cores: self.cores, events }
    }

    /// What the tap says of each packet that went out, in order; nothing where the two do not agree.
    fn packets(&self) -> impl Iterator<Item = Option<&Segment>> {
        let out = self.events.iter().filter(|seen| seen.key == Key::Out).count();
        let agree = out == self.segments.len();
        self.segments.iter().map(move |segment| agree.then_some(segment))
    }

    fn event(
        &self,
        seen: &Seen<Key>,
        windows: &[(u64, u64); 2],
        calls: &mut Inside,
        packet: Option<&Segment>,
        events: &mut Vec<Event>,
    ) {
        let scene = self.setup.kind.scene();
        let sample = &seen.sample;
        let side = self.pids.iter().position(|&pid| pid == sample.tid);
        let inside = |side: usize| (windows[side].0..=windows[side].1).contains(&sample.t_ns);
        let function = || sample.stack.get(1).or(sample.stack.first()).copied().map(symbols::name);
        let detail = || Some(stack_of(sample)).filter(|stack| !stack.is_empty());
        let by = |side: usize, what: What, sign: Option<Sign<'_>>| Event {
            cpu: Some(sample.cpu),
            step: sign.and_then(|sign| step(scene, side, sign)).map(Into::into),
            ..Event::new(sample.t_ns, what).by(who(side)).of(0)
        };
        match (seen.key, side) {
            (Key::Enter, Some(side)) => {
                let args = std::array::from_fn(|index| {
                    let format = self.formats.get(&Key::Enter);
                    format.and_then(|format| format.number(&sample.fields, "args", index)).unwrap_or(0) as u64
                });
                let number = self.number(seen, "id").unwrap_or(-1) as u64;
                if inside(side) && !spell::is_pause(number) {
                    calls.enter(
                        side,
                        Entered { number, args, t_ns: sample.t_ns, cpu: sample.cpu, slept: false },
                    );
                }
            }
            (Key::Leave, Some(side)) => {
                let result = self.number(seen, "ret").unwrap_or(0);
                calls.leave(self.setup, side, result, sample.t_ns, events);
            }
            (Key::Waking, _) => {
                let woken = self.number(seen, "pid").unwrap_or(-1);
                let Some(woken) = self.pids.iter().position(|&pid| i64::from(pid) == woken) else { return };
                // The sender's own pause ends with a wake-up too, before its part begins.
                if !inside(woken) {
                    return;
                }
                let by_whom = side.unwrap_or(1 - woken);
                let within = side.and_then(|side| calls.name(side));
                let sign = Sign::Wakes { within: within.as_deref() };
                let what = What::Wake { function: function(), detail: detail() };
                let text = match side {
                    Some(_) => format!("the {} is made runnable", who(woken).name()),
                    None => format!("the {} is made runnable by an interrupt", who(woken).name()),
                };
                let event = by(by_whom, what, Some(sign)).saying(text);
                events.push(if side.is_some() { event } else { event.by(Side::Kernel) });
            }
            (Key::Switch, _) => {
                for (field, out) in [("prev_pid", true), ("next_pid", false)] {
                    let pid = self.number(seen, field).unwrap_or(-1);
                    let Some(side) = self.pids.iter().position(|&own| i64::from(own) == pid) else {
                        continue;
                    };
                    if !inside(side) {
                        continue;
                    }
                    let slept = out && self.number(seen, "prev_state").is_some_and(|state| state & 255 != 0);
                    let within = calls.name(side);
                    let sign = Sign::Sleeps { within: within.as_deref() };
                    let event = match (out, slept) {
                        (true, true) => {
                            calls.sleeps(side);
                            let what = What::SwitchOut { function: function(), detail: detail() };
                            by(side, what, Some(sign)).saying("gives up its core and sleeps")
                        }
                        (true, false) => {
                            let what = What::SwitchOut { function: function(), detail: detail() };
                            by(side, what, None).saying("is put aside, though it could go on")
                        }
                        (false, _) => by(side, What::SwitchIn { function: None, detail: None }, Some(sign))
                            .saying("runs again"),
                    };
                    events.push(event);
                }
            }
            (Key::UserFault | Key::KernelFault, Some(side)) if inside(side) => {
                let what = What::Fault { function: function(), detail: detail() };
                events.push(by(side, what, None).saying("a page was not there yet"));
            }
            (Key::Out, Some(side)) if inside(side) => {
                events.push(self.packet_out(seen, packet, by, detail()));
            }
            (Key::In, Some(side)) if inside(side) => {
                let len = self.number(seen, "len").unwrap_or(0);
                let what = What::Packet { function: function(), detail: detail() };
                let within = calls.name(side).unwrap_or_else(|| "no call".into());
                let text = format!(
                    "a packet of {len} B comes in from the device, within the {}'s own {within}()",
                    who(side).name()
                );
                events.push(
                    by(side, what, Some(if self.carries(seen) { Sign::Carried } else { Sign::Acknowledged }))
                        .saying(text),
                );
            }
            (Key::Byte(place), Some(side)) if inside(side) => {
                events.push(self.touched(place, seen, side, by));
            }
            (Key::Byte(place), None) if inside(0) || inside(1) => {
                let touched = touch(place, sample, &self.pids);
                let function = touched.function.unwrap_or_else(|| "another program".into());
                let what = What::Copy { function, bytes: None };
                let text = format!("somebody else touches {}", place.words());
                events.push(Event::new(sample.t_ns, what).by(Side::Kernel).of(0).saying(text));
            }
            _ => {}
        }
    }

    /// Whether a packet has the message in it: it is longer than its headers.
    fn carries(&self, seen: &Seen<Key>) -> bool {
        match self.number(seen, "data_len") {
            Some(bytes) => bytes > 0,
            None => self.number(seen, "len").is_some_and(|len| len > i64::from(self.setup.size_bytes)),
        }
    }

    fn packet_out(
        &self,
        seen: &Seen<Key>,
        packet: Option<&Segment>,
        by: impl Fn(usize, What, Option<Sign<'_>>) -> Event,
        stack: Option<String>,
    ) -> Event {
        /// The kernel's name for a checksum that is left to the device: only what precedes the data is summed.
        const PARTIAL: i64 = 3;
        let side = self.pids.iter().position(|&pid| pid == seen.sample.tid).unwrap_or(0);
        let carries = packet.map_or_else(|| self.carries(seen), |segment| segment.bytes > 0);
        let numbers = packet.map_or_else(|| "numbers not seen".into(), Segment::words);
        let checksum = match self.number(seen, "ip_summed") {
            Some(PARTIAL) => "the checksum is left to the device, and loopback computes none",
            _ => "the checksum was computed",
        };
        let (what, sign) = match carries {
            true => ("a segment with the message goes out", Sign::Numbered),
            false => ("an acknowledgement goes out", Sign::Acknowledged),
        };
        let function = seen.sample.stack.get(1).copied().map(symbols::name);
        let packet = What::Packet { function, detail: stack };
        by(side, packet, Some(sign)).saying(format!("{what}: {numbers}; {checksum}"))
    }

    fn touched(
        &self,
        place: Place,
        seen: &Seen<Key>,
        side: usize,
        by: impl Fn(usize, What, Option<Sign<'_>>) -> Event,
    ) -> Event {
        let touched = touch(place, &seen.sample, &self.pids);
        let sign = match place {
            _ if touched.by_kernel() => Some(Sign::KernelCopy),
            Place::SharedBySender | Place::SharedByReceiver => Some(Sign::SharedTouch),
            _ => None,
        };
        let through = touched.stack.get(1).map_or_else(String::new, |caller| format!(", called by {caller}"));
        let function = touched.function.clone().unwrap_or_else(|| "the program itself".into());
        let bytes = touched.by_kernel().then(|| u64::from(self.setup.size_bytes));
        let text = format!("{function} touches {}{through}", place.words());
        by(side, What::Copy { function, bytes }, sign).saying(text)
    }

    /// How often the message was copied, beside what textbooks say.
    fn copies(&self, index: usize, end: u64) -> Vec<Event> {
        let Some(&send) = self.row.sends.get(index) else { return Vec::new() };
        let window = (send.0, end);
        let inside = self.events.iter().filter(|seen| (window.0..=window.1).contains(&seen.sample.t_ns));
        let touches = inside.filter_map(|seen| match seen.key {
            Key::Byte(place) => Some(touch(place, &seen.sample, &self.pids)),
            _ => None,
        });
        let life = Life { window, touches: touches.collect() };
        let row = |name: &str, count: String| vec![name.to_owned(), count];
        let mut rows: Vec<Vec<String>> = [Place::SendBuffer, Place::Kernel, Place::ReceiveBuffer]
            .into_iter()
            .filter(|&place| life.kernel_touches(place) > 0)
            .map(|place| {
                row(
                    &format!("touches by the kernel of {}", place.words()),
                    life.kernel_touches(place).to_string(),
                )
            })
            .collect();
        let whole = self.met.is_some() || life.kernel_touches(Place::SendBuffer) == 0;
        let count = life.kernel_copies();
        let count = if whole { count.to_string() } else { format!("at least {count}") };
        rows.push(row("copies by the kernel, counted", count));
        rows.push(row("copies, as textbooks say", self.setup.kind.scene().quoted.copies.into()));
        let what = What::Table {
            title: "How often this message was copied".into(),
            columns: vec!["what".into(), "how often".into()],
            rows,
            basis: Basis::Measured,
            instrument: "watchpoints on one byte of the message".into(),
        };
        vec![Event::new(end, what)]
    }
}

/// The functions that led to an event, the innermost first.
fn stack_of(sample: &Sample) -> String {
    sample.stack.iter().copied().map(symbols::name).collect::<Vec<_>>().join(" < ")
}

fn who(side: usize) -> Side {
    if side == 0 { Side::Sender } else { Side::Receiver }
}

/// A call that a process is in.
#[derive(Debug, Clone, Copy)]
struct Entered {
    number: u64,
    args: [u64; 6],
    t_ns: u64,
    cpu: u32,
    slept: bool,
}

/// The calls that both are in at the moment.
#[derive(Debug, Default)]
struct Inside([Option<Entered>; 2]);

impl Inside {
    fn enter(&mut self, side: usize, entered: Entered) {
        self.0[side] = Some(entered);
    }

    fn name(&self, side: usize) -> Option<String> {
        self.0[side].map(|entered| crate::sys::calls::name(entered.number))
    }

    fn sleeps(&mut self, side: usize) {
        if let Some(entered) = &mut self.0[side] {
            entered.slept = true;
        }
    }

    /// The call is over. One in which the process slept is two events: it was entered to wait, and brought what it
    /// waited for.
    fn leave(&mut self, setup: &Setup, side: usize, result: i64, t_ns: u64, events: &mut Vec<Event>) {
        let Some(entered) = self.0[side].take() else { return };
        let slept = entered.slept;
        if slept {
            events.push(call(setup, side, &entered, entered.t_ns, true, None));
        }
        let at = if slept { t_ns } else { entered.t_ns };
        events.push(call(setup, side, &entered, at, false, Some((result, t_ns - entered.t_ns))));
    }

    /// The message ended before the call did.
    fn left_open(&mut self, setup: &Setup, side: usize, end: u64, events: &mut Vec<Event>) {
        if let Some(entered) = self.0[side].take()
            && entered.t_ns <= end
        {
            events.push(call(setup, side, &entered, entered.t_ns, true, None));
        }
    }
}

fn call(
    setup: &Setup,
    side: usize,
    entered: &Entered,
    t_ns: u64,
    waits: bool,
    over: Option<(i64, u64)>,
) -> Event {
    let name = crate::sys::calls::name(entered.number);
    // A look that found nothing is a wait, too.
    let waits = waits || over.is_some_and(|(result, _)| result == EMPTY);
    let sign = Sign::Call { name: &name, waits };
    let args = spell::arguments(entered.number, &entered.args);
    let text = match over {
        None => format!("{name}({args}) …"),
        Some((result, _)) => format!("{name}({args}) = {}", spell::result(result)),
    };
    let found = step(setup.kind.scene(), side, sign).map(Into::into);
    let what = What::Syscall {
        name,
        args: Some(args),
        result: over.map(|(result, _)| result),
        duration_ns: over.map(|(_, duration)| duration),
    };
    let event = Event::new(t_ns, what).by(who(side)).of(0).saying(text);
    Event { cpu: Some(entered.cpu), step: found, ..event }
}

/// The same events without most of the looks that found nothing: the first and the last of them are shown, and how many
/// there were.
fn without_empty_looks(events: Vec<Event>) -> Vec<Event> {
    let is_empty = |event: &Event| match &event.what {
        What::Syscall { name, result, .. } => *result == Some(EMPTY) || name == "sched_yield",
        _ => false,
    };
    let looks = events.iter().filter(|event| is_empty(event)).count();
    if looks <= 2 * LOOKS + 1 {
        return events;
    }
    let mut kept = Vec::with_capacity(events.len() - looks + 2 * LOOKS + 1);
    let mut seen = 0;
    for event in events {
        if is_empty(&event) {
            seen += 1;
            if seen == LOOKS + 1 {
                let text = format!("{} more calls that found nothing", looks - 2 * LOOKS);
                let note = Event::new(event.t_ns, What::Note { tone: Tone::Plain }).saying(text);
                kept.push(Event { side: event.side, message: event.message, ..note });
            }
            if seen > LOOKS && seen <= looks - LOOKS {
                continue;
            }
        }
        kept.push(event);
    }
    kept
}

/// Without any privilege: the calls of both processes, step by step.
fn from_outside(setup: &Setup, why: Unavailable, stop: &AtomicBool) -> Result<Xray, ProbeError> {
    /// Messages that are traced; the last but one is shown.
    const TRACED: u64 = 8;
    let mut bench = Bench::start(setup, stop)?;
    bench.send(TRACED, stop)?;
    let pids = bench.pids();
    let mut events = Vec::new();
    match calls::trace(&mut bench, TRACED, stop) {
        Ok(traced) => {
            let (seen, row) = traced?;
            events = stepped(setup, &seen, &row);
        }
        Err(error) => {
            let gone = refused("every system call of a process", &error);
            let what = What::Unavailable { figure: gone.what, why: gone.why, remedy: gone.remedy };
            events.push(Event::new(0, what));
        }
    }
    let last = events.iter().map(|event| event.t_ns).max().unwrap_or(0);
    let figure = "wake-ups, switches, packets, and who copies the message".to_owned();
    events.push(Event::new(last, What::Unavailable { figure, why: why.why, remedy: why.remedy }));
    Ok(Xray { pids, cores: bench.cores(), events })
}

fn stepped(setup: &Setup, seen: &[Vec<Called>; 2], row: &Row) -> Vec<Event> {
    let index = row.sends.len().saturating_sub(2);
    let (Some(&send), Some(&recv)) = (row.sends.get(index), row.recvs.get(index)) else { return Vec::new() };
    let mut events = vec![
        Event::new(recv.0, What::RecvBegin {}).by(Side::Receiver).of(0),
        Event::new(send.0, What::SendBegin { payload: None }).by(Side::Sender).of(0),
        Event::new(send.1, What::SendEnd {}).by(Side::Sender).of(0),
        Event::new(recv.1, What::RecvEnd { payload: None }).by(Side::Receiver).of(0),
    ];
    for (side, window) in [send, recv].into_iter().enumerate() {
        let inside = |call: &&Called| {
            (window.0..=window.1).contains(&call.entered_ns) && !spell::is_pause(call.number)
        };
        for called in seen[side].iter().filter(inside) {
            let Called { number, args, result, entered_ns, left_ns } = *called;
            // It was entered before the message was sent, and brought it: it waited for it.
            let slept = side == 1 && entered_ns < send.0 && left_ns > send.0;
            let mut calls = Inside::default();
            calls.enter(side, Entered { number, args, t_ns: entered_ns, cpu: 0, slept });
            let from = events.len();
            calls.leave(setup, side, result, left_ns, &mut events);
            // A tracer is not told the core.
            events[from..].iter_mut().for_each(|event| event.cpu = None);
        }
    }
    events.sort_by_key(|event| event.t_ns);
    without_empty_looks(events)
}
