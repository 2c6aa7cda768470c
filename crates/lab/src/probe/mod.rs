//! Probes: what a message costs, counted on the running kernel.
//!
//! An *instrument* is one way to look: it has a tier (what it takes to be allowed to), a certainty (what its
//! count can prove), and an overhead, which is measured here and printed beside what it found. Each file of
//! this folder is one instrument or one idea that they share.

mod bench;
pub mod calls;
pub mod copies;
pub mod counters;
mod direct_map;
pub mod figure;
pub mod pages;
mod spell;
pub mod stream;
pub mod symbols;
pub mod tracefs;

pub use bench::{Bench, ProbeError, Row, Setup};
