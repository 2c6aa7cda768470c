//! Memory that the allocator keeps for later, given back to the kernel. Looking through a message
//! takes tens of megabytes for a moment (every symbol of the kernel, rings of samples); a program
//! that runs for days must not keep them.
#![allow(unsafe_code)]

/// Gives back what is free. Takes about a millisecond; does nothing where the allocator cannot.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) takes the allocator's own locks and touches free memory only; it may be called from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
