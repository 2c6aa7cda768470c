//! The two programs that the kernel runs: one where a system call begins, one where it ends.
//!
//! The first keeps when a watched thread's call began. The second finds that again, looks whether the call is about a watched
//! descriptor, and writes one record. A thread that is not watched costs two or three looks into tables. The payload is never read: of a
//! call's memory not even the address is recorded.

use std::ffi::CStr;
use std::io;

use lab::sys::bpf::{AttachedProgram, KernelMap, attach};

use super::assembler::{Helper, Label, Program, Reg};
use super::recorded::Recorded;

/// Words of a record: began (0: before the watch), ended, the thread's ids, the call's number and its first argument, the second
/// and third, the fourth, the result.
pub(super) const RECORD_WORDS: usize = 7;

/// The kernel lets only programs under its own licence read its memory.
const LICENCE: &CStr = c"Dual MIT/GPL";

/// What the programs share with this process.
#[derive(Debug)]
pub(super) struct SharedMaps {
    /// A process (4 bytes): any value.
    pub(super) processes: KernelMap,
    /// A call's number (4 bytes): 0, or a [`Recorded`].
    pub(super) calls: KernelMap,
    /// A process (the upper half of 8 bytes) and a descriptor: any value.
    pub(super) descriptors: KernelMap,
    /// A thread's ids (8 bytes): when its call began, or 0.
    pub(super) open: KernelMap,
    /// 0 (4 bytes): how many records found no room (8 bytes).
    pub(super) lost: KernelMap,
    pub(super) ring: KernelMap,
}

/// Where a stopped thread's registers have a call's arguments, in the kernel's `struct pt_regs`.
struct Registers {
    /// The first byte that is read, and how many: the arguments and the call's number are in them.
    from: i32,
    bytes: i32,
    /// From there: the first four arguments, and the number.
    arguments: [i16; 4],
    number: i16,
}

#[cfg(target_arch = "x86_64")]
const REGISTERS: Option<Registers> =
    // r10 r9 r8 ax cx dx si di orig_ax
    Some(Registers { from: 56, bytes: 72, arguments: [56, 48, 40, 0], number: 64 });
/// What is overwritten when a call returns differs, so each processor needs a try.
#[cfg(not(target_arch = "x86_64"))]
const REGISTERS: Option<Registers> = None;

/// Places on the stack.
const KEY: i16 = -8;
const DESCRIPTOR: i16 = -16;
const IDS: i16 = -24;
const NOW: i16 = -32;
const READ: i16 = -112;
const RECORD: i16 = READ - 8 * RECORD_WORDS as i16;

/// Lets the kernel run both.
pub(super) fn attach_both(maps: &SharedMaps) -> io::Result<[AttachedProgram; 2]> {
    let registers = REGISTERS.ok_or_else(|| {
        let what = "where a call's arguments are was tried on x86-64 only";
        io::Error::new(io::ErrorKind::Unsupported, what)
    })?;
    // The end first: a call that has begun in between is recorded without a beginning, and not lost.
    let end = attach("sys_exit", &at_end(maps, &registers), LICENCE)?;
    Ok([end, attach("sys_enter", &at_begin(maps), LICENCE)?])
}

/// Keeps the current thread's ids in R7 and on the stack.
fn ids(program: &mut Program) {
    program.call(Helper::CurrentIds).copy(Reg::R7, Reg::R0).store(Reg::Stack, IDS, Reg::R7);
}

/// Looks up the current process, and goes to `done` if it is not watched.
fn watched(program: &mut Program, maps: &SharedMaps, done: Label) {
    program.copy(Reg::R1, Reg::R7).shift_down(Reg::R1, 32).store_half(Reg::Stack, KEY, Reg::R1);
    look_up(program, &maps.processes, KEY);
    program.if_equal(Reg::R0, 0, done);
}

/// R0: where the map has the value of the key on the stack, or 0.
fn look_up(program: &mut Program, map: &KernelMap, key: i16) {
    program.map(Reg::R1, map).copy(Reg::R2, Reg::Stack).add(Reg::R2, key.into()).call(Helper::MapLookup);
}

/// R8: the scope of the call whose number is in R1; goes to `done` if it is none.
fn scope(program: &mut Program, maps: &SharedMaps, done: Label) {
    program.store_half(Reg::Stack, KEY, Reg::R1);
    look_up(program, &maps.calls, KEY);
    program.if_equal(Reg::R0, 0, done).load_half(Reg::R8, Reg::R0, 0).if_equal(Reg::R8, 0, done);
}

