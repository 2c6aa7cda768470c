//! Gauges: the content of regions, pipes and sockets, read from outside of both processes.
//!
//! The fields are those that the scenes name. Counters that run from the beginning of a connection
//! are shown from the opening of the stage on.

use std::io;
use std::os::fd::OwnedFd;

use serde_json::Value;

use super::region::Region;
use super::window::Window;
use crate::trace::Values;

/// Windows into both processes, and the counters' values when counting began.
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
    /// Waits until the counters stand still, or a little while has passed.
    pub(super) settle: Option<fn(&Gauges)>,
    /// Bytes that the sender has written and the receiver has not taken. `None` when neither
    /// process can be inspected.
    pub(super) on_the_way: fn(&Gauges) -> Option<u64>,
}

/// Which of the two.
pub(super) const SENDER: usize = 0;
pub(super) const RECEIVER: usize = 1;

/// Each direction: from, to, and the prefix of its gauges' names.
pub(super) const BOTH_WAYS: [(usize, usize, &str); 2] = [(SENDER, RECEIVER, ""), (RECEIVER, SENDER, "back_")];

impl Gauges {
    /// The gauges of the processes `pids`, read through `windows`.
    pub(super) fn new(
        reader: GaugeReader,
        size: usize,
        pids: [u32; 2],
        windows: [Window; 2],
        path: Option<String>,
    ) -> Gauges {
        Gauges { reader, size, pids, windows, before: Values::new(), path }
    }

    /// Starts the counters here: earlier messages no longer count.
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

    /// The value of a counter when counting began.
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

    /// A copy, for the moment, of the descriptor that a process sends by.
    pub(crate) fn outbound(&self, side: usize) -> io::Result<OwnedFd> {
        self.windows[side].take(self.windows[side].outbound)
    }

    /// The same for the descriptor that it receives by.
    pub(crate) fn inbound(&self, side: usize) -> io::Result<OwnedFd> {
        self.windows[side].take(self.windows[side].inbound)
    }
}

/// The values that were read.
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
