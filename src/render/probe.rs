//! A probe on the terminal, as JSON, and as the table of what is quoted beside what was measured.

use lab::probe::{ProbeFigure, ProbeReport, Probed, Question, Reading, TouchedBy};
use lab::scene::Space;
use lab::trace::{Trace, What};

use super::Ink;
use super::grid::{Column, GridLayout, wrap};
use lab::units;

use super::foreign;

const COLUMNS: [Column; 7] = [
    Column { title: "for each message", gives_way: 0 },
    Column { title: "measured", gives_way: 0 },
    Column { title: "scene", gives_way: 4 },
    Column { title: "textbook", gives_way: 3 },
    Column { title: "certainty", gives_way: 2 },
    Column { title: "by", gives_way: 0 },
    Column { title: "messages", gives_way: 1 },
];

/// The whole report for a terminal of `width` characters; `notices` are shown first.
pub(crate) fn text(report: &ProbeReport, notices: &[String], width: usize, ink: Ink) -> String {
    let mut out = String::new();
    for notice in notices {
        out.push_str(&format!("{}\n", wrap(&format!("notice: {notice}"), width, 2)));
    }
    for row in &report.rows {
        out.push_str(&one_row(row, width, ink));
    }
    let there = report.instruments.iter().filter(|instrument| instrument.is_there());
    let names: Vec<&str> = there.map(|instrument| instrument.name.as_str()).collect();
    out.push_str(&format!("\n{}\n", wrap(&format!("looked with: {}", names.join("; ")), width, 2)));
    let between = report.instruments.iter().filter(|one| one.is_there() && !one.tool.looks_on());
    let between: Vec<String> =
        between.map(|one| format!("{} ({})", one.name, units::duration(one.tried_ns as f64))).collect();
    let between = format!("asked between two rows, so that no message is slower: {}", between.join("; "));
    out.push_str(&format!("{}\n", wrap(&between, width, 2)));
    for instrument in &report.instruments {
        if let Some(gone) = &instrument.unavailable {
            let line =
                format!("not to be had: {} ({}): {}; {}", instrument.name, gone.what, gone.why, gone.remedy);
            out.push_str(&format!("{}\n", ink.fair(&wrap(&line, width, 2))));
        }
    }
    let seconds = report.elapsed_ms as f64 / 1e3;
    let below = "the sender's pauses between two messages (clock_nanosleep) are not counted; nothing here is a benchmark: \
                 instruments slow a process down";
    out.push_str(&format!("{}\n", wrap(&format!("took {seconds:.1} s; {below}"), width, 2)));
    out
}

fn one_row(row: &Probed, width: usize, ink: Ink) -> String {
    let mut out = format!("\n{}\n", ink.bold(&title(row)));
    if let Some(why) = &row.failed {
        out.push_str(&format!(
            "{}\n",
            ink.bad(&format!("  {}", wrap(&format!("failed: {why}"), width - 2, 4)))
        ));
        return out;
    }
    let cells: Vec<(&ProbeFigure, Vec<String>)> =
        row.figures.iter().filter_map(|figure| Some((figure, cells(figure)?))).collect();
    let layout = GridLayout::fit(&COLUMNS, cells.iter().map(|(_, cells)| cells.as_slice()), width);
    out.push_str(&format!("{}\n", ink.dim(&layout.line(|column| COLUMNS[column].title))));
    for (figure, cells) in &cells {
        let line = layout.line(|column| &cells[column]);
        let line = if figure.held == Some(false) { ink.bad(&line) } else { line };
        out.push_str(&format!("{line}\n"));
    }
    let mut say = |text: String| out.push_str(&format!("  {}\n", wrap(&text, width - 2, 4)));
    for figure in &row.figures {
        if figure.held == Some(false) {
            say(format!("{}: outside of what the scene foretells", figure.question.words()));
        }
        if let Some(remark) = &figure.remark {
            say(format!("{}: {remark}", figure.question.words()));
        }
        if let (None, Some(gone)) = (figure.best(), &figure.unavailable) {
            say(format!("{}: not to be had: {}; {}", figure.question.words(), gone.why, gone.remedy));
        }
    }
    for (who, calls) in ["sender", "receiver"].into_iter().zip(row.calls.iter().flatten()) {
        let lines = if calls.lines.is_empty() { "no call".into() } else { calls.lines.join("; ") };
        say(format!("{who}: {lines} ({} of {} messages alike)", calls.alike, calls.messages));
    }
    for (stack, who, places) in by_function(&row.touches) {
        let stack = stack.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(" < ");
        say(format!("in the {who}'s call: {stack} touched {}", places.join(", ")));
    }
    if !row.overheads.is_empty() {
        let each = row.overheads.iter().map(|overhead| {
            format!("{} under {}", units::duration(overhead.flight_ns_p50 as f64), overhead.instrument)
        });
        let alone = units::duration(row.overheads[0].alone_ns_p50 as f64);
        let each = each.collect::<Vec<_>>().join(", ");
        say(format!("overhead: a message took {alone} without instruments, {each} (medians)"));
    } else {
        // The sender's stamp is the second word of a message.
        say("overhead: not measured: a message of less than 16 B does not carry the time at which it was sent".into());
    }
    out
}

/// What the kernel touched, by function: the process that ran, and the place of the byte.
fn by_function(touches: &[TouchedBy]) -> Vec<(&[String], &str, Vec<&str>)> {
    let mut found: Vec<(&[String], &str, Vec<&str>)> = Vec::new();
    for touch in touches.iter().filter(|touch| !touch.stack.is_empty()) {
        match found.iter_mut().find(|(stack, who, _)| *stack == touch.stack && *who == touch.who) {
            Some((_, _, places)) => places.push(&touch.place),
            None => found.push((&touch.stack, &touch.who, vec![&touch.place])),
        }
    }
    found
}

