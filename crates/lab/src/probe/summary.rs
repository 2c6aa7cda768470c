//! Summaries: from every single call and touch that was seen to what is told of them.

use std::collections::BTreeMap;

use super::bench::BenchRow;
use super::calls::Called;
use super::copies::Proof;
use super::report::{Calls, TouchedBy};
use super::spell;
use super::touch::BytePlace;
use crate::sys::mark::Mark;

/// How many of each name.
pub(super) fn by_name(calls: &[Called]) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for call in calls {
        *counts.entry(call.name()).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

/// A row of calls as it is told from others: numbers and results.
type Shape = Vec<(u64, i64)>;

/// The calls within each call of the channel: the most usual row of them, and how usual it is.
pub(super) fn usual(calls: &[Called], windows: &[(u64, u64)]) -> Calls {
    let mut rows: BTreeMap<Shape, (u64, Vec<Called>)> = BTreeMap::new();
    let mut calls = calls.iter().filter(|call| !spell::is_pause(call.number)).peekable();
    for (began, ended) in windows {
        let mut inside: Vec<Called> = Vec::new();
        while let Some(call) = calls.next_if(|call| call.entered_ns <= *ended) {
            if call.entered_ns >= *began && Mark::of(call.number, &call.args).is_none() {
                inside.push(*call);
            }
        }
        let key = inside.iter().map(|call| (call.number, call.result)).collect();
        let row = rows.entry(key).or_insert((0, inside));
        row.0 += 1;
    }
    let (alike, row) = rows.into_values().max_by_key(|(alike, _)| *alike).unwrap_or_default();
    let mut lines: Vec<(String, u64)> = Vec::new();
    for call in &row {
        let line = spell::line(call);
        match lines.last_mut() {
            Some((last, times)) if *last == line => *times += 1,
            _ => lines.push((line, 1)),
        }
    }
    let lines = lines.into_iter().map(|(line, times)| match times {
        1 => line,
        times => format!("{line}, {times} times"),
    });
    Calls { lines: lines.collect(), alike, messages: windows.len() as u64 }
}

/// How often a byte of the message crossed the line between a process and the kernel, by what the calls returned.
pub(super) fn crossings(seen: &[Vec<Called>; 2], row: &BenchRow, size_bytes: u32) -> Option<u64> {
    let moved = |calls: &[Called]| {
        let moving = calls.iter().filter(|call| spell::moves(call.number));
        moving.filter_map(|call| u64::try_from(call.result).ok()).sum::<u64>()
    };
    let bytes = row.messages.checked_mul(u64::from(size_bytes)).filter(|&bytes| bytes > 0)?;
    // What the library puts before a message crosses with it: whole messages are counted.
    Some(seen.iter().map(|calls| moved(calls) / bytes * row.messages).sum())
}

/// The touches of the last message, those of one function at one place once.
pub(super) fn touched(proof: &Proof) -> Vec<TouchedBy> {
    let mut touches: Vec<TouchedBy> = Vec::new();
    for touch in proof.lives.last().into_iter().flat_map(|life| &life.touches) {
        // What a process does with its own message before and after is no part of the channel.
        let own = matches!(touch.place, BytePlace::SentMessage | BytePlace::ReceivedMessage);
        if own && !touch.by_kernel() {
            continue;
        }
        let touched = TouchedBy {
            place: touch.place.words().into(),
            who: match touch.side {
                Some(0) => "sender",
                Some(_) => "receiver",
                None => "another task",
            }
            .into(),
            function: touch.function.clone().unwrap_or_else(|| "the program itself".into()),
            stack: touch.stack.clone(),
        };
        if !touches.contains(&touched) {
            touches.push(touched);
        }
    }
    touches
}
