//! The verbs, one file each: what was decided is done, and what came of it is shown.

pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod man;
pub(crate) mod probe;
pub(crate) mod race;
pub(crate) mod replay;
pub(crate) mod serve;
pub(crate) mod show;
