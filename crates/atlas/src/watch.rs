//! A watch: one channel between programs that run, looked at from outside. Its payload is never read.

mod aim;
mod calls;
mod findings;
mod flow;
mod gather;
mod kept;
mod look;
mod played;
mod repeat;
mod report;
mod run;
mod tap;

pub use aim::{AimError, aim};
pub use report::{
    CallsSeen, Distribution, WATCH_FORMAT, WATCH_SCHEMA, WatchFinding, WatchInstrument, WatchReport,
    WatchedDirection, WatchedEnd,
};
pub use run::{WatchError, WatchOptions, watch, watch_and_record};
