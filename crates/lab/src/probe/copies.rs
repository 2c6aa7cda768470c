//! The copy proof: hardware watchpoints on one byte of the message, wherever it is.
//!
//! The processor has registers that stop it, for a moment, after any instruction that touched a byte. One is set on
//! the byte in the sender's memory, one in the receiver's, and one on the kernel's own copy: then every instruction
//! that reads or writes that byte is known, with the function it stands in. A copy reads the byte in one place and
//! writes it in another. So two copies touch the kernel's byte twice, once to write and once to read it; a third
//! would have touched it once more.
//!
//! Where the message will be is learnt from a few messages before: the processes' buffers from the arguments of
//! their calls, shared memory by looking for the bytes, the kernel's memory from what its allocators tell while
//! `send` runs. It is a forecast: only messages in which it came true count, and they are told.

use std::io;
use std::sync::atomic::AtomicBool;

use super::bench::{Bench, ProbeError, Row, Setup};
use super::counters::cores;
use super::stream::{Seen, Stream, Want};
use super::symbols::Symbols;
use super::tracefs::{Tracefs, Tracepoint};
use super::{direct_map, pages, spell, symbols};
use crate::sys::mark::Mark;
use crate::sys::perf::{Sample, Watched, Whom};

/// Messages from which is learnt where the next ones will be.
const LEARN: u64 = 6;
/// Messages that are watched. An allocator that serves two cores hands out a dozen pieces in turn before it comes
/// back to the one that is watched.
const WATCH: u64 = 64;
/// Messages that are kept.
const KEEP: usize = 8;
/// Which byte of the message: behind its number and its stamp.
const BYTE: u64 = 32;
/// The shortest message that has such a byte.
pub const LEAST_BYTES: u32 = 40;
/// Pages of each ring.
const PAGES: usize = 256;
/// Places in the kernel's memory that are tried.
const GUESSES: usize = 8;

/// Where a byte of the message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// In the memory that the sender gives to `send`.
    SentMessage,
    /// In the sender's memory from which the kernel is asked to take it.
    SendBuffer,
    /// In the kernel's memory.
    Kernel,
    /// In memory that both have mapped, by the sender's address.
    SharedBySender,
    /// … by the receiver's address.
    SharedByReceiver,
    /// In the receiver's memory to which the kernel is asked to put it.
    ReceiveBuffer,
    /// In the memory that the receiver gives to `recv`.
    ReceivedMessage,
}

impl Place {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Place::SentMessage => "the sender's message",
            Place::SendBuffer => "the sender's buffer",
            Place::Kernel => "the kernel's copy",
            Place::SharedBySender => "shared memory, the sender's mapping",
            Place::SharedByReceiver => "shared memory, the receiver's mapping",
            Place::ReceiveBuffer => "the receiver's buffer",
            Place::ReceivedMessage => "the receiver's message",
        }
    }
}

/// One instruction that touched the byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// Where the byte was.
    pub place: Place,
    /// Who ran: 0 the sender, 1 the receiver, `None` anybody else.
    pub side: Option<usize>,
    /// When, on CLOCK_MONOTONIC.
    pub t_ns: u64,
    /// The core.
    pub cpu: u32,
    /// The kernel's function; `None` when it was the program itself.
    pub function: Option<String>,
    /// The functions that led to it, the innermost first.
    pub stack: Vec<String>,
}

impl Touch {
    /// Whether the kernel did it.
    pub fn by_kernel(&self) -> bool {
        self.function.is_some()
    }
}

/// All touches of one message's byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// From just before `send` to just after `recv`, on CLOCK_MONOTONIC.
    pub window: (u64, u64),
    /// In order of time.
    pub touches: Vec<Touch>,
}

impl Life {
    /// How often the kernel touched the byte there.
    pub fn kernel_touches(&self, place: Place) -> usize {
        self.touches.iter().filter(|touch| touch.place == place && touch.by_kernel()).count()
    }

    /// Whether the forecast of the kernel's address came true: the very copies that read the sender's buffer and wrote
    /// the receiver's have touched it.
    pub(super) fn kernel_was_met(&self) -> bool {
        let of = |place| self.touches.iter().filter(move |touch| touch.place == place && touch.by_kernel());
        let met = |buffer| of(buffer).all(|user| of(Place::Kernel).any(|own| own.stack == user.stack));
        self.kernel_touches(Place::SendBuffer) > 0 && met(Place::SendBuffer) && met(Place::ReceiveBuffer)
    }

