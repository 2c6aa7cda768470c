//! rtrb: a ring of messages between two threads of one process, each message pushed and popped by itself.
//!
//! It does not cross processes. It is a bound: what a ring can do if no memory is shared by a
//! descriptor and the other side is trusted.

use guest::{About, Failure, Job, Link, News, Result, Rival, Side, Waiting, by_size, spin};
use rtrb::{Consumer, Producer, RingBuffer};

const ABOUT: About = About {
    name: "rtrb",
    version: "rtrb 0.4.1, guest 1",
    kinds: &["shm"],
    workloads: About::WORKLOADS,
    waits: &["spin"],
    threads: true,
    note: None,
};

/// 64 bytes in 1024 slots; fewer slots of larger ones.
const RING_BYTES: usize = 64 << 10;

/// A message on lines of its own: the ring puts them where their type may lie.
#[repr(align(64))]
struct Message<const SIZE: usize>([u8; SIZE]);

struct Ring<const SIZE: usize> {
    out: Producer<Message<SIZE>>,
    inward: Consumer<Message<SIZE>>,
    waiting: Waiting,
}

impl<const SIZE: usize> Rival for Ring<SIZE> {
    type Half = Ring<SIZE>;
    type Link = Ring<SIZE>;

    fn halves(job: &Job) -> Result<[Self::Half; 2]> {
        let slots = (RING_BYTES / SIZE).max(8);
        let (there_out, there_in) = RingBuffer::new(slots);
        let (back_out, back_in) = RingBuffer::new(slots);
        let ring = |out, inward| Ring { out, inward, waiting: job.waiting() };
        Ok([ring(there_out, back_in), ring(back_out, there_in)])
    }

    fn open(half: Self::Half, _: &Job, _: Side, _: &mut News) -> Result<Self::Link> {
        Ok(half)
    }
}

impl<const SIZE: usize> Link for Ring<SIZE> {
    #[inline]
    fn send(&mut self, make: impl FnOnce(&mut [u8])) -> Result<()> {
        let mut message = Message([0; SIZE]);
        make(&mut message.0);
        while self.out.is_full() {
            self.waiting.not_yet();
        }
        self.out.push(message).map_err(Failure::new)
    }

    #[inline]
    fn receive(&mut self, take: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        let message = spin(self.waiting, || Ok(self.inward.pop().ok()))?;
        take(&message.0)
    }
}

fn main() -> std::process::ExitCode {
    guest::main(&ABOUT, |job| by_size!(job, threads, Ring))
}
