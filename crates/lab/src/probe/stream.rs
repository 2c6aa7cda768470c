//! The stream: the kernel's events about both processes in one row, each with its time.
//!
//! Events come from tracepoints and from watchpoints alike. Each core or thread that is watched has a ring of its
//! own; the rings are read when the messages are through, and merged by the kernel's clock.

use std::collections::HashMap;
use std::io;

use crate::sys::perf::{Counter, PerfEvent, Records, Ring, Said, Sample, Whom};

/// A kind of event that the stream is to hold.
#[derive(Debug, Clone)]
pub struct Want<K> {
    /// The name of its events for the reader.
    pub key: K,
    /// The watched event.
    pub watched: PerfEvent,
    /// The threads or cores that are watched.
    pub whom: Whom,
    /// Only these, by an expression over the tracepoint's fields.
    pub only: Option<String>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenEvent<K> {
    /// The kind.
    pub key: K,
    /// Time, place and process.
    pub sample: Sample,
}

/// Rings that are being written.
#[derive(Debug)]
pub struct EventStream<K> {
    rings: Vec<(Whom, Ring)>,
    counters: Vec<Counter>,
    keys: HashMap<u64, K>,
    records: Records,
}

/// The events of a stream that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamTold<K> {
    /// In order of time.
    pub events: Vec<SeenEvent<K>>,
    /// Whether events may have found no room.
    pub lost: bool,
}

impl<K: Clone> EventStream<K> {
    /// Opens everything that is wanted. `pages` is the size of each ring; `stack` adds the
    /// functions that led to each event, which costs some microseconds each; without `kernel` only
    /// the programs' own acts are seen, which takes no privilege.
    ///
    /// # Errors
    /// The error of the first refused event.
    pub fn open(wants: &[Want<K>], pages: usize, stack: bool, kernel: bool) -> io::Result<EventStream<K>> {
        let records = Records { samples: true, stack, fields: true, switches: false };
        let mut stream =
            EventStream { rings: Vec::new(), counters: Vec::new(), keys: HashMap::new(), records };
        for want in wants {
            if !stream.rings.iter().any(|(whom, _)| *whom == want.whom) {
                let bearer = Counter::open(PerfEvent::Nothing, want.whom, Records::default(), kernel)?;
                stream.rings.push((want.whom, Ring::of(bearer, pages)?));
            }
            let counter = Counter::open(want.watched, want.whom, records, kernel)?;
            if let Some(expression) = &want.only {
                counter.only(expression)?;
            }
            if let Some((_, ring)) = stream.rings.iter().find(|(whom, _)| *whom == want.whom) {
                ring.take_in(&counter)?;
            }
            stream.keys.insert(counter.id(), want.key.clone());
            stream.counters.push(counter);
        }
        Ok(stream)
    }

    /// Begins.
    ///
    /// # Errors
    /// Those of ioctl(2).
    pub fn begin(&self) -> io::Result<()> {
        self.counters.iter().try_for_each(Counter::enable)
    }

    /// Ends, and tells.
    ///
    /// # Errors
    /// Those of ioctl(2).
    pub fn end(&mut self) -> io::Result<StreamTold<K>> {
        self.counters.iter().try_for_each(Counter::disable)?;
        Ok(self.take())
    }

    /// Tells what has come since the last time, and goes on.
    pub fn take(&mut self) -> StreamTold<K> {
        let mut told = StreamTold { events: Vec::new(), lost: false };
        for (_, ring) in &mut self.rings {
            let mut lost = false;
            let full = ring.drain(|record| match record.read(self.records) {
                Some(Said::Sample(sample)) => {
                    if let Some(key) = self.keys.get(&sample.id) {
                        told.events.push(SeenEvent { key: key.clone(), sample });
                    }
                }
                Some(Said::Lost(_)) => lost = true,
                Some(Said::Switch { .. }) | None => {}
            });
            told.lost |= lost || full;
        }
        told.events.sort_by_key(|seen| seen.sample.t_ns);
        told
    }
}
