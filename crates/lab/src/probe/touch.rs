//! Touches: the instructions that read or wrote one byte of a message, wherever it was at the moment.

use super::symbols;
use crate::sys::perf::Sample;

/// Where a byte of the message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BytePlace {
    /// In the memory that the sender gives to `send`.
    SentMessage,
    /// In the sender's memory from which the kernel is asked to take it.
    SendBuffer,
    /// In the kernel's memory.
    Kernel,
    /// In memory that both have mapped, by the sender's address.
    SharedBySender,
    /// … by the receiver's address.
    SharedByReceiver,
    /// In the receiver's memory to which the kernel is asked to put it.
    ReceiveBuffer,
    /// In the memory that the receiver gives to `recv`.
    ReceivedMessage,
}

impl BytePlace {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            BytePlace::SentMessage => "the sender's message",
            BytePlace::SendBuffer => "the sender's buffer",
            BytePlace::Kernel => "the kernel's copy",
            BytePlace::SharedBySender => "shared memory, the sender's mapping",
            BytePlace::SharedByReceiver => "shared memory, the receiver's mapping",
            BytePlace::ReceiveBuffer => "the receiver's buffer",
            BytePlace::ReceivedMessage => "the receiver's message",
        }
    }
}

/// One instruction that touched the byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// Where the byte was.
    pub place: BytePlace,
    /// The running process: 0 the sender, 1 the receiver, `None` another task.
    pub side: Option<usize>,
    /// When, on CLOCK_MONOTONIC.
    pub t_ns: u64,
    /// The core.
    pub cpu: u32,
    /// The kernel's function; `None` when it was the program itself.
    pub function: Option<String>,
    /// The functions that led to it, the innermost first.
    pub stack: Vec<String>,
}

impl Touch {
    /// Whether the kernel did it.
    pub fn by_kernel(&self) -> bool {
        self.function.is_some()
    }
}

/// All touches of one message's byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// From just before `send` to just after `recv`, on CLOCK_MONOTONIC.
    pub window: (u64, u64),
    /// In order of time.
    pub touches: Vec<Touch>,
}

impl Life {
    /// How often the kernel touched the byte there.
    pub fn kernel_touches(&self, place: BytePlace) -> usize {
        self.touches.iter().filter(|touch| touch.place == place && touch.by_kernel()).count()
    }

    /// Whether the forecast of the kernel's address came true: the very copies that read the sender's buffer and wrote
    /// the receiver's have touched it.
    pub(super) fn kernel_was_met(&self) -> bool {
        let of = |place| self.touches.iter().filter(move |touch| touch.place == place && touch.by_kernel());
        let met = |buffer| of(buffer).all(|user| of(BytePlace::Kernel).any(|own| own.stack == user.stack));
        self.kernel_touches(BytePlace::SendBuffer) > 0
            && met(BytePlace::SendBuffer)
            && met(BytePlace::ReceiveBuffer)
    }

    /// Copies by the kernel: between its memory and the processes', and within its own.
    pub(super) fn kernel_copies(&self) -> usize {
        let across = [
            BytePlace::SentMessage,
            BytePlace::SendBuffer,
            BytePlace::ReceiveBuffer,
            BytePlace::ReceivedMessage,
        ];
        let across: usize = across.iter().map(|&place| self.kernel_touches(place)).sum();
        across.max(self.kernel_touches(BytePlace::Kernel))
    }
}

/// A touch, with the kernel's functions by name.
pub(super) fn touch(place: BytePlace, sample: &Sample, pids: &[u32; 2]) -> Touch {
    let in_kernel = sample.ip >> 63 == 1;
    Touch {
        place,
        side: pids.iter().position(|&pid| pid == sample.tid),
        t_ns: sample.t_ns,
        cpu: sample.cpu,
        function: in_kernel.then(|| symbols::name(sample.ip)),
        stack: if in_kernel { sample.stack.iter().copied().map(symbols::name).collect() } else { Vec::new() },
    }
}
