//! Packets: which segment each one is that goes out, by the tap on the wire, and the acknowledgement that comes back.

use super::scan::{Scan, TraceKey, stack_of, who};
use crate::probe::steps::{Sign, step};
use crate::probe::stream::SeenEvent;
use crate::probe::symbols;
use crate::probe::wire::Segment;
use crate::trace::{Event, Side, What};

/// The tap is given a packet as it comes in, just after it went out: at most this many nanoseconds
/// later, under all instruments. It may seem earlier by no more than the uncertainty of the clocks'
/// difference.
const AFTER_NS: u64 = 300_000;
const BEFORE_NS: u64 = 5_000;

impl Scan<'_> {
    /// What the tap says of a packet that goes out; `None` where there is no tap.
    fn segment_of(&self, seen: &SeenEvent<TraceKey>) -> Option<&Segment> {
        let t_ns = seen.sample.t_ns;
        let near = |segment: &&Segment| {
            (t_ns.saturating_sub(BEFORE_NS)..=t_ns + AFTER_NS).contains(&segment.t_ns)
                && (segment.bytes > 0) == self.carries(seen)
        };
        self.segments.iter().filter(near).min_by_key(|segment| segment.t_ns.abs_diff(t_ns))
    }

    /// Whether a packet has the message in it: it is longer than its headers.
    pub(super) fn carries(&self, seen: &SeenEvent<TraceKey>) -> bool {
        match self.number(seen, "data_len") {
            Some(bytes) => bytes > 0,
            None => self.number(seen, "len").is_some_and(|len| len > i64::from(self.setup.size_bytes)),
        }
    }

    /// A packet goes out, while `side` runs.
    pub(super) fn packet_out(&self, seen: &SeenEvent<TraceKey>, side: usize) -> Event {
        let (what, sign) = match self.carries(seen) {
            true => ("a segment with the message goes out", Sign::Numbered),
            false => ("an acknowledgement goes out", Sign::Acknowledged),
        };
        let numbers = self.segment_of(seen).map_or_else(|| "numbers not seen".into(), Segment::words);
        let found = step(self.setup.kind.scene(), side, sign).map(Into::into);
        let text = format!("{what}: {numbers}; {}", self.checksum(seen));
        Event { step: found, ..self.packet(seen, side).saying(text) }
    }

    fn packet(&self, seen: &SeenEvent<TraceKey>, side: usize) -> Event {
        let function = seen.sample.stack.get(1).copied().map(symbols::name);
        let what =
            What::Packet { function, detail: Some(stack_of(&seen.sample)).filter(|stack| !stack.is_empty()) };
        Event { cpu: Some(seen.sample.cpu), ..Event::new(seen.sample.t_ns, what).by(who(side)).of(0) }
    }

    fn checksum(&self, seen: &SeenEvent<TraceKey>) -> &'static str {
        /// The kernel's name for a checksum that is left to the device: only what precedes the data is summed.
        const PARTIAL: i64 = 3;
        match self.number(seen, "ip_summed") {
            Some(PARTIAL) => "the checksum is left to the device, and loopback computes none",
            _ => "the checksum was computed",
        }
    }

    /// The acknowledgement of this message, if it goes out when both are back from their calls: with a later message, or by
    /// a timer.
    pub(super) fn acknowledgement(&self, windows: &[(u64, u64); 2]) -> Option<Event> {
        let out = || self.events.iter().filter(|seen| seen.key == TraceKey::Out);
        let side_of = |seen: &SeenEvent<TraceKey>| self.pids.iter().position(|&pid| pid == seen.sample.tid);
        let inside = |seen: &SeenEvent<TraceKey>| {
            let t_ns = seen.sample.t_ns;
            side_of(seen).is_some_and(|side| (windows[side].0..=windows[side].1).contains(&t_ns))
        };
        let told = || out().filter(|seen| inside(seen)).filter_map(|seen| self.segment_of(seen));
        let data = told().rfind(|segment| segment.bytes > 0)?;
        let back = self.segments.iter().find(|back| back.t_ns >= data.t_ns && back.acknowledges(data))?;
        if told().any(|segment| segment == back) {
            return None;
        }
        let found = step(self.setup.kind.scene(), 1, Sign::Acknowledged).map(Into::into);
        let event = match out().find(|seen| self.segment_of(seen) == Some(back)) {
            Some(seen) => {
                let text = format!("the acknowledgement goes out: {}; {}", back.words(), self.checksum(seen));
                self.packet(seen, side_of(seen)?).saying(text)
            }
            None => {
                let what = What::Packet { function: None, detail: None };
                let text = format!("the acknowledgement goes out, by a timer: {}", back.words());
                Event::new(back.t_ns, what).by(Side::Kernel).of(0).saying(text)
            }
        };
        Some(Event { step: found, ..event })
    }
}
