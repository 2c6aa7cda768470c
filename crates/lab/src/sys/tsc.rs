//! The processor's time stamp counter, read with one instruction.
#![allow(unsafe_code)]

use std::sync::atomic::{Ordering, compiler_fence};

/// The counter's value, in ticks. What a tick is worth is for [`Clock`](crate::clock::Clock) to say.
///
/// The compiler moves no memory access across the reading; the processor may (see
/// [`Clock::now`](crate::clock::Clock::now)).
#[inline]
pub fn tsc() -> u64 {
    compiler_fence(Ordering::SeqCst);
    // SAFETY: `rdtsc` is part of every x86-64 processor and touches no memory. It would fault only after
    // prctl(PR_SET_TSC, PR_TSC_SIGSEGV), which nothing in this program calls.
    let ticks = unsafe { core::arch::x86_64::_rdtsc() };
    compiler_fence(Ordering::SeqCst);
    ticks
}
