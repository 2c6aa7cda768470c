//! What follows from the figures of a watch, each with the figures that it follows from.

use super::report::{WatchFinding, WatchReport};

/// The findings of a watch, the gravest first.
pub(super) fn of(_report: &WatchReport) -> Vec<WatchFinding> {
    Vec::new()
}
