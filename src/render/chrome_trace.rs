//! A trace in Chrome's trace event format, which Perfetto and chrome://tracing open: a track for each thread, its calls as slices,
//! and an arrow from the call that wrote a message to the one that read its last byte.

use std::collections::{BTreeMap, HashMap};

use lab::trace::{Event, Process, Side, Trace, What};
use serde_json::{Value, json};

use super::foreign;

/// The track of what the kernel did on behalf of either: no process has this number.
const KERNEL: u32 = 0;

/// A thread: its process and itself.
type Track = (u32, u32);

/// A slice that is open, or closed: when it began, and when it ended.
#[derive(Debug, Clone, Copy)]
struct CallSlice {
    track: Track,
    began_ns: u64,
    ended_ns: u64,
}

/// The traces of a file. A later one begins as long after the first as it was recorded.
pub(crate) fn text(traces: &[Trace]) -> String {
    let mut made = ChromeEvents::default();
    let first = traces.first().map_or(0, |trace| trace.header.started_unix_ms);
    for trace in traces {
        let later_ms = trace.header.started_unix_ms.saturating_sub(first);
        made.add(trace, later_ms.saturating_mul(1_000_000));
    }
    let about: Vec<Value> = traces
        .iter()
        .map(|Trace { header, .. }| {
            json!({
                "mechanism": header.scene.title,
                "channel": header.channel,
                "wait": header.wait,
                "placement": header.placement,
                "clock": header.clock,
                "started_unix_ms": header.started_unix_ms,
                "machine": header.machine,
            })
        })
        .collect();
    let whole =
        json!({ "traceEvents": made.finish(), "displayTimeUnit": "ns", "otherData": { "ipcscope": about } });
    foreign::json(whole.to_string() + "\n")
}

/// The events, as they are made.
#[derive(Debug, Default)]
struct ChromeEvents {
    events: Vec<Value>,
    names: BTreeMap<Track, String>,
    arrows: u64,
}

impl ChromeEvents {
    fn add(&mut self, trace: &Trace, later_ns: u64) {
        let header = &trace.header;
        let mut processes = &header.processes;
        let mut messages = MessageCalls::default();
        // A call in which its process slept is told when it was entered, and again when it returned.
        let mut entered: HashMap<Track, String> = HashMap::new();
        for event in &trace.events {
            let at_ns = event.t_ns.saturating_add(later_ns);
            match &event.what {
                What::Processes { processes: others } => {
                    self.arrows(&messages);
                    messages = MessageCalls::default();
                    processes = others;
                }
                What::ExperimentEnd { .. } => processes = &header.processes,
                _ => {}
            }
            let Some(side) = event.side else { continue };
            let track = self.track(processes, side, event);
            match &event.what {
                What::Syscall { name, duration_ns: None, .. } => {
                    entered.insert(track, name.clone());
                }
                What::Syscall { name, args, result, duration_ns: Some(duration_ns) } => {
                    let was_told = entered.remove(&track).as_ref() == Some(name);
                    let began_ns = if was_told { at_ns.saturating_sub(*duration_ns) } else { at_ns };
                    let slice =
                        CallSlice { track, began_ns, ended_ns: began_ns.saturating_add(*duration_ns) };
                    let args = json!({ "args": args, "result": result, "message": event.message });
                    self.slice(name, "syscall", slice, args);
                }
                What::SendBegin { bytes, payload } => {
                    let details = json!({ "bytes": bytes, "payload": payload });
                    messages.begin(event, track, at_ns, true, details);
                }
                What::RecvBegin {} => messages.begin(event, track, at_ns, false, Value::Null),
                What::SendEnd {} | What::RecvEnd { .. } | What::Failed { .. } => {
                    let sends = match &event.what {
                        What::Failed { call, .. } => *call == lab::trace::Call::Send,
                        what => matches!(what, What::SendEnd {}),
                    };
                    let arrived = !matches!(event.what, What::Failed { .. });
                    let Some((slice, details)) = messages.end(event, track, at_ns, sends, arrived) else {
                        continue;
                    };
                    // Of a program that was only watched the system call is all there is, and it has a slice.
                    if header.channel.is_none() {
                        let name = if sends { "send" } else { "recv" };
                        let args = json!({ "message": event.message, "sent": details });
                        self.slice(name, "channel", slice, args);
                    }
                }
                What::Copy { function, .. } => self.instant(function, "copy", track, at_ns, event),
                What::Wake { .. } => self.instant("wake", "kernel", track, at_ns, event),
                What::SwitchIn { .. } => self.instant("gets a core", "kernel", track, at_ns, event),
                What::SwitchOut { .. } => self.instant("gives up its core", "kernel", track, at_ns, event),
                What::Fault { .. } => self.instant("page fault", "kernel", track, at_ns, event),
                What::Packet { .. } => self.instant("packet", "kernel", track, at_ns, event),
                What::Died { .. } => self.instant("died", "process", track, at_ns, event),
                _ => {}
            }
        }
        self.arrows(&messages);
    }

