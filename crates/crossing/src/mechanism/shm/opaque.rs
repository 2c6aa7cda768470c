//! Touching memory that another process shares, by instructions of which the compiler knows nothing.
//!
//! Words are loaded and stored, and messages copied, by blocks of assembly, which the compiler must take to read and
//! write anything; on processors without such a block here, by volatile accesses of aligned 8-byte words. Why that is
//! sound is argued in [`region`](super::region).

#![allow(unsafe_code)]

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use std::sync::atomic::Ordering;

use super::rules;

/// Loads a word; what is read afterwards is at least as new.
///
/// # Safety
/// `word` is aligned and mapped for reading.
#[inline]
pub(super) unsafe fn load_acquire(word: *const u64) -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        let value: u64;
        // SAFETY: the block loads eight bytes from `word`, which is aligned and mapped for reading, and writes one register. On
        // x86-64 every load is an acquire load; without `nomem` the compiler moves nothing across.
        unsafe {
            std::arch::asm!("mov {value}, qword ptr [{word}]", word = in(reg) word, value = out(reg) value,
                options(nostack, preserves_flags));
        }
        value
    }
    #[cfg(target_arch = "aarch64")]
    {
        let value: u64;
        // SAFETY: the block loads eight bytes from `word`, which is aligned and mapped for reading, and writes one register.
        // LDAR is an acquire load; without `nomem` the compiler moves nothing across.
        unsafe {
            std::arch::asm!("ldar {value}, [{word}]", word = in(reg) word, value = out(reg) value,
                options(nostack, preserves_flags));
        }
        value
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        // SAFETY: `word` is aligned and mapped, and is only loaded through, which needs no right to write. Another process
        // stores to it whole; an atomic is the nearest thing to that in Rust.
        unsafe { std::sync::atomic::AtomicU64::from_ptr(word.cast_mut()) }.load(Ordering::Acquire)
    }
}

