//! What `doctor` says is held against what `show` does, condition by condition.

use crate::Ran;
use crate::judge::Fault;

pub(crate) fn disagreements(_ran: &[Ran]) -> Vec<(String, Fault)> {
    Vec::new()
}
