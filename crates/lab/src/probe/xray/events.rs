//! Each event of the stream in the story of one message: its actor, its words, and its step of the
//! scene.

use std::collections::BTreeMap;

use super::inside::{Entered, Inside};
use super::scan::{Scan, TraceKey, stack_of, who};
use crate::probe::spell;
use crate::probe::steps::{Sign, step};
use crate::probe::stream::SeenEvent;
use crate::probe::symbols;
use crate::probe::touch::{BytePlace, CopyPart, touch};
use crate::trace::{Event, Side, What};

/// Where the two are while the stream is read.
pub(super) struct Walk {
    /// The sender's and the receiver's call of the channel.
    pub(super) windows: [(u64, u64); 2],
    /// The system calls that they are in.
    pub(super) calls: Inside,
    /// Whether either has lost its core without going to sleep.
    pub(super) aside: [bool; 2],
    /// The part that each touch has in a copy, by its time and place.
    pub(super) parts: BTreeMap<(u64, BytePlace), CopyPart>,
}

impl Scan<'_> {
    /// What one event of the stream is, if it belongs to this message.
    pub(super) fn event(&self, seen: &SeenEvent<TraceKey>, walk: &mut Walk, events: &mut Vec<Event>) {
        let Walk { windows, calls, aside, parts } = walk;
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
            (TraceKey::Enter, Some(side)) => {
                let args = std::array::from_fn(|index| {
                    let format = self.formats.get(&TraceKey::Enter);
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
            (TraceKey::Leave, Some(side)) => {
                let result = self.number(seen, "ret").unwrap_or(0);
                calls.leave(self.setup, side, result, sample.t_ns, events);
            }
            (TraceKey::Waking, _) => {
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
            (TraceKey::Switch, _) => {
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
                            aside[side] = true;
                            let what = What::SwitchOut { function: function(), detail: detail() };
                            by(side, what, None).saying("is put aside, though it could go on")
                        }
                        (false, _) => {
                            let slept = !std::mem::take(&mut aside[side]);
                            let sign = slept.then_some(sign);
                            by(side, What::SwitchIn { function: None, detail: None }, sign)
                                .saying("runs again")
                        }
                    };
                    events.push(event);
                }
            }
            (TraceKey::UserFault | TraceKey::KernelFault, Some(side)) if inside(side) => {
                let what = What::Fault { function: function(), detail: detail() };
                events.push(by(side, what, None).saying("a page was not there yet"));
            }
            (TraceKey::Out, Some(side)) if inside(side) => {
                events.push(self.packet_out(seen, side));
            }
            (TraceKey::In, Some(side)) if inside(side) => {
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
            (TraceKey::Byte(place), Some(side)) if inside(side) => {
                let part = parts.get(&(sample.t_ns, place)).copied();
                events.push(self.touched(place, seen, side, part, by));
            }
            (TraceKey::Byte(place), None) if inside(0) || inside(1) => {
                let (what, _) = touch(place, sample, &self.pids).event(None, None);
                let text = format!("another task touches {}", place.words());
                events.push(Event::new(sample.t_ns, what).by(Side::Kernel).of(0).saying(text));
            }
            _ => {}
        }
    }

    fn touched(
        &self,
        place: BytePlace,
        seen: &SeenEvent<TraceKey>,
        side: usize,
        part: Option<CopyPart>,
        by: impl Fn(usize, What, Option<Sign<'_>>) -> Event,
    ) -> Event {
        let touched = touch(place, &seen.sample, &self.pids);
        let step = touched.step(self.setup.kind.scene()).map(Into::into);
        let bytes = touched.by_kernel().then(|| u64::from(self.setup.size_bytes));
        let (what, text) = touched.event(part, bytes);
        Event { step, ..by(side, what, None).saying(text) }
    }
}
