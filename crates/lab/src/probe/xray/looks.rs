//! Empty polls: a polling process makes many, and showing a few is enough.

use crate::trace::{Event, Tone, What};

/// Of the looks that found nothing so many are shown at the beginning, and at the end.
const LOOKS: usize = 2;
/// What a look returns that found nothing.
pub(super) const EMPTY: i64 = -(libc::EAGAIN as i64);

/// The same events without most of the looks that found nothing: the first and the last of them are shown, and how many
/// there were.
pub(super) fn without_empty_looks(events: Vec<Event>) -> Vec<Event> {
    let is_empty = |event: &Event| match &event.what {
        What::Syscall { name, result, .. } => *result == Some(EMPTY) || name == "sched_yield",
        _ => false,
    };
    let looks = events.iter().filter(|event| is_empty(event)).count();
    if looks <= 2 * LOOKS + 1 {
        return events;
    }
    let mut kept = Vec::with_capacity(events.len() - looks + 2 * LOOKS + 1);
    let mut seen = 0;
    for event in events {
        if is_empty(&event) {
            seen += 1;
            if seen == LOOKS + 1 {
                let text = format!("{} more calls that found nothing", looks - 2 * LOOKS);
                let note = Event::new(event.t_ns, What::Note { tone: Tone::Plain }).saying(text);
                kept.push(Event { side: event.side, message: event.message, ..note });
            }
            if seen > LOOKS && seen <= looks - LOOKS {
                continue;
            }
        }
        kept.push(event);
    }
    kept
}
