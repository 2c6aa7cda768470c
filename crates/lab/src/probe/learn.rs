//! The place of the next message, learnt from a few messages before: the processes' buffers from
//! the arguments of their calls, shared memory by a search for the bytes, the kernel's memory from
//! its allocators' events while `send` runs.

use std::io;
use std::sync::atomic::AtomicBool;

use super::bench::{Bench, InstrumentFault, ProbeSetup};
use super::stream::{EventStream, SeenEvent, Want};
use super::touch::BytePlace;
use super::tracefs::{Tracefs, Tracepoint};
use super::{direct_map, pages, spell};
use crate::sys::maps::ProcessMapping;
use crate::sys::mark::Mark;
use crate::sys::perf::{PerfEvent, Whom};

/// Messages that are watched. An allocator that serves two cores hands out a dozen pieces in turn before it comes
/// back to the one that is watched.
pub(super) const WATCH: u64 = 64;
/// Messages from which the places of the next ones are learnt.
const LEARN: u64 = 6;
/// Which byte of the message: behind its number and its stamp.
const BYTE: u64 = 32;
/// Pages of each ring.
const PAGES: usize = 256;
/// Places in the kernel's memory that are tried.
const GUESSES: usize = 8;

/// Where the byte of the next messages will be.
#[derive(Debug)]
pub(super) struct Learnt {
    /// In the memory of the processes: the kind of place, the process, the address.
    pub(super) users: Vec<(BytePlace, usize, u64)>,
    /// Likely places in the kernel's memory, the likeliest first.
    pub(super) kernel: Vec<Guess>,
    /// For shared memory: how far the place moves with each message.
    pub(super) stride: u64,
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
    pub(super) fn after(self, messages: u64) -> u64 {
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
    fn call(&self, seen: &SeenEvent<Heard>) -> Option<(u64, [u64; 6])> {
        let number = |name, index| self.enter.number(&seen.sample.fields, name, index).map(|n| n as u64);
        let mut args = [0; 6];
        for (index, arg) in args.iter_mut().enumerate() {
            *arg = number("args", index)?;
        }
        Some((number("id", 0)?, args))
    }
}

/// Connects the two, lets them exchange a few messages, and learns from them.
pub(super) fn learn(
    bench: &mut Bench,
    setup: &ProbeSetup,
    tracefs: Option<&Tracefs>,
    stop: &AtomicBool,
) -> Result<Learnt, InstrumentFault> {
    let listening = tracefs.map(|tracefs| listen(bench, setup, tracefs)).transpose()?;
    let row = bench.connect(stop).and_then(|()| bench.send(LEARN, stop))?;
    let mut learnt = Learnt {
        users: vec![
            (BytePlace::SentMessage, 0, row.message_at[0] + BYTE),
            (BytePlace::ReceivedMessage, 1, row.message_at[1] + BYTE),
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
        // The kernel is given the message behind its frame header.
        let lead = len.saturating_sub(u64::from(setup.size_bytes));
        learnt.users.push((BytePlace::SendBuffer, 0, from + lead + BYTE));
        learnt.users.push((BytePlace::ReceiveBuffer, 1, to + lead + BYTE));
        let base = direct_map::beginning(tracefs)?;
        learnt.kernel = kernel_places(formats, &events, base, lead + BYTE);
    } else if let Some((places, stride)) = shared_places(bench)? {
        learnt.users.extend(places);
        learnt.stride = stride;
    }
    Ok(learnt)
}

/// Listens to the calls of both sides, and to what the kernel's allocators give while the sender is in one, from the
/// very first on: what they give is used again and again.
fn listen(bench: &Bench, setup: &ProbeSetup, tracefs: &Tracefs) -> io::Result<(EventStream<Heard>, Formats)> {
    let formats = Formats::read(tracefs)?;
    let [sender, receiver] = bench.pids();
    let want = |tracepoint: &Tracepoint, key, pid, only| Want {
        key,
        watched: PerfEvent::Tracepoint(tracepoint.id),
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
    let stream = EventStream::open(&wants, PAGES, false, true)?;
    stream.begin()?;
    Ok((stream, formats))
}

/// The buffer of the last call of `side` that had one, between the marks.
fn buffer_of(formats: &Formats, events: &[SeenEvent<Heard>], side: usize) -> Option<(u64, u64)> {
    let calls =
        events.iter().filter(|seen| seen.key == Heard::Enter(side)).filter_map(|seen| formats.call(seen));
    let inside = calls.skip_while(|(number, args)| Mark::of(*number, args) != Some(Mark::Begin));
    let inside = inside.take_while(|(number, args)| Mark::of(*number, args) != Some(Mark::End));
    inside.filter_map(|(number, args)| spell::buffer(number, &args)).last()
}

/// Where the kernel may put the message: on what it took while the sender was in a call that gives it one, the last
/// first. A page may be used from its beginning every time, or each message behind the one before.
fn kernel_places(formats: &Formats, events: &[SeenEvent<Heard>], base: u64, offset: u64) -> Vec<Guess> {
    let size = rustix::param::page_size() as u64;
    let number = |format: &Tracepoint, seen: &SeenEvent<Heard>, name| {
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
fn shared_places(bench: &Bench) -> io::Result<Option<(Vec<(BytePlace, usize, u64)>, u64)>> {
    let [sender, receiver] = bench.pids();
    let last = crate::workload::payload::words_of(LEARN - 1);
    let before = crate::workload::payload::words_of(LEARN - 2);
    let theirs = pages::shared_mappings(receiver)?;
    for mapping in pages::shared_mappings(sender)?.into_iter().filter(|mapping| mapping.writable) {
        // The same piece of the same file, in the other process.
        let Some(other) = theirs.iter().find(|other| {
            let len = |mapping: &ProcessMapping| mapping.at.end - mapping.at.start;
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
            vec![(BytePlace::SharedBySender, 0, next), (BytePlace::SharedByReceiver, 1, there)],
            stride,
        )));
    }
    Ok(None)
}
