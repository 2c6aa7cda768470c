//! A scan: the stream's events of a whole row, and the message in it that is shown.

use std::collections::BTreeMap;

use crate::probe::bench::{Bench, BenchRow, ProbeSetup};
use crate::probe::stream::SeenEvent;
use crate::probe::symbols;
use crate::probe::touch::{BytePlace, Life, touch};
use crate::probe::tracefs::Tracepoint;
use crate::probe::wire::Segment;
use crate::sys::perf::Sample;
use crate::trace::{Event, Side, What};

/// One message, looked through.
#[derive(Debug, Clone, PartialEq)]
pub struct Xray {
    /// The sender's and the receiver's process.
    pub pids: [u32; 2],
    /// The cores they were read back on.
    pub cores: Option<[usize; 2]>,
    /// The events; times are on CLOCK_MONOTONIC.
    pub events: Vec<Event>,
}

/// The kinds of events in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TraceKey {
    Enter,
    Leave,
    Waking,
    Switch,
    UserFault,
    KernelFault,
    Out,
    In,
    Byte(BytePlace),
}

/// A row that was looked at.
pub(super) struct Scan<'a> {
    pub(super) setup: &'a ProbeSetup,
    pub(super) formats: &'a BTreeMap<TraceKey, Tracepoint>,
    pub(super) events: &'a [SeenEvent<TraceKey>],
    pub(super) pids: [u32; 2],
    pub(super) cores: Option<[usize; 2]>,
    pub(super) row: &'a BenchRow,
    pub(super) segments: Vec<Segment>,
    /// The message in which the kernel's copy was met.
    pub(super) met: Option<usize>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        setup: &'a ProbeSetup,
        formats: &'a BTreeMap<TraceKey, Tracepoint>,
        events: &'a [SeenEvent<TraceKey>],
        bench: &Bench,
        row: &'a BenchRow,
        segments: Vec<Segment>,
    ) -> Scan<'a> {
        let pids = bench.pids();
        let lives = row.windows().map(|window| Life {
            window,
            touches: events
                .iter()
                .filter(|seen| (window.0..=window.1).contains(&seen.sample.t_ns))
                .filter_map(|seen| match seen.key {
                    TraceKey::Byte(place) => Some(touch(place, &seen.sample, &pids)),
                    _ => None,
                })
                .collect(),
        });
        let met = lives.enumerate().filter(|(_, life)| life.kernel_was_met()).map(|(place, _)| place).last();
        Scan { setup, formats, events, pids, cores: bench.cores(), row, segments, met }
    }

    /// A field of an event.
    pub(super) fn number(&self, seen: &SeenEvent<TraceKey>, name: &str) -> Option<i64> {
        self.formats.get(&seen.key)?.number(&seen.sample.fields, name, 0)
    }
}

/// The functions that led to an event, the innermost first.
pub(super) fn stack_of(sample: &Sample) -> String {
    sample.stack.iter().copied().map(symbols::name).collect::<Vec<_>>().join(" < ")
}

/// The side of one of the two processes.
pub(super) fn who(side: usize) -> Side {
    if side == 0 { Side::Sender } else { Side::Receiver }
}

/// Both calls of the message whose windows these are, as its first events.
pub(super) fn both_calls([send, recv]: [(u64, u64); 2]) -> Vec<Event> {
    vec![
        Event::new(recv.0, What::RecvBegin {}).by(Side::Receiver).of(0),
        Event::new(send.0, What::SendBegin { payload: None, bytes: None }).by(Side::Sender).of(0),
        Event::new(send.1, What::SendEnd {}).by(Side::Sender).of(0),
        Event::new(recv.1, What::received()).by(Side::Receiver).of(0),
    ]
}
