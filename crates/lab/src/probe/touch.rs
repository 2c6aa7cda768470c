//! Touches: the instructions that read or wrote one byte of a message, wherever it was at the moment.

use crossing::scene::SceneDesign;

use super::steps::{Sign, step};
use super::symbols;
use crate::scene::Space;
use crate::sys::perf::Sample;
use crate::trace::{Access, What};

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

    /// The memory, in words: what both have mapped is one.
    fn memory(self) -> &'static str {
        match self {
            BytePlace::SharedBySender | BytePlace::SharedByReceiver => "shared memory",
            place => place.words(),
        }
    }
}

/// The part that a touch has in a copy of the byte from one memory to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CopyPart {
    /// Which copy, counted from 1 on the byte's way.
    pub(crate) copy: u64,
    /// Whether the copy reads here, or writes.
    pub(crate) access: Access,
}

impl CopyPart {
    /// `copy 2 reads`.
    pub(crate) fn words(self) -> String {
        format!("copy {} {}", self.copy, self.verb())
    }

    fn verb(self) -> &'static str {
        if self.access == Access::Read { "reads" } else { "writes" }
    }
}

/// The part of each touch, which are in order of time. A copy is one instruction, or two of the program's after each other:
/// they touch two memories, of which the one that is earlier on the way is read. A touch without a part looks at the byte, or
/// makes it.
pub(crate) fn copy_parts(touches: &[Touch]) -> Vec<Option<CopyPart>> {
    let mut parts = vec![None; touches.len()];
    let mut copy = 0;
    for (index, one) in touches.iter().enumerate() {
        if parts[index].is_some() {
            continue;
        }
        let after = touches.iter().enumerate().skip(index + 1);
        let Some((next, two)) = after.into_iter().find(|(_, two)| two.side == one.side) else { continue };
        let same_doer = one.function == two.function && one.stack == two.stack;
        if same_doer && one.place.memory() != two.place.memory() {
            copy += 1;
            let (read, write) = if one.place < two.place { (index, next) } else { (next, index) };
            parts[read] = Some(CopyPart { copy, access: Access::Read });
            parts[write] = Some(CopyPart { copy, access: Access::Write });
        }
    }
    parts
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

    /// The function, and its caller where that is known.
    pub(crate) fn doer(&self) -> (String, String) {
        let function = self.function.clone().unwrap_or_else(|| "the program itself".into());
        (function, self.stack.get(1).map_or_else(String::new, |caller| format!(", called by {caller}")))
    }

    /// The step of the scene that it is.
    pub(crate) fn step(&self, scene: &'static SceneDesign) -> Option<&'static str> {
        let sign = match self.place {
            _ if self.by_kernel() => Sign::KernelCopy,
            BytePlace::SharedBySender | BytePlace::SharedByReceiver => Sign::SharedTouch,
            _ => return None,
        };
        step(scene, self.side?, sign)
    }

    /// As an event of a trace, and the sentence for it.
    pub(crate) fn event(&self, part: Option<CopyPart>, bytes: Option<u64>) -> (What, String) {
        let (function, caller) = self.doer();
        let place = self.place.words();
        let text = match part {
            None => format!("{function} touches {place}{caller}"),
            Some(part) => format!("{function} {} {place}{caller}: copy {}", part.verb(), part.copy),
        };
        let what = What::Copy {
            function,
            bytes,
            space: Some(if self.by_kernel() { Space::Kernel } else { Space::User }),
            place: Some(self.place.memory().into()),
            copy: part.map(|part| part.copy),
            access: part.map(|part| part.access),
            detail: (!self.stack.is_empty()).then(|| self.stack.join(" < ")),
        };
        (what, text)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A touch by a process, in the kernel's function or by the program itself.
    fn seen(place: BytePlace, side: usize, function: Option<&str>) -> Touch {
        let stack = function.map(|function| vec![function.to_owned(), "caller".into()]).unwrap_or_default();
        Touch { place, side: Some(side), t_ns: 0, cpu: 0, function: function.map(Into::into), stack }
    }

    fn told(touches: &[Touch]) -> Vec<String> {
        copy_parts(touches).into_iter().map(|part| part.map_or("-".into(), CopyPart::words)).collect()
    }

    #[test]
    fn each_touch_belongs_to_the_copy_that_made_it() {
        use BytePlace::*;
        let through_the_kernel = [
            seen(SentMessage, 0, None),
            seen(SentMessage, 0, None),
            seen(SendBuffer, 0, None),
            // Both watchpoints of one instruction are told in the order of the registers.
            seen(Kernel, 0, Some("in")),
            seen(SendBuffer, 0, Some("in")),
            seen(Kernel, 1, Some("out")),
            seen(ReceiveBuffer, 1, Some("out")),
            seen(ReceiveBuffer, 1, None),
            seen(ReceivedMessage, 1, None),
        ];
        let parts = ["-", "copy 1 reads", "copy 1 writes", "copy 2 writes", "copy 2 reads"];
        let more = ["copy 3 reads", "copy 3 writes", "copy 4 reads", "copy 4 writes"];
        assert_eq!(told(&through_the_kernel), [&parts[..], &more].concat());
        let shared = [
            seen(SentMessage, 0, None),
            seen(SharedBySender, 0, None),
            seen(SharedByReceiver, 1, None),
            seen(SharedByReceiver, 1, None),
            seen(ReceivedMessage, 1, None),
        ];
        let parts = ["copy 1 reads", "copy 1 writes", "-", "copy 2 reads", "copy 2 writes"];
        assert_eq!(told(&shared), parts);
    }

    #[test]
    fn touches_of_different_functions_or_tasks_are_no_copy() {
        use BytePlace::*;
        let other = Touch { side: None, ..seen(Kernel, 0, Some("out")) };
        let apart = [seen(SendBuffer, 0, Some("in")), seen(Kernel, 0, Some("check")), other];
        assert_eq!(told(&apart), ["-", "-", "-"]);
        assert_eq!(told(&[]), Vec::<String>::new());
    }
}