    /// The track of an event, which is given its names.
    fn track(&mut self, processes: &[Process; 2], side: Side, event: &Event) -> Track {
        let named = processes.iter().find(|process| process.actor == side);
        let pid = event.pid.or(named.map(|process| process.pid)).unwrap_or(KERNEL);
        let track = (pid, event.thread.unwrap_or(pid));
        self.names.entry(track).or_insert_with(|| match named {
            None => "kernel".into(),
            Some(process) if process.pid == pid => {
                let name = process.name.as_deref().unwrap_or("ipcscope");
                format!("{name} ({})", side.name())
            }
            Some(_) => side.name().into(),
        });
        track
    }

    fn slice(&mut self, name: &str, category: &str, slice: CallSlice, args: Value) {
        let CallSlice { track: (pid, tid), began_ns, ended_ns } = slice;
        self.events.push(json!({
            "ph": "X", "name": name, "cat": category, "pid": pid, "tid": tid,
            "ts": microseconds(began_ns), "dur": microseconds(ended_ns - began_ns), "args": args,
        }));
    }

    fn instant(&mut self, name: &str, category: &str, (pid, tid): Track, at_ns: u64, event: &Event) {
        let args =
            json!({ "message": event.message, "step": event.step, "cpu": event.cpu, "text": event.text });
        self.events.push(json!({
            "ph": "i", "s": "t", "name": name, "cat": category, "pid": pid, "tid": tid,
            "ts": microseconds(at_ns), "args": args,
        }));
    }

    /// An arrow for each message that arrived. Each end stands within its slice: at the end of a slice it would be in none.
    fn arrows(&mut self, messages: &MessageCalls) {
        for (send, recv) in messages.joined() {
            self.arrows += 1;
            let mut end = |ph: &str, slice: &CallSlice, at_ns: u64| {
                let (pid, tid) = slice.track;
                let mut arrow = json!({
                    "ph": ph, "id": self.arrows, "name": "message", "cat": "message", "pid": pid, "tid": tid,
                    "ts": microseconds(at_ns),
                });
                if ph == "f" {
                    arrow["bp"] = "e".into();
                }
                self.events.push(arrow);
            };
            end("s", send, send.began_ns);
            end("f", recv, recv.ended_ns.saturating_sub(1).max(recv.began_ns));
        }
    }

    fn finish(self) -> Vec<Value> {
        let named = |what: &str, (pid, tid): &Track, name: &str| json!({ "ph": "M", "name": what, "pid": pid, "tid": tid, "args": { "name": name } });
        let mut events = Vec::new();
        let mut last = None;
        for (track, name) in &self.names {
            if last != Some(track.0) {
                events.push(named("process_name", track, name));
            }
            last = Some(track.0);
            let thread =
                if track.0 == track.1 { "first thread".into() } else { format!("thread {}", track.1) };
            events.push(named("thread_name", track, &thread));
        }
        events.extend(self.events);
        events
    }
}

/// The calls of each message.
#[derive(Debug, Default)]
struct MessageCalls(BTreeMap<u64, [Option<OneCall>; 2]>);

/// A call that has begun, and what is known of it.
#[derive(Debug)]
struct OneCall {
    slice: CallSlice,
    details: Value,
    arrived: bool,
}

impl MessageCalls {
    fn begin(&mut self, event: &Event, track: Track, began_ns: u64, sends: bool, details: Value) {
        let Some(message) = event.message else { return };
        let slice = CallSlice { track, began_ns, ended_ns: began_ns };
        self.0.entry(message).or_default()[usize::from(!sends)] =
            Some(OneCall { slice, details, arrived: false });
    }

    /// The call is over, and so its slice is known.
    fn end(
        &mut self,
        event: &Event,
        track: Track,
        ended_ns: u64,
        sends: bool,
        arrived: bool,
    ) -> Option<(CallSlice, Value)> {
        let calls = self.0.entry(event.message?).or_default();
        let call = calls[usize::from(!sends)].as_mut().filter(|call| call.slice.track == track)?;
        call.slice.ended_ns = ended_ns.max(call.slice.began_ns);
        call.arrived = arrived;
        Some((call.slice, call.details.take()))
    }

