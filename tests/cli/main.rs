//! The real binary, from outside: what it prints, where, and with which exit code.

mod bad_input;
mod doctor;
mod evidence;
mod exports;
mod harness;
mod help;
mod interruption;
mod race;
mod schema;
mod serve;
mod show;
mod stage;
mod trace;