fn at_begin(maps: &SharedMaps) -> Vec<u64> {
    let mut program = Program::default();
    let (done, first) = (program.label(), program.label());
    // Of the tracepoint's two arguments the second is the number. A table of numbers is the cheapest to look into, so it is first.
    program.load(Reg::R1, Reg::R1, 8);
    scope(&mut program, maps, done);
    ids(&mut program);
    // A thread that has been here is known: its place is written, which costs less than an update of the table.
    look_up(&mut program, &maps.open, IDS);
    program.if_equal(Reg::R0, 0, first).copy(Reg::R6, Reg::R0);
    program.call(Helper::Now).store(Reg::R6, 0, Reg::R0);
    program.set(Reg::R0, 0).if_equal(Reg::R0, 0, done);

    program.place(first);
    watched(&mut program, maps, done);
    program.call(Helper::Now).store(Reg::Stack, NOW, Reg::R0);
    program.map(Reg::R1, &maps.open).copy(Reg::R2, Reg::Stack).add(Reg::R2, IDS.into());
    program.copy(Reg::R3, Reg::Stack).add(Reg::R3, NOW.into()).set(Reg::R4, 0).call(Helper::MapUpdate);
    program.place(done).end();
    program.finish()
}

fn at_end(maps: &SharedMaps, registers: &Registers) -> Vec<u64> {
    let mut program = Program::default();
    let (done, all, opened, unopened) = (program.label(), program.label(), program.label(), program.label());
    let (first, known) = (program.label(), program.label());
    program.copy(Reg::R6, Reg::R1);
    ids(&mut program);
    // A known thread without a beginning is in a call that nothing asks for.
    look_up(&mut program, &maps.open, IDS);
    program.if_equal(Reg::R0, 0, first).load(Reg::R1, Reg::R0, 0).if_equal(Reg::R1, 0, done);
    program.set(Reg::R0, 0).if_equal(Reg::R0, 0, known);
    program.place(first);
    watched(&mut program, maps, done);
    program.place(known);
    // Of the tracepoint's two arguments the first points to the registers.
    program.load(Reg::R3, Reg::R6, 0).add(Reg::R3, registers.from);
    program.copy(Reg::R1, Reg::Stack).add(Reg::R1, READ.into()).set(Reg::R2, registers.bytes);
    program.call(Helper::ReadKernel).if_other(Reg::R0, 0, done);
    program.load(Reg::R1, Reg::Stack, READ + registers.number);
    scope(&mut program, maps, done);

    program.load_half(Reg::R9, Reg::Stack, READ + registers.arguments[0]);
    program.if_equal(Reg::R8, Recorded::Always as i32, all);
    program.copy(Reg::R1, Reg::R7).shift_down(Reg::R1, 32).shift_up(Reg::R1, 32).or(Reg::R1, Reg::R9);
    program.store(Reg::Stack, DESCRIPTOR, Reg::R1);
    look_up(&mut program, &maps.descriptors, DESCRIPTOR);
    program.if_equal(Reg::R0, 0, unopened);

    program.place(all);
    look_up(&mut program, &maps.open, IDS);
    program.set(Reg::R8, 0).if_equal(Reg::R0, 0, opened);
    program.load(Reg::R8, Reg::R0, 0).set(Reg::R1, 0).store(Reg::R0, 0, Reg::R1);
    program.place(opened);
    program.call(Helper::Now);
    program.store(Reg::Stack, RECORD, Reg::R8).store(Reg::Stack, RECORD + 8, Reg::R0);
    program.store(Reg::Stack, RECORD + 16, Reg::R7);
    program.load_half(Reg::R1, Reg::Stack, KEY).store_half(Reg::Stack, RECORD + 24, Reg::R1);
    program.store_half(Reg::Stack, RECORD + 28, Reg::R9);
    for (argument, place) in [(1, 32), (2, 36), (3, 40)] {
        program.load_half(Reg::R1, Reg::Stack, READ + registers.arguments[argument]);
        program.store_half(Reg::Stack, RECORD + place, Reg::R1);
    }
    program.set(Reg::R1, 0).store_half(Reg::Stack, RECORD + 44, Reg::R1);
    program.load(Reg::R1, Reg::R6, 8).store(Reg::Stack, RECORD + 48, Reg::R1);
    // Nothing is woken for a record: this process looks from time to time.
    const NO_WAKE_UP: i32 = 1;
    program.map(Reg::R1, &maps.ring).copy(Reg::R2, Reg::Stack).add(Reg::R2, RECORD.into());
    program.set(Reg::R3, 8 * RECORD_WORDS as i32).set(Reg::R4, NO_WAKE_UP).call(Helper::RingOutput);
    program.if_equal(Reg::R0, 0, done);
    program.set(Reg::R1, 0).store_half(Reg::Stack, KEY, Reg::R1);
    look_up(&mut program, &maps.lost, KEY);
    program.if_equal(Reg::R0, 0, done).set(Reg::R1, 1).count_up(Reg::R0, 0, Reg::R1);
    program.set(Reg::R0, 0).if_equal(Reg::R0, 0, done);

    // A call on another descriptor: it is over.
    program.place(unopened);
    look_up(&mut program, &maps.open, IDS);
    program.if_equal(Reg::R0, 0, done).set(Reg::R1, 0).store(Reg::R0, 0, Reg::R1);
    program.place(done).end();
    program.finish()
}