    /// The messages of which both calls have ended well.
    fn joined(&self) -> impl Iterator<Item = (&CallSlice, &CallSlice)> {
        self.0.values().filter_map(|calls| match calls {
            [Some(send), Some(recv)] if send.arrived && recv.arrived => Some((&send.slice, &recv.slice)),
            _ => None,
        })
    }
}

/// The format's unit; the decimals are nanoseconds.
fn microseconds(ns: u64) -> f64 {
    ns as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a file, by the rules of the format that this one uses: each event has the fields of its phase, slices of a
    /// thread stand beside or within each other, and each arrow begins and ends within a slice.
    fn faults(whole: &Value) -> Vec<String> {
        let events = whole["traceEvents"].as_array().expect("a list of events");
        let needed = |ph: &str| -> &[&str] {
            match ph {
                "M" => &["name", "pid", "tid", "args"],
                "X" => &["name", "cat", "pid", "tid", "ts", "dur"],
                "i" => &["name", "s", "pid", "tid", "ts"],
                "s" => &["name", "cat", "id", "pid", "tid", "ts"],
                "f" => &["name", "cat", "id", "pid", "tid", "ts", "bp"],
                _ => &["no such phase"],
            }
        };
        let mut faults = Vec::new();
        for event in events {
            let ph = event["ph"].as_str().unwrap_or_default();
            let missing = needed(ph).iter().filter(|field| event[**field].is_null());
            faults.extend(missing.map(|field| format!("no {field}: {event}")));
            let times =
                ["ts", "dur"].iter().filter(|time| event[**time].as_f64().is_some_and(|time| time < 0.0));
            faults.extend(times.map(|time| format!("{time} before 0: {event}")));
            if ["s", "f"].contains(&ph) && slice_at(events, event).is_none() {
                faults.push(format!("in no slice: {event}"));
            }
        }
        for (at, one) in events.iter().enumerate().filter(|(_, event)| event["ph"] == "X") {
            for other in events[at + 1..].iter().filter(|other| other["ph"] == "X" && same_track(one, other))
            {
                let ([from, to], [other_from, other_to]) = (span(one), span(other));
                let apart = to <= other_from || other_to <= from;
                let within = from <= other_from && other_to <= to || other_from <= from && to <= other_to;
                if !apart && !within {
                    faults.push(format!("overlap: {one} {other}"));
                }
            }
        }
        faults
    }

    fn same_track(one: &Value, other: &Value) -> bool {
        one["pid"] == other["pid"] && one["tid"] == other["tid"]
    }

    /// In whole nanoseconds, so that no rounding moves an end.
    fn span(slice: &Value) -> [u64; 2] {
        let ns = |field: &str| (slice[field].as_f64().unwrap_or_default() * 1000.0).round() as u64;
        [ns("ts"), ns("ts") + ns("dur")]
    }

    /// The innermost slice that encloses an end of an arrow.
    fn slice_at<'a>(events: &'a [Value], arrow: &Value) -> Option<&'a Value> {
        let at = (arrow["ts"].as_f64()? * 1000.0).round() as u64;
        let encloses = |slice: &&Value| {
            let [from, to] = span(slice);
            slice["ph"] == "X"
                && same_track(slice, arrow)
                && from <= at
                && (at < to || from == to && at == from)
        };
        events.iter().filter(encloses).min_by_key(|slice| span(slice)[1] - span(slice)[0])
    }

    fn converted(lines: &str) -> Value {
        let traces = Trace::read_all(lines.as_bytes()).expect("a trace");
        serde_json::from_str(&text(&traces)).expect("JSON")
    }

    /// Of each arrow: the call and the thread that it leaves, and the call and the thread that it reaches.
    fn arrows(whole: &Value) -> Vec<[(String, u64); 2]> {
        let events = whole["traceEvents"].as_array().expect("events");
        let end = |ph: &str, id: &Value| {
            let arrow = events.iter().find(|event| event["ph"] == ph && event["id"] == *id).expect("an end");
            let slice = slice_at(events, arrow).expect("a slice");
            (slice["name"].as_str().expect("a name").to_owned(), slice["tid"].as_u64().expect("a number"))
        };
        events
            .iter()
            .filter(|event| event["ph"] == "s")
            .map(|event| [end("s", &event["id"]), end("f", &event["id"])])
            .collect()
    }

    /// Two strangers on a pipe, one of which reads twice for the second message, and two messages at once after it.
    const WATCHED: &str = include_str!("../../tests/cli/watched.ndjson");

    #[test]
    fn a_watched_pair_has_a_track_for_each_thread_and_its_calls_as_slices() {
        let whole = converted(WATCHED);
        assert_eq!(faults(&whole), Vec::<String>::new());
        let events = whole["traceEvents"].as_array().expect("events");
        let name = |what: &str, pid: u32, tid: u32| {
            let is = |event: &&Value| event["name"] == what && event["pid"] == pid && event["tid"] == tid;
            events.iter().find(is).map(|event| event["args"]["name"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(name("process_name", 4211, 4211).as_deref(), Some("tar (sender)"));
        assert_eq!(name("process_name", 4212, 4212).as_deref(), Some("gzip (receiver)"));
        assert_eq!(name("thread_name", 4212, 4215).as_deref(), Some("thread 4215"));
        let calls = WATCHED.lines().filter(|line| line.contains("\"what\":\"syscall\"")).count();
        assert_eq!(events.iter().filter(|event| event["ph"] == "X").count(), calls, "each call is one slice");
    }

    #[test]
    fn an_arrow_joins_the_call_that_wrote_with_the_one_that_took_the_last_byte() {
        let arrow = |reader: u64| [("write".to_owned(), 4211), ("read".to_owned(), reader)];
        assert_eq!(arrows(&converted(WATCHED)), [arrow(4212), arrow(4215), arrow(4212), arrow(4212)]);
    }

    #[test]
    fn the_lab_s_own_calls_are_slices_and_a_message_that_was_lost_has_no_arrow() {
        let own: String = WATCHED
            .lines()
            .filter(|line| !line.contains("\"what\":\"syscall\""))
            .map(|line| line.replace("\"channel\":\"pipe:[77]\",", "") + "\n")
            .collect();
        let lost = own.replacen(
            r#""what":"recv-end","side":"receiver","message":3"#,
            r#""what":"failed","call":"recv","error":"timeout","side":"receiver","message":3"#,
            1,
        );
        assert_ne!(own, lost);
        for (lines, arrived) in [(own, 4), (lost, 3)] {
            let whole = converted(&lines);
            // Two messages that one call has read are one slice beside another of the same span.
            assert_eq!(faults(&whole), Vec::<String>::new());
            let arrows = arrows(&whole);
            assert_eq!(arrows.len(), arrived);
            assert!(arrows.iter().all(|[from, to]| from.0 == "send" && to.0 == "recv"), "{arrows:?}");
        }
    }

    #[test]
    fn a_call_that_slept_is_one_slice_from_its_entry_to_its_return() {
        let line =
            |fields: &str| format!("{{\"what\":\"syscall\",\"side\":\"receiver\",\"message\":9,{fields}}}\n");
        let told = line(r#""t_ns":9000,"name":"futex""#)
            + &line(r#""t_ns":9700,"name":"futex","result":0,"duration_ns":700"#);
        let whole = converted(&(WATCHED.to_owned() + &told));
        assert_eq!(faults(&whole), Vec::<String>::new());
        let events = whole["traceEvents"].as_array().expect("events");
        let futex: Vec<_> = events.iter().filter(|event| event["name"] == "futex").map(span).collect();
        assert_eq!(futex, [[9000, 9700]]);
    }

    #[test]
    fn a_false_file_is_caught() {
        let good = converted(WATCHED);
        let at = |ph: &str| {
            good["traceEvents"]
                .as_array()
                .expect("events")
                .iter()
                .position(|event| event["ph"] == ph)
                .expect("one")
        };
        for (ph, field, wrong) in [
            ("f", "ts", json!(1e6)),
            ("s", "tid", json!(1)),
            ("X", "dur", Value::Null),
            ("X", "dur", json!(1.8)),
            ("f", "bp", Value::Null),
        ] {
            let mut bad = good.clone();
            bad["traceEvents"][at(ph)][field] = wrong;
            assert!(!faults(&bad).is_empty(), "{ph} {field}");
        }
    }

    #[test]
    fn hostile_names_stay_texts() {
        let hostile = WATCHED.replace("\"tar\"", "\"tar\\u001b[2J\\u202e</script>\"");
        let made = text(&Trace::read_all(hostile.as_bytes()).expect("a trace"));
        assert!(!made.trim_end().chars().any(foreign::is_unsafe));
        assert!(serde_json::from_str::<Value>(&made).is_ok());
    }
}