fn title(row: &Probed) -> String {
    let cores = row.cores.map_or_else(String::new, |[a, b]| {
        if a == b { format!(" (core {a})") } else { format!(" (cores {a} and {b})") }
    });
    format!("{}, {}, {}{cores}, {}", row.kind, row.wait, row.placement, units::bytes(row.size_bytes))
}

fn cells(figure: &ProbeFigure) -> Option<Vec<String>> {
    let best = figure.best()?;
    let parts = best.parts.iter().filter(|(_, count)| *count >= 0.005).map(|(name, _)| name.as_str());
    let parts = parts.collect::<Vec<_>>();
    let made_of = match figure.question {
        Question::SenderCalls | Question::ReceiverCalls if !parts.is_empty() => {
            format!(" ({})", parts.join(", "))
        }
        _ => String::new(),
    };
    let bounds = figure.budget.map_or_else(String::new, super::words::range);
    Some(vec![
        format!("{}{made_of}", figure.question.words()),
        amount(best),
        bounds,
        figure.quoted.clone().unwrap_or_default(),
        best.certainty.words().into(),
        best.instrument.clone(),
        best.messages.to_string(),
    ])
}

fn amount(reading: &Reading) -> String {
    format!("{:.2}", reading.per_message)
}

/// One message's journey: time, actor, step of the scene, event.
pub(crate) fn journey(trace: &Trace, title: &str, width: usize, ink: Ink) -> String {
    let mut out = format!("\n{}\n", ink.bold(&format!("{title}: one message, looked through")));
    let first = trace.events.iter().find(|event| event.message.is_some()).map_or(0, |event| event.t_ns);
    let mut foretold = true;
    for event in &trace.events {
        let after = lab::units::duration(event.t_ns.saturating_sub(first) as f64);
        let who = event.side.map_or("", |side| side.name());
        let (step, text) = match &event.what {
            What::SendBegin { .. } => ("", "send() begins".to_owned()),
            What::SendEnd {} => ("", "send() is back".to_owned()),
            What::RecvBegin {} => ("", "recv() begins".to_owned()),
            What::RecvEnd { .. } => ("", "recv() is back, with the message".to_owned()),
            What::Table { title, rows, .. } => {
                let rows = rows.iter().map(|row| row.join(": ")).collect::<Vec<_>>().join("; ");
                ("", format!("{title}: {rows}"))
            }
            What::Unavailable { figure, why, remedy } => {
                ("", format!("not to be had: {figure}: {why}; {remedy}"))
            }
            What::Note { .. } => ("", event.text.clone().unwrap_or_default()),
            What::BatchBegin { .. } | What::BatchEnd {} | What::Processes { .. } => continue,
            _ => {
                // What a program does with its own memory is its own affair.
                let own = matches!(&event.what, What::Copy { space: Some(Space::User), .. });
                let strange = event.step.is_none() && !own;
                foretold &= !strange;
                let step = event.step.as_deref().unwrap_or(if strange { "(not foretold)" } else { "" });
                (step, event.text.clone().unwrap_or_default())
            }
        };
        let head = format!("  {after:>9}  {who:<8}  {step:<14}  ");
        let indent = head.chars().count();
        let text = wrap(&text, width.saturating_sub(indent).max(30), 0);
        out.push_str(&format!("{head}{}\n", text.replace('\n', &format!("\n{}", " ".repeat(indent)))));
    }
    if !foretold {
        let note = "what is not foretold is no step of the scene: the kernel did it all the same";
        out.push_str(&format!("{}\n", ink.dim(note)));
    }
    out
}

/// The report as JSON, and a newline.
pub(crate) fn json(report: &ProbeReport) -> String {
    // A report holds no map with keys that are not text, the one thing that JSON cannot hold.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_else(|error| unreachable!("{error}"));
    text.push('\n');
    foreign::json(text)
}

/// What is quoted beside what was measured: one line for each mechanism, way of waiting and placement.
pub(crate) fn markdown(report: &ProbeReport) -> String {
    let mut out = String::from(
        "| mechanism | waits | cores | copies: textbook | kernel copies | calls: textbook | calls | sender | receiver | wake-ups | why not as quoted |\n\
         |:--|:--|:--|--:|--:|--:|--:|--:|--:|--:|:--|\n",
    );
    for row in &report.rows {
        let cores = match row.cores {
            Some([a, b]) if a == b => "one",
            Some(_) => "two",
            None => "any",
        };
        let told = |question| row.figure(question);
        let quoted = |question| told(question).and_then(|figure| figure.quoted.clone()).unwrap_or_default();
        let measured =
            |question| told(question).and_then(ProbeFigure::best).map_or_else(|| "–".to_owned(), amount);
        let reasons = [Question::KernelCopies, Question::Calls]
            .into_iter()
            .filter_map(|question| told(question)?.remark.clone());
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        out.push_str(&format!(
            "| {} | {} | {cores} | {} | {} | {} | {} | {} | {} | {} | {reasons} |\n",
            row.kind,
            row.wait,
            quoted(Question::KernelCopies),
            measured(Question::KernelCopies),
            quoted(Question::Calls),
            measured(Question::Calls),
            measured(Question::SenderCalls),
            measured(Question::ReceiverCalls),
            measured(Question::Wakes),
        ));
    }
    out
}