    /// Copies by the kernel: between its memory and the processes', and within its own.
    pub(super) fn kernel_copies(&self) -> usize {
        let across = self.kernel_touches(Place::SendBuffer) + self.kernel_touches(Place::ReceiveBuffer);
        across.max(self.kernel_touches(Place::Kernel))
    }
}

/// What the watchpoints proved.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// The messages in which every watchpoint was where the byte was.
    pub lives: Vec<Life>,
    /// Whether the kernel's own copy was among the places; of shared memory there is none.
    pub whole: bool,
    /// The places that were watched.
    pub places: Vec<(Place, u64)>,
    /// From `send` to `recv` under the watchpoints, the median.
    pub flight_ns_p50: Option<u64>,
    /// The two processes.
    pub pids: [u32; 2],
    /// The cores they were read back on.
    pub cores: Option<[usize; 2]>,
}

impl Proof {
    /// Copies by the kernel of all those messages.
    pub fn copies(&self) -> Option<u64> {
        let copies: usize = self.lives.iter().map(Life::kernel_copies).sum();
        (!self.lives.is_empty()).then_some(copies as u64)
    }

    /// Copies by the kernel for each message, on average.
    pub fn copies_per_message(&self) -> Option<f64> {
        Some(self.copies()? as f64 / self.lives.len() as f64)
    }
}

/// Watches one byte of a few messages over a connection of its own. Without `tracefs` only what the processes do
/// themselves is seen, which takes no privilege.
///
/// # Errors
/// [`io::Error`] when the kernel does not let us watch. Inside, as [`Bench::send`].
pub fn prove(
    setup: &Setup,
    tracefs: Option<&Tracefs>,
    stop: &AtomicBool,
) -> io::Result<Result<Proof, ProbeError>> {
    let _held = Symbols::kernel();
    let mut aim = match Aim::take(setup, tracefs, stop)? {
        Ok(aim) => aim,
        Err(error) => return Ok(Err(error)),
    };
    let mut best: Option<Proof> = None;
    for guess in aim.guesses() {
        let watched = match aim.watch(guess, stop)? {
            Ok(watched) => watched,
            Err(error) => return Ok(Err(error)),
        };
        if watched.whole {
            return Ok(Ok(watched));
        }
        best = best.or(Some(watched));
    }
    best.map(Ok).ok_or_else(|| io::Error::other("nothing was watched"))
}

/// Where the byte of the next messages will be.
#[derive(Debug)]
struct Learnt {
    users: Vec<(Place, usize, u64)>,
    /// Likely places in the kernel's memory, the likeliest first.
    kernel: Vec<Guess>,
    /// For shared memory: how far the place moves with each message.
    stride: u64,
}

/// A bench, and where on it the byte of the next message will be.
#[derive(Debug)]
pub(super) struct Aim {
    bench: Bench,
    learnt: Learnt,
    privileged: bool,
    /// Messages since it was learnt where they are.
    sent: u64,
}

impl Aim {
    /// Starts the two, lets them exchange a few messages, and learns from them.
    pub(super) fn take(
        setup: &Setup,
        tracefs: Option<&Tracefs>,
        stop: &AtomicBool,
    ) -> io::Result<Result<Aim, ProbeError>> {
        let mut bench = match Bench::start_apart(setup, stop) {
            Ok(bench) => bench,
            Err(error) => return Ok(Err(error)),
        };
        let learnt = learn(&mut bench, setup, tracefs, stop)?;
        Ok(learnt.map(|learnt| Aim { bench, learnt, privileged: tracefs.is_some(), sent: 0 }))
    }

    /// The bench.
    pub(super) fn bench(&self) -> &Bench {
        &self.bench
    }

    /// Where the kernel's copy may be; one `None` where it has none.
    pub(super) fn guesses(&self) -> Vec<Option<Guess>> {
        match self.learnt.kernel.is_empty() {
            true => vec![None],
            false => self.learnt.kernel.iter().copied().map(Some).collect(),
        }
    }

