//! A few real messages as text: the scene's steps, then a line for each message with a bar that is to scale.

use std::collections::BTreeMap;
use std::fmt::Write;

use lab::scene::Scene;
use lab::trace::{Trace, What};

use super::grid::{Column, GridLayout, wrap};
use lab::units;

use super::{Ink, words};

/// Characters in the bar of the slowest message.
const BAR: usize = 40;
const WIDTH: usize = 100;

const COLUMNS: [Column; 5] = [
    Column { title: "message", gives_way: 0 },
    Column { title: "sent at", gives_way: 0 },
    Column { title: "send took", gives_way: 0 },
    Column { title: "flight", gives_way: 0 },
    Column { title: "", gives_way: 0 },
];

/// One message, in nanoseconds since the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MessageTimes {
    message: u64,
    send_begin: u64,
    send_end: u64,
    recv_end: u64,
}

impl MessageTimes {
    fn send_ns(&self) -> u64 {
        self.send_end.saturating_sub(self.send_begin)
    }

    /// From just before `send` to just after `recv`.
    fn flight_ns(&self) -> u64 {
        self.recv_end.saturating_sub(self.send_begin)
    }

    /// `=` while the sender was in `send`, `-` while the message was under way, `>` when the receiver had it.
    fn bar(&self, ns_per_cell: f64) -> String {
        let cells = |ns: u64| (ns as f64 / ns_per_cell).round() as usize;
        let (sending, flying) = (cells(self.send_ns()), cells(self.flight_ns()));
        let arrival = flying.max(1) - 1;
        (0..sending.max(flying).clamp(1, 2 * BAR))
            .map(|cell| match cell {
                _ if cell == arrival => '>',
                _ if cell < sending => '=',
                _ => '-',
            })
            .collect()
    }
}

/// The whole of `ipcscope show`.
pub(crate) fn text(trace: &Trace, ink: Ink) -> String {
    let mut out = String::new();
    head(&mut out, trace, ink);
    steps(&mut out, &trace.header.scene, ink);
    let flights = flights(trace);
    messages(&mut out, trace, &flights, ink);
    costs(&mut out, trace, &flights, ink);
    out
}

fn head(out: &mut String, trace: &Trace, ink: Ink) {
    let header = &trace.header;
    let scene = &header.scene;
    let [sender, receiver] = header.processes.each_ref().map(|process| {
        let core = process.core.map(|core| format!(" on core {core}")).unwrap_or_default();
        format!("process {}{core}", process.pid)
    });
    let _ = writeln!(out, "{}", ink.bold(&format!("{} ({})", scene.title, scene.kind)));
    let _ = writeln!(out, "{}", wrap(&scene.summary, WIDTH, 0));
    let processes = format!(
        "{sender} → {receiver}, {}, both ends wait by {}, {} of {}",
        header.placement,
        header.wait,
        units::plural(announced(trace), "message"),
        units::bytes(header.size_bytes),
    );
    let _ = writeln!(out, "\n{}\n", wrap(&processes, WIDTH, 2));
}

/// How many messages were to be sent.
fn announced(trace: &Trace) -> u64 {
    let count = |what: &What| if let What::BatchBegin { count, .. } = what { *count } else { 0 };
    trace.events.iter().map(|event| count(&event.what)).sum()
}

fn steps(out: &mut String, scene: &Scene, ink: Ink) {
    let _ = writeln!(out, "{}", ink.bold("One message, step by step (by design)"));
    for (index, step) in scene.steps.iter().enumerate() {
        let condition = words::when(step.when).map(|when| format!(" ({when})")).unwrap_or_default();
        let start = format!("{:>3}. {:<9} {:<14}", index + 1, step.actor.name(), words::act(&step.act));
        let text = wrap(&format!("{}{condition}", step.text), WIDTH - 30, 30);
        let _ = writeln!(out, "{start} {text}");
    }
}

fn messages(out: &mut String, trace: &Trace, flights: &[MessageTimes], ink: Ink) {
    let title = format!("What these two processes did (measured, clock {})", trace.header.clock);
    let _ = writeln!(out, "\n{}", ink.bold(&title));
    let slowest = flights.iter().map(MessageTimes::flight_ns).max().unwrap_or(0).max(1);
    let ns_per_cell = slowest as f64 / BAR as f64;
    let first = flights.first().map_or(0, |flight| flight.send_begin);
    let rows: Vec<Vec<String>> = flights
        .iter()
        .map(|flight| {
            vec![
                format!("#{}", flight.message),
                format!("+{}", units::duration(flight.send_begin.saturating_sub(first) as f64)),
                units::duration(flight.send_ns() as f64),
                units::duration(flight.flight_ns() as f64),
                format!("{:<width$}", flight.bar(ns_per_cell), width = BAR),
            ]
        })
        .collect();
    let layout = GridLayout::fit(&COLUMNS, rows.iter().map(Vec::as_slice), usize::MAX);
    let _ = writeln!(out, "{}", ink.dim(&layout.line(|column| COLUMNS[column].title)));
    for row in &rows {
        let _ = writeln!(out, "{}", layout.line(|column| &row[column]));
    }
    let scale = format!(
        "  to scale, one character is {}: = in send, - under way, > received",
        units::duration(ns_per_cell)
    );
    let _ = writeln!(out, "{}", ink.dim(&scale));
}

