//! The raw calls that rustix lacks: the only folder of the lab in which `unsafe` is allowed.

pub mod board;
pub mod bpf;
pub mod calls;
#[cfg(target_arch = "x86_64")]
pub mod cpuid;
pub mod given;
pub mod heap;
pub mod lines;
pub mod mapping;
pub mod maps;
pub mod mark;
pub mod monotonic;
pub mod perf;
pub mod ptrace;
pub mod signals;
pub mod socket;
pub mod stray;
#[cfg(target_arch = "x86_64")]
pub mod tsc;
pub mod usage;

pub use lines::{Bounce, Lines, Polls};
pub use usage::{Usage, try_usage, usage};