    /// How many messages are watched at once: in a ring the place moves on with each.
    fn messages(&self) -> u64 {
        if self.learnt.stride == 0 { WATCH } else { 1 }
    }

    /// The places of the byte in the next row.
    fn places(&self, guess: Option<Guess>) -> Vec<(Place, Option<usize>, u64)> {
        let moved = |place, address| match place {
            Place::SharedBySender | Place::SharedByReceiver => address + self.learnt.stride * self.sent,
            _ => address,
        };
        let users = self.learnt.users.iter();
        let users = users.map(|&(place, side, address)| (place, Some(side), moved(place, address)));
        let kernel = guess.map(|guess| (Place::Kernel, None, guess.after(self.sent)));
        users.chain(kernel).collect()
    }

    /// What is wanted of a stream to see every touch of the byte in the next row, each named by `key`.
    pub(super) fn wants<K>(&self, guess: Option<Guess>, key: impl Fn(Place) -> K) -> Vec<Want<K>> {
        let pids = self.bench.pids();
        let mut wants = Vec::new();
        for (place, side, address) in self.places(guess) {
            let whom = match side {
                Some(side) => vec![Whom::Thread(pids[side])],
                // Whoever touches it, on any core on which the two may run.
                None => cores(&self.bench).into_iter().map(Whom::Core).collect(),
            };
            let watched = Watched::Byte { address, reads: true };
            wants.extend(whom.into_iter().map(|whom| Want { key: key(place), watched, whom, only: None }));
        }
        wants
    }

    /// Sends the row.
    pub(super) fn send(&mut self, stop: &AtomicBool) -> Result<Row, ProbeError> {
        let messages = self.messages();
        self.sent += messages;
        self.bench.send_with_times(messages, stop)
    }

    /// Watches a row.
    fn watch(&mut self, guess: Option<Guess>, stop: &AtomicBool) -> io::Result<Result<Proof, ProbeError>> {
        let mut places: Vec<(Place, u64)> =
            self.places(guess).into_iter().map(|(place, _, address)| (place, address)).collect();
        places.sort_unstable();
        let mut stream =
            Stream::open(&self.wants(guess, |place| place), PAGES, self.privileged, self.privileged)?;
        stream.begin()?;
        let row = match self.send(stop) {
            Ok(row) => row,
            Err(error) => return Ok(Err(error)),
        };
        let told = stream.end()?;
        let pids = self.bench.pids();
        let lives = row.windows().map(|window| {
            let inside = told.events.iter().filter(|seen| (window.0..=window.1).contains(&seen.sample.t_ns));
            Life { window, touches: inside.map(|seen| touch(seen.key, &seen.sample, &pids)).collect() }
        });
        let lives: Vec<Life> = lives.collect();
        let met: Vec<Life> = lives.iter().filter(|life| life.kernel_was_met()).cloned().collect();
        let whole = guess.is_none() || !met.is_empty();
        let mut lives = if guess.is_some() && whole { met } else { lives };
        lives.truncate(KEEP);
        let cores = self.bench.cores();
        Ok(Ok(Proof { lives, whole, places, flight_ns_p50: row.flight_ns_p50, pids, cores }))
    }
}

/// Where the kernel may put the byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guess {
    /// Of the first message after those that were learnt from.
    address: u64,
    /// How far it moves with each message.
    stride: u64,
}

impl Guess {
    /// The place to watch when `messages` more have been sent: one that moves comes by it a little later.
    fn after(self, messages: u64) -> u64 {
        self.address + self.stride * (messages + WATCH / 4)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Enter(usize),
    Leave,
    Page,
    Piece,
    CachedPiece,
}

struct Formats {
    enter: Tracepoint,
    leave: Tracepoint,
    page: Tracepoint,
    piece: Tracepoint,
    cached: Tracepoint,
}

impl Formats {
    fn read(tracefs: &Tracefs) -> io::Result<Formats> {
        Ok(Formats {
            enter: tracefs.tracepoint("raw_syscalls/sys_enter")?,
            leave: tracefs.tracepoint("raw_syscalls/sys_exit")?,
            page: tracefs.tracepoint("kmem/mm_page_alloc")?,
            piece: tracefs.tracepoint("kmem/kmalloc")?,
            cached: tracefs.tracepoint("kmem/kmem_cache_alloc")?,
        })
    }