fn costs(out: &mut String, trace: &Trace, flights: &[MessageTimes], ink: Ink) {
    // A hybrid wait is written with its patience: `hybrid:20us`.
    let wait = trace.header.wait.split(':').next().unwrap_or_default();
    if let Some(budget) = trace.header.scene.budgets.iter().find(|budget| budget.wait == wait) {
        let _ = writeln!(out, "\n{}", ink.bold(&format!("By design, for each message ({wait})")));
        for (count, what) in words::budget(budget) {
            let _ = writeln!(out, "  {count:>10}  {what}");
        }
    }
    let _ = writeln!(out, "\n{}", ink.bold(&format!("Measured, clock {}", trace.header.clock)));
    let seen = flights.len() as u64;
    let _ =
        writeln!(out, "  {} of {} received and verified", seen, units::plural(announced(trace), "message"));
    let _ = writeln!(out, "  flight     {}", spread(flights.iter().map(MessageTimes::flight_ns)));
    let _ = writeln!(out, "  send took  {}", spread(flights.iter().map(MessageTimes::send_ns)));
    let _ = writeln!(
        out,
        "  flight: from just before send to just after recv; the stamps of both ends are in it.\n  \
         So few messages show how it goes, not how fast it is: for that there is `ipcscope race {}`.",
        trace.header.scene.kind
    );
}

/// Median, least and most.
fn spread(values: impl Iterator<Item = u64>) -> String {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    match (values.get(values.len() / 2), values.first(), values.last()) {
        (Some(&median), Some(&least), Some(&most)) => format!(
            "{} median ({} to {})",
            units::duration(median as f64),
            units::duration(least as f64),
            units::duration(most as f64)
        ),
        _ => "nothing was seen".into(),
    }
}

/// The messages of which both ends were seen, in order.
fn flights(trace: &Trace) -> Vec<MessageTimes> {
    let mut seen: BTreeMap<u64, [Option<u64>; 3]> = BTreeMap::new();
    for event in &trace.events {
        let place = match event.what {
            What::SendBegin { .. } => 0,
            What::SendEnd {} => 1,
            What::RecvEnd { .. } => 2,
            _ => continue,
        };
        if let Some(message) = event.message {
            seen.entry(message).or_default()[place] = Some(event.t_ns);
        }
    }
    let flight = |(message, [send_begin, send_end, recv_end]): (u64, [Option<u64>; 3])| {
        Some(MessageTimes { message, send_begin: send_begin?, send_end: send_end?, recv_end: recv_end? })
    };
    seen.into_iter().filter_map(flight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Color;
    use lab::trace::{Event, Side};

    fn trace() -> Trace {
        let process = |actor: &str, pid: u32, core: u32| serde_json::json!({"actor": actor, "pid": pid, "parent": 9, "core": core});
        let header = serde_json::json!({
            "format": "ipcscope-trace",
            "schema": lab::trace::SCHEMA,
            "scene": Scene::of(crossing::Kind::Pipe),
            "wait": "block",
            "placement": "cross-core",
            "processes": [process("sender", 10, 0), process("receiver", 11, 1)],
            "size_bytes": 64,
            "clock": "tsc",
            "started_unix_ms": 0,
            "machine": "a machine",
        });
        let event = |t_ns, side, message, what| Event::new(t_ns, what).by(side).of(message);
        let begin = What::BatchBegin { mode: lab::trace::Mode::Paced, count: 2 };
        Trace {
            header: serde_json::from_value(header).expect("a header"),
            events: vec![
                Event::new(0, begin),
                event(0, Side::Sender, 0, What::SendBegin { payload: None, bytes: None }),
                event(1_000, Side::Sender, 0, What::SendEnd {}),
                event(4_000, Side::Receiver, 0, What::received()),
                event(5_000, Side::Sender, 1, What::SendBegin { payload: None, bytes: None }),
                event(6_000, Side::Receiver, 1, What::received()),
                event(7_000, Side::Sender, 1, What::SendEnd {}),
            ],
        }
    }

    #[test]
    fn bars_are_to_scale_and_show_who_was_later() {
        let flights = flights(&trace());
        assert_eq!(flights[0].bar(500.0), "==----->");
        assert_eq!(flights[1].bar(500.0), "=>==");
    }

    #[test]
    fn a_message_seen_from_one_end_only_is_not_a_flight() {
        let mut half = trace();
        half.events.pop();
        assert_eq!(flights(&half).len(), 1);
    }

    #[test]
    fn the_measured_part_names_its_clock() {
        let text = text(&trace(), Ink::choose(Color::Never));
        assert!(text.contains("measured, clock tsc"), "{text}");
        assert!(text.contains("process 10 on core 0 → process 11 on core 1"), "{text}");
        assert!(text.contains("2 of 2 messages received and verified"), "{text}");
    }
}
