//! The real binary, from outside: what it prints, where, and with which exit code.

mod adverse;
mod attacks;
mod bad_input;
#[path = "../../crates/crossing/tests/process/cannot_run.rs"]
mod cannot_run;
mod client;
mod compare;
mod doctor;
mod evidence;
mod exports;
mod foreign;
mod harness;
mod help;
mod history;
mod inputs;
mod interruption;
mod keeping;
mod limits;
mod live;
mod map;
mod map_live;
mod probe;
mod race;
mod rehearse;
mod replay;
mod rivals;
mod schema;
#[path = "../../crates/crossing/tests/process/seccomp.rs"]
mod seccomp;
mod serve;
mod show;
mod stage;
mod stages;
mod trace;
mod watched;
mod watching;