    /// The number and arguments of a call.
    fn call(&self, seen: &Seen<Heard>) -> Option<(u64, [u64; 6])> {
        let number = |name, index| self.enter.number(&seen.sample.fields, name, index).map(|n| n as u64);
        let mut args = [0; 6];
        for (index, arg) in args.iter_mut().enumerate() {
            *arg = number("args", index)?;
        }
        Some((number("id", 0)?, args))
    }
}

fn learn(
    bench: &mut Bench,
    setup: &Setup,
    tracefs: Option<&Tracefs>,
    stop: &AtomicBool,
) -> io::Result<Result<Learnt, ProbeError>> {
    let listening = tracefs.map(|tracefs| listen(bench, setup, tracefs)).transpose()?;
    let row = match bench.connect(stop).and_then(|()| bench.send(LEARN, stop)) {
        Ok(row) => row,
        Err(error) => return Ok(Err(error)),
    };
    let mut learnt = Learnt {
        users: vec![
            (Place::SentMessage, 0, row.message_at[0] + BYTE),
            (Place::ReceivedMessage, 1, row.message_at[1] + BYTE),
        ],
        kernel: Vec::new(),
        stride: 0,
    };
    let (events, formats) = match listening {
        Some((mut stream, formats)) => (stream.end()?.events, Some(formats)),
        None => (Vec::new(), None),
    };
    let buffers = |side| formats.as_ref().and_then(|formats| buffer_of(formats, &events, side));
    if let (Some((from, len)), Some((to, _))) = (buffers(0), buffers(1))
        && let (Some(formats), Some(tracefs)) = (&formats, tracefs)
    {
        // What the kernel is given is the message, and what the library puts before it.
        let lead = len.saturating_sub(u64::from(setup.size_bytes));
        learnt.users.push((Place::SendBuffer, 0, from + lead + BYTE));
        learnt.users.push((Place::ReceiveBuffer, 1, to + lead + BYTE));
        let base = direct_map::beginning(tracefs)?;
        learnt.kernel = kernel_places(formats, &events, base, lead + BYTE);
    } else if let Some((places, stride)) = shared_places(bench)? {
        learnt.users.extend(places);
        learnt.stride = stride;
    }
    Ok(Ok(learnt))
}

/// Listens to the calls of both sides, and to what the kernel's allocators give while the sender is in one, from the
/// very first on: what they give is used again and again.
fn listen(bench: &Bench, setup: &Setup, tracefs: &Tracefs) -> io::Result<(Stream<Heard>, Formats)> {
    let formats = Formats::read(tracefs)?;
    let [sender, receiver] = bench.pids();
    let want = |tracepoint: &Tracepoint, key, pid, only| Want {
        key,
        watched: Watched::Tracepoint(tracepoint.id),
        whom: Whom::Thread(pid),
        only,
    };
    // Only what is long enough to hold the message.
    let enough = || Some(format!("bytes_req >= {}", setup.size_bytes));
    let wants = [
        want(&formats.enter, Heard::Enter(0), sender, None),
        want(&formats.enter, Heard::Enter(1), receiver, None),
        want(&formats.leave, Heard::Leave, sender, None),
        want(&formats.page, Heard::Page, sender, None),
        want(&formats.piece, Heard::Piece, sender, enough()),
        want(&formats.cached, Heard::CachedPiece, sender, enough()),
    ];
    let stream = Stream::open(&wants, PAGES, false, true)?;
    stream.begin()?;
    Ok((stream, formats))
}

/// The buffer of the last call of `side` that had one, between the marks.
fn buffer_of(formats: &Formats, events: &[Seen<Heard>], side: usize) -> Option<(u64, u64)> {
    let calls =
        events.iter().filter(|seen| seen.key == Heard::Enter(side)).filter_map(|seen| formats.call(seen));
    let inside = calls.skip_while(|(number, args)| Mark::of(*number, args) != Some(Mark::Begin));
    let inside = inside.take_while(|(number, args)| Mark::of(*number, args) != Some(Mark::End));
    inside.filter_map(|(number, args)| spell::buffer(number, &args)).last()
}

/// Where the kernel may put the message: on what it took while the sender was in a call that gives it one, the last
/// first. A page may be used from its beginning every time, or each message behind the one before.
fn kernel_places(formats: &Formats, events: &[Seen<Heard>], base: u64, offset: u64) -> Vec<Guess> {
    let size = rustix::param::page_size() as u64;
    let number = |format: &Tracepoint, seen: &Seen<Heard>, name| {
        format.number(&seen.sample.fields, name, 0).map(|number| number as u64)
    };
    // Of the call that the sender is in, if it gives something: how many bytes.
    let mut gives = None;
    let mut frame = 0;
    // With how many bytes were given since.
    let mut pages: Vec<(u64, u64)> = Vec::new();
    let mut pieces = Vec::new();
    for seen in events {
        match seen.key {
            Heard::Enter(0) => gives = formats.call(seen).and_then(|(call, args)| spell::gives(call, &args)),
            Heard::Leave => {
                pages.iter_mut().for_each(|(_, since)| *since += gives.unwrap_or(0));
                frame = gives.take().unwrap_or(frame);
            }
            Heard::Page if gives.is_some() => {
                pages.extend(number(&formats.page, seen, "pfn").map(|pfn| (base + pfn * size, 0)));
            }
            Heard::Piece if gives.is_some() => pieces.extend(number(&formats.piece, seen, "ptr")),
            Heard::CachedPiece if gives.is_some() => pieces.extend(number(&formats.cached, seen, "ptr")),
            _ => {}
        }
    }
    let page = |&(page, since): &(u64, u64)| {
        [(page, 0), (page + since, frame)].map(|(at, stride)| Guess { address: at + offset, stride })
    };
    let pages = pages.iter().rev().take(GUESSES / 4).flat_map(page);
    let pieces = pieces.into_iter().rev().map(|piece| Guess { address: piece + offset, stride: 0 });
    let mut likely: Vec<Guess> = Vec::new();
    for guess in pages.chain(pieces) {
        if !likely.contains(&guess) {
            likely.push(guess);
        }
    }
    likely.truncate(GUESSES);
    likely
}

/// Where the next message will be in memory that both have mapped: the last one is looked for, and the one before
/// it.
#[allow(clippy::type_complexity)]
fn shared_places(bench: &Bench) -> io::Result<Option<(Vec<(Place, usize, u64)>, u64)>> {
    let [sender, receiver] = bench.pids();
    let last = crate::workload::payload::words_of(LEARN - 1);
    let before = crate::workload::payload::words_of(LEARN - 2);
    let theirs = pages::shared_mappings(receiver)?;
    for mapping in pages::shared_mappings(sender)?.into_iter().filter(|mapping| mapping.writable) {
        // The same piece of the same file, in the other process.
        let Some(other) = theirs.iter().find(|other| {
            let len = |mapping: &pages::Mapping| mapping.at.end - mapping.at.start;
            other.file == mapping.file && other.offset == mapping.offset && len(other) == len(&mapping)
        }) else {
            continue;
        };
        let (Some(at), Some(earlier)) =
            (pages::find(sender, &mapping, &last)?, pages::find(sender, &mapping, &before)?)
        else {
            continue;
        };
        // The words that were looked for stand behind the number and the stamp.
        let stride = at.wrapping_sub(earlier);
        let next = at + stride - 16 + BYTE;
        let there = next - mapping.at.start + other.at.start;
        return Ok(Some((
            vec![(Place::SharedBySender, 0, next), (Place::SharedByReceiver, 1, there)],
            stride,
        )));
    }
    Ok(None)
}

/// A touch, with the kernel's functions by name.
pub(super) fn touch(place: Place, sample: &Sample, pids: &[u32; 2]) -> Touch {
    let in_kernel = sample.ip >> 63 == 1;
    Touch {
        place,
        side: pids.iter().position(|&pid| pid == sample.tid),
        t_ns: sample.t_ns,
        cpu: sample.cpu,
        function: in_kernel.then(|| symbols::name(sample.ip)),
        stack: if in_kernel { sample.stack.iter().copied().map(symbols::name).collect() } else { Vec::new() },
    }
}
