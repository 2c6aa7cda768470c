//! Reading the gauges: what regions, pipes and sockets hold, seen from outside of both processes.
//!
//! The fields are those that the scenes name. What a connection counts from its beginning is shown from the opening of the
//! stage on.

use std::io;
use std::os::fd::OwnedFd;

use serde_json::Value;

use super::region::Region;
use super::window::Window;
use crate::trace::Values;

/// Windows into both processes, and what was counted before anything was looked at.
#[derive(Debug)]
pub(crate) struct Gauges {
    reader: GaugeReader,
    pub(super) size: usize,
    pub(super) pids: [u32; 2],
    windows: [Window; 2],
    before: Values,
    /// The path by which the two have met.
    pub(super) path: Option<String>,
}

/// How the gauges of a mechanism are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GaugeReader {
    /// Reads every gauge that the scene names.
    pub(super) read: fn(&Gauges, &mut Sheet),
    /// The gauges that count up from the beginning of the connection. They are shown from the opening of the stage on.
    pub(super) counters: &'static [&'static str],
    /// Waits until the counters of what was sent stand still, or a little while has passed.
    pub(super) settle: Option<fn(&Gauges)>,
    /// Bytes that the sender has written and the receiver has not taken. `None` when neither process lets us look.
    pub(super) on_the_way: fn(&Gauges) -> Option<u64>,
}

/// Which of the two.
pub(super) const SENDER: usize = 0;
pub(super) const RECEIVER: usize = 1;

/// From which to which, and what the names of the gauges of that way begin with.
pub(super) const BOTH_WAYS: [(usize, usize, &str); 2] = [(SENDER, RECEIVER, ""), (RECEIVER, SENDER, "back_")];

impl Gauges {
    /// What is read through `windows` into the processes `pids`.
    pub(super) fn new(
        reader: GaugeReader,
        size: usize,
        pids: [u32; 2],
        windows: [Window; 2],
        path: Option<String>,
    ) -> Gauges {
        Gauges { reader, size, pids, windows, before: Values::new(), path }
    }

    /// What was sent until now is not counted from here on.
    pub(crate) fn count_from_here(&mut self) {
        if let Some(settle) = self.reader.settle {
            settle(self);
        }
        self.before = self.read_all();
    }

    /// Everything that can be read now. A process that is gone takes its gauges with it.
    pub(crate) fn read(&self) -> Values {
        let mut values = self.read_all();
        for counter in self.reader.counters {
            if let Some(value) = values.get_mut(*counter) {
                *value = value.as_u64().unwrap_or(0).saturating_sub(self.before(counter)).into();
            }
        }
        values
    }

    fn read_all(&self) -> Values {
        let mut sheet = Sheet::default();
        (self.reader.read)(self, &mut sheet);
        sheet.0
    }

    /// What a counter said when counting began.
    pub(super) fn before(&self, counter: &str) -> u64 {
        self.before.get(counter).and_then(Value::as_u64).unwrap_or(0)
    }

    /// Bytes that are on their way forward: written by the sender and not taken by the receiver. `None` when
    /// neither process lets us look.
    pub(crate) fn on_the_way(&self) -> Option<u64> {
        (self.reader.on_the_way)(self)
    }

    /// The region that a process owns.
    pub(crate) fn region(&self, side: usize) -> io::Result<Region> {
        Region::look(self.outbound(side)?)
    }

    /// The number of the descriptor that a process sends by.
    pub(crate) fn outbound_number(&self, side: usize) -> i32 {
        self.windows[side].outbound
    }

    /// What a process sends by, for the moment.
    pub(crate) fn outbound(&self, side: usize) -> io::Result<OwnedFd> {
        self.windows[side].take(self.windows[side].outbound)
    }

    /// What it receives by.
    pub(crate) fn inbound(&self, side: usize) -> io::Result<OwnedFd> {
        self.windows[side].take(self.windows[side].inbound)
    }
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Sheet(Values);

impl Sheet {
    pub(super) fn put(&mut self, field: &str, value: impl Into<Value>) {
        self.0.insert(field.to_owned(), value.into());
    }

    pub(super) fn put_if(&mut self, field: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(field, value);
        }
    }
}
