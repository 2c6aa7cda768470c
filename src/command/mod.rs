//! The verbs, one file each: each carries out a decision and shows the outcome.

pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod man;
pub(crate) mod map;
pub(crate) mod probe;
pub(crate) mod race;
pub(crate) mod rehearse;
pub(crate) mod replay;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod watch;
