//! Programs for the kernel's own machine, from a list of instructions with named places to jump to.
//!
//! # References
//! Documentation/bpf/standardization/instruction-set.rst and include/uapi/linux/bpf.h of the kernel.

use std::os::fd::{AsFd, AsRawFd};

/// A register. 0 has a result, 1 to 5 the arguments of a call, which spoils them; 6 to 9 survive it; 10 is the end of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reg {
    R0,
    R1,
    R2,
    R3,
    R4,
    R6 = 6,
    R7,
    R8,
    R9,
    /// The stack’s end: what is kept there has a negative offset.
    Stack,
}

/// Functions of the kernel, by their number in include/uapi/linux/bpf.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Helper {
    MapLookup = 1,
    MapUpdate = 2,
    /// CLOCK_MONOTONIC, in nanoseconds.
    Now = 5,
    /// The process in the upper half, the thread in the lower.
    CurrentIds = 14,
    ReadKernel = 113,
    RingOutput = 130,
}

/// A place in a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// A program in the making.
#[derive(Debug, Default)]
pub(super) struct Program {
    words: Vec<u64>,
    /// Where each label is.
    places: Vec<Option<usize>>,
    /// Which jumps lead to which label.
    jumps: Vec<(usize, Label)>,
}

impl Program {
    fn push(&mut self, code: u8, to: Reg, from: u8, offset: i16, number: i32) -> &mut Program {
        let registers = to as u8 | from << 4;
        let [c, d] = offset.to_le_bytes();
        let [e, f, g, h] = number.to_le_bytes();
        self.words.push(u64::from_le_bytes([code, registers, c, d, e, f, g, h]));
        self
    }

    /// `to = number`
    pub(super) fn set(&mut self, to: Reg, number: i32) -> &mut Program {
        self.push(0xb7, to, 0, 0, number)
    }

    /// `to = from`
    pub(super) fn copy(&mut self, to: Reg, from: Reg) -> &mut Program {
        self.push(0xbf, to, from as u8, 0, 0)
    }

    /// `to += number`
    pub(super) fn add(&mut self, to: Reg, number: i32) -> &mut Program {
        self.push(0x07, to, 0, 0, number)
    }

    /// `to |= from`
    pub(super) fn or(&mut self, to: Reg, from: Reg) -> &mut Program {
        self.push(0x4f, to, from as u8, 0, 0)
    }

    /// `to <<= bits`
    pub(super) fn shift_up(&mut self, to: Reg, bits: i32) -> &mut Program {
        self.push(0x67, to, 0, 0, bits)
    }

    /// `to >>= bits`
    pub(super) fn shift_down(&mut self, to: Reg, bits: i32) -> &mut Program {
        self.push(0x77, to, 0, 0, bits)
    }

    /// `to = the eight bytes at from + offset`
    pub(super) fn load(&mut self, to: Reg, from: Reg, offset: i16) -> &mut Program {
        self.push(0x79, to, from as u8, offset, 0)
    }

    /// `to = the four bytes at from + offset`, the upper half zero.
    pub(super) fn load_half(&mut self, to: Reg, from: Reg, offset: i16) -> &mut Program {
        self.push(0x61, to, from as u8, offset, 0)
    }

    /// `the eight bytes at to + offset = from`
    pub(super) fn store(&mut self, to: Reg, offset: i16, from: Reg) -> &mut Program {
        self.push(0x7b, to, from as u8, offset, 0)
    }

    /// `the four bytes at to + offset = the lower half of from`
    pub(super) fn store_half(&mut self, to: Reg, offset: i16, from: Reg) -> &mut Program {
        self.push(0x63, to, from as u8, offset, 0)
    }

    /// `the eight bytes at to + offset += from`, as one.
    pub(super) fn count_up(&mut self, to: Reg, offset: i16, from: Reg) -> &mut Program {
        self.push(0xdb, to, from as u8, offset, 0)
    }

    /// `to = the map`
    pub(super) fn map(&mut self, to: Reg, map: impl AsFd) -> &mut Program {
        const A_MAP: u8 = 1;
        self.push(0x18, to, A_MAP, 0, map.as_fd().as_raw_fd());
        self.words.push(0);
        self
    }

    /// `R0 = helper(R1, …)`
    pub(super) fn call(&mut self, helper: Helper) -> &mut Program {
        self.push(0x85, Reg::R0, 0, 0, helper as i32)
    }

    /// A label that is [placed](Program::place) later.
    pub(super) fn label(&mut self) -> Label {
        self.places.push(None);
        Label(self.places.len() - 1)
    }

    /// The next instruction is where `label` is.
    pub(super) fn place(&mut self, label: Label) -> &mut Program {
        self.places[label.0] = Some(self.words.len());
        self
    }

    /// Goes on at `label` if the register is `number`.
    pub(super) fn if_equal(&mut self, reg: Reg, number: i32, label: Label) -> &mut Program {
        self.jump(0x15, reg, number, label)
    }

    /// Goes on at `label` if the register is not `number`.
    pub(super) fn if_other(&mut self, reg: Reg, number: i32, label: Label) -> &mut Program {
        self.jump(0x55, reg, number, label)
    }

    fn jump(&mut self, code: u8, reg: Reg, number: i32, label: Label) -> &mut Program {
        self.jumps.push((self.words.len(), label));
        self.push(code, reg, 0, 0, number)
    }

    /// `return 0`
    pub(super) fn end(&mut self) -> &mut Program {
        self.set(Reg::R0, 0).push(0x95, Reg::R0, 0, 0, 0)
    }

    /// The instructions.
    ///
    /// # Panics
    /// If a jump leads to a label that has no place.
    pub(super) fn finish(&mut self) -> Vec<u64> {
        for &(from, label) in &self.jumps {
            let to = self.places[label.0].expect("each label that is jumped to has its place");
            let offset = (to as i64 - from as i64 - 1) as i16;
            self.words[from] |= u64::from(offset as u16) << 16;
        }
        std::mem::take(&mut self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_those_of_the_standard() {
        let mut program = Program::default();
        let done = program.label();
        program.set(Reg::R6, -2).copy(Reg::R1, Reg::R6).load(Reg::R2, Reg::Stack, -8).if_equal(
            Reg::R0,
            7,
            done,
        );
        program.store(Reg::Stack, -16, Reg::R2).place(done).end();
        let words = [
            0xffff_fffe_0000_06b7,
            0x0000_0000_0000_61bf,
            0x0000_0000_fff8_a279,
            0x0000_0007_0001_0015,
            0x0000_0000_fff0_2a7b,
            0x0000_0000_0000_00b7,
            0x0000_0000_0000_0095,
        ];
        assert_eq!(program.finish(), words);
    }
}
