//! One message's journey, read from the stream of a whole row.

use super::events::Walk;
use super::inside::Inside;
use super::looks::without_empty_looks;
use super::scan::{Scan, TraceKey, Xray, both_calls};
use crate::probe::stream::SeenEvent;
use crate::probe::touch::{BytePlace, Life, Touch, copy_parts, touch};
use crate::scene::Scene;
use crate::trace::{Basis, Event, Tone, What};

impl Scan<'_> {
    /// The journey of one message: from its receiver's call to both being back from theirs.
    pub(super) fn xray(&self, lost: bool) -> Xray {
        let index = self.met.unwrap_or(self.row.sends.len().saturating_sub(1));
        let (Some(&send), Some(&recv)) = (self.row.sends.get(index), self.row.recvs.get(index)) else {
            return Xray { pids: self.pids, cores: self.cores, events: Vec::new() };
        };
        let windows = [send, recv];
        let mut events = both_calls(windows);
        let touches = self.touches((recv.0.min(send.0), send.1.max(recv.1)));
        let parts = touches.iter().zip(copy_parts(&touches));
        let parts = parts.filter_map(|(touch, part)| Some(((touch.t_ns, touch.place), part?))).collect();
        let mut walk = Walk { windows, calls: Inside::default(), aside: [false; 2], parts };
        for seen in self.events {
            self.event(seen, &mut walk, &mut events);
        }
        events.extend(self.acknowledgement(&windows));
        let end = send.1.max(recv.1);
        for side in 0..2 {
            walk.calls.left_open(self.setup, side, end, &mut events);
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

    /// Every touch of the byte within a window.
    fn touches(&self, window: (u64, u64)) -> Vec<Touch> {
        let inside = self.events.iter().filter(|seen| (window.0..=window.1).contains(&seen.sample.t_ns));
        let of = |seen: &SeenEvent<TraceKey>| match seen.key {
            TraceKey::Byte(place) => Some(touch(place, &seen.sample, &self.pids)),
            _ => None,
        };
        inside.filter_map(of).collect()
    }

    /// How often the message was copied, beside what textbooks say.
    fn copies(&self, index: usize, end: u64) -> Vec<Event> {
        let Some(&send) = self.row.sends.get(index) else { return Vec::new() };
        let window = (send.0, end);
        let life = Life { window, touches: self.touches(window) };
        let row = |name: &str, count: String| vec![name.to_owned(), count];
        let mut rows: Vec<Vec<String>> = [BytePlace::SendBuffer, BytePlace::Kernel, BytePlace::ReceiveBuffer]
            .into_iter()
            .filter(|&place| life.kernel_touches(place) > 0)
            .map(|place| {
                row(
                    &format!("touches by the kernel of {}", place.words()),
                    life.kernel_touches(place).to_string(),
                )
            })
            .collect();
        let whole = self.met.is_some() || life.kernel_touches(BytePlace::SendBuffer) == 0;
        let count = life.kernel_copies();
        let count = if whole { count.to_string() } else { format!("at least {count}") };
        rows.push(row("copies by the kernel, counted", count));
        rows.push(row("copies, as textbooks say", Scene::of(self.setup.kind).quoted.copies));
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