/// Stores a word; earlier writes are visible to a load of it.
///
/// # Safety
/// `word` is aligned, mapped for writing, and not stored to from anywhere else.
#[inline]
pub(super) unsafe fn store_release(word: *mut u64, value: u64) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the block stores eight bytes to `word`, which is aligned, mapped for writing, and not
    // stored to from anywhere else. On x86-64 every store is a release store; without `nomem` the
    // compiler moves nothing across.
    unsafe {
        std::arch::asm!("mov qword ptr [{word}], {value}", word = in(reg) word, value = in(reg) value,
            options(nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the block stores eight bytes to `word`, which is aligned, mapped for writing, and not
    // stored to from anywhere else. STLR is a release store; without `nomem` the compiler moves
    // nothing across.
    unsafe {
        std::arch::asm!("stlr {value}, [{word}]", word = in(reg) word, value = in(reg) value,
            options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    // SAFETY: `word` is aligned and mapped for writing. Other processes only load it, whole; an atomic is the nearest thing to
    // that in Rust.
    unsafe {
        std::sync::atomic::AtomicU64::from_ptr(word).store(value, Ordering::Release);
    }
}

/// Copies a message into a ring. Bytes up to the next multiple of 8 are zeroed.
///
/// # Safety
/// `to` is a multiple of 8 and mapped for writing, for the message and its padding; nothing else in
/// this process uses it.
#[inline(always)]
pub(super) unsafe fn write(to: *mut u8, message: &[u8]) {
    if !rules::OPAQUE {
        // SAFETY: `to` is mapped for writing for the whole message. Nothing else in this process
        // uses it, so it cannot overlap `message`.
        return unsafe { to.copy_from_nonoverlapping(message.as_ptr(), message.len()) };
    }
    // SAFETY: `message` has these whole words to read. `to` is a multiple of 8, mapped for writing
    // for as many. Nothing else in this process uses it, so the two do not overlap.
    unsafe { copy_in(message.as_ptr(), to, message.len() & !7) };
    let (words, rest) = message.split_at(message.len() & !7);
    if !rest.is_empty() {
        // SAFETY: the word behind the whole ones is aligned, because `to` is, and holds the message's last bytes and its padding,
        // for which `to` is mapped for writing.
        unsafe { to.cast::<u64>().add(words.len() / 8).write_volatile(padded(rest)) };
    }
}

/// Fills private words with a message, as [`write()`] fills a ring.
#[inline(always)]
pub(super) fn fill(to: &mut [u64], message: &[u8]) {
    assert!(message.len() <= size_of_val(to), "the message fits");
    // SAFETY: words are aligned, and there are enough of them for the message and its padding.
    unsafe { write(to.as_mut_ptr().cast(), message) }
}

/// Asks for the cache line at `place` and the one behind it.
#[inline(always)]
pub(super) fn prefetch(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, wherever it points, and changes nothing that a program can see.
    unsafe {
        std::arch::asm!("prefetcht0 [{place}]", "prefetcht0 [{place} + 64]", place = in(reg) place,
            options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// Puts a cache line out of all caches, back into memory.
///
/// # Safety
/// `line` is mapped for reading.
#[inline(always)]
pub(super) unsafe fn evict(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: `line` is mapped for reading. The instruction changes where the line is, not what it holds, and needs no right to
    // write.
    unsafe {
        std::arch::asm!("clflushopt [{line}]", line = in(reg) line, options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// Private words as bytes.
pub(super) fn bytes(words: &[u64]) -> &[u8] {
    // SAFETY: every word is eight bytes, and any byte is valid.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

/// The same, to write to.
pub(super) fn bytes_mut(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: every word is eight bytes, any byte is valid, and the words are borrowed for writing.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}

/// Copies a message out of a ring.
///
/// # Safety
/// `from` is a multiple of 8 and mapped for reading, for the message and its padding.
#[inline(always)]
pub(super) unsafe fn read(from: *const u8, message: &mut [u8]) {
    if !rules::OPAQUE {
        // SAFETY: `from` is mapped for reading for the whole message; `message` is a private buffer, so the two do not overlap.
        return unsafe { from.copy_to_nonoverlapping(message.as_mut_ptr(), message.len()) };
    }
    // SAFETY: `from` is a multiple of 8 and mapped for reading for these whole words; `message` has room for them, is borrowed
    // for writing, and does not overlap a ring.
    unsafe { copy_out(from, message.as_mut_ptr(), message.len() & !7) };
    if message.len() % 8 != 0 {
        // SAFETY: `from` is a multiple of 8 and mapped for reading for the message and its padding, as `read_rest` requires.
        unsafe { read_rest(from, message) }
    }
}

/// Copies the last bytes of a message out of a ring, which are no whole word: the last eight, some of them once more.
///
/// # Safety
/// As with [`read`].
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn read_rest(from: *const u8, message: &mut [u8]) {
    match message.len().checked_sub(8) {
        // SAFETY: the last eight bytes of the message are mapped at `from + place`, and `message` has room for them. On x86-64 a
        // load need not be aligned.
        Some(place) => unsafe { copy_out(from.add(place), message.as_mut_ptr().add(place), 8) },
        // SAFETY: `from` is a multiple of 8, and the message with its padding, one word, is mapped for reading there.
        None => unpad(unsafe { load_acquire(from.cast()) }, message),
    }
}

/// Copies the last bytes of a message out of a ring, which are no whole word.
///
/// # Safety
/// As with [`read`].
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
unsafe fn read_rest(from: *const u8, message: &mut [u8]) {
    let whole = message.len() & !7;
    let rest = &mut message[whole..];
    // SAFETY: the word behind the whole ones is aligned, because `from` is, and holds the message's last bytes and its padding,
    // for which `from` is mapped for reading.
    let word = unsafe { from.add(whole).cast::<u64>().read_volatile() };
    unpad(word, rest);
}

/// The last bytes of a message as a word, filled up with zeros.
#[inline(always)]
fn padded(rest: &[u8]) -> u64 {
    rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)).to_le()
}

/// The first bytes of a word.
#[inline(never)]
fn unpad(word: u64, rest: &mut [u8]) {
    rest.copy_from_slice(&word.to_ne_bytes()[..rest.len()]);
}

/// Copies `bytes`, a multiple of 8, between private memory and a ring.
///
/// Loads are of 8 bytes: a message is mostly written, word by word, just before it is sent, and a load that
/// is wider than the stores before it would have to wait until those have left the store buffer, behind all
/// that wait for lines of the ring. Stores are of 16: the fewer there are, the more messages wait there side
/// by side. One block of assembly, so that nothing is put aside on the stack for its sake.
///
/// # Safety
/// `from` is mapped for reading and `to` for writing, for that many bytes; they do not overlap;
/// nothing else in this process uses `to`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn copy_words(from: *const u8, to: *mut u8, bytes: usize) {
    // SAFETY: the block loads `bytes` bytes from `from`, mapped for reading, and stores them to `to`, mapped for writing, neither
    // of them further: `left` counts down in words to nothing. It writes no other register than it names; the hardware asks for no
    // alignment.
    unsafe {
        std::arch::asm!(
            "sub {left}, 64",
            "jb 3f",
            "2:",
            "movq {a}, qword ptr [{from}]",
            "movhps {a}, qword ptr [{from} + 8]",
            "movq {b}, qword ptr [{from} + 16]",
            "movhps {b}, qword ptr [{from} + 24]",
            "movq {c}, qword ptr [{from} + 32]",
            "movhps {c}, qword ptr [{from} + 40]",
            "movq {d}, qword ptr [{from} + 48]",
            "movhps {d}, qword ptr [{from} + 56]",
            "movups xmmword ptr [{to}], {a}",
            "movups xmmword ptr [{to} + 16], {b}",
            "movups xmmword ptr [{to} + 32], {c}",
            "movups xmmword ptr [{to} + 48], {d}",
            "add {from}, 64",
            "add {to}, 64",
            "sub {left}, 64",
            "jae 2b",
            "3:",
            "add {left}, 64",
            "jz 5f",
            "4:",
            "movq {a}, qword ptr [{from}]",
            "movq qword ptr [{to}], {a}",
            "add {from}, 8",
            "add {to}, 8",
            "sub {left}, 8",
            "jnz 4b",
            "5:",
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            left = inout(reg) bytes => _,
            a = out(xmm_reg) _,
            b = out(xmm_reg) _,
            c = out(xmm_reg) _,
            d = out(xmm_reg) _,
            options(nostack)
        );
    }
}

/// The same into a ring, word by word: `to` is a multiple of 8.
///
/// # Safety
/// As above.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn copy_in(from: *const u8, to: *mut u8, bytes: usize) {
    for place in (0..bytes).step_by(8) {
        // SAFETY: the word at `place` lies within the `bytes` that are mapped at both; `to` is a multiple of 8, so it is aligned
        // there, and `from` need not be.
        unsafe { to.add(place).cast::<u64>().write_volatile(from.add(place).cast::<u64>().read_unaligned()) };
    }
}

/// The same out of a ring, word by word: `from` is a multiple of 8.
///
/// # Safety
/// As above.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn copy_out(from: *const u8, to: *mut u8, bytes: usize) {
    for place in (0..bytes).step_by(8) {
        // SAFETY: the word at `place` lies within the `bytes` that are mapped at both; `from` is a multiple of 8, so it is
        // aligned there, and `to` need not be.
        unsafe { to.add(place).cast::<u64>().write_unaligned(from.add(place).cast::<u64>().read_volatile()) };
    }
}

#[cfg(target_arch = "x86_64")]
use copy_words as copy_in;
#[cfg(target_arch = "x86_64")]
use copy_words as copy_out;

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_put_out_holds_what_it_held() {
        if !crate::tuning::has_clflushopt() {
            // A processor on which nothing is ever put out.
            return;
        }
        let words: Vec<u64> = (0..64).collect();
        // SAFETY: the line is part of `words`.
        unsafe { evict(words[32..].as_ptr().cast()) };
        assert!(words.iter().copied().eq(0..64));
    }
}
